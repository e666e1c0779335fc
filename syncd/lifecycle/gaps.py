"""The rhythm in which people order: gaps between order days, and how late somebody is by their own measure.

It knows order days, and neither rules nor where its figures are kept. What it says of the audience is
worked out in one pass over the batches: `Counting` gives the typical gap, with which `Lateness` measures.
Logarithms are added up as whole numbers and usual gaps are rounded to a grid finer than a second, so
that a customer is judged alike alone and among a million, and somebody who orders every 30 days has a
usual gap of exactly 30.

Source: DESIGN "Order gap and lateness".
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from syncd.lifecycle.columns import Batch, Days, Rows, feed, stretches
from syncd.lifecycle.metrics import running

# So many gaps of the typical length stand beside a customer's own: one gap alone says little.
WEIGHT = 5
# Lateness is measured at so many gaps at most, which bounds the memory and no quantile shows.
SAMPLE_MAX = 2**20

# Logarithms are counted in this unit; there is room for gaps of 219 years together.
_LOG_UNIT = 2.0**-48
# The grid of usual gaps, in days.
_GAP_UNIT = 2.0**-20

Counts = NDArray[np.int64]
Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Tally:
    """The completed gaps of the audience's retail customers: how many there are of each length in days.

    `first_day`: that of their first order; None where nobody ordered.
    """

    lengths: Counts
    first_day: int | None

    @property
    def gaps(self) -> int:
        """How many gaps are completed."""
        return int(self.lengths.sum())

    @property
    def typical(self) -> float | None:
        """The geometric mean gap in days; None where no gap is completed."""
        if not self.gaps:
            return None
        logs = (count * math.log(days) for days, count in enumerate(self.lengths.tolist()) if count)
        return round(math.exp(math.fsum(logs) / self.gaps) / _GAP_UNIT) * _GAP_UNIT

    def percentile(self, p: float) -> float:
        """The length in days below which p % of the gaps lie, interpolated linearly between neighbours."""
        place = (self.gaps - 1) * p / 100
        below, above = np.searchsorted(np.cumsum(self.lengths), [math.floor(place), math.ceil(place)], side="right")
        return float(below + (above - below) * (place - math.floor(place)))


class Counting:
    """Counts the completed gaps of everybody, batch by batch."""

    def __init__(self, today: int) -> None:
        self._today = today
        self.tally = Tally(np.zeros(1, np.int64), None)

    def add(self, batch: Batch) -> None:
        """Afterwards `tally` has the gaps of this batch, too."""
        starts, order_day = _orders_of(batch, np.flatnonzero(~batch.wholesale))
        gap, days = _closed(starts, order_day, self._today), order_day[order_day <= self._today]
        lengths = _added(self.tally.lengths, np.bincount(gap[gap > 0]))
        known = [day for day in (self.tally.first_day, int(days.min()) if len(days) else None) if day is not None]
        self.tally = Tally(lengths, min(known, default=None))


def tally(batches: Iterable[Batch], today: int) -> Tally:
    """The completed gaps of everybody, however the batches were cut."""
    counting = Counting(today)
    feed(batches, counting)
    return counting.tally


def order_gap(batch: Batch, today: int, typical: float) -> Values:
    """The usual gap of each customer in days: their own gaps and `WEIGHT` typical ones, geometrically.

    NaN for who never ordered, and for everybody where `typical` is NaN.
    """
    gap = _closed(batch.starts, batch.order_day, today)
    logs, gaps = running(_logs_of(gap)), running(gap > 0)
    begin, end = batch.starts[:-1], batch.starts[1:]
    ordered = running(batch.order_day <= today)
    usual = _usual(logs[end] - logs[begin], gaps[end] - gaps[begin], typical)
    return np.where(ordered[end] > ordered[begin], usual, np.nan)


class Lateness:
    """The completed gaps of the retail customers, batch by batch, to be measured once the typical gap is known.

    Where there are more than `most`, those of every second customer are kept, of every fourth …, however the batches
    were cut: of the customers whose id `every` divides.
    """

    def __init__(self, today: int, most: int = SAMPLE_MAX) -> None:
        self._today, self._most = today, most
        self._seen = 0
        self._kept: list[Counts] = []
        self.every = 1

    def add(self, batch: Batch) -> None:
        """Afterwards the gaps of this batch are among them."""
        retail = np.flatnonzero(~batch.wholesale)
        self._seen += int(np.count_nonzero(_closed(*_orders_of(batch, retail), self._today)))
        while self._seen > self._most * self.every:
            self.every *= 2
            self._kept = [gaps[:, gaps[0] % self.every == 0] for gaps in self._kept]
        self._kept.append(_completed(batch, retail[batch.customer[retail] % self.every == 0], self._today))

    def values(self, typical: float) -> Values:
        """Each gap, divided by the usual gap that was known when it began."""
        _, gap, gaps, logs = np.concatenate([*self._kept, np.zeros((4, 0), np.int64)], axis=1)
        late: Values = gap / _usual(logs, gaps, typical)
        return late


def _completed(batch: Batch, customers: Rows, today: int) -> Counts:
    """Of each completed gap of these customers: whose it is, its length, and how many there were before it, of which
    logarithm together.
    """
    starts, order_day = _orders_of(batch, customers)
    gap = _closed(starts, order_day, today)
    logs, gaps, at = running(_logs_of(gap)), running(gap > 0), np.flatnonzero(gap)
    owner = np.searchsorted(starts, at, side="right") - 1
    begin = starts[owner]
    # Totals at the position of an order are those before it: the gap that it closed is not among them.
    return np.stack((batch.customer[customers][owner], gap[at], gaps[at] - gaps[begin], logs[at] - logs[begin]))


def _closed(starts: Rows, order_day: Days, today: int) -> Days:
    """For each order the gap in days that it closed: 0 for a customer's first, the same day, and after today."""
    gap = np.zeros(len(order_day), np.int64)
    gap[1:] = np.diff(order_day)
    first = starts[:-1]
    gap[first[first < len(gap)]] = 0
    gap[order_day > today] = 0
    return gap


def _usual(logs: Counts, gaps: Counts, typical: float) -> Values:
    """The usual gap after so many gaps, whose logarithms add up to `logs`."""
    exact = np.exp((logs * _LOG_UNIT + WEIGHT * math.log(typical)) / (gaps + WEIGHT))
    return np.rint(exact / _GAP_UNIT) * _GAP_UNIT


def _logs_of(gap: Days) -> Counts:
    """The logarithm of each gap, and 0 where there is none: whole numbers, so that adding them up is exact."""
    return _log_table(int(gap.max(initial=0)).bit_length())[gap]


@cache
def _log_table(bits: int) -> Counts:
    return np.array([0, *(round(math.log(days) / _LOG_UNIT) for days in range(1, 2**bits))], np.int64)


def _orders_of(batch: Batch, customers: Rows) -> tuple[Rows, Days]:
    """Where the orders of each of these customers start, and the days of them all."""
    starts, mine = stretches(batch.starts, customers)
    return starts, batch.order_day[mine]


def _added(left: Counts, right: Counts) -> Counts:
    longer, shorter = (left, right) if len(left) >= len(right) else (right, left)
    total = longer.copy()
    total[: len(shorter)] += shorter
    return total
