"""Who is who: one customer per e-mail key, whatever ids the shops give them; and what follows from that.

What writes works inside a transaction of its caller. It knows customers, identities and news, and of
orders only whose they are.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import msgspec
from sqlalchemy import Connection, Select, bindparam, exists, literal, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from syncd.history import former, unpacked
from syncd.history.database import History, among, is_sqlite, lock, put
from syncd.history.derived import derive
from syncd.history.reading import as_number, fetch
from syncd.history.schema import audiences, customers, identities, members, news, orders
from syncd.model import Customer, Order, email_key

# Who an order tells it is of weighs less than any record of a customer: its instant is put before them all.
ORDERS_WEIGH = -(2**41)
# The shop said that the id is gone before it ever showed it.
NEVER_SEEN = -(2**42)


class Identity(msgspec.Struct, gc=False):
    """One shop id of a person; the fields are the columns, but for `email`: the key of the customer it is of."""

    shop_customer_id: str
    email: str | None
    updated_at: int
    customer_id: int | None = None
    deleted: bool = False
    created_at: int | None = None
    country: str = ""
    city: str = ""
    language: str = ""
    wholesale: bool = False
    tags: str = ""
    wishes: str = ""

    @property
    def recorded(self) -> bool:
        """Whether the shop's own record told this, not an order."""
        return self.updated_at > ORDERS_WEIGH // 2

    def says_the_same(self, other: Identity) -> bool:
        """Whether both mean the same, apart from when it was said."""
        same = msgspec.structs.replace(other, updated_at=self.updated_at, customer_id=self.customer_id)
        return self == same


def guest_id(key: str) -> str:
    """The shop id that a guest has with us: shops give them none."""
    return f"guest:{key}"


def shop_id_of(order: Order) -> str | None:
    """Under which shop id the order's person is known; None for a counter sale."""
    if order.customer_id is not None:
        return order.customer_id
    key = email_key(order.email)
    return guest_id(key) if key else None


def told_by_record(record: Customer) -> Identity:
    """What a shop's record of a customer tells. A record without address takes the person from the id."""
    return Identity(
        shop_customer_id=record.id,
        email=None if record.redacted else email_key(record.email),
        updated_at=record.updated_at,
        created_at=record.created_at,
        country=record.country,
        city=record.city,
        language=record.language,
        wholesale=record.wholesale,
        tags="\n".join(record.tags),
        wishes="\n".join(record.wishes),
    )


def told_by_order(order: Order, shop_customer_id: str) -> Identity:
    """What an order tells: whose the id is, as long as there is no record of it."""
    key = email_key(order.email)
    # A guest's id is the address itself: no order can tell otherwise.
    weight = ORDERS_WEIGH + (order.updated_at if order.customer_id is not None else 0)
    if key is None:
        weight = NEVER_SEEN
    return Identity(shop_customer_id=shop_customer_id, email=key, updated_at=weight)


def outweighs(new: Identity, known: Identity) -> bool:
    """Whether `new` replaces what is known: it is newer, or as new and seen later, or settles a tie of orders."""
    if new.recorded and known.recorded:
        return new.updated_at >= known.updated_at
    return (new.updated_at, new.email or "") > (known.updated_at, known.email or "")


@dataclass(frozen=True, slots=True)
class Settled:
    """What came of a page's statements about people; sets of customer ids."""

    # Whose each shop id of the page is now.
    customer_of: dict[str, int | None]
    # What holds now of those that the page's records speak of.
    identities: dict[str, Identity]
    # Of whom anything is new, those who lost an id to another person included.
    touched: set[int]
    # The shop ids of which anything but a date changed.
    news_of: set[str]
    deleted: int


