"""An author of random rules and random customers; the same seed writes the same.

Rules are typed and of good depth, with parentheses where they are needed and where not. Orders lie
on the days around which a judgement changes, and today is a day that calendars stumble over.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, timedelta
from random import Random

from tests.unit import reference

DAY_SPANS = ("1 day", "7 days", "2 weeks", "30 days")
MONTH_SPANS = ("1 month", "3 months", "6 months", "1 year", "13 months", "2 years")
PERIODS = ("ever", "this year", "last year", "this month", "last month")
WINDOWS = DAY_SPANS + MONTH_SPANS + PERIODS
COMPARISONS = ("==", "!=", "<", "<=", ">", ">=")
PERCENTS = ("0", "25", "50", "90", "99.5", "100")
NUMBERS = ("0", "1", "2", "3", "10", "33.33", "50", "99.99", "100", "250.00")
AMOUNTS_MINOR = (1, 1000, 3333, 5000, 9999, 10000, 25000)
SINCE = ("since_first_order", "since_last_order", "since_signup")
PLACES = ("", "ES", "FR", "San Juan")
TODAYS = (
    date(2024, 2, 29),
    date(2025, 2, 28),
    date(2026, 3, 31),
    date(2026, 7, 15),
    date(2026, 8, 31),
    date(2026, 12, 31),
    date(2027, 1, 1),
    date(2028, 3, 1),
)


class Author:
    """Writes whatever a test needs."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.one_of = self.random.choice

    def chance(self, share: float) -> bool:
        return self.random.random() < share

    # Customers.

    def today(self) -> date:
        return self.one_of(TODAYS)

    def people(self, today: date, segments: Sequence[str]) -> list[reference.Person]:
        days = _edges(today)
        return [self._person(days, segments) for _ in range(self.random.randint(1, 5))]

    def _person(self, days: Sequence[date], segments: Sequence[str]) -> reference.Person:
        return {
            "signup": self.one_of([None, *days]),
            "subscribed": self.chance(0.5),
            "wholesale": self.chance(0.2),
            "country": self.one_of(PLACES),
            "city": self.one_of(PLACES),
            "language": self.one_of(PLACES),
            "orders": [(self.one_of(days), self.one_of(AMOUNTS_MINOR)) for _ in range(self.one_of((0, 1, 2, 3, 5, 8)))],
            "was_in": {name for name in segments if self.chance(0.5)},
        }

    # Rules.

    def rule(self, known: Sequence[str] = (), depth: int = 3) -> str:
        """A rule that may ask for the segments in `known`."""
        if depth == 0 or self.chance(0.2):
            return self._condition(known)
        if self.chance(0.2):
            return f"not {self._wrapped(self.rule(known, depth - 1))}"
        operator = f" {self.one_of(('and', 'or'))} "
        operands = [self._wrapped(self.rule(known, depth - 1)) for _ in range(self.one_of((2, 2, 3)))]
        return operator.join(operands)

    def _condition(self, known: Sequence[str]) -> str:
        if known and self.chance(0.3):
            return f"in({self.one_of(known)})"
        if self.chance(0.1):
            return "subscribed"
        if self.chance(0.1):
            right = self.one_of(("country", "city", '"ES"', '"FR"', '"San Juan"'))
            return f"{self.one_of(('country', 'city', 'language'))} {self.one_of(('==', '!='))} {right}"
        if self.chance(0.25):
            return self._compared(lambda: self.one_of(SINCE), lambda: self.one_of(MONTH_SPANS + DAY_SPANS))
        if self.chance(0.1):
            return self._compared(lambda: "lateness", lambda: f"usual({self.one_of(PERCENTS)})")
        write = self.one_of((self.number, self.amount, self.days, self.date))
        return self._compared(write, write)

    def _compared(self, left: Callable[[], str], right: Callable[[], str]) -> str:
        if self.chance(0.2):
            return f"{left()} between {right()} and {right()}"
        if self.chance(0.5):
            left, right = right, left
        return f"{left()} {self.one_of(COMPARISONS)} {right()}"

    # Values, kind by kind.

    def number(self, depth: int = 2) -> str:
        if depth and self.chance(0.4):
            return self._joined(lambda: self.number(depth - 1), "+-*/", lambda: self.number(depth - 1))
        if depth and self.chance(0.1):
            return f"(({self.amount(depth - 1)}) / ({self._money(depth - 1)}))"
        if self.chance(0.15):
            return self._figure(f"orders({self.one_of(WINDOWS)})")
        if self.chance(0.2):
            return self.one_of(("lateness", f"usual({self.one_of(PERCENTS)})", self._figure("lateness")))
        return self.one_of((f"orders({self.one_of(WINDOWS)})", self.one_of(NUMBERS)))

    def amount(self, depth: int = 2) -> str:
        if depth and self.chance(0.2):
            return self._joined(lambda: self.amount(depth - 1), "*/", lambda: self.one_of(NUMBERS))
        if depth and self.chance(0.3):
            return self._joined(lambda: self.amount(depth - 1), "+-", lambda: self.amount(depth - 1))
        return self.one_of((self._money(0), self._money(0), self._figure(self._money(0)), self.one_of(NUMBERS)))

    def _money(self, depth: int) -> str:
        name = self.one_of(("spend", "spend", "average_order"))
        measured = f"{name}({self.one_of(WINDOWS)})"
        return self._joined(lambda: measured, "+-", lambda: self.amount(depth - 1)) if depth else measured

    def days(self, depth: int = 2) -> str:
        if depth and self.chance(0.3):
            return self._joined(lambda: self.days(depth - 1), "+-", lambda: self.days(depth - 1))
        if depth and self.chance(0.1):
            return self._joined(lambda: self.days(depth - 1), "*/", lambda: self.one_of(NUMBERS))
        if self.chance(0.1):
            return f"({self.date(0)} - {self.date(0)})"
        measured = self.one_of((*SINCE, "order_gap"))
        return self.one_of((measured, self.one_of(DAY_SPANS), self._figure(measured)))

    def date(self, depth: int = 2) -> str:
        if depth and self.chance(0.3):
            return f"{self.date(depth - 1)} {self.one_of('+-')} {self._wrapped(self.days(0))}"
        return self.one_of(("first_order", "last_order", "next_order", self.one_of(TODAYS).isoformat()))

    def place(self) -> str:
        return self.one_of(("country", "city", "language", '"San Juan"'))

    def _figure(self, measured: str) -> str:
        p = self.one_of(PERCENTS)
        return self.one_of((f"mean({measured})", f"percentile({measured}, {p})"))

    def _joined(self, left: Callable[[], str], operators: str, right: Callable[[], str]) -> str:
        text = f"{self._wrapped(left())} {self.one_of(operators)} {self._wrapped(right())}"
        return f"-({text})" if self.chance(0.1) else f"-{text}" if self.chance(0.1) else self._wrapped(text)

    def _wrapped(self, text: str) -> str:
        """In parentheses, or not: then whatever stands around takes its share."""
        return f"({text})" if self.chance(0.4) else text


def _edges(today: date) -> list[date]:
    """Each end of each window, a day before it and a day after it."""
    lengths = (text.split() for text in DAY_SPANS + MONTH_SPANS)
    ends = [reference.Length(int(count), unit.rstrip("s")).before(today) for count, unit in lengths]
    ends += [today, date(today.year, 1, 1), date(today.year - 1, 1, 1), today.replace(day=1)]
    return sorted({day + timedelta(days=shift) for day in ends for shift in (-1, 0, 1)})
