"""A second rule interpreter, as simple as can be: the judge over the one that syncd ships.

Written from the design alone and sharing no code with syncd. It takes one customer at a time, as a
plain dictionary with dates and whole minor units, and follows the words of the design: a window is
a question asked of each order, a missing value is None, and nothing is clever.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from fractions import Fraction
from itertools import pairwise
from typing import Any

# A customer: id, signup (date or None), subscribed, wholesale, country, city, language,
# orders [(date, minor units)], was_in {names}; and where a rule asks for it
# lines [those of each order: {product, title, category, sku, quantity, price}], cart (UTC seconds, minor units or
# None), open_rate, click_rate, clicked (date or None), birthday (month, day), tags, wishes [titles].
Person = dict[str, Any]

WORDS = re.compile(r'\d{4}-\d\d-\d\d|\d+(?:\.\d+)?|"[^"]*"|[a-z_]+|[<>=!]=|[-+*/()<>,]')
UNITS = ("hour", "day", "week", "month", "year")
DAY_SECONDS = 86_400
# What is bought together with what.
COMPANIONS = {"Tea": "Cup", "tea": "Tea", "Cup": "STRASSE"}
# The fitted model of buying, its day, and how far off it would have been for each length.
MODEL = {"r": 0.6, "alpha": 60.0, "a": 0.8, "b": 1.2}
MODEL_DAY = date(2024, 2, 1)
MODEL_ERRORS = {"30 days": 0.03, "2 weeks": 0.1, "7 days": 0.11, "1 day": None}


@dataclass
class World:
    """Everything that a rule may ask for besides the customer."""

    today: date
    exponent: int
    people: Sequence[Person]
    segments: dict[str, tuple[str, str | None, str | None]] = field(default_factory=dict)  # when, stay_while, fallback
    figures: dict[Any, float | None] = field(default_factory=dict)  # known so far
    inside: dict[tuple[str, int], bool] = field(default_factory=dict)  # known so far
    enough_gaps: int = 200
    enough_days: int = 180
    now: int | None = None  # UTC seconds; the beginning of today in UTC where none is given

    @property
    def instant(self) -> int:
        return (self.today - date(1970, 1, 1)).days * DAY_SECONDS if self.now is None else self.now


@dataclass(frozen=True)
class Length:
    """A length of calendar time."""

    count: int
    unit: str

    def before(self, day: date) -> date:
        """The day so long before `day`; a month too short ends on its last day."""
        if self.unit in ("day", "week"):
            return day - timedelta(days=self.count * (7 if self.unit == "week" else 1))
        year, month = day.year, day.month
        for _ in range(self.count * (12 if self.unit == "year" else 1)):
            year, month = (year - 1, 12) if month == 1 else (year, month - 1)
        for last in (day.day, 30, 29, 28):
            try:
                return date(year, month, min(last, day.day))
            except ValueError:
                continue
        raise AssertionError("every month has 28 days")


def holds(rule: str, person: Person, world: World) -> bool:
    """Whether the rule is true of the person."""
    result = value(rule, person, world)
    assert isinstance(result, bool)
    return result


def value(expression: str, person: Person, world: World) -> Any:
    """A bool, a float, a date, a text, or None for missing."""
    reader = Reader(expression, person, world)
    result = reader.disjunction()
    assert reader.words == [], f"left over: {reader.words}"
    return result


def is_in(name: str, person: Person, world: World) -> bool:
    """Whether the person is in the segment."""
    key = name, id(person)
    if key not in world.inside:
        world.inside[key] = _is_in(name, person, world)
    return world.inside[key]


def _is_in(name: str, person: Person, world: World) -> bool:
    """By its rule, or still in by its weaker one; or by its fallback."""
    when, stay_while, fallback = world.segments[name]
    if fallback is not None and "usual" in f"{when} {stay_while}" and usual(50, world) is None:
        return holds(fallback, person, world)
    if holds(when, person, world):
        return True
    return stay_while is not None and name in person["was_in"] and holds(stay_while, person, world)


def orders_in(window: Any, person: Person, today: date) -> list[tuple[date, int]]:
    """The person's orders in a window; those after today do not exist."""
    return [(day, minor) for day, minor in person["orders"] if day <= today and lies_in(day, window, today)]


