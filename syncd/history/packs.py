"""What everybody bought, packed: one row a customer and shop holds all of it as bytes (`bought`).

Read like this, millions of orders take seconds. A pack is derived: the rows stay the truth, and what is marked in
`unpacked` is read from them. So a reader is never behind, and writes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import numpy as np
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    FromClause,
    LargeBinary,
    Select,
    and_,
    cast,
    delete,
    func,
    literal,
    select,
    true,
    union,
)

from syncd.history.bought import CANCELLED, DELETED, LINE, ORDER, TEST, Bought, opened, packed, united
from syncd.history.database import History, among, is_sqlite, lock, put
from syncd.history.reading import Stretch, as_number, fetch, numbers
from syncd.history.schema import customers, order_items, orders, packs, unpacked

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = NDArray[np.int64]
    Packs = dict[tuple[int, str], tuple[bytes, bytes]]  # by customer and shop

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
            rows = [(*key, *pack) for key, pack in _fresh(db, asked).items()]
            put(db, packs, ("customer_id", "shop", "orders", "lines"), rows)
            db.execute(delete(unpacked).where(asked(unpacked.c.customer_id)))


def read(db: Connection, shops: Sequence[str], stretch: Stretch, *, lines: bool) -> Bought:
    """What the customers of the stretch bought in these shops, by customer and instant, of the same instant by shop
    and id. Without `lines` none is read.
    """
    held = sorted(_held(db, lambda column: stretch.holds(db, column), shops, lines=lines))
    ids = np.fromiter(map(itemgetter(0), held), np.int64)
    mine = stretch.places(ids) >= 0
    if not mine.all():
        held = [row for row, is_mine in zip(held, mine.tolist(), strict=True) if is_mine]
    bought = opened([(id_, its_orders, its_lines) for id_, _, its_orders, its_lines in held])
    in_several_shops = np.any(np.diff(ids) == 0)
    return united([bought]) if in_several_shops else bought


def differing(history: History, ids: Collection[int] | None = None) -> list[int]:
    """The customers (of `ids`, if given) whose packs, with what is marked, are not what the rows say."""
    found: set[int] = set()
    with history.read() as db:
        for asked in _everybody(db) if ids is None else _some(db, sorted(ids)):
            shops = list(db.execute(_shops(asked)).scalars())
            held = {(id_, shop): tuple(pack) for id_, shop, *pack in _held(db, asked, shops, lines=True) if pack[0]}
            told = {key: pack for shop in shops for key, pack in _packed(_of_shop(db, shop, asked), shop).items()}
            found.update(id_ for (id_, _), _ in held.items() ^ told.items())
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


def _held(db: Connection, asked: _Asked, shops: Sequence[str], *, lines: bool) -> list[Any]:
    """(customer, shop, orders, lines) of each pack as it should be; `lines` are empty unless they are wanted."""
    its_lines = packs.c.lines if lines else literal(b"", LargeBinary)
    query = select(packs.c.customer_id, packs.c.shop, packs.c.orders, its_lines)
    rows = fetch(db, query.where(asked(packs.c.customer_id), packs.c.shop.in_(shops)))
    fresh = _fresh(db, asked, shops)
    if not fresh:
        return rows
    return [row for row in rows if row[:2] not in fresh] + [
        (*key, its_orders, its_lines if lines else b"") for key, (its_orders, its_lines) in fresh.items()
    ]


def _fresh(db: Connection, asked: _Asked, shops: Sequence[str] | None = None) -> Packs:
    """What of these packs is marked, packed anew: what is still as it was packed, and the rows from there on."""
    marks = select(unpacked).where(asked(unpacked.c.customer_id)).order_by(unpacked.c.shop, unpacked.c.customer_id)
    if shops is not None:
        marks = marks.where(unpacked.c.shop.in_(shops))
    fresh: Packs = {}
    for shop, marked in groupby(fetch(db, marks), key=itemgetter(1)):
        customer, since = np.array([(id_, since) for id_, _, since in marked], np.int64).T
        kept = opened(sorted(fetch(db, _packs_of(db, shop, customer))))
        kept = kept.take(np.flatnonzero(kept.orders["placed_at"] < since[np.searchsorted(customer, kept.customer)]))
        fresh |= _packed(united([kept, _since_marked(db, shop, customer)]), shop, customer)
    return fresh


def _packs_of(db: Connection, shop: str, customer: Numbers) -> Select[Any]:
    mine = among(db, packs.c.customer_id, customer.tolist())
    return select(packs.c.customer_id, packs.c.orders, packs.c.lines).where(mine, packs.c.shop == shop)


def _packed(bought: Bought, shop: str, customer: Numbers | None = None) -> Packs:
    """The packs of these customers; without them, of all who bought something."""
    whose = np.unique(bought.customer) if customer is None else customer
    return {(id_, shop): pack for id_, pack in zip(whose.tolist(), packed(bought, whose), strict=True)}


# What the rows say.


def _since_marked(db: Connection, shop: str, customer: Numbers) -> Bought:
    asked = and_(among(db, unpacked.c.customer_id, customer.tolist()), unpacked.c.shop == shop)
    # With its limit SQLite takes the marks first. Else it would read all orders of these customers.
    marks = select(unpacked).where(asked).limit(len(customer)).subquery()
    of_mark = and_(orders.c.customer_id == marks.c.customer_id, orders.c.placed_at >= marks.c.since_at)
    return _from_rows(db, shop, marks.join(orders, of_mark), true())


def _of_shop(db: Connection, shop: str, asked: _Asked) -> Bought:
    return _from_rows(db, shop, orders, asked(orders.c.customer_id))


def _from_rows(db: Connection, shop: str, source: FromClause, mine: ColumnElement[bool]) -> Bought:
    # As a plain condition SQLite would begin with the shop and read all of its orders for a single customer.
    of_shop = as_number((orders.c.shop == shop, 1)) == 1
    of_order = and_(order_items.c.shop == orders.c.shop, order_items.c.order_id == orders.c.id)
    state = (
        orders.c.status
        + as_number((orders.c.cancelled, CANCELLED))
        + as_number((orders.c.test, TEST))
        + as_number((orders.c.deleted, DELETED))
    )
    columns: list[ColumnElement[Any]] = [
        *(orders.c.customer_id, orders.c.placed_at, orders.c.paid_minor, orders.c.goods_minor),
        *(orders.c.refunded_minor, orders.c.refunded_goods_minor, _letters(db), state),
        func.coalesce(order_items.c.line, -1),
        *(func.coalesce(order_items.c[name], 0) for name in ("article_id", "quantity", "price_minor")),
    ]
    query: Any = select(*(cast(column, BigInteger) for column in columns))
    query = query.select_from(source.outerjoin(order_items, of_order)).where(mine, of_shop)
    by_order = (orders.c.customer_id, orders.c.placed_at, orders.c.id, order_items.c.line)
    return _bought(numbers(db, query.order_by(*by_order)))


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


def _letters(db: Connection) -> Any:
    """The three letters of the currency as one number."""
    code = func.unicode if is_sqlite(db) else func.ascii
    letters = (func.coalesce(code(func.substr(orders.c.currency, at, 1)), 0) for at in (1, 2, 3))
    first, second, third = (cast(letter, BigInteger) for letter in letters)
    return first * 2 ** (2 * _BITS) + second * 2**_BITS + third


def _currency(letters: Numbers) -> Numbers:
    """The same as `currency_number`."""
    first, second, third = (letters >> bits & (2**_BITS - 1) for bits in (2 * _BITS, _BITS, 0))
    is_code = (np.maximum(np.maximum(first, second), third) < 128) & (third > 0)
    return np.where(is_code, first << 16 | second << 8 | third, 0)
