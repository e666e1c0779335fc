"""Figures of the audience's order gaps: the typical gap, and `usual(90)`. They are kept for a month.

It knows from how much history on `usual` means something, and says why where it does not; the
arithmetic is that of `lifecycle.gaps`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from syncd.lifecycle.columns import Batch, feed
from syncd.lifecycle.gaps import Counting, Lateness, Tally, Values
from syncd.rules.figures import Figure
from syncd.rules.names import NAMES
from syncd.rules.scope import TYPICAL_GAP
from syncd.rules.tree import Node, calls

COMPLETED_GAPS = "completed gaps"
HISTORY_DAYS = "days of history"

Rhythm = dict[str, float | None]


class Enough(NamedTuple):
    """From so much on `usual` is known."""

    gaps: int = 200
    days: int = 180


ENOUGH = Enough()


def usual_in(*trees: Node) -> tuple[Figure, ...] | None:
    """What rules need that is worked out once a month, `usual(90)` and the like: each once, sorted by their text; None
    where no rule asks for that or for order gaps.
    """
    found = [call for tree in trees for call in calls(tree) if NAMES[call.name].of_month or NAMES[call.name].of_gaps]
    if not found:
        return None
    needed = {str(call): call for call in found if NAMES[call.name].of_month}
    return tuple(Figure(text, needed[text]) for text in sorted(needed))


def rhythm_of(
    wanted: Iterable[Figure], batches: Callable[[], Iterable[Batch]], today: int, enough: Enough = ENOUGH
) -> Rhythm:
    """The typical gap, what it rests on, and the `usual(p)` among the `wanted` by their text: None where they are not
    known. `batches` gives everybody.
    """
    counting, lateness = Counting(today), Lateness(today)
    feed(batches(), counting, lateness)
    return rhythm_by(wanted, counting.tally, lateness, today, enough)


def rhythm_by(
    wanted: Iterable[Figure], tally: Tally, lateness: Lateness, today: int, enough: Enough = ENOUGH
) -> Rhythm:
    """The same, of everybody whose gaps these have seen."""
    days = 0 if tally.first_day is None else today - tally.first_day
    rhythm: Rhythm = {TYPICAL_GAP: tally.typical, COMPLETED_GAPS: float(tally.gaps), HISTORY_DAYS: float(days)}
    usual = {figure.text: figure for figure in wanted if NAMES[figure.call.name].usual}
    if not usual or tally.typical is None or tally.gaps < enough.gaps or days < enough.days:
        return rhythm | dict.fromkeys(usual)
    values = lateness.values(tally.typical)
    return rhythm | {text: _quantile(figure, values) for text, figure in usual.items()}


class Lack(NamedTuple):
    """Of what there is too little: COMPLETED_GAPS or HISTORY_DAYS; how much is needed, and how much there is."""

    what: str
    needed: int
    have: int


def lacking(rhythm: Mapping[str, float | None], enough: Enough = ENOUGH) -> Lack | None:
    """What keeps `usual` from being known; None where nothing does."""
    for what, needed in ((COMPLETED_GAPS, enough.gaps), (HISTORY_DAYS, enough.days)):
        if (have := rhythm[what] or 0) < needed:
            return Lack(what, needed, round(have))
    return None


def why_unknown(rhythm: Mapping[str, float | None]) -> str:
    """Why `usual` is not known yet; "" where it is."""
    return too_little(rhythm, "usual()", ENOUGH)


def too_little(rhythm: Mapping[str, float | None], what: str, enough: Enough) -> str:
    """Of what there is too little for `what`; "" where there is enough."""
    lack = lacking(rhythm, enough)
    return f"{what} needs {lack.needed} {_SPOKEN[lack.what]}, and there are {lack.have}" if lack else ""


_SPOKEN = {COMPLETED_GAPS: "completed gaps between orders", HISTORY_DAYS: "days of history"}


def _quantile(figure: Figure, values: Values) -> float:
    work_out = NAMES[figure.call.name].usual
    assert work_out is not None, "usual_in names such figures only"
    return work_out(values, *figure.call.arguments)
