"""Local days, windows and month arithmetic, against zoneinfo and the calendar of the standard library."""

from __future__ import annotations

from calendar import monthrange
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.calendar import (
    Span,
    Window,
    date_of,
    day_of,
    first_of,
    local_day,
    local_days,
    midnight,
    midnights,
    months_before,
    window_days,
    yearly_day,
)

# Daylight saving in both hemispheres, at midnight (Santiago, Beirut, Havana), of 30 minutes (Lord Howe), a minute
# after midnight (St Johns until 2011), suspended for Ramadan (Casablanca), a skipped day (Apia), and none at all.
ZONES = [
    "UTC",
    "Europe/Madrid",
    "America/New_York",
    "America/Santiago",
    "America/Havana",
    "America/St_Johns",
    "America/Sao_Paulo",
    "Asia/Beirut",
    "Asia/Kathmandu",
    "Asia/Tehran",
    "Africa/Casablanca",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Pacific/Chatham",
    "Pacific/Kiritimati",
]

days = st.integers(day_of(date(1990, 1, 1)), day_of(date(2040, 1, 1)))
dates = days.map(date_of)


@given(st.sampled_from(ZONES), st.lists(st.integers(631_152_000, 2_208_988_800), max_size=20))
def test_a_column_of_instants_falls_on_the_days_that_zoneinfo_gives(zone: str, instants: list[int]) -> None:
    expected = [day_of(datetime.fromtimestamp(instant, ZoneInfo(zone)).date()) for instant in instants]
    assert local_days(np.array(instants, np.int64), zone).tolist() == expected
    assert [local_day(instant, zone) for instant in instants] == expected


@pytest.mark.parametrize("zone", ZONES)
def test_a_column_is_right_to_the_quarter_hour_around_every_midnight_of_three_years(zone: str) -> None:
    starts = [midnight(day, zone) for day in range(day_of(date(2009, 7, 1)), day_of(date(2012, 7, 1)))]
    instants = np.add.outer(starts, np.arange(-3600, 3601, 900)).ravel()
    assert local_days(instants, zone).tolist() == [local_day(instant, zone) for instant in instants.tolist()]


@given(st.sampled_from(ZONES), days)
def test_midnight_is_the_first_instant_of_its_day(zone: str, day: int) -> None:
    start = midnight(day, zone)
    assert local_day(start, zone) >= day
    assert local_day(start - 1, zone) < day


@pytest.mark.parametrize(
    ("zone", "day", "start"),
    [
        ("Europe/Madrid", date(2026, 3, 29), datetime(2026, 3, 28, 23, tzinfo=UTC)),
        ("Europe/Madrid", date(2026, 3, 30), datetime(2026, 3, 29, 22, tzinfo=UTC)),
        ("Europe/Madrid", date(2026, 10, 26), datetime(2026, 10, 25, 23, tzinfo=UTC)),
        # Santiago skips the hour from midnight to one.
        ("America/Santiago", date(2026, 9, 6), datetime(2026, 9, 6, 4, tzinfo=UTC)),
        # Havana has the hour from midnight to one twice.
        ("America/Havana", date(2025, 11, 2), datetime(2025, 11, 2, 4, tzinfo=UTC)),
        # Apia crossed the date line: after the 29th came the 31st.
        ("Pacific/Apia", date(2011, 12, 30), datetime(2011, 12, 30, 10, tzinfo=UTC)),
        ("Pacific/Apia", date(2011, 12, 31), datetime(2011, 12, 30, 10, tzinfo=UTC)),
        ("Asia/Kathmandu", date(2026, 1, 1), datetime(2025, 12, 31, 18, 15, tzinfo=UTC)),
    ],
)
def test_a_day_begins_when_its_first_minute_does(zone: str, day: date, start: datetime) -> None:
    assert datetime.fromtimestamp(midnight(day_of(day), zone), UTC) == start


@given(dates)
def test_days_and_dates_are_the_same_thing(when: date) -> None:
    assert date_of(day_of(when)) == when
    assert day_of(when + timedelta(days=1)) == day_of(when) + 1


