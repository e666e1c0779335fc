"""Plans and the outbox: what was decided is committed here before anything is sent, and leaves when confirmed.

A row is permission, not payload: what is sent is what the row allows *and* is still wanted and not yet
known at that moment. So a row that waited through an outage, or for an approval, sends the final state
once, and nothing to a person who has unsubscribed since.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from msgspec import Struct
from sqlalchemy import and_, case, delete, false, func, insert, or_, select, update

from syncd.errors import UserError
from syncd.history import telling
from syncd.history.database import among, each, put
from syncd.history.fields import AS_KNOWN, canonical_fields
from syncd.history.people import mark_news
from syncd.history.reading import fetch
from syncd.history.schema import audiences, customers, members, outbox, plans, standings, writes
from syncd.history.telling import Told
from syncd.model import MemberStatus
from syncd.plan import Left, Plan, Round, Step, fields_to_set

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from syncd.history.database import History
    from syncd.history.undoing import Undo

# Whom the service refuses so often in a row for a reason that may pass is left alone until the next day.
MAX_REFUSALS = 5
PARKED = "until tomorrow: "


class Waiting(Struct, frozen=True):
    """One row of the outbox with what is sent of it now; `goes_on`: more of it waits for a later round."""

    id: int
    customer_id: int
    email: str
    add: int
    remove: int
    fields: dict[str, str | int | float]
    create: bool
    archive: bool = False
    rename_to: str = ""
    told: tuple[Told, ...] = ()
    goes_on: bool = False

    @property
    def leaving(self) -> str:
        """What becomes of the contact itself."""
        return "rename" if self.rename_to else "archive" if self.archive else ""

    def __bool__(self) -> bool:
        return bool(self.add or self.remove or self.fields or self.create or self.leaving or self.told)


def keep(history: History, plan: Plan, *, state: str, now: int, undo: Undo | None = None) -> None:
    """The plan and its steps are committed as `approved` or `held`; an older held plan is superseded.

    `undo`: the plan takes back what another one wrote, whatever the rules want.
    """
    back_to = {one.customer_id: json.dumps(one.fields) for one in undo.back} if undo else {}
    with history.begin() as db:
        _supersede(db, plan.audience, now)
        # The same plan can come again, after it was superseded or done.
        db.execute(delete(outbox).where(outbox.c.audience == plan.audience, outbox.c.plan_id == plan.id))
        db.execute(delete(plans).where(plans.c.id == plan.id))
        db.execute(
            insert(plans).values(
                id=plan.id,
                audience=plan.audience,
                state=state,
                muted=plan.muted,
                made_at=now,
                summary=json.dumps(plan.summary()),
                undoes=undo.run if undo else "",
            )
        )
        put(db, outbox, _STEP, [_row(plan, step, back_to) for step in plan.steps], keep=None)


_STEP = (
    *("plan_id", "audience", "customer_id", "add_tags", "remove_tags"),
    *("set_fields", "create_member", "leaving", "moments", "back_to", "state"),
)


def _row(plan: Plan, step: Step, back_to: Mapping[int, str]) -> tuple[Any, ...]:
    return (
        *(plan.id, plan.audience, step.customer_id, step.add, step.remove),
        *(step.set_fields, step.create, step.leaving, _listed(one.episode for one in step.occasions)),
        *(back_to.get(step.customer_id, ""), "waiting"),
    )


def _listed(episodes: Iterable[str]) -> str:
    """The episodes as a column holds them."""
    found = list(episodes)
    return json.dumps(found) if found else ""


def _supersede(db: Connection, audience: str, now: int) -> None:
    held = select(plans.c.id).where(plans.c.audience == audience, plans.c.state == "held")
    db.execute(delete(outbox).where(outbox.c.audience == audience, outbox.c.plan_id.in_(held)))
    db.execute(
        update(plans)
        .where(plans.c.audience == audience, plans.c.state == "held")
        .values(state="superseded", settled_at=now)
    )


def drop_approved(history: History, audience: str, now: int) -> None:
    """An approved plan of the audience is not sent after all; the next cycle makes a new one."""
    with history.begin() as db:
        db.execute(delete(outbox).where(outbox.c.audience == audience))
        db.execute(
            update(plans)
            .where(plans.c.audience == audience, plans.c.state == "approved")
            .values(state="superseded", settled_at=now)
        )


def drop_held(history: History, audience: str, now: int) -> None:
    """A held plan of the audience is no longer needed: what made it look like an accident is over."""
    with history.begin() as db:
        _supersede(db, audience, now)


def held_plan(history: History, audience: str) -> dict[str, Any] | None:
    """The summary of the plan that waits for approval, if one does."""
    query = select(plans.c.summary).where(plans.c.audience == audience, plans.c.state == "held")
    with history.read() as db:
        found = db.execute(query).scalar()
    return json.loads(found) if found else None


def approve(history: History, plan_id: str) -> dict[str, Any]:
    """The held plan is released, to be sent next; returns its summary.

    Raises: UserError when no such plan is held, naming those that are.
    """
    with history.begin() as db:
        row = db.execute(select(plans.c.state, plans.c.summary).where(plans.c.id == plan_id)).one_or_none()
        if row is None or row.state != "held":
            held = db.execute(select(plans.c.id).where(plans.c.state == "held")).scalars().all()
            raise UserError(
                f"plan {plan_id} is {row.state}, it needs no approval" if row else f"there is no plan {plan_id}",
                hint=f"held now: {', '.join(held)}" if held else "no plan is held now",
            )
        db.execute(update(plans).where(plans.c.id == plan_id).values(state="approved"))
    summary: dict[str, Any] = json.loads(row.summary)
    return summary


def approved_plan(history: History, audience: str) -> tuple[str, bool] | None:
    """The plan that is being sent, and whether it is muted."""
    query = select(plans.c.id, plans.c.muted).where(plans.c.audience == audience, plans.c.state == "approved")
    with history.read() as db:
        row = db.execute(query).first()
    return (row.id, row.muted) if row else None


def ever_approved(history: History, audience: str) -> bool:
    """Whether a person ever agreed to a plan for this audience."""
    query = select(func.count()).where(plans.c.audience == audience, plans.c.state.in_(["approved", "done"]))
    with history.read() as db:
        return db.execute(query).scalar_one() > 0


def finish(history: History, plan_id: str, now: int) -> None:
    """The plan's outbox is empty: it is done."""
    with history.begin() as db:
        db.execute(update(plans).where(plans.c.id == plan_id).values(state="done", settled_at=now))
        audience = select(plans.c.audience).where(plans.c.id == plan_id).scalar_subquery()
        db.execute(update(audiences).where(audiences.c.name == audience).values(pushed_at=now))


