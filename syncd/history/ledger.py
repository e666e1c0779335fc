"""What was judged: who stands where in an audience, since when, and what the service has confirmed.

Writes standings and segments. Knows bit sets; knows neither the rules behind them nor
the e-mail service.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, bindparam, delete, func, insert, select, text, update

from syncd.errors import UserError
from syncd.history import occasions, stays
from syncd.history.database import among, put
from syncd.history.fields import AS_KNOWN
from syncd.history.people import mark_news
from syncd.history.reading import fetch
from syncd.history.schema import audiences, customers, figures, members, news, orders, segments, standings
from syncd.model import MemberStatus
from syncd.plan import Standing, Tags

if TYPE_CHECKING:
    from sqlalchemy import Connection, Select

    from syncd.history.database import History
    from syncd.history.departures import Departure
    from syncd.rules import Playbook

MAX_BITS = 62


@dataclass(slots=True)
class Person:
    """One customer as the ledger has them: `status` is None where they never were a member."""

    customer_id: int
    email: str
    status: str | None
    segments: int
    wanted_tags: int
    known_tags: int
    wanted_fields: str
    known_fields: str
    refused: str
    next_due_at: int | None

    @property
    def hears(self) -> bool:
        """Whether they are a subscriber whom the service does not refuse."""
        return self.status == MemberStatus.SUBSCRIBED and not self.refused


def audience_row(history: History, audience: str) -> dict[str, Any]:
    """The audience's own state; a new audience gets its row."""
    query = select(audiences).where(audiences.c.name == audience)
    with history.read() as db:
        if row := db.execute(query).mappings().one_or_none():
            return dict(row)
    with history.begin() as db:
        put(db, audiences, ["name"], [(audience,)], keep=None)
        return dict(db.execute(query).mappings().one())


def set_audience(history: History, audience: str, **values: Any) -> None:
    """The audience's row has these values."""
    with history.begin() as db:
        db.execute(update(audiences).where(audiences.c.name == audience).values(**values))


def tags_of(history: History, audience: str, playbook: Playbook, prefix: str, *, write: bool = True) -> Tags:
    """The bit of each segment. A new segment, or one under a new tag, gets the next free bit for ever.

    Raises: UserError when an audience has used up its 62 bits.
    """
    have = _bits(history, audience)
    wanted = [(segment.name, prefix + segment.tag) for segment in playbook.segments]
    fresh = {key: len(have) + at for at, key in enumerate(key for key in wanted if key not in have)}
    if len(have) + len(fresh) > MAX_BITS:
        raise UserError(
            f"audiences.{audience}: {len(have) + len(fresh)} segments were used so far, {MAX_BITS} are possible",
            hint="give a new segment the name and tag of one that is gone",
        )
    if fresh and write:
        with history.begin() as db:
            db.execute(
                insert(segments),
                [{"audience": audience, "bit": bit, "name": key[0], "tag": key[1]} for key, bit in fresh.items()],
            )
    every = have | fresh
    return Tags(
        bits={name: every[name, tag] for name, tag in wanted},
        names={bit: tag for (_, tag), bit in every.items()},
        segments={bit: name for (name, _), bit in every.items()},
    )


def fresh_tags(history: History, audience: str, playbook: Playbook, prefix: str) -> list[str]:
    """The playbook's tags that have no bit yet: syncd has never written them."""
    have = _bits(history, audience)
    return [prefix + s.tag for s in playbook.segments if (s.name, prefix + s.tag) not in have]


def _bits(history: History, audience: str) -> dict[tuple[str, str], int]:
    """The bit of each (segment, full tag) that was ever in use, in the order of the bits."""
    query = select(segments).where(segments.c.audience == audience).order_by(segments.c.bit)
    with history.read() as db:
        return {(row.name, row.tag): row.bit for row in db.execute(query)}


def people(db: Connection, audience: str, ids: Sequence[int]) -> dict[int, Person]:
    """The customers `ids` as the ledger has them."""
    query = (
        select(
            customers.c.id,
            customers.c.email,
            members.c.status,
            func.coalesce(standings.c.segments, 0),
            func.coalesce(standings.c.wanted_tags, 0),
            func.coalesce(standings.c.known_tags, 0),
            func.coalesce(standings.c.wanted_fields, ""),
            func.coalesce(standings.c.known_fields, ""),
            func.coalesce(standings.c.refused, ""),
            standings.c.next_due_at,
        )
        .outerjoin(members, (members.c.customer_id == customers.c.id) & (members.c.audience == audience))
        .outerjoin(standings, (standings.c.customer_id == customers.c.id) & (standings.c.audience == audience))
    )
    return {row[0]: Person(*row) for row in fetch(db, query.where(among(db, customers.c.id, ids)))}


