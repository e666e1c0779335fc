"""What a run wrote, and what of it can be taken back: only what it wrote itself, and nobody changed since.

It works from the audit trail, which keeps what was there before. A run is a plan that was sent, also one that took
back another.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sqlalchemy import Connection, func, select, text

from syncd.errors import UserError
from syncd.history.database import History, among
from syncd.history.schema import customers, members, plans, standings, writes
from syncd.history.stays import stays
from syncd.model import MemberStatus
from syncd.plan import Plan, bits_in

SHOWN_RUNS = 20


class Run(NamedTuple):
    """A plan of which something was sent: how many people and tags it wrote, and what cannot be taken back.

    `undone_by`: the plan that took it back; "" where none did.
    """

    id: str
    audience: str
    state: str
    made_at: int
    muted: bool
    undoes: str
    undone_by: str
    people: int
    added: int
    removed: int
    fields: int
    created: int
    moved: int
    events: int


def runs(history: History) -> list[Run]:
    """The last runs, the newest first."""
    last = select(func.max(writes.c.id)).where(writes.c.plan_id == plans.c.id).scalar_subquery()
    query = select(plans).where(last.is_not(None)).order_by(last.desc())
    with history.read() as db:
        return [_run(db, row) for row in db.execute(query.limit(SHOWN_RUNS)).all()]


def run_of(history: History, run: str) -> Run:
    """The run of this plan. Raises: UserError where there is none, or it wrote nothing."""
    with history.read() as db:
        row = db.execute(select(plans).where(plans.c.id == run)).one_or_none()
        found = _run(db, row) if row else None
    if found is None:
        raise UserError(f"there is no run {run}", hint="`syncd undo` lists the last ones")
    if not found.people:
        raise UserError(f"the run {run} wrote nothing", hint="`syncd undo` lists those that did")
    return found


def _run(db: Connection, row: Any) -> Run:
    counts: Counter[str] = Counter()
    fields = writes.c.fields_before != writes.c.fields_after
    kinds = (writes.c.added, writes.c.removed, fields, writes.c.created, writes.c.leaving, writes.c.moments != "")
    query = select(*kinds, func.count()).where(writes.c.plan_id == row.id).group_by(*kinds)
    for added, removed, fielded, created, leaving, told, number in db.execute(query):
        counts["added"] += number * added.bit_count()
        counts["removed"] += number * removed.bit_count()
        counts["fields"] += number * bool(fielded)
        counts["created"] += number * bool(created)
        counts["moved"] += number * (leaving in ("archive", "rename"))
        counts["events"] += number * bool(told)
    # Of a large plan a person has several rows.
    people = select(func.count(writes.c.customer_id.distinct())).where(writes.c.plan_id == row.id)
    counts["people"] = db.execute(people).scalar_one()
    undone_by = select(plans.c.id).where(plans.c.undoes == row.id).order_by(plans.c.made_at.desc())
    about = (row.id, row.audience, row.state, row.made_at, row.muted, row.undoes)
    numbers = (counts[name] for name in ("people", "added", "removed", "fields", "created", "moved", "events"))
    return Run(*about, db.execute(undone_by).scalars().first() or "", *numbers)


@dataclass(slots=True)
class _Trail:
    """What a run did to one person: which bits it wrote, as they were before and after, and the fields."""

    last: int
    touched: int = 0
    before: int = 0
    after: int = 0
    fields_before: Mapping[str, Any] | None = None
    fields_after: Mapping[str, Any] = field(default_factory=dict)

    def add(self, row: Any) -> None:
        """One write more, a later one."""
        new = (row.added | row.removed) & ~self.touched
        self.before |= row.removed & new
        self.touched |= new
        self.after = (self.after | row.added) & ~row.removed
        if row.fields_before != row.fields_after:
            if self.fields_before is None:
                self.fields_before = json.loads(row.fields_before or "{}")
            self.fields_after = json.loads(row.fields_after or "{}")
        self.last = row.id


class Back(NamedTuple):
    """What one person gets back: tags to add and to remove as bit sets, and fields with the values from before.

    `again`: the rules want what is taken away.
    """

    customer_id: int
    email: str
    known_tags: int
    known_fields: str
    add: int
    remove: int
    fields: dict[str, Any]
    again: bool


class Undo(NamedTuple):
    """What taking back a run means; `changed_since`: the people with whom it leaves something as it is."""

    run: str
    back: tuple[Back, ...]
    changed_since: int


def undo_of(history: History, run: Run) -> Undo:
    """What of this run can be taken back now."""
    with history.read() as db:
        trails = _trails(db, run.id)
        later = _written_later(db, run, trails)
        found = [_back(row, trails[row.id], later.get(row.id, 0)) for row in db.execute(_people(run))]
    back = tuple(one for one, _ in found if one.add or one.remove or one.fields)
    return Undo(run.id, back, sum(not whole for _, whole in found))


def _trails(db: Connection, run: str) -> dict[int, _Trail]:
    trails: dict[int, _Trail] = {}
    for row in db.execute(select(writes).where(writes.c.plan_id == run).order_by(writes.c.id)):
        trails.setdefault(row.customer_id, _Trail(0)).add(row)
    return trails


def _written_later(db: Connection, run: Run, trails: Mapping[int, _Trail]) -> dict[int, int]:
    """The tags that other runs wrote since, by customer, as bit sets."""
    first = min((trail.last for trail in trails.values()), default=0)
    theirs = select(writes.c.customer_id).where(writes.c.plan_id == run.id)
    query = select(writes.c.id, writes.c.customer_id, writes.c.added.op("|")(writes.c.removed)).where(
        writes.c.audience == run.audience,
        writes.c.id > first,
        writes.c.plan_id != run.id,
        writes.c.customer_id.in_(theirs),
    )
    later: dict[int, int] = {}
    for id_, customer_id, bits in db.execute(query):
        if id_ > trails[customer_id].last:
            later[customer_id] = later.get(customer_id, 0) | bits
    return later


def _people(run: Run) -> Any:
    """Those whom the run wrote to, as far as they are contacts still."""
    theirs = select(writes.c.customer_id).where(writes.c.plan_id == run.id)
    here = (members.c.audience == run.audience) & (members.c.customer_id == customers.c.id)
    standing = (standings.c.audience == run.audience) & (standings.c.customer_id == customers.c.id)
    return (
        select(customers.c.id, customers.c.email, members.c.status, standings.c.leaving)
        .add_columns(standings.c.wanted_tags, standings.c.known_tags)
        .add_columns(standings.c.wanted_fields, standings.c.known_fields)
        .join(members, here)
        .join(standings, standing)
        .where(customers.c.id.in_(theirs), standings.c.leaving == "")
        .order_by(customers.c.email)
    )


def _back(row: Any, trail: _Trail, later: int) -> tuple[Back, bool]:
    """What one person gets back, and whether that is all that the run did to them."""
    known: Mapping[str, Any] = json.loads(row.known_fields or "{}")
    wanted: Mapping[str, Any] = json.loads(row.wanted_fields or "{}")
    changed = trail.touched & (trail.before ^ trail.after)
    add, remove = changed & trail.before, changed & trail.after
    before, after = trail.fields_before or {}, trail.fields_after
    names = {name for name in before.keys() | after.keys() if before.get(name, "") != after.get(name, "")}
    fields = {name: before.get(name, "") for name in sorted(names) if known.get(name, "") == after.get(name, "")}
    still = ~later & (~row.known_tags & add | row.known_tags & remove)
    if row.status != MemberStatus.SUBSCRIBED:
        # Who objected gets nothing, but may lose what should not be there.
        fields, still = {}, still & remove
    again = bool(remove & still & row.wanted_tags or add & still & ~row.wanted_tags) or any(
        wanted.get(name, "") == known.get(name, "") for name in fields
    )
    back = Back(row.id, row.email, row.known_tags, row.known_fields, add & still, remove & still, fields, again)
    return back, still == add | remove and len(fields) == len(names)


class Repeated(NamedTuple):
    """How much of a plan writes again what was taken back: tags by bit, and people with fields; by which undo."""

    undo: str
    tags: dict[int, int]
    fields: int


def repeated(history: History, plan: Plan) -> list[Repeated]:
    """What of this plan was taken back before, and would be written again although nothing has happened since: the
    person has neither joined nor left the segment, and no other run has written it.
    """
    steps = {step.customer_id: step for step in plan.steps if step.add or step.remove or step.set_fields}
    # Spelled as in the partial index.
    undos = select(plans.c.id).where(plans.c.audience == plan.audience, text("plans.undoes <> ''"))
    with history.read() as db:
        if not steps or not (ids := db.execute(undos.order_by(plans.c.made_at)).scalars().all()):
            return []
        undone = select(writes).where(writes.c.plan_id.in_(ids), among(db, writes.c.customer_id, steps))
        rows = db.execute(undone.order_by(writes.c.id)).all()
        if not rows:
            return []
        later = _later(db, plan.audience, rows)
        moved = _moved(db, plan.audience, rows)
        wanted = _wanted_fields(db, plan.audience, rows)
    tags: dict[str, Counter[int]] = {}
    fields: Counter[str] = Counter()
    for row in rows:
        step, after = steps[row.customer_id], [one for one in later.get(row.customer_id, ()) if one.id > row.id]
        bits = step.add & row.removed | step.remove & row.added
        for one in after:
            bits &= ~(one.added | one.removed)
        still = [bit for bit in bits_in(bits) if moved.get((row.customer_id, bit), 0) <= row.at]
        tags.setdefault(row.plan_id, Counter()).update(still)
        if step.set_fields and not any(one.fields_before != one.fields_after for one in after):
            fields[row.plan_id] += _wants_again(row, wanted[row.customer_id])
    return [Repeated(id_, dict(tags[id_]), fields[id_]) for id_ in tags if tags[id_] or fields[id_]]


def _later(db: Connection, audience: str, rows: Iterable[Any]) -> dict[int, list[Any]]:
    """All writes to these people since the first of these rows."""
    rows = list(rows)
    query = select(writes).where(
        writes.c.audience == audience,
        writes.c.id > min(row.id for row in rows),
        among(db, writes.c.customer_id, {row.customer_id for row in rows}),
    )
    found: dict[int, list[Any]] = {}
    for row in db.execute(query):
        found.setdefault(row.customer_id, []).append(row)
    return found


def _moved(db: Connection, audience: str, rows: Iterable[Any]) -> dict[tuple[int, int], int]:
    """When each of these people joined or left a segment last, by customer and bit."""
    ids = {row.customer_id for row in rows}
    # Those that last come last, and nobody leaves a segment after having joined it anew.
    return {(one.customer_id, one.bit): one.until_at or one.since_at for one in stays(db, audience, ids)}


def _wanted_fields(db: Connection, audience: str, rows: Iterable[Any]) -> dict[int, Mapping[str, Any]]:
    query = select(standings.c.customer_id, standings.c.wanted_fields).where(
        standings.c.audience == audience, among(db, standings.c.customer_id, {row.customer_id for row in rows})
    )
    return {row[0]: json.loads(row[1] or "{}") for row in db.execute(query)}


def _wants_again(row: Any, wanted: Mapping[str, Any]) -> bool:
    """Whether a field shall get the very value that was taken away."""
    before, after = json.loads(row.fields_before or "{}"), json.loads(row.fields_after or "{}")
    return any(before[name] != after.get(name, "") and wanted.get(name, "") == before[name] for name in before)
