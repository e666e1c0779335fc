"""Hands the history to the core: customers and their counted orders as columns, a stretch of ids at a time.

It knows how to read many rows without making an object of each; what an order is worth it asks
`lifecycle.counting`, and what is made of it, it does not know.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
from sqlalchemy import BigInteger, Connection, LargeBinary, Select, and_, case, cast, func, literal, or_, select

from syncd.calendar import local_days
from syncd.history.database import History, among, is_sqlite
from syncd.history.departures import is_erased, lives
from syncd.history.schema import customers, members, orders, standings
from syncd.lifecycle.columns import NO_DAY, NO_INSTANT, Batch, Need
from syncd.lifecycle.counting import Spend, counted
from syncd.model import MemberStatus
from syncd.money import exponent

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Reading:
    """How the orders of an audience are read: whose, from which shops, in which days and which money.

    `rates`: what one unit of a foreign currency is worth in units of `currency`.
    `as_of_end`: orders placed at this instant or later do not exist; None where all do.
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


def batches(
    history: History,
    audience: str,
    shops: Sequence[str],
    *,
    zone: str,
    currency: str,
    rates: Mapping[str, Decimal],
    spend: Spend,
    pending_counts: bool,
    customers: Collection[int] | None = None,
    size: int = 20_000,
    as_of_end: int | None = None,
    needs: frozenset[Need] = frozenset(),
) -> Iterator[Batch]:
    """Everyone of the audience (of `customers`, if given) by ascending id, at most `size` at a time.

    The audience is who is known in one of `shops` or is a member, but for those who were erased or are
    leaving. `rates`: what one unit of a foreign
    currency is worth in units of `currency`; an order in any other currency does not count.
    `as_of_end`: orders placed at this instant or later do not exist. `needs`: these columns are read, too.
    All batches see one state.
    """
    reading = Reading(audience, tuple(shops), zone, currency, rates, spend, pending_counts, as_of_end, needs)
    wanted = None if customers is None else sorted(customers)
    with history.read() as db:
        for people in _stretches(db, reading, wanted, size):
            yield _batch(db, reading, people, everyone=wanted is None)


def _stretches(db: Connection, reading: Reading, wanted: list[int] | None, size: int) -> Iterator[list[Any]]:
    if wanted is not None:
        for at in range(0, len(wanted), size):
            found = _fetch(db, _people(reading).where(among(db, customers.c.id, wanted[at : at + size])))
            if found:
                yield found
        return
    last = -1
    while found := _fetch(db, _people(reading).where(customers.c.id > last).limit(size)):
        yield found
        last = found[-1][0]


def _fetch(db: Connection, query: Select[Any]) -> list[Any]:
    """The rows as plain tuples: millions of them are read, and the rest of what a row can do is not used."""
    return list(db.execute(query).cursor.fetchall())


def _people(reading: Reading) -> Select[Any]:
    return (
        select(
            customers.c.id,
            func.coalesce(customers.c.signup_at, NO_INSTANT),
            _as_number((members.c.status == MemberStatus.SUBSCRIBED, 1)),
            _as_number((customers.c.wholesale, 1)),
            func.coalesce(standings.c.segments, 0),
            *(customers.c.country, customers.c.city, customers.c.language),
        )
        .outerjoin(members, and_(members.c.audience == reading.audience, members.c.customer_id == customers.c.id))
        .outerjoin(standings, and_(standings.c.audience == reading.audience, standings.c.customer_id == customers.c.id))
        .where(or_(members.c.customer_id.is_not(None), lives(customers.c.id, reading.shops)))
        .where(~is_erased(), func.coalesce(standings.c.leaving, "") == "")
        .order_by(customers.c.id)
    )


def _as_number(*whens: Any, otherwise: int = 0) -> Any:
    return case(*whens, else_=otherwise)


def _batch(db: Connection, reading: Reading, people: list[Any], *, everyone: bool) -> Batch:
    columns = list(zip(*people, strict=True))
    ids, signup_at, subscribed, wholesale, was_in = (np.array(column, np.int64) for column in columns[:5])
    country, city, language = (np.array(column, object) for column in columns[5:])
    order_of, order_day, order_minor = _orders(db, reading, ids, everyone)
    return Batch(
        customer=ids,
        signup_day=np.where(signup_at == NO_INSTANT, NO_DAY, local_days(signup_at, reading.zone)),
        subscribed=subscribed.astype(bool),
        wholesale=wholesale.astype(bool),
        country=country,
        city=city,
        language=language,
        was_in=was_in,
        starts=np.append(np.searchsorted(order_of, ids), len(order_of)),
        order_day=order_day,
        order_minor=order_minor,
        currency_exponent=exponent(reading.currency),
        zone=reading.zone,
    )