def store_departures(history: History, audience: str, found: Sequence[Departure], now: int) -> None:
    """Afterwards exactly these people are leaving: they are in no segment, and nothing is wanted for them but
    what `Departure` says. Whoever goes on as somebody else stays where they were as that one. Who was leaving
    before and is not any more is news; one transaction.
    """
    with history.read() as db:
        before = {row[0]: (row[1], row[2]) for row in db.execute(_LEAVING, {"a": audience})}
        known = people(db, audience, [one.customer_id for one in found])
    rows, heirs = [], []
    for one in found:
        person = known[one.customer_id]
        # Who is renamed takes everything along.
        kept = (person.known_tags, person.known_fields) if one.leaving == "rename" else (0, "")
        row = (0, *kept, one.leaving, one.successor_id)
        was = (person.segments, person.wanted_tags, person.wanted_fields, *before.get(one.customer_id, ("", None)))
        if row != was:
            rows.append((audience, one.customer_id, *row, AS_KNOWN))
            if one.successor_id is not None:
                heirs.append((one.customer_id, one.successor_id))
    back = before.keys() - known.keys()
    # Whoever no contact will come to any more is a stranger like any other, of whom one may be made.
    waited = {successor for leaving, successor in before.values() if leaving == "rename"}
    waited -= {one.successor_id for one in found if one.leaving == "rename"}
    if rows or back:
        with history.begin() as db:
            put(db, standings, _STAND, rows)
            for customer_id, successor_id in heirs:
                _hand_on(db, audience, customer_id, successor_id)
            stays.end(db, audience, [row[1] for row in rows], now)
            db.execute(_STAY.where(standings.c.audience == audience, among(db, standings.c.customer_id, back)))
            mark_news(db, back | waited, [audience])


def _hand_on(db: Connection, audience: str, customer_id: int, successor_id: int) -> None:
    """The successor is where the customer was, since then, and is told what the customer would have been.

    Only then they are judged: what goes on is no occasion.
    """
    if bits := stays.hand_on(db, audience, customer_id, successor_id):
        put(db, standings, ("audience", "customer_id"), [(audience, successor_id)], keep=None)
        theirs_now = (standings.c.audience == audience, standings.c.customer_id == successor_id)
        db.execute(update(standings).where(*theirs_now).values(segments=standings.c.segments.op("|")(bits)))
    occasions.follow(db, audience, customer_id, successor_id)
    mark_news(db, [successor_id], [audience])


_LEAVING = select(standings.c.customer_id, standings.c.leaving, standings.c.successor_id).where(
    standings.c.audience == bindparam("a"), text("standings.leaving <> ''")
)
_STAY = update(standings).values(leaving="", successor_id=None)


def leaving(history: History, audience: str) -> list[int]:
    """The customers who are leaving, as it was found last."""
    with history.read() as db:
        return list(db.execute(_LEAVING, {"a": audience}).scalars())


def successors(history: History, audience: str) -> set[int]:
    """Those under whose address another person's contact is about to go on."""
    query = select(standings.c.successor_id).where(
        standings.c.audience == audience, text("standings.leaving <> ''"), standings.c.leaving == "rename"
    )
    with history.read() as db:
        return set(db.execute(query).scalars())


_STAND = (
    *("audience", "customer_id", "segments", "wanted_tags", "wanted_fields"),
    *("leaving", "successor_id", "wanted_fields_hash"),
)


def clear_news(db: Connection, audience: str, ids: Sequence[int]) -> None:
    """The news of these customers are dealt with."""
    if ids:
        db.execute(delete(news).where(news.c.audience == audience, among(db, news.c.customer_id, ids)))


def forget(history: History, audience: str, ids: Sequence[int]) -> None:
    """These customers are not the audience's people any more: of them there is no news, and they are never due."""
    if not ids:
        return
    with history.begin() as db:
        clear_news(db, audience, ids)
        gone = (standings.c.audience == audience, among(db, standings.c.customer_id, ids))
        db.execute(update(standings).where(*gone).values(next_due_at=None))


def with_news(history: History, audience: str) -> list[int]:
    """The customers of whom something new is known, ascending."""
    with history.read() as db:
        query = select(news.c.customer_id).where(news.c.audience == audience).order_by(news.c.customer_id)
        return [row[0] for row in fetch(db, query)]


def last_dated_at(history: History, audience: str, shops: Sequence[str]) -> int | None:
    """The latest instant at which a shop changed an order or the service a member, each by its own clock."""
    order = select(func.max(orders.c.updated_at)).where(orders.c.shop.in_(shops))
    member = select(func.max(members.c.changed_at)).where(members.c.audience == audience)
    with history.read() as db:
        dates = (db.execute(query).scalar() for query in (order, member))
        return max((at for at in dates if at is not None), default=None)


def due(history: History, audience: str, now: int) -> list[int]:
    """The customers whom the calendar may have moved by now."""
    query = select(standings.c.customer_id).where(standings.c.audience == audience, standings.c.next_due_at <= now)
    with history.read() as db:
        return [row[0] for row in fetch(db, query)]


def next_due(history: History, audience: str, after: int) -> int | None:
    """The first instant after `after` at which somebody is due."""
    query = select(func.min(standings.c.next_due_at)).where(
        standings.c.audience == audience, standings.c.next_due_at > after
    )
    with history.read() as db:
        found: int | None = db.execute(query).scalar()
        return found


