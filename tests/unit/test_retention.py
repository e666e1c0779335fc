"""Who comes back, against the same counted customer by customer with dates and plain lists."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from itertools import groupby
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from syncd.calendar import date_of, day_of
from syncd.lifecycle.columns import Batch
from syncd.lifecycle.retention import (
    By,
    Cohort,
    Period,
    Tally,
    average_shares,
    cohorts,
    first_day_of,
    month_of,
    periods,
    tally,
    total,
)
from syncd.lifecycle.second_order import MARKS, SecondOrder, second_order
from syncd.sandbox.fill import cdnow
from tests.unit.test_metrics import batch_of

History = list[tuple[int, int]]  # (day, minor units)

TODAY = day_of(date(2026, 8, 17))
LONG_AGO = day_of(date(2000, 1, 1))


def at(text: str) -> int:
    return day_of(date.fromisoformat(text))


def month(text: str) -> int:
    return month_of(at(f"{text}-01"))


def bought(*days: str) -> History:
    return [(at(day), 1000) for day in days]


def counted(*histories: History, today: int = TODAY, wholesale: bool = False) -> Tally:
    return tally(batch_of([*histories], wholesale=wholesale), today)


# --- The slow reference: dates and lists, one customer at a time ------------------------------------------------------


def months_since_1970(day: int) -> int:
    return (date_of(day).year - 1970) * 12 + date_of(day).month - 1


def bought_in(history: History, first: int, last: int, today: int) -> bool:
    """Whether an order lies in these months, both included."""
    return any(day <= today and first <= months_since_1970(day) <= last for day, _ in history)


def slow_period(histories: list[History], begin: int, months: int, today: int) -> tuple[int, int, int, int, int]:
    """(B, E, N, retained, reactivated), from the words of the definition."""
    counts = [0, 0, 0, 0, 0]
    for history in histories:
        known = [day for day, _ in history if day <= today]
        if not known:
            continue
        before = bought_in(history, begin - 3, begin - 1, today)
        after = bought_in(history, begin + months - 3, begin + months - 1, today)
        new = begin <= months_since_1970(min(known)) < begin + months
        for place, holds in enumerate((before, after, new, before and after, after and not before and not new)):
            counts[place] += holds
    return (counts[0], counts[1], counts[2], counts[3], counts[4])


def slow_cohort(histories: list[History], first: int, today: int) -> tuple[list[int], list[int]]:
    last = months_since_1970(today)
    customers, revenue = [0] * (last - first + 1), [0] * (last - first + 1)
    for history in histories:
        known = [(day, minor) for day, minor in history if day <= today]
        if known and months_since_1970(min(known)[0]) == first:
            for each in {months_since_1970(day) for day, _ in known}:
                customers[each - first] += 1
            for day, minor in known:
                revenue[months_since_1970(day) - first] += minor
    return customers, revenue


def slow_share(histories: list[History], within: int, today: int) -> float:
    """Kaplan and Meier, day by day: of those who were still watched and not back, who came back."""
    seen = []
    for history in histories:
        dates = sorted({day for day, _ in history if day <= today})
        if dates:
            seen.append((dates[1] - dates[0], True) if len(dates) > 1 else (today - dates[0], False))
    away = 1.0
    for day in range(within + 1):
        watched = sum(days >= day for days, _ in seen)
        if watched:
            away *= 1 - sum(days == day and back for days, back in seen) / watched
    return 1 - away


days = st.integers(TODAY - 500, TODAY + 40)
histories = st.lists(st.lists(st.tuples(days, st.integers(1, 10**12)), max_size=5), max_size=8)


@given(histories, st.sampled_from(["month", "quarter"]), st.integers(TODAY - 60, TODAY + 20))
def test_the_periods_agree_with_their_definition(histories: list[History], by: By, today: int) -> None:
    found = periods(counted(*histories, today=today), by, today=today, over=today, since=LONG_AGO)
    for each in found:
        counts = (each.beginning, each.ending, each.new, each.retained, each.reactivated)
        assert counts == slow_period(histories, each.month, each.months, today)
    first = [day for history in histories for day, _ in history if day <= today]
    months = 1 if by == "month" else 3
    wanted = range(month_of(min(first)) // months, month_of(today) // months + 1) if first else range(0)
    assert [each.month for each in found] == [each * months for each in wanted]


@given(histories, st.integers(TODAY - 60, TODAY + 20))
def test_the_cohorts_agree_with_their_definition(histories: list[History], today: int) -> None:
    for each in cohorts(counted(*histories, today=today), today=today, since=LONG_AGO):
        assert ([*each.customers], [*each.revenue_minor]) == slow_cohort(histories, each.month, today)


@given(histories, st.integers(TODAY - 60, TODAY + 20))
def test_every_customer_with_an_order_is_in_exactly_one_cohort(histories: list[History], today: int) -> None:
    sizes = [each.customers[0] for each in cohorts(counted(*histories, today=today), today=today, since=LONG_AGO)]
    assert sum(sizes) == sum(any(day <= today for day, _ in history) for history in histories)


@given(histories, st.integers(0, 400))
def test_the_share_that_came_back_agrees_with_kaplan_and_meier_day_by_day(histories: list[History], days: int) -> None:
    curve = second_order(counted(*histories), since_month=0)
    if (share := curve.within(days)) is not None:
        assert share == pytest.approx(slow_share(histories, days, TODAY))


@given(histories, histories)
@example([], [[(TODAY, 1)]])
def test_batches_add_up_to_what_they_are_together(some: list[History], others: list[History]) -> None:
    together = counted(*some, *others)
    apart = total([counted(*some), counted(*others)])
    for each in ("cohorts", "revenue_minor", "active", "stayed", "returned", "waiting"):
        assert +getattr(apart, each) == +getattr(together, each)


# --- By hand ----------------------------------------------------------------------------------------------------------


def one_quarter(*histories: History, today: str = "2026-06-30") -> Period:
    found = periods(counted(*histories, today=at(today)), "quarter", today=at(today), over=at(today), since=LONG_AGO)
    return next(each for each in found if each.month == month("2026-04"))


LONG_KNOWN = bought("2025-06-01")  # so that no quarter of 2026 is among the first


def test_a_quarter_by_hand() -> None:
    quarter = one_quarter(
        LONG_KNOWN,
        bought("2026-01-01", "2026-06-30"),  # active before, and still
        bought("2026-03-31"),  # active before, gone
        bought("2025-12-31", "2026-04-01"),  # had slept, is back
        bought("2026-05-05"),  # new
    )
    assert (quarter.beginning, quarter.ending, quarter.new) == (2, 3, 1)
    assert (quarter.retained, quarter.reactivated) == (1, 1)
    assert quarter.crr == 1.0  # (3 − 1) / 2: who came back hides who was lost
    assert quarter.retained_share == 0.5


def test_a_month_looks_back_three_months_at_both_ends() -> None:
    known = [LONG_KNOWN, bought("2026-02-28"), bought("2026-03-01")]
    found = periods(counted(*known), "month", today=TODAY, over=TODAY, since=at("2026-05-20"))
    assert [(each.month, each.beginning, each.ending) for each in found[:2]] == [
        (month("2026-05"), 2, 1),
        (month("2026-06"), 1, 0),
    ]


def test_the_first_three_months_say_nothing_yet() -> None:
    found = periods(counted(bought("2026-01-15")), "month", today=TODAY, over=TODAY, since=LONG_AGO)
    assert [each.state for each in found][:4] == ["early", "early", "early", "whole"]
    assert found[2].crr is found[2].retained_share is None
    assert found[3].crr == 0


@pytest.mark.parametrize(("over", "state"), [("2026-06-29", "unfinished"), ("2026-06-30", "whole")])
def test_a_period_is_whole_once_its_last_day_is_over(over: str, state: str) -> None:
    known = counted(LONG_KNOWN, bought("2026-03-03"), today=at("2026-06-30"))
    *_, last = periods(known, "quarter", today=at("2026-06-30"), over=at(over), since=LONG_AGO)
    assert last.state == state
    assert (last.crr is None) == (state == "unfinished")


def test_nothing_is_shown_of_the_future() -> None:
    assert periods(counted(LONG_KNOWN), "month", today=TODAY, over=TODAY, since=at("2026-09-01")) == []


def test_without_anybody_at_the_beginning_there_is_no_rate() -> None:
    assert one_quarter(LONG_KNOWN, bought("2026-05-05")).crr is None
    assert one_quarter(LONG_KNOWN, bought("2026-05-05")).retained_share is None


def test_wholesale_is_counted_and_left_out() -> None:
    known = counted(bought("2026-05-05", "2026-05-06"), [], bought("2027-01-01"), wholesale=True)
    assert known.left_out == 1
    assert periods(known, "month", today=TODAY, over=TODAY, since=LONG_AGO) == []
    assert second_order(known, since_month=0).customers == 0


def test_orders_of_1969_count_as_any_others() -> None:
    known = counted([(-40, 5), (-1, 7)], today=31)
    assert cohorts(known, today=31, since=-400) == [Cohort(-2, (1, 1, 0, 0), (5, 7, 0, 0))]


def test_a_month_without_new_customers_has_no_cohort() -> None:
    known = counted(bought("2026-05-05"), bought("2026-07-07"))
    assert [each.month for each in cohorts(known, today=TODAY, since=LONG_AGO)] == [month("2026-05"), month("2026-07")]


def test_the_average_counts_only_cohorts_whose_month_is_over() -> None:
    known = [Cohort(10, (8, 4, 3), (0, 0, 0)), Cohort(11, (2, 1), (0, 0))]
    assert average_shares(known, whole_until=12) == [1.0, 0.5, 0.375]
    assert average_shares(known, whole_until=11) == [1.0, 0.5]
    assert average_shares([], whole_until=12) == []


def test_the_young_do_not_count_as_lost() -> None:
    told = counted(*[bought("2026-01-01", "2026-01-11")] * 2, bought("2026-01-01"), *[bought("2026-08-16")] * 96)
    curve = second_order(told, since_month=0)
    assert (curve.customers, curve.returned) == (99, 2)
    # Those of yesterday had no ten days: two of the three who had them came back.
    assert curve.within(10) == pytest.approx(2 / 3)
    assert curve.within(9) == 0
    assert curve.day_reaching(0.5) == 10
    assert curve.day_reaching(0.9) is None
    assert curve.within(365) is None


def test_orders_of_one_day_are_one_occasion() -> None:
    curve = second_order(counted(bought("2026-05-05", "2026-05-05", "2026-05-07")), since_month=0)
    assert (curve.days, curve.shares) == ((2,), (1.0,))


def test_the_curve_begins_with_the_cohort_of_the_month_given() -> None:
    known = counted(bought("2026-04-30"), bought("2026-05-01"), bought("2026-06-01"))
    assert second_order(known, since_month=month("2026-05")).customers == 2


def test_nobody_has_no_curve() -> None:
    assert second_order(counted([], []), since_month=0) == SecondOrder(0, 0, 0, (), ())
    assert second_order(counted(bought("2026-05-05")), since_month=month("2026-06")).within(30) is None


@pytest.mark.parametrize("text", ["1969-12-31", "1970-01-01", "2024-02-29", "2026-12-31"])
def test_a_month_begins_with_its_first_day(text: str) -> None:
    assert date_of(first_day_of(month_of(at(text)))) == date.fromisoformat(text).replace(day=1)
    assert month_of(at(text)) == months_since_1970(at(text))


# --- CDNOW ------------------------------------------------------------------------------------------------------------

END = at("1998-06-30")


def real(rows: Iterable[cdnow.Row], *, with_zero: bool = False) -> Batch:
    by_customer = groupby(sorted(rows), key=lambda row: row[0])
    kept = [[(day_of(day), cents) for _, day, _, cents in group if cents or with_zero] for _, group in by_customer]
    return batch_of([history for history in kept if history])


def shared_rows() -> Iterable[cdnow.Row]:
    file = Path(__file__).parents[3] / "shared/data/cdnow_master.txt"
    if not file.is_file():
        pytest.skip("the data set as published is not beside the checkout")
    for line in file.read_text("ascii").splitlines()[1:]:
        customer, day, units, dollars = line.split()
        cents = round(float(dollars) * 100)
        yield int(customer), date(int(day[:4]), int(day[4:6]), int(day[6:])), int(units), cents


@pytest.fixture(scope="module")
def known() -> Tally:
    return tally(real(cdnow.rows()), END)


def test_the_cohorts_of_cdnow(known: Tally) -> None:
    january, february, march = cohorts(known, today=END, since=LONG_AGO - 10_000)[:3]
    assert january.customers[:7] == (7814, 1155, 964, 810, 679, 736, 720)
    assert february.customers[:4] == (8455, 1311, 980, 783)
    assert march.customers[:4] == (7231, 1032, 752, 756)
    assert sum(map(sum, [january.revenue_minor, february.revenue_minor, march.revenue_minor])) > 249_900_000


def test_the_cohorts_of_cdnow_with_the_orders_of_no_value() -> None:
    january, *_ = cohorts(tally(real(cdnow.rows(), with_zero=True), END), today=END, since=0)
    assert january.customers[:7] == (7846, 1157, 964, 810, 679, 736, 720)


def test_the_cohorts_of_cdnow_as_published() -> None:
    january, *_ = cohorts(tally(real(shared_rows()), END), today=END, since=0)
    assert january.customers[:4] == (7814, 1155, 964, 810)


def test_the_quarters_of_cdnow(known: Tally) -> None:
    quarters = periods(known, "quarter", today=END, over=END, since=0)
    assert [(each.beginning, each.ending, each.new, each.retained) for each in quarters] == [
        (0, 23_500, 23_500, 0),
        (23_500, 5_376, 0, 5_376),
        (5_376, 4_263, 0, 2_289),
        (4_263, 4_221, 2, 2_063),
        (4_221, 3_817, 0, 1_954),
        (3_817, 3_317, 0, 1_760),
    ]
    assert quarters[-1].crr == pytest.approx(0.8690, abs=5e-5)
    assert quarters[-1].retained_share == pytest.approx(0.4611, abs=5e-5)


def test_the_second_orders_of_cdnow(known: Tally) -> None:
    curve = second_order(known, since_month=0)
    assert (curve.customers, curve.returned, curve.watched_days) == (23_502, 11_513, 545)
    shares = [share and round(share, 4) for share in map(curve.within, MARKS)]
    assert shares == [0.1750, 0.2522, 0.2930, 0.3755, 0.4598]
    assert np.all(np.diff(curve.shares) > 0)
