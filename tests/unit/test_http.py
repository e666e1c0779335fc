"""The HTTP client against small local servers that misbehave in one way each."""

from __future__ import annotations

import gzip
import json
import random
import socket
import ssl
import threading
import time
import traceback
import zlib
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from syncd.errors import AmbiguousError, ConnectionBlocked, RecordError, SyncdError, TransientError, UserError
from syncd.http import Http, Reply, SlowError, retry_after_seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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


def test_a_get_gives_status_headers_and_json(call: Call) -> None:
    server, http = call(answer(200, b'{"orders": [1]}', "Content-Type: application/json\r\nX-Rest: 9\r\n"))
    reply = http.request("GET", "/orders", params={"q": "a b&c"})
    assert (reply.status, reply.json(), reply.headers["x-rest"]) == (200, {"orders": [1]}, "9")
    assert server.requests[0].startswith(b"GET /orders?q=a+b%26c HTTP/1.1\r\n")
    assert b"X-Token: " + SECRET.encode() in server.requests[0]


def test_a_body_is_sent_as_json(call: Call) -> None:
    server, http = call(answer(204, b""))
    http.request("POST", "/x", json={"Zoë": [1.5, None]})
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    assert json.loads(body) == {"Zoë": [1.5, None]}
    assert b"Content-Type: application/json" in head


def test_calls_share_one_connection_whatever_the_encoding(call: Call) -> None:
    packed = answer(200, gzip.compress(b"[7]"), "Content-Type: application/json\r\nContent-Encoding: gzip\r\n")
    server, http = call(answer(), packed, chunked(b"[", b"7]", b""), answer(404), answer())
    http.request("GET", "/1")
    assert http.request("GET", "/2").json() == [7]
    assert http.request("GET", "/3").json() == [7]
    with pytest.raises(RecordError):
        http.request("GET", "/4")
    http.request("GET", "/5")
    assert server.connections == 1


def test_cookies_are_not_kept(call: Call) -> None:
    server, http = call(answer(200, b"{}", "Set-Cookie: a=b\r\n"))
    http.request("GET", "/1")
    http.request("GET", "/2")
    assert b"cookie" not in server.requests[1].lower()


def test_a_netrc_file_does_not_replace_our_credentials(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login a password b\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    server, http = call(answer(), headers=lambda: {"Authorization": "Bearer ours"})
    http.request("GET", "/")
    assert b"Authorization: Bearer ours" in server.requests[0]


# What a status means


@pytest.mark.parametrize("status", [401, 402, 403, 423, 426])
def test_a_status_that_a_person_must_see_to_blocks_the_connection(call: Call, status: int) -> None:
    server, http = call(answer(status))
    with pytest.raises(ConnectionBlocked, match=r"^shops\.acme: ") as caught:
        http.request("GET", "/orders")
    assert caught.value.connection == "shops.acme"
    assert caught.value.hint
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [400, 404, 405, 409, 410, 413, 414, 422])
def test_a_status_about_one_record_is_not_asked_again(call: Call, status: int) -> None:
    server, http = call(answer(status))
    with pytest.raises(RecordError) as caught:
        http.request("GET", "/orders/7")
    assert caught.value.code == str(status)
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [300, 304, 408, 418, 425, 429, 430, 500, 502, 503, 504, 520, 599])
def test_any_other_status_is_tried_again_and_then_transient(call: Call, status: int) -> None:
    server, http = call(answer(status), attempts=3)
    with pytest.raises(TransientError) as caught:
        http.request("GET", "/orders")
    assert caught.value.status == status
    assert len(server.requests) == 3


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(call: Call, serve: Callable[..., Server], status: int) -> None:
    elsewhere = serve(answer())
    _, http = call(answer(status, b"", f"Location: {elsewhere.origin}/\r\n"))
    with pytest.raises(ConnectionBlocked, match=r"redirected to 127\.0\.0\.1"):
        http.request("GET", "/orders")
    assert elsewhere.requests == []


@pytest.mark.parametrize(
    ("location", "named"),
    [
        ("https://new.myshopify.com/admin?token=x", "new.myshopify.com"),
        ("//new.myshopify.com", "new.myshopify.com"),
        ("https://ann@evil.example:8/x", "evil.example"),
        ("/elsewhere", "another place"),
        ("https://[::1", "another place"),
        ("https://a\x1b[31m.example/", "another place"),
        ("", "another place"),
    ],
)
def test_a_redirect_names_the_host_it_leads_to_and_nothing_else(call: Call, location: str, named: str) -> None:
    _, http = call(answer(301, b"", f"Location: {location}\r\n"))
    with pytest.raises(ConnectionBlocked) as caught:
        http.request("GET", "/orders")
    assert str(caught.value) == f"shops.acme: GET /orders is redirected to {named}, and syncd does not follow"


