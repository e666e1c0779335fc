"""Who leaves an audience because they are gone from its shops, and what becomes of their contact.

Everything is worked out from what the history holds now, so it comes out the same however often it is asked,
and is over once it was done. It decides; the writing is the plan's.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, exists, func, or_, select, true

from syncd.history.database import History, among
from syncd.history.schema import customers, former_customers, identities, members, standings
from syncd.model import MemberStatus

# Contacts that can be archived or can get another address. Of the others, those that are archived or bounced
# are at rest, and those who have not confirmed yet are not ours to move.
MOVABLE = (MemberStatus.SUBSCRIBED, MemberStatus.UNSUBSCRIBED, MemberStatus.TRANSACTIONAL)
# A contact under the new address in which the person is reached, or said that they will not be.
_SETTLED = (MemberStatus.SUBSCRIBED, MemberStatus.UNSUBSCRIBED)


@dataclass(frozen=True, slots=True)
class Departure:
    """`leaving`: "strip" (nothing of ours stays on the contact), "archive" or "rename" (to `successor_id`'s
    address); "" where only what we want for the person ends, as there is no contact.
    """

    customer_id: int
    leaving: str = ""
    successor_id: int | None = None


def departures(
    history: History, audience: str, shops: Collection[str], *, follow: bool, of: Collection[int] | None
) -> list[Departure]:
    """Who of the customers `of` (None: of all) is to leave the audience now, each once.

    Erased people are archived. Whose shop id has another address now takes the contact along; where the new
    address is a contact already, the old one is archived. Without `follow` they only lose what is ours.
    """
    with history.read() as db:

        def asked(id_: ColumnElement[Any]) -> ColumnElement[bool]:
            return true() if of is None else among(db, id_, of)

        found = {one.customer_id: one for one in _gone(db, audience, shops, asked)}
        found |= {one.customer_id: one for one in _moved(db, audience, shops, asked)}
        found |= {one.customer_id: one for one in _erased(db, audience, asked)}
    if follow:
        return list(found.values())
    return [one if one.leaving == "" else Departure(one.customer_id, "strip") for one in found.values()]


# The condition that an id is among those that are asked for.
_Asked = Callable[[ColumnElement[Any]], ColumnElement[bool]]


def is_erased() -> ColumnElement[bool]:
    """The condition that a customer was erased, and has not subscribed since (`members` outer joined)."""
    return and_(
        customers.c.erased_at.is_not(None),
        func.coalesce(members.c.opted_in_at, customers.c.erased_at) <= customers.c.erased_at,
    )


def _erased(db: Connection, audience: str, asked: _Asked) -> list[Departure]:
    query = (
        select(customers.c.id, members.c.status)
        .outerjoin(members, and_(members.c.customer_id == customers.c.id, members.c.audience == audience))
        .where(is_erased(), asked(customers.c.id))
    )
    return [Departure(id_, _farewell(status)) for id_, status in db.execute(query)]


def _farewell(status: str | None) -> str:
    if status is None:
        return ""
    return "archive" if status in MOVABLE else "strip"


def _gone(db: Connection, audience: str, shops: Collection[str], asked: _Asked) -> list[Departure]:
    """Those for whom something is wanted, and who are neither a contact nor in any of the shops."""
    query = (
        select(standings.c.customer_id)
        .outerjoin(
            members, and_(members.c.customer_id == standings.c.customer_id, members.c.audience == standings.c.audience)
        )
        .where(standings.c.audience == audience, members.c.customer_id.is_(None))
        .where(or_(standings.c.segments != 0, standings.c.wanted_tags != 0, standings.c.wanted_fields != ""))
        .where(~lives(standings.c.customer_id, shops), asked(standings.c.customer_id))
    )
    return [Departure(id_) for id_ in db.execute(query).scalars()]


def _moved(db: Connection, audience: str, shops: Collection[str], asked: _Asked) -> list[Departure]:
    """Contacts of whom no shop knows any more but that they have another address, or none: the newest contact is
    renamed, as there can be only one under the new address.
    """
    found = [_Move(*row[:4]) for row in db.execute(_moves(audience, shops, asked))]
    moves = []
    for successor_id, rivals in groupby(found, key=lambda move: move.successor_id):
        first = True
        for move in rivals:
            moves.append(Departure(move.customer_id, _way(move, first), successor_id))
            first = first and move.status not in MOVABLE
    # Somebody with several successors follows the first.
    return list({move.customer_id: move for move in reversed(moves)}.values())


@dataclass(frozen=True, slots=True)
class _Move:
    customer_id: int
    status: str
    successor_id: int | None
    successor_status: str | None


def _way(move: _Move, first: bool) -> str:
    if move.successor_id is None or move.status not in MOVABLE:
        return "strip"
    if move.successor_status is None:
        return "rename" if first else "strip"
    return "archive" if move.successor_status in _SETTLED else "strip"


def _moves(audience: str, shops: Collection[str], asked: _Asked) -> Select[Any]:
    here = members.alias("here")
    refused = (
        select(standings.c.refused)
        .where(standings.c.audience == audience, standings.c.customer_id == members.c.customer_id)
        .scalar_subquery()
    )
    successor = customers.alias("successor")
    return (
        select(members.c.customer_id, members.c.status, identities.c.customer_id, here.c.status, members.c.changed_at)
        .distinct()
        .select_from(former_customers)
        .join(members, and_(members.c.customer_id == former_customers.c.customer_id, members.c.audience == audience))
        .join(
            identities,
            and_(
                identities.c.shop == former_customers.c.shop,
                identities.c.shop_customer_id == former_customers.c.shop_customer_id,
            ),
        )
        .outerjoin(successor, successor.c.id == identities.c.customer_id)
        .outerjoin(here, and_(here.c.customer_id == identities.c.customer_id, here.c.audience == audience))
        .where(
            former_customers.c.shop.in_(shops),
            identities.c.customer_id.is_distinct_from(members.c.customer_id),
            ~identities.c.deleted,
            successor.c.erased_at.is_(None),
            func.coalesce(refused, "") == "",
            ~lives(members.c.customer_id, shops),
            asked(members.c.customer_id),
        )
        .order_by(identities.c.customer_id, members.c.changed_at.desc(), members.c.customer_id)
    )


def lives(customer_id: ColumnElement[Any], shops: Collection[str]) -> ColumnElement[bool]:
    """The condition that a customer has a living id in one of the shops."""
    living = identities.alias("living")
    return exists().where(living.c.customer_id == customer_id, living.c.shop.in_(shops), ~living.c.deleted)
