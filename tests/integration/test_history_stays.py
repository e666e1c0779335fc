"""Who was in which segment, joined and left, from the stays on record; on both databases."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, insert

from syncd.history.database import History
from syncd.history.departures import Departure
from syncd.history.judged import Standings, Verdicts, store
from syncd.history.ledger import store_departures
from syncd.history.schema import customers, moves
from syncd.history.stays import Moves, as_they_stood, at_odds, movement, record, since_of, stand_as_on_record
from syncd.lifecycle.columns import FOREVER, Batch
from syncd.lifecycle.flows import Stood

PEOPLE, BITS = range(1, 4), range(3)

# The instants at which somebody goes in and out of a segment, by turns.
doors = st.lists(st.integers(0, 30), unique=True, max_size=5).map(sorted)
records = st.dictionaries(st.tuples(st.sampled_from(PEOPLE), st.sampled_from(BITS)), doors, max_size=6)


@pytest.fixture
def peopled(history: History) -> History:
    with history.begin() as db:
        db.execute(insert(customers), [{"id": id_, "email": f"{id_}@example.com"} for id_ in PEOPLE])
    return history


def write(history: History, recorded: dict[tuple[int, int], list[int]], audience: str = "main") -> None:
    with history.begin() as db:
        db.execute(delete(moves))
        for (customer, bit), instants in recorded.items():
            for at, instant in enumerate(instants):
                door = Moves(*(np.array([each]) for each in (customer, (at + 1) % 2 << bit, at % 2 << bit)))
                record(db, audience, door, instant)


def pairs(stood: Stood) -> set[tuple[int, int]]:
    columns = (column.tolist() for column in stood)
    return {(customer, bit) for customer, bits in zip(*columns, strict=True) for bit in range(63) if bits >> bit & 1}


def inside(recorded: dict[tuple[int, int], list[int]], instant: int) -> set[tuple[int, int]]:
    """Whoever went through the door an odd number of times before."""
    return {who for who, instants in recorded.items() if sum(at < instant for at in instants) % 2}


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(records, st.integers(0, 30), st.integers(0, 30))
def test_the_movement_is_what_the_doors_saw(
    peopled: History, recorded: dict[tuple[int, int], list[int]], one: int, other: int
) -> None:
    begin, end = sorted((one, other))
    write(peopled, recorded)
    found = movement(peopled, "main", begin, end)
    through = [(bit, at % 2) for (_, bit), times in recorded.items() for at, t in enumerate(times) if begin <= t < end]
    assert found.beginning == Counter(bit for _, bit in inside(recorded, begin))
    assert found.joined == Counter(bit for bit, leaving in through if not leaving)
    assert found.left == Counter(bit for bit, leaving in through if leaving)
    assert pairs(found.before) == inside(recorded, begin)
    assert pairs(found.after) == inside(recorded, end)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(records, st.integers(0, 30), st.sampled_from([None, [2], [1, 3]]), st.integers(1, 3))
def test_everybody_stands_where_the_doors_saw_them_last(
    peopled: History, recorded: dict[tuple[int, int], list[int]], instant: int, asked: list[int] | None, size: int
) -> None:
    write(peopled, recorded)
    expected = inside(recorded, instant)
    everybody = asked or list(PEOPLE)
    batches = (nobody_in(everybody[at : at + size]) for at in range(0, len(everybody), size))
    for batch in as_they_stood(peopled, "main", batches, instant, asked):
        for customer, bits in zip(batch.customer.tolist(), batch.was_in.tolist(), strict=True):
            mine = {bit for who, bit in expected if who == customer}
            assert {bit for bit in range(63) if bits >> bit & 1} == mine
            since = since_of(peopled, "main", customer, instant)
            assert since == {bit: max(at for at in recorded[customer, bit] if at < instant) for bit in mine}


def nobody_in(ids: list[int]) -> Batch:
    """Customers without orders, in no segment."""
    ints, none = np.zeros(len(ids), np.int64), np.zeros(len(ids), bool)
    return Batch(
        *(np.array(ids), ints, none, none),
        was_in=ints,
        starts=np.zeros(len(ids) + 1, np.int64),
        order_day=ints[:0],
        order_minor=ints[:0],
        currency_exponent=2,
    )


def test_other_audiences_do_not_show(peopled: History) -> None:
    write(peopled, {(1, 0): [5], (2, 1): [5, 8]}, audience="other")
    nothing = movement(peopled, "main", 0, 9)
    assert (nothing.beginning, nothing.joined, nothing.left) == ({}, {}, {})
    some = movement(peopled, "other", 6, 9)
    assert pairs(some.before) == {(1, 0), (2, 1)}
    assert pairs(some.after) == {(1, 0)}
    assert (some.beginning, some.left) == ({0: 1, 1: 1}, {1: 1})


def judged(history: History, customer: int, *, before: int, after: int, now: int) -> None:
    """The customer stood in some segments (a bit set), and is judged to be in others."""
    nothing, no = np.zeros(1, np.int64), np.zeros(1, bool)
    never = np.full(1, FOREVER)
    stood = Standings(
        customer=np.array([customer]),
        status=nothing,
        segments=np.array([before]),
        wanted_tags=nothing,
        known_tags=nothing,
        said=nothing,
        due_at=never,
        refused=no,
        differ=no,
        has_news=no,
    )
    store(history, "main", stood, Verdicts(np.array([after]), nothing, nothing, []), never, now)


def test_whoever_leaves_and_joins_again_within_a_second_has_stayed(peopled: History) -> None:
    judged(peopled, 1, before=0, after=1, now=20)
    for before, after in ((1, 2), (2, 1)):
        judged(peopled, 1, before=before, after=after, now=30)
    assert since_of(peopled, "main", 1, 31) == {0: 20}
    moved = movement(peopled, "main", 21, 31)
    assert (moved.joined, moved.left) == ({}, {})


@pytest.mark.parametrize(("before", "after"), [(0b01, 0b10), (0b00, 0b11)])
def test_who_was_judged_from_where_they_did_not_stand_comes_to_stand_as_on_record(
    peopled: History, before: int, after: int
) -> None:
    judged(peopled, 1, before=0b00, after=0b10, now=20)
    judged(peopled, 1, before=before, after=after, now=30)
    assert at_odds(peopled, "main") == [1]
    stand_as_on_record(peopled, "main", [1])
    assert at_odds(peopled, "main") == []
    assert since_of(peopled, "main", 1, 31)[1] == 20


def test_whoever_goes_on_as_another_who_joined_with_them_has_stayed_since(peopled: History) -> None:
    write(peopled, {(1, 0): [5], (2, 0): [5, 9], (2, 1): [5, 9]})
    store_departures(peopled, "main", [Departure(1, "rename", 2)], now=12)
    assert since_of(peopled, "main", 2, 12) == {0: 5}
    assert since_of(peopled, "main", 2, 8) == {0: 5, 1: 5}
    assert since_of(peopled, "main", 1, 12) == {}


def test_whoever_goes_on_as_another_who_was_there_when_they_joined_has_stayed_since_that(peopled: History) -> None:
    write(peopled, {(1, 0): [5], (2, 0): [3, 7]})
    store_departures(peopled, "main", [Departure(1, "rename", 2)], now=12)
    assert since_of(peopled, "main", 2, 12) == {0: 3}