def outbox_size(history: History, audience: str, *, held: bool = False) -> int:
    """How many people wait for their change to be confirmed (`held`: for a plan's approval)."""
    query = (
        select(func.count())
        .select_from(outbox.join(plans, plans.c.id == outbox.c.plan_id))
        .where(outbox.c.audience == audience, plans.c.state == ("held" if held else "approved"))
    )
    with history.read() as db:
        return db.execute(query).scalar_one()


def waiting(history: History, audience: str, plan_id: str) -> list[Left]:
    """What is left to do of the plan, row by row; of some rows that may be nothing."""
    of_plan = _WAITING.where(outbox.c.audience == audience, outbox.c.plan_id == plan_id)
    with history.read() as db:
        return [_left(_read(row)) for row in fetch(db, of_plan)]


def _left(row: _Row) -> Left:
    return Left(
        row.id,
        row.add_tags & row.wanted_tags & ~row.known_tags,
        row.remove_tags & row.known_tags & ~row.wanted_tags,
        fields=bool(row.set_fields and row.wanted_fields != row.known_fields),
        # A person who became a member meanwhile, by whatever way, is not created.
        whole=bool(row.create_member and not row.member) or row.leaving == "rename",
        more=bool(row.moments or row.leaving),
    )


def take(history: History, round_: Round, now: int) -> list[Waiting]:
    """The rows of a round that still wait, marked `sending` before anything is sent, their occasions too; rows with
    nothing left to do go.
    """
    with history.begin() as db:
        rows = [_read(row) for row in fetch(db, _WAITING.where(among(db, outbox.c.id, round_.ids)))]
        allowed = [episode for row in rows if row.moments and round_.more for episode in json.loads(row.moments)]
        told = telling.claim(db, rows[0].audience, allowed, now) if allowed else {}
        found = [_waiting(row, round_, told.get(row.customer_id, ())) for row in rows]
        ready = [row for row in found if row]
        over = [row.id for row in found if not (row or row.goes_on)]
        if over:
            db.execute(delete(outbox).where(among(db, outbox.c.id, over)))
        db.execute(_SENDING.where(among(db, outbox.c.id, [row.id for row in ready])))
    return ready