def _orders(db: Connection, reading: Reading, ids: Numbers, everyone: bool) -> tuple[Numbers, Numbers, Numbers]:
    """The counted orders of these customers, by customer and day: whose, on which local day, worth what."""
    # A stretch of ids may have other audiences' customers in between; they are dropped below.
    column = orders.c.customer_id
    whose = column.between(int(ids[0]), int(ids[-1])) if everyone else among(db, column, ids.tolist())
    customer, placed_at, flags, paid, refunded, *rest = numbers(db, _order_query(reading, whose)).T
    goods, refunded_goods = rest or (paid, refunded)
    counts, minor = counted(
        flags & 15,
        flags & 16 != 0,
        flags & 32 != 0,
        flags & 64 != 0,
        paid,
        goods,
        refunded,
        refunded_goods,
        spend=reading.spend,
        pending_counts=reading.pending_counts,
    )
    currency = flags >> 7
    counts &= (currency >= 0) & (ids[np.minimum(np.searchsorted(ids, customer), len(ids) - 1)] == customer)
    minor = _converted(minor[counts], currency[counts], reading)
    return _by_day(customer[counts], local_days(placed_at[counts], reading.zone), minor)


def _order_query(reading: Reading, whose: Any) -> Any:
    # As a plain condition SQLite would begin with the shop and read all of its orders for every stretch.
    of_shops = _as_number((orders.c.shop.in_(reading.shops), 1)) == 1
    currency = [(orders.c.currency == code, 128 * at) for at, code in enumerate(_currencies(reading))]
    flags: Any = (
        orders.c.status
        + _as_number((orders.c.cancelled, 16))
        + _as_number((orders.c.test, 32))
        + _as_number((orders.c.deleted, 64))
        + _as_number(*currency, otherwise=-128)
    )
    columns = [orders.c.customer_id, orders.c.placed_at, flags, orders.c.paid_minor, orders.c.refunded_minor]
    if reading.spend == "goods":
        columns += [orders.c.goods_minor, orders.c.refunded_goods_minor]
    query: Any = select(*(cast(column, BigInteger) for column in columns)).where(whose, of_shops)
    if reading.as_of_end is not None:
        query = query.where(orders.c.placed_at < reading.as_of_end)
    return query.order_by(orders.c.customer_id, orders.c.placed_at)


def _currencies(reading: Reading) -> list[str]:
    """The currencies that count; an order's is known by its place in this list."""
    return [reading.currency, *(code for code in reading.rates if code != reading.currency)]


def numbers(db: Connection, query: Select[Any]) -> Numbers:
    """The rows of a query for 64-bit numbers, as a matrix.

    PostgreSQL sends them as one value: its driver takes longer to receive a row than the server to find it.
    """
    width = len(query.selected_columns)
    if is_sqlite(db):
        rows: Any = db.execute(query).cursor
        flat = np.fromiter(chain.from_iterable(rows), np.int64)
        return flat.reshape(-1, width)
    first, *more = (func.int8send(column, type_=LargeBinary) for column in query.subquery().c)
    packed: Any = first
    for column in more:
        packed = packed.op("||")(column)
    data = db.execute(select(func.string_agg(packed, literal(b"")))).scalar() or b""
    return np.frombuffer(data, ">i8").astype(np.int64).reshape(-1, width)


def _converted(minor: Numbers, currency: Numbers, reading: Reading) -> Numbers:
    """The amounts in the audience's minor units, each order by itself, halves to even."""
    for at, code in enumerate(_currencies(reading)[1:], start=1):
        factor = reading.rates[code].scaleb(exponent(reading.currency) - exponent(code))
        foreign = np.flatnonzero(currency == at)
        minor[foreign] = [int((value * factor).to_integral_value(ROUND_HALF_EVEN)) for value in minor[foreign].tolist()]
    return minor


def _by_day(customer: Numbers, day: Numbers, minor: Numbers) -> tuple[Numbers, Numbers, Numbers]:
    """The orders by customer and local day: where clocks were put back past midnight, a later order can lie on
    an earlier date.
    """
    if np.any((np.diff(day) < 0) & (np.diff(customer) == 0)):
        order = np.lexsort((day, customer))
        return customer[order], day[order], minor[order]
    return customer, day, minor
