"""Values as people and services read them. Knows kinds and decimals, nothing of rules."""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite
from typing import Any

import numpy as np

from syncd.calendar import FIRST_DAY, LAST_DAY, date_of
from syncd.rules.kinds import Kind
from syncd.rules.scope import Column

# More would show how computers calculate: 0.1 + 0.2.
NUMBER_DECIMALS = 6


def shown(column: Column, kind: Kind, currency_exponent: int) -> list[Any]:
    """The values of a column, ready for JSON; None where one is missing.

    Amounts are floats in major units with the currency's decimals; whole numbers and days are ints;
    dates are `YYYY-MM-DD`.
    """
    if kind is Kind.BOOLEAN:
        return list(column.tolist())
    if kind is Kind.TEXT:
        return [text or None for text in column.tolist()]
    decimals = {Kind.MONEY: currency_exponent, Kind.NUMBER: NUMBER_DECIMALS}.get(kind, 0)
    write = _WRITERS.get(kind, int)
    # Adding zero turns -0.0 into 0.0.
    rounded = np.round(column, decimals) + 0.0
    return [write(value) if isfinite(value) else None for value in rounded.tolist()]


def _plain(number: float) -> int | float:
    return int(number) if number.is_integer() else number


def _date(day: float) -> str | None:
    """None for a day that no calendar has room for."""
    return date_of(int(day)).isoformat() if FIRST_DAY <= day <= LAST_DAY else None


_WRITERS: dict[Kind, Callable[[float], Any]] = {Kind.MONEY: float, Kind.NUMBER: _plain, Kind.DATE: _date}
