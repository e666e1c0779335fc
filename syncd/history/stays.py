"""Who was in which segment, and who joined and left between two instants, from the stays on record.

It reads what the ledger wrote down as it happened; it judges nobody, and knows bits, not rules.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Connection, and_, cast, func, or_, select

from syncd.history.columns import numbers
from syncd.history.database import History
from syncd.history.schema import memberships
from syncd.lifecycle.flows import Stays


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


def _inside(instant: int) -> ColumnElement[bool]:
    """Whether a stay had begun before an instant and had not ended before it."""
    until = memberships.c.until_at
    return and_(memberships.c.since_at < instant, or_(until.is_(None), until >= instant))


def _count(db: Connection, condition: ColumnElement[bool]) -> dict[int, int]:
    query = select(memberships.c.bit, func.count()).where(condition).group_by(memberships.c.bit)
    return {row[0]: row[1] for row in db.execute(query)}


def _stays(db: Connection, condition: ColumnElement[bool]) -> Stays:
    columns: list[Any] = [cast(column, BigInteger) for column in (memberships.c.customer_id, memberships.c.bit)]
    customer, bit = numbers(db, select(*columns).where(condition)).T
    return customer, bit
