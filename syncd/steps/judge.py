"""Step 3: the rules are applied, and what the service shall have is stored.

A cycle judges those of whom there is news and those who are due, because the calendar alone may have moved
them since; everybody only when the rules change, or a figure of the audience by which they go.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from hashlib import sha256

import numpy as np
import structlog
from msgspec import Struct

from syncd import __version__
from syncd.calendar import midnight, months_before
from syncd.history import companions, ledger, outbox
from syncd.history.columns import batches
from syncd.history.consents import consent_of
from syncd.history.fields import canonical_fields
from syncd.history.ledger import Person
from syncd.history.occasions import take_into_use
from syncd.history.shops import shop_row
from syncd.history.stays import as_they_stood
from syncd.lifecycle.columns import FOREVER, Batch, Need
from syncd.lifecycle.companions import Companion
from syncd.lifecycle.companions import companions as best_companions
from syncd.plan import Tags
from syncd.plan.want import Reach, control_bits, reach, wanted_tags
from syncd.rules import (
    Figure,
    Judgement,
    Node,
    Playbook,
    can_be_mended,
    chances_of,
    due_times,
    figures_in,
    figures_over,
    needs_of,
    rhythm_of,
    usual_in,
)
from syncd.rules import judge as apply_rules
from syncd.settings import Audience
from syncd.steps.context import Context
from syncd.steps.moments import watch_of

log = structlog.get_logger()

Figures = dict[str, float | None]
# Everybody's columns with orders at least up to the day that is asked about, where they are at hand already.
Held = Sequence[Batch] | None
# Under this text the figures of the month say how many products have a companion: these are kept, too.
MATCHING = "matching_product"
# The needs of what looks at orders alone.
NOTHING: frozenset[Need] = frozenset()


class Judged(Struct, frozen=True):
    """How many were judged, and how many joined or left a segment by it."""

    people: int
    joined: int
    left: int


class Verdict(Struct, frozen=True):
    """One person, the segments the rules put them in, and what the service shall have for that."""

    person: Person
    segments: int
    tags: int
    fields: str


def judge(context: Context, name: str, tags: Tags) -> Judged:
    """Everyone who may stand elsewhere than before is judged; standings and memberships are stored."""
    audience, row = context.settings.audiences[name], ledger.audience_row(context.history, name)
    today, stale = context.today(audience), [] if row["judged_day"] is None else stale_shops(context, audience)
    if stale:
        # Days without news from a shop are not days without orders: nobody leaves or lapses by them.
        log.warning("rules wait for news", audience=name, stale=stale)
        today = row["judged_day"]
    another_day = today != row["judged_day"]
    if another_day:
        outbox.forgive(context.history, name)
    digest = _digest(audience, tags)
    everybody = not stale and row["rules_digest"] != digest
    concerned = {*ledger.with_news(context.history, name)}
    if not stale:
        concerned.update(ledger.due(context.history, name, context.clock.now()))
    if not (another_day or everybody or concerned):
        return Judged(0, 0, 0)
    if another_day or everybody:
        # Until the end is reached: whatever cuts this off, the next cycle begins with everybody.
        ledger.set_audience(context.history, name, rules_digest="")
    before = _frozen(context, name, row["judged_day"])
    figures = _figures(context, name, audience.playbook, today, fresh=another_day or everybody)
    everybody = everybody or not (stale or figures.items() <= before.items())
    judged = _stored(context, name, tags, today, figures, None if everybody else concerned)
    if everybody:
        # Only now: who stood somewhere already when a moment came into use is not told.
        take_into_use(context.history, name, audience.playbook.moments, context.clock.now())
    if another_day or everybody:
        ledger.set_audience(context.history, name, judged_day=today, rules_digest=digest)
    return judged


def _digest(audience: Audience, tags: Tags) -> str:
    """Stays the same for as long as the same facts lead to the same judgements."""
    reading = [audience.shops, audience.timezone, audience.spend, audience.pending_counts, audience.rates]
    pushing = [sorted(tags.bits.items()), audience.tag_prefix, audience.create]
    return f"{__version__} {audience.playbook.digest} {sha256(repr((reading, pushing)).encode()).hexdigest()}"


def _stored(
    context: Context, name: str, tags: Tags, today: int, figures: Figures, concerned: set[int] | None
) -> Judged:
    """Everybody, or those `concerned`, stand where the rules put them, and are due when the calendar moves them.

    Of a day that is over they are due at its end at the latest: what happened since was not looked at.
    """
    audience = context.settings.audiences[name]
    end = midnight(today + 1, audience.timezone)
    watch = watch_of(context, name, tags)
    people = joined = left = 0
    gone = set(concerned or ())
    for batch, judgement in judgements(context, name, tags, today, figures, concerned):
        earliest = due_times(audience.playbook, judgement).earliest
        if end <= context.clock.now():
            earliest = np.minimum(earliest, end)
        due_at = [None if at == FOREVER else at for at in earliest.tolist()]
        verdicts = _verdicts(context, name, tags, batch, judgement)
        rows = [(v.person, v.segments, v.tags, v.fields, at) for v, at in zip(verdicts, due_at, strict=True)]
        more = ledger.store_judgement(context.history, name, rows, batch.customer.tolist(), context.clock.now(), watch)
        people, joined, left = people + len(rows), joined + more[0], left + more[1]
        gone.difference_update(batch.customer.tolist())
        context.report(f"{name}: judging", len(rows))
    ledger.forget(context.history, name, sorted(gone))
    return Judged(people, joined, left)


def verdicts_as_of(context: Context, name: str, tags: Tags, today: int) -> Iterator[Verdict]:
    """How everybody would be judged on a local day, without storing anything; in the order of their ids."""
    for batch, judgement in judgements(context, name, tags, today, figures_on(context, name, today), None):
        yield from _verdicts(context, name, tags, batch, judgement)


def judgements(
    context: Context,
    name: str,
    tags: Tags,
    today: int,
    figures: Figures,
    ids: Collection[int] | None,
) -> Iterator[tuple[Batch, Judgement]]:
    """The rules applied on a local day to everybody, or to the customers `ids`; batch by batch."""
    audience = context.settings.audiences[name]
    now = moment_in(context, audience, today)
    for batch in columns_of(context, name, today, ids):
        yield batch, apply_rules(audience.playbook, batch, today, figures, tags.bits, now)


def moment_in(context: Context, audience: Audience, today: int) -> int:
    """The instant at which a local day is judged: now, or the one in that day which lies nearest."""
    begin, end = midnight(today, audience.timezone), midnight(today + 1, audience.timezone)
    return min(max(context.clock.now(), begin), end - 1)


def columns_of(
    context: Context, name: str, today: int, ids: Collection[int] | None, needs: frozenset[Need] | None = None
) -> Iterator[Batch]:
    """The audience's customers, or those of `ids`, as they were at the end of a local day that is over: their orders up
    to then, and the segments in which they stood. Of another day as they are; an order that a shop whose clock is
    ahead dates into the days to come makes them due then.

    `needs`: the columns that are read besides those of every batch; None: those that the playbook reads.
    """
    audience = context.settings.audiences[name]
    needs = audience.playbook.needs if needs is None else needs
    end = midnight(today + 1, audience.timezone)
    over = end <= context.clock.now()
    found = batches(
        context.history,
        name,
        audience.shops,
        zone=audience.timezone,
        currency=audience.currency,
        rates=audience.rates,
        spend=audience.spend,
        pending_counts=audience.pending_counts,
        customers=ids,
        as_of_end=end if over else None,
        needs=needs,
    )
    if "companions" in needs:
        pairs = _companions_on(context, name, today)
        found = (replace(batch, companions=pairs) for batch in found)
    return as_they_stood(context.history, name, found, end, ids) if over else found


def _frozen(context: Context, name: str, day: int | None) -> Figures:
    """The figures by which everybody was judged on a local day."""
    of_day = {} if day is None else ledger.figures_of(context.history, name, day)
    return of_day | ledger.frozen_rhythm(context.history, name)[1]


def _companions_on(context: Context, name: str, day: int) -> dict[str, str]:
    """Which product goes with which on a local day: as it is frozen where that is in force, else worked out."""
    frozen_on, frozen = ledger.frozen_rhythm(context.history, name)
    kept = frozen_on is not None and MATCHING in frozen and _is_in_force(context, name, frozen_on, day)
    found = companions.frozen(context.history, name) if kept else _bought_together(context, name, day)
    return {pair.product: pair.companion for pair in found}


def _bought_together(context: Context, name: str, day: int) -> list[Companion]:
    return best_companions(columns_of(context, name, day, None, frozenset({"items"})), day)


def figures_on(context: Context, name: str, today: int, playbook: Playbook | None = None, held: Held = None) -> Figures:
    """The figures by which the audience's playbook, or that part of it, judges on a local day: the frozen ones where
    they exist, else computed.
    """
    playbook = playbook or context.settings.audiences[name].playbook
    row = ledger.audience_row(context.history, name)
    return _figures(context, name, playbook, today, fresh=row["judged_day"] != today, keep=False, held=held)


def figures_for(context: Context, name: str, rules: Sequence[Node], today: int, held: Held = None) -> Figures:
    """The figures that free rules ask for, of a local day."""
    rhythm = _rhythm(context, name, usual_in(*rules), today, keep=False, held=held)
    return work_out(context, name, figures_in(*rules), today, rhythm, held) | rhythm


def _figures(
    context: Context,
    name: str,
    playbook: Playbook,
    day: int,
    *,
    fresh: bool,
    keep: bool = True,
    held: Held = None,
) -> Figures:
    rhythm = _rhythm(context, name, playbook.usual, day, keep=keep, held=held)
    if not fresh:
        frozen = ledger.figures_of(context.history, name, day)
        if all(figure.text in frozen for figure in playbook.figures):
            return frozen | rhythm
    values = work_out(context, name, playbook.figures, day, rhythm, held)
    if keep:
        ledger.freeze_figures(context.history, name, day, values)
    return values | rhythm


def _rhythm(
    context: Context, name: str, wanted: Sequence[Figure] | None, day: int, *, keep: bool, held: Held
) -> Figures:
    """The figures of order gaps that are in force on a local day: frozen for a month, and what they lack of the
    same day. A day that is none of ours (`--as-of`) has its own. `wanted`: see `usual_in`.
    """
    if wanted is None:
        return {}
    frozen_on, frozen = ledger.frozen_rhythm(context.history, name)
    if frozen_on is None or not _is_in_force(context, name, frozen_on, day):
        frozen_on, frozen = day, {}
    if frozen and all(figure.text in frozen for figure in wanted) and not can_be_mended(frozen):
        return frozen

    def everybody() -> Iterable[Batch]:
        return held or columns_of(context, name, frozen_on, None, NOTHING)

    rhythm = rhythm_of(wanted, everybody, frozen_on) | frozen
    rhythm |= chances_of(wanted, everybody, frozen_on, rhythm)
    if keep and any(figure.text == MATCHING for figure in wanted):
        found = _bought_together(context, name, frozen_on)
        companions.freeze(context.history, name, found)
        rhythm[MATCHING] = float(len(found))
    if keep:
        ledger.freeze_rhythm(context.history, name, frozen_on, rhythm)
    return rhythm


def _is_in_force(context: Context, name: str, frozen_on: int, day: int) -> bool:
    if not months_before(day, 1) < frozen_on <= day:
        return False
    today = context.today(context.settings.audiences[name])
    return day == today or day == ledger.audience_row(context.history, name)["judged_day"]


def work_out(
    context: Context, name: str, wanted: Sequence[Figure], day: int, rhythm: Figures, held: Held = None
) -> Figures:
    """These figures of the whole audience, from everybody's orders up to a local day."""
    needs = needs_of(*(figure.call for figure in wanted))
    return figures_over(wanted, held or columns_of(context, name, day, None, needs), day, rhythm) if wanted else {}


