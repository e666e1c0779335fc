"""Hands the history to the core: customers and their counted orders as columns, a stretch of ids at a time.

What an order is worth it asks `lifecycle.counting`, and what is made of it, it does not know. The columns
that only some rules read are those of `particulars`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
from sqlalchemy import BigInteger, Connection, Select, and_, cast, func, or_, select

from syncd.calendar import local_days
from syncd.history import particulars
from syncd.history.database import History, among
from syncd.history.departures import is_erased, lives
from syncd.history.particulars import Counted
from syncd.history.reading import Reading, Stretch, as_number, converted, currency_of, fetch, numbers
from syncd.history.schema import customers, members, orders, standings
from syncd.lifecycle.columns import NO_DAY, NO_INSTANT, Batch, Need
from syncd.lifecycle.counting import Spend, counted
from syncd.model import MemberStatus
from syncd.money import exponent

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = NDArray[np.int64]


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
            yield _batch(db, reading, people, dense=wanted is None)


def _stretches(db: Connection, reading: Reading, wanted: list[int] | None, size: int) -> Iterator[list[Any]]:
    if wanted is not None:
        for at in range(0, len(wanted), size):
            found = fetch(db, _people(reading).where(among(db, customers.c.id, wanted[at : at + size])))
            if found:
                yield found
        return
    last = -1
    while found := fetch(db, _people(reading).where(customers.c.id > last).limit(size)):
        yield found
        last = found[-1][0]


def _people(reading: Reading) -> Select[Any]:
    return (
        select(
            customers.c.id,
            func.coalesce(customers.c.signup_at, NO_INSTANT),
            as_number((members.c.status == MemberStatus.SUBSCRIBED, 1)),
            as_number((customers.c.wholesale, 1)),
            func.coalesce(standings.c.segments, 0),
            *(customers.c.country, customers.c.city, customers.c.language),
            *particulars.of_members(reading),
        )
        .outerjoin(members, and_(members.c.audience == reading.audience, members.c.customer_id == customers.c.id))
        .outerjoin(standings, and_(standings.c.audience == reading.audience, standings.c.customer_id == customers.c.id))
        .where(or_(members.c.customer_id.is_not(None), lives(customers.c.id, reading.shops)))
        .where(~is_erased(), func.coalesce(standings.c.leaving, "") == "")
        .order_by(customers.c.id)
    )


def _batch(db: Connection, reading: Reading, people: list[Any], *, dense: bool) -> Batch:
    columns = list(zip(*people, strict=True))
    ids, signup_at, subscribed, wholesale, was_in = (np.array(column, np.int64) for column in columns[:5])
    country, city, language = (np.array(column, object) for column in columns[5:8])
    stretch = Stretch(ids, dense)
    found = _orders(db, reading, stretch)
    return Batch(
        customer=ids,
        signup_day=np.where(signup_at == NO_INSTANT, NO_DAY, local_days(signup_at, reading.zone)),
        subscribed=subscribed.astype(bool),
        wholesale=wholesale.astype(bool),
        country=country,
        city=city,
        language=language,
        was_in=was_in,
        starts=np.append(np.searchsorted(found.customer, ids), len(found.customer)),
        order_day=found.day,
        order_minor=found.minor,
        currency_exponent=exponent(reading.currency),
        zone=reading.zone,
        **particulars.read(db, reading, stretch, found, columns[8:]),
    )


def _orders(db: Connection, reading: Reading, stretch: Stretch) -> Counted:
    """The counted orders of these customers, by customer and day."""
    customer, placed_at, flags, paid, refunded, *rest = numbers(db, _order_query(db, reading, stretch)).T
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
    counts &= (currency >= 0) & (stretch.places(customer) >= 0)
    minor = converted(minor[counts], currency[counts], reading)
    placed_at = placed_at[counts]
    found = Counted(customer[counts], local_days(placed_at, reading.zone), minor, placed_at, np.flatnonzero(counts))
    return found.by_day()


def _order_query(db: Connection, reading: Reading, stretch: Stretch) -> Any:
    flags: Any = (
        orders.c.status
        + as_number((orders.c.cancelled, 16))
        + as_number((orders.c.test, 32))
        + as_number((orders.c.deleted, 64))
        + 128 * currency_of(reading, orders.c.currency)
    )
    columns = [orders.c.customer_id, orders.c.placed_at, flags, orders.c.paid_minor, orders.c.refunded_minor]
    if reading.spend == "goods":
        columns += [orders.c.goods_minor, orders.c.refunded_goods_minor]
    query = select(*(cast(column, BigInteger) for column in columns))
    return query.where(*particulars.of_orders(db, reading, stretch)).order_by(*particulars.order_of_orders(reading))
