"""Whose packed orders are behind the rows: see `packs`. Works inside a transaction of its caller.

Whatever changes an order, its lines, or whose it is, says so here in the same transaction.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

from sqlalchemy import select, union

from syncd.history.database import among, each
from syncd.history.schema import orders, packs

if TYPE_CHECKING:
    from sqlalchemy import Connection

# Earlier than any order.
EVER = -(2**60)


def mark(db: Connection, shop: str, changed: Iterable[tuple[int | None, int]]) -> None:
    """What these customers bought in the shop is packed anew, from an instant on: pairs of both; None is nobody."""
    since: dict[int, int] = {}
    for customer_id, instant in changed:
        if customer_id is not None:
            since[customer_id] = min(instant, since.get(customer_id, instant))
    _put(db, [(customer_id, shop, instant) for customer_id, instant in since.items()])


def mark_wholly(db: Connection, ids: Collection[int]) -> None:
    """All that these customers bought in any shop is packed anew."""
    whose = (select(table.c.customer_id, table.c.shop) for table in (orders, packs))
    found = union(*(query.where(among(db, query.selected_columns.customer_id, ids)) for query in whose))
    _put(db, [(customer_id, shop, EVER) for customer_id, shop in db.execute(found)])


def _put(db: Connection, rows: list[tuple[int, str, int]]) -> None:
    # In order, so that two writers never wait for each other.
    each(db, _MARK, sorted(rows))


_MARK = """
INSERT INTO unpacked (customer_id, shop, since_at) VALUES (?, ?, ?)
ON CONFLICT (customer_id, shop) DO UPDATE SET since_at = excluded.since_at WHERE unpacked.since_at > excluded.since_at
"""