def test_a_connector_can_read_a_status_its_own_way(call: Call) -> None:
    def classify(reply: Reply) -> SyncdError | None:
        return TransientError("busy", status=403) if reply.status == 403 and not reply.body else None

    server, http = call(answer(403, b""), answer(403), classify=classify)
    with pytest.raises(ConnectionBlocked):
        http.request("GET", "/orders")
    assert len(server.requests) == 2


def test_a_connector_can_find_an_error_in_a_200(call: Call) -> None:
    def classify(reply: Reply) -> SyncdError | None:
        return TransientError("throttled", retry_after=2) if b"THROTTLED" in reply.body else None

    _, http = call(answer(200, b'{"errors": "THROTTLED"}'), answer(200, b"[]"), classify=classify)
    assert http.request("POST", "/graphql", json={}, repeatable=True).json() == []
    assert 2 <= http.waits[0] < 3.1


# Retries


def test_a_read_is_repeated_until_it_succeeds(call: Call) -> None:
    server, http = call(answer(500), answer(429, b""), answer(200, b"[1]"))
    assert http.request("GET", "/orders").json() == [1]
    assert len(server.requests) == 3


def test_waits_grow_and_differ_and_are_bounded(call: Call) -> None:
    _, http = call(answer(500), attempts=12)
    with pytest.raises(TransientError):
        http.request("GET", "/orders")
    assert len(http.waits) == 11
    assert all(0.5 * 2**n <= wait <= 2**n for n, wait in enumerate(http.waits[:6]))
    assert max(http.waits) <= 60
    assert len(set(http.waits)) == 11


def test_the_time_that_the_service_names_is_waited_for(call: Call) -> None:
    _, http = call(answer(429, b"", "Retry-After: 7.5\r\n"), answer())
    http.request("GET", "/orders")
    assert 7.5 <= http.waits[0] < 8.6


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2", 2.0),
        ("1.5", 1.5),
        ("0", 0.0),
        ("86400", 300.0),
        ("inf", 300.0),
        ("-5", None),
        ("nan", None),
        ("soon", None),
        ("", None),
        ("Sun, 22 Nov 2026 12:00:30 GMT", 30.0),
        ("Sun, 22 Nov 2026 11:59:00 GMT", None),
        ("Sun, 22 Nov 9999 12:00:30 GMT", 300.0),
        ("Sun, 22 Nov 2026 12:00:30 -0000", 30.0),
    ],
)
def test_retry_after_is_read_in_all_its_forms(text: str, seconds: float | None) -> None:
    # The service's own clock counts: this date is not today's.
    headers = {"retry-after": text, "date": "Sun, 22 Nov 2026 12:00:00 GMT"}
    assert retry_after_seconds(headers) == seconds


@pytest.mark.parametrize("status", [408, 500, 502, 503, 504])
def test_a_write_whose_outcome_is_unknown_is_not_repeated(call: Call, status: int) -> None:
    server, http = call(answer(status))
    with pytest.raises(AmbiguousError):
        http.request("POST", "/tags", json={})
    assert len(server.requests) == 1


def test_a_write_that_is_throttled_is_repeated(call: Call) -> None:
    server, http = call(answer(429, b""), answer(204, b""))
    http.request("POST", "/tags", json={})
    assert len(server.requests) == 2


def test_a_write_that_stays_throttled_had_no_effect_and_says_so(call: Call) -> None:
    _, http = call(answer(429, b""), attempts=2)
    with pytest.raises(TransientError) as caught:
        http.request("POST", "/tags", json={})
    assert not isinstance(caught.value, AmbiguousError)


def test_a_write_to_a_closed_door_is_repeated_and_then_transient() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as probe:
        port = probe.getsockname()[1]
    http = Client(f"http://127.0.0.1:{port}", attempts=3)
    with pytest.raises(TransientError) as caught:
        http.request("POST", "/tags", json={})
    assert not isinstance(caught.value, AmbiguousError)
    assert len(http.waits) == 2


def test_a_write_whose_connection_breaks_is_ambiguous(call: Call) -> None:
    server, http = call(lambda sock: None)
    with pytest.raises(AmbiguousError):
        http.request("POST", "/tags", json={})
    assert len(server.requests) == 1


def test_a_write_that_the_caller_calls_repeatable_is_repeated(call: Call) -> None:
    server, http = call(lambda sock: None, answer(500), answer())
    http.request("PATCH", "/members/1", json={}, repeatable=True)
    assert len(server.requests) == 3


