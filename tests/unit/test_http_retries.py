"""What the HTTP client asks again, and when: a read until it succeeds, a write only where nothing can happen twice."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import pairwise

import pytest

from syncd._hosts import APART_SECONDS, Hosts
from syncd.errors import AmbiguousError, TransientError
from syncd.http import Reply, retry_after_seconds
from tests.unit.http_server import Call, Client, answer


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
    assert max(http.waits) <= 60 + len(http.waits)
    assert len(set(http.waits)) == 11


def test_the_time_that_the_service_names_is_waited_for(call: Call) -> None:
    _, http = call(answer(429, b"", "Retry-After: 7.5\r\n"), answer())
    http.request("GET", "/orders")
    assert 7.5 <= http.waits[0] < 8.6


@pytest.mark.parametrize("retry_after", ["", "0", "-5", "1000000000", "Sun, 22 Nov 2026 12:00:30 GMT", "soon"])
def test_in_a_storm_a_host_is_asked_again_at_most_once_a_second(call: Call, retry_after: str) -> None:
    head = f"Retry-After: {retry_after}\r\nDate: Sun, 22 Nov 2026 12:00:00 GMT\r\n" if retry_after else ""
    hosts = Hosts(lambda: 0)
    server, http = call(answer(429, b"", head), attempts=3, hosts=hosts)
    clients = [http, *(Client(server.origin, attempts=3, hosts=hosts) for _ in range(7))]
    with ThreadPoolExecutor(8) as workers:
        list(workers.map(gives_up, clients))
    assert all(client._host is http._host for client in clients)
    turns = sorted(http._host._turns)
    assert len(turns) == 8 * 2
    assert all(later - earlier > APART_SECONDS - 1e-6 for earlier, later in pairwise(turns))


def gives_up(http: Client) -> None:
    with pytest.raises(TransientError):
        http.request("GET", "/orders")
    http.close()


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


def test_a_date_to_come_back_at_is_no_use_where_the_service_does_not_tell_its_own_time() -> None:
    assert retry_after_seconds({"retry-after": "Sun, 22 Nov 2026 12:00:30 GMT"}) is None


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
