"""Metrics over columns, against the same metrics counted with plain lists."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.calendar import Span, Window, date_of, day_of
from syncd.lifecycle import metrics
from syncd.lifecycle.columns import NO_DAY, Batch

TODAY = day_of(date(2026, 8, 31))


def batch_of(histories: list[list[tuple[int, int]]], *, signup: int = NO_DAY, wholesale: bool = False) -> Batch:
    """Customers with these orders, each a (day, minor units)."""
    n = len(histories)
    orders = [order for history in histories for order in sorted(history, key=lambda order: order[0])]
    return Batch(
        customer=np.arange(1, n + 1),
        signup_day=np.full(n, signup),
        subscribed=np.ones(n, bool),
        wholesale=np.full(n, wholesale),
        country=np.full(n, "ES", object),
        city=np.full(n, "", object),
        language=np.full(n, "es", object),
        was_in=np.zeros(n, np.int64),
        starts=np.cumsum([0, *map(len, histories)]),
        order_day=np.array([day for day, _ in orders], np.int64),
        order_minor=np.array([minor for _, minor in orders], np.int64),
        currency_exponent=2,
    )


days = st.integers(TODAY - 800, TODAY + 10)
histories = st.lists(st.lists(st.tuples(days, st.integers(0, 10**12)), max_size=6), max_size=6)
windows: st.SearchStrategy[Window] = st.one_of(
    st.builds(Span, st.integers(1, 60), st.sampled_from(["days", "weeks", "months"])),
    st.sampled_from(["ever", "this year", "last year", "this month", "last month"]),
)


def lies_in(day: int, window: Window) -> bool:
    """Written from the words of the design, with dates."""
    when, now = date_of(day), date_of(TODAY)
    match window:
        case Span():
            return window.before(TODAY) < day <= TODAY
        case "ever":
            return when <= now
        case "this year":
            return when.year == now.year and when <= now
        case "last year":
            return when.year == now.year - 1
        case "this month":
            return (when.year, when.month) == (now.year, now.month) and when <= now
        case "last month":
            return (when.year, when.month) == (now.year, now.month - 1)


@given(histories, windows)
def test_a_window_counts_exactly_the_orders_that_lie_in_it(
    histories: list[list[tuple[int, int]]], window: Window
) -> None:
    batch = batch_of(histories)
    inside = [[minor for day, minor in history if lies_in(day, window)] for history in histories]
    assert metrics.orders(batch, window, TODAY).tolist() == list(map(len, inside))
    assert metrics.spend_minor(batch, window, TODAY).tolist() == list(map(sum, inside))


@given(histories)
def test_the_first_and_last_order_are_those_up_to_today(histories: list[list[tuple[int, int]]]) -> None:
    batch = batch_of(histories)
    known = [[day for day, _ in history if day <= TODAY] for history in histories]
    assert metrics.first_day(batch, TODAY).tolist() == [min(days, default=NO_DAY) for days in known]
    assert metrics.last_day(batch, TODAY).tolist() == [max(days, default=NO_DAY) for days in known]


def test_seven_days_cover_exactly_seven_dates() -> None:
    batch = batch_of([[(TODAY - ago, 1) for ago in range(-3, 20)]])
    assert metrics.orders(batch, Span(7, "days"), TODAY).tolist() == [7]


def test_six_months_before_the_end_of_august_end_with_february() -> None:
    february = day_of(date(2026, 2, 28))
    batch = batch_of([[(february, 100)], [(february + 1, 100)]])
    assert metrics.spend_minor(batch, Span(6, "months"), TODAY).tolist() == [0, 100]


def test_a_batch_of_nobody_has_no_metrics() -> None:
    batch = batch_of([])
    assert len(batch) == len(metrics.orders(batch, "ever", TODAY)) == len(metrics.last_day(batch, TODAY)) == 0


def test_a_signup_later_than_today_is_not_known_yet() -> None:
    assert metrics.signup_day(batch_of([[]], signup=TODAY), TODAY).tolist() == [TODAY]
    assert metrics.signup_day(batch_of([[]], signup=TODAY + 1), TODAY).tolist() == [NO_DAY]


@pytest.mark.parametrize(
    ("history", "wholesale", "is_eligible"),
    [([(TODAY, 1)], False, True), ([(TODAY, 1)], True, False), ([(TODAY + 1, 1)], False, False), ([], False, False)],
)
def test_population_figures_are_over_retail_customers_who_ordered(
    history: list[tuple[int, int]], wholesale: bool, is_eligible: bool
) -> None:
    assert metrics.eligible(batch_of([history], wholesale=wholesale), TODAY).tolist() == [is_eligible]
