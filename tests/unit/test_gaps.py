"""Order gaps and lateness: the published figures of real purchases, and the same arithmetic done slowly."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from datetime import date
from itertools import groupby, pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.calendar import day_of
from syncd.lifecycle import gaps
from syncd.lifecycle.columns import Batch, feed
from syncd.rules import Enough, parse, rhythm_of, usual_in, why_unknown
from syncd.rules.names import percentile
from syncd.sandbox.fill import cdnow
from tests.unit.test_metrics import batch_of

TODAY = day_of(date(2026, 8, 31))
END_OF_1997 = day_of(date(1997, 12, 31))
USUAL = usual_in(parse("usual(80) + usual(90) + usual(95)")) or ()


def real(rows: Iterable[cdnow.Row]) -> list[Batch]:
    """The purchases of all 23,570 customers, in batches of uneven sizes."""
    histories = [
        [(day_of(day), cents) for _, day, _, cents in purchases] for _, purchases in groupby(rows, lambda row: row[0])
    ]
    cuts = [0, 1, 7_000, 7_001, 20_000, len(histories)]
    return [batch_of(histories[begin:end]) for begin, end in pairwise(cuts)]


@pytest.fixture(scope="module")
def paid() -> list[Batch]:
    return real(row for row in cdnow.rows() if row[3] > 0)


def test_eighty_purchases_of_cdnow_cost_nothing() -> None:
    assert sum(row[3] == 0 for row in cdnow.rows()) == 80


def test_the_gaps_of_cdnow(paid: list[Batch]) -> None:
    known = gaps.tally(paid, END_OF_1997)
    assert (known.gaps, round(known.typical or 0, 4)) == (31_744, 27.0607)
    assert [round(known.percentile(p), 2) for p in (50, 80, 90, 95)] == [30, 98, 160, 213.85]


def test_the_usual_lateness_of_cdnow(paid: list[Batch]) -> None:
    found = rhythm_of(USUAL, lambda: paid, END_OF_1997)
    assert [round(found[f"usual({p})"] or 0, 4) for p in (80, 90, 95)] == [3.7693, 6.1713, 8.3870]


def test_the_figures_of_cdnow_with_what_cost_nothing_are_those_published_elsewhere() -> None:
    every = real(cdnow.rows())
    known, found = gaps.tally(every, END_OF_1997), rhythm_of(USUAL, lambda: every, END_OF_1997)
    assert (known.gaps, round(known.typical or 0, 4)) == (31_749, 27.0645)
    assert [round(found[f"usual({p})"] or 0, 4) for p in (80, 90)] == [3.7688, 6.1704]


# The same once more, one customer after the other.


def slow_gaps(days: Iterable[int], today: int) -> list[int]:
    return [later - earlier for earlier, later in pairwise(sorted({day for day in days if day <= today}))]


def slow_usual(own: list[int], typical: float) -> float:
    return math.exp((sum(map(math.log, own)) + 5 * math.log(typical)) / (len(own) + 5))


days = st.integers(TODAY - 900, TODAY + 10)
histories = st.lists(st.lists(days, max_size=9), max_size=7)


def columns(people: list[list[int]], wholesale: int = 0) -> Batch:
    """`wholesale`: a bit set of who is."""
    made = batch_of([[(day, 100) for day in one] for one in people])
    return replace(made, wholesale=np.array([wholesale >> at & 1 for at in range(len(people))], bool))


@given(histories, st.floats(1, 400), st.integers(TODAY - 900, TODAY))
def test_a_usual_gap_is_the_geometric_mean_of_the_own_gaps_and_five_typical_ones(
    people: list[list[int]], typical: float, today: int
) -> None:
    found = gaps.order_gap(columns(people), today, typical)
    expected = [
        slow_usual(slow_gaps(one, today), typical) if any(day <= today for day in one) else math.nan for one in people
    ]
    # Usual gaps are rounded, to less than a second.
    assert found.tolist() == pytest.approx(expected, abs=1e-6, nan_ok=True)


@given(histories, st.integers(0, 127), st.integers(0, 7), st.integers(TODAY - 900, TODAY))
def test_the_figures_of_the_audience_are_those_counted_one_by_one_however_it_is_cut(
    people: list[list[int]], wholesale: int, cut: int, today: int
) -> None:
    batches = [columns(people[:cut], wholesale), columns(people[cut:], wholesale >> cut)]
    retail = [one for at, one in enumerate(people) if not wholesale >> at & 1]
    own = [slow_gaps(one, today) for one in retail]
    every = [gap for one in own for gap in one]
    known = gaps.tally(batches, today)
    assert known.gaps == len(every)
    assert known.first_day == min((day for one in retail for day in one if day <= today), default=None)
    if not every:
        assert known.typical is None
        return
    assert known.typical == pytest.approx(math.exp(sum(map(math.log, every)) / len(every)), abs=1e-6)
    late = [gap / slow_usual(one[:at], known.typical) for one in own for at, gap in enumerate(one)]
    found = lateness(batches, today).values(known.typical)
    assert found.tolist() == pytest.approx(late, rel=1e-6)
    for p in (0, 37.5, 90, 100):
        assert known.percentile(p) == pytest.approx(np.percentile(every, p))
        assert percentile(found, p) == pytest.approx(np.percentile(late, p), rel=1e-6)


@given(histories, st.floats(1, 400))
def test_alone_and_among_others_a_customer_is_measured_alike_to_the_last_bit(
    people: list[list[int]], typical: float
) -> None:
    crowd = [[TODAY - 700 + 7 * at for at in range(100)]] * 3
    among = gaps.order_gap(columns([*crowd, *people, *crowd]), TODAY, typical)[3 : 3 + len(people)]
    alone = [gaps.order_gap(columns([one]), TODAY, typical)[0] for one in people]
    assert np.array_equal(among, alone, equal_nan=True)


def test_a_single_gap_counts_one_against_five_typical_ones() -> None:
    once, twice = gaps.order_gap(columns([[TODAY], [TODAY - 200, TODAY]]), TODAY, 30.0).tolist()
    assert once == 30
    assert twice == pytest.approx((200 * 30**5) ** (1 / 6))


def test_who_orders_every_thirty_days_has_a_usual_gap_of_exactly_thirty() -> None:
    regulars = columns([[TODAY - 30 * at for at in range(count)] for count in range(1, 40)])
    assert gaps.tally([regulars], TODAY).typical == 30
    assert set(gaps.order_gap(regulars, TODAY, 30.0).tolist()) == {30.0}
    assert set(lateness([regulars], TODAY).values(30.0).tolist()) == {1.0}


def test_two_orders_on_one_day_are_no_gap() -> None:
    assert gaps.tally([columns([[TODAY - 5, TODAY - 5, TODAY, TODAY]])], TODAY).lengths.tolist() == [0, 0, 0, 0, 0, 1]


def test_wholesale_customers_have_a_usual_gap_but_no_part_in_the_figures() -> None:
    mixed = columns([[TODAY - 100, TODAY], [TODAY - 400, TODAY - 390]], wholesale=2)
    known = gaps.tally([mixed], TODAY)
    assert (known.gaps, known.typical, known.first_day) == (1, 100, TODAY - 100)
    assert gaps.order_gap(mixed, TODAY, 100.0)[1] == pytest.approx((10 * 100**5) ** (1 / 6))
    assert len(lateness([mixed], TODAY).values(100.0)) == 1


def test_two_centuries_of_gaps_add_up() -> None:
    lifetime = [TODAY - at for at in range(0, 80_000, 2)]
    assert gaps.order_gap(columns([lifetime]), TODAY, 2.0).tolist() == [2.0]


def test_of_a_very_large_audience_the_lateness_of_every_nth_customer_is_enough() -> None:
    histories = [[TODAY - 10 * number, TODAY] for number in range(1, 9)]  # with the ids 1 to 8
    for most, every in ((8, 1), (7, 2), (4, 2), (3, 4), (1, 8)):
        found = lateness([columns(histories)], TODAY, most)
        assert (found.every, found.values(10.0).tolist()) == (every, [*range(every, 9, every)])
    parts = [columns(histories).take(np.arange(begin, begin + 2)) for begin in (0, 2, 4, 6)]
    assert lateness(parts, TODAY, 3).values(10.0).tolist() == [4, 8]


def lateness(batches: Iterable[Batch], today: int, most: int = gaps.SAMPLE_MAX) -> gaps.Lateness:
    found = gaps.Lateness(today, most)
    feed(batches, found)
    return found


# From how much on the audience's figures mean something.


def audience(completed: int, history_days: int) -> list[Batch]:
    """One customer for each gap, and one whose first order began the history."""
    return [columns([[TODAY - history_days]] + [[TODAY - 10, TODAY]] * completed)]


@pytest.mark.parametrize(
    ("completed", "history_days", "reason"),
    [
        (200, 180, ""),
        (199, 180, "usual() needs 200 completed gaps between orders, and there are 199"),
        (200, 179, "usual() needs 180 days of history, and there are 179"),
        (0, 0, "usual() needs 200 completed gaps between orders, and there are 0"),
    ],
)
def test_usual_is_known_from_200_gaps_and_180_days_on(completed: int, history_days: int, reason: str) -> None:
    found = rhythm_of(USUAL, lambda: audience(completed, history_days), TODAY)
    assert why_unknown(found) == reason
    assert [found[figure.text] for figure in USUAL] == [None if reason else 1.0] * 3


def test_an_audience_without_orders_has_no_figures() -> None:
    found = rhythm_of(USUAL, lambda: [columns([[], []]), columns([])], TODAY, Enough(0, 0))
    assert found == {"typical gap": None, "completed gaps": 0, "days of history": 0} | dict.fromkeys(
        figure.text for figure in USUAL
    )


def test_without_usual_one_pass_is_enough() -> None:
    passes: list[int] = []

    def batches() -> list[Batch]:
        passes.append(1)
        return audience(300, 300)

    assert rhythm_of((), batches, TODAY)["typical gap"] == 10
    assert len(passes) == 1
