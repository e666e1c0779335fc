"""The receiver of webhooks: `POST /webhooks/SHOP`, verified, answered at once, and kept as a hint.

It knows HTTP and which shop has which secret; it knows nothing of pulling. A thread a connection on the
standard library's server: it costs the idle service a fifth of a MiB (uvicorn: three), and nobody has a
reason to hold a connection open. Every connection has a deadline, a budget of bytes and a slot out of few.
Nothing that comes in is logged, not even the sender's address.
"""

from __future__ import annotations

import io
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer
from threading import BoundedSemaphore, Thread
from typing import Any

from syncd import logs
from syncd.errors import UserError
from syncd.service.hints import Hints
from syncd.settings import Settings, Shop
from syncd.sources import WEBHOOK_PATH, WEBHOOKS, webhook_secret

# The shops give up after 5 (Shopify) and 10 seconds (Ecwid).
CONNECTION_SECONDS = 5.0
CONNECTIONS = 16
BODY_BYTES = 1 << 20
HEAD_BYTES = 1 << 16
LOOK_SECONDS = 5.0

# What else is done about (shop, the shop's id of a customer) whom the shop must forget. It is called before
# the answer, so that the shop tells it again where it fails; so it is quick, and may be called again.
OnRedact = Callable[[str, str], None]


def _only_a_hint(shop: str, customer_id: str) -> None:
    """The next look finds what the shop still shows of them."""


class Receiver(ThreadingTCPServer):
    """The listening server. `configure` may be called while it serves."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, listen: str, hints: Hints, on_redact: OnRedact = _only_a_hint) -> None:
        """Listens from here on. Raises: UserError where that is not possible."""
        host, _, port = listen.rpartition(":")
        self.address_family = socket.AF_INET6 if host.startswith("[") else socket.AF_INET
        self._hints = hints
        self._on_redact = on_redact
        self._slots = BoundedSemaphore(CONNECTIONS)
        self._refused: set[str] = set()
        self.shops: Mapping[str, Shop] = {}
        try:
            super().__init__((host.strip("[]"), int(port)), _Post)
        except OSError as err:
            raise UserError(
                f"[syncd] listen: cannot listen on {listen}: {err.strerror}",
                hint="is something else listening there? name another port",
            ) from err

    @property
    def address(self) -> str:
        """Where it really listens: host:port."""
        host, port = self.server_address[:2]
        return f"[{host!s}]:{port}" if self.address_family == socket.AF_INET6 else f"{host!s}:{port}"

    def configure(self, settings: Settings) -> None:
        """Afterwards these shops have an address: those with a secret."""
        self.shops = {name: shop for name, shop in settings.shops.items() if webhook_secret(shop)}

    def receive(self, name: str, headers: Mapping[str, str], body: bytes) -> int:
        """The status for a webhook to the shop `name`: 200 means that it is a hint now."""
        shop = self.shops[name]
        try:
            secret = webhook_secret(shop)
            hint = secret and WEBHOOKS[shop.platform].read(shop, secret.get(), headers, body)
            if hint and hint.redacted is not None:
                self._on_redact(name, hint.redacted)
        except Exception as err:
            # Whatever it is, the sender will try again, and polling goes on without it.
            logs.error("webhook failed", shop=name, error=type(err).__name__)
            return 500
        if not hint:
            self._refuse(name)
            return 401
        self._refused.discard(name)
        self._hints.give(name, hint.ids)
        return 200

    def _refuse(self, name: str) -> None:
        """Says once that a signature was wrong, and again only after a right one: forgers shall not fill the log."""
        if name not in self._refused:
            self._refused.add(name)
            logs.warning("webhook with a wrong signature", shop=name)

    def process_request(self, request: Any, client_address: Any) -> None:
        """A thread for the connection, as soon as a slot is free; the next ones wait unaccepted."""
        self._slots.acquire()
        try:
            super().process_request(request, client_address)
        except BaseException:
            self._slots.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serves one connection and gives its slot back."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._slots.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that broke is the sender's affair; anything else is a bug and said so."""
        error = sys.exception()
        if not isinstance(error, OSError):
            logs.error("webhook failed", error=type(error).__name__)


class _Post(BaseHTTPRequestHandler):
    """One connection with one request."""

    server: Receiver
    server_version, sys_version = "syncd", ""

    def setup(self) -> None:
        """Reads the request within the deadline and the budget of the connection."""
        super().setup()
        self.rfile.close()
        self.rfile = io.BufferedReader(_Patient(self.connection))

    def do_POST(self) -> None:
        """Takes a webhook."""
        name = self._shop()
        if name is None:
            return self._answer(404)
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal():
            return self._answer(411)
        if len(length) > 9 or int(length) > BODY_BYTES:
            return self._answer(413)
        body = self.rfile.read(int(length))
        if len(body) < int(length):
            return self._answer(400)
        headers = {key.lower(): value for key, value in self.headers.items()}
        return self._answer(self.server.receive(name, headers, body))

    def _other(self) -> None:
        self._answer(404 if self._shop() is None else 405)

    do_GET = do_HEAD = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _other  # noqa: N815 (the base class's names)

    def _shop(self) -> str | None:
        path = self.path.partition("?")[0]
        name = path.removeprefix(WEBHOOK_PATH)
        return name if path.startswith(WEBHOOK_PATH) and name in self.server.shops else None

    def _answer(self, status: int) -> None:
        self.send_response(status)
        if status == 405:
            self.send_header("Allow", "POST")
        self.send_header("Content-Length", "0")
        self.send_header("Connection", "close")
        self.end_headers()

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """The bare status for what is not even HTTP: nothing of the request comes back."""
        self._answer(code)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the base class's name)
        """Nothing: it would show paths and addresses."""


class _Patient(io.RawIOBase):
    """What comes in on a connection, until its time or its budget is used up."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._until = time.monotonic() + CONNECTION_SECONDS
        self._left = HEAD_BYTES + BODY_BYTES

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        """Raises: TimeoutError."""
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._connection.settimeout(left)
        got = self._connection.recv_into(memoryview(buffer)[: self._left])
        self._left -= got
        return got


@contextmanager
def receiving(settings: Settings, hints: Hints, on_redact: OnRedact = _only_a_hint) -> Iterator[Receiver | None]:
    """While this lasts, webhooks become hints; nothing listens where the configuration names no address.

    Raises: UserError where the address cannot be used.
    """
    if settings.listen is None:
        yield None
        return
    with Receiver(settings.listen, hints, on_redact) as receiver:
        receiver.configure(settings)
        Thread(target=receiver.serve_forever, args=(LOOK_SECONDS,), name="webhooks", daemon=True).start()
        logs.info("listening", address=receiver.address, shops=sorted(receiver.shops))
        try:
            yield receiver
        finally:
            # Wakes the server, which looks by itself only now and then whether it shall end.
            with suppress(OSError):
                receiver.socket.shutdown(socket.SHUT_RDWR)
            receiver.shutdown()
