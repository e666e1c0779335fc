"""Who was in which segment at an instant, and who joined and left between two: written down as it happens, and read.

A move is what a person joined and left within a second; a stay lasts from the move that began it to the one that ended
it. It judges nobody, and knows bits, not rules.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import repeat
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, and_, delete, func, or_, select, text, true, update

from syncd.history.database import History, among, put
from syncd.history.reading import fetch, numbers
from syncd.history.schema import moves, standings
from syncd.lifecycle.columns import Batch
from syncd.lifecycle.flows import Numbers, Stood, bit_sets, counts
from syncd.plan import bits_in

# As many as a bit set has.
_ALL_BITS = range(63)


class Stay(NamedTuple):
    """One customer in one segment; `until_at` is None while it lasts."""

    customer_id: int
    bit: int
    since_at: int
    until_at: int | None


@dataclass(frozen=True, slots=True, eq=False)
class Moves:
    """The segments that each of these customers joined, and those that they left; as bit sets."""

    customer: Numbers
    joined: Numbers
    left: Numbers


@dataclass(frozen=True, slots=True, eq=False)
class Movement:
    """What happened to segments between two instants, by bit: so many were in, joined, left.

    `before` and `after`: who stood where at the two instants.
    """

    beginning: dict[int, int]
    joined: dict[int, int]
    left: dict[int, int]
    before: Stood
    after: Stood


def record(db: Connection, audience: str, which: Moves, now: int) -> None:
    """Afterwards it is on record that these customers moved `now`. Of a second only what came of it is: whoever left
    and joined again within it has stayed.
    """
    some = (which.joined | which.left).nonzero()
    columns = (which.customer[some].tolist(), repeat(now), which.joined[some].tolist(), which.left[some].tolist())
    put(db, moves, _MOVE, list(zip(repeat(audience), *columns, strict=False)), united=_BOTH)


_MOVE = ("audience", "customer_id", "moved_at", "joined_segments", "left_segments")
# `& ~` stays two words: PostgreSQL would read one operator.
_BOTH = ", ".join(
    f"{one} = (moves.{one} & ~ excluded.{other}) | (excluded.{one} & ~ moves.{other})"
    for one, other in (("joined_segments", "left_segments"), ("left_segments", "joined_segments"))
)


def stays(db: Connection, audience: str, ids: Collection[int], bits: Collection[int] = _ALL_BITS) -> list[Stay]:
    """All stays of these customers in the segments of these bits, as they ended; then those that last."""
    asked = sum(1 << bit for bit in {*bits})
    ours = [moves.c[name].op("&")(asked) for name in ("joined_segments", "left_segments")]
    theirs = (
        moves.c.audience == audience,
        among(db, moves.c.customer_id, ids),
        or_(*(bit_set != 0 for bit_set in ours)),
    )
    query = select(moves.c.customer_id, moves.c.moved_at, *ours).where(*theirs).order_by(*moves.primary_key)
    began: dict[tuple[int, int], int] = {}
    found = []
    for id_, moved_at, joined, left in fetch(db, query):
        # A standing that was at odds with the record may have left what was never joined, and joined what it was in.
        found += [Stay(id_, bit, began.pop((id_, bit)), moved_at) for bit in bits_in(left) if (id_, bit) in began]
        for bit in bits_in(joined):
            began.setdefault((id_, bit), moved_at)
    return [*found, *(Stay(*who, since_at, None) for who, since_at in began.items())]


def lasting(db: Connection, audience: str, ids: Collection[int], bits: Collection[int] = _ALL_BITS) -> list[Stay]:
    """The stays of these customers in the segments of these bits that last."""
    return [one for one in stays(db, audience, ids, bits) if one.until_at is None]


def joined_at(
    history: History, audience: str, ids: Collection[int], bits: Collection[int]
) -> dict[tuple[int, int], int]:
    """Since when these customers are in the segments of these bits, as far as they are: {(customer, bit): instant}."""
    with history.read() as db:
        return {(one.customer_id, one.bit): one.since_at for one in lasting(db, audience, ids, bits)}


def moves_since(history: History, audience: str, instant: int) -> dict[int, tuple[int, int]]:
    """How many joined and left each segment since `instant`, by bit."""
    with history.read() as db:
        joined, left = _counted(db, and_(moves.c.audience == audience, moves.c.moved_at >= instant))
    return {bit: (joined.get(bit, 0), left.get(bit, 0)) for bit in {*joined, *left}}


def movement(history: History, audience: str, begin: int, end: int) -> Movement:
    """The movement from `begin` up to, not including, `end`."""
    between = and_(moves.c.audience == audience, moves.c.moved_at >= begin, moves.c.moved_at < end)
    with history.read() as db:
        before, after = _stood(db, audience, begin), _stood(db, audience, end)
        return Movement(counts(before[1]), *_counted(db, between), before, after)


def as_they_stood(
    history: History, audience: str, found: Iterable[Batch], instant: int, customers: Collection[int] | None
) -> Iterator[Batch]:
    """The same batches, each customer in the segments of that instant. `customers`: theirs are read; None: all."""
    with history.read() as db:
        stood = _stood(db, audience, instant, customers)
    for batch in found:
        yield replace(batch, was_in=bit_sets(batch.customer, stood))


def since_of(history: History, audience: str, customer_id: int, instant: int) -> dict[int, int]:
    """Since when one customer is in each of the segments that they are in at an instant, by bit."""
    with history.read() as db:
        found = stays(db, audience, [customer_id])
    return {
        one.bit: one.since_at
        for one in found
        if one.since_at < instant and (one.until_at is None or one.until_at >= instant)
    }


def hand_on(db: Connection, audience: str, customer_id: int, successor_id: int) -> int:
    """Afterwards the successor is where the customer is and they are not, since then, and the customer is there no
    longer; returns these segments as a bit set. What the successor did there since then did not happen.
    """
    have = {one.bit for one in lasting(db, audience, [successor_id])}
    handed = [one for one in lasting(db, audience, [customer_id]) if one.bit not in have]
    both = and_(moves.c.audience == audience, moves.c.customer_id.in_((customer_id, successor_id)))
    for one in handed:
        kept = {name: moves.c[name].op("&")(~(1 << one.bit)) for name in ("joined_segments", "left_segments")}
        db.execute(update(moves).where(both, moves.c.moved_at >= one.since_at).values(kept))
    stayed = {one.bit for one in lasting(db, audience, [successor_id])}
    for one in handed:
        if one.bit not in stayed:
            _add(db, audience, successor_id, one.since_at, joined=1 << one.bit)
    return sum(1 << one.bit for one in handed)


def end(db: Connection, audience: str, ids: Collection[int], now: int) -> None:
    """Afterwards it is on record that these customers left all that they were in."""
    left: dict[int, int] = dict.fromkeys(ids, 0)
    for one in lasting(db, audience, ids):
        left[one.customer_id] |= 1 << one.bit
    put(db, moves, _MOVE, [(audience, id_, now, 0, bits) for id_, bits in left.items() if bits], united=_BOTH)


def at_odds(history: History, audience: str) -> list[int]:
    """The customers who do not stand in the segments of the stays that are on record as lasting."""
    with history.read() as db:
        return list(db.execute(_AT_ODDS, {"a": audience}).scalars())


def stand_as_on_record(history: History, audience: str, ids: Collection[int]) -> None:
    """Afterwards these customers stand in the segments of their stays on record; judging goes on from there."""
    with history.begin() as db:
        found = stays(db, audience, ids)
        bits = dict.fromkeys(ids, 0)
        for one in found:
            if one.until_at is None:
                bits[one.customer_id] |= 1 << one.bit
        rows = [(audience, customer_id, segments) for customer_id, segments in bits.items()]
        put(db, standings, ("audience", "customer_id", "segments"), rows)
        # Who stood at odds with the record may have joined or left what it has no room for.
        db.execute(delete(moves).where(moves.c.audience == audience, among(db, moves.c.customer_id, ids)))
        for one in found:
            _add(db, audience, one.customer_id, one.since_at, joined=1 << one.bit)
            if one.until_at is not None:
                _add(db, audience, one.customer_id, one.until_at, left=1 << one.bit)


def _add(db: Connection, audience: str, customer_id: int, moved_at: int, *, joined: int = 0, left: int = 0) -> None:
    put(db, moves, _MOVE, [(audience, customer_id, moved_at, joined, left)], united=_BOTH)


# As a person leaves only what they joined, the sum is the set of what they are in.
_STOOD = func.sum(moves.c.joined_segments - moves.c.left_segments)
_AT_ODDS = text(
    "SELECT standings.customer_id FROM standings LEFT JOIN ("
    "SELECT customer_id, SUM(joined_segments - left_segments) AS stood FROM moves WHERE audience = :a"
    " GROUP BY customer_id"
    ") AS on_record ON on_record.customer_id = standings.customer_id"
    " WHERE standings.audience = :a AND standings.segments <> COALESCE(on_record.stood, 0)"
    " ORDER BY standings.customer_id"
)


def _stood(db: Connection, audience: str, instant: int, customers: Collection[int] | None = None) -> Stood:
    """Who stood where at an instant; whoever moves in its second had not moved yet."""
    ours = true() if customers is None else among(db, moves.c.customer_id, customers)
    query = select(moves.c.customer_id, _STOOD).where(moves.c.audience == audience, moves.c.moved_at < instant, ours)
    customer, segments = numbers(db, query.group_by(moves.c.customer_id)).T
    return customer, segments


def _counted(db: Connection, which: ColumnElement[bool]) -> tuple[dict[int, int], dict[int, int]]:
    """How often each segment was joined by these moves, and how often left."""
    joined, left = numbers(db, select(moves.c.joined_segments, moves.c.left_segments).where(which)).T
    return counts(joined), counts(left)
