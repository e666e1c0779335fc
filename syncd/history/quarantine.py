"""The quarantine: records that could not be taken, each with its reason, until they arrive in order."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from sqlalchemy import Connection, delete, select, text, update

from syncd.errors import UserError
from syncd.history.database import History, among
from syncd.history.schema import quarantine
from syncd.history.sift import plain
from syncd.model import Rejected


class Quarantined(NamedTuple):
    """One record that waits; the fields are the columns. `sift.recovered(raw)` or `Source.parse` reads `raw`, where it
    is still kept.
    """

    id: int
    shop: str
    resource: str
    record_id: str
    reason: str
    raw: bytes
    first_seen_at: int
    seen_at: int
    attempts: int


def quarantined(history: History, shop: str | None = None) -> list[Quarantined]:
    """What waits, of one shop or of all, the oldest first."""
    query = select(quarantine).order_by(quarantine.c.first_seen_at, quarantine.c.id)
    if shop is not None:
        query = query.where(quarantine.c.shop == shop)
    with history.read() as db:
        return [Quarantined(**row._mapping) for row in db.execute(query)]


def quarantined_one(history: History, id_: int) -> Quarantined:
    """The record in quarantine under this number.

    Raises: UserError where there is none.
    """
    with history.read() as db:
        row = db.execute(select(quarantine).where(quarantine.c.id == id_)).one_or_none()
    if row is None:
        raise UserError(f"nothing is in quarantine under {id_}", hint="see `syncd quarantine list`")
    return Quarantined(**row._mapping)


def settle_quarantine(
    db: Connection, shop: str, resource: str, taken: Collection[str], rejected: Collection[Rejected], now: int
) -> None:
    """What was `taken` leaves the quarantine; what was `rejected` is in it, one attempt more on its record."""
    mine = (quarantine.c.shop == shop) & (quarantine.c.resource == resource)
    # Nearly always nothing waits there; to look for thousands of records one by one would take longer.
    if taken and db.execute(select(quarantine.c.id).where(mine).limit(1)).first():
        db.execute(delete(quarantine).where(mine, among(db, quarantine.c.record_id, taken)))
    rows = {plain(one.record_id): (plain(one.reason), one.raw) for one in rejected}
    same = {"shop": shop, "resource": resource, "now": now}
    if rows:
        db.execute(_KEEP, [{**same, "id": id_, "reason": reason, "raw": raw} for id_, (reason, raw) in rows.items()])


def is_waiting(history: History, shop: str, resource: str) -> bool:
    """Whether anything of this kind is in quarantine."""
    query = select(quarantine.c.id).where(quarantine.c.shop == shop, quarantine.c.resource == resource).limit(1)
    with history.read() as db:
        return db.execute(query).first() is not None


def release_others(history: History, shop: str, resource: str, still: Collection[str]) -> None:
    """All of this kind was read anew: but for the records `still` in their way, nothing of it is in quarantine."""
    mine = (quarantine.c.shop == shop) & (quarantine.c.resource == resource)
    with history.begin() as db:
        waiting = set(db.execute(select(quarantine.c.record_id).where(mine)).scalars())
        db.execute(delete(quarantine).where(mine, among(db, quarantine.c.record_id, waiting - {*map(plain, still)})))


_KEEP = text(
    "INSERT INTO quarantine (shop, resource, record_id, reason, raw, first_seen_at, seen_at)"
    " VALUES (:shop, :resource, :id, :reason, :raw, :now, :now)"
    " ON CONFLICT (shop, resource, record_id) DO UPDATE SET reason = excluded.reason, raw = excluded.raw,"
    " seen_at = excluded.seen_at, attempts = quarantine.attempts + 1"
)


def drop_raw(history: History, seen_before: int) -> None:
    """Of records that were seen last before this instant only the reason is kept: what they hold may be people's."""
    old = (quarantine.c.seen_at < seen_before, quarantine.c.raw != b"")
    with history.begin() as db:
        db.execute(update(quarantine).where(*old).values(raw=b""))
