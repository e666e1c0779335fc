"""Step 3: the rules are applied, and what the service shall have is stored.

A cycle judges those of whom there is news and those who are due, because the calendar alone may have moved
them since; everybody only when the rules change, or a figure of the audience by which they go.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from hashlib import sha256

import numpy as np
import structlog
from msgspec import Struct

from syncd import __version__
from syncd.calendar import midnight
from syncd.history import ledger, outbox
from syncd.history.consents import consent_of
from syncd.history.fields import canonical_fields
from syncd.history.ledger import Person
from syncd.history.occasions import take_into_use
from syncd.history.shops import shop_row
from syncd.lifecycle.columns import FOREVER, Batch
from syncd.plan import Tags
from syncd.plan.want import Reach, control_bits, reach, wanted_tags
from syncd.rules import Judgement, due_times
from syncd.rules import judge as apply_rules
from syncd.settings import Audience
from syncd.steps.context import Context
from syncd.steps.figures import Figures, columns_of, figures_of, figures_on, frozen_figures, moment_in
from syncd.steps.moments import watch_of

log = structlog.get_logger()


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
    before = frozen_figures(context, name, row["judged_day"])
    figures = figures_of(context, name, audience.playbook, today, fresh=another_day or everybody)
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
