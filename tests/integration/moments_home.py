"""A syncd with moments after its first import, and what was told from there on."""

from __future__ import annotations

from pathlib import Path

import pytest

from syncd import views
from syncd.history.database import History
from syncd.sandbox.audience import Switches
from tests.integration.mailchimp_world import Town
from tests.traps.mailchimp_stage import Home, empty

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
REGULARS = """
[audiences.main.lifecycle.moments.fan]
on = "join regular"
event = "became a fan"
"""
CARTS = """
[audiences.main.lifecycle.moments.cart]
on = "cart"
event = "cart left"
settle = "3 hours"
"""


def after_import(town: Town, history: History, directory: Path) -> Home:
    """A syncd after its first import: Ann bought once, Bob twice; any contact may enter a journey again."""
    empty(town, Switches(journeys_reenter=True))
    home = Home(town.running, history, directory, rules=SEGMENTS + JOINS + ORDERS + CARTS, shops=("acme",))
    home.joins(ANN, BOB)
    for someone in (ANN, BOB, BOB):
        home.buys(someone)
    home.backfill()
    home.cycle()
    # What people order from here on was placed after the moments came into use.
    home.later(HOUR)
    return home


on_both = pytest.mark.parametrize("home", ["sqlite", "postgresql"], indirect=True)


def told(home: Home) -> list[tuple[str, str]]:
    """Who entered a journey by which event, in order."""
    return home.entries("event")


def moments_of(home: Home, email: str) -> list[tuple[str, str, str]]:
    """(moment, state, why it was dropped) of a person, the latest first, as `syncd explain` shows them."""
    today = home.context.today(home.context.settings.audiences["main"])
    document = views.explain(home.context, "main", email, today)
    return [(one["name"], one["state"], one["reason"]) for one in document["moments"]]


def tally(home: Home, moment: str) -> tuple[int, int, int]:
    """How much of it waits, and how much was sent and dropped in the last 24 hours, as `syncd status` shows it."""
    (audience,) = views.status(home.context)["audiences"]
    return next((m["waiting"], m["sent"], m["dropped"]) for m in audience["moments"] if m["name"] == moment)
