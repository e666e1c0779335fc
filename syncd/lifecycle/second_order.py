"""How soon a second order follows the first, honest about customers who have had no time for one.

Pure: day counts in, shares out. Same-day orders are one occasion, as in the order gap: the second order
is the first one on another day. The shares are those of Kaplan and Meier: everybody counts on exactly
the days on which they were watched, so that yesterday's new customer is no proof of not coming back.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from dataclasses import dataclass
from typing import Final

from syncd.lifecycle.retention import Tally

MARKS: Final = (30, 60, 90, 180, 365)


@dataclass(frozen=True, slots=True)
class SecondOrder:
    """The share of customers who have come back, day by day after their first order.

    `days` and `shares` are the days on which the share rises; `watched_days` is how long the customer
    who was watched longest has been: nothing is known beyond.
    """

    customers: int
    returned: int
    watched_days: int
    days: tuple[int, ...]
    shares: tuple[float, ...]

    def within(self, days: int) -> float | None:
        """The share who come back within so many days; None where nobody was watched that long."""
        if days > self.watched_days or not self.customers:
            return None
        at = bisect_right(self.days, days)
        return self.shares[at - 1] if at else 0.0

    def day_reaching(self, share: float) -> int | None:
        """The first day by which this share has come back; None where it was not reached."""
        return next((day for day, reached in zip(self.days, self.shares, strict=True) if reached >= share), None)


def second_order(total: Tally, *, since_month: int) -> SecondOrder:
    """The curve of those whose first order was in `since_month` or later."""
    returned, waiting = _by_days(total.returned, since_month), _by_days(total.waiting, since_month)
    customers, came = returned.total() + waiting.total(), returned.total()
    days, shares = _curve(returned, waiting)
    return SecondOrder(customers, came, max((*returned, *waiting), default=0), days, shares)


def _by_days(counts: Counter[tuple[int, int]], since_month: int) -> Counter[int]:
    found: Counter[int] = Counter()
    for (cohort, days), count in counts.items():
        if cohort >= since_month:
            found[days] += count
    return found


def _curve(returned: Counter[int], waiting: Counter[int]) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """Kaplan and Meier: on each day, of those still watched and not back, which share came back."""
    left, away = returned.total() + waiting.total(), 1.0
    days: list[int] = []
    shares: list[float] = []
    for day in sorted({*returned, *waiting}):
        if returned[day]:
            # Who is watched up to this very day might still have come back on it.
            away *= 1 - returned[day] / left
            days.append(day)
            shares.append(1 - away)
        left -= returned[day] + waiting[day]
    return tuple(days), tuple(shares)
