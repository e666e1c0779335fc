"""Clocks that are wrong, that jump, and that went back with a backup: nobody is lost, and nobody gets a thing twice.

What the days of a zone are, at each change of its clock and on 29 February, is proved in tests/unit/test_calendar.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from threading import Event
from typing import Any

import pytest

from syncd.clock import Clock
from syncd.sandbox.populate import build
from syncd.steps.place import settle_here
from tests.faults.harness import Scene, Stage
from tests.faults.oracle import Judge, Outcome, journeys
from tests.faults.runs import CYCLES, Chapter, Story, cycle, is_quiet
from tests.faults.shelves import Files
from tests.faults.story import buys
from tests.integration.house import DAY, House
from tests.oracle import KNOWN_RULES

HOUR = 3_600


class Wrong:
    """A clock of ours that is off by so many seconds; `off` may ask how often it was looked at."""

    def __init__(self, right: Clock, off: Callable[[int], int]) -> None:
        self._right, self._off, self._looks = right, off, 0

    def now(self) -> int:
        self._looks += 1
        return self._right.now() + self._off(self._looks)

    def wait_until(self, instant: int, stop: Event) -> None:
        self._right.wait_until(instant, stop)


def with_clock(stage: Stage, off: Callable[[int], int]) -> None:
    """Our clock is wrong, the shops' and the service's are right."""
    stage.context = replace(stage.context, clock=Wrong(stage.context.clock, off))


@pytest.mark.parametrize("off_seconds", [-DAY, -HOUR, HOUR, DAY])
def test_a_clock_that_was_wrong_for_a_while_loses_nothing(story: Story, off_seconds: int) -> None:
    chapter = story["orders"]
    with chapter.scene.opened() as stage, Judge(stage) as judge:
        with_clock(stage, lambda looks: off_seconds)
        assert stage.work() == []
        assert settled(stage, chapter) == []
        if abs(off_seconds) < DAY:
            assert judge.violations(vip=False) == []
        else:
            # Who was in a segment for that day only was told so, twice: the day did come twice.
            assert [each for each in judge.violations(vip=False) if not each.startswith("I6")] == []


def settled(stage: Stage, chapter: Chapter) -> list[str]:
    """What is not right in the audience after the next cycles with the right time."""
    for _ in range(CYCLES):
        assert cycle(stage) == []
    assert is_quiet(stage)
    have, right = without_vip(Outcome.of(stage)), without_vip(chapter.outcome)
    return [f"{email}: {have.get(email)}, not {right[email]}" for email in right if have.get(email) != right[email]]


def without_vip(outcome: Outcome) -> dict[str, dict[str, Any]]:
    """The members, without the tag that asks for the mean of all: on another day that is taken anew."""
    tags = {email: [tag for tag in one["tags"] if tag != "syncd:vip"] for email, one in outcome.members.items()}
    return {email: one | {"tags": tags[email]} for email, one in outcome.members.items()}


@pytest.mark.parametrize("step_seconds", [-HOUR, -3, HOUR])
def test_a_clock_that_is_set_in_the_middle_of_a_cycle_loses_nothing(story: Story, step_seconds: int) -> None:
    chapter = story["orders"]
    with chapter.scene.opened() as stage, Judge(stage) as judge:
        with_clock(stage, lambda looks: step_seconds if looks > 12 else 0)
        assert stage.work() == []
        assert settled(stage, chapter) == []
        assert judge.violations(vip=False) == []


@pytest.mark.parametrize("chapter", ["next_day", pytest.param("next_month", marks=pytest.mark.chaos)])
def test_a_backup_of_a_day_or_a_month_ago_starts_no_journey_again(story: Story, chapter: str) -> None:
    begun = story[chapter].scene
    with begun.opened() as stage:
        assert stage.work() == []
        for _ in range(CYCLES):
            assert cycle(stage) == []
        ended, right, before = stage.frozen(), Outcome.of(stage), journeys(stage)
    restored: Scene = replace(ended, kept=begun.kept)
    with restored.opened() as stage:
        # What `syncd moved` does, as the operator's manual asks for after a backup was restored.
        settle_here(stage.context)
        for _ in range(CYCLES):
            stage.work()
            stage.later(120)
        assert journeys(stage) == before
        assert Outcome.of(stage).members == right.members


def test_the_year_2038_is_a_year_like_any_other() -> None:
    # Two days before seconds no longer fit into 32 bits.
    start = 2**31 - 2 * DAY
    world = build("synthetic", start=start, customers=30)
    world.clock.set(start)
    world.throttle.enforce = False
    shelf = Files()
    scene = Scene(world, KNOWN_RULES, shelf, shelf.empty())
    with scene.opened() as stage:
        assert stage.work() == []
        stage.later(5 * DAY)
        buys(stage, "acme", someone := House.subscriber(stage), "30.00")
        assert stage.work() == []
        assert stage.world.clock.now() > 2**31
        assert stage.tagged() == stage.expected()
        assert someone in stage.tagged()["bought-14d"]
        assert is_quiet(stage)
    shelf.close()
