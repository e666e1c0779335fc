"""Local days, windows and month arithmetic. Pure: `today` is always an argument.

A day is a number: days since 1970-01-01 in the calendar of the audience's time zone.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any, Literal
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

Unit = Literal["days", "weeks", "months", "years"]
Period = Literal["this year", "last year", "this month", "last month", "ever"]

EPOCH = date(1970, 1, 1)
DAY_SECONDS = 86_400
# Earlier than any order and later than any plan; both are valid dates for Python.
FIRST_DAY = (date(1900, 1, 1) - EPOCH).days
LAST_DAY = (date(9000, 1, 1) - EPOCH).days


def day_of(when: date) -> int:
    """The day number of a local date."""
    return (when - EPOCH).days


def date_of(day: int) -> date:
    """The local date of a day number."""
    return EPOCH + timedelta(days=day)


def months_before(day: int, months: int) -> int:
    """The same day of the month `months` earlier, clamped to the month's end: 31 Aug − 6 = 28/29 Feb."""
    when = date_of(day)
    year, month = divmod(when.year * 12 + when.month - 1 - months, 12)
    return day_of(date(year, month + 1, min(when.day, monthrange(year, month + 1)[1])))


def months_after(days: NDArray[np.int64], months: int) -> NDArray[np.int64]:
    """For each day the first one of which `months_before` has reached it: 31 Aug + 6 = 1 Mar."""

    def after(days: NDArray[np.int64]) -> NDArray[np.int64]:
        dates = days.astype("datetime64[D]")
        month = dates.astype("datetime64[M]")
        begin, next_begin = ((month + months + more).astype("datetime64[D]") for more in (0, 1))
        day: NDArray[np.int64] = np.minimum(begin + (dates - month.astype("datetime64[D]")), next_begin).astype(
            np.int64
        )
        return day

    return day_by_day(days, after)


def first_of(days: NDArray[np.int64], unit: Literal["M", "Y"], later: int = 0) -> NDArray[np.int64]:
    """The first day of each day's month or year, or of the one that comes so many later."""

    def first(days: NDArray[np.int64]) -> NDArray[np.int64]:
        periods = days.astype("datetime64[D]").astype(f"datetime64[{unit}]") + later
        return periods.astype("datetime64[D]").astype(np.int64)

    return day_by_day(days, first)


def day_by_day(days: NDArray[np.int64], work_out: Callable[[NDArray[np.int64]], NDArray[Any]]) -> NDArray[Any]:
    """What is worked out for each of these days: once for each day there is, where many share a few."""
    first, last = (int(days.min()), int(days.max())) if days.size else (0, 0)
    if last - first >= days.size:
        return work_out(days)
    return work_out(np.arange(first, last + 1))[days - first]


@dataclass(frozen=True, slots=True)
class Span:
    """A length of calendar time as a marketer writes it: `14 days`, `6 months`."""

    count: int
    unit: Unit

    def before(self, day: int) -> int:
        """`day` minus this span: the last day that lies outside the window ending on `day`."""
        match self.unit:
            case "days":
                return day - self.count
            case "weeks":
                return day - 7 * self.count
            case "months":
                return months_before(day, self.count)
            case "years":
                return months_before(day, 12 * self.count)

    def after(self, days: NDArray[np.int64]) -> NDArray[np.int64]:
        """The first day on which each of `days` lies outside the window: `before` has reached it."""
        match self.unit:
            case "days":
                return days + self.count
            case "weeks":
                return days + 7 * self.count
            case "months":
                return months_after(days, self.count)
            case "years":
                return months_after(days, 12 * self.count)

    def __str__(self) -> str:
        return f"{self.count} {self.unit if self.count != 1 else self.unit[:-1]}"


Window = Span | Period


def window_days(window: Window, today: int) -> tuple[int, int]:
    """The first and the last day of a window, both inside it; `7 days` covers exactly seven dates.

    An order lies in a span if its local date is later than `today − span`. No window reaches past today.
    """
    if isinstance(window, Span):
        return window.before(today) + 1, today
    now = date_of(today)
    match window:
        case "ever":
            return FIRST_DAY, today
        case "this year":
            return day_of(date(now.year, 1, 1)), today
        case "last year":
            return day_of(date(now.year - 1, 1, 1)), day_of(date(now.year, 1, 1)) - 1
        case "this month":
            return day_of(now.replace(day=1)), today
        case "last month":
            last = day_of(now.replace(day=1)) - 1
            return day_of(date_of(last).replace(day=1)), last


