"""Occasions on their way to the e-mail service: claimed before they are sent, confirmed after, looked for in doubt.

The service has no idea of doing a thing once. So an occasion whose answer stayed out is repeated only when the
service has had time to show it, and does not.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from sqlalchemy import Connection, func, select, update

from syncd.history.database import History, among
from syncd.history.former import now_known_as
from syncd.history.schema import articles, carts, customers, members, moments, order_items, orders
from syncd.model import MemberStatus
from syncd.money import to_major

# The service may take a while to show an event that it took; only after that its absence is believed.
ECHO_SECONDS = 60
PRODUCT_LENGTH = 100


class Told(NamedTuple):
    """An occasion on its way to the service."""

    episode: str
    name: str
    key: str


def claim(db: Connection, audience: str, episodes: Collection[str], now: int) -> dict[int, tuple[Told, ...]]:
    """Those of these that still wait for a subscriber are `sending` from now on; returns them by customer."""
    subscriber = select(members.c.customer_id).where(
        members.c.audience == audience,
        members.c.customer_id == moments.c.customer_id,
        members.c.status == MemberStatus.SUBSCRIBED,
    )
    claimed = (
        update(moments)
        .where(among(db, moments.c.episode, episodes), moments.c.state == "waiting")
        .where(subscriber.exists())
        .values(state="sending", settled_at=now)
        .returning(moments.c.customer_id, moments.c.episode, moments.c.name, moments.c.key)
    )
    found: dict[int, tuple[Told, ...]] = defaultdict(tuple)
    if episodes:
        for customer_id, *told in db.execute(claimed):
            found[customer_id] += (Told(*told),)
    return found


def confirm(db: Connection, episodes: Collection[str], now: int) -> None:
    """The service took these."""
    if episodes:
        db.execute(update(moments).where(among(db, moments.c.episode, episodes)).values(state="sent", settled_at=now))


def doubt(history: History, episodes: Collection[str], now: int) -> None:
    """Those of these that were not confirmed may have reached the service as late as now."""
    with history.begin() as db:
        sending = (among(db, moments.c.episode, episodes), moments.c.state == "sending")
        db.execute(update(moments).where(*sending).values(settled_at=now))


def unsettled(history: History, audience: str, now: int) -> dict[str, list[str]]:
    """The occasions that were being sent when an answer stayed out, so long ago that the service must show them:
    {episode: the addresses under which its member may be found}.
    """
    query = (
        select(moments.c.episode, moments.c.settled_at, customers.c.id, customers.c.email)
        .join(customers, customers.c.id == moments.c.customer_id)
        .where(moments.c.audience == audience, moments.c.state == "sending")
        .order_by(moments.c.episode)
    )
    with history.read() as db:
        # By the time, SQLite would look through all that was ever told.
        rows = [row for row in db.execute(query) if row.settled_at <= now - ECHO_SECONDS]
    return {
        episode: [email, *filter(None, [now_known_as(history, customer_id)])] for episode, _, customer_id, email in rows
    }


def settle(history: History, shown: Collection[str], missing: Collection[str], now: int) -> None:
    """The service has shown these; the others never reached it, and wait again."""
    with history.begin() as db:
        confirm(db, shown, now)
        again = update(moments).where(among(db, moments.c.episode, missing), moments.c.state == "sending")
        db.execute(again.values(state="waiting", settled_at=None))


def details(history: History, told: Iterable[Told], on: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """What the service is told besides the episode: of an order its total and first product, of a cart its value.

    `on`: what each moment waits for.
    """
    asked: dict[tuple[str, str], dict[str, str]] = defaultdict(dict)
    for one in told:
        shop, _, id_ = one.key.partition("/")
        if on[one.name] in _TELLING:
            asked[on[one.name], shop][one.episode] = id_
    found: dict[str, dict[str, str]] = {}
    with history.read() as db:
        for (kind, shop), ids in asked.items():
            known = _TELLING[kind](db, shop, set(ids.values()))
            found |= {episode: known.get(id_, {}) for episode, id_ in ids.items()}
    return found


def _of_orders(db: Connection, shop: str, ids: Collection[str]) -> dict[str, dict[str, str]]:
    amounts = select(orders.c.id, orders.c.paid_minor, orders.c.currency)
    amounts = amounts.where(orders.c.shop == shop, among(db, orders.c.id, ids))
    titles = select(order_items.c.order_id, articles.c.title)
    titles = titles.join(articles, articles.c.id == order_items.c.article_id)
    titles = titles.where(order_items.c.shop == shop, among(db, order_items.c.order_id, ids))
    # The first line comes last, and stays.
    first = {row[0]: row[1] for row in db.execute(titles.order_by(order_items.c.line.desc()))}
    return {
        id_: {"order": f"{to_major(paid_minor, currency)} {currency}"}
        | ({"product": first[id_][:PRODUCT_LENGTH]} if id_ in first else {})
        for id_, paid_minor, currency in db.execute(amounts)
    }


def _of_carts(db: Connection, shop: str, ids: Collection[str]) -> dict[str, dict[str, str]]:
    query = select(carts.c.id, carts.c.value_minor, carts.c.currency)
    query = query.where(carts.c.shop == shop, among(db, carts.c.id, ids))
    return {
        id_: {"cart": f"{to_major(value_minor, currency)} {currency}"}
        for id_, value_minor, currency in db.execute(query)
    }


# Of whom or what there is more to tell than that it happened.
_TELLING = {"order": _of_orders, "cart": _of_carts}


def sent_since(history: History, audience: str, instant: int) -> dict[str, int]:
    """How much of each moment was announced since `instant`, or is being."""
    query = (
        select(moments.c.name, func.count())
        .where(
            moments.c.audience == audience, moments.c.settled_at >= instant, moments.c.state.in_(("sending", "sent"))
        )
        .group_by(moments.c.name)
    )
    with history.read() as db:
        return {row[0]: row[1] for row in db.execute(query)}