def differing(history: History, audience: str) -> Iterator[Standing]:
    """Everyone for whom the service shall have something else than it has, in the order of their ids."""
    # Spelled as in the partial index, so that only the differing rows are read.
    differs = text(
        "(standings.wanted_tags <> standings.known_tags OR standings.wanted_fields <> standings.known_fields"
        " OR standings.leaving <> '')"
    )
    with history.read() as db:
        yield from _standings(db, _standing(audience).where(differs))


def standings_of(history: History, audience: str, ids: Collection[int]) -> list[Standing]:
    """What is wanted for these customers and what the service has, in the order of their ids."""
    with history.read() as db:
        return list(_standings(db, _standing(audience).where(among(db, standings.c.customer_id, ids))))


def _standings(db: Connection, query: Select[Any]) -> Iterator[Standing]:
    # As plain tuples, and none is kept: of a first plan there are as many as people.
    rows: Any = db.execute(query).cursor
    for id_, email, member, wanted, known, wanted_fields, known_fields, leaving, hears in rows:
        yield Standing(id_, email, bool(member), wanted, known, wanted_fields, known_fields, leaving, bool(hears))


@cache
def _standing(audience: str) -> Select[Any]:
    return (
        select(
            standings.c.customer_id,
            customers.c.email,
            members.c.status.is_not(None),
            standings.c.wanted_tags,
            standings.c.known_tags,
            standings.c.wanted_fields,
            standings.c.known_fields,
            standings.c.leaving,
            and_(members.c.status == MemberStatus.SUBSCRIBED, standings.c.refused == "", standings.c.leaving == ""),
        )
        .join(customers, customers.c.id == standings.c.customer_id)
        .outerjoin(
            members,
            (members.c.customer_id == standings.c.customer_id) & (members.c.audience == standings.c.audience),
        )
        .where(standings.c.audience == audience)
        .order_by(standings.c.customer_id)
    )


def managed_members(history: History, audience: str, at_most: int | None = None) -> int:
    """How many members may bear our tags: the subscribers, of whom at most so many are counted."""
    subscribed = select(members.c.customer_id).where(
        members.c.audience == audience, members.c.status == MemberStatus.SUBSCRIBED
    )
    with history.read() as db:
        return db.execute(select(func.count()).select_from(subscribed.limit(at_most).subquery())).scalar_one()


def tagged(history: History, audience: str) -> dict[int, int]:
    """The tags that the service confirmed for each subscriber who bears any: {customer: bit set}."""
    query = (
        select(standings.c.customer_id, standings.c.known_tags)
        .join(
            members,
            (members.c.customer_id == standings.c.customer_id) & (members.c.audience == standings.c.audience),
        )
        .where(
            standings.c.audience == audience,
            members.c.status == MemberStatus.SUBSCRIBED,
            standings.c.known_tags != 0,
        )
    )
    with history.read() as db:
        return {row[0]: row[1] for row in db.execute(query)}


def figures_of(history: History, audience: str, day: int) -> dict[str, float | None]:
    """The audience's figures frozen for a local day, by expression."""
    query = select(figures.c.expression, figures.c.value).where(
        figures.c.audience == audience, figures.c.day == day, ~_MONTHLY
    )
    with history.read() as db:
        return {row[0]: row[1] for row in db.execute(query)}


def freeze_figures(history: History, audience: str, day: int, values: Mapping[str, float | None]) -> None:
    """The figures of a local day are kept, and those of earlier days forgotten."""
    _freeze(history, audience, day, values, ~_MONTHLY)


def frozen_rhythm(history: History, audience: str) -> tuple[int | None, dict[str, float | None]]:
    """The local day of which the figures of order gaps are that were frozen last, and these by expression."""
    query = select(figures.c.expression, figures.c.value, figures.c.day).where(figures.c.audience == audience, _MONTHLY)
    with history.read() as db:
        rows = db.execute(query).all()
    return rows[0].day if rows else None, {row[0].removeprefix(_MARK): row[1] for row in rows}


def freeze_rhythm(history: History, audience: str, day: int, values: Mapping[str, float | None]) -> None:
    """The figures of order gaps of a local day are kept, and those of earlier days forgotten."""
    _freeze(history, audience, day, {_MARK + text: value for text, value in values.items()}, _MONTHLY)


# What is frozen for a month stands in the table of what is frozen for a day, under a mark that no rule has.
_MARK = "monthly: "
_MONTHLY = figures.c.expression.startswith(_MARK)


def _freeze(history: History, audience: str, day: int, values: Mapping[str, float | None], instead_of: Any) -> None:
    with history.begin() as db:
        db.execute(delete(figures).where(figures.c.audience == audience, instead_of))
        if values:
            rows = [{"audience": audience, "expression": e, "day": day, "value": v} for e, v in values.items()]
            db.execute(insert(figures), rows)