def test_a_budget_is_asked_before_each_attempt_and_told_of_each_answer(call: Call) -> None:
    class Budget:
        def __init__(self) -> None:
            self.seen: list[object] = []

        def acquire(self) -> None:
            self.seen.append("call")

        def learn(self, reply: Reply) -> None:
            self.seen.append(reply.status)

    budget = Budget()
    _, http = call(answer(429), answer(), budget=budget)
    http.request("GET", "/orders")
    assert budget.seen == ["call", 429, "call", 200]


# Bodies


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b'{"a": ', b"NaN", b"1e999", b"[1,]", b'"\xff"', b"[" * 5000 + b"]" * 5000],
    ids=["empty", "html", "cut", "nan", "infinite", "comma", "latin", "deep"],
)
def test_a_body_that_is_not_json_is_transient(call: Call, body: bytes) -> None:
    _, http = call(answer(200, body))
    reply = http.request("GET", "/orders")
    with pytest.raises(TransientError):
        reply.json()


def test_a_page_of_a_captive_portal_is_not_taken_for_json(call: Call) -> None:
    _, http = call(answer(200, b"1", "Content-Type: text/html\r\n"))
    reply = http.request("GET", "/orders")
    with pytest.raises(TransientError, match="not JSON"):
        reply.json()


def test_a_body_that_is_cut_off_is_fetched_again(call: Call) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
    cut_length = head + b"Content-Length: 100\r\n\r\n[1, 2"
    cut_chunk = head + b"Transfer-Encoding: chunked\r\n\r\n10\r\n[1, 2"
    cut_gzip = answer(200, gzip.compress(b"[1]" * 99)[:-12], "Content-Encoding: gzip\r\n")[:-3]
    server, http = call(
        lambda sock: sock.sendall(cut_length),
        lambda sock: sock.sendall(cut_chunk),
        lambda sock: sock.sendall(cut_gzip),
        answer(200, b"[1, 2]"),
    )
    assert http.request("GET", "/orders").json() == [1, 2]
    assert len(server.requests) == 4


def test_a_body_over_the_cap_is_refused_and_not_asked_for_again(call: Call) -> None:
    server, http = call(answer(200, b"x" * 2001))
    with pytest.raises(TransientError, match="larger than"):
        http.request("GET", "/orders", max_bytes=2000)
    assert len(server.requests) == 1
    assert Client(server.origin).request("GET", "/orders", max_bytes=2001).status == 200


def test_a_gzip_bomb_stops_at_the_cap(call: Call) -> None:
    bomb = gzip.compress(bytes(64 << 20))
    _, http = call(answer(200, bomb, "Content-Encoding: gzip\r\n"), max_bytes=1 << 20)
    import tracemalloc

    tracemalloc.start()
    with pytest.raises(TransientError, match="larger than"):
        http.request("GET", "/orders")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 << 20


@pytest.mark.parametrize(
    ("body", "packing"),
    [
        (b"not gzip", "gzip"),
        (gzip.compress(b"[1]")[:-9], "gzip"),
        (gzip.compress(b"[1]") + b"more", "gzip"),
        (gzip.compress(b"[1]") * 2, "gzip"),
        (gzip.compress(gzip.compress(b"[1]")), "gzip, gzip"),
        (zlib.compress(b"[1]"), "deflate"),
        (b"[1]", "br"),
        (b"[1]", "gzip"),
    ],
    ids=["no gzip", "cut", "more behind", "two streams", "twice", "deflate", "brotli", "not packed"],
)
def test_a_body_that_is_not_one_whole_gzip_stream_is_transient(call: Call, body: bytes, packing: str) -> None:
    _, http = call(answer(200, body, f"Content-Encoding: {packing}\r\n"), attempts=1)
    with pytest.raises(TransientError):
        http.request("GET", "/orders").json()


@pytest.mark.parametrize("packing", ["identity", "", " GZIP "])
def test_the_name_of_the_packing_is_read_leniently(call: Call, packing: str) -> None:
    body = gzip.compress(b"[1]") if "GZIP" in packing else b"[1]"
    _, http = call(answer(200, body, f"Content-Encoding: {packing}\r\n"), attempts=1)
    assert http.request("GET", "/orders").json() == [1]


def test_a_body_of_very_many_gzip_streams_costs_no_more_than_its_length(call: Call) -> None:
    # Gone through one after the other they would take the square of their number: here minutes of work.
    _, http = call(answer(200, gzip.compress(b"") * 800_000, "Content-Encoding: gzip\r\n"), attempts=1)
    began = time.process_time()
    with pytest.raises(TransientError, match="damaged"):
        http.request("GET", "/orders")
    assert time.process_time() - began < 5


