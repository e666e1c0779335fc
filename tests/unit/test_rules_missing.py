"""What is missing for a segment: exactly enough, until exactly the day on which it is enough no longer."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syncd.calendar import DAY_SECONDS, date_of, day_of, local_day, midnight
from syncd.lifecycle.columns import Batch, Items
from syncd.rules import Enough, Playbook, SegmentSpec, evaluate, figure_of, figure_values, judge, parse_rule
from syncd.rules.missing import Missing, Person, Purchase, rules_in_force, ways_into
from syncd.rules.scope import Scope
from tests.unit.test_metrics import batch_of
from tests.unit.test_rules_agreement import BITS, case_of, columns, monthly

TODAY = day_of(date(2026, 11, 22))
FIGURES = {"typical gap": 30.0, "usual(80)": 2.0, "mean(spend(ever))": 300.0, "percentile(spend(ever), 90)": 280.5}
# 37.20 and one order short of loyal: the oldest order leaves on 23 April, the second of four on 27 November.
ANA = [(TODAY - 30, 10_000), (TODAY - 28, 11_278), (TODAY - 5, 1), (TODAY - 4, 1)]


def ways(rule: str, orders: list[tuple[int, int]] = ANA, today: int = TODAY, **given: object) -> list[Missing]:
    batch = replace(batch_of([orders]), **given)  # type: ignore[arg-type]
    return ways_into(parse_rule(rule), Person(batch, midnight(today, batch.zone), FIGURES))


def told(rule: str, orders: list[tuple[int, int]] = ANA) -> list[tuple[object, ...]]:
    """Of each way the orders, their amount, from when in days, before when as a date, and what is beyond."""
    return [
        (
            *each.purchase,
            each.from_at and local_day(each.from_at, "UTC") - TODAY,
            each.before_at and date_of(local_day(each.before_at, "UTC")).isoformat(),
            *map(str, each.beyond),
        )
        for each in ways(rule, orders)
    ]


@pytest.mark.parametrize(
    ("rule", "missing"),
    [
        ("spend(6 months) >= 250 or orders(5 weeks) >= 5", [(1, 3720, 0, "2027-04-23"), (1, 0, 0, "2026-11-27")]),
        ("250 < spend(6 months)", [(1, 3721, 0, "2027-04-23")]),
        ("not spend(6 months) <= 250", [(1, 3721, 0, "2027-04-23")]),
        ("spend(this year) >= 250", [(1, 3720, 0, "2027-01-01")]),
        ("spend(ever) > mean(spend(ever))", [(1, 8721, 0, None)]),
        ("spend(ever) >= percentile(spend(ever), 90)", [(1, 6770, 0, None)]),
        ("spend(ever) between 250 and 300", [(1, 3720, 0, None)]),
        ("spend(ever) == 250", [(1, 3720, 0, None)]),
        ("spend(ever) - 100 >= average_order(ever) * 3", [(1, 3720, 0, None)]),
        ("orders(ever) >= 6 and spend(ever) >= 250", [(2, 3720, 0, None)]),
        ("orders(ever) >= 6 or spend(ever) >= 250", [(1, 3720, 0, None), (2, 0, 0, None)]),
        ("orders(ever) != 4", [(1, 0, 0, None)]),
        ("spend(ever) >= 212.81", [(1, 0, 0, None)]),
    ],
)
def test_what_orders_bring_is_told_to_the_minor_unit(rule: str, missing: list[tuple[object, ...]]) -> None:
    assert told(rule) == missing


@pytest.mark.parametrize(
    ("rule", "missing"),
    [
        ("since_last_order >= 30 days", [(0, 0, 26, None)]),
        ("lateness > usual(80) and since_last_order >= 7 days", [(0, 0, 24, None)]),
        ("orders(1 month) >= 1 and orders(14 days) == 0", [(0, 0, 10, None)]),
        ("orders(ever) >= 5 and orders(14 days) == 0", [(1, 0, 14, None)]),
        ("since_first_order >= 40 days and orders(ever) >= 5", [(1, 0, 10, None)]),
    ],
)
def test_what_only_time_brings_has_its_day(rule: str, missing: list[tuple[object, ...]]) -> None:
    assert told(rule) == missing


@pytest.mark.parametrize(
    ("rule", "missing"),
    [
        ('country == "FR"', [(0, 0, 0, None, 'country == "FR"')]),
        ('country == "FR" and spend(ever) >= 250', [(1, 3720, 0, None, 'country == "FR"')]),
        ('country == "FR" or spend(ever) >= 250', [(1, 3720, 0, None)]),
        ("orders(ever) == 1", [(0, 0, 0, None, "orders(ever) == 1")]),
        ("not subscribed", [(0, 0, 0, None, "not subscribed")]),
    ],
)
def test_what_neither_orders_nor_time_bring_is_told_as_such(rule: str, missing: list[tuple[object, ...]]) -> None:
    assert told(rule) == missing


def test_conditions_that_never_come_together_are_told_so() -> None:
    (way,) = ways("orders(ever) >= 9 and orders(ever) <= 4")
    assert (way.from_at, way.beyond) == (None, ())


def test_who_never_ordered_needs_an_order_before_time_can_count() -> None:
    assert told("since_last_order >= 180 days", []) == [(1, 0, 180, None)]
    assert told("orders(1 month) >= 1 and since_last_order >= 14 days", []) == [(1, 0, 14, None)]
    assert told('since_last_order >= 180 days and country == "FR"', []) == [(1, 0, 180, None, 'country == "FR"')]


def test_what_only_the_right_product_brings_is_told_as_such() -> None:
    nothing = np.zeros(0, np.int64)
    items = Items(np.zeros(len(ANA) + 1, np.int64), *[nothing] * 6, texts=np.array([""], object))
    for rule, texts in (
        ('bought(category "tea", ever)', ['bought(category "tea", ever)']),
        ('last_product == "Cup" and orders(ever) >= 5', ['last_product == "Cup"']),
    ):
        (way,) = ways(rule, items=items)
        assert (way.purchase, way.beyond, list(map(str, way.depends))) == (Purchase(1), (), texts)
    easy, hard = ways('bought(category "tea", ever) or spend(ever) >= 250', items=items)
    assert (easy.purchase, easy.depends, len(hard.depends)) == (Purchase(1, 3720), (), 1)


def test_the_rule_of_another_segment_is_looked_into() -> None:
    specs = {
        "loyal": SegmentSpec("spend(6 months) >= 250", stay_while="spend(6 months) >= 200"),
        "french": SegmentSpec('in(loyal) and country == "FR"'),
        "other": SegmentSpec("not in(loyal)"),
    }
    bits = {"loyal": 0, "french": 1, "other": 2}
    playbook = Playbook.load(specs, currency="EUR")
    batch = batch_of([ANA])
    for was_in, needed in ((0, 3720), (1, 0)):
        person = replace(batch, was_in=np.array([was_in]))
        rules = rules_in_force(playbook, Scope(person, TODAY, {}), bits)
        inside = judge(playbook, person, TODAY, {}, bits).inside
        for name, rule in rules.items():
            assert evaluate(rule, person, TODAY, {})[0] == inside[name][0]
        (way,) = ways_into(rules["french"], Person(person, midnight(TODAY, "UTC"), {}))
        assert way.purchase.amount_minor == needed


def test_a_rule_with_very_many_alternatives_is_told_by_the_first() -> None:
    rule = " and ".join(f"(orders(ever) >= {n} or spend(ever) >= {n}00)" for n in range(5, 25))
    assert 1 <= len(ways(rule)) <= 16


# Properties.

amounts = st.integers(1, 30_000)
histories = st.lists(st.tuples(st.integers(TODAY - 500, TODAY), amounts), max_size=7)
windows = st.sampled_from(["7 days", "5 weeks", "6 months", "1 year", "this year", "this month", "ever"])


def after(orders: list[tuple[int, int]], day: int, bought: Purchase) -> Batch:
    return batch_of([[*orders, *((day, minor) for minor in bought.amounts)]])


def holds(rule: str, batch: Batch, day: int) -> bool:
    return bool(evaluate(parse_rule(rule), batch, day, FIGURES)[0])


@settings(max_examples=80)
@given(histories, windows, st.integers(1, 60_000), st.sampled_from([">=", ">"]))
def test_an_order_of_the_missing_amount_is_enough_and_of_one_less_is_not(
    orders: list[tuple[int, int]], window: str, minor: int, compares: str
) -> None:
    rule = f"spend({window}) {compares} {minor / 100:.2f}"
    if holds(rule, batch_of([orders]), TODAY):
        return
    (way,) = ways(rule, orders)
    missing = max(way.purchase.amount_minor, 1)
    assert holds(rule, after(orders, TODAY, Purchase(1, missing)), TODAY)
    assert missing == 1 or not holds(rule, after(orders, TODAY, Purchase(1, missing - 1)), TODAY)


rules = st.lists(
    st.one_of(
        st.builds("spend({}) >= {}".format, windows, st.integers(1, 600)),
        st.builds("orders({}) >= {}".format, windows, st.integers(1, 8)),
        st.builds("orders({}) == 0".format, windows),
        st.builds("since_last_order >= {} days".format, st.integers(1, 200)),
        st.builds("average_order({}) between {} and 200".format, windows, st.integers(50, 200)),
        st.sampled_from(["lateness > usual(80)", "spend(ever) > mean(spend(ever))", "not orders(1 month) >= 2"]),
    ),
    min_size=1,
    max_size=3,
)


@settings(max_examples=60)
@given(histories, rules, st.sampled_from(["and", "or"]), st.data())
def test_what_is_told_is_what_then_happens(
    orders: list[tuple[int, int]], parts: list[str], joined: str, data: st.DataObject
) -> None:
    rule = f" {joined} ".join(parts)
    if holds(rule, batch_of([orders]), TODAY):
        return
    for way in ways(rule, orders):
        if way.from_at is None or way.beyond or way.depends:
            continue
        begin = way.from_at // DAY_SECONDS
        bought = after(orders, TODAY, way.purchase) if way.purchase.orders else batch_of([orders])
        assert holds(rule, bought, begin)
        if joined == "and" and begin > TODAY:
            assert not holds(rule, bought, data.draw(st.integers(TODAY, begin - 1)))
        if way.purchase.orders and begin == TODAY:
            end = TODAY + 399 if way.before_at is None else way.before_at // DAY_SECONDS
            day = data.draw(st.integers(TODAY, end - 1))
            assert holds(rule, after(orders, day, way.purchase), day)
            if way.before_at is not None and joined == "and":
                assert not holds(rule, after(orders, end, way.purchase), end)


@settings(max_examples=30)
@given(histories, rules)
def test_no_way_is_harder_than_another_in_all(orders: list[tuple[int, int]], parts: list[str]) -> None:
    for easier, harder in pairwise(ways(" or ".join(parts), orders)):
        assert easier.purchase != harder.purchase or easier.from_at != harder.from_at or easier.beyond != harder.beyond


@pytest.mark.parametrize("seed", range(6))
def test_of_any_rule_what_is_told_is_what_then_happens(seed: int) -> None:
    case = case_of(seed)
    world, today = case.world, day_of(case.world.today)
    playbook = Playbook.load(case.segments, currency="EUR")
    everybody = columns(world.people, world.exponent)
    rhythm = monthly([everybody], playbook, today, Enough(world.enough_gaps, world.enough_days))
    figures = rhythm | {f.text: figure_of(f, [figure_values(f, everybody, today, rhythm)]) for f in playbook.figures}
    one = world.people[0]
    batch = columns([one], world.exponent)
    rules = rules_in_force(playbook, Scope(batch, today, figures, now=world.now), BITS)
    inside = judge(playbook, batch, today, figures, BITS, world.now).inside
    for name, rule in rules.items():
        assert evaluate(rule, batch, today, figures, now=world.now)[0] == inside[name][0]
        for way in [] if inside[name][0] else ways_into(rule, Person(batch, world.now, figures)):
            if way.from_at is None or way.beyond or way.depends:
                continue
            amounts = way.purchase.amounts if way.purchase.orders else []
            orders = [*one["orders"], *((world.today, minor) for minor in amounts)]
            bought = columns(
                [one | {"orders": orders, "lines": [*one["lines"], *([] for _ in amounts)]}], world.exponent
            )
            assert evaluate(rule, bought, local_day(way.from_at, "UTC"), figures, now=way.from_at)[0]