class _Row(NamedTuple):
    """A row of the outbox that waits, and where its person stands."""

    id: int
    customer_id: int
    email: str
    add_tags: int
    remove_tags: int
    set_fields: bool
    create_member: bool
    moments: str
    audience: str
    wanted_tags: int
    known_tags: int
    wanted_fields: str
    known_fields: str
    member: bool
    # What is still to become of the contact: no longer a new address that has become a contact itself.
    leaving: str
    new_email: str | None
    back_to: str
    subscribed: bool


def _read(row: Sequence[Any]) -> _Row:
    """The row; where it takes back what was written, that is wanted, but nothing new for who is not subscribed."""
    found = _Row(*row)
    if not found.back_to:
        return found
    tags, fields = found.known_tags & ~found.remove_tags, found.known_fields
    if found.subscribed:
        tags |= found.add_tags
        fields = canonical_fields(json.loads(fields or "{}") | json.loads(found.back_to))
    return found._replace(wanted_tags=tags, wanted_fields=fields)


_STANDING = (standings.c.audience == outbox.c.audience) & (standings.c.customer_id == outbox.c.customer_id)
_SENDING = update(outbox).values(
    state="sending",
    known_tags=select(standings.c.known_tags).where(_STANDING).scalar_subquery(),
    known_fields=select(standings.c.known_fields).where(_STANDING).scalar_subquery(),
)
_successor, _there = customers.alias("successor"), members.alias("there")
_WAITING = (
    select(
        outbox.c.id,
        outbox.c.customer_id,
        customers.c.email,
        outbox.c.add_tags,
        outbox.c.remove_tags,
        outbox.c.set_fields,
        outbox.c.create_member,
        outbox.c.moments,
        outbox.c.audience,
        standings.c.wanted_tags,
        standings.c.known_tags,
        standings.c.wanted_fields,
        standings.c.known_fields,
        members.c.status.is_not(None),
        case((outbox.c.leaving == standings.c.leaving, standings.c.leaving), else_=""),
        case((_there.c.customer_id.is_(None), _successor.c.email), else_=None),
        outbox.c.back_to,
        func.coalesce(members.c.status == MemberStatus.SUBSCRIBED.value, false()),
    )
    .join(customers, customers.c.id == outbox.c.customer_id)
    .join(
        standings,
        (standings.c.customer_id == outbox.c.customer_id) & (standings.c.audience == outbox.c.audience),
    )
    .outerjoin(members, (members.c.customer_id == outbox.c.customer_id) & (members.c.audience == outbox.c.audience))
    .outerjoin(_successor, _successor.c.id == standings.c.successor_id)
    .outerjoin(_there, (_there.c.customer_id == _successor.c.id) & (_there.c.audience == outbox.c.audience))
    .where(outbox.c.state == "waiting")
    .order_by(outbox.c.id)
)


def _waiting(row: _Row, round_: Round, told: tuple[Told, ...]) -> Waiting:
    left = _left(row)
    later = (left.add | left.remove) & ~round_.tags or left.fields > round_.fields or left.more > round_.more
    return Waiting(
        id=row.id,
        customer_id=row.customer_id,
        email=row.email,
        add=left.add & round_.tags,
        remove=left.remove & round_.tags,
        fields=fields_to_set(row.wanted_fields, row.known_fields) if left.fields and round_.fields else {},
        create=bool(row.create_member and not row.member and (row.wanted_tags or row.wanted_fields)),
        archive=bool(row.leaving == "archive" and row.member and round_.more),
        rename_to=(row.new_email or "") if row.leaving == "rename" and row.member else "",
        told=told,
        goes_on=bool(later),
    )


