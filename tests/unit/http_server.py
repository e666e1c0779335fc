"""A small local server that answers as a test says, and the HTTP client in front of it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import closing, suppress

from syncd.http import Http

Act = Callable[[socket.socket], None]
Call = Callable[..., tuple["Server", "Client"]]

SECRET = "k-3f9a-secret"


def answer(status: int = 200, body: bytes = b"{}", headers: str = "Content-Type: application/json\r\n") -> bytes:
    return f"HTTP/1.1 {status} Whatever\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode() + body


def chunked(*chunks: bytes) -> bytes:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head + b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)


class Server:
    """Answers the n-th request with the n-th of `answers`, the last one again and again.

    An answer is bytes to send, or a function that may do anything with the socket, which is closed afterwards.
    """

    def __init__(self, *answers: bytes | Act) -> None:
        self.answers = answers
        self.requests: list[bytes] = []
        self.connections = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.origin = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                self.connections += 1
                threading.Thread(target=self._talk, args=(sock,), daemon=True).start()

    def _talk(self, sock: socket.socket) -> None:
        with suppress(OSError), closing(sock):
            while request := self._read(sock):
                act = self.answers[min(len(self.requests), len(self.answers) - 1)]
                self.requests.append(request)
                if not isinstance(act, bytes):
                    act(sock)
                    return
                sock.sendall(act)

    def _read(self, sock: socket.socket) -> bytes:
        request = b""
        while b"\r\n\r\n" not in request:
            if not (more := sock.recv(65536)):
                return b""
            request += more
        head, _, body = request.partition(b"\r\n\r\n")
        for line in head.split(b"\r\n"):
            if line.lower().startswith(b"content-length:"):
                while len(body) < int(line[15:]):
                    body += sock.recv(65536)
        return head + b"\r\n\r\n" + body

    def close(self) -> None:
        # Wakes the accepting thread, which a mere close would leave waiting.
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


class Client(Http):
    """The client under test; its waits are written down instead of slept."""

    def __init__(self, origin: str, **options: object) -> None:
        self.waits: list[float] = []
        defaults: dict[str, object] = {
            "connection": "shops.acme",
            "headers": lambda: {"X-Token": SECRET},
            "sleep": self.waits.append,
        }
        super().__init__(origin, **(defaults | options))  # type: ignore[arg-type]
