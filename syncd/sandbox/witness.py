"""Who listens to the counterparts: whole exchanges as the service meant them, before a fault spoils the answer.

Knows ASGI; knows no service and judges nothing. Where nobody listens, nothing is copied.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Exchange(Struct, frozen=True):
    """One request and its whole answer.

    `path` is still percent-encoded, names of headers are in lower case, and `body` is None where the
    service answered without reading it.
    """

    service: str
    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes | None
    status: int
    reply_headers: dict[str, str]
    reply: bytes


Witness = Callable[[Exchange], None]

_witnesses: list[Witness] = []


@contextmanager
def listening(witness: Witness) -> Iterator[None]:
    """Within, `witness` hears every exchange of every sandbox of this process, before the client has the answer.

    It is called in the thread of the sandbox, must not raise, and holds up the answer as long as it takes.
    """
    _witnesses.append(witness)
    try:
        yield
    finally:
        _witnesses.remove(witness)


class Heard:
    """`app` as it is; each of its exchanges is told to those who listen."""

    def __init__(self, service: str, app: ASGIApp) -> None:
        self._service = service
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        if not _witnesses:
            await self._app(scope, receive, send)
            return
        ear = _Ear(self._service, scope, receive, send)
        await self._app(scope, ear.receive, ear.send)


class _Ear:
    """A `receive` and a `send` that keep what passes."""

    def __init__(self, service: str, scope: Scope, receive: Receive, send: Send) -> None:
        self._service = service
        self._scope = scope
        self._receive = receive
        self._send = send
        self._asked: list[bytes] | None = None
        self._start: Message = {}
        self._answered: list[bytes] = []
        self._gone = False

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self._asked = [*(self._asked or ()), message.get("body", b"")]
        else:
            # A client that goes away before all of its request is here gets no answer of the service's.
            self._gone = not self._start
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._start = message
        else:
            self._answered.append(message.get("body", b""))
            if not message.get("more_body") and not self._gone:
                self._tell()
        await self._send(message)

    def _tell(self) -> None:
        exchange = Exchange(
            self._service,
            self._scope["method"],
            self._scope["raw_path"].decode("latin-1").partition("?")[0],
            self._scope["query_string"].decode("latin-1"),
            _headers(self._scope["headers"]),
            None if self._asked is None else b"".join(self._asked),
            self._start["status"],
            _headers(self._start["headers"]),
            b"".join(self._answered),
        )
        for witness in _witnesses:
            witness(exchange)


def _headers(pairs: list[tuple[bytes, bytes]]) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in pairs}
