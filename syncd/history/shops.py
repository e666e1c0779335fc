"""What the history knows of each shop as a whole: its state, its cursors, and how much it holds of it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, NamedTuple

from sqlalchemy import Connection, Table, func, select, text, update

from syncd.history.database import History, lock, put
from syncd.history.schema import cursors, identities, orders, quarantine, shops, tombstones


def cursors_of(history: History, shop: str) -> dict[str, str]:
    """Where the next pull of each resource begins: the cursors of the last committed pages."""
    query = select(cursors.c.resource, cursors.c.cursor).where(cursors.c.shop == shop)
    with history.read() as db:
        return {row[0]: row[1] for row in db.execute(query)}


def shop_row(history: History, shop: str, *, platform: str = "") -> dict[str, Any]:
    """The shop's own state; a new shop gets its row."""
    query = select(shops).where(shops.c.name == shop)
    with history.read() as db:
        if known := db.execute(query).mappings().one_or_none():
            return dict(known)
    with history.begin() as db:
        put(db, shops, ["name", "platform"], [(shop, platform)], keep=None)
        return dict(db.execute(query).mappings().one())


def set_shop_state(history: History, shop: str, **values: Any) -> None:
    """The shop's row has these values."""
    with history.begin() as db:
        db.execute(update(shops).where(shops.c.name == shop).values(**values))


def set_profile(history: History, shop: str, others: Collection[str], **values: str) -> str | None:
    """The shop's row has these values, unless one of the `others` has its fingerprint: then that one's name."""
    same = select(shops.c.name).where(shops.c.name.in_(others), shops.c.fingerprint == values["fingerprint"])
    with history.begin() as db:
        # Two that are read for the first time, at once, shall not miss each other.
        lock(db, "shops")
        if rival := db.execute(same).scalar():
            return str(rival)
        db.execute(update(shops).where(shops.c.name == shop).values(**values))
        return None


class Holdings(NamedTuple):
    """How many records of a shop the history holds; deleted ones are not counted."""

    orders: int
    customers: int
    quarantined: int


def holdings(history: History, shop: str) -> Holdings:
    """How much the history holds of the shop."""
    with history.read() as db:
        return Holdings(
            orders=_count(db, orders, shop) - _count(db, orders, shop, deleted=True),
            customers=_count(db, identities, shop) - _count(db, identities, shop, deleted=True),
            quarantined=_count(db, quarantine, shop),
        )


def customers_held(history: History, shop: str) -> int:
    """How many customers with a record of the shop's own the history holds, without deleted ones.

    That is what the shop counts, too: guests and those of whom only orders tell are not among them.
    """
    recorded = (identities.c.shop == shop) & (identities.c.updated_at >= 0) & ~identities.c.deleted
    with history.read() as db:
        return db.execute(select(func.count()).select_from(identities).where(recorded)).scalar_one()


class Rows(NamedTuple):
    """How many of a shop's orders, and of its own records of customers, are known: taken, or in quarantine."""

    orders: int
    customers: int


def rows_known(history: History, shop: str) -> Rows:
    """What a count of the shop's own should not exceed. Who was erased counts as known: the shop may still show them,
    and which of its customers they are cannot be told.
    """
    of_shop = select(quarantine.c.resource, func.count()).where(quarantine.c.shop == shop)
    held = customers_held(history, shop)
    with history.read() as db:
        waiting = {row[0]: row[1] for row in db.execute(of_shop.group_by(quarantine.c.resource))}
        erased = db.execute(select(func.count()).select_from(tombstones)).scalar_one()
        orders_ = _count(db, orders, shop) - _count(db, orders, shop, deleted=True)
    return Rows(orders_ + waiting.get("orders", 0), held + waiting.get("customers", 0) + erased)


def _count(db: Connection, table: Table, shop: str, *, deleted: bool = False) -> int:
    """How many rows there are of the shop, found in an index alone."""
    query = select(func.count()).select_from(table).where(table.c.shop == shop)
    if deleted:
        # Spelled as in the partial index, which a parameter or a comparison would keep from being used.
        query = query.where(text(f"{table.name}.deleted"))
    return db.execute(query).scalar_one()
