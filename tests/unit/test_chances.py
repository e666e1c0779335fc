"""buy_chance(…): when it is told, when it is not and why, and that it stays as it is between facts."""

from __future__ import annotations

import sys
from collections.abc import Collection
from dataclasses import replace
from datetime import date
from itertools import groupby

import numpy as np
import pytest

from syncd.calendar import day_of
from syncd.lifecycle import buying
from syncd.lifecycle.columns import Batch
from syncd.rules import (
    Buyers,
    Playbook,
    RuleError,
    SegmentSpec,
    can_be_mended,
    chances_in,
    chances_of,
    explain,
    parse,
    rhythm_of,
    usual_in,
    why_off,
)
from syncd.rules.evaluation import value_of
from syncd.rules.scope import MODEL, Scope
from syncd.rules.tree import calls
from syncd.sandbox.fill import cdnow
from tests.unit.test_metrics import TODAY, batch_of

END_OF_1997 = day_of(date(1997, 12, 31))
QUARTER = parse("buy_chance(90 days)")
Figures = dict[str, float | None]


def people(*histories: Collection[int]) -> Batch:
    """Customers with orders so many days ago."""
    return batch_of([[(TODAY - ago, 100) for ago in days] for days in histories])


def figures(batch: Batch, today: int = TODAY, rule: str = "buy_chance(90 days)") -> Figures:
    wanted = usual_in(parse(rule)) or ()
    rhythm = rhythm_of(wanted, lambda: [batch], today)
    buyers = Buyers(wanted, today)
    buyers.add(batch)
    return rhythm | chances_of(wanted, buyers, today, rhythm)


def reason(known: Figures, rule: str = "buy_chance(90 days)") -> str:
    return why_off(known, next(calls(parse(rule))))


def chances(known: Figures, batch: Batch, today: int, rule: str = "buy_chance(90 days)") -> list[float]:
    values: list[float] = value_of(parse(rule), Scope(batch, today, known)).tolist()
    return values


@pytest.fixture(scope="module")
def real() -> Batch:
    rows = (row for row in cdnow.rows() if row[3] > 0)
    return batch_of(
        [[(day_of(day), cents) for _, day, _, cents in own] for _, own in groupby(rows, lambda row: row[0])]
    )


@pytest.fixture(scope="module")
def of_1997(real: Batch) -> Figures:
    return figures(real, END_OF_1997, "buy_chance(90 days) + buy_chance(4 weeks)")


def test_the_chance_is_that_of_the_fitted_model_in_whole_per_cents(real: Batch, of_1997: Figures) -> None:
    assert reason(of_1997) == reason(of_1997, "buy_chance(4 weeks)") == ""
    assert 0 < (of_1997["buy_chance(90 days)"] or 1) < 0.1
    repeats, first, last = (one.astype(float) for one in buying.past(real, END_OF_1997))
    parameters = buying.Parameters(*(of_1997[text] or 0 for text in MODEL))
    expected = buying.chance_to_buy(parameters, repeats, last - first, END_OF_1997 - first, 90)
    found = chances(of_1997, real, END_OF_1997)
    assert found == np.round(expected, 2).tolist()
    assert len(set(found)) > 50
    month = chances(of_1997, real, END_OF_1997, "buy_chance(4 weeks)")
    assert all(few <= many for few, many in zip(month, found, strict=True))


def test_between_facts_and_fits_nobodys_chance_moves(of_1997: Figures) -> None:
    orders = [day_of(date(1997, 2, 1)), day_of(date(1997, 11, 1))]
    before = batch_of([[(day, 100) for day in orders], [(orders[0], 100)], []])
    once = chances(of_1997, before, END_OF_1997)
    assert once[0] > once[1] > 0
    assert np.isnan(once[2])
    for later in (1, 15, 30):
        assert np.array_equal(chances(of_1997, before, END_OF_1997 + later), once, equal_nan=True)
    # The second customer comes back ten days later.
    after = batch_of([[(day, 100) for day in orders], [(orders[0], 100), (END_OF_1997 + 10, 100)], []])
    assert chances(of_1997, after, END_OF_1997 + 9)[1] == once[1]
    assert chances(of_1997, after, END_OF_1997 + 10)[1] > once[1]
    assert chances(of_1997, after, END_OF_1997 + 10)[1] == chances(of_1997, after, END_OF_1997 + 29)[1]


# When it is not told.


def test_it_needs_as_much_history_as_usual_does() -> None:
    young = figures(people([170], *[[20, 10]] * 300))
    assert reason(young) == "buy_chance(90 days) needs 180 days of history, and there are 170"
    few = figures(people([400], *[[20, 10]] * 199))
    assert reason(few) == "buy_chance(90 days) needs 200 completed gaps between orders, and there are 199"
    assert np.isnan(chances(few, people([20, 10]), TODAY)).all()


