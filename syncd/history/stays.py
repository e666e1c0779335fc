"""Who was in which segment at an instant, and who joined and left between two, from the stays on record.

It reads what the ledger wrote down as it happened; it judges nobody, and knows bits, not rules.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from sqlalchemy import ColumnElement, Connection, and_, func, or_, select, text, true

from syncd.history.database import History, among, put
from syncd.history.reading import numbers
from syncd.history.schema import memberships, standings
from syncd.lifecycle.columns import Batch
from syncd.lifecycle.flows import Stays, bit_sets


@dataclass(frozen=True, slots=True, eq=False)
class Movement:
    """What happened to segments between two instants, by bit: so many were in, joined, left.

    `before` and `after` are the stays at the two instants in those segments that were asked for.
    """

    beginning: dict[int, int]
    joined: dict[int, int]
    left: dict[int, int]
    before: Stays
    after: Stays


def movement(history: History, audience: str, begin: int, end: int, bits: Collection[int]) -> Movement:
    """The movement from `begin` up to, not including, `end`; with the stays in the segments `bits`."""
    ours = memberships.c.audience == audience
    since, until = memberships.c.since_at, memberships.c.until_at
    with history.read() as db:
        return Movement(
            _count(db, and_(ours, _inside(begin))),
            _count(db, and_(ours, since >= begin, since < end)),
            _count(db, and_(ours, until >= begin, until < end)),
            _stays(db, and_(ours, _inside(begin), memberships.c.bit.in_(bits))),
            _stays(db, and_(ours, _inside(end), memberships.c.bit.in_(bits))),
        )


def as_they_stood(
    history: History, audience: str, found: Iterable[Batch], instant: int, customers: Collection[int] | None
) -> Iterator[Batch]:
    """The same batches, each customer in the segments of that instant. `customers`: theirs are read; None: all."""
    at_instant = and_(memberships.c.audience == audience, _inside(instant))
    with history.read() as db:
        ours = true() if customers is None else among(db, memberships.c.customer_id, customers)
        owner, bit = _stays(db, and_(at_instant, ours))
    order = np.argsort(owner)
    owner, bit = owner[order], bit[order]
    for batch in found:
        mine = slice(*np.searchsorted(owner, [batch.customer[0], batch.customer[-1] + 1]))
        yield replace(batch, was_in=bit_sets(batch.customer, (owner[mine], bit[mine])))


def since_of(history: History, audience: str, customer_id: int, instant: int) -> dict[int, int]:
    """Since when one customer is in each of the segments that they are in at an instant, by bit."""
    query = select(memberships.c.bit, memberships.c.since_at).where(
        memberships.c.audience == audience, memberships.c.customer_id == customer_id, _inside(instant)
    )
    with history.read() as db:
        return {row[0]: row[1] for row in db.execute(query)}


def at_odds(history: History, audience: str) -> list[int]:
    """The customers who do not stand in the segments of the stays that are on record as lasting."""
    with history.read() as db:
        return list(db.execute(_AT_ODDS, {"a": audience}).scalars())


def stand_as_on_record(history: History, audience: str, ids: Collection[int]) -> None:
    """Afterwards these customers stand in the segments of their stays on record; judging goes on from there."""
    query = select(memberships.c.customer_id, memberships.c.bit).where(
        memberships.c.audience == audience, memberships.c.until_at.is_(None)
    )
    with history.begin() as db:
        bits = dict.fromkeys(ids, 0)
        for customer_id, bit in db.execute(query.where(among(db, memberships.c.customer_id, ids))):
            bits[customer_id] |= 1 << bit
        rows = [(audience, customer_id, segments) for customer_id, segments in bits.items()]
        put(db, standings, ("audience", "customer_id", "segments"), rows)


_AT_ODDS = text(
    "SELECT standings.customer_id FROM standings LEFT JOIN ("
    "SELECT customer_id, SUM(CAST(1 AS BIGINT) << bit) AS bits FROM memberships"
    " WHERE audience = :a AND until_at IS NULL GROUP BY customer_id"
    ") AS stays ON stays.customer_id = standings.customer_id"
    " WHERE standings.audience = :a AND standings.segments <> COALESCE(stays.bits, 0) ORDER BY standings.customer_id"
)


def _inside(instant: int) -> ColumnElement[bool]:
    """Whether a stay had begun before an instant and had not ended before it."""
    until = memberships.c.until_at
    return and_(memberships.c.since_at < instant, or_(until.is_(None), until >= instant))


def _count(db: Connection, condition: ColumnElement[bool]) -> dict[int, int]:
    query = select(memberships.c.bit, func.count()).where(condition).group_by(memberships.c.bit)
    return {row[0]: row[1] for row in db.execute(query)}


def _stays(db: Connection, condition: ColumnElement[bool]) -> Stays:
    customer, bit = numbers(db, select(memberships.c.customer_id, memberships.c.bit).where(condition)).T
    return customer, bit
