"""What several modules share: the HTTP client in front of a server that answers as a test says."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.unit.http_server import Act, Client, Server


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    servers: list[Server] = []

    def start(*answers: bytes | Act) -> Server:
        servers.append(Server(*answers))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def call(serve: Callable[..., Server]) -> Iterator[Callable[..., tuple[Server, Client]]]:
    clients: list[Client] = []

    def start(*answers: bytes | Act, **options: object) -> tuple[Server, Client]:
        server = serve(*answers)
        clients.append(Client(server.origin, **options))
        return server, clients[-1]

    yield start
    for client in clients:
        client.close()