@given(dates, st.integers(0, 600))
def test_months_before_keeps_the_day_or_clamps_it_to_the_months_end(when: date, months: int) -> None:
    earlier = date_of(months_before(day_of(when), months))
    assert (when.year - earlier.year) * 12 + when.month - earlier.month == months
    assert earlier.day == min(when.day, monthrange(earlier.year, earlier.month)[1])


@pytest.mark.parametrize(
    ("span", "today", "before"),
    [
        (Span(6, "months"), date(2026, 8, 31), date(2026, 2, 28)),
        (Span(6, "months"), date(2024, 8, 31), date(2024, 2, 29)),
        (Span(1, "years"), date(2024, 2, 29), date(2023, 2, 28)),
        (Span(1, "months"), date(2026, 1, 31), date(2025, 12, 31)),
        (Span(2, "weeks"), date(2026, 3, 7), date(2026, 2, 21)),
        (Span(1, "days"), date(2026, 1, 1), date(2025, 12, 31)),
    ],
)
def test_a_span_is_counted_back_on_the_calendar(span: Span, today: date, before: date) -> None:
    assert date_of(span.before(day_of(today))) == before


@pytest.mark.parametrize(
    ("window", "first", "last"),
    [
        (Span(7, "days"), date(2026, 2, 23), date(2026, 3, 1)),
        ("this year", date(2026, 1, 1), date(2026, 3, 1)),
        ("last year", date(2025, 1, 1), date(2025, 12, 31)),
        ("this month", date(2026, 3, 1), date(2026, 3, 1)),
        ("last month", date(2026, 2, 1), date(2026, 2, 28)),
    ],
)
def test_a_window_has_a_first_and_a_last_day(window: Window, first: date, last: date) -> None:
    assert window_days(window, day_of(date(2026, 3, 1))) == (day_of(first), day_of(last))


@given(days, st.sampled_from(["days", "weeks", "months", "years"]), st.integers(1, 40))
def test_a_window_never_reaches_past_today_and_grows_with_its_length(day: int, unit: str, count: int) -> None:
    shorter, longer = Span(count, unit), Span(count + 1, unit)  # type: ignore[arg-type]
    assert window_days(longer, day)[0] < window_days(shorter, day)[0] <= window_days(shorter, day)[1] == day
    assert window_days("ever", day)[0] < window_days(longer, day)[0]


@pytest.mark.parametrize(("span", "text"), [(Span(1, "days"), "1 day"), (Span(6, "months"), "6 months")])
def test_a_span_reads_as_a_marketer_writes_it(span: Span, text: str) -> None:
    assert str(span) == text


@given(st.sampled_from(ZONES), st.lists(days, max_size=20))
def test_a_column_of_days_begins_at_the_midnights_of_the_zone(zone: str, column: list[int]) -> None:
    assert midnights(np.array(column, np.int64), zone).tolist() == [midnight(day, zone) for day in column]


@pytest.mark.parametrize("zone", ZONES)
def test_every_midnight_of_three_years_is_found_for_a_column(zone: str) -> None:
    column = range(day_of(date(2009, 7, 1)), day_of(date(2012, 7, 1)))
    assert midnights(np.array(column, np.int64), zone).tolist() == [midnight(day, zone) for day in column]


def test_a_column_of_many_days_is_worked_out_like_each_day_alone() -> None:
    column = [*range(day_of(date(2011, 6, 1)), day_of(date(2012, 6, 1)))] * 2
    for work_out in (Span(6, "months").after, lambda days: first_of(days, "M", 1), lambda days: yearly_day(days, 2013)):
        alone = [work_out(np.array([day], np.int64)).item() for day in column]
        assert work_out(np.array(column[::-1], np.int64)).tolist() == alone[::-1]
        assert work_out(np.zeros(0, np.int64)).tolist() == []


@given(days, st.builds(Span, st.integers(1, 40), st.sampled_from(("days", "weeks", "months", "years"))))
def test_a_day_lies_outside_a_window_from_the_first_day_on_whose_window_ends_with_it(day: int, span: Span) -> None:
    (after,) = span.after(np.array([day], np.int64)).tolist()
    assert span.before(after) >= day > span.before(after - 1)