def settle(
    db: Connection, shop: str, orders_: Iterable[Order], records: Collection[Customer], gone: Collection[str]
) -> Settled:
    """Afterwards each shop id belongs to the person whom its weightiest statement names.

    1. What is known of the ids is read. 2. Records speak first, then orders where there is no record;
    then ids that are `gone` at the shop. 3. What changed is stored. 4. Orders follow their ids to another
    person, and whose the ids were is kept. 5. Who was erased, or came back. 6. What is derived from the
    ids is derived anew.
    """
    orders_of = [(shop_id, order) for order in orders_ if (shop_id := shop_id_of(order))]
    spoken_of = {*(record.id for record in records), *gone}
    # Of most who order there is a record, which weighs more: of them nothing but whose the id is has to be known.
    owners = _recorded(db, shop, {id_ for id_, order in orders_of if order.customer_id is not None} - spoken_of)
    known = known_identities(db, shop, spoken_of | {id_ for id_, _ in orders_of if id_ not in owners})
    recorded = owners.keys() | {id_ for id_, one in known.items() if one.recorded}
    told = [told_by_record(record) for record in records]
    told += [told_by_order(order, id_) for id_, order in orders_of if id_ not in recorded]
    changed = _changed(known, told, gone)
    store_identities(db, shop, changed.values())
    news_of = {id_ for id_, new in changed.items() if id_ not in known or not new.says_the_same(known[id_])}
    moved = {id_ for id_ in news_of if id_ in known and known[id_].customer_id != changed[id_].customer_id}
    _move_orders(db, shop, [(id_, known[id_].customer_id, changed[id_].customer_id) for id_ in moved])
    unpacked.mark(db, shop, [(stage[id_].customer_id, unpacked.EVER) for stage in (known, changed) for id_ in moved])
    former.remember(db, shop, ((id_, known[id_].customer_id) for id_ in moved))
    redacted = {record.id: record.updated_at for record in records if record.redacted and record.id in changed}
    returned = former.erase(db, shop, known, redacted) | former.welcome_back(db, _signed_up(changed))
    # A new id that only an order told of adds nothing to a person.
    adding = [id_ for id_, one in changed.items() if one.recorded or one.deleted or id_ in moved]
    derived = derive(db, _persons(adding, known, changed))
    after = {**known, **changed}
    return Settled(
        customer_of=owners | {id_: one.customer_id for id_, one in after.items()},
        identities=after,
        touched=_persons(news_of, known, changed) | derived | returned,
        news_of=news_of,
        deleted=sum(one.deleted and not (id_ in known and known[id_].deleted) for id_, one in changed.items()),
    )


def _recorded(db: Connection, shop: str, shop_ids: Collection[str]) -> dict[str, int | None]:
    """Whose those of these shop ids are of which there is a record."""
    if not shop_ids:
        return {}
    query = select(identities.c.shop_customer_id, identities.c.customer_id).where(
        identities.c.shop == shop,
        among(db, identities.c.shop_customer_id, shop_ids),
        identities.c.updated_at > ORDERS_WEIGH // 2,
    )
    return dict(fetch(db, query))


def _signed_up(changed: Mapping[str, Identity]) -> list[Identity]:
    return [one for one in changed.values() if one.recorded and not one.deleted]


def _persons(shop_ids: Iterable[str], *stages: Mapping[str, Identity]) -> set[int]:
    """The customers whom these ids belong to at any stage."""
    found = {stage[id_].customer_id for stage in stages for id_ in shop_ids if id_ in stage}
    return {id_ for id_ in found if id_ is not None}


def _changed(known: Mapping[str, Identity], told: Iterable[Identity], gone: Iterable[str]) -> dict[str, Identity]:
    changed: dict[str, Identity] = {}
    for new in told:
        before = changed.get(new.shop_customer_id) or known.get(new.shop_customer_id)
        if before is None or outweighs(new, before):
            # An id that the shop deleted does not come back: a record seen later was read earlier.
            new.deleted = before.deleted if before else False
            changed[new.shop_customer_id] = new
    for shop_id in gone:
        before = changed.get(shop_id) or known.get(shop_id) or Identity(shop_id, None, NEVER_SEEN)
        if not before.deleted:
            changed[shop_id] = msgspec.structs.replace(before, deleted=True)
    return changed


def known_identities(db: Connection, shop: str, shop_ids: Collection[str]) -> dict[str, Identity]:
    """What is stored of these shop ids."""
    if not shop_ids:
        return {}
    query = (
        select(*(customers.c.email if name == "email" else identities.c[name] for name in Identity.__struct_fields__))
        .outerjoin(customers, customers.c.id == identities.c.customer_id)
        .where(identities.c.shop == shop, among(db, identities.c.shop_customer_id, shop_ids))
    )
    return {row[0]: Identity(*row) for row in fetch(db, query)}


_COLUMNS = tuple(name for name in Identity.__struct_fields__ if name != "email")
_values_of = attrgetter(*_COLUMNS)


def store_identities(db: Connection, shop: str, changed: Collection[Identity]) -> None:
    """These identities are stored; each has, and gets here, the customer of its e-mail key."""
    ids = customer_ids(db, {identity.email for identity in changed if identity.email})
    for identity in changed:
        identity.customer_id = ids[identity.email] if identity.email else None
    rows = [(shop, *_values_of(identity)) for identity in changed]
    put(db, identities, ("shop", *_COLUMNS), rows)


