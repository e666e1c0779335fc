"""Moments whatever goes wrong: each is told exactly once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count, product
from pathlib import Path

import pytest
from sqlalchemy import Connection, event

from syncd.history.database import History
from tests.integration.house import DAY
from tests.integration.mailchimp_world import Town
from tests.integration.moments_home import (
    ANN,
    BOB,
    HOUR,
    JOINS,
    ORDERS,
    SEGMENTS,
    after_import,
    on_both,
    tally,
    told,
)
from tests.traps.mailchimp_stage import Home


@pytest.fixture(scope="module")
def town() -> Iterator[Town]:
    with Town() as town:
        town.world.throttle.enforce = False
        yield town


@pytest.fixture(params=["sqlite"])
def home(request: pytest.FixtureRequest, town: Town, emptied_history: Callable[[str], History], tmp_path: Path) -> Home:
    return after_import(town, emptied_history(request.param), tmp_path)


@pytest.mark.parametrize(("phase", "first"), [("before", 0), ("after", 1)])
@pytest.mark.parametrize("kind", ["reset", "status"])
def test_a_lost_answer_is_asked_for_before_anything_is_repeated(home: Home, kind: str, phase: str, first: int) -> None:
    home.buys(BOB)
    home.cycle()
    home.later(HOUR)
    home.strike("*/events", kind, phase=phase, method="POST", count=1)
    home.cycle()
    assert told(home) == [(BOB, "thanks")] * first
    home.cycle()
    home.cycle()
    home.cycle()
    assert told(home) == [(BOB, "thanks")]
    assert tally(home, "thanks") == (0, 1, 0)
    assert home.is_quiet()


def test_what_the_service_may_not_show_yet_is_not_repeated_at_once(home: Home) -> None:
    home.buys(BOB)
    home.cycle()
    home.later(HOUR)
    home.strike("*/events", "reset", phase="before", method="POST", count=1)
    home.sync_in_order()
    home.later(30)
    home.sync_in_order()
    assert told(home) == []
    home.later(30)
    home.sync_in_order()
    assert told(home) == [(BOB, "thanks")]


@on_both
def test_how_long_the_service_has_to_show_an_event_counts_from_the_end_of_the_push(home: Home) -> None:
    for someone in (ANN, BOB):
        home.buys(someone)
    home.cycle()
    home.later(HOUR)
    home.strike("*/events", "reset", phase="before", method="POST", after=1, count=1)
    home.context.progress = lambda task, advance, expected: home.later(45) if "pushing" in task else None
    home.sync_in_order()
    assert told(home) == [(ANN, "became regular"), (ANN, "thanks")]
    home.later(30)
    home.sync_in_order()
    assert (BOB, "thanks") not in told(home)
    home.later(30)
    home.sync_in_order()
    assert (BOB, "thanks") in told(home)


def test_a_refused_event_is_looked_for_before_it_is_tried_again(home: Home) -> None:
    home.buys(BOB)
    home.cycle()
    home.later(HOUR)
    refusal = '{"status": 400, "title": "Invalid Resource", "detail": "no"}'
    home.strike("*/events", "status", status=400, body=refusal, method="POST", count=1)
    for _ in range(4):
        home.cycle()
    assert told(home) == [(BOB, "thanks")]


@pytest.mark.parametrize("phase", ["before", "after"])
def test_a_batch_of_events_whose_answer_is_lost_is_asked_for_too(home: Home, phase: str) -> None:
    people = [f"p{n}@shop.example" for n in range(30)]
    for someone in people:
        home.members.add_member(someone, "subscribed", changed_at=home.now)
    home.cycle()
    for someone in people:
        home.buys(someone)
    home.cycle()
    home.later(HOUR)
    home.strike("*/batches", "reset", phase=phase, method="POST", count=1)
    home.sync()
    for _ in range(4):
        home.cycle()
    assert sorted(told(home)) == [(someone, "thanks") for someone in sorted(people)]


def test_under_a_storm_of_faults_each_episode_starts_exactly_one_journey(home: Home) -> None:
    for kind, phase in product(("reset", "status", "empty"), ("before", "after")):
        home.strike("*/events", kind, phase=phase, p=0.25)
    for _ in range(8):
        home.buys(ANN)
        home.buys(BOB)
        home.later(60)
        home.sync()
        home.later(HOUR)
        home.sync()
    home.world.faults.clear()
    for _ in range(4):
        home.cycle()
    assert Counter(told(home)) == {(ANN, "thanks"): 8, (BOB, "thanks"): 8, (ANN, "became regular"): 1}


class Crash(BaseException):
    """The process ends here."""


@contextmanager
def dies_at(home: Home, commit: int) -> Iterator[None]:
    """Within, the process dies before its n-th commit: what was sent since the one before is not known."""
    commits = count(1)

    def look(connection: Connection) -> None:
        if connection.get_execution_options().get("syncd_writes") and next(commits) == commit:
            raise Crash

    event.listen(home.history.engine, "commit", look)
    try:
        yield
    finally:
        event.remove(home.history.engine, "commit", look)


def test_wherever_the_process_dies_each_order_and_each_stay_is_told_once(home: Home) -> None:
    home.configure(SEGMENTS + JOINS + ORDERS + 'settle = "0 minutes"')
    home.cycle()
    deaths = 0
    for commit in count(1):
        home.later(31 * DAY)
        home.sync_in_order()
        home.later(60)
        home.buys(BOB)
        try:
            with dies_at(home, commit):
                home.sync()
        except Crash:
            deaths += 1
        else:
            break
        home.configure(SEGMENTS + JOINS + ORDERS + 'settle = "0 minutes"')
        home.cycle()
    assert deaths > 8
    stays = deaths + 1
    assert Counter(event for email, event in told(home) if email == BOB) == {
        "gone": stays,
        "back again": stays,
        "thanks": stays,
    }
