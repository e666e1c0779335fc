"""Metrics of every customer of a batch at once. Knows days and amounts, not what a rule makes of them.

The orders of a customer stand in the order of their days, so those on or before a day are the first
few of them. Where they end (`behind`) is all that a window needs: its orders lie between two such
ends, and their worth is the difference of two running totals. Orders later than `today` do not exist.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from syncd.calendar import Window, window_days
from syncd.lifecycle.columns import NO_DAY, Batch, Days

Counts = NDArray[np.int64]
Amounts = NDArray[np.int64]


def orders(batch: Batch, window: Window, today: int) -> Counts:
    """How many counted orders each customer placed in the window."""
    first, last = window_days(window, today)
    return behind(batch, last) - behind(batch, first - 1)


def spend_minor(batch: Batch, window: Window, today: int) -> Amounts:
    """What each customer spent in the window, in minor units."""
    return sums(batch, batch.order_minor, window, today)


def sums(batch: Batch, values: NDArray[np.int64] | NDArray[np.bool_], window: Window, today: int) -> Amounts:
    """Of one value an order, the sum over each customer's orders in the window."""
    first, last = window_days(window, today)
    total = running(values)
    return total[behind(batch, last)] - total[behind(batch, first - 1)]


def first_day(batch: Batch, today: int) -> Days:
    """The day of each customer's first counted order, NO_DAY for who never ordered."""
    begin = batch.starts[:-1]
    return _days_at(batch, begin, behind(batch, today) > begin)


def last_day(batch: Batch, today: int) -> Days:
    """The day of each customer's last counted order, NO_DAY for who never ordered."""
    end = behind(batch, today)
    return _days_at(batch, end - 1, end > batch.starts[:-1])


def signup_day(batch: Batch, today: int) -> Days:
    """The day on which each customer signed up, NO_DAY where that is unknown or not yet."""
    return np.where(batch.signup_day <= today, batch.signup_day, NO_DAY)


def eligible(batch: Batch, today: int) -> NDArray[np.bool_]:
    """Who is part of the population figures: customers with a counted order, without wholesale."""
    return (orders(batch, "ever", today) > 0) & ~batch.wholesale


def behind(batch: Batch, day: int) -> NDArray[np.int64]:
    """For each customer the position just behind their last order on or before `day`."""
    begin, end = batch.starts[:-1], batch.starts[1:]
    so_far = running(batch.order_day <= day)
    return begin + so_far[end] - so_far[begin]


def running(values: NDArray[np.int64] | NDArray[np.bool_]) -> NDArray[np.int64]:
    """Totals of the first 0, 1, 2 … values: unlike `reduceat`, it is right for customers without orders."""
    total = np.zeros(len(values) + 1, np.int64)
    np.cumsum(values, out=total[1:])
    return total


def _days_at(batch: Batch, position: NDArray[np.int64], exists: NDArray[np.bool_]) -> Days:
    """The order day at each position, NO_DAY where there is none."""
    days = np.full(len(batch), NO_DAY, np.int64)
    days[exists] = batch.order_day[position[exists]]
    return days
