"""The HTTP client against servers whose answers are broken, endless or slow, each in one way."""

from __future__ import annotations

import gzip
import random
import socket
import time
import zlib
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from syncd.errors import SyncdError, TransientError
from syncd.http import SlowError
from tests.unit.http_server import Call, Client, answer


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


@settings(max_examples=150, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
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