def lies_in(day: date, window: Any, today: date) -> bool:
    """Whether a day that is not after today lies in the window."""
    if isinstance(window, Length):
        return day > window.before(today)
    month = (today.year, today.month)
    before = (today.year, today.month - 1) if today.month > 1 else (today.year - 1, 12)
    return {
        "ever": True,
        "this year": day.year == today.year,
        "last year": day.year == today.year - 1,
        "this month": (day.year, day.month) == month,
        "last month": (day.year, day.month) == before,
    }[window]


def covers(window: Any, day: date | None, today: date) -> bool:
    """Whether a date lies in the window, the days to come of this month and this year among them."""
    if day is None:
        return False
    if window == "this month":
        return (day.year, day.month) == (today.year, today.month)
    if window == "this year":
        return day.year == today.year
    return window == "ever" or (day <= today and lies_in(day, window, today))


def baskets(window: Any, person: Person, today: date) -> list[list[dict[str, Any]]]:
    """The lines of each order in the window, the latest order last."""
    every = sorted(zip(person["orders"], person["lines"], strict=True), key=lambda sale: sale[0][0])
    return [lines for (day, _), lines in every if day <= today and lies_in(day, window, today)]


def last_product(person: Person, today: date) -> str | None:
    """The title of what was worth most in the last order."""
    every = baskets("ever", person, today)
    titled = [line for line in every[-1] if line["title"]] if every else []
    return max(titled, key=lambda line: line["price"] * line["quantity"])["title"] if titled else None


def matching_product(person: Person, today: date) -> str | None:
    """What goes with the last product, unless it was bought."""
    companion = COMPANIONS.get(last_product(person, today) or "")
    sold = {line["title"] for lines in baskets("ever", person, today) for line in lines}
    return None if companion in sold else companion


def buy_chance(within: Length, person: Person, today: date) -> float | None:
    """The chance to be there still, times that of an order in that time, in whole per cents."""
    days = sorted({day for day, _ in orders_in("ever", person, today)})
    error = MODEL_ERRORS[f"{within.count} {within.unit}{'s' if within.count > 1 else ''}"]
    if not days or error is None or error > 0.1:
        return None
    r, alpha, a, b = MODEL.values()
    x, last, age = len(days) - 1, (days[-1] - days[0]).days, (max(MODEL_DAY, days[-1]) - days[0]).days
    there = 1 / (1 + a / (b + x) * ((alpha + age) / (alpha + last)) ** (r + x))
    ahead = (today - within.before(today)).days
    return round(there * (1 - ((alpha + age) / (alpha + age + ahead)) ** (r + x)), 2)


def favourite(sort: str, person: Person, today: date) -> str | None:
    """What is in the most orders; of equals what was bought later, then what comes first in the alphabet."""
    orders = [{line[sort] for line in lines if line[sort]} for lines in baskets("ever", person, today)]

    def rank(text: str) -> tuple[int, int, str]:
        holding = [at for at, texts in enumerate(orders) if text in texts]
        return -len(holding), -holding[-1], text

    return min(set().union(*orders), key=rank, default=None)


def is_bought(sort: str, text: str, window: Any, person: Person, today: date) -> bool:
    """Whether an order in the window has such a line; capitals do not matter."""
    keys = ("title", "product") if sort == "product" else (sort,)
    sold = (line[key] for lines in baskets(window, person, today) for line in lines for key in keys)
    return text.casefold() in {one.casefold() for one in sold}


def in_year(month: int, day: int, year: int) -> date:
    """This day of a year; where there is no 29 February it is the 28th."""
    try:
        return date(year, month, day)
    except ValueError:
        return date(year, month, 28)


def gaps_of(person: Person, today: date) -> list[int]:
    """The days between one order day and the next."""
    days = sorted({day for day, _ in orders_in("ever", person, today)})
    return [(later - earlier).days for earlier, later in pairwise(days)]


def retail_gaps(world: World) -> list[list[int]]:
    return [gaps_of(person, world.today) for person in world.people if not person["wholesale"]]


def typical_gap(world: World) -> float | None:
    """The geometric mean of all gaps of retail customers."""
    every = [gap for gaps in retail_gaps(world) for gap in gaps]
    return to_the_grid(math.exp(math.fsum(map(math.log, every)) / len(every))) if every else None


def usual_gap(gaps: Sequence[int], world: World) -> float | None:
    """Of somebody with these gaps behind them: five typical ones are added."""
    typical = once("typical gap", world, lambda: typical_gap(world))
    if typical is None:
        return None
    logs = [math.log(gap) for gap in gaps] + [math.log(typical)] * 5
    return to_the_grid(math.exp(math.fsum(logs) / len(logs)))


