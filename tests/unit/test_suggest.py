"""Suggested thresholds: whom they select is what the reference interpreter counts, and the numbers are round."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syncd.calendar import day_of
from syncd.lifecycle import suggest
from syncd.lifecycle.columns import Batch
from syncd.lifecycle.gaps import Tally
from syncd.rules import Enough, Node, evaluate, figures_in, figures_over, parse_rule, rhythm_of, usual_in
from syncd.sandbox.fill import cdnow
from syncd.settings.lifecycle import read_playbook
from syncd.views.suggest import ENGLISH, Shop, suggested, why
from tests.unit import reference
from tests.unit.test_gaps import END_OF_1997, real
from tests.unit.test_rules_agreement import columns

TODAY = date(2026, 8, 31)
YOUNG = Enough(200, 180)


def shop_of(batches: Sequence[Batch], today: int, enough: Enough, loyal: str = "spend(6 months) >= 250") -> Shop:
    """A shop without a history: its segment `loyal` is all that it has now."""
    rule = parse_rule(loyal)

    def figures(free: Sequence[Node]) -> dict[str, float | None]:
        rhythm = rhythm_of(usual_in(*free) or (), lambda: batches, today, enough)
        return rhythm | figures_over(figures_in(*free), batches, today, rhythm)

    return Shop(
        batches,
        lambda batch: {"loyal": evaluate(rule, batch, today, {})},
        figures,
        {"loyal": loyal},
        {each: each for each in suggest.SEGMENTS},
    )


def some_shop(seed: int) -> reference.World:
    """20 to 60 people who order a few times or never, now and then for a strange amount."""
    random = Random(seed)
    count, busy = random.randint(0, 60), random.randint(1, 9)
    people = [
        {
            "signup": None,
            "subscribed": random.random() < 0.6,
            "wholesale": random.random() < 0.1,
            "country": "",
            "city": "",
            "language": "",
            "was_in": set(),
            "orders": [
                (TODAY - timedelta(random.randint(-5, 500)), random.choice((1, 999, 2500, random.randint(1, 10**6))))
                for _ in range(random.randint(0, busy))
            ],
        }
        for _ in range(count)
    ]
    gaps, days = random.choice(((0, 0), (60, 100), YOUNG))
    exponent = random.choice((0, 2, 3))
    return reference.World(TODAY, exponent, people, enough_gaps=gaps, enough_days=days)


def told(world: reference.World, cut: int = 0) -> dict[str, Any]:
    batches = [columns(some, world.exponent) for some in (world.people[:cut], world.people[cut:])]
    return suggested(shop_of(batches, day_of(TODAY), Enough(world.enough_gaps, world.enough_days)), day_of(TODAY))


@settings(max_examples=150)
@given(st.integers(0, 10**9), st.integers(0, 60))
def test_every_rule_selects_as_many_as_it_is_told_to(seed: int, cut: int) -> None:
    world = some_shop(seed)
    for segment in told(world, cut)["segments"]:
        for each in segment["candidates"]:
            selected = [person for person in world.people if reference.holds(each["rule"], person, world)]
            assert each["customers"] == len(selected)
            assert each["subscribed"] == sum(person["subscribed"] for person in selected)
            money, of_all = (sum(map(_spent, some)) for some in (selected, world.people))
            assert each["revenue_share"] == pytest.approx(money / of_all if of_all else 0, abs=1e-4)
            if segment["now"]:
                both = [one for one in selected if reference.holds("spend(6 months) >= 250", one, world)]
                assert each["in_it_now"] == len(both)


def _spent(person: reference.Person) -> int:
    return sum(minor for day, minor in person["orders"] if day <= TODAY)


@settings(max_examples=60)
@given(st.integers(0, 10**9))
def test_one_of_each_segment_is_recommended_and_the_rules_can_be_pasted(seed: int) -> None:
    document = told(some_shop(seed))
    pasted = tomllib.loads(document["toml"])
    read_playbook(pasted, "EUR", "syncd:")
    for segment in document["segments"]:
        chosen = [each for each in segment["candidates"] if each["recommended"]]
        assert len(chosen) == (not segment["missing"])
        for each in chosen:
            assert pasted["segments"][segment["name"]]["when"] == each["rule"]
            assert pasted["segments"][segment["name"]].get("fallback") == each["fallback"]


@settings(max_examples=60)
@given(st.integers(0, 10**9))
def test_nobody_is_recommended_for_both_at_risk_and_lapsed(seed: int) -> None:
    world = some_shop(seed)
    soon, gone = (
        next(each["rule"] for each in segment["candidates"] if each["recommended"])
        for segment in told(world)["segments"][2:]
    )
    both = [one for one in world.people if reference.holds(f"({soon}) and ({gone})", one, world)]
    assert both == []


def test_a_shop_without_customers_is_told_what_is_missing() -> None:
    document = told(reference.World(TODAY, 2, [], enough_gaps=200))
    assert (document["customers"], document["orders"], document["completed_gaps"]) == (0, 0, 0)
    assert document["too_young"] == "usual() needs 200 completed gaps between orders, and there are 0"
    missing = {each["name"]: each["missing"] for each in document["segments"]}
    assert "needs 20 customers who have ordered" in missing["vip"]
    assert "needs 20 customers with two orders or more" in missing["loyal"]
    lapsed = document["segments"][-1]["candidates"]
    assert [each["rule"] for each in lapsed] == ["since_last_order >= 180 days"]


def test_a_young_shop_begins_with_plain_days_and_sees_its_own_beside_them() -> None:
    lengths = np.bincount([10] * 80 + [33] * 11 + [50] * 9)
    found = suggest.late(Tally(lengths, 0), dict.fromkeys((80, 70, 90, 95)), 12.0)
    assert [each.rule for each in found["at-risk"]] == [
        "since_last_order between 90 days and 179 days",
        "since_last_order between 15 days and 34 days",
    ]
    assert [each.rule for each in found["lapsed"]] == ["since_last_order >= 180 days", "since_last_order >= 35 days"]
    assert [each.preferred for each in found["lapsed"]] == [True, False]
    assert why(found["lapsed"][1], ENGLISH) == "91 % of the gaps between two orders were over within 35 days."


def test_the_real_purchases_of_1997() -> None:
    batches = real(row for row in cdnow.rows() if row[3] > 0)
    document = suggested(shop_of(batches, END_OF_1997, YOUNG), END_OF_1997)
    by_name = {each["name"]: each["candidates"] for each in document["segments"]}
    assert (document["completed_gaps"], document["typical_gap_days"], document["too_young"]) == (31_744, 27.06, "")
    # 98 and 160 days.
    assert by_name["lapsed"][-1]["rule"] == by_name["lapsed"][0]["fallback"] == "since_last_order >= 160 days"
    assert by_name["at-risk"][-1]["rule"] == "since_last_order between 100 days and 159 days"
    assert by_name["lapsed"][0]["why"] == (
        "90 % of the times that a customer came back, it was within 6.2 of their usual gaps: "
        "167 days for one who orders every 27 days."
    )
    assert [round(each["share_of_buyers"], 2) for each in by_name["vip"]] == [0.05, 0.1, 0.2]
    for each in (each for some in by_name.values() for each in some):
        rule = parse_rule(each["rule"])
        figures = shop_of(batches, END_OF_1997, YOUNG).figures([rule])
        assert each["customers"] == sum(int(evaluate(rule, one, END_OF_1997, figures).sum()) for one in batches) > 0


def test_loyal_is_told_from_those_who_came_back_in_half_a_year() -> None:
    known = suggest.Buyers(100, np.arange(1.0, 101.0), np.array([1] * 60 + [3] * 30 + [5] * 10), 12, 2)
    assert [each.rule for each in suggest.loyal(known)] == [
        "spend(6 months) >= 90 or orders(12 weeks) >= 6",
        "spend(6 months) >= 75 or orders(12 weeks) >= 4",
        "spend(6 months) >= 50 or orders(12 weeks) >= 3",
    ]
    assert why(suggest.loyal(known)[1], ENGLISH) == (
        "26 % of your 100 repeat buyers of the last six months spent 75 or more in them; "
        "10 % ordered 4 times or more in 12 weeks."
    )
    assert suggest.loyal(replace(known, spend=known.spend[:19], orders=known.orders[:19])) == []
    assert suggest.loyal(replace(known, spend=np.zeros(100))) == []


@pytest.mark.parametrize(
    ("value", "exponent", "written"),
    [
        *[(247.31, 2, "250"), (98.0, 2, "100"), (0.37, 2, "0.35"), (0.004, 2, "0.01"), (1.2, 0, "1")],
        *[(12_600, 0, "12000"), (97.49, 2, "100"), (1_000_000, 0, "1000000"), (1.23, 3, "1.2"), (0, 2, "0")],
    ],
)
def test_amounts_are_such_as_people_write(value: float, exponent: int, written: str) -> None:
    assert f"{suggest.round_amount(value, exponent):f}" == written


@given(st.floats(0.01, 10**9))
def test_a_round_amount_is_near(value: float) -> None:
    assert suggest.round_amount(value, 2) / Decimal(value) == pytest.approx(Decimal(1), rel=Decimal("0.34"))


@pytest.mark.parametrize(
    ("value", "written"), [(3, 7), (7.2, 8), (47, 50), (60, 60), (98, 100), (160, 160), (161, 170)]
)
def test_days_are_rounded_up(value: float, written: int) -> None:
    assert suggest.round_days(value) == written


def test_the_smallest_group_with_half_of_the_revenue_is_chosen() -> None:
    assert suggest.smallest_with_half([0.38, 0.7, 0.55]) == 2
    assert suggest.smallest_with_half([0.2, 0.49, 0.3]) == 1
    assert suggest.smallest_with_half([0.0, 0.0]) == 0
