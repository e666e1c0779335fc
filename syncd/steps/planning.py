"""Step 4: the plan of what is to be written, and the brake's opinion of it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from hashlib import sha256

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from syncd.calendar import midnight
from syncd.destinations import AudienceProfile
from syncd.errors import SyncdError
from syncd.history import ledger, moments, outbox, overrides, telling, undoing
from syncd.history.fields import canonical_fields
from syncd.history.shops import customers_held
from syncd.history.stays import joined_at
from syncd.history.undoing import Undo
from syncd.lifecycle import metrics
from syncd.lifecycle.columns import Batch
from syncd.plan import Occasion, Plan, Standing, Surroundings, Tags, make_plan, reasons_to_hold
from syncd.plan.brake import too_many_removed
from syncd.rules import judge
from syncd.settings import Audience
from syncd.steps.context import Context
from syncd.steps.figures import columns_of, figures_on, moment_in
from syncd.steps.judge import verdicts_as_of
from syncd.steps.moments import foreseen, watch_of

Shown = Mapping[str, int | None]


def plan_stored(context: Context, name: str, tags: Tags) -> Plan:
    """The plan that turns what the service is known to have into what was judged and stored, and tells what is due."""
    ready = moments.ready(context.history, name, context.clock.now())
    standings = _telling(context, name, ledger.differing(context.history, name), ready)
    return _plan(context, name, tags, standings, context.today(_audience(context, name)))


def _telling(
    context: Context, name: str, differing: Iterable[Standing], ready: Mapping[int, tuple[Occasion, ...]]
) -> Iterator[Standing]:
    """These standings, and those of everybody else whom something waits for, each with that if they hear it."""
    others = dict(ready)
    for standing in differing:
        told = others.pop(standing.customer_id, ())
        yield replace(standing, occasions=told) if told and standing.hears else standing
    for standing in ledger.standings_of(context.history, name, others) if others else ():
        if standing.hears:
            yield replace(standing, occasions=others[standing.customer_id])


def plan_as_of(context: Context, name: str, tags: Tags, today: int) -> Plan:
    """The plan that a cycle would make on a local day from what the history holds; nothing is stored.

    What people are told is told now: the plan of another day has nothing of it.
    """
    now = context.clock.now()
    watch = watch_of(context, name, tags) if today == context.today(_audience(context, name)) else None
    ready = moments.ready(context.history, name, now) if watch else {}
    standings = (
        Standing(
            verdict.person.customer_id,
            verdict.person.email,
            verdict.person.status is not None,
            verdict.tags,
            verdict.person.known_tags,
            verdict.fields,
            verdict.person.known_fields,
            occasions=ready.get(verdict.person.customer_id, ()) + foreseen(watch, verdict.person, verdict.segments, now)
            if watch and verdict.person.hears
            else (),
        )
        for verdict in verdicts_as_of(context, name, tags, today)
    )
    return _plan(context, name, tags, standings, today)


def plan_of_undo(context: Context, name: str, tags: Tags, undo: Undo) -> Plan:
    """The plan that takes back what a run wrote. It is muted, and under a name of its own however often it comes."""
    standings = (
        Standing(
            customer_id=one.customer_id,
            email=one.email,
            member=True,
            wanted_tags=(one.known_tags | one.add) & ~one.remove,
            known_tags=one.known_tags,
            wanted_fields=canonical_fields(json.loads(one.known_fields or "{}") | one.fields),
            known_fields=one.known_fields,
        )
        for one in undo.back
    )
    plan = make_plan(name, standings, tags, day=context.today(_audience(context, name)), muted=True)
    marked = sha256(f"{undo.run} {plan.id} {context.clock.now()}".encode()).hexdigest()
    return dataclasses.replace(plan, id=marked[: len(plan.id)])


def plan_of_mending(context: Context, name: str, tags: Tags, ids: Collection[int]) -> Plan:
    """The plan that gives these contacts what is wanted for them. It is muted: what was lost is no occasion."""
    contacts = (one for one in ledger.standings_of(context.history, name, ids) if one.member and not one.leaving)
    respected = _respecting(context, name, contacts)
    return make_plan(name, respected, tags, day=context.today(_audience(context, name)), muted=True)


def _respecting(context: Context, name: str, standings: Iterable[Standing]) -> Iterable[Standing]:
    """The standings, by which no tag is wanted that somebody took off, or that got lost, since the person joined."""
    off = {} if _audience(context, name).enforce else overrides.in_force(context.history, name)
    if not off:
        return standings
    return (
        replace(one, wanted_tags=one.wanted_tags & ~(bits & ~one.known_tags))
        if (bits := off[one.customer_id].tags if one.customer_id in off else 0)
        else one
        for one in standings
    )


def _plan(context: Context, name: str, tags: Tags, standings: Iterable[Standing], today: int) -> Plan:
    muted = ledger.audience_row(context.history, name)["backfilled_at"] is None
    return make_plan(
        name,
        _respecting(context, name, standings),
        tags,
        day=today,
        muted=muted,
        room=None if muted else _room(context, name, tags, today),
        joined=lambda customers, bits: joined_at(context.history, name, customers, bits),
        moment_room=_moment_room(context, name, today),
    )


def _room(context: Context, name: str, tags: Tags, today: int) -> dict[int, int] | None:
    """How many may still enter each tag today."""
    audience = _audience(context, name)
    if not audience.max_entries_per_day:
        return None
    entered = outbox.entered_since(context.history, name, midnight(today, audience.timezone))
    return {bit: max(0, audience.max_entries_per_day - entered.get(bit, 0)) for bit in tags.names}


def _moment_room(context: Context, name: str, today: int) -> dict[str, int] | None:
    """How much of each moment may still be told today."""
    audience = _audience(context, name)
    if not audience.max_entries_per_day:
        return None
    told = telling.sent_since(context.history, name, midnight(today, audience.timezone))
    names = (moment.name for moment in audience.playbook.moments)
    return {moment: max(0, audience.max_entries_per_day - told.get(moment, 0)) for moment in names}


def with_bill(context: Context, plan: Plan, profile: AudienceProfile) -> Plan:
    """The plan, and how many contacts the service bills before and after it."""
    return dataclasses.replace(
        plan, bill=plan.billed(profile.contacts, _audience(context, plan.audience).contact_limit)
    )


def hold_reasons(
    context: Context, plan: Plan, tags: Tags, profile: AudienceProfile | None, shown: Shown
) -> tuple[str, ...]:
    """Why the plan must wait for approval; nothing for an ordinary one.

    `shown`: how many customers each shop shows now.
    """
    audience, row = _audience(context, plan.audience), ledger.audience_row(context.history, plan.audience)
    moved = profile is not None and row["fingerprint"] not in ("", profile.fingerprint)
    limits = audience.brake.limits
    managed = ledger.managed_members(context.history, plan.audience, limits.enough(plan))
    around = Surroundings(
        managed=managed,
        shops={shop: (_customers_held(context, shop, shown.get(shop)), shown.get(shop)) for shop in audience.shops},
        fingerprints=("this is another account or audience than the one written to before",) if moved else (),
        first_push=plan.muted,
        run_out=_run_out(context, plan, tags) if too_many_removed(plan, managed, limits) else 0,
    )
    return (*reasons_to_hold(plan, around, limits), *_repeats(context, plan, tags))


def _repeats(context: Context, plan: Plan, tags: Tags) -> Iterator[str]:
    """What the plan would write again although a person took it back: the rules have to be looked at first."""
    for one in undoing.repeated(context.history, plan):
        again = [f"the tag of {tags.segments[bit]} of {people:,} people" for bit, people in sorted(one.tags.items())]
        again += [f"the fields of {one.fields:,} people"] if one.fields else []
        yield f"it would write again what {one.undo} took back: {', '.join(again)}"


def _run_out(context: Context, plan: Plan, tags: Tags) -> int:
    """How many of the plan's removals are only because a day is over: of people who have not ordered since, and who
    on the day before would have been in the segment by all that is known now.
    """
    playbook = _audience(context, plan.audience).playbook.only(name for name, _, removed in plan.segments if removed)
    figures = figures_on(context, plan.audience, plan.day, playbook)
    removed = {step.customer_id: step.remove for step in plan.steps if step.remove}

    def segments_on(day: int, ids: Collection[int]) -> Iterator[tuple[Batch, NDArray[np.int64]]]:
        now = moment_in(context, _audience(context, plan.audience), day)
        for batch in columns_of(context, plan.audience, day, ids, playbook.needs):
            yield batch, judge(playbook, batch, day, figures, tags.bits, now).segments

    left: dict[int, int] = {}
    for batch, segments in segments_on(plan.day, removed):
        out = np.where(metrics.last_day(batch, plan.day) == plan.day, 0, ~segments)
        bits = zip(batch.customer.tolist(), out.tolist(), strict=True)
        left |= {id_: left_now for id_, out_of in bits if (left_now := removed[id_] & out_of)}
    return sum(
        (left[id_] & bits).bit_count()
        for batch, segments in segments_on(plan.day - 1, left)
        for id_, bits in zip(batch.customer.tolist(), segments.tolist(), strict=True)
    )


def _customers_held(context: Context, shop: str, shown: int | None) -> int:
    """How many customers of the shop the history holds; as they were counted last, where the shop shows as many."""
    held = context.customers_held.get(shop)
    if held is None or shown is None or shown < held:
        held = context.customers_held[shop] = customers_held(context.history, shop)
    return held


def foreign_tags(audience: Audience, tags: Iterable[str], profile: AudienceProfile) -> list[str]:
    """Those of `tags` that the audience has already, and that were not adopted: somebody else's."""
    existing = {tag.lower() for tag in profile.tags} - {tag.lower() for tag in audience.adopt}
    return sorted(tag for tag in tags if tag.lower() in existing)


def customers_shown(context: Context, name: str) -> Shown:
    """How many customers each of the audience's shops shows now; None where it cannot be asked."""

    def ask(shop: str) -> int | None:
        try:
            return context.source(shop).customers_shown()
        except SyncdError:
            # A shop that is down is no accident in its data; the pull has reported it already.
            return None

    return {shop: ask(shop) for shop in _audience(context, name).shops}


def _audience(context: Context, name: str) -> Audience:
    return context.settings.audiences[name]