def to_the_grid(days: float) -> float:
    """Usual gaps are whole multiples of 2^-20 days, so that 30 days are 30 days."""
    return round(days * 2**20) / 2**20


def usual(p: float, world: World) -> float | None:
    """The lateness below which p % of the completed gaps ended; None where the history is too small to tell."""
    customers = retail_gaps(world)
    first = [day for person in world.people if not person["wholesale"] for day, _ in person["orders"]]
    days = (world.today - min(first, default=world.today)).days
    if sum(map(len, customers)) < max(1, world.enough_gaps) or days < world.enough_days:
        return None
    lateness = []
    for gaps in customers:
        for at, gap in enumerate(gaps):
            known = usual_gap(gaps[:at], world)
            assert known is not None
            lateness.append(gap / known)
    return percentile(lateness, p)


def once(key: Any, world: World, work_out: Any) -> float | None:
    if key not in world.figures:
        world.figures[key] = work_out()
    return world.figures[key]


def percentile(values: list[float], p: float) -> float:
    """Interpolated linearly between neighbours."""
    values = sorted(values)
    place = (len(values) - 1) * p / 100
    low, high = values[math.floor(place)], values[math.ceil(place)]
    return low + (high - low) * (place - math.floor(place))


def figure(name: str, expression: str, p: float | None, world: World) -> float | None:
    """mean(x) and percentile(x, p) over retail customers who ordered."""
    values = []
    for person in world.people:
        if orders_in("ever", person, world.today) and not person["wholesale"]:
            one = value(expression, person, world)
            if one is not None:
                values.append(plain(one))
    if not values:
        return None
    if name == "mean":
        return math.fsum(values) / len(values)
    assert p is not None
    return percentile(values, p)


@dataclass(frozen=True)
class Elapsed:
    """How long ago an instant was."""

    seconds: int


@dataclass(frozen=True)
class Since:
    """How long ago something was: days, which months can be held against."""

    day: date
    today: date

    @property
    def days(self) -> int:
        return (self.today - self.day).days

    def compare(self, operator: str, length: Length) -> bool:
        """`since >= W` means: not in window W; `since < W`: in it; `>`: strictly before it begins."""
        edge = length.before(self.today)
        inside = self.day > edge
        return {
            ">=": not inside,
            "<": inside,
            ">": not inside and self.day != edge,
            "<=": inside or self.day == edge,
            "==": self.day == edge,
            "!=": self.day != edge,
        }[operator]


