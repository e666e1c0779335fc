"""Everybody's columns, and the figures of the whole audience that are worked out from them: some are frozen for a
day, some for a month.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from syncd.calendar import midnight, months_before
from syncd.history import companions, ledger
from syncd.history.columns import batches
from syncd.history.stays import as_they_stood
from syncd.lifecycle.columns import Batch, Need, Reader, feed
from syncd.lifecycle.companions import Companion, Shelf
from syncd.lifecycle.companions import companions as best_companions
from syncd.lifecycle.gaps import Counting, Lateness
from syncd.rules import (
    Buyers,
    Figure,
    Measured,
    Node,
    Playbook,
    can_be_mended,
    chances_in,
    chances_of,
    figures_in,
    measured_by,
    measured_in,
    needs_of,
    passed,
    rhythm_by,
    usual_in,
)
from syncd.settings import Audience
from syncd.steps.context import Context

Figures = dict[str, float | None]
# Everybody's columns with orders at least up to the day that is asked about, where they are at hand already.
Held = Sequence[Batch] | None
# Under this text the figures of the month say how many products have a companion: these are kept, too.
MATCHING = "matching_product"
# The needs of what looks at orders alone, and of what looks at their lines.
NOTHING: frozenset[Need] = frozenset()
ITEMS: frozenset[Need] = frozenset({"items"})


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
    return best_companions(columns_of(context, name, day, None, ITEMS), day)


class Found(NamedTuple):
    """Figures, and what was measured of everybody for them; None where nothing had to be, or not all at once."""

    figures: Figures
    measured: Measured | None = None

    def moved(self, playbook: Playbook, before: Figures) -> set[int] | None:
        """The customers whom these figures may move who were judged by those `before`; None: it may be anybody."""
        moves = passed(playbook, before, self.figures)
        if not moves:
            return None if moves is None else set()
        return self.measured.whom(moves) if self.measured else None


def figures_on(context: Context, name: str, today: int, playbook: Playbook | None = None, held: Held = None) -> Figures:
    """The figures by which the audience's playbook, or that part of it, judges on a local day: the frozen ones where
    they exist, else computed.
    """
    playbook = playbook or context.settings.audiences[name].playbook
    fresh = ledger.audience_row(context.history, name)["judged_day"] != today
    return figures_of(context, name, playbook, today, fresh=fresh, keep=False, held=held).figures


def figures_for(context: Context, name: str, rules: Sequence[Node], today: int, held: Held = None) -> Figures:
    """The figures that free rules ask for, of a local day."""
    return _found(_Asked(context, name, today, figures_in(*rules), usual_in(*rules), held=held), None).figures


def figures_of(
    context: Context, name: str, playbook: Playbook, day: int, *, fresh: bool, keep: bool = True, held: Held = None
) -> Found:
    """The figures of a local day: worked out where `fresh` or not frozen yet, and frozen where they shall `keep`."""
    marks = measured_in(playbook) if keep else ()
    asked = _Asked(context, name, day, playbook.figures, playbook.usual, keep, marks, held)
    frozen = {} if fresh else ledger.figures_of(context.history, name, day)
    complete = not fresh and all(figure.text in frozen for figure in playbook.figures)
    return _found(asked, frozen if complete else None)


@dataclass(frozen=True, slots=True)
class _Asked:
    """Which figures of which local day; `usual`: see `usual_in`. Beside them `marked` is measured."""

    context: Context
    name: str
    day: int
    figures: Sequence[Figure]
    usual: Sequence[Figure] | None
    keep: bool = False
    marked: Sequence[Node] = ()
    held: Held = None

    def everybody(self, day: int, needs: frozenset[Need] = NOTHING) -> Iterable[Batch]:
        """Everybody's columns, as of the day."""
        return self.held or columns_of(self.context, self.name, day, None, needs)


