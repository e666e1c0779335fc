"""Occasions on their way to the e-mail service: claimed before they are sent, confirmed after, looked for in doubt.

The service has no idea of doing a thing once. So an occasion whose answer stayed out is repeated only when the
service has had time to show it, and does not.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
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
    found: dict[str, dict[str, str]] = {}
    with history.read() as db:
        for one in told:
            shop, _, id_ = one.key.partition("/")
            match on[one.name]:
                case "order":
                    found[one.episode] = dict(_of_order(db, shop, id_))
                case "cart":
                    found[one.episode] = dict(_of_cart(db, shop, id_))
    return found


def _of_order(db: Connection, shop: str, id_: str) -> Iterator[tuple[str, str]]:
    query = select(orders.c.paid_minor, orders.c.currency).where(orders.c.shop == shop, orders.c.id == id_)
    for paid_minor, currency in db.execute(query):
        yield "order", f"{to_major(paid_minor, currency)} {currency}"
    titles = select(articles.c.title).join(order_items, order_items.c.article_id == articles.c.id)
    titles = titles.where(order_items.c.shop == shop, order_items.c.order_id == id_)
    for title in db.execute(titles.order_by(order_items.c.line).limit(1)).scalars():
        yield "product", title[:PRODUCT_LENGTH]


def _of_cart(db: Connection, shop: str, id_: str) -> Iterator[tuple[str, str]]:
    query = select(carts.c.value_minor, carts.c.currency).where(carts.c.shop == shop, carts.c.id == id_)
    for value_minor, currency in db.execute(query):
        yield "cart", f"{to_major(value_minor, currency)} {currency}"


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
