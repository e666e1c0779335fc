"""What every reading of columns shares: whose and in which terms, and how many numbers are read at once.

It knows how to read many rows without making an object of each, and nothing of what the rows are about.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Executable,
    LargeBinary,
    case,
    cast,
    func,
    literal,
    select,
)

from syncd.history.bought import currency_number
from syncd.history.database import among, is_sqlite
from syncd.lifecycle.columns import Need
from syncd.lifecycle.counting import Spend
from syncd.money import exponent

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Reading:
    """How the orders of an audience are read: whose, from which shops, in which days and which money.

    `rates`: what one unit of a foreign currency is worth in units of `currency`.
    `as_of_end`: orders placed at this instant or later do not exist; None where all do.
    `needs`: the columns that not every batch has, and this reading has.
    """

    audience: str
    shops: tuple[str, ...]
    zone: str
    currency: str
    rates: Mapping[str, Decimal]
    spend: Spend
    pending_counts: bool
    as_of_end: int | None
    needs: frozenset[Need]

    @property
    def currencies(self) -> tuple[str, ...]:
        """Those that count."""
        return (self.currency, *(code for code in self.rates if code != self.currency))


@dataclass(frozen=True, slots=True)
class Stretch:
    """The customers of one batch: their ids, ascending; `dense` where hardly any id between them is missing."""

    ids: Numbers
    dense: bool

    def holds(self, db: Connection, column: ColumnElement[Any]) -> ColumnElement[bool]:
        """A condition that is true of all of them, and of hardly anybody else; see `places`."""
        if self.dense:
            return column.between(int(self.ids[0]), int(self.ids[-1]))
        return among(db, column, self.ids.tolist())

    def places(self, customer: Numbers) -> Numbers:
        """The place of each of these customers in the batch, -1 where it has none."""
        at = np.minimum(np.searchsorted(self.ids, customer), len(self.ids) - 1)
        return np.where(self.ids[at] == customer, at, -1)


def fetch(db: Connection, query: Executable) -> list[Any]:
    """The rows as plain tuples: millions of them are read, and the rest of what a row can do is not used."""
    return list(db.execute(query).cursor.fetchall())


def numbers(db: Connection, query: Any, parameters: Mapping[str, Any] | None = None) -> Numbers:
    """The rows of a query for whole numbers, as a matrix.

    PostgreSQL sends them as one value: its driver takes longer to receive a row than the server to find it.
    """
    width = len(query.selected_columns)
    if is_sqlite(db):
        rows: Any = db.execute(query, parameters).cursor
        flat = np.fromiter(chain.from_iterable(rows), np.int64)
        return flat.reshape(-1, width)
    wide = (cast(column, BigInteger) for column in query.subquery().c)
    first, *more = (func.int8send(column, type_=LargeBinary) for column in wide)
    packed: Any = first
    for column in more:
        packed = packed.op("||")(column)
    data = db.execute(select(func.string_agg(packed, literal(b""))), parameters).scalar() or b""
    return np.frombuffer(data, ">i8").astype(np.int64).reshape(-1, width)


def as_number(*whens: Any, otherwise: int = 0) -> Any:
    """A number that says which of some conditions holds first."""
    return case(*whens, else_=otherwise)


def currency_of(currencies: Sequence[str], column: ColumnElement[Any]) -> Any:
    """A currency by its place among those that count; -1 for any other."""
    return as_number(*((column == code, at) for at, code in enumerate(currencies)), otherwise=-1)


def place_of_currency(reading: Reading, currency: NDArray[Any]) -> Numbers:
    """The same of currencies as packs have them."""
    place = np.full(len(currency), -1, np.int64)
    for at, code in enumerate(reading.currencies):
        place[currency == currency_number(code)] = at
    return place


def converted(minor: Numbers, currency: Numbers, reading: Reading) -> Numbers:
    """The amounts in the audience's minor units, each by itself, halves to even. `currency`: see `currency_of`."""
    for at, code in enumerate(reading.currencies[1:], start=1):
        factor = reading.rates[code].scaleb(exponent(reading.currency) - exponent(code))
        foreign = np.flatnonzero(currency == at)
        minor[foreign] = [int((value * factor).to_integral_value(ROUND_HALF_EVEN)) for value in minor[foreign].tolist()]
    return minor
