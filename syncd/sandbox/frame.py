"""What all counterparts share: the log, latency, rate limits and faults around a Starlette application.

Knows ASGI and the world; knows no service.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from contextlib import suppress
from email.utils import formatdate
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import ClientDisconnect
from starlette.responses import HTMLResponse, Response

from syncd.sandbox.faults import OF_AN_ANSWER
from syncd.sandbox.spoiling import blanks, mutated, replaced
from syncd.sandbox.witness import Heard

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from syncd.sandbox.faults import Fault
    from syncd.sandbox.world import World

PORTAL = "<!doctype html><title>Sign in</title><h1>Sign in to the guest network</h1>"
# An answer shorter than this is not worth compressing. (bytes)
GZIP_FROM = 1_024
HANG_SECONDS = 120.0
DRIP_SECONDS = 1.0
# A close with this linger time sends RST instead of FIN.
_RESET = struct.pack("ii", 1, 0)


class Limiter(Protocol):
    """A service's rate limit. Called only while the throttle is enforced; its time is real, not the sandbox's."""

    def enter(self, scope: Scope) -> Response | None:
        """The refusal, or None where the request may go on; then `leave` follows when it is answered."""

    def leave(self) -> None:
        """Afterwards the admitted request counts as answered."""

    def headers(self, scope: Scope) -> dict[str, str]:
        """What every answer tells about the limit."""


class Connections:
    """The open connections by the client's address, so that a fault can break one; and the closing bell."""

    def __init__(self) -> None:
        self.open: dict[tuple[str, int], asyncio.Transport] = {}
        self.closing = asyncio.Event()

    async def pause(self, seconds: float) -> None:
        """Returns after `seconds`, or at once when the sandbox closes."""
        try:
            await asyncio.wait_for(self.closing.wait(), seconds)
        except TimeoutError:
            return

    async def reset(self, scope: Scope) -> None:
        """Afterwards the connection of this request is broken."""
        transport = self.open.get(tuple(scope["client"] or ("", 0)))
        if transport is None:
            return
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        transport.abort()
        # The server learns of it in the next turn of the loop, and then keeps silent about the missing answer.
        await asyncio.sleep(0)


