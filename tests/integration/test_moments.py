"""Moments: what happens to a person is told to the e-mail service once, in time, and only to whom it may be told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from syncd.history.database import open_history
from syncd.sandbox.audience import Switches
from tests.integration.mailchimp_world import Town
from tests.traps.mailchimp_stage import Home

ANN, BOB = "ann@shop.example", "bob@shop.example"
HOUR = 3_600
SEGMENTS = """
[audiences.main.lifecycle.segments.regular]
when = "orders(ever) >= 2"
[audiences.main.lifecycle.segments.gone]
when = "since_last_order >= 30 days"
"""
JOINS = """
[audiences.main.lifecycle.moments.regular]
on = "join regular"
event = "became regular"
[audiences.main.lifecycle.moments.gone]
on = "join gone"
event = "gone"
[audiences.main.lifecycle.moments.back]
on = "leave gone"
event = "back again"
"""
ORDERS = """
[audiences.main.lifecycle.moments.thanks]
on = "order"
event = "thanks"
"""
CARTS = """
[audiences.main.lifecycle.moments.cart]
on = "cart"
event = "cart left"
settle = "3 hours"
"""


@pytest.fixture(scope="module")
def town() -> Iterator[Town]:
    with Town() as town:
        town.world.throttle.enforce = False
        yield town


@pytest.fixture(params=["sqlite"])
def home(
    request: pytest.FixtureRequest, town: Town, emptied_url: Callable[[str], str], tmp_path: Path
) -> Iterator[Home]:
    """A syncd after its first import: Ann bought once, Bob twice; any contact may enter a journey again."""
    from tests.traps.mailchimp_stage import empty

    empty(town, Switches(journeys_reenter=True))
    with open_history(emptied_url(request.param)) as history:
        home = Home(town.running, history, tmp_path, rules=SEGMENTS + JOINS + ORDERS + CARTS, shops=("acme",))
        home.joins(ANN, BOB)
        for someone in (ANN, BOB, BOB):
            home.buys(someone)
        home.backfill()
        home.cycle()
        # What people order from here on was placed after the moments came into use.
        home.later(HOUR)
        yield home


on_both = pytest.mark.parametrize("home", ["sqlite", "postgresql"], indirect=True)


def told(home: Home) -> list[tuple[str, str]]:
    """Who entered a journey by which event, in order."""
    return home.entries("event")


@on_both
def test_a_first_import_tells_nothing(home: Home) -> None:
    assert told(home) == []


@on_both
def test_each_order_is_told_once_an_hour_after_it(home: Home) -> None:
    for _ in range(2):
        home.buys(ANN)
        home.cycle()
        home.later(HOUR - 300)
        home.cycle()
        before = told(home)
        home.later(300)
        home.cycle()
        assert told(home) == [*before, (ANN, "thanks")]
        home.cycle()
    assert told(home) == [(ANN, "became regular"), (ANN, "thanks"), (ANN, "thanks")]
