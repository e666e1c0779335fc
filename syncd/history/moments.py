"""Occasions that are due: what is no longer true, or no longer news, is dropped; the rest is ready to be told.

It decides who is told what, and when it is too late; how it is sent, and whether it arrived, is `telling`'s.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from typing import NamedTuple

from sqlalchemy import Connection, and_, func, select, text, update

from syncd.history.carts import open_carts
from syncd.history.database import History, among
from syncd.history.occasions import NOT_IN_USE, Watch, Watched, counting, key_of
from syncd.history.outbox import PARKED
from syncd.history.reading import fetch
from syncd.history.schema import moments, moments_in_use, orders, shops
from syncd.history.stays import joined_at
from syncd.model import MemberStatus
from syncd.plan import Occasion

# Old news: what cannot be told within two days of its time is not told at all. Until then people know what the mail
# is about; thanks for last month's order, after an outage or a plan that was held for long, would make them wonder.
LATE_SECONDS = 2 * 86_400

# Why an occasion is dropped; the words for it are in `views.words`.
TOO_LATE = "too-late"
REFUSED = "refused"
NOT_SUBSCRIBED = "not-subscribed"
CONTROL = "control-group"
UNDONE = {"join": "left-again", "leave": "joined-again", "order": "order-undone", "cart": "cart-over"}


class _Due(NamedTuple):
    """An occasion that waited, and the person as the ledger has them."""

    episode: str
    name: str
    key: str
    customer_id: int
    happened_at: int
    due_at: int
    email: str
    status: str | None
    refused: str
    leaving: str
    wanted: bool


def ripen(history: History, watch: Watch, awaited: Collection[int], now: int) -> Counter[str]:
    """Of what is due, all that is not to be announced is dropped; returns how much of each moment.

    `awaited`: those whose address is about to become a contact's. They, and people who are about to be created,
    wait until they are members.
    """
    with history.read() as db:
        due = [_Due(*row) for row in fetch(db, _DUE.bindparams(a=watch.audience, now=now))]
    watched = {one.moment.name: one for one in watch.moments}
    reasons = [_why_not(one, watched.get(one.name), awaited, now) for one in due]
    for_whom = [one for one, reason in zip(due, reasons, strict=True) if not reason]
    true = _still_true(history, watch, for_whom, now)
    dropped: dict[str, list[str]] = defaultdict(list)
    moved = []
    for one, reason in zip(due, reasons, strict=True):
        if reason:
            dropped[reason].append(one.episode)
        elif one.episode not in true:
            dropped[UNDONE[watched[one.name].moment.on]].append(one.episode)
        elif (happened_at := true[one.episode]) != one.happened_at:
            moved.append((one.episode, happened_at, happened_at + watched[one.name].moment.settle))
    if dropped or moved:
        with history.begin() as db:
            for reason, episodes in dropped.items():
                values = {"state": "dropped", "reason": reason, "settled_at": now}
                db.execute(update(moments).where(among(db, moments.c.episode, episodes)).values(values))
            for episode, happened_at, due_at in moved:
                again = {"happened_at": happened_at, "due_at": due_at}
                db.execute(update(moments).where(moments.c.episode == episode).values(again))
    names = {one.episode: one.name for one in due}
    return Counter(names[episode] for episodes in dropped.values() for episode in episodes)


_DUE = text(
    "SELECT moments.episode, moments.name, moments.key, moments.customer_id, moments.happened_at, moments.due_at,"
    " customers.email, members.status, COALESCE(standings.refused, ''), COALESCE(standings.leaving, ''),"
    " COALESCE(standings.wanted_tags <> 0 OR standings.wanted_fields <> '', FALSE)"
    " FROM moments JOIN customers ON customers.id = moments.customer_id"
    " LEFT JOIN members ON members.customer_id = moments.customer_id AND members.audience = moments.audience"
    " LEFT JOIN standings ON standings.customer_id = moments.customer_id AND standings.audience = moments.audience"
    " WHERE moments.audience = :a AND moments.state = 'waiting' AND moments.due_at <= :now ORDER BY moments.due_at"
)


def _why_not(one: _Due, watched: Watched | None, awaited: Collection[int], now: int) -> str:
    """Why an occasion that is true is not announced to this person, now or ever; "" where it is, or waits."""
    if watched is None:
        return NOT_IN_USE
    if now > one.due_at + LATE_SECONDS:
        return TOO_LATE
    if one.refused and not one.refused.startswith(PARKED):
        return REFUSED
    joins_soon = one.status is None and (one.wanted or one.customer_id in awaited)
    if one.leaving or not (joins_soon or one.status == MemberStatus.SUBSCRIBED):
        return NOT_SUBSCRIBED
    return CONTROL if watched.withheld_from(one.email) else ""


def _still_true(history: History, watch: Watch, due: Sequence[_Due], now: int) -> dict[str, int]:
    """{episode: when it happened} of those that are true still: a cart that was touched again happened later."""
    on = {one.moment.name: one for one in watch.moments}
    of: dict[str, list[_Due]] = defaultdict(list)
    for one in due:
        of[on[one.name].moment.on].append(one)
    true: dict[str, int] = {}
    moving = [*of["join"], *of["leave"]]
    bits = {on[one.name].bit for one in moving}
    stays = joined_at(history, watch.audience, {one.customer_id for one in moving}, bits) if moving else {}
    for one in of["join"]:
        if stays.get((one.customer_id, on[one.name].bit)) == one.happened_at:
            true[one.episode] = one.happened_at
    for one in of["leave"]:
        if (one.customer_id, on[one.name].bit) not in stays:
            true[one.episode] = one.happened_at
    with history.read() as db:
        count = _counting(db, watch, [one.key for one in of["order"]])
        true |= {one.episode: one.happened_at for one in of["order"] if one.key in count}
        last_order = _last_orders(db, watch, {one.customer_id for one in of["cart"]})
    for one in of["cart"]:
        for cart in open_carts(history, watch.shops, one.customer_id, now):
            if key_of(cart) == one.key and last_order.get(one.customer_id, 0) < cart.updated_at:
                true[one.episode] = cart.updated_at
    return true


def _counting(db: Connection, watch: Watch, keys: Sequence[str]) -> set[str]:
    """Those of these orders that count."""
    ids = defaultdict(list)
    for shop, _, id_ in (key.partition("/") for key in keys):
        ids[shop].append(id_)
    return {
        found.key
        for shop, its in ids.items()
        for found in counting(db, watch, orders.c.shop == shop, among(db, orders.c.id, its))
    }


def _last_orders(db: Connection, watch: Watch, ids: Collection[int]) -> dict[int, int]:
    """When each of these customers placed their last counted order: who bought does not wait for a cart any more."""
    last: dict[int, int] = {}
    for order in counting(db, watch, among(db, orders.c.customer_id, ids)) if ids else ():
        last[order.customer_id] = max(last.get(order.customer_id, 0), order.happened_at)
    return last


def ready(history: History, audience: str, now: int) -> dict[int, tuple[Occasion, ...]]:
    """What is to be announced now, by customer, to whoever of them hears it (`Standing.hears`).

    An order or a cart waits until its shop was read once more after it became due: only then it is known whether
    it was taken back in time.
    """
    query = (
        select(moments.c.customer_id, moments.c.due_at, moments.c.name, moments.c.episode)
        .add_columns(moments_in_use.c.occasion, moments.c.key)
        .join(moments_in_use, and_(moments_in_use.c.audience == audience, moments_in_use.c.name == moments.c.name))
        .where(moments.c.audience == audience, moments.c.state == "waiting", moments.c.due_at <= now)
        .order_by(moments.c.due_at, moments.c.name, moments.c.episode)
    )
    found: dict[int, list[Occasion]] = defaultdict(list)
    with history.read() as db:
        read_at = {row[0]: row[1] or 0 for row in db.execute(select(shops.c.name, shops.c.pulled_at))}
        for customer_id, due_at, name, episode, occasion, key in fetch(db, query):
            shop = key.partition("/")[0] if occasion in ("order", "cart") else None
            if shop is None or read_at.get(shop, 0) >= due_at:
                found[customer_id].append(Occasion(due_at, name, episode))
    return {customer_id: tuple(occasions) for customer_id, occasions in found.items()}


class Past(NamedTuple):
    """An occasion of one person, and what became of it."""

    name: str
    happened_at: int
    due_at: int
    state: str
    reason: str
    settled_at: int | None


def of_person(history: History, audience: str, customer_id: int, at_most: int) -> list[Past]:
    """The last occasions of a person, the latest first."""
    query = (
        select(*(moments.c[name] for name in Past._fields))
        .where(moments.c.audience == audience, moments.c.customer_id == customer_id)
        .order_by(moments.c.happened_at.desc(), moments.c.name)
        .limit(at_most)
    )
    with history.read() as db:
        return [Past(*row) for row in db.execute(query)]


def tally(history: History, audience: str, since: int) -> dict[str, Counter[str]]:
    """How much of each moment waits (being sent included), and how much was sent and dropped since `since`:
    {moment: {state: number}}.
    """
    of = select(moments.c.name, moments.c.state, func.count()).where(moments.c.audience == audience)
    by = (moments.c.name, moments.c.state)
    found: dict[str, Counter[str]] = defaultdict(Counter)
    with history.read() as db:
        for name, _, count in db.execute(of.where(moments.c.state.in_(("waiting", "sending"))).group_by(*by)):
            found[name]["waiting"] += count
        settled = of.where(moments.c.settled_at >= since, moments.c.state.in_(("sent", "dropped")))
        for name, state, count in db.execute(settled.group_by(*by)):
            found[name][state] += count
    return found
