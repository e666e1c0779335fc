"""Takes a page of a shop into the history: rows and cursor together, each record once, the newest state of it.

It knows orders and their parts; who a person is decides `people`, which records can be taken `sift`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, delete, select

from syncd.history import carts, consents, former, people, products, unpacked
from syncd.history.articles import article_ids
from syncd.history.consents import Statement
from syncd.history.database import History, among, lock, put
from syncd.history.people import Settled
from syncd.history.quarantine import settle_quarantine
from syncd.history.schema import cursors, order_items, orders, refunds
from syncd.history.sift import Sifted, sift
from syncd.history.tombstones import without_erased
from syncd.model import Order, OrderStatus, Page, Refund


class Ingested(NamedTuple):
    """What a page brought. A record that was known as it is counts nowhere."""

    orders_new: int = 0
    orders_changed: int = 0
    customers_changed: int = 0
    quarantined: int = 0
    deleted: int = 0


class _Known(NamedTuple):
    customer_id: int | None
    shop_customer_id: str | None
    placed_at: int
    updated_at: int
    digest: bytes
    deleted: bool


# New and changed orders by id, each with its digest.
_Fresh = Mapping[str, tuple[Order, bytes]]


def ingest(
    history: History,
    shop: str,
    page: Page,
    *,
    audiences: Sequence[str],
    currencies: Collection[str] | None,
    now: int,
) -> Ingested:
    """Afterwards the page is in the history, with the cursor behind it: all of it, or nothing.

    An older state never replaces a newer one; of two states as new as each other the later read wins.
    A deleted record stays deleted. Whoever is concerned is judged again in each of `audiences`.
    Orders and carts in a currency that is not in `currencies` (None: any) go to the quarantine.

    1. Who was erased, and what cannot be stored, is sifted out. 2. Which orders are news. 3. Who the people are.
    4. Orders with their parts, consents, carts, and products. 5. Who is concerned; quarantine and cursor.
    """
    sifted = sift(without_erased(history, shop, page), currencies)
    with history.begin() as db:
        lock(db, "people")
        known = _known_orders(db, shop, {*sifted.orders, *sifted.deleted_orders})
        fresh = {id_: one for id_, one in sifted.orders.items() if _is_news(*one, known.get(id_))}
        gone = [id_ for id_ in sifted.deleted_orders if id_ not in known or not known[id_].deleted]
        # Old states speak of people too, so that who is known does not depend on what was read first.
        settled = people.settle(db, shop, sifted.shown, sifted.customers.values(), sifted.deleted_customers)
        former.remember(db, shop, _given_away(fresh, known))
        carts.follow(db, shop, settled.news_of)
        concerned = _store_orders(db, shop, fresh, known, settled)
        concerned |= _mark_deleted(db, shop, gone, known)
        consented = consents.append(db, shop, _statements(sifted, settled), now)
        in_carts = carts.store(db, shop, sifted.carts.values()) | carts.close_ordered(db, shop, sifted.shown, now)
        products.store(db, shop, sifted.products.values(), audiences)
        concerned |= settled.touched | {one.customer_id for one in consented} | people.known_among(db, in_carts)
        people.mark_news(db, concerned, audiences)
        people.mark_news_elsewhere(db, settled.touched | {one.customer_id for one in consented}, audiences)
        taken = {*sifted.orders, *sifted.customers, *sifted.carts, *sifted.products}
        settle_quarantine(db, shop, page.resource, taken, sifted.rejected.values(), now)
        put(db, cursors, ("shop", "resource", "cursor", "committed_at"), [(shop, page.resource, page.cursor, now)])
    return Ingested(
        orders_new=len(fresh.keys() - known.keys()),
        orders_changed=len(fresh.keys() & known.keys()),
        customers_changed=len(settled.news_of & sifted.customers.keys() | {one.shop_customer_id for one in consented}),
        quarantined=len(sifted.rejected),
        deleted=len(gone) + settled.deleted,
    )


def _known_orders(db: Connection, shop: str, ids: Collection[str]) -> dict[str, _Known]:
    if not ids:
        return {}
    query = select(orders.c.id, *(orders.c[name] for name in _Known._fields)).where(
        orders.c.shop == shop, among(db, orders.c.id, ids)
    )
    return {row[0]: _Known(*row[1:]) for row in db.execute(query).all()}


def _is_news(order: Order, digest: bytes, known: _Known | None) -> bool:
    return known is None or (order.updated_at >= known.updated_at and digest != known.digest)


def _given_away(fresh: _Fresh, known: Mapping[str, _Known]) -> Iterator[tuple[str, int | None]]:
    """(the id that has an order now, the customer who had it under another id): the shop merged two of its people,
    if the other id is gone.
    """
    for id_, (order, _) in fresh.items():
        before = known.get(id_)
        if before and before.shop_customer_id and order.customer_id not in (None, before.shop_customer_id):
            yield order.customer_id, before.customer_id


def _store_orders(
    db: Connection, shop: str, fresh: _Fresh, known: Mapping[str, _Known], settled: Settled
) -> set[int | None]:
    """These orders are stored with their parts; returns whose they are and were."""
    rows = [_order_row(shop, order, digest, settled) for order, digest in fresh.values()]
    put(db, orders, _ORDER, rows)
    before = [id_ for id_ in fresh if id_ in known]
    for parts in (order_items, refunds) if before else ():
        db.execute(delete(parts).where(parts.c.shop == shop, among(db, parts.c.order_id, before)))
    put(db, order_items, _ITEM, _item_rows(db, shop, [order for order, _ in fresh.values()]))
    refunded = [order for order, _ in fresh.values() if order.refunds]
    put(db, refunds, _REFUND, [row for order in refunded for row in _refund_rows(shop, order)])
    return _changed(db, shop, [(row[2], row[4]) for row in rows], [known[id_] for id_ in before])


_ORDER = (
    *("shop", "id", "customer_id", "shop_customer_id", "placed_at", "updated_at", "status", "cancelled", "test"),
    *("currency", "paid_minor", "goods_minor", "refunded_minor", "refunded_goods_minor", "digest"),
)


def _order_row(shop: str, order: Order, digest: bytes, settled: Settled) -> tuple[Any, ...]:
    shop_id = people.shop_id_of(order)
    moved = [refund for refund in _refunds_of(order) if refund.moved] if order.refunds else ()
    return (
        shop,
        order.id,
        settled.customer_of[shop_id] if shop_id else None,
        shop_id,
        order.placed_at,
        order.updated_at,
        int(order.status),
        order.cancelled,
        order.test,
        order.currency,
        order.paid_minor,
        order.goods_minor,
        sum([refund.amount_minor for refund in moved]),
        sum([refund.goods_minor for refund in moved]),
        digest,
    )


def _refunds_of(order: Order) -> Collection[Refund]:
    """The refunds, each once: of one that the shop shows twice the later state."""
    return {refund.id: refund for refund in order.refunds}.values() if order.refunds else ()


_ITEM = ("shop", "order_id", "line", "article_id", "quantity", "price_minor")


def _item_rows(db: Connection, shop: str, orders_: Collection[Order]) -> list[tuple[Any, ...]]:
    lines = [
        (order.id, line, (item.product_id, item.sku, item.title, item.category), item.quantity, item.price_minor)
        for order in orders_
        for line, item in enumerate(order.items)
    ]
    ids = article_ids(db, shop, {words for _, _, words, _, _ in lines})
    return [(shop, id_, line, ids[words], quantity, price) for id_, line, words, quantity, price in lines]


_REFUND = ("shop", "order_id", "id", "amount_minor", "goods_minor", "refunded_at", "moved")


def _refund_rows(shop: str, order: Order) -> Iterator[tuple[Any, ...]]:
    for one in _refunds_of(order):
        yield (shop, order.id, one.id, one.amount_minor, one.goods_minor, one.refunded_at, one.moved)


def _mark_deleted(db: Connection, shop: str, gone: Collection[str], known: Mapping[str, _Known]) -> set[int | None]:
    """These orders count no more, and those never seen will not count either; returns whose they were."""
    never_seen = (None, None, 0, people.NEVER_SEEN, int(OrderStatus.VOIDED), True, False, "", 0, 0, 0, 0, b"")
    rows = [(shop, id_, *never_seen, True) for id_ in gone]
    put(db, orders, (*_ORDER, "deleted"), rows, keep=_ORDER)
    return _changed(db, shop, [], [known[id_] for id_ in gone if id_ in known])


def _changed(
    db: Connection, shop: str, now: Iterable[tuple[int | None, int]], before: Iterable[_Known]
) -> set[int | None]:
    """Whose orders these are and were, from when on; none of them is as it was packed."""
    changed = [*now, *((one.customer_id, one.placed_at) for one in before)]
    unpacked.mark(db, shop, changed)
    return {customer_id for customer_id, _ in changed}


def _statements(sifted: Sifted, settled: Settled) -> list[Statement]:
    """What the records say of consent, as far as they are the newest of their id and have an address."""
    return [
        Statement(identity.customer_id, id_, record.consent)
        for id_, record in sifted.customers.items()
        if (identity := settled.identities[id_]).updated_at == record.updated_at and identity.customer_id is not None
    ]
