"""The consent ledger: what each source said of a person's consent, append-only, and what holds now.

Sources are the shops, by name, and the audiences, as `esp:NAME`. A source that knows a person under
several ids speaks with several voices; the most restrictive counts.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, and_, case, func, or_, select

from syncd.history.database import History, among, among_given, given, is_sqlite, put
from syncd.history.schema import consents, former_customers, identities, members
from syncd.model import Consent, ConsentState


class Statement(NamedTuple):
    """What a source says of a customer under one of its ids."""

    customer_id: int
    shop_customer_id: str
    consent: Consent


def append(db: Connection, source: str, statements: Collection[Statement], now: int) -> list[Statement]:
    """The statements that say something new are in the ledger; returns them."""
    if not statements:
        return []
    latest = _latest(db, source, {one.customer_id for one in statements})
    new = [one for one in statements if _is_new(one, latest)]
    if new:
        rows = [(one.customer_id, source, one.shop_customer_id, *_words(one.consent), now) for one in new]
        put(db, consents, _LINE, rows)
    return new


_LINE = ("customer_id", "source", "shop_customer_id", "state", "level", "changed_at", "observed_at")


def _words(said: Consent) -> tuple[str, str, int]:
    return said.state.value, said.level, said.changed_at


def _is_new(one: Statement, latest: dict[tuple[int, str], tuple[str, str]]) -> bool:
    before = latest.get((one.customer_id, one.shop_customer_id))
    if before is None:
        return one.consent.state != ConsentState.UNKNOWN
    return before != (one.consent.state, one.consent.level)


def _latest(db: Connection, source: str, ids: Collection[int]) -> dict[tuple[int, str], tuple[str, str]]:
    newest = (
        select(func.max(consents.c.id))
        .where(consents.c.source == source, among(db, consents.c.customer_id, ids))
        .group_by(consents.c.customer_id, consents.c.shop_customer_id)
    )
    query = select(consents.c.customer_id, consents.c.shop_customer_id, consents.c.state, consents.c.level).where(
        consents.c.id.in_(newest)
    )
    return {(row[0], row[1]): (row[2], row[3]) for row in db.execute(query)}


def consent_of(history: History, customer_ids: Collection[int]) -> dict[int, bool]:
    """Whether each of these customers may be mailed: someone says granted, and nobody says withdrawn.

    Only a grant lifts a withdrawal, while anything but a grant ends a grant. A grant under an id that
    is gone, or is another person's by now, is nobody's. Who objected in an audience and has another address
    in the shop since then has objected under that address, too.
    """
    with history.read() as db:
        found = {
            row[0]: bool(row[1]) and not row[2]
            for row in db.execute(_consent(is_sqlite(db)), {"ids": given(db, customer_ids)})
        }
        granted = [id_ for id_, agreed in found.items() if agreed]
        objected = set(db.execute(_objected_before(db, granted)).scalars()) if granted else set()
    return {id_: found.get(id_, False) and id_ not in objected for id_ in customer_ids}


def _objected_before(db: Connection, ids: Collection[int]) -> Select[Any]:
    """The customers whose living ids were another customer's, who had objected in an audience."""
    word = consents.alias("word")
    latest = (
        select(func.max(word.c.id))
        .where(word.c.customer_id == former_customers.c.customer_id)
        .group_by(word.c.source, word.c.shop_customer_id)
        .correlate(former_customers)
    )
    return (
        select(identities.c.customer_id)
        .join(
            former_customers,
            and_(
                former_customers.c.shop == identities.c.shop,
                former_customers.c.shop_customer_id == identities.c.shop_customer_id,
                former_customers.c.customer_id != identities.c.customer_id,
            ),
        )
        .join(consents, consents.c.customer_id == former_customers.c.customer_id)
        .where(among(db, identities.c.customer_id, ids), ~identities.c.deleted)
        .where(consents.c.source.startswith(esp_source("")), consents.c.state == ConsentState.WITHDRAWN)
        .where(consents.c.id.in_(latest))
    )


@cache
def _consent(sqlite: bool) -> Select[Any]:
    person_said = case((consents.c.state.in_([ConsentState.GRANTED, ConsentState.WITHDRAWN]), consents.c.id))
    voice = (consents.c.customer_id, consents.c.source, consents.c.shop_customer_id)
    voices = (
        select(*voice, func.max(consents.c.id).label("word"), func.max(person_said).label("said"))
        .where(among_given(sqlite, consents.c.customer_id, "ids"))
        .group_by(*voice)
        .cte("voices")
    )
    word, said = consents.alias("word"), consents.alias("said")
    living = and_(
        identities.c.shop == voices.c.source,
        identities.c.shop_customer_id == voices.c.shop_customer_id,
        identities.c.customer_id == voices.c.customer_id,
        ~identities.c.deleted,
    )
    listed = and_(
        members.c.audience == func.substr(voices.c.source, len(esp_source("")) + 1),
        members.c.customer_id == voices.c.customer_id,
        members.c.contact_id == voices.c.shop_customer_id,
        voices.c.source.startswith(esp_source("")),
    )
    alive = or_(identities.c.shop.is_not(None), members.c.contact_id.is_not(None))
    return (
        select(
            voices.c.customer_id,
            func.max(case((and_(word.c.state == ConsentState.GRANTED, alive), 1), else_=0)),
            func.max(case((said.c.state == ConsentState.WITHDRAWN, 1), else_=0)),
        )
        .select_from(
            voices.join(word, word.c.id == voices.c.word)
            .outerjoin(said, said.c.id == voices.c.said)
            .outerjoin(identities, living)
            .outerjoin(members, listed)
        )
        .group_by(voices.c.customer_id)
    )


def esp_source(audience: str) -> str:
    """The name of an audience as a source of consents."""
    return f"esp:{audience}"