def _verdicts(context: Context, name: str, tags: Tags, batch: Batch, judgement: Judgement) -> Iterator[Verdict]:
    columns = judgement.fields
    for at, (segments, (person, reached, controls)) in enumerate(
        zip(judgement.segments.tolist(), reached_in(context, name, tags, batch), strict=True)
    ):
        yield Verdict(
            person,
            segments,
            wanted_tags(segments, person.known_tags, reached, controls),
            canonical_fields({field: columns[field][at] for field in columns})
            if reached is Reach.FULL
            else person.known_fields,
        )


def reached_in(context: Context, name: str, tags: Tags, batch: Batch) -> Iterator[tuple[Person, Reach, int]]:
    """Each customer of the batch, how far they may be reached, and the tags withheld from them (a bit set)."""
    audience = context.settings.audiences[name]
    ids = batch.customer.tolist()
    with context.history.read() as db:
        people = ledger.people(db, name, ids)
    strangers = [id_ for id_ in ids if people[id_].status is None]
    consent = consent_of(context.history, strangers) if audience.create == "consented" else {}
    # Under their address another contact is about to go on: none is made beside it.
    awaited = ledger.successors(context.history, name) if strangers else set()
    shares = {
        tags.bits[segment.name]: (segment.name, segment.control)
        for segment in audience.playbook.segments
        if segment.control
    }
    for id_ in ids:
        person = people[id_]
        reached = reach(
            person.status,
            consent=consent.get(id_, False) and id_ not in awaited,
            creates=audience.create == "consented",
            refused=bool(person.refused),
        )
        yield person, reached, control_bits(person.email, shares) if shares else 0


def stale_shops(context: Context, audience: Audience) -> list[str]:
    """The audience's shops from which nothing was heard for too long."""
    oldest = context.clock.now() - context.settings.stale_after
    return [shop for shop in audience.shops if (shop_row(context.history, shop)["pulled_at"] or 0) < oldest]
