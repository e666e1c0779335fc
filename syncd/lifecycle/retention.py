"""Who comes back: cohorts by the month of the first order, and the customers who stay from period to period.

Pure, and in two halves: `tally` counts a batch, tallies add up, and what is shown is worked out from the
sum. It knows days and amounts, neither segments nor how anything is shown. A month is a number: months
since January 1970. Wholesale customers are left out, as of every figure of an audience.

What the words mean, in calendar months of the audience's time zone:
- **active** at the beginning of a month: has a counted order in the three whole months before it;
- of a period, *B* are active at its beginning and *E* at its end, that is in its last three months
  (of a quarter: within it); *N* of E are new: their first counted order lies in the period;
- **retained** are those of B who are also of E; **reactivated** those of E who are neither of B nor new:
  they had bought before, but not lately. So E = retained + N + reactivated;
- **CRR** is (E − N) / B, as it is commonly written: it also counts the reactivated, and may exceed 1;
- the **retained share** is the strict one: retained / B.
Source: DESIGN §4 for which orders count, and for days.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from syncd.lifecycle.columns import Batch, Days

By = Literal["month", "quarter"]
State = Literal["whole", "unfinished", "early"]

# So many whole months before an instant make somebody active at it.
ACTIVE_MONTHS: Final = 3
MONTHS_OF: Final[dict[By, int]] = {"month": 1, "quarter": 3}

Numbers = NDArray[np.int64]
Counts = Counter[tuple[int, int]]


@dataclass(slots=True, eq=False)
class Tally:
    """What is counted of customers, so that the tallies of batches can be added up."""

    left_out: int = 0  # wholesale customers with an order
    cohorts: Counts = field(default_factory=Counter)  # (cohort, month): who bought in that month
    revenue_minor: Counts = field(default_factory=Counter)  # (cohort, month)
    active: Counts = field(default_factory=Counter)  # (0, month): active at its beginning
    stayed: Counts = field(default_factory=Counter)  # (months, month): active then and `months` before
    returned: Counts = field(default_factory=Counter)  # (cohort, days to the second order day)
    waiting: Counts = field(default_factory=Counter)  # (cohort, days watched since the only order day)

    def add(self, other: Tally) -> None:
        """Afterwards this is the tally of both."""
        self.left_out += other.left_out
        for name in ("cohorts", "revenue_minor", "active", "stayed", "returned", "waiting"):
            getattr(self, name).update(getattr(other, name))


@dataclass(frozen=True, slots=True)
class Period:
    """Who was active at the beginning and the end of a stretch of months, and what became of them.

    `state`: "early" where the first three months of all orders are looked back upon: B is too small to
    say anything; "unfinished" where the period is not over: its end is that of the last day known.
    """

    month: int
    months: int
    state: State
    beginning: int
    ending: int
    new: int
    retained: int

    @property
    def reactivated(self) -> int:
        """Those active at the end who had bought before, but were not active at the beginning."""
        return self.ending - self.new - self.retained

    @property
    def crr(self) -> float | None:
        """(E − N) / B; None unless the period is whole."""
        return (self.ending - self.new) / self.beginning if self.beginning and self.state == "whole" else None

    @property
    def retained_share(self) -> float | None:
        """The share of B that is also of E; None unless the period is whole."""
        return self.retained / self.beginning if self.beginning and self.state == "whole" else None


@dataclass(frozen=True, slots=True)
class Cohort:
    """Those whose first order was in one month: how many bought, and for how much, in month 0, 1, 2 …"""

    month: int
    customers: tuple[int, ...]
    revenue_minor: tuple[int, ...]


def month_of(day: int) -> int:
    """The month in which a day lies."""
    return int(np.datetime64(day, "D").astype("datetime64[M]").astype(np.int64))


def first_day_of(month: int) -> int:
    """The first day of a month."""
    return int(np.datetime64(month, "M").astype("datetime64[D]").astype(np.int64))


def tally(batch: Batch, today: int) -> Tally:
    """What the orders of a batch up to `today` count for."""
    owner = np.repeat(np.arange(len(batch)), np.diff(batch.starts))
    known = batch.order_day <= today
    wholesale = np.unique(owner[known & batch.wholesale[owner]])
    kept = known & ~batch.wholesale[owner]
    if not kept.any():
        return Tally(left_out=len(wholesale))
    # From here on only those with an order are numbered.
    owner, day = np.unique(owner[kept], return_inverse=True)[1], batch.order_day[kept]
    month = day.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
    cohort = month[_first_of_each(owner)]
    once = _first_of_each(owner, month)
    active, stayed = _activity(owner[once], month[once], month_of(today))
    returned, waiting = _second_days(owner, day, cohort, today)
    return Tally(
        len(wholesale),
        _by_months(cohort[owner[once]], month[once]),
        _by_months(cohort[owner], month, batch.order_minor[kept]),
        active,
        stayed,
        returned,
        waiting,
    )


def periods(total: Tally, by: By, *, today: int, over: int, since: int) -> list[Period]:
    """The months or calendar quarters from that of `since`, or of the first order, up to that of `today`.

    Units: days; `over` is the last day that is over: a period is whole as soon as its last day is.
    """
    if not total.cohorts:
        return []
    months, oldest = MONTHS_OF[by], min(cohort for cohort, _ in total.cohorts)
    first = max(month_of(since), oldest) // months * months
    return [
        _period(total, month, months, oldest=oldest, over=over) for month in range(first, month_of(today) + 1, months)
    ]


def _period(total: Tally, month: int, months: int, *, oldest: int, over: int) -> Period:
    after = month + months
    unfinished = first_day_of(after) > over + 1
    return Period(
        month,
        months,
        "unfinished" if unfinished else "early" if month - ACTIVE_MONTHS < oldest else "whole",
        beginning=total.active[0, month],
        ending=total.active[0, after],
        new=sum(total.cohorts[each, each] for each in range(month, after)),
        retained=total.stayed[months, after],
    )


def cohorts(total: Tally, *, today: int, since: int) -> list[Cohort]:
    """The cohorts from the month of `since` on, each up to the month of `today`; months without any are left out."""
    last = month_of(today)
    return [
        Cohort(
            first,
            tuple(total.cohorts[first, month] for month in range(first, last + 1)),
            tuple(total.revenue_minor[first, month] for month in range(first, last + 1)),
        )
        for first in range(month_of(since), last + 1)
        if total.cohorts[first, first]
    ]


def average_shares(shown: Sequence[Cohort], *, whole_until: int) -> list[float]:
    """Of all customers of these cohorts, which share bought in month 0, 1, 2 … after their first.

    Only cohorts for which that month is over count for it; `whole_until` is the last month that is over.
    """
    shares = []
    for age in range(max((len(each.customers) for each in shown), default=0)):
        old = [each for each in shown if each.month + age <= whole_until]
        if old:
            shares.append(sum(each.customers[age] for each in old) / sum(each.customers[0] for each in old))
    return shares


def _activity(owner: Numbers, month: Numbers, last: int) -> tuple[Counts, Counts]:
    """How many are active at the beginning of each month, and were so already 1 and 3 months before."""
    first = int(month.min())
    # A quarter under way ends up to so many months after the last one that is known.
    months = np.arange(first, last + ACTIVE_MONTHS + 1)
    active = np.zeros((int(owner[-1]) + 1, len(months)), bool)
    for later in range(1, ACTIVE_MONTHS + 1):
        active[owner, month - first + later] = True
    stayed: Counts = Counter()
    for apart in MONTHS_OF.values():
        both = np.count_nonzero(active[:, apart:] & active[:, :-apart], axis=0)
        stayed.update({(apart, at): n for at, n in zip(months[apart:].tolist(), both.tolist(), strict=True)})
    counts = np.count_nonzero(active, axis=0).tolist()
    return Counter({(0, at): n for at, n in zip(months.tolist(), counts, strict=True)}), stayed


def _second_days(owner: Numbers, day: Days, cohort: Numbers, today: int) -> tuple[Counts, Counts]:
    """After how many days each came back on another day; and how long the others have been watched."""
    dates = _first_of_each(owner, day)
    owner, day = owner[dates], day[dates]
    first = _first_of_each(owner)
    second = np.minimum(first + 1, len(owner) - 1)
    back = owner[second] == np.arange(len(first))
    # The last customer's only date has no next one to look at.
    back &= second > first
    days = np.where(back, day[second], today) - day[first]
    return (
        Counter(zip(cohort[back].tolist(), days[back].tolist(), strict=True)),
        Counter(zip(cohort[~back].tolist(), days[~back].tolist(), strict=True)),
    )


def _first_of_each(*columns: Numbers) -> Numbers:
    """Where in sorted columns each combination of values begins."""
    changes = np.ones(len(columns[0]), bool)
    changes[1:] = np.any([np.diff(column) != 0 for column in columns], axis=0)
    return np.flatnonzero(changes)


def _by_months(cohort: Numbers, month: Numbers, weights: Numbers | None = None) -> Counts:
    """How often each cohort and month occur together; or what their weights add up to."""
    first, width = int(cohort.min()), int(month.max() - cohort.min()) + 1
    cells = np.zeros(width * width, np.int64)
    np.add.at(cells, (cohort - first) * width + month - first, 1 if weights is None else weights)
    found = np.flatnonzero(cells)
    pairs = zip((found // width + first).tolist(), (found % width + first).tolist(), strict=True)
    return Counter(dict(zip(pairs, cells[found].tolist(), strict=True)))


def total(tallies: Iterable[Tally]) -> Tally:
    """The tally of all."""
    found = Tally()
    for each in tallies:
        found.add(each)
    return found
