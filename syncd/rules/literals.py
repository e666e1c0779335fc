"""What stands for itself in a rule: numbers, dates, texts, lengths of time, and windows.

Each function reads one of them from a cursor, or complains at the exact words.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import get_args

from syncd.calendar import Period, Span, Unit, Window, day_of
from syncd.rules.faults import Fault, nearest
from syncd.rules.kinds import Kind
from syncd.rules.names import NAMES, Takes
from syncd.rules.tokens import Cursor, Token
from syncd.rules.tree import WORDS, Argument, Literal, Thing

MAX_DIGITS = 15

_UNITS: dict[str, Unit] = {word: unit for unit in get_args(Unit) for word in (unit, unit.removesuffix("s"))}
_HOURS = ("hour", "hours")
_PERIODS: dict[str, Period] = {period: period for period in get_args(Period)}
_THINGS = ("category", "product", "sku")
# A hundred years of each.
_LONGEST = {"hours": 876_000, "days": 36_500, "weeks": 5_200, "months": 1_200, "years": 100}
# What may follow a number and is no misspelt unit.
_NO_UNITS = frozenset(NAMES) | frozenset(WORDS)
# The words that only a window has.
WINDOW_WORDS = frozenset(_UNITS) | {word for period in _PERIODS for word in period.split()}


def number(cursor: Cursor) -> Literal:
    """A plain number, or a length of time where a unit follows it."""
    if cursor.after.kind == "name" and cursor.after.text.lower() not in _NO_UNITS:
        return length(cursor)
    token = cursor.advance()
    return Literal(token.span, Kind.NUMBER, float(_exact(token)), f"{_exact(token).normalize():f}")


def length(cursor: Cursor) -> Literal:
    """A length of time such as `6 months`; one in hours as days and parts of a day."""
    start, unit = cursor.token.start, cursor.after
    if unit.text in _HOURS:
        hours = _count(cursor, "hours")
        text = f"{hours} hour{'' if hours == 1 else 's'}"
        return Literal(cursor.since(start), Kind.HOURS, hours / 24, text)
    if unit.text not in _UNITS:
        guess = nearest(unit.text, (*_UNITS, *_HOURS)) or "; the units are hours, days, weeks, months and years"
        raise Fault(unit.span, f"unknown unit '{unit.text}'{guess}")
    span = Span(_count(cursor, _UNITS[unit.text]), _UNITS[unit.text])
    kind = Kind.DAYS if span.unit in ("days", "weeks") else Kind.MONTHS
    return Literal(cursor.since(start), kind, span, str(span))


def calendar_date(cursor: Cursor) -> Literal:
    """A date such as `2026-01-31`."""
    token = cursor.advance()
    try:
        day = day_of(date.fromisoformat(token.text))
    except ValueError as err:
        raise Fault(token.span, "there is no such date") from err
    return Literal(token.span, Kind.DATE, float(day), token.text)


def text(cursor: Cursor) -> Literal:
    """A text in double quotes."""
    token = cursor.advance()
    if token.text == '""':
        raise Fault(token.span, "an empty text equals nothing: what is unknown is missing")
    return Literal(token.span, Kind.TEXT, token.text[1:-1], token.text)


def window(cursor: Cursor) -> Window | None:
    """A window such as `6 months`, `this year` or `ever`; None where something else stands here."""
    if cursor.token.kind == "number" and cursor.after.kind == "name":
        return _span(length(cursor), "a window covers at least one day")
    for words in (cursor.token.text, f"{cursor.token.text} {cursor.after.text}"):
        if words in _PERIODS:
            for _ in words.split():
                cursor.advance()
            return _PERIODS[words]
    return None


def plain_length(cursor: Cursor) -> Span | None:
    """A length in days or weeks; None where something else stands here."""
    if cursor.token.kind != "number" or cursor.after.kind != "name":
        return None
    literal = length(cursor)
    if literal.kind is Kind.HOURS:
        raise Fault(literal.span, "it is counted in days or weeks, not in hours")
    if literal.kind is not Kind.DAYS:
        raise Fault(literal.span, "months and years differ in length: write days or weeks here")
    return _span(literal, "it is at least one day")


def percent(cursor: Cursor) -> int | float | None:
    """A number from 0 to 100; None where something else stands here."""
    if cursor.token.kind != "number" or _exact(cursor.token) > 100:
        return None
    value = float(_exact(cursor.advance()))
    return int(value) if value.is_integer() else value


def quoted(cursor: Cursor) -> Literal | None:
    """A text in double quotes; None where something else stands here."""
    return text(cursor) if cursor.token.kind == "text" else None


def thing(cursor: Cursor) -> Thing | None:
    """What was bought, such as `category "tea"`; None where something else stands here."""
    if cursor.token.text not in _THINGS or cursor.after.kind != "text":
        return None
    sort = cursor.advance().text
    return Thing(sort, str(text(cursor).value))


# How to read what stands for itself in the parentheses of a name.
ARGUMENTS: dict[Takes, Callable[[Cursor], Argument | None]] = {
    Takes.WINDOW: window,
    Takes.LENGTH: plain_length,
    Takes.PERCENT: percent,
    Takes.TEXT: quoted,
    Takes.THING: thing,
}


def _span(literal: Literal, at_least: str) -> Span:
    """The span of a length; `at_least` says what it must cover."""
    if not isinstance(literal.value, Span):
        raise Fault(literal.span, "a window is counted in days, weeks, months or years, not in hours")
    if literal.value.count == 0:
        raise Fault(literal.span, at_least)
    return literal.value


def _exact(token: Token) -> Decimal:
    if len(token.text) > MAX_DIGITS:
        raise Fault(token.span, f"a number has at most {MAX_DIGITS} digits")
    return Decimal(token.text)


def _count(cursor: Cursor, unit: str) -> int:
    """How many of the unit; afterwards both words are read."""
    token = cursor.advance()
    if not token.text.isdigit():
        raise Fault(token.span, "a length of time is a whole number of hours, days, weeks, months or years")
    count = int(_exact(token))
    if count > _LONGEST[unit]:
        raise Fault(token.span, f"a length of time is at most {_LONGEST[unit]} {unit}")
    cursor.advance()
    return count
