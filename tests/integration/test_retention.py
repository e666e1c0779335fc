"""Whether customers come back, asked of a whole syncd: what its report says is what the shops hold."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from syncd.calendar import day_of
from syncd.history.database import History, open_history
from syncd.lifecycle.retention import By
from syncd.sandbox.serve import Running
from syncd.sandbox.truth import truth
from syncd.views import segments
from syncd.views.retention import report
from tests.integration.house import DAY, House

Document = dict[str, Any]


@pytest.fixture(scope="module")
def standing(
    open_sandbox: Callable[..., Running],
    history_url: Callable[[str], str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[House]:
    """A syncd that is only asked; making one takes longer than asking it."""
    with open_history(history_url("sqlite")) as opened:
        house = House(open_sandbox("synthetic", customers=80), opened, tmp_path_factory.mktemp("house"))
        house.backfill()
        yield house


def told(house: House, by: By = "month", since: date | None = date(2020, 1, 1), as_of: date | None = None) -> Document:
    today = day_of(as_of or house.today())
    return report(house.context, "main", by=by, since=None if since is None else day_of(since), today=today)


def bought(house: House) -> dict[str, list[tuple[date, int]]]:
    """The days and amounts of everybody's orders, as the shops have them."""
    zone = ZoneInfo("Europe/Madrid")
    found = {
        email: sorted(
            (datetime.fromtimestamp(order.placed_at, UTC).astimezone(zone).date(), order.net_minor)
            for order in orders
            if order.counted and order.net_minor > 0 and order.currency == "EUR"
        )
        for email, orders in truth(house.world).items()
        if email
    }
    return {email: orders for email, orders in found.items() if orders}


def test_the_cohorts_are_those_of_the_shops_on_both_databases(
    sandbox: Running, history: History, tmp_path: Path
) -> None:
    house = House(sandbox, history, tmp_path)
    house.backfill()
    people, document = bought(house), told(house)
    sizes = Counter(f"{orders[0][0]:%Y-%m}" for orders in people.values())
    assert {each["cohort"]: each["customers"][0] for each in document["cohorts"]} == dict(sizes)
    assert document["customers"] == len(people) > 20
    revenue = sum(sum(each["revenue"]) for each in document["cohorts"])
    assert revenue == pytest.approx(sum(minor for orders in people.values() for _, minor in orders) / 100)
    assert document["second_order"]["returned"] == sum(len({day for day, _ in o}) > 1 for o in people.values())


def test_the_active_are_those_who_bought_in_the_quarter(standing: House) -> None:
    quarters = {each["period"]: each for each in told(standing, "quarter")["periods"]}
    buyers = {email for email, orders in bought(standing).items() if any(_in_third_quarter(day) for day, _ in orders)}
    assert quarters["2026-Q3"]["ending"] == quarters["2026-Q4"]["beginning"] == len(buyers) > 0
    assert quarters["2026-Q3"]["state"] == "whole"
    assert quarters["2026-Q4"]["state"] == "unfinished"


def _in_third_quarter(day: date) -> bool:
    return date(2026, 7, 1) <= day <= date(2026, 9, 30)


def test_as_of_a_day_nothing_later_is_known(standing: House) -> None:
    document = told(standing, as_of=date(2026, 5, 31))
    assert document["periods"][-1]["period"] == "2026-05"
    assert document["periods"][-1]["state"] == "whole"
    assert document["unfinished_month"] is None
    assert document["customers"] == sum(orders[0][0] <= date(2026, 5, 31) for orders in bought(standing).values())


def test_the_month_under_way_is_not_over_on_its_last_day(house: House) -> None:
    house.later((date(2026, 11, 30) - house.today()).days * DAY)
    assert told(house)["periods"][-1]["state"] == "unfinished"
    assert told(house)["unfinished_month"] == "2026-11"
    house.later(DAY)
    assert [each["state"] for each in told(house)["periods"][-2:]] == ["whole", "unfinished"]


def test_the_last_two_years_are_shown_unless_more_is_asked_for(standing: House) -> None:
    document = told(standing, "quarter", since=None)
    assert document["since"] == "2024-10-01"
    assert document["periods"][0]["period"] >= "2024-Q4"
    assert document["cohorts"][0]["cohort"] >= "2024-10"


def test_the_first_import_is_no_movement(standing: House) -> None:
    (flow,) = told(standing, "quarter")["flows"]
    assert (flow["period"], flow["from"], flow["state"]) == ("2026-Q4", "2026-11-22", "unfinished")
    assert sum(each["joined"] + each["left"] for each in flow["segments"]) == 0
    sizes = {
        each["name"]: each["customers"]
        for each in segments(standing.context, "main", day_of(standing.today()))["segments"]
    }
    assert {each["name"]: each["beginning"] for each in flow["segments"]} == sizes


def test_moves_between_segments_are_counted_by_month(house: House) -> None:
    someone = house.subscriber(with_tag="first-time")
    house.later(2 * DAY)
    house.order("acme", someone, "20.00")
    house.sync_in_order()
    (flow,) = told(house)["flows"]
    moved = {each["name"]: each for each in flow["segments"]}
    assert (moved["first-time"]["left"], moved["repeat"]["joined"]) == (1, 1)
    ladder = next(each for each in flow["ladders"] if "repeat" in each["rungs"])
    rungs = ladder["rungs"]
    assert ladder["customers"][rungs.index("first-time")][rungs.index("repeat")] == 1
    for at, name in enumerate(rungs[:-1]):
        assert sum(ladder["customers"][at]) == moved[name]["beginning"]
        assert sum(row[at] for row in ladder["customers"]) == moved[name]["ending"]


def test_a_new_month_has_the_last_one_beside_it(house: House) -> None:
    house.later(12 * DAY)
    house.sync_in_order()
    november, december = told(house)["flows"]
    assert (november["period"], november["from"], november["to"]) == ("2026-11", "2026-11-22", "2026-11-30")
    assert (december["period"], december["from"], december["to"]) == ("2026-12", "2026-12-01", "2026-12-04")
    ends = {each["name"]: each["ending"] for each in november["segments"]}
    assert {each["name"]: each["beginning"] for each in december["segments"]} == ends


def test_before_the_first_import_is_through_there_are_no_moves(
    sandbox: Running, sqlite: History, tmp_path: Path
) -> None:
    house = House(sandbox, sqlite, tmp_path)
    document = told(house)
    assert (document["flows"], document["periods"], document["cohorts"], document["customers"]) == ([], [], [], 0)
    assert document["second_order"]["curve"] == []


def test_nobody_can_be_recognised_in_the_report(standing: House) -> None:
    text = json.dumps(told(standing), ensure_ascii=False)
    assert "@" not in text
    assert not [email for email in bought(standing) if email in text]
