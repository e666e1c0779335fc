"""What fields say: a number tells whether it is something else, whoever works it out, and whenever."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from syncd.history.fields import canonical_texts
from syncd.rules.kinds import Kind
from syncd.rules.saying import Saying, hashes, saying

TEXTS = ("", "Vigo", "Ávila", "ávila", "20000")
NUMBERS = (float("nan"), float("inf"), 0.0, -0.0, 1.0, -1.0, 0.1 + 0.2, 0.3, 20_000.0, 1e18)
Row = tuple[float, float, float, str, str, bool]
ROWS = st.lists(
    st.tuples(*[st.sampled_from(NUMBERS)] * 3, *[st.sampled_from(TEXTS)] * 2, st.booleans()), min_size=1, max_size=30
)
KINDS = (Kind.MONEY, Kind.NUMBER, Kind.DATE, Kind.TEXT, Kind.TEXT, Kind.BOOLEAN)


def told(rows: list[Row]) -> list[Saying]:
    columns: list[Any] = [np.array(column) for column in zip(*rows, strict=True)]
    columns[3:5] = [np.array(column.tolist(), object) for column in columns[3:5]]
    return [saying(f"F{at}", column, kind, 2) for at, (column, kind) in enumerate(zip(columns, KINDS, strict=True))]


@given(ROWS)
def test_the_same_number_stands_for_the_same_text_and_another_for_another(rows: list[Row]) -> None:
    sayings = told(rows)
    numbers, texts = hashes(sayings, len(rows)).tolist(), canonical_texts(sayings, np.arange(len(rows)))
    assert len(set(numbers)) == len(set(texts)) == len(set(zip(numbers, texts, strict=True)))
    assert min(numbers) >= 0


@given(ROWS)
def test_a_number_is_of_the_person_alone_and_of_no_order_of_fields(rows: list[Row]) -> None:
    numbers = hashes(told(rows), len(rows)).tolist()
    assert [int(hashes(told([row])[::-1], 1)[0]) for row in rows] == numbers


def test_who_is_told_nothing_has_the_number_and_the_text_of_a_new_person() -> None:
    nothing = told([(np.nan, np.inf, 1e18, "", "", False)])[:5]
    assert hashes(nothing, 1).tolist() == [0]
    assert canonical_texts(nothing, np.arange(1)) == [""]
    assert hashes([], 3).tolist() == [0, 0, 0]
    assert canonical_texts([], np.arange(3)) == [""] * 3


def test_two_fields_cannot_change_their_values() -> None:
    one, other = (hashes(told([(*amounts, 0.0, "", "", False)]), 1) for amounts in ((1.0, 2.0), (2.0, 1.0)))
    assert one != other


def test_numbers_that_are_stored_mean_the_same_in_every_version() -> None:
    # Whoever changes how a value is spelled changes SPELLING, and with it this number.
    assert hashes(told([(12.5, 3.0, 20_000.0, "Vigo", "", True)]), 1).tolist() == [1_672_033_265_880_887_772]
    assert canonical_texts(told([(12.5, 3.0, 20_000.0, "Vigo", "", True)]), np.arange(1)) == [
        '{"F0":12.5,"F1":3,"F2":"2024-10-04","F3":"Vigo","F5":true}'
    ]


def test_what_is_asked_of_some_is_what_all_are_told() -> None:
    every = told([(0.1 + 0.2, 2.0, 20_000.0, "Vigo", "", False), (np.nan, 1.5, np.nan, "", "Ávila", True)])
    assert [one.values(np.array([1])) for one in every] == [[one.values()[1]] for one in every]
