"""The brake tells tags that go because a day is over from tags that go by accident."""

from __future__ import annotations

import pytest

from syncd.errors import UnsafePlan
from tests.integration.house import DAY, House

LAX = {"removals_min": 999, "additions_min": 999}
STRICT = {"removals_min": 4, "removals_share": 0.0, "additions_min": 999}


def recent(days: int, *, quiet: bool = False) -> str:
    """Rules for those who bought in so many days, and for the others too."""
    rules = f"[audiences.main.lifecycle.segments.recent]\nwhen = 'orders({days} days) >= 1'\n"
    return rules + ("[audiences.main.lifecycle.segments.quiet]\nwhen = 'orders(3 days) == 0'\n" if quiet else "")


@pytest.fixture
def bought_together(house: House) -> list[str]:
    """Subscribers who ordered on the same day, eight days ago, and nobody else in these days; the rules know them."""
    house.later(60 * DAY)
    emails = sorted(email for email, member in house.state().items() if member["status"] == "subscribed")[:6]
    for email in emails:
        house.order("acme", email, "20.00")
    house.configure(recent(10), brake=LAX, max_entries_per_day=0)
    for days in (0, 8):
        house.later(days * DAY)
        house.sync_in_order()
    assert house.tagged()["recent"] == set(emails)
    house.configure(recent(10), brake=STRICT)
    return emails


def held(house: House) -> str:
    """Why the plan of the next cycle is held."""
    (error,) = house.sync().errors
    assert isinstance(error, UnsafePlan)
    return "; ".join(error.reasons)


def test_whose_time_is_over_loses_the_tag_unasked(house: House, bought_together: list[str]) -> None:
    house.later(DAY)
    house.sync_in_order()
    assert house.tagged()["recent"] == set(bought_together)
    house.later(DAY)
    house.sync_in_order()
    assert "recent" not in house.tagged()


def test_many_days_at_once_are_held(house: House, bought_together: list[str]) -> None:
    house.later(5 * DAY)
    assert held(house) == "6 tags would be removed, the limit is 4"


def test_another_rule_is_held_on_whatever_day_it_comes(house: House, bought_together: list[str]) -> None:
    house.later(DAY)
    house.configure(recent(5), brake=STRICT)
    assert held(house) == "6 tags would be removed, the limit is 4"


def test_new_orders_are_no_calendar(house: House, bought_together: list[str]) -> None:
    house.configure(recent(10, quiet=True), brake=LAX, max_entries_per_day=0)
    house.sync_in_order()
    house.configure(recent(10, quiet=True), brake=STRICT | {"removals_min": 2})
    others = sorted(house.tagged()["quiet"] - set(bought_together))[:3]
    house.later(2 * DAY)
    for email in others:
        house.order("acme", email, "20.00")
    # The six would have gone anyway; these three ordered, so that they are not quiet any more.
    assert held(house) == "3 tags would be removed besides the 6 whose time is over, the limit is 2"
