"""The kinds of values, and which of them can be compared and combined. Knows no names and no numbers.

A kind is what a value measures: 250 may be an amount, a count or a number of days, and mixing them
up is the commonest mistake in a rule. A plain number is welcome where an amount is expected.
"""

from __future__ import annotations

from enum import Enum


class Kind(Enum):
    """What a value measures; the text is how an error names it."""

    NUMBER = "a number"
    MONEY = "an amount of money"
    DAYS = "a number of days"
    AGE = "a length of time"  # since a day of the past; the only thing that months and years measure
    MONTHS = "a length in months or years"  # as many days as the calendar gives it, counted back from today
    ELAPSED = "a length of hours or days"  # since an instant, to the second
    HOURS = "a length in hours"
    DATE = "a date"
    TEXT = "a text"
    BOOLEAN = "true or false"
    WINDOW = "a window"  # behind `within`


N, M, D, A, C, T = Kind.NUMBER, Kind.MONEY, Kind.DAYS, Kind.AGE, Kind.MONTHS, Kind.DATE
E, H = Kind.ELAPSED, Kind.HOURS

# What may stand on the other side of a comparison.
COMPARABLE: dict[Kind, frozenset[Kind]] = {
    Kind.NUMBER: frozenset({N, M}),
    Kind.MONEY: frozenset({M, N}),
    Kind.DAYS: frozenset({D, A, E}),
    Kind.AGE: frozenset({A, D, C}),
    Kind.MONTHS: frozenset({A}),
    Kind.ELAPSED: frozenset({E, H, D}),
    Kind.HOURS: frozenset({E}),
    Kind.DATE: frozenset({T}),
    Kind.TEXT: frozenset({Kind.TEXT}),
    Kind.BOOLEAN: frozenset(),
    Kind.WINDOW: frozenset(),
}

# An example of each kind, in the words of an error that asks for it.
EXAMPLE: dict[Kind, str] = {
    Kind.NUMBER: "a number such as `3`",
    Kind.MONEY: "an amount such as `250`",
    Kind.DAYS: "a length such as `30 days`",
    Kind.AGE: "a length such as `30 days` or `6 months`",
    Kind.MONTHS: "`since_last_order` or the like",
    Kind.ELAPSED: "a length such as `3 hours` or `2 days`",
    Kind.HOURS: "`since_cart`",
    Kind.DATE: "a date such as `2026-01-31`",
    Kind.TEXT: 'a text such as `"ES"`',
}

# What can be averaged over customers.
MEASURES = frozenset({N, M, D, A})

_RESULTS: dict[tuple[Kind, str, Kind], Kind] = {
    (N, "+", N): N,
    (M, "+", M): M,
    (M, "+", N): M,
    (N, "+", M): M,
    (D, "+", D): D,
    (T, "+", D): T,
    (D, "+", T): T,
    (N, "-", N): N,
    (M, "-", M): M,
    (M, "-", N): M,
    (N, "-", M): M,
    (D, "-", D): D,
    (T, "-", D): T,
    (T, "-", T): D,
    (N, "*", N): N,
    (M, "*", N): M,
    (N, "*", M): M,
    (D, "*", N): D,
    (N, "*", D): D,
    (N, "/", N): N,
    (M, "/", N): M,
    (M, "/", M): N,
    (N, "/", M): N,
    (D, "/", N): D,
    (D, "/", D): N,
}


def settled(kind: Kind) -> Kind:
    """The kind of a value once something was calculated from it: an age is then a number of days."""
    return Kind.DAYS if kind is Kind.AGE else kind


def common(left: Kind, right: Kind) -> Kind | None:
    """The kind of whichever of two is the smaller, None where they measure different things."""
    kinds = {settled(left), settled(right)}
    if kinds == {N, M}:
        return M
    return kinds.pop() if len(kinds) == 1 and kinds < MEASURES else None


def combined(left: Kind, operator: str, right: Kind) -> Kind | None:
    """The kind of `left operator right`, None where that means nothing."""
    return _RESULTS.get((settled(left), operator, settled(right)))
