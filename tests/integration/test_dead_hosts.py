"""A shop or a service that is dead for an hour: asked ever more seldom, told once, and missed by nobody else."""

from __future__ import annotations

from pathlib import Path
from threading import Event

import pytest

from syncd import pipeline, views
from syncd._hosts import FAILURES, LONGEST_REST_SECONDS
from syncd.history.database import History
from syncd.sandbox.faults import Fault
from syncd.sandbox.serve import Running
from syncd.sandbox.world import Clock
from tests.integration.house import House
from tests.log_lines import caught_lines

POLLS = 8
POLL_SECONDS = 120
CALLED = {"acme": "shopify", "main": "mailchimp"}


class Passing(Event):
    """Lets nobody wait: the time passes by itself."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock
        self._part = 0.0

    def wait(self, timeout: float | None = None) -> bool:
        whole, self._part = divmod((timeout or 0) + self._part, 1)
        self._clock.set(self._clock.now() + int(whole))
        return self.is_set()


class Waiting(House):
    """A house in which whatever waits lets the time pass."""

    def configure(self, rules: str = "", **audience: object) -> None:
        super().configure(rules, **audience)
        self.context.stop = Passing(self.world.clock)

    def sync_later(self) -> pipeline.Cycle:
        """The next poll."""
        self.later(POLL_SECONDS)
        return self.sync()


@pytest.fixture
def house(sandbox: Running, sqlite: History, tmp_path: Path) -> Waiting:
    house = Waiting(sandbox, sqlite, tmp_path)
    house.backfill()
    return house


def asked(house: House, name: str, since: int) -> int:
    return sum(request.service == CALLED[name] for request in house.world.log.since(since))


def error_of(house: House, name: str) -> str:
    document = views.status(house.context)
    (found,) = [each for each in (*document["shops"], *document["audiences"]) if each["name"] == name]
    return str(found["error"])


@pytest.mark.parametrize(("name", "connection"), [("acme", "shops.acme"), ("main", "audiences.main")])
def test_a_dead_host_is_asked_ever_more_seldom_told_once_and_missed_by_nobody_else(
    house: Waiting, name: str, connection: str
) -> None:
    house.world.faults.add(Fault(kind="status", status=503, service=CALLED[name]))
    someone, before = house.subscriber(with_tag="first-time"), house.requests()
    with caught_lines() as lines:
        cycles = [house.sync_later() for _ in range(POLLS)]
        house.order("cafe", someone, "20.00")
        last = house.sync_later()
    assert FAILURES < asked(house, name, before) <= 2 * FAILURES
    assert all(len(cycle.errors) + len(cycle.resting) == 1 for cycle in cycles)
    # The first poll tells that it failed, the second that it is left alone.
    assert [line["event"] for line in lines if line["level"] == "error"] == [lines[0]["event"]] * 2
    assert "has given no usable answer since" in error_of(house, name)
    assert last.resting == [connection]
    assert last.pulled["cafe"].orders_new == 1
    assert ("repeat" in house.tags(someone)) == (name != "main")
    house.world.faults.clear()
    house.later(LONGEST_REST_SECONDS)
    with caught_lines() as lines:
        house.sync_in_order()
    assert [line["event"] for line in lines].count("answers again") == 1
    assert error_of(house, name) == ""
    assert "repeat" in house.tags(someone)


def test_a_command_and_a_configuration_that_is_read_again_ask_at_once(house: Waiting) -> None:
    house.world.faults.add(Fault(kind="status", status=503, service="mailchimp"))
    for _ in range(2):
        house.sync_later()
    house.world.faults.clear()
    assert house.sync().resting == ["audiences.main"]
    house.configure()
    assert house.sync_in_order().resting == []
