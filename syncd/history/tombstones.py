"""Who was erased, so that nothing that is read later brings them back: digests under a key of our own.

A digest stands for an address or for a shop's id of a person. Only who has the database can tell whether a given
address is among them, and nobody can read one out of it.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Collection, Iterable, Mapping

from msgspec.structs import replace
from sqlalchemy import Connection, delete, select

from syncd.history.database import History, among, put
from syncd.history.mentions import mentions
from syncd.history.schema import keys, tombstones
from syncd.model import Cart, Customer, Member, Order, Page, Rejected, email_key

# An address as ("", e-mail key), or a person of a shop as (shop, the shop's id).
Name = tuple[str, str]

_Named = Customer | Order | Cart | Rejected

_KEY = "tombstones"


def address(key: str) -> Name:
    """How an e-mail key is buried."""
    return ("", key)


def bury(db: Connection, names: Collection[Name], now: int) -> None:
    """Whatever is read of these from now on is nobody's."""
    put(db, keys, ("name", "value"), [(_KEY, secrets.token_bytes(32))], keep=None)
    secret = _secret(db)
    assert secret
    put(db, tombstones, ("digest", "erased_at"), [(_digest(secret, name), now) for name in names])


def buried(db: Connection, names: Collection[Name]) -> dict[Name, int]:
    """Those of these that were erased, each with the instant."""
    secret = _secret(db) if names else None
    if secret is None:
        return {}
    by_digest = {_digest(secret, name): name for name in names}
    found = select(tombstones).where(among(db, tombstones.c.digest, by_digest))
    return {by_digest[row.digest]: row.erased_at for row in db.execute(found)}


def lift(db: Connection, names: Iterable[Name]) -> None:
    """These came back by themselves."""
    secret = _secret(db)
    if secret:
        db.execute(delete(tombstones).where(among(db, tombstones.c.digest, [_digest(secret, name) for name in names])))


def was_buried(history: History, key: str) -> bool:
    """Whether somebody was erased under this e-mail key, and has not come back."""
    with history.read() as db:
        return bool(buried(db, [address(key)]))


def _secret(db: Connection) -> bytes | None:
    return db.execute(select(keys.c.value).where(keys.c.name == _KEY)).scalar()


def _digest(secret: bytes, name: Name) -> str:
    return hmac.digest(secret, "\0".join(name).encode(), "sha256").hex()


def without_erased(history: History, shop: str, page: Page) -> Page:
    """The page without those who were erased: their orders are sales to nobody, all else of them is left out.

    Who has signed up since then, under another id of the shop, is somebody like any other again.
    """
    with history.read() as db:
        if _secret(db) is None:
            return page
        records: list[_Named] = [*page.customers, *page.orders, *page.carts, *page.rejected]
        named = {one: _names(shop, page.resource, one) for one in records}
        gone = buried(db, {name for names in named.values() for name in names})
        gone |= buried(db, {(shop, id_) for id_ in page.deleted_customers})
    back = {address(key) for one in page.customers if (key := _came_back(shop, one, gone))}
    if back:
        with history.begin() as db:
            lift(db, back)
    gone = {name: at for name, at in gone.items() if name not in back}

    def theirs(one: _Named) -> bool:
        return not gone.keys().isdisjoint(named[one])

    return (
        page
        if not gone
        else replace(
            page,
            customers=tuple(one for one in page.customers if not theirs(one)),
            orders=tuple(_without_person(shop, one, gone) if theirs(one) else one for one in page.orders),
            carts=tuple(one for one in page.carts if not theirs(one)),
            deleted_customers=tuple(id_ for id_ in page.deleted_customers if (shop, id_) not in gone),
            rejected=tuple(one for one in page.rejected if not theirs(one)),
        )
    )


def _names(shop: str, resource: str, one: _Named) -> set[Name]:
    """Whom a record is of, or speaks of."""
    if isinstance(one, Rejected):
        found = mentions(one.raw)
        ids = {*found.ids, one.record_id} if resource == "customers" else found.ids
        return {*((shop, id_) for id_ in ids), *map(address, found.keys)}
    id_ = one.id if isinstance(one, Customer) else one.customer_id
    key = email_key(one.email)
    return {*([(shop, id_)] if id_ else []), *([address(key)] if key else [])}


def _came_back(shop: str, one: Customer, gone: Mapping[Name, int]) -> str | None:
    """The e-mail key of somebody who was erased under it and has a new account since."""
    key = email_key(one.email)
    if key is None or (shop, one.id) in gone or one.redacted:
        return None
    return key if one.created_at > gone.get(address(key), one.created_at) else None


def _without_person(shop: str, order: Order, gone: Mapping[Name, int]) -> Order:
    """The order as a sale to nobody; to the account alone where only the address on it is an erased one."""
    account = None if (shop, order.customer_id or "") in gone else order.customer_id
    return replace(order, email=None, customer_id=account, cart_id=None)


def members_left(db: Connection, listed: Collection[Member]) -> list[Member]:
    """The members without those who were erased and have not subscribed since; who has is somebody again."""
    named = {one.email: address(key) for one in listed if (key := email_key(one.email))}
    gone = buried(db, set(named.values()))
    if not gone:
        return list(listed)
    back = {
        named[one.email]
        for one in listed
        if one.email in named and (one.opted_in_at or 0) > gone.get(named[one.email], one.opted_in_at or 0)
    }
    lift(db, back)
    return [one for one in listed if named.get(one.email) not in gone or named[one.email] in back]
