"""What happened and is to be announced once: moments in use, and their occasions as they come up.

An occasion is written down in the transaction that makes it known, under a key that only it has. So nothing that
cuts a cycle off loses one, and nothing that happens again repeats one. Knows stays, orders and carts; knows
neither the rules behind them nor whom they are told to.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, Connection, delete, insert, select, update

from syncd.history.database import History, among, each
from syncd.history.reading import fetch
from syncd.history.schema import carts, moments, moments_in_use, orders
from syncd.history.stays import Moves, stays
from syncd.lifecycle.counting import Spend, counted
from syncd.plan.want import control_bits
from syncd.rules import Moment

# An order or cart that turns up later than this is not even written down as one that was dropped.
LOOK_BACK_SECONDS = 30 * 86_400
# Why what waits is dropped with its moment.
NOT_IN_USE = "not-in-use"


@dataclass(frozen=True, slots=True)
class Watched:
    """A moment in use. Of a segment: its `bit`, those that it had under `former` tags, and its control group."""

    moment: Moment
    since_at: int
    bit: int = 0
    former: tuple[int, ...] = ()
    control: float = 0

    def withheld_from(self, email: str) -> bool:
        """Whether the person is in the control group of the segment."""
        return bool(control_bits(email, {0: (self.moment.segment or "", self.control)}))


@dataclass(frozen=True, slots=True)
class Watch:
    """What is looked out for in an audience, and which orders count there."""

    audience: str
    moments: tuple[Watched, ...]
    shops: tuple[str, ...]
    currencies: frozenset[str]
    spend: Spend
    pending_counts: bool

    def on(self, *occasions: str) -> list[Watched]:
        """The moments that wait for one of these."""
        return [one for one in self.moments if one.moment.on in occasions]


class Found(NamedTuple):
    """An occasion as it was found."""

    customer_id: int
    key: str
    happened_at: int


def take_into_use(history: History, audience: str, playbook: Sequence[Moment], now: int) -> None:
    """Afterwards exactly these moments are in use: a new one, or one that waits for something else now, from `now`
    on. What waited under one that is gone is dropped.
    """
    wanted = {moment.name: moment.occasion for moment in playbook}
    with history.begin() as db:
        have = _occasions(db, audience)
        over = [name for name, (occasion, _) in have.items() if wanted.get(name) != occasion]
        if over:
            db.execute(
                delete(moments_in_use).where(moments_in_use.c.audience == audience, moments_in_use.c.name.in_(over))
            )
            waiting = (moments.c.audience == audience, moments.c.state == "waiting", moments.c.name.in_(over))
            db.execute(update(moments).where(*waiting).values(state="dropped", reason=NOT_IN_USE, settled_at=now))
        fresh = [name for name in wanted if name not in have or name in over]
        if fresh:
            rows = [{"audience": audience, "name": n, "occasion": wanted[n], "since_at": now} for n in fresh]
            db.execute(insert(moments_in_use), rows)


def in_use(history: History, audience: str, playbook: Sequence[Moment]) -> dict[str, int]:
    """Since when each of these moments is in use; not those that nobody was judged with yet."""
    with history.read() as db:
        have = _occasions(db, audience)
    return {
        moment.name: have[moment.name][1]
        for moment in playbook
        if moment.name in have and have[moment.name][0] == moment.occasion
    }


def _occasions(db: Connection, audience: str) -> dict[str, tuple[str, int]]:
    query = select(moments_in_use.c.name, moments_in_use.c.occasion, moments_in_use.c.since_at)
    return {row[0]: (row[1], row[2]) for row in db.execute(query.where(moments_in_use.c.audience == audience))}


def record(db: Connection, watch: Watch, moves: Moves, with_news: Collection[int], now: int) -> None:
    """Who joined and who left a segment by the judgement of `now`, and what those `with_news` ordered or left in a
    cart since the last one, is written down. In the caller's transaction, after the moves are.
    """
    for one in watch.moments:
        match one.moment.on:
            case "join":
                found = _joined(one, moves, now)
            case "leave":
                found = _left(db, watch.audience, one, moves, now)
            case "order":
                found = _ordered(db, watch, one, with_news, now)
            case "cart":
                found = _left_carts(db, watch, one, with_news, now)
        _store(db, watch.audience, one.moment, found)


def episode_of(audience: str, name: str, key: str) -> str:
    """What the service is told of an occasion: the same for ever, and nothing of the person shows in it."""
    return blake2b(f"{audience}\0{name}\0{key}".encode(), digest_size=12).hexdigest()


def _store(db: Connection, audience: str, moment: Moment, found: Iterable[Found]) -> None:
    name = moment.name
    rows = [
        (episode_of(audience, name, key), audience, name, key, customer_id, happened_at, happened_at + moment.settle)
        for customer_id, key, happened_at in found
    ]
    each(db, _RECORD, rows)


# Of one that waits, the order may be another person's by now, and the cart may have been touched again.
_RECORD = (
    "INSERT INTO moments (episode, audience, name, key, customer_id, happened_at, due_at) VALUES (?, ?, ?, ?, ?, ?, ?)"
    " ON CONFLICT (episode) DO UPDATE SET customer_id = excluded.customer_id, happened_at = excluded.happened_at,"
    " due_at = excluded.due_at WHERE moments.state = 'waiting'"
)


def _joined(one: Watched, moves: Moves, now: int) -> list[Found]:
    """Who began to stay at `now`, and does not merely go on under another tag."""
    began = _any_of(moves.joined, [one.bit]) & ~_any_of(moves.left, one.former)
    return [Found(id_, f"{id_}/{now}", now) for id_ in moves.customer[began].tolist()]


def _left(db: Connection, audience: str, one: Watched, moves: Moves, now: int) -> list[Found]:
    """Whose stay ended at `now`, and does not go on under another tag."""
    bits = (one.bit, *one.former)
    ids = moves.customer[_any_of(moves.left, bits)].tolist()
    if not ids:
        return []
    theirs = stays(db, audience, ids, bits)
    go_on = {stay.customer_id for stay in theirs if stay.bit == one.bit and stay.until_at is None}
    ended = (stay for stay in theirs if stay.until_at == now and stay.customer_id not in go_on)
    return [Found(stay.customer_id, f"{stay.customer_id}/{stay.since_at}", now) for stay in ended]


def _any_of(bit_sets: NDArray[np.int64], bits: Sequence[int]) -> NDArray[np.bool_]:
    """Which of these sets have any of the bits."""
    found: NDArray[np.bool_] = bit_sets & sum(1 << bit for bit in bits) != 0
    return found


def _ordered(db: Connection, watch: Watch, one: Watched, ids: Collection[int], now: int) -> list[Found]:
    """The counted orders of these customers, placed since the moment is in use."""
    if not ids:
        return []
    return counting(db, watch, among(db, orders.c.customer_id, ids), orders.c.placed_at > _horizon(one, now))


def _left_carts(db: Connection, watch: Watch, one: Watched, ids: Collection[int], now: int) -> list[Found]:
    """The open carts of these customers, touched since the moment is in use."""
    if not ids:
        return []
    query = select(carts.c.shop, carts.c.id, carts.c.customer_id, carts.c.updated_at).where(
        among(db, carts.c.customer_id, ids), carts.c.updated_at > _horizon(one, now), ~carts.c.closed, ~carts.c.ordered
    )
    return [Found(row.customer_id, key_of(row), row.updated_at) for row in db.execute(query) if row.shop in watch.shops]


def _horizon(one: Watched, now: int) -> int:
    return max(one.since_at, now - one.moment.settle - LOOK_BACK_SECONDS)


def key_of(row: Any) -> str:
    return f"{row.shop}/{row.id}"


_STATES = ("status", "cancelled", "test", "deleted")
_AMOUNTS = ("paid_minor", "goods_minor", "refunded_minor", "refunded_goods_minor")
_ORDER = ("shop", "id", "customer_id", "placed_at", "currency", *_STATES, *_AMOUNTS)


def counting(db: Connection, watch: Watch, *which: ColumnElement[bool]) -> list[Found]:
    """Those of these orders that count in the audience."""
    rows = fetch(db, select(*(orders.c[name] for name in _ORDER)).where(*which))
    ours = [row for row in rows if row[0] in watch.shops and row[4] in watch.currencies]
    if not ours:
        return []
    status, cancelled, test, deleted, *amounts = np.array([row[5:] for row in ours], np.int64).T
    states = (status, cancelled != 0, test != 0, deleted != 0)
    counts, _ = counted(*states, *amounts, spend=watch.spend, pending_counts=watch.pending_counts)
    return [
        Found(customer_id, f"{shop}/{id_}", placed_at)
        for (shop, id_, customer_id, placed_at, *_), does in zip(ours, counts.tolist(), strict=True)
        if does
    ]


def follow(db: Connection, audience: str, customer_id: int, successor_id: int) -> None:
    """What waits to be announced to a customer, and what was, is the successor's."""
    theirs = (moments.c.audience == audience, moments.c.customer_id == customer_id, moments.c.state != "sending")
    db.execute(update(moments).where(*theirs).values(customer_id=successor_id))