class Frame:
    """`app` as the outside sees it: compressed, logged, slowed, limited and faulty as the world says.

    An application that lists records leaves their number in its scope as "rows".
    """

    def __init__(
        self, world: World, service: str, app: ASGIApp, connections: Connections, limiter: Limiter | None = None
    ) -> None:
        self.world = world
        self.service = service
        self.app = GZipMiddleware(Heard(service, app), GZIP_FROM, compresslevel=1)
        self.connections = connections
        self.limiter = limiter

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request: limit, latency, fault, application, in that order."""
        watch = _Watch(
            send,
            lambda: self._pause(self.world.throttle.per_row * scope.get("rows", 0)),
            lambda status: self._log(scope, status),
        )
        limiter = self.limiter if self.world.throttle.enforce else None
        refused = limiter.enter(scope) if limiter else None
        refusal = Heard(self.service, refused) if refused else None
        # The services' own clock: a client must not compare it with the local one.
        watch.headers = {"Date": formatdate(self.world.clock.now(), usegmt=True)}
        if limiter:
            watch.headers |= limiter.headers(scope)
        try:
            await self._pause(self.world.throttle.latency)
            with suppress(ClientDisconnect):  # nobody is there to be answered
                await (refusal(scope, receive, watch) if refusal else self._answer(scope, receive, watch))
        finally:
            if limiter and not refusal:
                limiter.leave()
            if not watch.status:
                self._log(scope, 0)

    def _log(self, scope: Scope, status: int) -> None:
        query = scope.get("query_string", b"").decode("latin-1")
        self.world.log.record(self.service, scope["method"], scope["path"], status, query)

    async def _pause(self, seconds: float) -> None:
        if seconds:
            await self.connections.pause(seconds)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        fault = self.world.faults.pick(self.service, scope["method"], scope["path"])
        if fault is None or fault.kind == "delay":
            if fault:
                await self.connections.pause(fault.seconds or 0.0)
            await self.app(scope, receive, send)
            return
        answer = None
        if fault.phase == "after" or fault.kind in OF_AN_ANSWER:
            answer = await _answer_of(self.app, _unpacked(scope) if fault.kind == "mutate" else scope, receive)
        if answer and fault.kind in ("body", "mutate", "headers"):
            await _changed(answer, fault).send(send)
        elif fault.kind in ("flood", "gzip_bomb"):
            await _flood(fault, send)
        else:
            await self._spoil(fault, answer, scope, receive, send)

    async def _spoil(self, fault: Fault, answer: _Answer | None, scope: Scope, receive: Receive, send: Send) -> None:
        match fault.kind:
            case "status":
                await Response(fault.content, fault.status, fault.headers)(scope, receive, send)
            case "redirect":
                status = fault.status if 300 <= fault.status < 400 else 302
                await Response(b"", status, {**fault.headers, "Location": fault.to})(scope, receive, send)
            case "html200":
                await HTMLResponse(PORTAL)(scope, receive, send)
            case "empty":
                await Response(b"", 200, media_type="application/json")(scope, receive, send)
            case "hang":
                await self.connections.pause(HANG_SECONDS if fault.seconds is None else fault.seconds)
                await self.connections.reset(scope)
            case "truncate" if answer:
                await send(answer.start)
                await send(_part(answer.body[: int(len(answer.body) * fault.at)]))
                await self.connections.reset(scope)
            case "drip" if answer:
                await send(answer.start)
                for byte in answer.body:
                    await send(_part(bytes([byte])))
                    await self.connections.pause(DRIP_SECONDS if fault.seconds is None else fault.seconds)
                await send({"type": "http.response.body", "body": b""})
            case _:
                await self.connections.reset(scope)


class _Watch:
    """A `send` that adds headers, and before an answer begins waits for `delay` and tells `note` its status.

    Before: whoever has the answer finds it in the log.
    """

    def __init__(self, send: Send, delay: Callable[[], Awaitable[None]], note: Callable[[int], None]) -> None:
        self._send = send
        self._delay = delay
        self._note = note
        self.status = 0
        self.headers: dict[str, str] = {}

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            await self._delay()
            self.status = message["status"]
            self._note(self.status)
            own = {name for name, _ in message["headers"]}
            added = [(name.lower().encode(), value.encode()) for name, value in self.headers.items()]
            told = [*message["headers"], *(each for each in added if each[0] not in own)]
            # Capitals as the services write them: some clients look for `X-Shopify-Shop-Api-Call-Limit` literally.
            message = {**message, "headers": [(name.title(), value) for name, value in told]}
        await self._send(message)


class _Answer(Struct):
    """A whole answer, held back."""

    start: Message
    body: bytes

    async def send(self, send: Send) -> None:
        """Afterwards it is sent."""
        await send(self.start)
        await send({"type": "http.response.body", "body": self.body})


async def _answer_of(app: ASGIApp, scope: Scope, receive: Receive) -> _Answer:
    messages: list[Message] = []

    async def keep(message: Message) -> None:
        messages.append(message)

    await app(scope, receive, keep)
    return _Answer(messages[0], b"".join(message.get("body", b"") for message in messages[1:]))


def _unpacked(scope: Scope) -> Scope:
    """The request as from a client that understands no compression."""
    return {**scope, "headers": [(name, value) for name, value in scope["headers"] if name != b"accept-encoding"]}


def _changed(answer: _Answer, fault: Fault) -> _Answer:
    """The service's own answer with another body, another field or other headers."""
    body, headers, status = answer.body, answer.start["headers"], answer.start["status"]
    if fault.kind == "mutate":
        body = mutated(body, fault.field, fault.value)
    elif fault.kind == "body":
        body = fault.content
        headers = [each for each in headers if each[0] != b"content-encoding"]
        # A 204 has no room for a body.
        status = 200 if status == 204 else status
    return _Answer({**answer.start, "status": status, "headers": replaced(headers, fault.headers, len(body))}, body)


async def _flood(fault: Fault, send: Send) -> None:
    packed = fault.kind == "gzip_bomb"
    headers = {"Content-Type": "application/json"} | ({"Content-Encoding": "gzip"} if packed else {})
    await send({"type": "http.response.start", "status": 200, "headers": replaced([], headers, None)})
    for block in blanks(fault.size, packed=packed):
        await send(_part(block))
    await send({"type": "http.response.body", "body": b""})


def _part(body: bytes) -> Message:
    return {"type": "http.response.body", "body": body, "more_body": True}
