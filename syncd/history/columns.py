"""Hands the history to the core: customers and their counted orders as columns, a stretch of ids at a time.

What an order is worth it asks `lifecycle.counting`, and what is made of it, it does not know. The columns
that only some rules read are those of `particulars`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from sqlalchemy import Connection, Select, and_, func, or_, select, text

from syncd.calendar import local_days
from syncd.history import packs, particulars
from syncd.history.bought import CANCELLED, DELETED, STATUS, TEST
from syncd.history.database import History, among
from syncd.history.departures import is_erased, lives
from syncd.history.items import Wording
from syncd.history.particulars import Counted
from syncd.history.reading import Reading, Stretch, as_number, converted, fetch, place_of_currency
from syncd.history.schema import customers, members, standings
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
    wording = Wording()
    with history.read() as db:
        found = (
            _batch(db, reading, wording, people, dense=wanted is None)
            for people in _stretches(db, reading, wanted, size)
        )
        if wanted is None or len(wanted) > size:
            yield from found
            return
        # Whoever judges a few needs no other connection for what else they read and write.
        few = list(found)
    yield from few


def _stretches(db: Connection, reading: Reading, wanted: list[int] | None, size: int) -> Iterator[list[Any]]:
    everybody, last = _people(reading.audience, reading.shops, reading.needs), -1
    if wanted is not None:
        for at in range(0, len(wanted), size):
            found = fetch(db, everybody.where(among(db, customers.c.id, wanted[at : at + size])))
            if found:
                yield found
        return
    while found := fetch(db, everybody.where(customers.c.id > last).limit(size)):
        yield found
        last = found[-1][0]


@lru_cache
def _people(audience: str, shops: tuple[str, ...], needs: frozenset[Need]) -> Select[Any]:
    leaving = select(standings.c.customer_id).where(standings.c.audience == audience, text("standings.leaving <> ''"))
    return (
        select(
            customers.c.id,
            func.coalesce(customers.c.signup_at, NO_INSTANT),
            as_number((members.c.status == MemberStatus.SUBSCRIBED, 1)),
            as_number((customers.c.wholesale, 1)),
            *particulars.of_people(needs),
        )
        .outerjoin(members, and_(members.c.audience == audience, members.c.customer_id == customers.c.id))
        .where(or_(members.c.customer_id.is_not(None), lives(customers.c.id, shops)))
        .where(~is_erased(), customers.c.id.not_in(leaving))
        .order_by(customers.c.id)
    )


def _batch(db: Connection, reading: Reading, wording: Wording, people: list[Any], *, dense: bool) -> Batch:
    columns = list(zip(*people, strict=True))
    ids, signup_at, subscribed, wholesale = (np.array(column, np.int64) for column in columns[:4])
    stretch = Stretch(ids, dense)
    found = _orders(db, reading, stretch)
    return Batch(
        customer=ids,
        signup_day=np.where(signup_at == NO_INSTANT, NO_DAY, local_days(signup_at, reading.zone)),
        subscribed=subscribed.astype(bool),
        wholesale=wholesale.astype(bool),
        starts=np.append(np.searchsorted(found.customer, ids), len(found.customer)),
        order_day=found.day,
        order_minor=found.minor,
        currency_exponent=exponent(reading.currency),
        zone=reading.zone,
        **particulars.read(db, reading, stretch, wording, found, columns[4:]),
    )


def _orders(db: Connection, reading: Reading, stretch: Stretch) -> Counted:
    """The counted orders of these customers, by customer and day."""
    bought = packs.read(db, reading.shops, stretch, lines="items" in reading.needs)
    sold = bought.orders
    counts, minor = counted(
        sold["state"] & STATUS,
        sold["state"] & CANCELLED != 0,
        sold["state"] & TEST != 0,
        sold["state"] & DELETED != 0,
        *(sold[name] for name in ("paid", "goods", "refunded", "refunded_goods")),
        spend=reading.spend,
        pending_counts=reading.pending_counts,
    )
    currency = place_of_currency(reading, sold["currency"])
    counts &= currency >= 0
    if reading.as_of_end is not None:
        counts &= sold["placed_at"] < reading.as_of_end
    rows = np.flatnonzero(counts)
    day = local_days(sold["placed_at"][rows], reading.zone)
    minor = converted(minor[rows], currency[rows], reading)
    found = bought.take(rows)
    if not np.any((np.diff(day) < 0) & (np.diff(found.customer) == 0)):
        return Counted(found, day, minor)
    # Clocks were put back past midnight, and a later order lies on an earlier date.
    by_day = np.lexsort((day, found.customer))
    return Counted(found.take(by_day), day[by_day], minor[by_day])
