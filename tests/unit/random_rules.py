"""An author of random rules and random customers; the same seed writes the same.

Rules are typed and of good depth, with parentheses where they are needed and where not. Orders lie
on the days around which a judgement changes, and today is a day that calendars stumble over.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, timedelta
from random import Random
from typing import Any

from tests.unit import reference

DAY_SPANS = ("1 day", "7 days", "2 weeks", "30 days")
MONTH_SPANS = ("1 month", "3 months", "6 months", "1 year", "13 months", "2 years")
PERIODS = ("ever", "this year", "last year", "this month", "last month")
WINDOWS = DAY_SPANS + MONTH_SPANS + PERIODS
COMPARISONS = ("==", "!=", "<", "<=", ">", ">=")
PERCENTS = ("0", "25", "50", "90", "99.5", "100")
NUMBERS = ("0", "1", "2", "3", "10", "33.33", "50", "99.99", "100", "250.00")
AMOUNTS_MINOR = (1, 1000, 3333, 5000, 9999, 10000, 25000)
SINCE = ("since_first_order", "since_last_order", "since_signup", "since_click")
DATES = ("first_order", "last_order", "next_order", "birthday", "anniversary")
NAMES_OF_PRODUCTS = ("last_product", "matching_product", "favourite_product", "favourite_category", "wished_product")
PLACES = ("", "ES", "FR", "San Juan")
TITLES = ("", "Tea", "tea", "Cup", "STRASSE")
CATEGORIES = ("", "Drinks", "Straße")
SKUS = ("", "T-1", "7")
BIRTHDAYS = (None, (2, 29), (2, 28), (3, 31), (12, 31), (1, 1), (7, 15))
HOURS = (0, 1, 3, 48, 90 * 24)
RATES = (None, 0.0, 0.25, 1.0)
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

    def instant(self, today: date) -> int:
        """Within that day, in UTC."""
        return (today - date(1970, 1, 1)).days * reference.DAY_SECONDS + self.one_of((0, 10_800, 41_234, 86_399))

    def people(self, today: date, segments: Sequence[str]) -> list[reference.Person]:
        days = _edges(today)
        return [self._person(days, segments) for _ in range(self.random.randint(1, 5))]

    def _person(self, days: Sequence[date], segments: Sequence[str]) -> reference.Person:
        orders = [(self.one_of(days), self.one_of(AMOUNTS_MINOR)) for _ in range(self.one_of((0, 1, 2, 3, 5, 8)))]
        return {
            "signup": self.one_of([None, *days]),
            "subscribed": self.chance(0.5),
            "wholesale": self.chance(0.2),
            "country": self.one_of(PLACES),
            "city": self.one_of(PLACES),
            "language": self.one_of(PLACES),
            "orders": orders,
            "lines": [[self._line() for _ in range(self.one_of((0, 1, 1, 2, 3)))] for _ in orders],
            "cart": self.one_of([None, self._cart(days)]),
            "open_rate": self.one_of(RATES),
            "click_rate": self.one_of(RATES),
            "clicked": self.one_of([None, *days]),
            "birthday": self.one_of(BIRTHDAYS),
            "tags": [tag for tag in ("VIP", "Straße") if self.chance(0.4)],
            "wishes": [self.one_of(TITLES) for _ in range(self.one_of((0, 0, 1, 2)))],
            "was_in": {name for name in segments if self.chance(0.5)},
        }

    def _line(self) -> dict[str, Any]:
        return {
            "product": self.one_of(("7", "8", "tea")),
            "title": self.one_of(TITLES),
            "category": self.one_of(CATEGORIES),
            "sku": self.one_of(SKUS),
            "quantity": self.one_of((1, 1, 2, 3)),
            "price": self.one_of((0, 100, 200, 300)),
        }

    def _cart(self, days: Sequence[date]) -> tuple[int, int | None]:
        """Begun around the time at which some hours, some days or its life are over."""
        begun = self.instant(self.one_of(days)) - self.one_of(HOURS) * 3_600 + self.one_of((-1, 0, 1))
        return begun, self.one_of((None, *AMOUNTS_MINOR))

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
            return self.one_of(("subscribed", "wholesale", 'shop_tag("vip")', 'shop_tag("STRASSE")'))
        if self.chance(0.12):
            return self._of_products()
        if self.chance(0.12):
            return f"{self._wrapped(self.date(1))} within {self.one_of(WINDOWS)}"
        if self.chance(0.1):
            return self._compared(lambda: "since_cart", lambda: self.one_of(("0 hours", "1 hour", "3 hours", "2 days")))
        if self.chance(0.1):
            right = self.one_of(("country", "city", '"ES"', '"FR"', '"San Juan"'))
            return f"{self.one_of(('country', 'city', 'language'))} {self.one_of(('==', '!='))} {right}"
        if self.chance(0.25):
            return self._compared(lambda: self.one_of(SINCE), lambda: self.one_of(MONTH_SPANS + DAY_SPANS))
        if self.chance(0.1):
            return self._compared(lambda: "lateness", lambda: f"usual({self.one_of(PERCENTS)})")
        write = self.one_of((self.number, self.amount, self.days, self.date))
        return self._compared(write, write)

    def _of_products(self) -> str:
        if self.chance(0.5):
            thing = self.one_of(
                ('category "drinks"', 'category "STRASSE"', 'product "TEA"', 'product "7"', 'sku "t-1"')
            )
            return f"bought({thing}, {self.one_of(WINDOWS)})"
        name, text = self.one_of(NAMES_OF_PRODUCTS), self.one_of(('"Tea"', '"Cup"', '"Drinks"', *NAMES_OF_PRODUCTS))
        return f"{name} {self.one_of(('==', '!='))} {text}"

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
            return self.one_of(
                ("lateness", f"usual({self.one_of(PERCENTS)})", self._figure("lateness"), self._chance())
            )
        if depth and self.chance(0.15):
            return self._smaller_or_larger(lambda: self.number(depth - 1))
        if self.chance(0.3):
            return self.one_of(("wishes", "open_rate", "click_rate", "months_left", self._figure("click_rate")))
        name = self.one_of(("orders", "orders", "units"))
        return self.one_of((f"{name}({self.one_of(WINDOWS)})", self.one_of(NUMBERS)))

    def _chance(self) -> str:
        chance = f"buy_chance({self.one_of(DAY_SPANS)})"
        return self.one_of((chance, self._figure(chance)))

    def amount(self, depth: int = 2) -> str:
        if depth and self.chance(0.2):
            return self._joined(lambda: self.amount(depth - 1), "*/", lambda: self.one_of(NUMBERS))
        if depth and self.chance(0.3):
            return self._joined(lambda: self.amount(depth - 1), "+-", lambda: self.amount(depth - 1))
        if depth and self.chance(0.1):
            return self._smaller_or_larger(lambda: self.amount(depth - 1))
        if self.chance(0.1):
            return "cart_value"
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
        if depth and self.chance(0.1):
            return self._smaller_or_larger(lambda: self.days(depth - 1))
        measured = self.one_of((*SINCE, "order_gap"))
        return self.one_of((measured, self.one_of(DAY_SPANS), self._figure(measured)))

    def date(self, depth: int = 2) -> str:
        if depth and self.chance(0.3):
            return f"{self.date(depth - 1)} {self.one_of('+-')} {self._wrapped(self.days(0))}"
        return self.one_of((*DATES, self.one_of(TODAYS).isoformat()))

    def place(self) -> str:
        return self.one_of(("country", "city", "language", '"San Juan"', *NAMES_OF_PRODUCTS))

    def _smaller_or_larger(self, write: Callable[[], str]) -> str:
        return f"{self.one_of(('min', 'max'))}({write()}, {write()})"

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
