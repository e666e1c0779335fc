"""A rule tried out: its last 12 months, worked out by hand and held against a preview as of those days."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from syncd.calendar import day_of
from syncd.history.database import History
from syncd.history.members import store_members
from syncd.sandbox.serve import Running
from syncd.views import preview
from tests.integration.history_records import customer, member, order, take
from tests.integration.house import House

Document = dict[str, Any]
RULES = """
[audiences.main.lifecycle.segments.fresh]
when = "orders(3 days) >= 1"
stay_while = "orders(5 days) >= 1"

[audiences.main.lifecycle.segments.reached]
when = 'subscribed and city == "Cádiz"'
"""


@pytest.fixture
def small(sandbox: Running, sqlite: History, tmp_path: Path) -> House:
    """Customers of whom everything is known; today is 22 November 2026."""
    return House(sandbox, sqlite, tmp_path, rules=RULES)


def noon(day: str) -> int:
    return int(datetime.fromisoformat(f"{day}T12:00").replace(tzinfo=UTC).timestamp())


def bought(house: House, name: str, *days: str, status: str = "subscribed", signup: str = "2020-01-01") -> None:
    """Somebody signs up, and orders on these days."""
    email = f"{name}@example.com"
    known = customer(email, email, created_at=noon(signup))
    orders = (order(f"{name} {day}", email=email, customer_id=email, placed_at=noon(day)) for day in days)
    take(house.history, known, *orders)
    store_members(house.history, "main", [member(email, status)], None, bits={}, field_names=[], now=noon("2026-11-22"))


def told(house: House, rule: str, as_of: str | None = None) -> Document:
    return preview(house.context, "main", rule, day_of(date.fromisoformat(as_of) if as_of else house.today()))


def moved(document: Document) -> dict[str, tuple[int, int]]:
    """How many stood in it after a month and joined in that month, of the months in which anybody did."""
    found = {each["date"]: (each["customers"], each["entries"]) for each in document["history"]}
    return {day: counts for day, counts in found.items() if any(counts)}


def test_a_year_worked_out_by_hand(small: House) -> None:
    bought(small, "ana", "2026-01-10", "2026-03-10")
    # In it from the beginning, which is no entry.
    bought(small, "ben", "2025-11-20")
    bought(small, "eva", "2026-10-21", status="unsubscribed")
    # The orders lie four days apart: too far for the rule, and near enough to stay.
    bought(small, "leo", "2026-05-01", "2026-05-05")
    document = told(small, "in(fresh)")
    assert [each["date"] for each in document["history"]] == [
        *("2025-11-22", "2025-12-22", *(f"2026-{month:02}-22" for month in range(1, 12)))
    ]
    assert moved(document) == {
        "2025-11-22": (1, 0),
        "2026-01-22": (0, 1),
        "2026-03-22": (0, 1),
        "2026-05-22": (0, 1),
        "2026-10-22": (1, 1),
    }
    assert (document["entries"], document["entries_subscribed"], document["flaps"]) == (4, 3, 1)
    without = told(small, "orders(3 days) >= 1")
    assert (without["entries"], without["flaps"]) == (5, 2)


def test_nobody_is_counted_before_they_signed_up_or_ordered(small: House) -> None:
    bought(small, "ana", signup="2026-06-01")
    bought(small, "ben", "2026-08-01", signup="2026-09-01")
    document = told(small, "orders(ever) == 0 or orders(1 year) == 1")
    sizes = [each["customers"] for each in document["history"]]
    assert sizes == [0] * 7 + [1, 1, 2, 2, 2, 2]
    assert sizes[-1] == document["customers"]


def test_it_says_what_is_only_known_as_of_now(small: House) -> None:
    bought(small, "ana")
    assert told(small, "in(reached) or orders(ever) > 0")["not_replayed"] == ["city", "subscribed"]
    assert told(small, "in(fresh)")["not_replayed"] == []


def test_each_month_is_what_a_preview_as_of_that_day_says(house: House) -> None:
    rule = "spend(ever) > mean(spend(ever)) and orders(6 months) >= 1 or lateness > usual(80)"
    document = told(house, rule)
    assert document["history"][-1]["customers"] == document["customers"]
    for each in document["history"][4::4]:
        then = told(house, rule, each["date"])
        assert then["customers"] == each["customers"] > 0, each["date"]