class _Month(NamedTuple):
    """The day on which the figures of the month are worked out, those that are known, and whether these are all."""

    day: int
    known: Figures
    complete: bool


def _found(asked: _Asked, frozen: Figures | None) -> Found:
    """The figures, where those of the day are not `frozen` from one pass over everybody. When a month begins, those of
    the day that ask for its own take another.
    """
    month = _month(asked)
    if month.complete and frozen is not None:
        return Found(frozen | month.known)
    if month.complete:
        measured = _measured(asked, [*map(measured_by, asked.figures), *asked.marked], month.known)
        return Found(_kept(asked, measured.figures(asked.figures)) | month.known, measured)
    along = [figure for figure in asked.figures if frozen is None and month.day == asked.day and _is_of_day(figure)]
    beside = Measured(map(measured_by, along), asked.day)
    rhythm = _begun(asked, month, beside)
    if frozen is None:
        rest = [figure for figure in asked.figures if figure not in along]
        measured = _measured(asked, [*map(measured_by, rest)], rhythm)
        frozen = _kept(asked, beside.figures(along) | measured.figures(rest))
    return Found(frozen | rhythm)


def _is_of_day(figure: Figure) -> bool:
    """Whether it can be worked out without figures of the month."""
    return usual_in(figure.call) is None


def _measured(asked: _Asked, trees: Sequence[Node], rhythm: Figures) -> Measured:
    """These trees, measured of everybody."""
    measured = Measured(trees, asked.day, rhythm)
    if trees:
        feed(asked.everybody(asked.day, needs_of(*trees)), measured)
    return measured


def _kept(asked: _Asked, values: Figures) -> Figures:
    """These figures of the day, frozen where they shall be."""
    if asked.keep:
        ledger.freeze_figures(asked.context.history, asked.name, asked.day, values)
    return values


def _month(asked: _Asked) -> _Month:
    """The figures of the month that are in force on a local day: frozen ones, and what they lack is of the same day. A
    day that is none of ours (`--as-of`) has its own.
    """
    if asked.usual is None:
        return _Month(asked.day, {}, complete=True)
    frozen_on, frozen = ledger.frozen_rhythm(asked.context.history, asked.name)
    if frozen_on is None or not _is_in_force(asked.context, asked.name, frozen_on, asked.day):
        return _Month(asked.day, {}, complete=False)
    has_all = bool(frozen) and all(figure.text in frozen for figure in asked.usual)
    return _Month(frozen_on, frozen, has_all and not can_be_mended(frozen))


def _begun(asked: _Asked, month: _Month, beside: Measured) -> Figures:
    """All figures of the month, frozen where they shall be kept. In the pass for them `beside` is filled, too."""
    context, name, wanted = asked.context, asked.name, asked.usual or ()
    gaps, lateness = Counting(month.day), Lateness(month.day)
    buyers, shelf = Buyers(wanted, month.day), Shelf(month.day)
    matching = asked.keep and any(figure.text == MATCHING for figure in wanted)
    readers: list[Reader] = [gaps, lateness, beside]
    readers += [*([buyers] if chances_in(wanted) else []), *([shelf] if matching else [])]
    feed(asked.everybody(month.day, needs_of(*beside.trees) | (ITEMS if matching else NOTHING)), *readers)
    rhythm = rhythm_by(wanted, gaps.tally, lateness, month.day) | month.known
    rhythm |= chances_of(wanted, buyers, month.day, rhythm)
    if matching:
        found = shelf.companions()
        companions.freeze(context.history, name, found)
        rhythm[MATCHING] = float(len(found))
    if asked.keep:
        ledger.freeze_rhythm(context.history, name, month.day, rhythm)
    return rhythm


def _is_in_force(context: Context, name: str, frozen_on: int, day: int) -> bool:
    if not months_before(day, 1) < frozen_on <= day:
        return False
    today = context.today(context.settings.audiences[name])
    return day == today or day == ledger.audience_row(context.history, name)["judged_day"]
