"""Forgetting a person: every row of theirs, and their records in quarantine.

Orders stay as sales to nobody, so that the shop's sums remain. A tombstone keeps what is read later from bringing the
person back. What the e-mail service holds of them is not known here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from typing import Any

from sqlalchemy import Connection, and_, bindparam, delete, exists, or_, select, update

from syncd.history.database import History, among, lock
from syncd.history.departures import MOVABLE
from syncd.history.dossier import PERSONAL, persons, quarantined_of
from syncd.history.people import mark_news_of
from syncd.history.reading import as_number
from syncd.history.schema import (
    carts,
    customers,
    former_customers,
    identities,
    members,
    orders,
    outbox,
    quarantine,
    standings,
)
from syncd.history.tombstones import address, bury

# A contact that cannot be brought to rest keeps nobody from being forgotten for longer than this.
PATIENCE_SECONDS = 7 * 86_400


def erase(history: History, key: str, now: int) -> None:
    """Afterwards nothing is stored of the person under this e-mail key, nor of those whom they were before, and
    nothing that is read brings them back; also where nothing was stored.
    """
    with history.begin() as db:
        lock(db, "people")
        _erase(db, key, now)


def erase_redacted(history: History, now: int) -> int:
    """The same for everybody whom a shop erased, as soon as their contacts are at rest; returns how many."""
    with history.read() as db:
        found = db.execute(_redacted(now)).all()
    for email, erased_at in found:
        with history.begin() as db:
            lock(db, "people")
            _erase(db, email, erased_at)
    return len(found)


def _redacted(now: int) -> Any:
    """Those whom a shop erased, of whom nothing is left to be done at the e-mail service."""
    here = and_(members.c.customer_id == standings.c.customer_id, members.c.audience == standings.c.audience)
    undone = (
        select(standings.c.customer_id)
        .outerjoin(members, here)
        .where(standings.c.customer_id == customers.c.id, standings.c.refused == "")
        .where(
            or_(
                standings.c.known_tags != 0,
                standings.c.known_fields != "",
                and_(standings.c.leaving == "archive", members.c.status.in_(MOVABLE)),
            )
        )
    )
    waiting = exists().where(outbox.c.customer_id == customers.c.id)
    return select(customers.c.email, customers.c.erased_at).where(
        customers.c.erased_at.is_not(None),
        or_(~undone.exists() & ~waiting, customers.c.erased_at < now - PATIENCE_SECONDS),
    )


def _erase(db: Connection, key: str, at: int) -> None:
    """1. Who it is: customers, and the shops' ids that are nobody else's. 2. Nothing they name is left in quarantine.
    3. Their orders are nobody's. 4. Every row of theirs goes. 5. They are buried.
    """
    known = persons(db, key)
    ids = _shop_ids(db, known)
    keys = {key, *known.values()}
    theirs = [row["id"] for row in quarantined_of(db, keys, ids)]
    db.execute(delete(quarantine).where(among(db, quarantine.c.id, theirs)))
    nobodys = {"customer_id": None, "shop_customer_id": None, "digest": b""}
    db.execute(update(orders).where(among(db, orders.c.customer_id, known)).values(nobodys))
    for shop, shop_ids in _by_shop(ids):
        # All others of theirs were the customers'. Of the shop as a number, or SQLite would read all of its orders.
        of_shop, of_id = as_number((orders.c.shop == shop, 1)) == 1, orders.c.shop_customer_id == bindparam("i")
        left = update(orders).where(of_shop, of_id, orders.c.customer_id.is_(None)).values(nobodys)
        db.execute(left, [{"i": id_} for id_ in shop_ids])
        for table in (carts, identities, former_customers):
            db.execute(delete(table).where(table.c.shop == shop, among(db, table.c.shop_customer_id, shop_ids)))
    # Who waits for their address is somebody without a successor again, and looked at anew.
    heirs = among(db, standings.c.successor_id, known)
    for audience in db.execute(select(standings.c.audience).where(heirs).distinct()).scalars().all():
        mark_news_of(db, select(standings.c.customer_id).where(heirs, standings.c.audience == audience), [audience])
    db.execute(update(standings).where(heirs).values(successor_id=None, leaving=""))
    for table in reversed(PERSONAL):
        if table is not orders:
            db.execute(delete(table).where(among(db, table.c.customer_id, known)))
    db.execute(delete(customers).where(among(db, customers.c.id, known)))
    bury(db, {*map(address, keys), *ids}, at)


def _shop_ids(db: Connection, known: Collection[int]) -> set[tuple[str, str]]:
    """(shop, the shop's id) of these customers, and of ids that were theirs and are nobody's now."""
    now_theirs = select(identities.c.shop, identities.c.shop_customer_id).where(
        among(db, identities.c.customer_id, known)
    )
    same = (identities.c.shop == former_customers.c.shop) & (
        identities.c.shop_customer_id == former_customers.c.shop_customer_id
    )
    once_theirs = (
        select(former_customers.c.shop, former_customers.c.shop_customer_id)
        .outerjoin(identities, same)
        .where(among(db, former_customers.c.customer_id, known), identities.c.customer_id.is_(None))
    )
    return {(row[0], row[1]) for query in (now_theirs, once_theirs) for row in db.execute(query)}


def _by_shop(ids: Iterable[tuple[str, str]]) -> Iterable[tuple[str, list[str]]]:
    found: dict[str, list[str]] = defaultdict(list)
    for shop, id_ in ids:
        found[shop].append(id_)
    return found.items()
