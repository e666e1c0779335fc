"""Figures that moved: whoever is not among those whom they can have moved stands where they stood."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syncd.calendar import midnight
from syncd.lifecycle.columns import Batch
from syncd.rules import (
    DueTimes,
    FieldSpec,
    Judgement,
    Measured,
    Passed,
    Playbook,
    SegmentSpec,
    due_times,
    judge,
    measured_in,
    passed,
)
from tests.unit.random_rules import COMPARISONS, Author
from tests.unit.test_rules_agreement import BITS
from tests.unit.test_rules_due import Course, figures_of, standing

SPENT = "spend(ever)"
MEASURED = (SPENT, "orders(6 months)", "average_order(ever)", "2 * units(ever) - 1", "min(orders(ever), wishes)")
MARKS = (
    "mean(spend(ever))",
    "0.8 * percentile(orders(6 months), 50)",
    "max(mean(wishes), 2)",
    "-mean(units(ever)) + 5",
)


def marked(author: Author, depth: int = 1) -> str:
    """A random rule about marks."""
    if depth and author.chance(0.6):
        joined = f" {author.one_of(('and', 'or'))} "
        return f"({marked(author, depth - 1)}{joined}{author.one_of((marked(author, 0), author.rule(depth=0)))})"
    measured, mark, other = author.one_of(MEASURED), author.one_of(MARKS), author.one_of(MARKS)
    if author.chance(0.2):
        return f"{measured} between {mark} and {author.one_of((other, '100'))}"
    left, right = (measured, mark) if author.chance(0.5) else (mark, measured)
    return f"{left} {author.one_of(COMPARISONS)} {right}"


def playbook_of(course: Course, seed: int) -> Playbook:
    """That of the course, of which nearly every rule uses figures in any way; or one of marks."""
    author = Author(seed)
    if author.chance(0.3):
        return course.playbook
    specs = {name: SegmentSpec(marked(author), stay_while=author.one_of((None, marked(author)))) for name in BITS}
    return Playbook.load(specs, {"F": FieldSpec("orders(1 month)")}, currency="EUR")


def moved(figures: dict[str, float | None], playbook: Playbook, random: Random) -> dict[str, float | None]:
    """The same figures, some of those of the day a little or much changed."""
    new = dict(figures)
    for figure in playbook.figures:
        old = figures[figure.text]
        if random.random() < 0.6 and (old is not None or random.random() < 0.2):
            new[figure.text] = random.choice(
                ((old or 0) + random.choice((-0.5, 0.5, 1, 20, -50)), random.uniform(0, 99))
            )
        if random.random() < 0.03:
            new[figure.text] = None
    return new


def told(judgement: Judgement, due: DueTimes, at: int) -> tuple[object, ...]:
    return *standing(judgement, at), int(due.earliest[at])


def found_by(course: Course, batch: Batch, figures: dict[str, float | None], now: int) -> tuple[Judgement, DueTimes]:
    judgement = judge(course.playbook, batch, course.today, figures, BITS, now)
    return judgement, due_times(course.playbook, judgement)


def concerned(course: Course, moves: tuple[Passed, ...]) -> set[int]:
    """The customers whom the figures passed, read in two batches."""
    measured = Measured(measured_in(course.playbook), course.today, course.figures)
    cut = len(course.batch) // 2
    for rows in (range(cut), range(cut, len(course.batch))):
        measured.add(course.batch.take(np.array(rows, np.int64)))
    return measured.whom(moves)


@settings(max_examples=250)
@given(st.integers(0, 2**48))
def test_whom_moved_figures_do_not_pass_keeps_segments_fields_and_due_time(seed: int) -> None:
    course, random = Course(seed, fields=False), Random(seed)
    course.playbook = playbook_of(course, seed)
    course.figures = figures_of(course.playbook, course.batch, course.today)
    now = midnight(course.today, course.zone) + random.randrange(80_000)
    course.judged(now)
    after = moved(course.figures, course.playbook, random)
    moves = passed(course.playbook, course.figures, after)
    if moves is None:
        return
    may_move = concerned(course, moves)
    before, anew = (found_by(course, course.batch, figures, now) for figures in (course.figures, after))
    for at, id_ in enumerate(course.batch.customer.tolist()):
        if id_ not in may_move:
            assert told(*before, at) == told(*anew, at)


def moves_of(rule: str, old: float | None, new: float | None, field: str = "orders(ever)") -> tuple[Passed, ...] | None:
    """What passes whom when the only figure of a rule or field moves."""
    playbook = Playbook.load({"s": SegmentSpec(rule)}, {"F": FieldSpec(field)}, currency="EUR")
    (figure,) = playbook.figures
    return passed(playbook, {figure.text: old}, {figure.text: new})


@pytest.mark.parametrize(
    ("rule", "low", "high"),
    [
        ("spend(ever) > mean(spend(ever))", 50, 60),
        ("mean(spend(ever)) <= spend(ever)", 50, 60),
        ("spend(ever) > 0.5 * mean(spend(ever)) + 1", 26, 31),
        ("spend(ever) > -mean(spend(ever))", -60, -50),
        ("subscribed and not spend(ever) between 10 and mean(spend(ever))", 50, 60),
        ("max(spend(ever), 3) != min(mean(spend(ever)), 55)", 50, 55),
    ],
)
def test_a_mark_passes_whom_it_leaves_behind(rule: str, low: float, high: float) -> None:
    for old, new in ((50.0, 60.0), (60.0, 50.0)):
        (move,) = moves_of(rule, old, new) or ()
        assert (move.low, move.high) == (low, high)


def test_a_figure_that_stays_moves_nobody() -> None:
    assert moves_of("spend(ever) > mean(spend(ever))", 50.0, 50.0) == ()
    assert moves_of("spend(ever) > mean(spend(ever))", None, None) == ()
    assert moves_of("spend(ever) > min(mean(spend(ever)), 10)", 50.0, 60.0) == ()


@pytest.mark.parametrize(
    "rule",
    [
        "spend(ever) - mean(spend(ever)) > 5",
        "since_last_order > mean(since_last_order)",
        "mean(spend(ever)) > mean(spend(ever)) / 2",
        "cart_value > mean(cart_value)",
        "since_cart > mean(order_gap)",
    ],
)
def test_a_figure_that_makes_no_mark_can_move_everybody(rule: str) -> None:
    assert moves_of(rule, 50.0, 60.0) is None


def test_a_figure_in_a_field_can_move_everybody() -> None:
    assert moves_of("spend(ever) > mean(spend(ever))", 50.0, 60.0, field="spend(ever) / mean(spend(ever))") is None


def test_a_figure_that_appears_or_is_gone_can_move_everybody() -> None:
    assert moves_of("spend(ever) > mean(spend(ever))", None, 60.0) is None
    assert moves_of("spend(ever) > mean(spend(ever))", 60.0, None) is None


def test_figures_of_the_month_can_move_everybody() -> None:
    playbook = Playbook.load({"s": SegmentSpec("lateness > usual(90)")}, currency="EUR")
    assert passed(playbook, {"usual(90)": 2.0, "typical gap": 9.0}, {"usual(90)": 2.0, "typical gap": 9.5}) is None
    assert passed(playbook, {"usual(90)": 2.0}, {"usual(90)": 2.0}) == ()
    assert passed(playbook, {}, {"usual(90)": 2.0}) is None
