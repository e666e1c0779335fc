"""Everybody's columns, and the figures of the whole audience that are worked out from them: some are frozen for a
day, some for a month.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace

from syncd.calendar import midnight, months_before
from syncd.history import companions, ledger
from syncd.history.columns import batches
from syncd.history.stays import as_they_stood
from syncd.lifecycle.columns import Batch, Need
from syncd.lifecycle.companions import Companion
from syncd.lifecycle.companions import companions as best_companions
from syncd.rules import (
    Figure,
    Node,
    Playbook,
    can_be_mended,
    chances_of,
    figures_in,
    figures_over,
    needs_of,
    rhythm_of,
    usual_in,
)
from syncd.settings import Audience
from syncd.steps.context import Context

Figures = dict[str, float | None]
# Everybody's columns with orders at least up to the day that is asked about, where they are at hand already.
Held = Sequence[Batch] | None
# Under this text the figures of the month say how many products have a companion: these are kept, too.
MATCHING = "matching_product"
# The needs of what looks at orders alone.
NOTHING: frozenset[Need] = frozenset()


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


def frozen_figures(context: Context, name: str, day: int | None) -> Figures:
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
    return figures_of(context, name, playbook, today, fresh=row["judged_day"] != today, keep=False, held=held)


def figures_for(context: Context, name: str, rules: Sequence[Node], today: int, held: Held = None) -> Figures:
    """The figures that free rules ask for, of a local day."""
    rhythm = _rhythm(context, name, usual_in(*rules), today, keep=False, held=held)
    return work_out(context, name, figures_in(*rules), today, rhythm, held) | rhythm


def figures_of(
    context: Context,
    name: str,
    playbook: Playbook,
    day: int,
    *,
    fresh: bool,
    keep: bool = True,
    held: Held = None,
) -> Figures:
    """The figures of a local day: worked out where `fresh` or not frozen yet, and frozen where they shall `keep`."""
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
