"""All that the history holds of one person: what is exported, and what is erased.

Each table with a column `customer_id` is part of it, so that a new table is neither left out nor forgotten.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from sqlalchemy import Connection, LargeBinary, Table, exists, select

from syncd.history.database import among
from syncd.history.mentions import mentions
from syncd.history.schema import (
    articles,
    customers,
    former_customers,
    identities,
    metadata,
    order_items,
    orders,
    quarantine,
    refunds,
    segments,
)

PERSONAL: tuple[Table, ...] = tuple(table for table in metadata.sorted_tables if "customer_id" in table.c)

Row = dict[str, Any]


def persons(db: Connection, key: str) -> dict[int, str]:
    """The customer with this e-mail key and those whom they were before: {id: key}; none where nobody is known.

    Before: a shop id of theirs was this customer's, who has no shop id any more.
    """
    found = {row.id: row.email for row in db.execute(select(customers).where(customers.c.email == key))}
    own = identities.alias("own")
    living = exists().where(own.c.customer_id == customers.c.id, ~own.c.deleted)
    earlier = (
        select(customers.c.id, customers.c.email)
        .join(former_customers, former_customers.c.customer_id == customers.c.id)
        .join(
            identities,
            (identities.c.shop == former_customers.c.shop)
            & (identities.c.shop_customer_id == former_customers.c.shop_customer_id),
        )
        .where(~living)
    )
    newest = set(found)
    while newest:
        before = {row[0]: row[1] for row in db.execute(earlier.where(among(db, identities.c.customer_id, newest)))}
        newest = before.keys() - found.keys()
        found |= before
    return found


def rows_of(db: Connection, ids: Collection[int]) -> dict[str, list[Row]]:
    """Every row of these customers by the name of its table, without what only a machine can read; orders with
    their `items` and `refunds`.
    """
    found = {customers.name: _rows(db, customers, customers.c.id, ids)}
    for table in PERSONAL:
        found[table.name] = _rows(db, table, table.c.customer_id, ids)
    _add_parts(db, found[orders.name])
    return found


def _rows(db: Connection, table: Table, column: Any, ids: Collection[Any], *more: Any) -> list[Row]:
    readable = [each for each in table.c if not isinstance(each.type, LargeBinary)]
    query = select(*readable, *more).where(among(db, column, ids)).order_by(*table.primary_key)
    return [dict(row._mapping) for row in db.execute(query)]


def _add_parts(db: Connection, of: list[Row]) -> None:
    """Afterwards each of these orders has its lines and refunds."""
    ids = {order["id"] for order in of}
    words = (articles.c.product_id, articles.c.sku, articles.c.title, articles.c.category)
    lines = select(order_items, *words).join(articles, articles.c.id == order_items.c.article_id)
    for name, query in (("items", lines), ("refunds", select(refunds))):
        part = order_items if name == "items" else refunds
        parts: dict[tuple[str, str], list[Row]] = {}
        for row in db.execute(query.where(among(db, part.c.order_id, ids)).order_by(*part.primary_key)):
            shown = {key: value for key, value in row._mapping.items() if key not in ("shop", "order_id", "article_id")}
            parts.setdefault((row.shop, row.order_id), []).append(shown)
        for order in of:
            order[name] = parts.get((order["shop"], order["id"]), [])


def shop_ids(found: Mapping[str, Iterable[Row]]) -> set[tuple[str, str]]:
    """(shop, the shop's id) of whoever these rows are of."""
    tables = (identities.name, former_customers.name)
    return {(row["shop"], row["shop_customer_id"]) for table in tables for row in found[table]}


def quarantined_of(db: Connection, keys: Collection[str], ids: Collection[tuple[str, str]]) -> list[Row]:
    """The records in quarantine that name somebody with one of these e-mail keys or (shop, shop's id)s."""
    found = []
    for row in db.execute(select(quarantine).order_by(quarantine.c.id)):
        named = mentions(row.raw)
        theirs = {*named.ids, row.record_id} if row.resource == "customers" else named.ids
        if not named.keys.isdisjoint(keys) or any((row.shop, id_) in ids for id_ in theirs):
            found.append(dict(row._mapping))
    return found


def tags_by_bit(db: Connection) -> dict[str, dict[int, str]]:
    """The full name of each tag that syncd ever used: {audience: {bit: tag}}."""
    found: dict[str, dict[int, str]] = {}
    for row in db.execute(select(segments)):
        found.setdefault(row.audience, {})[row.bit] = row.tag
    return found