def customer_ids(db: Connection, keys: Collection[str]) -> dict[str, int]:
    """The ids of the customers with these e-mail keys; who was not known is from now on."""
    if not keys:
        return {}
    # In order, so that two writers never wait for each other.
    put(db, customers, ["email"], [(key,) for key in sorted(keys)], keep=None)
    query = select(customers.c.email, customers.c.id).where(among(db, customers.c.email, keys))
    return {row[0]: row[1] for row in db.execute(query).all()}


def _move_orders(db: Connection, shop: str, moved: Collection[tuple[str, int | None, int | None]]) -> None:
    """The orders of these shop ids belong to another customer: (shop id, whose it was, whose it is)."""
    rows = [{"s": shop, "i": id_, "b": before, "c": after} for id_, before, after in moved]
    for move, mine in (
        (_MOVE, [row for row in rows if row["b"]]),
        (_MOVE_NOBODYS, [row for row in rows if not row["b"]]),
    ):
        if mine:
            db.execute(move, mine)


# Of the shop as a number: as a plain condition SQLite would read all of the shop's orders.
_OF_ID = update(orders).where(
    as_number((orders.c.shop == bindparam("s"), 1)) == 1, orders.c.shop_customer_id == bindparam("i")
)
_MOVE = _OF_ID.where(orders.c.customer_id == bindparam("b")).values(customer_id=bindparam("c"))
_MOVE_NOBODYS = _OF_ID.where(orders.c.customer_id.is_(None)).values(customer_id=bindparam("c"))


def mark_news(db: Connection, ids: Collection[int | None], audiences_: Iterable[str]) -> None:
    """These customers are judged again in the next cycle of each audience."""
    rows = [(id_, audience) for id_ in sorted(filter(None, ids)) for audience in audiences_]
    put(db, news, ["customer_id", "audience"], rows, keep=None)


def mark_news_elsewhere(db: Connection, ids: Collection[int | None], told: Collection[str]) -> None:
    """These customers are judged again in the audiences besides `told` that have them: who somebody is holds in all."""
    others = {*db.execute(select(audiences.c.name)).scalars()}.difference(told) if ids else set()
    if others:
        query = select(members.c.customer_id, members.c.audience).where(
            members.c.audience.in_(others), among(db, members.c.customer_id, [*filter(None, ids)])
        )
        put(db, news, ["customer_id", "audience"], [tuple(row) for row in db.execute(query)], keep=None)


def mark_news_of(db: Connection, query: Select[Any], audiences_: Iterable[str]) -> None:
    """The same for the customers whom `query` finds, however many they are, without bringing them here."""
    insert = sqlite.insert if is_sqlite(db) else postgresql.insert
    for audience in audiences_:
        found = query.add_columns(literal(audience))
        db.execute(insert(news).from_select(["customer_id", "audience"], found).on_conflict_do_nothing())


def known_among(db: Connection, ids: Collection[int]) -> set[int]:
    """Those of these customers whom a shop's record, an order or an audience made known."""
    if not ids:
        return set()
    in_shop = exists().where(identities.c.customer_id == customers.c.id)
    in_audience = exists().where(members.c.customer_id == customers.c.id)
    query = select(customers.c.id).where(among(db, customers.c.id, ids), or_(in_shop, in_audience))
    return set(db.execute(query).scalars())


def redact(history: History, shop: str, shop_customer_id: str, *, audiences: Iterable[str], now: int) -> None:
    """Afterwards whoever this shop id is, or was, counts as erased; each of `audiences` is told.

    For a shop that says so before, or without, showing it. Said again, it holds for who came back since, too.
    """
    with history.begin() as db:
        lock(db, "people")
        known = known_identities(db, shop, [shop_customer_id])
        mark_news(db, former.erase(db, shop, known, {shop_customer_id: now}), audiences)


def emails_of(history: History, ids: Collection[int]) -> dict[int, str]:
    """The e-mail keys of these customers."""
    with history.read() as db:
        query = select(customers.c.id, customers.c.email).where(among(db, customers.c.id, ids))
        return {row[0]: row[1] for row in db.execute(query).all()}


def customer_of(history: History, key: str) -> int | None:
    """The customer with this e-mail key (`model.email_key`), None where nobody is known under it."""
    with history.read() as db:
        return db.execute(select(customers.c.id).where(customers.c.email == key)).scalar()