def whole_days(window: Window, today: int) -> tuple[int, int]:
    """The same of a window as the calendar has it: a month or a year under way also has the days to come."""
    first, last = window_days(window, today)
    now = date_of(today)
    match window:
        case "ever":
            return FIRST_DAY, LAST_DAY
        case "this year":
            return first, day_of(date(now.year, 12, 31))
        case "this month":
            return first, day_of(now.replace(day=monthrange(now.year, now.month)[1]))
    return first, last


def yearly_day(day: NDArray[np.int64], year: int) -> NDArray[np.int64]:
    """The return of each day's month and day in a year: 29 Feb is 28 Feb where there is none."""

    def returns(day: NDArray[np.int64]) -> NDArray[np.int64]:
        months = day.astype("datetime64[D]").astype("datetime64[M]")
        place = day - months.astype("datetime64[D]").astype(np.int64)
        return in_year(months.astype(np.int64) % 12 + 1, place + 1, year)

    return day_by_day(day, returns)


def in_year(month: NDArray[np.int64], day: NDArray[np.int64], year: int) -> NDArray[np.int64]:
    """The days of these months and days in a year; a day that the month lacks is its last one."""
    begins = (np.datetime64(year - 1970, "Y").astype("datetime64[M]") + (month - 1)).astype("datetime64[M]")
    first, after = (at.astype("datetime64[D]").astype(np.int64) for at in (begins, begins + 1))
    days: NDArray[np.int64] = np.minimum(first + day, after) - 1
    return days


def local_day(instant: int, zone: str) -> int:
    """The local day of an instant (UTC seconds)."""
    return day_of(datetime.fromtimestamp(instant, ZoneInfo(zone)).date())


def midnight(day: int, zone: str) -> int:
    """The first instant (UTC seconds) of a local day.

    Where a clock change skips midnight, the day begins at the first minute that exists
    (Santiago 2026-09-06 starts at 01:00).
    """
    when = date_of(day)
    wall = datetime(when.year, when.month, when.day, tzinfo=ZoneInfo(zone))
    instant = int(wall.astimezone(UTC).timestamp())
    # In a gap Python keeps the offset of before the change, which lands after the true start.
    while local_day(instant - 1, zone) >= day:
        instant -= 1800
    while local_day(instant, zone) < day:
        instant += 1800
    return instant


def midnights(days: NDArray[np.int64], zone: str) -> NDArray[np.int64]:
    """The first instant of each local day: `midnight` for a whole column."""
    starts, offsets = _offsets(zone)
    ends = _ends(zone)

    def first(days: NDArray[np.int64]) -> NDArray[np.int64]:
        at = np.searchsorted(ends, days * DAY_SECONDS, side="right")
        begin: NDArray[np.int64] = np.maximum(starts[at], days * DAY_SECONDS - offsets[at])
        return begin

    return day_by_day(days, first)


@cache
def _ends(zone: str) -> NDArray[np.int64]:
    """The local time at which each stretch of one offset ends, and from which on a day lies behind it."""
    starts, offsets = _offsets(zone)
    return np.append(starts[1:] + offsets[:-1], 2**62)


def local_days(instants: NDArray[np.int64], zone: str) -> NDArray[np.int64]:
    """The local day of each instant: `local_day` for a whole column."""
    starts, offsets = _offsets(zone)
    shift = offsets[np.searchsorted(starts, instants, side="right") - 1]
    return (instants + shift) // DAY_SECONDS


@cache
def _offsets(zone: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """When the zone's offset from UTC changes, and to what; from 1970 to 2100, to the second."""
    info = ZoneInfo(zone)

    def offset(instant: int) -> int:
        delta = datetime.fromtimestamp(instant, UTC).astimezone(info).utcoffset()
        assert delta is not None
        return int(delta.total_seconds())

    starts, offsets = [-(2**62)], [offset(0)]
    step = 5 * DAY_SECONDS
    for begin in range(0, 47_500 * DAY_SECONDS, step):
        low, high = begin, begin + step
        if offset(high) == offsets[-1]:
            continue
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if offset(middle) == offsets[-1] else (low, middle)
        starts.append(high)
        offsets.append(offset(high))
    return np.array(starts, np.int64), np.array(offsets, np.int64)
