"""The forecast, held against what a whole syncd then does day by day, and against a little world worked out by hand."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from syncd.calendar import date_of, day_of, midnight
from syncd.errors import UnsafePlan, UserError
from syncd.history import ledger, outbox
from syncd.history.database import History
from syncd.history.members import store_members
from syncd.history.stays import moves_since
from syncd.sandbox.serve import Running
from syncd.steps.judge import judge
from syncd.views import forecast
from syncd.views.common import tags_of
from tests.integration.history_records import customer, member, order, take
from tests.integration.house import DAY, House

Document = dict[str, Any]
ZONE = "Europe/Madrid"


def segment(name: str, when: str, more: str = "") -> str:
    return f"[audiences.main.lifecycle.segments.{name}]\nwhen = '{when}'\n{more}\n"


# Kept by stay_while, by another segment, by each customer's rhythm, and in part without the tag.
RULES = (
    segment("recent", "orders(21 days) >= 1", "stay_while = 'orders(30 days) >= 1'")
    + segment("cooling", "since_last_order >= 20 days and not in(recent) and not in(gone)", "control = 40")
    + segment("gone", "since_last_order >= 2 months")
    + segment("late", "lateness > 1.5 and not in(gone)")
    + segment("vip", "spend(ever) > mean(spend(ever))")
    + segment("month", "orders(this month) >= 1")
    + segment("silent", "subscribed and orders(4 months) == 0")
)


def told(house: House, days: int = 20, as_of: date | None = None) -> Document:
    return forecast(house.context, "main", day_of(as_of or house.today()), days)


def by_segment(day: Document, *keys: str) -> dict[str, tuple[int, ...]]:
    """The segments of which any of the counts is not nought."""
    found = {one["name"]: tuple(one[key] for key in keys) for one in day["segments"]}
    return {name: counts for name, counts in found.items() if any(counts)}


def happened(house: House) -> tuple[dict[str, tuple[int, int]], dict[str, int]]:
    """Who joined and left each segment today, and how many tags were set today."""
    tags, begin = tags_of(house.context, "main").segments, midnight(day_of(house.today()), ZONE)
    moves = moves_since(house.history, "main", begin)
    entered = outbox.entered_since(house.history, "main", begin)
    return {tags[bit]: move for bit, move in moves.items()}, {tags[bit]: count for bit, count in entered.items()}


def test_it_is_what_then_happens_day_by_day(house: House) -> None:
    # New rules set more tags than the day has room for, so that some people wait from the beginning.
    house.configure(RULES, max_entries_per_day=2, brake={"removals_min": 999, "additions_min": 999})
    house.sync_in_order()
    foretold = told(house)
    assert sum(day["segments"][at]["waiting"] for day in foretold["days"] for at in range(7)) > 20
    for day in foretold["days"]:
        house.later(DAY)
        house.sync_in_order()
        assert day["date"] == house.today().isoformat()
        moves, entered = happened(house)
        assert by_segment(day, "join", "leave") == moves, day["date"]
        assert {name: count for name, (count,) in by_segment(day, "entries").items()} == entered, day["date"]
    assert len([one for one in foretold["segments"] if one["join"] or one["leave"]]) >= 5
    assert any(one["tagged"] < one["join"] for one in foretold["segments"])
    sizes = {one["name"]: one["customers_after"] for one in foretold["segments"]}
    assert {one["name"]: one["customers"] for one in told(house, 1)["segments"]} == sizes


def test_a_day_that_it_calls_held_is_held(house: House) -> None:
    house.configure(RULES, max_entries_per_day=0, brake={"removals_min": 999, "additions_min": 999})
    house.sync_in_order()
    strict = {"removals_min": 0, "removals_share": 0.0, "additions_min": 1, "additions_share": 0.0}
    house.configure(RULES, max_entries_per_day=0, brake=strict)
    foretold = {day["date"]: day["held"] for day in told(house)["days"]}
    for _ in foretold:
        house.later(DAY)
        errors = house.sync().errors
        expected = foretold[house.today().isoformat()]
        assert bool(errors) == bool(expected)
        if errors:
            assert isinstance(errors[0], UnsafePlan)
            assert list(errors[0].reasons) == expected
            return
    raise AssertionError("no day was held")


def test_as_of_a_day_nothing_later_is_known(house: House) -> None:
    house.configure(RULES, brake={"removals_min": 999, "additions_min": 999})
    house.sync_in_order()
    house.sync_in_order()
    day, before = house.today(), told(house)
    inside = sorted(email for email, tags in ((e, house.tags(e)) for e in house.state()) if "gone" in tags)[:3]
    house.later(3 * DAY)
    for email in inside:
        house.order("acme", email, "400.00")
    house.sync_in_order()
    assert told(house, as_of=day) == before
    assert told(house) != before


def test_it_writes_nothing(house: House) -> None:
    tables = "standings", "moves", "figures", "segments", "audiences"

    def content() -> dict[str, Any]:
        with house.history.read() as db:
            return {name: db.exec_driver_sql(f"SELECT * FROM {name}").fetchall() for name in tables}  # noqa: S608

    house.configure(RULES)
    before, requests = content(), house.requests()
    told(house)
    assert content() == before
    assert house.requests() == requests


@pytest.fixture
def small(sandbox: Running, sqlite: History, tmp_path: Path) -> House:
    """Four customers of whom everything is known; today is 22 November 2026."""
    rules = segment("fresh", "orders(3 days) >= 1", "stay_while = 'orders(5 days) >= 1'") + segment(
        "quiet", "since_last_order >= 5 days"
    )
    return House(sandbox, sqlite, tmp_path, rules=rules)


def bought(house: House, email: str, day: int, status: str = "subscribed") -> None:
    """Somebody orders at noon of a day in November."""
    at = int(datetime(2026, 11, day, 11, tzinfo=UTC).timestamp())
    take(house.history, customer(email, email), order(f"{email} {day}", email=email, customer_id=email, placed_at=at))
    listed = [member(email, status)]
    store_members(house.history, "main", listed, None, bits={}, field_names=[], now=at)
    ledger.set_audience(house.history, "main", backfilled_at=1)


def test_a_little_world_worked_out_by_hand(small: House) -> None:
    bought(small, "ana@example.com", 22)
    bought(small, "ben@example.com", 20)
    bought(small, "eva@example.com", 20, "unsubscribed")
    bought(small, "leo@example.com", 10)
    document = told(small, 6)
    # An order of the 20th lies within 5 days up to the 24th, one of the 22nd up to the 26th.
    assert {day["date"][-2:]: by_segment(day, "join", "leave", "tagged") for day in document["days"]} == {
        "23": {},
        "24": {},
        "25": {"fresh": (0, 2, 0), "quiet": (2, 0, 1)},
        "26": {},
        "27": {"fresh": (0, 1, 0), "quiet": (1, 0, 1)},
        "28": {},
    }
    fresh, quiet = document["segments"]
    assert (fresh["customers"], fresh["customers_after"], quiet["customers"], quiet["customers_after"]) == (3, 0, 1, 4)
    assert (quiet["join"], quiet["leave"], quiet["tagged"], quiet["entries"]) == (3, 0, 2, 2)
    assert document["busiest_day"] == {"date": "2026-11-25", "entries": 1}
    assert [(week["from"], week["to"]) for week in document["weeks"]] == [("2026-11-23", "2026-11-28")]
    assert by_segment(document["weeks"][0], "join", "leave") == {"fresh": (0, 3), "quiet": (3, 0)}
    assert (document["frozen"], document["held_days"]) == (False, [])


def test_as_of_a_day_nobody_stands_where_a_later_order_put_them(small: House) -> None:
    day, playbook = small.today(), small.context.settings.audiences["main"].playbook
    tags = ledger.tags_of(small.history, "main", playbook, "syncd:")
    bought(small, "ana@example.com", 20)
    bought(small, "ben@example.com", 18)
    judge(small.context, "main", tags)
    before = told(small, as_of=day)
    # Five days keep him in, and only three let him in.
    assert before["segments"][0]["customers"] == 1
    small.later(2 * DAY)
    bought(small, "ben@example.com", 24)
    judge(small.context, "main", tags)
    assert told(small)["segments"][0]["customers"] == 2
    assert told(small, as_of=day) == before


def test_weeks_begin_on_the_first_day_and_the_last_may_be_short(small: House) -> None:
    bought(small, "ana@example.com", 22)
    weeks = [(week["from"], week["to"]) for week in told(small, 9)["weeks"]]
    assert weeks == [("2026-11-23", "2026-11-29"), ("2026-11-30", "2026-12-01")]


def test_entries_above_the_days_budget_come_on_the_next_days(small: House) -> None:
    for name in ("ana", "ben", "eva"):
        bought(small, f"{name}@example.com", 22)
    rules = small.directory.joinpath("syncd.toml").read_text()
    small.configure(rules[rules.index("[audiences.main.lifecycle") :], max_entries_per_day=2)
    days = told(small, 7)["days"]
    assert [by_segment(day, "tagged", "entries", "waiting").get("quiet") for day in days[3:]] == [
        *(None, (3, 2, 1), (0, 1, 0), None)
    ]


@pytest.mark.parametrize("days", [0, 367])
def test_it_looks_ahead_a_year_at_most(small: House, days: int) -> None:
    with pytest.raises(UserError, match="1 to 366 days"):
        told(small, days)


def test_of_nobody_it_says_what_comes_first(small: House) -> None:
    with pytest.raises(UserError, match="nobody is known"):
        told(small)


def test_a_whole_year_is_foreseen(small: House) -> None:
    bought(small, "ana@example.com", 22)
    document = told(small, 366)
    assert document["days"][-1]["date"] == date_of(day_of(small.today()) + 366).isoformat() == "2027-11-23"
    assert len(document["weeks"]) == 53
