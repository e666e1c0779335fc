"""How likely somebody is to buy soon: a model of buying that is fitted to the audience, and its test on the past.

It knows order days, and neither rules nor where its parameters are kept. Somebody buys at a rate of their
own, and after each purchase may be gone for good, with a chance of their own; rates and chances differ
between people. Of a customer it asks three numbers only: how often they bought again, and when they bought
first and last. Customers with the same three are one cell, so that the fit costs little however many they are.

Sources: P. Fader, B. Hardie, K. Lee, "Counting Your Customers" the Easy Way: An Alternative to the Pareto/NBD
Model, Marketing Science 24(2), 2005 (BG/NBD). E. Batislam, M. Denizel, A. Filiztekin, Empirical Validation and
Comparison of Models for Customer Base Analysis, Int. J. of Research in Marketing 24(3), 2007 (MBG/NBD: one may
be gone right after the first purchase, too).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from syncd.lifecycle import metrics
from syncd.lifecycle.columns import NO_DAY, Batch, Days

# More repeated orders and days than anybody has; together they fit into one number.
_BITS: Final = 20
# Parameters are sought between these powers of e. Where one ends up there, none is the most likely.
_POWER_MAX: Final = 10.0
_BINS: Final = 10

Model = Literal["BG/NBD", "MBG/NBD"]
Counts = NDArray[np.int64]
Values = NDArray[np.float64]


class Parameters(NamedTuple):
    """Rates of buying are Gamma(r, alpha), chances to be gone after a purchase Beta(a, b). Units: alpha as time."""

    r: float
    alpha: float
    a: float
    b: float

    @property
    def leave(self) -> float:
        """The mean chance to be gone after a purchase."""
        return self.a / (self.a + self.b)


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """Customers with the same past: `repeats` orders after the first, the last of them `last` after it, and
    watched for `age` since it. `count` are they, and `again` of them bought in the days that followed.

    Units: time in days, or any other that the parameters shall have.
    """

    repeats: Values
    last: Values
    age: Values
    count: Values
    again: Values


@dataclass(frozen=True, slots=True, eq=False)
class Tally:
    """The cells of one batch, each as one number, for `cells` to add up."""

    codes: Counts
    count: Counts
    again: Counts


@dataclass(frozen=True, slots=True)
class Fit:
    """The parameters under which what people did is most likely, and the logarithm of how likely that is."""

    parameters: Parameters
    log_likelihood: float
    converged: bool


def cells(tallies: Iterable[Tally]) -> Cells:
    """The cells of all batches, however these were cut."""
    found = [*tallies, Tally(*[np.zeros(0, np.int64)] * 3)]
    codes, which = np.unique(np.concatenate([one.codes for one in found]), return_inverse=True)
    count, again = np.zeros((2, len(codes)))
    np.add.at(count, which, np.concatenate([one.count for one in found]))
    np.add.at(again, which, np.concatenate([one.again for one in found]))
    part = (1 << _BITS) - 1
    repeats, last, age = ((codes >> shift & part).astype(np.float64) for shift in (2 * _BITS, _BITS, 0))
    return Cells(repeats, last, age, count, again)


def tally(batch: Batch, day: int, within: int = 0) -> Tally:
    """The retail customers of a batch who had ordered by the end of a local day; `again`: in `within` days after it."""
    repeats, first, last = past(batch, day)
    known = (first != NO_DAY) & ~batch.wholesale
    codes, which = np.unique((repeats << 2 * _BITS | last - first << _BITS | day - first)[known], return_inverse=True)
    again = metrics.last_day(batch, day + within)[known] > day
    return Tally(codes, np.bincount(which), np.bincount(which[again], minlength=len(codes)))


def past(batch: Batch, day: int) -> tuple[Days, Days, Days]:
    """Of each customer: on how many days they ordered after the first, that first day, and the last; NO_DAY where
    they had not ordered by then.
    """
    begin, end = batch.starts[:-1], batch.starts[1:]
    fresh = np.diff(batch.order_day, prepend=NO_DAY) != 0
    fresh[begin[begin < len(fresh)]] = False
    repeats = metrics.running(fresh & (batch.order_day <= day))
    return repeats[end] - repeats[begin], metrics.first_day(batch, day), metrics.last_day(batch, day)


def fit(known: Cells, model: Model = "MBG/NBD") -> Fit:
    """The most likely parameters."""
    from scipy import optimize  # takes a while to load, and is not there everywhere

    # Time is counted in mean ages, so that all parameters are near one, whatever the unit.
    people, orders = float(known.count.sum()), float(known.repeats @ known.count)
    unit = float(known.age @ known.count) / people
    scaled = replace(known, last=known.last / unit, age=known.age / unit)
    found = optimize.minimize(
        lambda powers: _mean_surprise(powers, scaled, model),
        np.zeros(4),
        jac=True,
        method="L-BFGS-B",
        bounds=[(-_POWER_MAX, _POWER_MAX)] * 4,
        options={"ftol": 1e-15, "gtol": 1e-8},
    )
    r, alpha, a, b = np.exp(found.x).tolist()
    converged = bool(found.success and np.abs(found.x).max() < _POWER_MAX)
    # A density: in shorter units of time there are more of them for each order to hit.
    likely = -float(found.fun) * people - orders * math.log(unit)
    return Fit(Parameters(r, alpha * unit, a, b), likely, converged)


def _mean_surprise(powers: Values, known: Cells, model: Model) -> tuple[float, Values]:
    """How unlikely what a customer did is on average (minus its logarithm), and the slope of that by each parameter,
    which are given as powers of e. Equation 6 of the first source, in logarithms.
    """
    parameters = Parameters(*np.exp(powers).tolist())
    by_repeats, slopes_by_repeats = _likely_by_repeats(parameters, known, model)
    by_days, slopes_by_days = _likely_by_days(parameters, known, model)
    people = float(known.count.sum())
    return -(by_repeats + by_days) / people, (slopes_by_repeats + slopes_by_days) * -np.array(parameters) / people


def _likely_by_repeats(parameters: Parameters, known: Cells, model: Model) -> tuple[float, Values]:
    """The part that only asks how often customers bought again; its slopes."""
    from scipy.special import gammaln, psi

    r, alpha, a, b = parameters
    people = np.bincount(known.repeats.astype(np.int64), known.count)
    repeats = np.arange(len(people), dtype=np.float64)
    chances = _chances_to_go(repeats, model)
    rates = gammaln(r + repeats) - gammaln(r) + r * math.log(alpha)
    stays = gammaln(a + b) - gammaln(b) + gammaln(b + chances) - gammaln(a + b + chances)
    fewer = psi(a + b) - psi(a + b + chances)
    slopes = [
        psi(r + repeats) - psi(r) + math.log(alpha),
        np.full(len(repeats), r / alpha),
        fewer,
        fewer + psi(b + chances) - psi(b),
    ]
    return float(people @ (rates + stays)), np.array([people @ slope for slope in slopes])


def _likely_by_days(parameters: Parameters, known: Cells, model: Model) -> tuple[float, Values]:
    """The part that asks when: of being there still, or of being gone since the last order; its slopes."""
    _, alpha, a, b = parameters
    still, gone = _logs(parameters, known.repeats, known.last, known.age, model)
    both = np.logaddexp(still, gone)
    share_gone = np.exp(gone - both)
    age, last, orders = alpha + known.age, alpha + known.last, parameters.r + known.repeats
    slopes = [
        share_gone * np.log(age / last) - np.log(age),
        orders * ((share_gone - 1) / age - share_gone / last),
        share_gone / a,
        -share_gone / _stayed(b, _chances_to_go(known.repeats, model)),
    ]
    return float(known.count @ both), np.array([known.count @ slope for slope in slopes])


def _logs(parameters: Parameters, repeats: Values, last: Values, age: Values, model: Model) -> tuple[Values, Values]:
    """How likely it is, up to a common factor, that a customer is there still, and is gone; as logarithms."""
    r, alpha, a, b = parameters
    chances = _chances_to_go(repeats, model)
    still = -(r + repeats) * np.log(alpha + age)
    gone = math.log(a) - np.log(_stayed(b, chances)) - (r + repeats) * np.log(alpha + last)
    return still, np.where(chances > 0, gone, -np.inf)


def _chances_to_go(repeats: Values, model: Model) -> Values:
    """After how many purchases a customer could have gone: in the older model not after the first."""
    return repeats + 1 if model == "MBG/NBD" else repeats


def _stayed(b: float, chances: Values) -> Values:
    """What `b` has become by the chances that a customer let pass; of the last it is not known."""
    return np.where(chances > 0, b + chances - 1, 1.0)


def chance_to_be_there(
    parameters: Parameters, repeats: Values, last: Values, age: Values, model: Model = "MBG/NBD"
) -> Values:
    """How likely each customer is to be there still."""
    still, gone = _logs(parameters, repeats, last, age, model)
    chance: Values = np.exp(still - np.logaddexp(still, gone))
    return chance


def chance_to_buy(
    parameters: Parameters, repeats: Values, last: Values, age: Values, within: float, model: Model = "MBG/NBD"
) -> Values:
    """How likely each customer is to buy within the time `within`: to be there, and to do so in that time.

    Who is there goes only after the next purchase, so that one comes at a rate of Gamma(r + repeats, alpha + age).
    """
    waits = np.exp((parameters.r + repeats) * np.log1p(-within / (parameters.alpha + age + within)))
    chance: Values = chance_to_be_there(parameters, repeats, last, age, model) * (1 - waits)
    return chance


def calibration_error(known: Cells, chance: Values) -> float:
    """How far the foretold chances lie from what happened, on average over customers: those foretold a chance below
    10 % are compared as one group, those below 20 % as the next, and so on (expected calibration error, ten bins of
    equal width).
    """
    group = np.minimum((chance * _BINS).astype(np.int64), _BINS - 1)
    foretold = np.bincount(group, known.count * chance, _BINS)
    happened = np.bincount(group, known.again, _BINS)
    return float(np.abs(foretold - happened).sum() / known.count.sum())


def is_possible() -> bool:
    """Whether what a fit needs is installed."""
    return find_spec("scipy") is not None
