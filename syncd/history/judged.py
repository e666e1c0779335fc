"""Where many people stand in an audience, as columns, and the writing of where they shall stand.

Only what differs is written, so a judgement that moves nobody writes nothing. Knows bit sets and numbers;
knows neither the rules nor the e-mail service.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from sqlalchemy import Connection, Table, func, literal, select, update

from syncd.history import occasions, stays
from syncd.history.database import History, among, put
from syncd.history.fields import AS_KNOWN, canonical_texts
from syncd.history.ledger import clear_news
from syncd.history.reading import Stretch, as_number, fetch, numbers
from syncd.history.schema import customers, members, news, standings
from syncd.history.stays import Moves
from syncd.lifecycle.columns import FOREVER
from syncd.plan.want import STATUS, STRANGER, control_bits

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from syncd.history.occasions import Watch
    from syncd.rules import Saying

    Numbers = NDArray[np.int64]
    Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Standings:
    """Where the customers of a batch stand, in their order: bit sets over segments, and numbers.

    `status`: see `plan.want.STATUS`. `said`: the hash of what their fields say, AS_KNOWN where they were not made
    from that; `differ`: whose fields are not those that the service has. `due_at`: FOREVER where they never are.
    `has_news`: of whom something new is known.
    """

    customer: Numbers
    status: Numbers
    segments: Numbers
    wanted_tags: Numbers
    known_tags: Numbers
    said: Numbers
    due_at: Numbers
    refused: Flags
    differ: Flags
    has_news: Flags


@dataclass(frozen=True, slots=True, eq=False)
class Verdicts:
    """Where the same customers shall stand. `said`: the hash of what `sayings` say of them, or AS_KNOWN where their
    fields shall be those that the service has.
    """

    segments: Numbers
    wanted_tags: Numbers
    said: Numbers
    sayings: Sequence[Saying]


def standings_in(db: Connection, audience: str, ids: Numbers) -> Standings:
    """Where the customers `ids`, ascending, stand. Who has no standing yet is in no segment, and nothing is wanted."""
    stretch = Stretch(ids, dense=int(ids[-1] - ids[0]) < 2 * len(ids))
    segments, wanted, known, said, due_at, refused, differ = _columns(db, standings, audience, stretch, _STANDING)
    (status,) = _columns(db, members, audience, stretch, {_STATUS: STRANGER})
    (has_news,) = _columns(db, news, audience, stretch, {literal(1): 0})
    return Standings(
        ids, status, segments, wanted, known, said, due_at, refused.astype(bool), differ.astype(bool), has_news == 1
    )


_STATUS = as_number(*((members.c.status == status, number) for status, number in STATUS.items()), otherwise=-1)
# What is read of a standing, and what holds where there is none.
_STANDING: dict[Any, int] = {
    **dict.fromkeys((standings.c.segments, standings.c.wanted_tags, standings.c.known_tags), 0),
    standings.c.wanted_fields_hash: 0,
    func.coalesce(standings.c.next_due_at, FOREVER): FOREVER,
    as_number((standings.c.refused != "", 1)): 0,
    as_number((standings.c.wanted_fields != standings.c.known_fields, 1)): 0,
}


def _columns(
    db: Connection, table: Table, audience: str, stretch: Stretch, columns: Mapping[Any, int]
) -> NDArray[np.int64]:
    """These columns of a table, one after the other, as a value a customer; where it has none of them, that given."""
    mine = (table.c.audience == audience, stretch.holds(db, table.c.customer_id))
    rows = numbers(db, select(table.c.customer_id, *columns).where(*mine))
    places = stretch.places(rows[:, 0])
    found = np.repeat(np.array([list(columns.values())], np.int64), len(stretch.ids), axis=0)
    found[places[places >= 0]] = rows[places >= 0, 1:]
    return np.ascontiguousarray(found.T)


def withheld(db: Connection, ids: Numbers, segments: Numbers, shares: Mapping[int, tuple[str, float]]) -> Numbers:
    """The tags withheld from these customers, as bit sets: those of their `segments` in whose control group they are.

    `shares`: see `control_bits`.
    """
    controls = segments & sum(1 << bit for bit in shares)
    drawn = np.flatnonzero(controls)
    if len(drawn):
        query = select(customers.c.id, customers.c.email).where(among(db, customers.c.id, ids[drawn].tolist()))
        emails = dict(fetch(db, query))
        controls[drawn] &= [control_bits(emails[id_], shares) for id_ in ids[drawn].tolist()]
    return controls


def store(
    history: History,
    audience: str,
    before: Standings,
    after: Verdicts,
    due_at: Numbers,
    now: int,
    watch: Watch | None = None,
) -> tuple[int, int]:
    """Afterwards these people stand where they shall and are due at `due_at` (FOREVER: never), what `watch` looks out
    for is written down, and their news are dealt with; one transaction. Returns how many joined and left.
    """
    ids, news_of = before.customer, before.customer[before.has_news].tolist()
    moves = Moves(ids, after.segments & ~before.segments, before.segments & ~after.segments)
    told = (after.said != AS_KNOWN) & (after.said != before.said)
    undone = (after.said == AS_KNOWN) & before.differ
    moved = (after.segments != before.segments) | (after.wanted_tags != before.wanted_tags)
    moved |= due_at != before.due_at
    if not np.any(moved | told | undone | before.has_news):
        return 0, 0
    with history.begin() as db:
        _put(db, audience, ids, after, due_at, np.flatnonzero(told), with_fields=True)
        _put(db, audience, ids, after, due_at, np.flatnonzero(moved & ~told))
        _leave_fields(db, audience, ids[undone].tolist())
        stays.record(db, audience, moves, now)
        if watch:
            occasions.record(db, watch, moves, news_of, now)
        clear_news(db, audience, news_of)
    return int(np.bitwise_count(moves.joined).sum()), int(np.bitwise_count(moves.left).sum())


def _put(
    db: Connection,
    audience: str,
    ids: Numbers,
    after: Verdicts,
    due_at: Numbers,
    places: Numbers,
    *,
    with_fields: bool = False,
) -> None:
    """Those at these places stand where they shall; what their fields say is written `with_fields` only."""
    columns = {
        "audience": [audience] * len(places),
        "customer_id": ids[places].tolist(),
        "segments": after.segments[places].tolist(),
        "wanted_tags": after.wanted_tags[places].tolist(),
        "next_due_at": [None if at == FOREVER else at for at in due_at[places].tolist()],
    }
    if with_fields:
        columns["wanted_fields"] = canonical_texts(after.sayings, places)
        columns["wanted_fields_hash"] = after.said[places].tolist()
    put(db, standings, tuple(columns), list(zip(*columns.values(), strict=True)))


def _leave_fields(db: Connection, audience: str, ids: Sequence[int]) -> None:
    """The fields of these shall be what the service has."""
    if ids:
        theirs = (standings.c.audience == audience, among(db, standings.c.customer_id, ids))
        left = {"wanted_fields": standings.c.known_fields, "wanted_fields_hash": AS_KNOWN}
        db.execute(update(standings).where(*theirs).values(left))
