"""The model of buying: the published figures of real purchases, and the same probabilities worked out the long way."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import date
from itertools import groupby
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import beta, hyp2f1

from syncd.calendar import day_of
from syncd.lifecycle import buying
from syncd.lifecycle.buying import Cells, Model, Parameters
from syncd.lifecycle.columns import Batch
from syncd.sandbox.fill import cdnow
from tests.unit.test_metrics import batch_of

END_OF_SEPTEMBER = day_of(date(1997, 9, 30))
SAMPLE = Path(__file__).with_name("cdnow_sample.txt")


def purchases(customers: Collection[int] | None = None) -> Batch:
    """Of the CDNOW master data, or of some of its customers; with those that cost nothing, as in the publications."""
    rows = (row for row in cdnow.rows() if customers is None or row[0] in customers)
    return batch_of(
        [[(day_of(day), cents) for _, day, _, cents in own] for _, own in groupby(rows, lambda row: row[0])]
    )


def known(batch: Batch, day: int = END_OF_SEPTEMBER, within: int = 0) -> Cells:
    return buying.cells([buying.tally(batch, day, within)])


def in_weeks(cells: Cells) -> Cells:
    return replace(cells, last=cells.last / 7, age=cells.age / 7)


@pytest.fixture(scope="module")
def sample() -> Cells:
    """39 weeks of the 1/10 sample; the publications count in weeks."""
    ids = [int(word) for line in SAMPLE.read_text().splitlines() if line[0] != "#" for word in line.split()]
    cells = in_weeks(known(purchases(set(ids))))
    assert cells.count.sum() == 2357
    return cells


@pytest.fixture(scope="module")
def master() -> Batch:
    return purchases()


def test_the_published_table_of_the_cdnow_sample(sample: Cells) -> None:
    found = buying.fit(sample, "BG/NBD")
    assert found.converged
    r, alpha, a, b = found.parameters
    assert (round(r, 3), round(alpha, 3), round(a, 3), round(b, 3)) == (0.243, 4.414, 0.793, 2.426)
    assert round(found.log_likelihood, 1) == -9582.4


def test_the_modified_model_of_the_cdnow_sample(sample: Cells) -> None:
    found = buying.fit(sample)
    assert found.converged
    assert [round(value, 4) for value in found.parameters] == [0.5248, 6.1831, 0.8914, 1.6140]
    assert found.log_likelihood == pytest.approx(-9582.13, abs=0.01)


def test_the_model_of_all_of_cdnow(master: Batch) -> None:
    found = buying.fit(in_weeks(known(master)), "BG/NBD")
    assert found.parameters == pytest.approx((0.2516, 4.7896, 0.7233, 2.1600), rel=1e-3)
    assert round(found.log_likelihood, 2) == -95_368.44


def expected_orders(parameters: Parameters, x: float, last: float, age: float, weeks: float) -> float:
    """Equation 10 of the first source: its parameters are confirmed by what follows from them."""
    r, alpha, a, b = parameters
    later = hyp2f1(r + x, b + x, a + b + x - 1, weeks / (alpha + age + weeks))
    rest = 1 - ((alpha + age) / (alpha + age + weeks)) ** (r + x) * later
    there = buying.chance_to_be_there(parameters, *map(np.array, (x, last, age)), "BG/NBD")
    return float((a + b + x - 1) / (a - 1) * rest * there)


def test_the_published_forecast_of_the_cdnow_sample(sample: Cells) -> None:
    fitted = buying.fit(sample, "BG/NBD").parameters
    assert expected_orders(fitted, 2, 30.43, 38.86, 39) == pytest.approx(1.226, abs=5e-4)
    alive = buying.chance_to_be_there(fitted, np.array([2.0]), np.array([30.43]), np.array([38.86]), "BG/NBD")
    assert alive[0] == pytest.approx(0.72661, abs=1e-4)
    columns = zip(sample.repeats, sample.last, sample.age, sample.count, strict=True)
    total = math.fsum(count * expected_orders(fitted, x, last, age, 39) for x, last, age, count in columns)
    assert total == pytest.approx(1653.42, abs=0.05)


def test_a_quarter_of_cdnow_is_foretold_as_measured_elsewhere(master: Batch) -> None:
    cells = known(master, within=91)
    chance = buying.chance_to_buy(buying.fit(cells).parameters, cells.repeats, cells.last, cells.age, 91)
    assert (round(chance @ cells.count), cells.again.sum()) == (3458, 4205)
    assert round(buying.calibration_error(cells, chance), 3) == 0.032


# The same once more, from the words of the model.

shapes = st.floats(0.2, 5)
parameters = st.builds(Parameters, shapes, st.floats(1, 200), shapes, shapes)
models: st.SearchStrategy[Model] = st.sampled_from(["BG/NBD", "MBG/NBD"])


@st.composite
def pasts(draw: st.DrawFn) -> tuple[int, float, float]:
    """Repeats, days to the last of them, days watched."""
    repeats = draw(st.integers(0, 12))
    last = draw(st.integers(repeats, 400)) if repeats else 0
    return repeats, float(last), float(last + draw(st.integers(0, 400)))


def slowly(what: Parameters, past: Sequence[float], within: float, model: Model) -> tuple[float, float]:
    """How likely this past is, and how likely an order in the time that follows: averaged over what rate of buying
    and what chance to be gone a customer may have, integral by integral.
    """
    (repeats, last, age), (r, alpha, a, b) = past, what
    chances = repeats + (model == "MBG/NBD")

    def silent_until(days: float) -> float:
        """The mean of rate ** repeats * exp(-rate * days)."""
        return math.exp(
            math.lgamma(r + repeats) - math.lgamma(r) + r * math.log(alpha) - (r + repeats) * math.log(alpha + days)
        )

    def went(leaves: float, stays: float) -> float:
        """The mean of leave ** leaves * (1 - leave) ** stays."""
        return float(beta(a + leaves, b + stays) / beta(a, b))

    still = went(0, chances) * silent_until(age)
    likely = still + (went(1, chances - 1) * silent_until(last) if chances else 0)
    return likely, (still - went(0, chances) * silent_until(age + within)) / likely


@given(parameters, pasts(), st.integers(1, 400), models)
def test_a_chance_to_buy_is_the_average_over_what_a_customer_may_be_like(
    what: Parameters, past: tuple[int, float, float], within: int, model: Model
) -> None:
    columns = (np.array([float(value)]) for value in past)
    (found,) = buying.chance_to_buy(what, *columns, within, model)
    assert found == pytest.approx(slowly(what, past, within, model)[1], rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("model", ["BG/NBD", "MBG/NBD"])
@pytest.mark.parametrize("part", range(3))
def test_no_parameters_near_the_fitted_ones_are_more_likely(part: int, model: Model) -> None:
    cells = known(purchases(range(part, 24_000, 40)))
    found = buying.fit(cells, model)
    assert found.converged

    def likely(what: Parameters) -> float:
        columns = zip(cells.repeats.astype(int).tolist(), cells.last, cells.age, cells.count, strict=True)
        return math.fsum(n * math.log(slowly(what, past, 1, model)[0]) for *past, n in columns)

    best = likely(found.parameters)
    assert found.log_likelihood == pytest.approx(best)
    for name, value in found.parameters._asdict().items():
        for factor in (0.99, 1.01):
            assert likely(found.parameters._replace(**{name: value * factor})) < best


@given(parameters, pasts(), models)
def test_who_bought_is_never_more_likely_to_buy_in_fewer_days(
    what: Parameters, past: tuple[int, float, float], model: Model
) -> None:
    columns = [np.array([float(value)]) for value in past]
    chances = [float(buying.chance_to_buy(what, *columns, days, model)[0]) for days in (0, 1, 30, 90, 365, 10**9)]
    there = float(buying.chance_to_be_there(what, *columns, model)[0])
    assert chances == sorted(chances)
    assert chances[0] == 0
    assert chances[-1] <= there <= 1


def test_parameters_that_made_an_audience_are_found_again() -> None:
    rng = np.random.default_rng(7)
    made = Parameters(0.6, 60.0, 0.8, 1.2)
    rates, leaves = rng.gamma(made.r, 1 / made.alpha, 20_000), rng.beta(made.a, made.b, 20_000)
    age = rng.integers(30, 900, 20_000).astype(float)
    repeats, last, there = np.zeros(20_000), np.zeros(20_000), rng.random(20_000) > leaves
    while there.any():
        following = last + rng.exponential(1 / rates)
        there &= following <= age
        repeats, last = repeats + there, np.where(there, following, last)
        there &= rng.random(20_000) > leaves
    ones = np.ones(20_000)
    assert buying.fit(Cells(repeats, last, age, ones, ones)).parameters == pytest.approx(made, rel=0.1)


def test_an_extreme_past_gives_a_number() -> None:
    columns = (np.array([5000.0, 0.0]), np.array([9000.0, 0.0]), np.array([9000.0, 0.0]))
    always, fresh = buying.chance_to_buy(Parameters(0.25, 30.0, 0.8, 2.4), *columns, 90)
    assert always > 0.99
    assert 0 < fresh < 1


# Whom the model is about.

DAY = 1000


def cell_rows(cells: Cells) -> list[tuple[float, ...]]:
    return list(zip(cells.repeats, cells.last, cells.age, cells.count, cells.again, strict=True))


def people(*histories: Collection[int], wholesale: bool = False) -> Batch:
    return batch_of([[(day, 100) for day in days] for days in histories], wholesale=wholesale)


def test_customers_with_the_same_past_are_one_cell() -> None:
    batch = people([900, 950], [900, 950, 950, 1001], [900], [], [1001], [900, 950, 1091])
    assert cell_rows(buying.cells([buying.tally(batch, DAY, 90)])) == [(0, 0, 100, 1, 0), (1, 50, 100, 3, 1)]


def test_wholesale_customers_are_no_part_of_it() -> None:
    assert cell_rows(buying.cells([buying.tally(people([900, 950], wholesale=True), DAY)])) == []


def test_an_audience_without_anybody_has_no_cells() -> None:
    assert cell_rows(buying.cells([])) == cell_rows(buying.cells([buying.tally(people(), DAY)])) == []


@given(st.lists(st.lists(st.integers(DAY - 50, DAY + 20), max_size=5), max_size=8), st.integers(0, 8))
def test_cells_do_not_depend_on_how_batches_are_cut(histories: list[list[int]], cut: int) -> None:
    whole, *parts = (buying.tally(people(*some), DAY, 10) for some in (histories, histories[:cut], histories[cut:]))
    expected: dict[tuple[int, int, int], list[int]] = {}
    for days in histories:
        past = sorted({day for day in days if day <= DAY})
        if past:
            counts = expected.setdefault((len(past) - 1, past[-1] - past[0], DAY - past[0]), [0, 0])
            counts[0] += 1
            counts[1] += any(DAY < day <= DAY + 10 for day in days)
    assert cell_rows(buying.cells([whole])) == [(*cell, *expected[cell]) for cell in sorted(expected)]
    assert cell_rows(buying.cells(parts)) == cell_rows(buying.cells([whole]))


def test_the_calibration_error_compares_groups_of_like_chances() -> None:
    ones = np.ones(4)
    cells = Cells(ones, ones, ones, np.array([10.0, 10.0, 30.0, 50.0]), np.array([0.0, 4.0, 18.0, 50.0]))
    # Below 10 %: foretold .8 + .4, happened 4; from 50 % on: 15 against 18; from 90 % on: 50 against 50.
    chance = np.array([0.08, 0.04, 0.5, 1.0])
    assert buying.calibration_error(cells, chance) == pytest.approx((4 - 1.2 + 3) / 100)