class Reader:
    """Recursive descent that works out what it reads at once, for one person."""

    def __init__(self, expression: str, person: Person, world: World) -> None:
        self.words = WORDS.findall(expression)
        assert "".join("".join(self.words).split()) == "".join(expression.split()), "a sign was not understood"
        self.person = person
        self.world = world

    def next_is(self, *words: str) -> bool:
        return bool(self.words) and self.words[0] in words

    def take(self, *words: str) -> bool:
        if self.next_is(*words):
            self.words.pop(0)
            return True
        return False

    def disjunction(self) -> Any:
        result = self.conjunction()
        while self.take("or"):
            right = self.conjunction()
            result = result or right
        return result

    def conjunction(self) -> Any:
        result = self.inversion()
        while self.take("and"):
            right = self.inversion()
            result = result and right
        return result

    def inversion(self) -> Any:
        if self.take("not"):
            return not self.inversion()
        return self.comparison()

    def comparison(self) -> Any:
        left = self.sum()
        if self.take("between"):
            low = self.sum()
            assert self.take("and")
            high = self.sum()
            return compare(left, ">=", low) and compare(left, "<=", high)
        if self.take("within"):
            window = self.bare_window()
            return left is not None and all(covers(window, day, self.world.today) for day in dates_around(left))
        if self.next_is("==", "!=", "<", "<=", ">", ">="):
            operator = self.words.pop(0)
            return compare(left, operator, self.sum())
        return left

    def sum(self) -> Any:
        result = self.product()
        while self.next_is("+", "-"):
            result = calculate(result, self.words.pop(0), self.product())
        return result

    def product(self) -> Any:
        result = self.factor()
        while self.next_is("*", "/"):
            result = calculate(result, self.words.pop(0), self.factor())
        return result

    def factor(self) -> Any:
        if self.take("-"):
            operand = self.factor()
            return None if operand is None else -plain(operand)
        if self.take("("):
            result = self.disjunction()
            assert self.take(")")
            return result
        word = self.words.pop(0)
        if word[0] == '"':
            return word[1:-1]
        if re.fullmatch(r"\d{4}-\d\d-\d\d", word):
            return date.fromisoformat(word)
        if word[0].isdigit():
            length = self.length(word)
            return float(word) if length is None else length
        return self.name(word)

    def length(self, count: str) -> Length | None:
        for unit in UNITS:
            if self.take(unit, f"{unit}s"):
                return Length(int(count), unit)
        return None

    def window(self) -> Any:
        assert self.take("(")
        window = self.bare_window()
        assert self.take(")")
        return window

    def bare_window(self) -> Any:
        word = self.words.pop(0)
        if word[0].isdigit():
            return self.length(word)
        return word if word == "ever" else f"{word} {self.words.pop(0)}"

    def name(self, word: str) -> Any:
        person, today = self.person, self.world.today
        if word in ("spend", "orders", "average_order"):
            orders = orders_in(self.window(), person, today)
            minor = sum(minor for _, minor in orders)
            if word == "orders":
                return float(len(orders))
            count = 1 if word == "spend" else len(orders)
            return float(Fraction(minor, count * 10**self.world.exponent)) if count else None
        if word in ("first_order", "last_order", "since_first_order", "since_last_order"):
            days = sorted(day for day, _ in orders_in("ever", person, today))
            if not days:
                return None
            day = days[0] if "first" in word else days[-1]
            return Since(day, today) if word.startswith("since") else day
        if word in ("order_gap", "lateness", "next_order"):
            return self.rhythm(word)
        if word == "usual":
            assert self.take("(")
            p = float(self.words.pop(0))
            assert self.take(")")
            return once(("usual", p), self.world, lambda: usual(p, self.world))
        if word == "since_signup":
            known = person["signup"] is not None and person["signup"] <= today
            return Since(person["signup"], today) if known else None
        if word == "in":
            return self.membership()
        if word in ("min", "max"):
            return self.smaller_or_larger(word)
        if word in PRODUCTS:
            return self.product_name(word)
        if word == "buy_chance":
            return buy_chance(self.window(), person, today)
        if word in RECORDS:
            return RECORDS[word](person, self.world)
        if word == "shop_tag":
            assert self.take("(")
            tag = self.words.pop(0)[1:-1]
            assert self.take(")")
            return tag.casefold() in {one.casefold() for one in person["tags"]}
        if word in ("mean", "percentile"):
            return self.figure(word)
        return person[word] if word in ("subscribed", "wholesale") else person[word] or None

    def smaller_or_larger(self, word: str) -> float | None:
        assert self.take("(")
        one = self.sum()
        assert self.take(",")
        other = self.sum()
        assert self.take(")")
        if one is None or other is None:
            return None
        return (min if word == "min" else max)(plain(one), plain(other))

    def product_name(self, word: str) -> Any:
        person, today = self.person, self.world.today
        if word == "units":
            return float(sum(line["quantity"] for lines in baskets(self.window(), person, today) for line in lines))
        if word == "bought":
            assert self.take("(")
            sort, text = self.words.pop(0), self.words.pop(0)[1:-1]
            assert self.take(",")
            window = self.bare_window()
            assert self.take(")")
            return is_bought(sort, text, window, person, today)
        if word == "last_product":
            return last_product(person, today)
        if word == "matching_product":
            return matching_product(person, today)
        return favourite("title" if word == "favourite_product" else "category", person, today)

    def rhythm(self, word: str) -> float | date | None:
        days = [day for day, _ in orders_in("ever", self.person, self.world.today)]
        gap = usual_gap(gaps_of(self.person, self.world.today), self.world) if days else None
        if gap is None:
            return None
        if word == "order_gap":
            return gap
        since = (self.world.today - max(days)).days
        return since / gap if word == "lateness" else max(days) + timedelta(days=round(gap))

    def membership(self) -> bool:
        assert self.take("(")
        name = ""
        while not self.take(")"):
            name += self.words.pop(0)
        return is_in(name, self.person, self.world)

    def figure(self, word: str) -> float | None:
        """Finds where the expression ends, then works it out for everybody."""
        assert self.take("(")
        depth, inner = 0, []
        while depth or not self.next_is(",", ")"):
            depth += {"(": 1, ")": -1}.get(self.words[0], 0)
            inner.append(self.words.pop(0))
        p = None
        if self.take(","):
            p = float(self.words.pop(0))
        assert self.take(")")
        key = word, " ".join(inner), p
        return once(key, self.world, lambda: figure(*key, self.world))


