"""Values as people and services read them. Knows kinds and decimals, nothing of rules."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from syncd.calendar import DAY_SECONDS, FIRST_DAY, LAST_DAY, day_by_day
from syncd.rules.kinds import Kind
from syncd.rules.scope import Column

# More would show how computers calculate: 0.1 + 0.2.
NUMBER_DECIMALS = 6
# Below it every whole number has a float of its own.
_EXACT = 2**53


def shown(column: Column, kind: Kind, currency_exponent: int) -> list[Any]:
    """The values of a column, ready for JSON; None where one is missing.

    Amounts are floats in major units with the currency's decimals; whole numbers and days are ints;
    dates are `YYYY-MM-DD`. What has elapsed is in hours and tenths.
    """
    return written(rounded(column, kind, currency_exponent), kind)


def rounded(column: Column, kind: Kind, currency_exponent: int) -> Column:
    """The column with the decimals that are shown, and NaN where nothing can be; texts and truths as they are.

    Where two of its values are the same, the same is shown.
    """
    if kind in (Kind.BOOLEAN, Kind.TEXT):
        return column
    if kind is Kind.ELAPSED:
        column = _hours(column)
    decimals = {Kind.MONEY: currency_exponent, Kind.NUMBER: NUMBER_DECIMALS, Kind.ELAPSED: 1}.get(kind, 0)
    # Adding zero turns -0.0 into 0.0.
    found = np.round(column, decimals) + 0.0
    exists = np.isfinite(found)
    if kind is Kind.DATE:
        exists &= (found >= FIRST_DAY) & (found <= LAST_DAY)
    return np.where(exists, found, np.nan)


def written(column: Column, kind: Kind) -> list[Any]:
    """The values of a rounded column; see `shown`."""
    if kind is Kind.BOOLEAN:
        return list(column.tolist())
    if kind is Kind.TEXT:
        return [text or None for text in column.tolist()]
    exists = ~np.isnan(column)
    values = np.full(len(column), None)
    values[exists] = _WRITERS[kind](column[exists])
    return list(values.tolist())


def _hours(days: Column) -> Column:
    """Days as hours and tenths, rounded down: three hours are not shown before they are over."""
    hours: Column = np.floor(np.rint(days * DAY_SECONDS) / 360) / 10
    return hours


def _numbers(numbers: Column) -> Any:
    """Whole ones as ints."""
    if np.all((numbers == np.trunc(numbers)) & (np.abs(numbers) < _EXACT)):
        return numbers.astype(np.int64)
    return [int(number) if number.is_integer() else number for number in numbers.tolist()]


def _dates(days: NDArray[np.int64]) -> NDArray[Any]:
    return np.datetime_as_string(days.astype("datetime64[D]")).astype(object)


# From a column without missing values.
_WRITERS: dict[Kind, Callable[[Column], Any]] = {
    Kind.MONEY: lambda amounts: amounts,
    Kind.NUMBER: _numbers,
    Kind.DAYS: lambda days: days.astype(np.int64),
    Kind.AGE: lambda days: days.astype(np.int64),
    Kind.ELAPSED: lambda hours: hours,
    Kind.DATE: lambda days: day_by_day(days.astype(np.int64), _dates),
}
