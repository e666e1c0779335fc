"""Tags of ours that contacts lost although the rules want them: taken off by somebody, or lost by the service.

Putting one back would begin its journey once more, so it stays off for as long as the person stays in the segment.
Joining anew is another episode, and gets the tag like any other.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import Connection, delete, select

from syncd.history.database import History, among, put
from syncd.history.reading import fetch
from syncd.history.schema import outbox, overrides
from syncd.history.stays import lasting
from syncd.lifecycle.columns import FOREVER
from syncd.plan import bits_in


class Lost(NamedTuple):
    """The tags that one contact has lost, as a bit set. `by_hand`: the service says that the contact was changed."""

    customer_id: int
    tags: int
    by_hand: bool


@dataclass(slots=True)
class Off:
    """The tags that stay off a contact, as bit sets: all of them, and those that somebody took off."""

    tags: int = 0
    by_hand: int = 0


def record(db: Connection, audience: str, lost: Iterable[Lost], now: int) -> None:
    """Afterwards these tags stay off; not those that are being written just now, of which nothing is certain."""
    found = {one.customer_id: one for one in lost}
    if not found:
        return
    sending = select(outbox.c.customer_id).where(
        outbox.c.audience == audience, outbox.c.state == "sending", among(db, outbox.c.customer_id, found)
    )
    for customer_id in db.execute(sending).scalars():
        found.pop(customer_id, None)
    rows = [(audience, one.customer_id, bit, now, one.by_hand) for one in found.values() for bit in bits_in(one.tags)]
    put(db, overrides, ("audience", "customer_id", "bit", "at", "by_hand"), rows)


def in_force(history: History, audience: str) -> dict[int, Off]:
    """The tags that stay off, by customer: the person is in the segment since before the tag was lost."""
    columns = (overrides.c.customer_id, overrides.c.bit, overrides.c.at, overrides.c.by_hand)
    found: dict[int, Off] = defaultdict(Off)
    with history.read() as db:
        rows = fetch(db, select(*columns).where(overrides.c.audience == audience))
        ids, bits = {row[0] for row in rows}, {row[1] for row in rows}
        since = {(one.customer_id, one.bit): one.since_at for one in lasting(db, audience, ids, bits)} if ids else {}
    for customer_id, bit, at, by_hand in rows:
        if since.get((customer_id, bit), FOREVER) <= at:
            found[customer_id].tags |= 1 << bit
            found[customer_id].by_hand |= by_hand << bit
    return dict(found)


def forget_lost(history: History, audience: str, ids: Collection[int]) -> None:
    """What these contacts lost without anybody's doing may be put back."""
    with history.begin() as db:
        theirs = (overrides.c.audience == audience, among(db, overrides.c.customer_id, ids))
        db.execute(delete(overrides).where(*theirs, ~overrides.c.by_hand))
