"""A host in trouble: left alone for longer and longer, tried by each connection once, back with the first answer."""

from __future__ import annotations

import socket
from contextlib import closing
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd._hosts import (
    FAILURES,
    LONGEST_REST_SECONDS,
    SHORTEST_REST_SECONDS,
    TROUBLE_SECONDS,
    Hosts,
)
from syncd.errors import AmbiguousError, SyncdError, TransientError
from syncd.http import Reply, UnsentError
from tests.unit.http_server import Act, Call, Client, answer

NOON = 1_795_348_800


class Hands:
    """A clock that stands until it is set."""

    def __init__(self) -> None:
        self.at = NOON

    def __call__(self) -> int:
        return self.at

    def pass_(self, seconds: float) -> None:
        self.at += round(seconds)


@pytest.fixture
def clock() -> Hands:
    return Hands()


def gives_up(http: Client) -> TransientError:
    with pytest.raises(TransientError) as caught:
        http.request("GET", "/orders")
    return caught.value


def close(sock: socket.socket) -> None:
    """The connection ends without an answer."""


def unreadable(reply: Reply) -> SyncdError | None:
    """What a connector says of an answer that is no JSON."""
    try:
        reply.json()
    except TransientError as err:
        return err if reply.status == 200 else None
    return None


def in_trouble(http: Client, clock: Hands) -> None:
    """Afterwards the host has failed for so long that it is left alone."""
    gives_up(http)
    clock.pass_(TROUBLE_SECONDS)
    gives_up(http)


def test_a_host_that_only_fails_is_tried_once_after_longer_and_longer_rests(call: Call, clock: Hands) -> None:
    server, http = call(answer(503), hosts=Hosts(clock))
    in_trouble(http, clock)
    rests = []
    for _ in range(7):
        asked, began = len(server.requests), clock.at
        while len(server.requests) == asked and clock.at <= began + LONGEST_REST_SECONDS:
            clock.pass_(1)
            gives_up(http)
        assert len(server.requests) == asked + 1
        rests.append(clock.at - began)
    assert rests == [30, 60, 120, 240, 480, 900, 900]


def test_the_first_usable_answer_makes_all_as_it_was(call: Call, clock: Hands) -> None:
    server, http = call(*[answer(503)] * (FAILURES + 2), answer(200, b"[1]"), answer(503), answer(), hosts=Hosts(clock))
    in_trouble(http, clock)
    clock.pass_(SHORTEST_REST_SECONDS)
    gives_up(http)
    clock.pass_(2 * SHORTEST_REST_SECONDS)
    assert http.request("GET", "/orders").json() == [1]
    asked = len(server.requests)
    http.request("GET", "/orders")
    assert len(server.requests) == asked + 2


def test_a_host_that_is_left_alone_is_told_with_the_time_of_the_next_try_and_nothing_is_sent(
    call: Call, clock: Hands
) -> None:
    server, http = call(answer(503), hosts=Hosts(clock))
    in_trouble(http, clock)
    asked = len(server.requests)
    with pytest.raises(UnsentError) as caught:
        http.request("POST", "/tags", json={})
    assert not isinstance(caught.value, AmbiguousError)
    assert str(caught.value) == (
        f"shops.acme: {server.origin.removeprefix('http://')} has given no usable answer since 2026-11-22 12:00:00 UTC "
        "and is asked again from 12:01:00 UTC on"
    )
    assert len(server.requests) == asked


def test_a_failure_of_half_a_minute_is_waited_out_however_many_calls_fail_in_it(call: Call, clock: Hands) -> None:
    server, http = call(answer(503), hosts=Hosts(clock))
    for _ in range(3):
        gives_up(http)
        clock.pass_(TROUBLE_SECONDS / 3 - 1)
    assert len(server.requests) == 3 * FAILURES


def test_a_few_failures_over_a_long_time_are_no_trouble(call: Call, clock: Hands) -> None:
    server, http = call(answer(503), attempts=1, hosts=Hosts(clock))
    for n in range(1, FAILURES):
        gives_up(http)
        clock.pass_(1_000)
        assert len(server.requests) == n


def hang(sock: socket.socket) -> None:
    sock.settimeout(10)
    sock.recv(1)


@pytest.mark.parametrize(
    "act",
    [answer(500), answer(502), answer(504), answer(200, b"<html>", "Content-Type: text/html\r\n"), close, hang],
)
def test_errors_of_the_service_silence_and_what_nobody_can_read_are_failures(
    call: Call, clock: Hands, act: bytes | Act
) -> None:
    server, http = call(act, deadline=0.05, classify=unreadable, hosts=Hosts(clock))
    in_trouble(http, clock)
    asked = len(server.requests)
    gives_up(http)
    assert len(server.requests) == asked


def test_so_is_a_door_that_is_closed(clock: Hands) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as probe:
        origin = f"http://127.0.0.1:{probe.getsockname()[1]}"
    http = Client(origin, hosts=Hosts(clock))
    in_trouble(http, clock)
    waited = len(http.waits)
    assert "has given no usable answer since" in str(gives_up(http))
    assert len(http.waits) == waited


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 429])
def test_a_refusal_and_a_throttle_are_answers(call: Call, clock: Hands, status: int) -> None:
    server, http = call(*[answer(503)] * (FAILURES - 1), answer(status), attempts=1, hosts=Hosts(clock))
    for n in range(1, 3 * FAILURES):
        with pytest.raises(SyncdError):
            http.request("GET", "/orders")
        clock.pass_(TROUBLE_SECONDS)
        assert len(server.requests) == n


def test_each_connection_tries_a_host_in_trouble_once_and_the_answer_to_one_is_for_all(
    call: Call, clock: Hands
) -> None:
    hosts = Hosts(clock)
    server, acme = call(*[answer(503)] * (FAILURES + 2), answer(), hosts=hosts)
    other = Client(server.origin, connection="shops.other", hosts=hosts)
    in_trouble(acme, clock)
    asked = len(server.requests)
    gives_up(other)
    gives_up(other)
    assert len(server.requests) == asked + 1
    clock.pass_(SHORTEST_REST_SECONDS)
    other.request("GET", "/orders")
    acme.request("GET", "/orders")
    other.close()


def test_a_clock_that_is_set_back_keeps_nobody_waiting(call: Call, clock: Hands) -> None:
    server, http = call(answer(503), hosts=Hosts(clock))
    in_trouble(http, clock)
    asked = len(server.requests)
    clock.pass_(-3_600)
    gives_up(http)
    assert len(server.requests) == asked + 1


Outcome = Literal["failed", "answered"]
steps = st.lists(
    st.tuples(st.sampled_from("abc"), st.integers(0, 2_000), st.sampled_from(["failed"] * 9 + ["answered"])),
    max_size=120,
)


@given(steps)
def test_nobody_waits_longer_than_the_longest_rest_whatever_the_others_do(
    calls: list[tuple[str, int, Outcome]],
) -> None:
    clock = Hands()
    host = Hosts(clock).named("host")
    last_asked: dict[str, int] = {}
    for who, seconds, outcome in calls:
        clock.pass_(seconds)
        if host.refusal(who):
            assert clock.at - last_asked[who] < LONGEST_REST_SECONDS
            continue
        last_asked[who] = clock.at
        if outcome == "failed":
            host.failed(who)
        else:
            host.answered()
            assert not any(host.refusal(each) for each in "abc")
