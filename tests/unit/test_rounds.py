"""Rounds: nothing is left out or sent twice, calls are full, and what has an order keeps it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from syncd.plan import Left, Portions, Round, rounds_of, whole_rounds

PORTIONS = Portions(tagged=5, written=8)
masks = st.integers(0, 2**6 - 1)
people = st.lists(st.tuples(masks, masks, st.booleans(), st.booleans(), st.booleans()), max_size=60)


def rows(drawn: list[tuple[int, int, bool, bool, bool]]) -> list[Left]:
    return [Left(id_, add, remove & ~add, *rest) for id_, (add, remove, *rest) in enumerate(drawn)]


def sent(left: list[Left], sequence: list[Round]) -> Iterator[tuple[int, str | int]]:
    """(person, what) in the order in which it is sent: "fields", a tag, "more"."""
    waiting = {row.id: row for row in left}
    for round_ in sequence:
        for id_ in round_.ids:
            row = waiting[id_]
            if row.fields and round_.fields:
                yield id_, "fields"
            for bit in range(6):
                if (row.add | row.remove) & round_.tags & 1 << bit:
                    yield id_, bit
            if row.more and round_.more:
                yield id_, "more"
            waiting[id_] = row._replace(
                add=row.add & ~round_.tags,
                remove=row.remove & ~round_.tags,
                fields=row.fields and not round_.fields,
                more=row.more and not round_.more,
            )


@given(people)
def test_everything_is_sent_once_and_in_order_for_each_person(drawn: list[tuple[int, int, bool, bool, bool]]) -> None:
    left = rows(drawn)
    sequence = list(rounds_of(left, PORTIONS))
    steps = list(sent(left, sequence))
    whole = [Round(tuple(row.id for row in left))]
    assert Counter(steps) == Counter(sent(left, whole))
    for row in left:
        theirs = [
            "fields tags more".index(what) if isinstance(what, str) else 7 for id_, what in steps if id_ == row.id
        ]
        assert theirs == sorted(theirs)


@given(people)
def test_no_round_is_larger_than_what_may_be_under_way(drawn: list[tuple[int, int, bool, bool, bool]]) -> None:
    left = rows(drawn)
    for round_ in rounds_of(left, PORTIONS):
        alone = round_.tags > 0
        for mask in ("add", "remove") if alone else ():
            assert sum(bool(getattr(left[id_], mask) & round_.tags) for id_ in round_.ids) <= PORTIONS.tagged
        assert alone or len(round_.ids) <= PORTIONS.written


@given(people)
def test_each_person_is_in_a_round_and_a_whole_one_only_in_one(drawn: list[tuple[int, int, bool, bool, bool]]) -> None:
    left = rows(drawn)
    taken = Counter(id_ for round_ in rounds_of(left, PORTIONS) for id_ in round_.ids)
    assert taken.keys() == {row.id for row in left}
    assert all(taken[row.id] == 1 for row in left if row.whole)


def test_few_people_are_one_round() -> None:
    left = [Left(id_, 1 << id_, 0, fields=True) for id_ in range(5)]
    assert list(rounds_of(left, PORTIONS)) == [Round((0, 1, 2, 3, 4))]


def test_of_many_people_a_common_tag_has_rounds_of_its_own_and_rare_ones_share_one() -> None:
    left = [
        Left(id_, 0b001 | (0b010 if id_ == 3 else 0) | (0b100 if id_ == 4 else 0), 0, fields=False) for id_ in range(11)
    ]
    first, second, third, rare = rounds_of(left, PORTIONS)
    assert [round_.tags for round_ in (first, second, third)] == [1, 1, 1]
    assert (*first.ids, *second.ids, *third.ids) == tuple(range(11))
    assert rare == Round((3, 4))


def test_people_come_and_go_in_the_same_round_and_a_tag_that_many_leave_is_first() -> None:
    coming = [Left(id_, 0b01, 0, fields=False) for id_ in range(7)]
    moving = [Left(id_, 0b01, 0b10, fields=False) for id_ in range(7, 13)]
    swapped = [Left(id_, 0, 0b01, fields=False) for id_ in range(13, 15)]
    sequence = list(rounds_of([*coming, *moving, *swapped], PORTIONS))
    assert [round_.tags for round_ in sequence] == [0b10, 0b10, 0b01, 0b01, 0b01]
    assert {13, 14} < {*sequence[2].ids}
    assert len(sequence[2].ids) == 7


def test_whole_rounds_hold_so_many() -> None:
    assert list(whole_rounds([Left(id_, 1, 0, fields=True) for id_ in range(3)], 2)) == [Round((0, 1)), Round((2,))]
