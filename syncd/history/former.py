"""Who is gone from the shops, and where to: address changes, merges and erasures, as the shops tell them.

What writes works inside a transaction of its caller. It knows customers and identities; what becomes of
the contact in an audience is decided in `departures`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING

from sqlalchemy import Connection, bindparam, exists, select, update

from syncd.history.database import History, among, put
from syncd.history.schema import customers, former_customers, identities

if TYPE_CHECKING:
    from syncd.history.people import Identity


def remember(db: Connection, shop: str, were: Iterable[tuple[str, int | None]]) -> None:
    """Afterwards it is known whose shop ids were: pairs of an id, and the customer whom it, or an id that was
    merged into it, belonged to.
    """
    rows = {(shop, id_, customer) for id_, customer in were if customer is not None}
    put(db, former_customers, _FORMER, rows, keep=None)


_FORMER = ("shop", "shop_customer_id", "customer_id")


def erase(db: Connection, shop: str, known: Mapping[str, Identity], redacted: Mapping[str, int]) -> set[int]:
    """Afterwards the people of these shop ids ({id: when the shop erased it}) count as erased; returns them.

    Where the shop had taken the address from the id before, it is whose the id was, unless a living id is theirs.
    """
    at_of = {customer: at for id_, at in redacted.items() if id_ in known and (customer := known[id_].customer_id)}
    for id_, customer in _formers(db, shop, redacted):
        at_of.setdefault(customer, redacted[id_])
    if at_of:
        db.execute(_ERASE, [{"c": customer, "at": at} for customer, at in at_of.items()])
    return set(at_of)


def _formers(db: Connection, shop: str, ids: Collection[str]) -> list[tuple[str, int]]:
    if not ids:
        return []
    living = exists().where(identities.c.customer_id == former_customers.c.customer_id, ~identities.c.deleted)
    query = (
        select(former_customers.c.shop_customer_id, former_customers.c.customer_id)
        .join(customers, customers.c.id == former_customers.c.customer_id)
        .where(former_customers.c.shop == shop, among(db, former_customers.c.shop_customer_id, ids))
        .where(customers.c.erased_at.is_(None), ~living)
    )
    return [(row[0], row[1]) for row in db.execute(query)]


def welcome_back(db: Connection, recorded: Iterable[Identity]) -> set[int]:
    """Whoever signed up at a shop anew after they were erased is a person like any other again; returns them."""
    signed_up = {one.customer_id: one.created_at for one in recorded if one.customer_id and one.created_at is not None}
    if not signed_up:
        return set()
    query = select(customers.c.id, customers.c.erased_at).where(
        customers.c.erased_at.is_not(None), among(db, customers.c.id, signed_up)
    )
    back = {id_ for id_, erased_at in db.execute(query) if signed_up[id_] > erased_at}
    if back:
        db.execute(update(customers).where(among(db, customers.c.id, back)).values(erased_at=None))
    return back


def was_erased(history: History, customer_id: int) -> bool:
    """Whether a shop erased this customer, and they have not signed up since."""
    with history.read() as db:
        return db.execute(select(customers.c.erased_at).where(customers.c.id == customer_id)).scalar() is not None


def now_known_as(history: History, customer_id: int) -> str | None:
    """The address that a shop has by now for somebody who was this customer; None where there is none."""
    query = (
        select(customers.c.email)
        .join(identities, identities.c.customer_id == customers.c.id)
        .join(
            former_customers,
            (former_customers.c.shop == identities.c.shop)
            & (former_customers.c.shop_customer_id == identities.c.shop_customer_id),
        )
        .where(former_customers.c.customer_id == customer_id, customers.c.id != customer_id, ~identities.c.deleted)
        .order_by(identities.c.updated_at.desc())
    )
    with history.read() as db:
        return db.execute(query).scalars().first()


_ERASE = update(customers).where(customers.c.id == bindparam("c")).values(erased_at=bindparam("at"))
