"""What everybody bought, packed: one row a customer and shop holds all of it as bytes (`bought`).

Read like this, millions of orders take seconds. A pack is derived: the rows stay the truth, and what is marked in
`unpacked` is read from them. So a reader is never behind, and writes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from functools import cache, partial
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    FromClause,
    LargeBinary,
    Select,
    and_,
    bindparam,
    cast,
    delete,
    func,
    literal,
    select,
    union,
)

from syncd.history.bought import CANCELLED, DELETED, LINE, ORDER, TEST, Bought, opened, packed, united
from syncd.history.database import History, among, among_given, given, is_sqlite, lock, put
from syncd.history.reading import Stretch, as_number, fetch, numbers
from syncd.history.schema import customers, order_items, orders, packs, unpacked

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = NDArray[np.int64]

# The condition that a column names one of the customers who are asked for.
_Asked = Callable[[ColumnElement[Any]], ColumnElement[bool]]

AT_ONCE = 10_000


def refresh(history: History) -> None:
    """Afterwards no pack is behind the rows."""
    marked = select(unpacked.c.customer_id).order_by(unpacked.c.customer_id).limit(AT_ONCE)
    while True:
        with history.read() as db:
            ids = list(db.execute(marked).scalars())
        if not ids:
            return
        with history.begin() as db:
            # So that no order changes between its being packed and the end of its mark.
            lock(db, "people")
            asked = _between(ids[0], ids[-1])
            fresh = [pack for part in _fresh(db, asked) for pack in part.packs()]
            put(db, packs, ("customer_id", "shop", "orders", "lines"), fresh)
            db.execute(delete(unpacked).where(asked(unpacked.c.customer_id)))


def read(db: Connection, shops: Sequence[str], stretch: Stretch, *, lines: bool) -> Bought:
    """What the customers of the stretch bought in these shops, by customer and instant, of the same instant by shop
    and id. Without `lines` none is read.
    """
    asked: _Asked = partial(stretch.holds, db)
    fresh = {part.shop: part.bought for part in _fresh(db, asked, shops)}
    parts = []
    for shop in sorted(shops):
        parts.append(opened(sorted(_held(db, asked, shop, lines=lines, but_marked=shop in fresh))))
        if shop in fresh:
            parts.append(fresh[shop])
    bought = united(parts)
    return bought.take(np.flatnonzero(stretch.places(bought.customer) >= 0))


def differing(history: History, ids: Collection[int] | None = None) -> list[int]:
    """The customers (of `ids`, if given) whose packs, with what is marked, are not what the rows say."""
    found: set[int] = set()
    with history.read() as db:
        for asked in _everybody(db) if ids is None else _some(db, sorted(ids)):
            shops = list(db.execute(_shops(asked)).scalars())
            held = {
                (id_, shop, *pack)
                for shop in shops
                for id_, *pack in _held(db, asked, shop, lines=True, but_marked=True)
            }
            held |= {pack for part in _fresh(db, asked, shops) for pack in part.packs()}
            told = {pack for shop in shops for pack in _Part.of(shop, _of_shop(db, shop, asked)).packs()}
            found.update(id_ for id_, _, its_orders, _ in held ^ told if its_orders)
    return sorted(found)


def _everybody(db: Connection) -> Iterator[_Asked]:
    """Ranges of ids that leave none out."""
    first, known = 0, select(customers.c.id).order_by(customers.c.id).limit(AT_ONCE)
    while ids := list(db.execute(known.where(customers.c.id >= first)).scalars()):
        yield _between(first, ids[-1])
        first = ids[-1] + 1
    yield _between(first, 2**62)


def _some(db: Connection, ids: Sequence[int]) -> Iterator[_Asked]:
    for at in range(0, len(ids), AT_ONCE):
        part = ids[at : at + AT_ONCE]
        yield lambda column, part=part: among(db, column, part)  # type: ignore[misc]


def _between(first: int, last: int) -> _Asked:
    return lambda column: column.between(first, last)


def _shops(asked: _Asked) -> Any:
    return union(*(select(table.c.shop).where(asked(table.c.customer_id)) for table in (orders, packs)))


def _held(db: Connection, asked: _Asked, shop: str, *, lines: bool, but_marked: bool) -> list[tuple[int, bytes, bytes]]:
    """(customer, orders, lines) of each pack of a shop as it is stored, `but_marked` without those that are marked;
    `lines` are empty unless they are wanted.
    """
    its_lines = packs.c.lines if lines else literal(b"", LargeBinary)
    query = select(packs.c.customer_id, packs.c.orders, its_lines)
    query = query.where(asked(packs.c.customer_id), packs.c.shop == shop)
    if but_marked:
        same = and_(unpacked.c.customer_id == packs.c.customer_id, unpacked.c.shop == packs.c.shop)
        query = query.where(~select(unpacked.c.shop).where(same).exists())
    return fetch(db, query)


class _Part(NamedTuple):
    """All that these customers bought in a shop."""

    shop: str
    customer: Numbers
    bought: Bought

    @classmethod
    def of(cls, shop: str, bought: Bought) -> _Part:
        """Of all who bought something."""
        return cls(shop, np.unique(bought.customer), bought)

    def packs(self) -> Iterator[tuple[int, str, bytes, bytes]]:
        """(customer, shop, orders, lines) of each customer."""
        for id_, pack in zip(self.customer.tolist(), packed(self.bought, self.customer), strict=True):
            yield id_, self.shop, *pack


def _fresh(db: Connection, asked: _Asked, shops: Sequence[str] | None = None) -> Iterator[_Part]:
    """What of these packs is marked, anew: what is still as it was packed, and the rows from there on."""
    marks = select(unpacked).where(asked(unpacked.c.customer_id)).order_by(unpacked.c.shop, unpacked.c.customer_id)
    if shops is not None:
        marks = marks.where(unpacked.c.shop.in_(shops))
    for shop, marked in groupby(fetch(db, marks), key=itemgetter(1)):
        customer, since = np.array([(id_, since) for id_, _, since in marked], np.int64).T
        kept = opened(sorted(fetch(db, _packs_of(db, shop, customer))))
        kept = kept.take(np.flatnonzero(kept.orders["placed_at"] < since[np.searchsorted(customer, kept.customer)]))
        yield _Part(shop, customer, united([kept, _since_marked(db, shop, customer)]))


def _packs_of(db: Connection, shop: str, customer: Numbers) -> Select[Any]:
    mine = among(db, packs.c.customer_id, customer.tolist())
    return select(packs.c.customer_id, packs.c.orders, packs.c.lines).where(mine, packs.c.shop == shop)


# What the rows say.


def _since_marked(db: Connection, shop: str, customer: Numbers) -> Bought:
    whose = {"ids": given(db, customer.tolist()), "shop": shop}
    return _bought(numbers(db, _rows_since_marked(is_sqlite(db)), whose))


def _of_shop(db: Connection, shop: str, asked: _Asked) -> Bought:
    query = _rows(is_sqlite(db), orders).where(asked(orders.c.customer_id))
    return _bought(numbers(db, query, {"shop": shop}))


@cache
def _rows_since_marked(sqlite: bool) -> Select[Any]:
    asked = and_(among_given(sqlite, unpacked.c.customer_id, "ids"), unpacked.c.shop == bindparam("shop"))
    # With a limit SQLite takes the marks first. Else it would read all orders of these customers.
    marks = select(unpacked).where(asked).limit(_ALL).subquery()
    of_mark = and_(orders.c.customer_id == marks.c.customer_id, orders.c.placed_at >= marks.c.since_at)
    return _rows(sqlite, marks.join(orders, of_mark))


_ALL = 2**62


def _rows(sqlite: bool, source: FromClause) -> Select[Any]:
    # As a plain condition SQLite would begin with the shop and read all of its orders for a single customer.
    of_shop = as_number((orders.c.shop == bindparam("shop"), 1)) == 1
    of_order = and_(order_items.c.shop == orders.c.shop, order_items.c.order_id == orders.c.id)
    state = (
        orders.c.status
        + as_number((orders.c.cancelled, CANCELLED))
        + as_number((orders.c.test, TEST))
        + as_number((orders.c.deleted, DELETED))
    )
    columns: list[ColumnElement[Any]] = [
        *(orders.c.customer_id, orders.c.placed_at, orders.c.paid_minor, orders.c.goods_minor),
        *(orders.c.refunded_minor, orders.c.refunded_goods_minor, _letters(sqlite), state),
        func.coalesce(order_items.c.line, -1),
        *(func.coalesce(order_items.c[name], 0) for name in ("article_id", "quantity", "price_minor")),
    ]
    by_order = (orders.c.customer_id, orders.c.placed_at, orders.c.id, order_items.c.line)
    return select(*columns).select_from(source.outerjoin(order_items, of_order)).where(of_shop).order_by(*by_order)


def _bought(rows: Numbers) -> Bought:
    """Of rows of an order and a line each, or an order and line -1 where it has none."""
    line = rows[:, 8]
    first = np.flatnonzero(line <= 0)
    customer, *facts, letters, state = rows[first, :8].T
    its_lines = rows[line >= 0]
    starts = np.concatenate([[0], np.cumsum(line >= 0)])[np.append(first, len(rows))]
    sold = np.empty(len(first), ORDER)
    for name, column in zip(_FACTS, (*facts, _currency(letters), state, np.diff(starts)), strict=True):
        sold[name] = column
    lines = np.empty(len(its_lines), LINE)
    lines["article"], lines["quantity"], lines["price"] = its_lines[:, 9:].T
    return Bought(customer, sold, starts, lines)


_FACTS = ("placed_at", "paid", "goods", "refunded", "refunded_goods", "currency", "state", "lines")
# A letter of any writing is a number of so many bits.
_BITS = 21


def _letters(sqlite: bool) -> Any:
    """The three letters of the currency as one number."""
    code = func.unicode if sqlite else func.ascii
    letters = (func.coalesce(code(func.substr(orders.c.currency, at, 1)), 0) for at in (1, 2, 3))
    spelled = _joined(*(cast(letter, BigInteger) for letter in letters))
    # To take one apart is a quarter of the time that an order takes.
    return as_number(*((orders.c.currency == code, _joined(*map(ord, code))) for code in _COMMON), otherwise=spelled)


_COMMON = ("EUR", "USD", "GBP")


def _joined(first: Any, second: Any, third: Any) -> Any:
    return first * 2 ** (2 * _BITS) + second * 2**_BITS + third


def _currency(letters: Numbers) -> Numbers:
    """The same as `currency_number`."""
    first, second, third = (letters >> bits & (2**_BITS - 1) for bits in (2 * _BITS, _BITS, 0))
    is_code = (np.maximum(np.maximum(first, second), third) < 128) & (third > 0)
    return np.where(is_code, first << 16 | second << 8 | third, 0)
