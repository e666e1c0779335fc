"""Carts that were begun: the newest state of each, whose it is, and whether it became an order.

What writes works inside a transaction of its caller. Whose a cart is follows `people`; a cart alone
makes nobody known in a shop, so no rule judges a person for it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, and_, func, or_, select, update

from syncd.history.database import History, among, put
from syncd.history.people import NEVER_SEEN, customer_ids, known_identities
from syncd.history.reading import as_number
from syncd.history.schema import carts, customers, identities
from syncd.model import CART_DAYS, Cart, Order, email_key

KEPT_SECONDS = CART_DAYS * 86_400


def store(db: Connection, shop: str, shown: Collection[Cart]) -> set[int]:
    """The newest state of each cart is stored; of two as new as each other the later read one. Returns whose
    carts are or were others than before.
    """
    if not shown:
        return set()
    known = _known(db, shop, [cart.id for cart in shown])
    fresh = [cart for cart in shown if cart.id not in known or cart.updated_at >= known[cart.id].updated_at]
    people = known_identities(db, shop, {cart.customer_id for cart in fresh if cart.customer_id})
    keys = {cart.id: email_key(cart.email) for cart in fresh if cart.customer_id not in people}
    ids = customer_ids(db, {key for key in keys.values() if key})

    def owner(cart: Cart) -> int | None:
        if cart.customer_id in people:
            return people[cart.customer_id].customer_id
        key = keys[cart.id]
        return ids[key] if key else None

    changed = [row for cart in fresh if (row := _row(cart, owner(cart))) != known.get(cart.id)]
    put(db, carts, ("shop", *_Row._fields), [(shop, *row) for row in changed])
    owners = {row.customer_id for row in changed} | {known[row.id].customer_id for row in changed if row.id in known}
    return {id_ for id_ in owners if id_ is not None}


class _Row(NamedTuple):
    """A cart's own newest state; the fields are the columns."""

    id: str
    customer_id: int | None
    shop_customer_id: str | None
    begun_at: int
    updated_at: int
    currency: str
    value_minor: int
    closed: bool


def _row(cart: Cart, owner: int | None) -> _Row:
    times = (cart.begun_at, cart.updated_at)
    return _Row(cart.id, owner, cart.customer_id, *times, cart.currency, cart.value_minor, cart.closed)


def _known(db: Connection, shop: str, ids: Collection[str]) -> dict[str, _Row]:
    query = select(*(carts.c[name] for name in _Row._fields)).where(carts.c.shop == shop, among(db, carts.c.id, ids))
    return {row[0]: _Row(*row) for row in db.execute(query)}


def close_ordered(db: Connection, shop: str, orders: Iterable[Order], now: int) -> set[int]:
    """The carts that became these orders are open no more, also those that are not known yet; returns whose they
    are.

    Of orders older than any cart that a shop still shows, nothing is kept.
    """
    became = {one.cart_id for one in orders if one.cart_id and one.placed_at > now - KEPT_SECONDS}
    if not became:
        return set()
    query = select(carts.c.customer_id).where(carts.c.shop == shop, among(db, carts.c.id, became), ~carts.c.ordered)
    owners = {id_ for id_ in db.execute(query).scalars() if id_ is not None}
    rows = [(shop, *_Row(id_, None, None, 0, NEVER_SEEN, "", 0, False), True) for id_ in sorted(became)]
    put(db, carts, ("shop", *_Row._fields, "ordered"), rows, keep=_Row._fields)
    return owners


def follow(db: Connection, shop: str, shop_ids: Collection[str]) -> None:
    """The carts of these shop ids are those of the people whom the ids belong to now."""
    if not shop_ids:
        return
    now_of = (
        select(identities.c.customer_id)
        .where(identities.c.shop == carts.c.shop, identities.c.shop_customer_id == carts.c.shop_customer_id)
        .scalar_subquery()
    )
    mine = (carts.c.shop == shop, among(db, carts.c.shop_customer_id, shop_ids))
    db.execute(update(carts).where(*mine).values(customer_id=now_of))


class OpenCart(NamedTuple):
    """A cart that waits for its owner."""

    shop: str
    id: str
    begun_at: int
    updated_at: int
    currency: str
    value_minor: int


def open_carts(history: History, shops: Sequence[str], customer_id: int, now: int) -> list[OpenCart]:
    """The carts of a person that can still become an order, the latest first."""
    mine = (carts.c.customer_id == customer_id, carts.c.updated_at > now - KEPT_SECONDS)
    query = that_wait(select(*(carts.c[name] for name in OpenCart._fields)), shops).where(*mine)
    with history.read() as db:
        return [OpenCart(*row) for row in db.execute(query.order_by(carts.c.updated_at.desc(), carts.c.id))]


def that_wait(query: Select[*tuple[Any, ...]], shops: Sequence[str]) -> Select[*tuple[Any, ...]]:
    """The query, of those carts only that can still become an order, however old they are.

    Not those of a shop id that the shop deleted, nor of a person whom it deleted under every id: such a cart
    may come back without its id.
    """
    here = identities.alias()
    of_id = and_(identities.c.shop == carts.c.shop, identities.c.shop_customer_id == carts.c.shop_customer_id)
    of_person = select(1).where(here.c.shop == carts.c.shop, here.c.customer_id == carts.c.customer_id)
    deleted = of_person.where(here.c.deleted).exists() & ~of_person.where(~here.c.deleted).exists()
    return (
        # Not an inner join: SQLite would look for each of the people before it looks for their carts.
        query.outerjoin(customers, customers.c.id == carts.c.customer_id)
        .outerjoin(identities, of_id)
        .where(
            # As a plain condition SQLite would begin with the shop and read all of its carts for a single customer.
            as_number((carts.c.shop.in_(shops), 1)) == 1,
            customers.c.erased_at.is_(None),
            ~or_(carts.c.closed, carts.c.ordered, func.coalesce(identities.c.deleted, False), deleted),
        )
    )