def confirm(history: History, plan_id: str, audience: str, sent: Iterable[Waiting], now: int) -> None:
    """The service confirmed these: they are known now and written to the audit trail. Rows of which nothing is left
    leave the outbox, the others wait again.
    """
    rows = list(sent)
    if not rows:
        return
    with history.begin() as db:
        before = _fields_before(db, audience, [row.customer_id for row in rows])
        after = {
            row.customer_id: canonical_fields(msgspec.json.decode(before[row.customer_id] or "{}") | row.fields)
            for row in rows
            if row.fields
        }
        each(db, _TAGS_KNOWN, [(row.add, row.remove, audience, row.customer_id) for row in rows])
        each(db, _FIELDS_KNOWN, [(has, audience, customer_id) for customer_id, has in after.items()])
        trail = [
            (
                *(plan_id, audience, row.customer_id, now, row.add, row.remove),
                *(had := before[row.customer_id], after.get(row.customer_id, had)),
                *(row.create, row.leaving, _listed(one.episode for one in row.told)),
            )
            for row in rows
        ]
        put(db, writes, _TRAIL, trail, keep=None)
        telling.confirm(db, [one.episode for row in rows for one in row.told], now)
        archived = [row.customer_id for row in rows if row.archive]
        if archived:
            db.execute(_ARCHIVED.where(members.c.audience == audience, among(db, members.c.customer_id, archived)))
        again = [row.id for row in rows if row.goes_on]
        if again:
            db.execute(update(outbox).where(among(db, outbox.c.id, again)).values(state="waiting"))
        over = [row.id for row in rows if not row.goes_on]
        if over:
            db.execute(delete(outbox).where(among(db, outbox.c.id, over)))


# Whether an archived contact shows up among those that changed is not documented.
_ARCHIVED = update(members).values(status=MemberStatus.ARCHIVED.value)

# `& ~` stays two words: PostgreSQL would read one operator.
_TAGS_KNOWN = (
    "UPDATE standings SET known_tags = (known_tags | CAST(? AS BIGINT)) & ~ CAST(? AS BIGINT), refusals = 0"
    " WHERE audience = ? AND customer_id = ?"
)
_FIELDS_KNOWN = "UPDATE standings SET known_fields = ? WHERE audience = ? AND customer_id = ?"
_TRAIL = (
    *("plan_id", "audience", "customer_id", "at", "added", "removed"),
    *("fields_before", "fields_after", "created", "leaving", "moments"),
)


def _fields_before(db: Connection, audience: str, ids: Sequence[int]) -> dict[int, str]:
    query = select(standings.c.customer_id, standings.c.known_fields).where(
        standings.c.audience == audience, among(db, standings.c.customer_id, ids)
    )
    return dict(fetch(db, query))


def refuse(history: History, audience: str, refused: Iterable[tuple[Waiting, str, bool]]) -> None:
    """The service will not take these: (row, reason, for good). They leave the outbox, so that nobody waits for
    them. What they were to be told is looked for first, as some of it may have been.

    For good: nothing more is sent to the person until the audience tells something new of them. Otherwise the next
    plans try again, and after some refusals those of the next day.
    """
    with history.begin() as db:
        for row, reason, permanent in refused:
            db.execute(delete(outbox).where(outbox.c.id == row.id))
            here = (standings.c.audience == audience, standings.c.customer_id == row.customer_id)
            if permanent:
                db.execute(_LEFT_ALONE.where(*here).values(refused=reason))
                continue
            db.execute(update(standings).where(*here).values(refusals=standings.c.refusals + 1))
            often = standings.c.refusals >= MAX_REFUSALS
            db.execute(_LEFT_ALONE.where(*here, often).values(refused=PARKED + reason, refusals=0))


_LEFT_ALONE = update(standings).values(
    wanted_tags=standings.c.known_tags, wanted_fields=standings.c.known_fields, wanted_fields_hash=AS_KNOWN
)


