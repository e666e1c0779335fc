"""The products of the shops: what each is called and of which kind, and whom it concerns when that changes.

What writes works inside a transaction of its caller.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from sqlalchemy import Connection, Select, case, select, text

from syncd.history.database import among, put
from syncd.history.people import mark_news, mark_news_of
from syncd.history.schema import articles, identities, order_items, orders, products
from syncd.model import Product


def store(db: Connection, shop: str, shown: Collection[Product], audiences: Iterable[str]) -> None:
    """The newest state of each product is stored; of two as new as each other the later read one.

    Who bought one whose category changed, or wishes for one whose title changed, is judged again.
    """
    if not shown:
        return
    mine = (products.c.shop == shop, among(db, products.c.id, [one.id for one in shown]))
    known = {row[0]: Product(*row) for row in db.execute(select(*(products.c[name] for name in _FIELDS)).where(*mine))}
    fresh = [one for one in shown if one.id not in known or _is_news(one, known[one.id])]
    put(db, products, ("shop", *_FIELDS), [(shop, *(getattr(one, name) for name in _FIELDS)) for one in fresh])
    moved = [one.id for one in fresh if one.category != (known[one.id].category if one.id in known else "")]
    renamed = {one.id for one in fresh if one.id not in known or one.title != known[one.id].title}
    if moved:
        mark_news_of(db, _buyers(db, shop, moved), audiences)
    if renamed:
        mark_news(db, _wishers(db, shop, renamed), audiences)


_FIELDS = Product.__struct_fields__


def _is_news(product: Product, known: Product) -> bool:
    return product.updated_at >= known.updated_at and product != known


def _buyers(db: Connection, shop: str, ids: Collection[str]) -> Select[Any]:
    # As a plain condition SQLite would begin with the shop and read all of its orders for a single product.
    of_shop = case((articles.c.shop == shop, 1), else_=0) == 1
    of_order = (orders.c.shop == order_items.c.shop) & (orders.c.id == order_items.c.order_id)
    return (
        select(orders.c.customer_id)
        .join(order_items, of_order)
        .join(articles, articles.c.id == order_items.c.article_id)
        .where(among(db, articles.c.product_id, ids), of_shop, orders.c.customer_id.is_not(None))
        .distinct()
    )


def _wishers(db: Connection, shop: str, ids: Collection[str]) -> set[int | None]:
    # Written out, so that both databases find the index of those with a wish list.
    query = select(identities.c.customer_id, identities.c.wishes).where(
        identities.c.shop == shop, text("identities.wishes <> ''")
    )
    return {row[0] for row in db.execute(query) if not set(ids).isdisjoint(row[1].split("\n"))}
