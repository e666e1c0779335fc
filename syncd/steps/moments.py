"""Around judging: what is looked out for, what was told, and what is still to be told of what is due."""

from __future__ import annotations

from syncd import logs
from syncd.destinations import Destination
from syncd.history import ledger, moments, occasions, telling
from syncd.history.ledger import Person
from syncd.history.occasions import Watch, Watched
from syncd.plan import Occasion, Tags
from syncd.rules import Moment
from syncd.settings import Audience
from syncd.steps.context import Context


def watch_of(context: Context, name: str, tags: Tags) -> Watch | None:
    """What is looked out for in the audience; nothing before its first push is through, which announces nothing."""
    audience, backfilled_at = _audience(context, name), ledger.audience_row(context.history, name)["backfilled_at"]
    if backfilled_at is None:
        return None
    since = occasions.in_use(context.history, name, audience.playbook.moments)
    return Watch(
        audience=name,
        moments=tuple(
            _watched(audience, moment, max(since[moment.name], backfilled_at), tags)
            for moment in audience.playbook.moments
            if moment.name in since
        ),
        shops=tuple(audience.shops),
        currencies=frozenset((audience.currency, *audience.rates)),
        spend=audience.spend,
        pending_counts=audience.pending_counts,
    )


def _watched(audience: Audience, moment: Moment, since_at: int, tags: Tags) -> Watched:
    if moment.segment is None:
        return Watched(moment, since_at)
    bit = tags.bits[moment.segment]
    former = tuple(other for other, segment in tags.segments.items() if segment == moment.segment and other != bit)
    control = next(segment.control for segment in audience.playbook.segments if segment.name == moment.segment)
    return Watched(moment, since_at, bit, former, control)


def settle_moments(context: Context, name: str, destination: Destination) -> None:
    """Of what was being told when an answer stayed out, it is known whether it was; what was not waits again."""
    unsettled = telling.unsettled(context.history, name, context.clock.now())
    if not unsettled:
        return
    logs.info("looking for events", audience=name, events=len(unsettled))
    destination.settle()
    emails = sorted({email for found_under in unsettled.values() for email in found_under})
    shown = {episode for email in emails for episode in destination.episodes(email)}
    now = context.clock.now()
    telling.settle(context.history, unsettled.keys() & shown, unsettled.keys() - shown, now)


def ripen(context: Context, name: str, tags: Tags) -> None:
    """What is due and waits still is to be told: all else that was due is dropped, with its reason."""
    watch = watch_of(context, name, tags)
    if watch is None:
        return
    awaited = ledger.successors(context.history, name)
    dropped = moments.ripen(context.history, watch, awaited, context.clock.now())
    if dropped:
        logs.info("moments dropped", audience=name, dropped=dict(dropped))


def foreseen(watch: Watch, person: Person, segments: int, now: int) -> tuple[Occasion, ...]:
    """What a person who hears it would be told at once, if they were now judged to be in these segments (a bit set)."""
    return tuple(
        Occasion(
            now, one.moment.name, occasions.episode_of(watch.audience, one.moment.name, f"{person.customer_id}/{now}")
        )
        for one in watch.on("join", "leave")
        if not one.moment.settle and _moves(one, person.segments, segments) and not one.withheld_from(person.email)
    )


def _moves(one: Watched, before: int, after: int) -> bool:
    """Whether somebody who was in some segments and is in others now joins or leaves that of the moment."""
    was_in = any(before >> bit & 1 for bit in (one.bit, *one.former))
    return was_in is (one.moment.on == "leave") and bool(after >> one.bit & 1) is not was_in


def _audience(context: Context, name: str) -> Audience:
    return context.settings.audiences[name]