def forgive(history: History, audience: str) -> None:
    """Who was left alone until the next day is somebody like any other again, and judged like one."""
    with history.begin() as db:
        parked = (standings.c.audience == audience, standings.c.refused.startswith(PARKED))
        found = db.execute(select(standings.c.customer_id).where(*parked)).scalars().all()
        if found:
            db.execute(update(standings).where(*parked).values(refused=""))
            mark_news(db, found, [audience])


def unsettled(history: History, audience: str) -> list[str]:
    """The addresses whose changes were being sent when an answer stayed out: read before writing again. Where one
    was to be renamed, the new one too.
    """
    successor = customers.alias("successor")
    query = (
        select(customers.c.email, successor.c.email)
        .select_from(outbox.join(customers, customers.c.id == outbox.c.customer_id))
        .outerjoin(
            standings,
            (standings.c.customer_id == outbox.c.customer_id) & (standings.c.audience == outbox.c.audience),
        )
        .outerjoin(successor, successor.c.id == standings.c.successor_id)
        .where(outbox.c.audience == audience, outbox.c.state == "sending")
    )
    with history.read() as db:
        return [email for row in db.execute(query) for email in row if email]


def settle(history: History, audience: str, now: int) -> None:
    """What was being sent may be sent again, as far as there is still something to do. What the service has of it by
    now, which is known, is written to the audit trail.
    """
    sending = (outbox.c.audience == audience, outbox.c.state == "sending")
    query = (
        select(
            *(outbox.c.plan_id, outbox.c.audience, outbox.c.customer_id),
            *(outbox.c.add_tags, outbox.c.remove_tags, outbox.c.known_tags.label("before"), standings.c.known_tags),
            outbox.c.known_fields.label("fields_before"),
            case((outbox.c.set_fields, standings.c.known_fields), else_=outbox.c.known_fields).label("fields_after"),
            (outbox.c.create_member & members.c.status.is_not(None)).label("created"),
            case((_LEFT, outbox.c.leaving), else_="").label("leaving"),
        )
        .join(standings, _STANDING)
        .outerjoin(members, (members.c.customer_id == outbox.c.customer_id) & (members.c.audience == outbox.c.audience))
        .where(*sending)
    )
    with history.begin() as db:
        found = [trail for row in db.execute(query) if (trail := _came_true(row, now))]
        if found:
            db.execute(insert(writes), found)
        db.execute(update(outbox).where(*sending).values(state="waiting"))


# The contact is at rest, or goes by another address: nobody is a member under the old one any more.
_LEFT = or_(
    and_(outbox.c.leaving == "archive", members.c.status == MemberStatus.ARCHIVED.value),
    and_(outbox.c.leaving == "rename", members.c.status.is_(None)),
)


def _came_true(row: Any, now: int) -> dict[str, Any] | None:
    """What the service has by now of one row that was being sent, as the audit trail tells it; None for nothing."""
    added = row.add_tags & ~row.before & row.known_tags
    removed = row.remove_tags & row.before & ~row.known_tags
    if not (added or removed or row.fields_before != row.fields_after or row.created or row.leaving):
        return None
    told = {"at": now, "added": added, "removed": removed, "moments": ""}
    return told | {name: getattr(row, name) for name in _TRAILED}


_TRAILED = ("plan_id", "audience", "customer_id", "fields_before", "fields_after", "created", "leaving")


def entered_since(history: History, audience: str, instant: int) -> dict[int, int]:
    """How many people got each tag, unmuted, since `instant`, by bit."""
    # Plan by plan: on the day of the first import everybody was written to, muted, and none of that is looked at.
    not_over = or_(plans.c.settled_at.is_(None), plans.c.settled_at >= instant)
    unmuted = select(plans.c.id).where(plans.c.audience == audience, ~plans.c.muted, not_over)
    query = (
        select(writes.c.added, func.count())
        .where(writes.c.plan_id.in_(unmuted), writes.c.at >= instant, writes.c.added != 0)
        .group_by(writes.c.added)
    )
    entered: dict[int, int] = {}
    with history.read() as db:
        for bits, people in db.execute(query):
            for bit in range(bits.bit_length()):
                if bits >> bit & 1:
                    entered[bit] = entered.get(bit, 0) + people
    return entered