@pytest.mark.parametrize("status", [200, 302, 400, 401, 500])
def test_a_stream_without_end_is_read_up_to_the_cap_and_no_further(call: Call, status: int) -> None:
    sent = 0
    head = f"HTTP/1.1 {status} X\r\nLocation: /\r\nContent-Type: application/json\r\n\r\n".encode()

    def flood(sock: socket.socket) -> None:
        nonlocal sent
        sock.sendall(head)
        while True:
            sent += sock.send(bytes(1 << 16))

    server, http = call(flood, max_bytes=1 << 20)
    with pytest.raises(TransientError, match="larger than"):
        http.request("GET", "/orders")
    assert len(server.requests) == 1
    # What the operating system holds for both sides was sent, but never read.
    assert sent < 32 << 20


def drip(sock: socket.socket, text: bytes) -> None:
    for byte in text:
        sock.sendall(bytes([byte]))
        time.sleep(0.02)


OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("begin", "rest"),
    [
        (b"", OK + b"x" * 500),
        (OK + b"X-Slow: ", b"x" * 500),
        (OK + b"Content-Length: 500\r\n\r\n", b"x" * 500),
        (OK + b"\r\n", b"x" * 500),
        (OK + b"Content-Encoding: gzip\r\n\r\n", gzip.compress(random.Random(1).randbytes(500))),
        (CHUNKED, b"1\r\nx\r\n" * 100),
        (CHUNKED, b"1;" + b"x" * 500),
        (CHUNKED + b"0\r\n", b"x: y\r\n" * 100),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 20),
    ],
    ids=["status", "header", "length", "no length", "gzip", "chunks", "extension", "trailer", "continue"],
)
def test_an_answer_that_drips_ends_at_the_deadline(call: Call, begin: bytes, rest: bytes) -> None:
    def act(sock: socket.socket) -> None:
        sock.sendall(begin)
        drip(sock, rest)

    _, http = call(act, attempts=1)
    started = time.monotonic()
    with pytest.raises(SlowError):
        http.request("GET", "/orders", deadline=0.2)
    assert time.monotonic() - started < 1.0


def test_a_service_that_never_answers_ends_at_the_deadline(call: Call) -> None:
    _, http = call(lambda sock: time.sleep(2), attempts=1)
    started = time.monotonic()
    with pytest.raises(SlowError):
        http.request("GET", "/orders", deadline=0.1)
    assert time.monotonic() - started < 1.0


def test_what_was_slow_is_not_asked_again_as_it_was_where_the_caller_asks_for_less(call: Call) -> None:
    server, http = call(lambda sock: time.sleep(0.5), repeat_slow=False)
    with pytest.raises(SlowError):
        http.request("GET", "/orders", deadline=0.1)
    assert len(server.requests) == 1


GARBAGE = st.binary(max_size=40) | st.sampled_from([b"\r\n", b"\r\n\r\n", b": ", b"HTTP/1.1 200 OK\r\n", b"\0", b"-1"])
NAMES = [
    "Content-Length",
    "Transfer-Encoding",
    "Content-Encoding",
    "Location",
    "Retry-After",
    "Date",
    "Link",
    "Set-Cookie",
]


@settings(
    max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    status=st.sampled_from([b"200", b"302", b"429", b"099", b"1e3", b"99999", b"-1"]) | GARBAGE,
    headers=st.lists(st.tuples(st.sampled_from(NAMES), GARBAGE), max_size=4),
    body=GARBAGE,
)
def test_whatever_bytes_answer_the_error_is_one_of_ours(
    call: Call, status: bytes, headers: list[tuple[str, bytes]], body: bytes
) -> None:
    lines = b"".join(name.encode() + b": " + value + b"\r\n" for name, value in headers)
    text = b"HTTP/1.1 " + status + b" X\r\n" + lines + b"\r\n" + body
    _, http = call(lambda sock: sock.sendall(text), attempts=1, deadline=5)
    with suppress(SyncdError):
        http.request("GET", "/orders").json()


# Addresses


@pytest.mark.parametrize(
    "origin",
    [
        "http://shop.example",
        "http://10.0.0.1",
        "http://127.0.0.1.evil.example",
        "ftp://127.0.0.1",
        "shop.example",
        "https://",
        "https://user:pw@shop.example",
        "https://shop.example/admin",
        "https://shop.example?x=1",
        "https://shop.example:99999",
        "https://[::1",
        "",
    ],
)
def test_an_origin_must_be_https_or_this_machine(origin: str) -> None:
    with pytest.raises(UserError, match=r"^shops\.acme: "):
        Client(origin)


