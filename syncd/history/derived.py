"""What is said of a customer as a person: it follows from all their living shop ids, and from nothing else.

Kept with the customer, so that a judgement reads one row. Works inside a transaction of its caller.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import Connection, exists, func, or_, select, update

from syncd.history.database import among
from syncd.history.schema import audiences, customers, identities, members


def derive(db: Connection, ids: Collection[int]) -> set[int]:
    """These customers have the earliest sign-up of their living shop ids, the newest country, city and language
    that is known, and are wholesale if any says so. Who is in no shop signed up when they joined the first
    audience. Returns of whom anything changed.
    """
    if not ids:
        return set()
    person = customers.alias("person")
    facts = _facts(person)
    new = select(person.c.id, *(fact.label(name) for name, fact in facts.items()))
    derived = new.where(among(db, person.c.id, ids)).subquery("derived")
    differs = or_(*(customers.c[name].is_distinct_from(derived.c[name]) for name in facts))
    change = (
        update(customers)
        .where(customers.c.id == derived.c.id, differs)
        .values({name: derived.c[name] for name in facts})
        .returning(customers.c.id)
    )
    return set(db.execute(change).scalars())


def _facts(person: Any) -> dict[str, Any]:
    def living(column: Any) -> Any:
        return select(column).where(identities.c.customer_id == person.c.id, ~identities.c.deleted)

    def newest(column: Any) -> Any:
        order = (identities.c.updated_at.desc(), identities.c.shop, identities.c.shop_customer_id)
        return func.coalesce(living(column).where(column != "").order_by(*order).limit(1).scalar_subquery(), "")

    # By way of the audiences: with both columns of its key, a member is found at once.
    joined = select(func.min(members.c.opted_in_at)).select_from(
        audiences.join(members, members.c.audience == audiences.c.name)
    )
    return {
        "signup_at": func.coalesce(
            living(func.min(identities.c.created_at)).scalar_subquery(),
            joined.where(members.c.customer_id == person.c.id).scalar_subquery(),
        ),
        "country": newest(identities.c.country),
        "city": newest(identities.c.city),
        "language": newest(identities.c.language),
        "wholesale": exists(living(identities.c.shop).where(identities.c.wholesale)),
    }
