"""Step 3: the rules are applied, and what the service shall have is stored.

A cycle judges those of whom there is news and those who are due, because the calendar alone may have moved
them since; on a new day also those whom a figure of the audience passed on the way to its new value. Everybody
only when the rules change, or a figure that can move everybody.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from hashlib import sha256

import numpy as np
from msgspec import Struct

from syncd import __version__, logs
from syncd.calendar import local_day, midnight
from syncd.history import ledger, outbox, packs
from syncd.history.consents import consent_of
from syncd.history.fields import AS_KNOWN, canonical_texts
from syncd.history.judged import Standings, Verdicts, standings_in, store, withheld
from syncd.history.ledger import Person
from syncd.history.occasions import take_into_use
from syncd.history.shops import shop_row
from syncd.lifecycle.columns import Batch
from syncd.plan import Tags
from syncd.plan.want import STRANGER, Numbers, Reach, reach, wanted_tags
from syncd.rules import Judgement, due_times, hashes
from syncd.rules import judge as apply_rules
from syncd.settings import Audience
from syncd.steps.context import Context
from syncd.steps.figures import Figures, columns_of, figures_of, figures_on, frozen_figures, moment_in
from syncd.steps.moments import watch_of


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
    """Everyone who may stand elsewhere than before is judged; standings and moves are stored."""
    audience, row = context.settings.audiences[name], ledger.audience_row(context.history, name)
    today, stale = context.today(audience), [] if row["judged_day"] is None else stale_shops(context, audience)
    if stale:
        # Days without news from a shop are not days without orders: nobody leaves or lapses by them.
        logs.warning("rules wait for news", audience=name, stale=stale)
        today = row["judged_day"]
    if _is_behind(context, name, today, row["judged_day"]):
        today = row["judged_day"]
    another_day = today != row["judged_day"]
    if another_day:
        outbox.forgive(context.history, name)
    digest = digest_of(audience, tags)
    # A clock that was a day ahead moved people before their time, and they are not due again before that.
    set_back = row["judged_day"] is not None and today < row["judged_day"]
    everybody = not stale and (set_back or row["rules_digest"] != digest)
    concerned = {*ledger.with_news(context.history, name)}
    if not stale:
        concerned.update(ledger.due(context.history, name, context.clock.now()))
    if not (another_day or everybody or concerned):
        return Judged(0, 0, 0)
    if another_day or everybody:
        # Until the end is reached: whatever cuts this off, the next cycle begins with everybody.
        ledger.set_audience(context.history, name, rules_digest="")
        # Only where everybody is read: a few are read as quickly from what is marked, and are soon marked again.
        packs.refresh(context.history)
    before = frozen_figures(context, name, row["judged_day"])
    # Where the rules alone are others, the figures of the day stay.
    fresh = another_day or (everybody and not _read_alike(row["rules_digest"], digest))
    found = figures_of(context, name, audience.playbook, today, fresh=fresh)
    moved = set() if stale or everybody else found.moved(audience.playbook, before)
    figures = found.figures
    del found  # what was measured of everybody takes room
    everybody = everybody or moved is None
    concerned |= moved or set()
    judged = _stored(context, name, tags, today, figures, None if everybody else concerned)
    if everybody:
        # Only now: who stood somewhere already when a moment came into use is not told.
        take_into_use(context.history, name, audience.playbook.moments, context.clock.now())
    if another_day or everybody:
        ledger.set_audience(context.history, name, judged_day=today, rules_digest=digest)
    return judged


def _is_behind(context: Context, name: str, today: int, judged_day: int | None) -> bool:
    """Whether our clock is set back to before the last judgement, though that was in time by what others dated.

    To judge by an earlier day would take from people what the next cycle gives them again.
    """
    if judged_day is None or today >= judged_day:
        return False
    audience = context.settings.audiences[name]
    dated_at = ledger.last_dated_at(context.history, name, audience.shops)
    return dated_at is not None and local_day(dated_at, audience.timezone) >= judged_day


def digest_of(audience: Audience, tags: Tags) -> str:
    """Stays the same for as long as the same facts lead to the same judgements; what is before its last space, for as
    long as they lead to the same figures.
    """
    reading = [audience.shops, audience.timezone, audience.currency, audience.spend, audience.pending_counts]
    judging = [audience.playbook.digest, sorted(tags.bits.items()), audience.tag_prefix, audience.create]
    read, judged = (sha256(repr(each).encode()).hexdigest() for each in ([*reading, audience.rates], judging))
    return f"{__version__} {read} {judged}"


def _read_alike(one: str, other: str) -> bool:
    """Whether the same facts lead to the same figures; see `digest_of`."""
    return one.rpartition(" ")[0] == other.rpartition(" ")[0]


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
    for batch, before, judgement in judgements(context, name, tags, today, figures, concerned):
        earliest = due_times(audience.playbook, judgement).earliest
        if end <= context.clock.now():
            earliest = np.minimum(earliest, end)
        after = _verdicts(context, name, tags, before, judgement)
        more = store(context.history, name, before, after, earliest, context.clock.now(), watch)
        people, joined, left = people + len(batch), joined + more[0], left + more[1]
        gone.difference_update(batch.customer.tolist())
        context.report(f"{name}: judging", len(batch))
    ledger.forget(context.history, name, sorted(gone))
    return Judged(people, joined, left)


def verdicts_as_of(context: Context, name: str, tags: Tags, today: int) -> Iterator[Verdict]:
    """How everybody would be judged on a local day, without storing anything; in the order of their ids."""
    for batch, before, judgement in judgements(context, name, tags, today, figures_on(context, name, today), None):
        after = _verdicts(context, name, tags, before, judgement)
        rules_say = np.flatnonzero(after.said != AS_KNOWN)
        fields = dict(zip(rules_say.tolist(), canonical_texts(after.sayings, rules_say), strict=True))
        with context.history.read() as db:
            people = ledger.people(db, name, batch.customer.tolist())
        columns = (batch.customer.tolist(), after.segments.tolist(), after.wanted_tags.tolist())
        for at, (id_, segments, wanted) in enumerate(zip(*columns, strict=True)):
            yield Verdict(people[id_], segments, wanted, fields.get(at, people[id_].known_fields))


def judgements(
    context: Context,
    name: str,
    tags: Tags,
    today: int,
    figures: Figures,
    ids: Collection[int] | None,
) -> Iterator[tuple[Batch, Standings, Judgement]]:
    """The rules applied on a local day to everybody, or to the customers `ids`, beside where they stand; by batches."""
    audience = context.settings.audiences[name]
    now = moment_in(context, audience, today)
    for batch in columns_of(context, name, today, ids, audience.playbook.needs - {"was_in"}):
        before = stood(context, name, batch)
        # Of a day that is over it is on record.
        was_in = before.segments if batch.was_in is None else batch.was_in
        known = replace(batch, was_in=was_in)
        yield known, before, apply_rules(audience.playbook, known, today, figures, tags.bits, now)


def stood(context: Context, name: str, batch: Batch) -> Standings:
    """Where the customers of the batch stand by what was judged and confirmed last."""
    with context.history.read() as db:
        return standings_in(db, name, batch.customer)


def _verdicts(context: Context, name: str, tags: Tags, before: Standings, judgement: Judgement) -> Verdicts:
    reached = reaches(context, name, before)
    controls = controls_of(context, name, tags, before.customer, np.where(reached == Reach.FULL, judgement.segments, 0))
    return Verdicts(
        judgement.segments,
        wanted_tags(judgement.segments, before.known_tags, reached, controls),
        np.where(reached == Reach.FULL, hashes(judgement.sayings, len(before.customer)), AS_KNOWN),
        judgement.sayings,
    )


def reaches(context: Context, name: str, people: Standings) -> Numbers:
    """How far each of these people may be reached, as a `Reach`."""
    consent = np.zeros(len(people.customer), bool)
    if context.settings.audiences[name].create == "consented":
        strangers = people.customer[people.status == STRANGER].tolist()
        given = {id_ for id_, given in consent_of(context.history, strangers).items() if given}
        # Under their address another contact is about to go on: none is made beside it.
        given -= ledger.successors(context.history, name) if given else set()
        consent = np.isin(people.customer, [*given])
    return reach(people.status, consent, people.refused)


def controls_of(context: Context, name: str, tags: Tags, ids: Numbers, segments: Numbers) -> Numbers:
    """The tags withheld from each customer who is in these segments, to measure their effect; as bit sets."""
    shares = {
        tags.bits[segment.name]: (segment.name, segment.control)
        for segment in context.settings.audiences[name].playbook.segments
        if segment.control
    }
    with context.history.read() as db:
        return withheld(db, ids, segments, shares)


def stale_shops(context: Context, audience: Audience) -> list[str]:
    """The audience's shops from which nothing was heard for too long."""
    oldest = context.clock.now() - context.settings.stale_after
    return [shop for shop in audience.shops if (shop_row(context.history, shop)["pulled_at"] or 0) < oldest]