@pytest.mark.parametrize(
    "origin", ["https://shop.example", "https://shop.example:8443/", "http://localhost:1", "http://[::1]:1"]
)
def test_an_origin_over_https_or_on_this_machine_is_taken(origin: str) -> None:
    client = Client(origin)
    assert client.is_local == ("shop.example" not in origin)
    client.close()


@pytest.mark.parametrize(
    "path",
    ["orders", "//evil.example/", "/a/../b", "/a/%2e%2e/b", "/a/%2E./b", "/./b", "/a\\b", "/a%5cb", "/a b", "/é"],
)
def test_a_path_that_could_lead_elsewhere_is_our_bug(path: str) -> None:
    with pytest.raises(ValueError, match="a path"):
        Client("https://shop.example").request("GET", path)


def test_a_next_link_of_our_origin_gives_its_path_and_query() -> None:
    http = Client("https://shop.example")
    assert http.path_of("https://shop.example/orders.json?page_info=a%2Fb&limit=250") == (
        "/orders.json?page_info=a%2Fb&limit=250"
    )
    assert http.path_of("https://SHOP.example:443/x") == "/x"


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/orders",
        "http://shop.example/orders",
        "https://shop.example:8443/orders",
        "https://shop.example@evil.example/orders",
        "https://user@shop.example/orders",
        "https://shop.example.evil.example/",
        "https://shop.example./orders",
        "//shop.example/orders",
        "/orders",
        "https://shop.example",
        "https://shop.example//evil.example/",
        "https://shop.example/a/../b",
        "https://shop.example\\@evil.example/",
        "file:///etc/passwd",
        "https://[::1",
        "https://shop.example:port/x",
        "",
    ],
)
def test_a_next_link_to_another_place_is_refused(url: str) -> None:
    with pytest.raises(ConnectionBlocked, match="another place"):
        Client("https://shop.example").path_of(url)


# Secrets


def all_text_of(err: BaseException) -> str:
    return "".join(traceback.format_exception(err)) + str(getattr(err, "hint", ""))


@pytest.mark.parametrize("act", [answer(401), answer(404), answer(500), answer(302), lambda sock: None])
def test_no_error_shows_credentials_queries_or_addresses(call: Call, act: bytes | Act) -> None:
    _, http = call(act, attempts=1)
    with pytest.raises(SyncdError) as caught:
        http.request(
            "GET", "/members/ann@shop.example/x%40y.example/" + "0f" * 16, params={"email": "bob@shop.example"}
        )
    text = all_text_of(caught.value)
    for hidden in (SECRET, "ann@", "bob", "%40y", "0f0f"):
        assert hidden not in text


@pytest.mark.parametrize("key", ["k3f9a\r\nEvil: 1", "k3f9a\n", "schlüssel…"])
def test_a_key_that_cannot_be_sent_blocks_without_showing_it(call: Call, key: str) -> None:
    server, http = call(answer(), headers=lambda: {"X-Token": key})
    with pytest.raises(ConnectionBlocked) as caught:
        http.request("GET", "/orders")
    assert key.strip()[:5] not in all_text_of(caught.value)
    assert server.requests == []


def test_an_error_names_connection_call_and_the_request_id_for_support(call: Call) -> None:
    _, http = call(answer(500, b"", "X-Request-Id: 4f-2a\r\n"), attempts=1)
    with pytest.raises(TransientError) as caught:
        http.request("GET", "/orders", params={"a": 1})
    assert str(caught.value) == (
        "shops.acme: the service answered 500 Internal Server Error to GET /orders, request 4f-2a"
    )


def test_a_certificate_that_proves_nothing_stops_the_connection_before_anything_is_sent() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    # Made for this test, by nobody whom anybody trusts; the key opens nothing else.
    context.load_cert_chain(Path(__file__).with_name("self_signed.pem"))
    said: list[bytes] = []

    def serve(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection, suppress(OSError), context.wrap_socket(connection, server_side=True) as secured:
            said.append(secured.recv(1_000))

    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = threading.Thread(target=serve, args=[listener])
        server.start()
        with closing(Client(f"https://127.0.0.1:{listener.getsockname()[1]}")) as client:
            with pytest.raises(ConnectionBlocked, match="the certificate does not prove"):
                client.request("GET", "/")
            assert client.waits == []
        server.join()
    assert said in ([], [b""])
