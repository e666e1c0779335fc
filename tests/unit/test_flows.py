"""Who is in which segments, from which rung to which they move, and which segments form a ladder."""

from __future__ import annotations

from collections import Counter
from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.calendar import day_of
from syncd.lifecycle.flows import Stood, bit_sets, counts, moves
from syncd.rules import Playbook, SegmentSpec
from syncd.views.retention.ladders import ladders

TODAY = 20_000

pairs = st.sets(st.tuples(st.integers(1, 9), st.integers(0, 5)), max_size=20)
ladder = st.lists(st.integers(0, 6), unique=True, max_size=5)


def stood(found: set[tuple[int, int]]) -> Stood:
    sets = {who: sum(1 << bit for one, bit in found if one == who) for who, _ in sorted(found)}
    return np.fromiter(sets, np.int64), np.fromiter(sets.values(), np.int64)


@given(pairs, pairs, ladder)
def test_everybody_moves_from_the_first_rung_they_were_on_to_the_first_they_are_on(
    before: set[tuple[int, int]], after: set[tuple[int, int]], rungs: list[int]
) -> None:
    def rung(found: set[tuple[int, int]], customer: int) -> int:
        return next((at for at, bit in enumerate(rungs) if (customer, bit) in found), len(rungs))

    expected = Counter((rung(before, customer), rung(after, customer)) for customer in range(1, 10))
    del expected[len(rungs), len(rungs)]
    found = moves(stood(before), stood(after), rungs)
    assert {(i, j): n for (i, j), n in np.ndenumerate(found) if n} == dict(expected)


@given(st.sets(st.integers(1, 9)), st.sets(st.tuples(st.integers(1, 9), st.integers(0, 62)), max_size=20))
def test_the_bit_sets_are_those_of_the_customers_asked_for(asked: set[int], inside: set[tuple[int, int]]) -> None:
    customers = np.array(sorted(asked), np.int64)
    expected = [{bit for customer, bit in inside if customer == each} for each in sorted(asked)]
    found = bit_sets(customers, stood(inside)).tolist()
    assert [{bit for bit in range(63) if each >> bit & 1} for each in found] == expected
    assert counts(stood(inside)[1]) == Counter(bit for _, bit in inside)


def found(**rules: str) -> list[tuple[str, ...]]:
    specs = {name.replace("_", "-"): SegmentSpec(rule) for name, rule in rules.items()}
    return ladders(Playbook.load(specs, currency="EUR").segments, TODAY)


def test_the_shipped_recency_segments_are_a_ladder() -> None:
    assert found(
        loyal="spend(6 months) >= 250 or orders(5 weeks) >= 5",
        new="orders(14 days) >= 1",
        warm="orders(1 month) >= 1 and orders(14 days) == 0",
        cool="orders(3 months) >= 1 and orders(1 month) == 0",
    ) == [("new", "warm", "cool")]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("orders(ever) == 1", "orders(ever) >= 2"),
        ("orders(ever) < 2", "orders(ever) >= 2"),
        ("orders(ever) <= 2", "orders(ever) > 2"),
        ("spend(6 months) >= 100", "spend(ever) < 100 and subscribed"),
        ("orders(ever) between 1 and 3", "orders(ever) between 4 and 9"),
        ("subscribed", "orders(ever) >= 1 and not in(one)"),
        ("orders(this month) >= 1", "orders(this year) == 0"),
    ],
)
def test_what_excludes_each_other_is_a_ladder(one: str, other: str) -> None:
    assert found(one=one, other=other) == [("one", "other")]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("orders(ever) >= 1", "orders(ever) >= 2"),
        ("orders(ever) <= 2", "orders(ever) >= 2"),
        ("orders(ever) >= 2", "orders(6 months) < 2"),  # four orders long ago
        ("orders(last month) >= 1", "orders(this month) == 0"),
        ("orders(this month) >= 1", "orders(last month) == 0"),
        ("average_order(6 months) >= 100", "average_order(ever) < 100"),
        ("orders(ever) == 1 or subscribed", "orders(ever) == 2"),
        ("orders(ever) != 1", "orders(ever) == 2"),
        ("subscribed", "orders(ever) >= 1 and in(one)"),
        ("first_order > 2026-01-01", "orders(ever) == 0"),
    ],
)
def test_what_can_be_true_together_is_not(one: str, other: str) -> None:
    assert found(one=one, other=other) == []


def test_a_month_holds_31_days_only_where_it_is_long_enough() -> None:
    specs = {"a": SegmentSpec("orders(31 days) >= 1"), "b": SegmentSpec("orders(1 month) == 0")}
    segments = Playbook.load(specs, currency="EUR").segments
    assert ladders(segments, day_of(date(2026, 3, 30))) == []
    assert ladders(segments, day_of(date(2026, 7, 31))) == [("a", "b")]
