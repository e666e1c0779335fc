"""The four servers on real HTTP, in one process and one event loop: control, Shopify, Ecwid, Mailchimp.

Knows sockets and uvicorn; knows nothing of what the services say.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
import socket
import threading
from typing import TYPE_CHECKING, Self

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from syncd.sandbox import control, ecwid, mailchimp, shopify
from syncd.sandbox.frame import Connections, Frame, Limiter
from syncd.sandbox.webhooks import Post

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

    from starlette.applications import Starlette
    from starlette.types import ASGIApp

    from syncd.sandbox.world import World

SERVICES = ("control", "shopify", "ecwid", "mailchimp")
START_SECONDS = 30.0


class Running:
    """A sandbox at work: `urls` names each server's base address ({service: "http://127.0.0.1:8701"}).

    A context manager; after `stop` no port is open. The world may be read from the caller's thread at
    any time, and changed through the control API or `call`.
    """

    def __init__(self, world: World, host: str = "127.0.0.1", port: int = 0) -> None:
        self.world = world
        self.connections = Connections()
        self.post = Post(world.clock, world.seed)
        self.post.attend(world.shops.values())
        self.post.attend(audience.hooks for audience in world.audiences.values())
        self._sockets = _bind(host, port)
        addresses = [each.getsockname()[:2] for each in self._sockets]
        self.urls = {name: f"http://{host}:{at[1]}" for name, at in zip(SERVICES, addresses, strict=True)}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._ready = threading.Event()

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=lambda: asyncio.run(self.serve(self._ready.set)), name="sandbox")
        self._thread.start()
        if not self._ready.wait(START_SECONDS):
            raise RuntimeError("the sandbox did not start")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def stop(self) -> None:
        """Afterwards the servers are closed. May be called twice."""
        if self._loop and self._thread and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self.shut)
            self._thread.join()

    def shut(self) -> None:
        """Asks the servers to end; called within their loop."""
        self.connections.closing.set()

    async def serve(self, ready: Callable[[], object]) -> None:
        """Runs until `shut`; calls `ready` when every port answers."""
        self._loop = asyncio.get_running_loop()
        apps = _apps(self.world, self.urls, self.connections, self.post)
        servers = [_Server(_config(app, self.connections), self.connections) for app in apps]
        tasks = [
            asyncio.create_task(server.serve(sockets=[sock]))
            for server, sock in zip(servers, self._sockets, strict=True)
        ]
        while not all(server.started for server in servers):
            await asyncio.sleep(0.005)
        ready()
        await asyncio.gather(*tasks)
        await asyncio.to_thread(self.post.close)


def start(world: World, *, host: str = "127.0.0.1", port: int = 0) -> Running:
    """The sandbox for `world`, to be entered with `with`; runs in a thread of its own."""
    return Running(world, host, port)


def run(world: World, announce: Callable[[dict[str, str]], None], *, host: str = "127.0.0.1", port: int = 0) -> None:
    """Serves in the foreground until SIGINT or SIGTERM; calls `announce` with the addresses when ready."""
    running = Running(world, host, port)
    # The world is here to stay: the garbage collector need not look through it again and again.
    gc.freeze()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        for each in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(each, running.shut)
        await running.serve(lambda: announce(running.urls))

    asyncio.run(main())


class _Server(uvicorn.Server):
    """Four servers share the process: none of them takes its signals, and none looks ten times a second for its end."""

    def __init__(self, config: uvicorn.Config, connections: Connections) -> None:
        super().__init__(config)
        self._connections = connections

    async def main_loop(self) -> None:
        await self._connections.closing.wait()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _config(app: ASGIApp, connections: Connections) -> uvicorn.Config:
    class Protocol(H11Protocol):
        """Keeps the connection where a fault can reach it."""

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            connections.open[transport.get_extra_info("peername")[:2]] = transport

        def connection_lost(self, exc: Exception | None) -> None:
            connections.open.pop(self.transport.get_extra_info("peername", ("", 0))[:2], None)
            super().connection_lost(exc)

    return uvicorn.Config(
        app,
        http=Protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="error",
        access_log=False,
        server_header=False,
        date_header=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=5,
    )


def _apps(world: World, urls: dict[str, str], connections: Connections, post: Post) -> list[ASGIApp]:
    """One application for each server, in the order of SERVICES."""
    shops = {shop.platform: shop for shop in world.shops.values()}

    def framed(service: str, app: Starlette, limiter: Limiter) -> Frame:
        return Frame(world, service, app, connections, limiter)

    return [
        control.app(world, urls, post),
        framed("shopify", shopify.app(shops["shopify"]), shopify.CallLimit(shops["shopify"])),
        framed("ecwid", ecwid.app(shops["ecwid"]), ecwid.CallLimit(shops["ecwid"])),
        framed("mailchimp", mailchimp.app(world), mailchimp.limiter(world)),
    ]


def _bind(host: str, port: int) -> list[socket.socket]:
    """A socket for each server, on ports that follow each other, or on any with port 0. Raises: OSError."""
    with contextlib.ExitStack() as stack:
        sockets = [
            stack.enter_context(socket.create_server((host, port + n if port else 0))) for n in range(len(SERVICES))
        ]
        for each in sockets:
            # Connections inherit it; without it every answer would wait 40 ms for the client's acknowledgement.
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        stack.pop_all()
    return sockets