def test_a_long_time_is_foretold_only_after_twice_as_long_a_history(real: Batch) -> None:
    rule = "buy_chance(90 days) > buy_chance(26 weeks)"
    eve = figures(real, END_OF_1997 - 1, rule)
    assert reason(eve) == ""
    assert reason(eve, "buy_chance(26 weeks)") == "buy_chance(26 weeks) needs 364 days of history, and there are 363"
    assert np.isnan(chances(eve, real, END_OF_1997 - 1, "buy_chance(26 weeks)")).all()
    assert reason(figures(real, END_OF_1997, rule), "buy_chance(26 weeks)") == ""


def test_without_the_library_it_is_off_until_that_is_there(
    of_1997: Figures, real: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "scipy", None)
    known = figures(real, END_OF_1997)
    assert reason(known) == (
        "buy_chance(90 days) is off: it needs a library that is not installed: `pip install 'syncd[science]'`"
    )
    assert np.isnan(chances(known, real, END_OF_1997)).all()
    assert not can_be_mended(known)
    monkeypatch.undo()
    assert can_be_mended(known)
    assert not can_be_mended(of_1997)


def test_where_nobody_seems_to_leave_it_is_off() -> None:
    regulars = [range(at % 7, 400, 20 + at % 30) for at in range(200)]
    known = figures(people(*regulars))
    assert reason(known) == (
        "buy_chance(90 days) is off: hardly anybody seems to leave this audience for good, so it would promise too much"
    )


def test_where_no_parameters_are_the_most_likely_it_is_off() -> None:
    known = figures(people(*[[400, 399, 398, 397, 396, 395]] * 50, *[[1]] * 3000))
    assert reason(known) == "buy_chance(90 days) is off: the model of buying does not fit the orders of this audience"


def test_where_it_would_have_been_wrong_it_is_off(real: Batch) -> None:
    # For 90 days nobody came any more.
    kept = real.order_day <= END_OF_1997 - 90
    starts = np.append(0, np.cumsum(kept))[real.starts]
    known = figures(
        replace(real, starts=starts, order_day=real.order_day[kept], order_minor=real.order_minor[kept]), END_OF_1997
    )
    assert round(known["buy_chance(90 days)"] or 0, 3) == 0.146
    wrong = "over the last 90 days it would have been wrong by 14.6 percentage points"
    assert reason(known) == f"buy_chance(90 days) is off: {wrong}"
    assert np.isnan(chances(known, real, END_OF_1997)).all()


@pytest.mark.parametrize("early", [[[400]], [[400, 399, 398, 397, 396, 395]] * 50 + [[91]] * 3000])
def test_where_it_could_not_be_tested_it_is_off(real: Batch, early: list[list[int]]) -> None:
    fresh = [[(END_OF_1997 - day) // 7 for day in own.tolist()] for own in np.split(real.order_day, real.starts[1:-1])]
    batch = people(*early, *([ago for ago in days if ago >= 0] for days in fresh))
    known = figures(batch)
    assert reason(known) == "buy_chance(90 days) is off: what was known 90 days ago is too little to test it"
    assert np.isnan(chances(known, batch, TODAY)).all()


def test_explain_says_why_it_is_missing() -> None:
    playbook = Playbook.load({"likely": SegmentSpec(when="buy_chance(90 days) >= 0.3")}, currency="EUR")
    young = figures(people([20, 10]))
    ((value,),) = (one["values"] for one in explain(playbook, people([20, 10]), TODAY, young, {"likely": 0}))
    assert value["value"] is None
    assert value["note"].endswith("buy_chance(90 days) needs 200 completed gaps between orders, and there are 1")


# How it is written.


@pytest.mark.parametrize(
    ("rule", "problem"),
    [
        ("buy_chance > 0", "`buy_chance` needs parentheses with a length in days or weeks, such as `90 days`"),
        ("buy_chance(ever) > 0", "`buy_chance` needs a length in days or weeks, such as `90 days`"),
        ("buy_chance(this year) > 0", "`buy_chance` needs a length in days or weeks, such as `90 days`"),
        ("buy_chance(90) > 0", "`buy_chance` needs a length in days or weeks, such as `90 days`"),
        ("buy_chance(3 months) > 0", "months and years differ in length: write days or weeks here"),
        ("buy_chance(0 days) > 0", "it is at least one day"),
    ],
)
def test_its_length_is_in_days_or_weeks(rule: str, problem: str) -> None:
    with pytest.raises(RuleError) as caught:
        parse(rule)
    assert problem in str(caught.value)


def test_it_is_worked_out_once_a_length() -> None:
    wanted = usual_in(
        parse("buy_chance(90 days) > 0.5 or buy_chance(90 days) < 0.1 or buy_chance(2 weeks) > usual(90)")
    )
    assert [figure.text for figure in chances_in(wanted or ())] == ["buy_chance(2 weeks)", "buy_chance(90 days)"]
