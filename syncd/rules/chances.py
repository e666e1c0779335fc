"""Figures of the audience's model of buying: its parameters, and how far off it would have been. Kept for a month.

It knows when `buy_chance(90 days)` may be trusted, and says why where it may not; the arithmetic is that
of `lifecycle.buying`. The model is tested before it is used: fitted to what was known 90 days ago, it
foretells who buys in the 90 days since.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from syncd.calendar import Span
from syncd.lifecycle import buying
from syncd.lifecycle.columns import Batch
from syncd.rules.figures import Figure
from syncd.rules.names import NAMES
from syncd.rules.rhythm import ENOUGH, Enough, Rhythm, too_little
from syncd.rules.scope import ERROR_MAX, MODEL, MODEL_DAY
from syncd.rules.tree import Call

# Where fewer than this seem to go for good after a purchase, the model knows no end and promises too much.
LEAVE_MIN = 0.01

# Under this text stands why there are no parameters: the place of the reason here. At the first there are some.
_TROUBLE = "model trouble"
_NOT_INSTALLED = "it needs a library that is not installed: `pip install 'syncd[science]'`"
_NOT_FITTED = "the model of buying does not fit the orders of this audience"
_NOBODY_LEAVES = "hardly anybody seems to leave this audience for good, so it would promise too much"
_TROUBLES = ("", _NOT_INSTALLED, _NOT_FITTED, _NOBODY_LEAVES)


def chances_in(wanted: Iterable[Figure]) -> list[Figure]:
    """The `buy_chance(…)` among these."""
    return [figure for figure in wanted if NAMES[figure.call.name].of_buying]


class Buyers:
    """Everybody's past as the model sees it, batch by batch: today's, and for each `buy_chance(…)` among the wanted who
    was known so long ago, and who of them bought since.
    """

    def __init__(self, wanted: Iterable[Figure], today: int) -> None:
        self._today = today
        self._tallies: dict[int, list[buying.Tally]] = {0: []}
        self._tallies |= {_days_of(figure.call): [] for figure in chances_in(wanted)}

    def add(self, batch: Batch) -> None:
        """Afterwards the customers of this batch are among them."""
        for days, found in self._tallies.items():
            found.append(buying.tally(batch, self._today - days, days))

    def cells(self, days: int) -> buying.Cells:
        """Who was known so many days ago."""
        return buying.cells(self._tallies[days])


def chances_of(wanted: Iterable[Figure], buyers: Buyers, today: int, rhythm: Rhythm, enough: Enough = ENOUGH) -> Rhythm:
    """The parameters for the `buy_chance(…)` among the `wanted`, and by the text of each how far off it would have
    been of late; None where that is not known. Nothing where none is wanted. `rhythm`: what order gaps told.
    """
    lengths = {figure.text: _days_of(figure.call) for figure in chances_in(wanted)}
    if not lengths:
        return {}
    unknown: Rhythm = {MODEL_DAY: float(today), **dict.fromkeys((*MODEL, *lengths)), _TROUBLE: 0.0}
    testable = {text: days for text, days in lengths.items() if not too_little(rhythm, text, _for(days, enough))}
    if not testable:
        return unknown
    if not buying.is_possible():
        return unknown | _because(_NOT_INSTALLED)
    fitted = buying.fit(buyers.cells(0))
    if fitted.parameters.leave < LEAVE_MIN:
        return unknown | _because(_NOBODY_LEAVES)
    if not fitted.converged:
        return unknown | _because(_NOT_FITTED)
    errors = {text: _error(buyers.cells(days), days, enough) for text, days in testable.items()}
    return unknown | dict(zip(MODEL, fitted.parameters, strict=True)) | errors


def why_off(rhythm: Mapping[str, float | None], call: Call) -> str:
    """Why a `buy_chance(…)` is missing for everybody; "" where it is not."""
    text, days = str(call), _days_of(call)
    if reason := too_little(rhythm, text, _for(days, ENOUGH)):
        return reason
    if reason := _TROUBLES[int(rhythm[_TROUBLE] or 0)]:
        return f"{text} is off: {reason}"
    error = rhythm[text]
    if error is None:
        return f"{text} is off: what was known {days} days ago is too little to test it"
    if error > ERROR_MAX:
        return f"{text} is off: over the last {days} days it would have been wrong by {points(error)}"
    return ""


def points(error: float) -> str:
    """How far off chances were, for people."""
    return f"{error * 100:.1f} percentage points"


def can_be_mended(rhythm: Mapping[str, float | None]) -> bool:
    """Whether there were no parameters for want of an installation that was completed since."""
    return rhythm.get(_TROUBLE) == _TROUBLES.index(_NOT_INSTALLED) and buying.is_possible()


def _days_of(call: Call) -> int:
    (length,) = call.arguments
    assert isinstance(length, Span), "the parser takes nothing else"
    return -length.before(0)


def _for(days: int, enough: Enough) -> Enough:
    """So much history a test needs: as long before the days that are foretold as they are."""
    return Enough(enough.gaps, max(enough.days, 2 * days))


def _error(known: buying.Cells, days: int, enough: Enough) -> float | None:
    """How far off the model would have been, had it been fitted before these days; None where that was too early."""
    if known.repeats @ known.count < enough.gaps:
        return None
    fitted = buying.fit(known)
    if not fitted.converged:
        return None
    chance = buying.chance_to_buy(fitted.parameters, known.repeats, known.last, known.age, days)
    return buying.calibration_error(known, chance)


def _because(reason: str) -> Rhythm:
    return {_TROUBLE: float(_TROUBLES.index(reason))}