PRODUCTS = ("units", "bought", "last_product", "matching_product", "favourite_product", "favourite_category")


def open_cart(person: Person, world: World) -> tuple[int, int | None] | None:
    """The cart, if it is begun and not yet 90 days old."""
    cart: tuple[int, int | None] | None = person["cart"]
    return cart if cart and 0 <= world.instant - cart[0] < 90 * DAY_SECONDS else None


def cart_value(person: Person, world: World) -> float | None:
    cart = open_cart(person, world)
    return None if cart is None or cart[1] is None else float(Fraction(cart[1], 10**world.exponent))


def since_cart(person: Person, world: World) -> Elapsed | None:
    cart = open_cart(person, world)
    return Elapsed(world.instant - cart[0]) if cart else None


def since_click(person: Person, world: World) -> Since | None:
    day = person["clicked"]
    return Since(day, world.today) if day and day <= world.today else None


def anniversary(person: Person, world: World) -> date | None:
    first = min((day for day, _ in orders_in("ever", person, world.today)), default=world.today)
    return in_year(first.month, first.day, world.today.year) if first.year < world.today.year else None


def birthday(person: Person, world: World) -> date | None:
    return in_year(*person["birthday"], world.today.year) if person["birthday"] else None


# What is told of a person, or of the calendar.
RECORDS: dict[str, Callable[[Person, World], Any]] = {
    "cart_value": cart_value,
    "since_cart": since_cart,
    "since_click": since_click,
    "anniversary": anniversary,
    "birthday": birthday,
    "open_rate": lambda person, world: person["open_rate"],
    "click_rate": lambda person, world: person["click_rate"],
    "wishes": lambda person, world: float(len(person["wishes"])),
    "wished_product": lambda person, world: next((title for title in person["wishes"] if title), None),
    "months_left": lambda person, world: float(12 - world.today.month + 1),
}


def dates_around(one: Any) -> list[date | None]:
    """The date itself; of a calculated one the days before and after it, None where calendars do not reach."""
    number, epoch = plain(one), date(1970, 1, 1)
    low, high = ((date(year, 1, 1) - epoch).days for year in (1900, 9000))
    near = (math.floor(number), math.ceil(number))
    return [epoch + timedelta(days=day) if low <= day <= high else None for day in near]


def compare(left: Any, operator: str, right: Any) -> bool:
    """False wherever a value is missing."""
    if left is None or right is None:
        return False
    if isinstance(left, Elapsed) or isinstance(right, Elapsed):
        left, right = seconds(left), seconds(right)
    if isinstance(left, Since) and isinstance(right, Length) and right.unit in ("month", "year"):
        return left.compare(operator, right)
    if isinstance(right, Since) and isinstance(left, Length) and left.unit in ("month", "year"):
        mirrored = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}.get(operator, operator)
        return right.compare(mirrored, left)
    if isinstance(left, str):
        assert isinstance(right, str)
        return (left == right) == (operator == "==")
    a, b = plain(left), plain(right)
    return {"==": a == b, "!=": a != b, "<": a < b, "<=": a <= b, ">": a > b, ">=": a >= b}[operator]


def seconds(one: Any) -> float:
    """A length of time in seconds; a plain one is in days."""
    if isinstance(one, Elapsed):
        return one.seconds
    if isinstance(one, Length) and one.unit == "hour":
        return one.count * 3_600
    return plain(one) * DAY_SECONDS


def plain(one: Any) -> float:
    """Anything that can be calculated with as a float; dates count days since 1970."""
    if isinstance(one, date):
        return float((one - date(1970, 1, 1)).days)
    if isinstance(one, Length):
        assert one.unit in ("day", "week"), "months cannot be calculated with"
        return float(one.count * (7 if one.unit == "week" else 1))
    return float(one.days if isinstance(one, Since) else one)


def calculate(left: Any, operator: str, right: Any) -> Any:
    """Missing wherever a value is missing, or the result is not finite."""
    if left is None or right is None:
        return None
    a, b = plain(left), plain(right)
    if operator == "/" and b == 0:
        return None
    result = {"+": lambda: a + b, "-": lambda: a - b, "*": lambda: a * b, "/": lambda: a / b}[operator]()
    return result if math.isfinite(result) else None
