"""Step 5: an approved plan is sent. What had no answer is read again before anything is repeated."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct
from msgspec.structs import asdict

from syncd import logs
from syncd.destinations import Destination, FieldType
from syncd.history import outbox, telling
from syncd.history.outbox import Waiting
from syncd.model import Change, Event, Outcome
from syncd.plan import Tags, rounds_of, whole_rounds
from syncd.settings import Audience
from syncd.steps.context import Context
from syncd.steps.members import reread

# Muted changes go through the service's own queue, which is filled better by many.
AT_ONCE_MUTED = 5_000
# So many confirmations are committed together.
CONFIRM = 500


class Pushed(Struct):
    """What became of the changes that were sent."""

    done: int = 0
    refused: int = 0
    unknown: int = 0


def push(context: Context, name: str, destination: Destination, tags: Tags) -> Pushed:
    """The audience's approved plan is sent and confirmed; nothing happens where there is none.

    Raises: TransientError, ConnectionBlocked; unconfirmed rows stay in the outbox and are settled first
    in the next call.
    """
    pushed = Pushed()
    plan = outbox.approved_plan(context.history, name)
    if plan is None:
        return pushed
    plan_id, muted = plan
    settle(context, name, destination, tags)
    audience = context.settings.audiences[name]
    total = outbox.outbox_size(context.history, name)
    if total and (prepared := f"{name} is prepared for {audience.playbook.digest}") not in context.seen:
        destination.prepare([tags.names[bit] for bit in tags.bits.values()], field_types(audience))
        context.seen.add(prepared)
    while left := outbox.waiting(context.history, name, plan_id):
        for round_ in whole_rounds(left, AT_ONCE_MUTED) if muted else rounds_of(left, destination.portions):
            rows = outbox.take(context.history, round_, context.clock.now())
            _send(context, name, destination, tags, plan_id, muted, rows, pushed, total)
            renamed = [row.rename_to for row in rows if row.rename_to]
            if renamed:
                # The contact is somebody else's now, with all that it has.
                reread(context, name, destination, tags, renamed)
    if outbox.outbox_size(context.history, name) == 0:
        outbox.finish(context.history, plan_id, context.clock.now())
    logs.info("pushed", audience=name, plan=plan_id, muted=muted, **asdict(pushed))
    return pushed


def settle(context: Context, name: str, destination: Destination, tags: Tags) -> None:
    """Nothing is left in the state of being sent: what the service has now is read, and known."""
    unsettled = outbox.unsettled(context.history, name)
    if unsettled:
        logs.info("settling", audience=name, members=len(unsettled))
        reread(context, name, destination, tags, unsettled)
        outbox.settle(context.history, name, context.clock.now())


def field_types(audience: Audience) -> dict[str, FieldType]:
    """The merge fields of the audience's playbook with their types."""
    return {field.name: field.type for field in audience.playbook.fields}


def _send(
    context: Context,
    name: str,
    destination: Destination,
    tags: Tags,
    plan_id: str,
    muted: bool,
    rows: list[Waiting],
    pushed: Pushed,
    total: int,
) -> None:
    if not rows:
        return
    by_email = {row.email: row for row in rows}
    events = _events(context, name, rows)
    confirmed: list[Waiting] = []

    def commit() -> None:
        outbox.confirm(context.history, plan_id, name, confirmed, context.clock.now())
        confirmed.clear()

    try:
        for outcome in destination.push([_change(row, tags, events) for row in rows], muted=muted):
            row = by_email[outcome.email]
            if outcome.result == "done":
                confirmed.append(row)
                pushed.done += not row.goes_on
                if outcome.reason:
                    # Written, but for a field: the reason names the field, not the person.
                    logs.warning("not everything was taken", audience=name, reason=outcome.reason)
            else:
                _note(context, name, row, outcome, pushed)
            if len(confirmed) >= CONFIRM:
                commit()
            context.report(f"{name}: pushing", 0 if row.goes_on else 1, total)
    finally:
        # Also when the rest failed: what the service confirmed is known.
        commit()
        if events:
            telling.doubt(context.history, events.keys(), context.clock.now())


def _events(context: Context, name: str, rows: list[Waiting]) -> dict[str, Event]:
    """What each occasion that is to be told is called at the service, and says there; by episode."""
    moments = {moment.name: moment for moment in context.settings.audiences[name].playbook.moments}
    told = [one for row in rows for one in row.told]
    details = telling.details(context.history, told, {moment.name: moment.on for moment in moments.values()})
    return {one.episode: Event(moments[one.name].event, one.episode, details.get(one.episode, {})) for one in told}


def _change(row: Waiting, tags: Tags, events: Mapping[str, Event]) -> Change:
    return Change(
        email=row.email,
        add=tags.named(row.add),
        remove=tags.named(row.remove),
        fields=row.fields,
        create=row.create,
        events=tuple(events[one.episode] for one in row.told),
        rename_to=row.rename_to,
        archive=row.archive,
    )


def _note(context: Context, name: str, row: Waiting, outcome: Outcome, pushed: Pushed) -> None:
    """A refusal is stored with its reason; an unknown outcome stays `sending` and is settled next time."""
    if outcome.result == "refused":
        outbox.refuse(context.history, name, [(row, outcome.reason, outcome.permanent)])
        pushed.refused += 1
    else:
        pushed.unknown += 1
