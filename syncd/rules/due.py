"""Due times: until when a judgement stays right if nothing happens.

The fourth reading of a rule: of each value until when it stays as it is, or on its course where it
grows evenly with the days, worked out from the leaves of the tree upwards. It never answers too late;
where it cannot follow, it answers the next midnight.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import cast

import numpy as np

from syncd.calendar import DAY_SECONDS, Span, Window, local_day
from syncd.lifecycle.columns import FOREVER, Batch, Instants
from syncd.rules import until
from syncd.rules.evaluation import column, known, operated
from syncd.rules.judgement import Judgement, in_force, judge
from syncd.rules.kinds import Kind
from syncd.rules.names import NAMES
from syncd.rules.playbook import Playbook
from syncd.rules.scope import Column, Scope
from syncd.rules.specs import Segment
from syncd.rules.tree import COMPARISONS, MINUS, QUESTIONS, Call, Literal, Node, Operation, children

# Of the size of what is compared: far more than the arithmetic of a rule can be off.
_TOLERANCE = 1e-9
_SECOND_TOLERANCE = 1e-3
# No plan looks further, and the calendar does not either.
_FAR_DAYS = 1_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Course:
    """A value today, how much it grows with each local day, and the first instant at which that may end.

    What has elapsed since an instant grows by the second instead.
    """

    value: Column
    until: Instants
    slope: Column | float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class DueTimes:
    """Of each customer of a batch: until when they stay where they are in each segment, and what changes first."""

    segments: dict[str, Instants]
    earliest: Instants


def due_times(playbook: Playbook, judgement: Judgement) -> DueTimes:
    """The first later instants at which this judgement can be another one if nothing happens.

    FOREVER where it never can. The audience's figures stay as they are.
    """
    scope = judgement.scope
    unheard = _unheard(scope)
    segments = {segment.name: np.minimum(_settled(segment, scope), unheard) for segment in playbook.segments}
    fields = [np.minimum(_shown(field.value, scope), unheard) for field in playbook.fields]
    nothing = np.full(len(scope.batch), FOREVER, np.int64)
    return DueTimes(segments, reduce(np.minimum, [*segments.values(), *fields], nothing))


def _settled(segment: Segment, scope: Scope) -> Instants:
    """Until when everybody stays in the segment, or out of it. Afterwards in() knows it."""
    when, stay_while = in_force(segment, scope)
    enters = stays = course(when, scope)
    if segment.settle:
        settled = Course(scope.settled(segment.settle), until.settles(scope, segment.settle))
        enters = _all((enters, settled))
    if stay_while:
        stays = _either((stays, course(stay_while, scope)))
    found = np.where(scope.inside[segment.name], stays.until, enters.until)
    scope.until[segment.name] = found
    return found


def _shown(value: Node, scope: Scope) -> Instants:
    """Until when a field says the same of everybody."""
    found = course(value, scope)
    moves = (found.slope != 0) & known(found.value)
    return np.where(moves, np.minimum(found.until, until.tomorrow(scope)), found.until)


def _unheard(scope: Scope) -> Instants:
    """When a fact of a later day begins to count; somebody's clock may be ahead."""
    batch = scope.batch
    first = until.on_day(scope, batch.signup_day)
    if batch.clicked_day is not None:
        first = np.minimum(first, until.on_day(scope, batch.clicked_day))
    if not np.any(batch.order_day > scope.today):
        return first
    nearest = scope.behind(scope.today)
    comes = nearest < batch.starts[1:]
    days = np.full(len(batch), scope.today, np.int64)
    days[comes] = batch.order_day[nearest[comes]]
    return np.minimum(first, until.on_day(scope, days))


def course(node: Node, scope: Scope) -> Course:
    """The course of a value, for each customer of the scope's batch or for all of them at once."""
    with np.errstate(all="ignore"):
        return _course(node, scope)


def _course(node: Node, scope: Scope) -> Course:
    if isinstance(node, Literal):
        # What months are in days moves with the calendar; `_come_of_age` knows how.
        return Course(column(node, scope), until.never(scope))
    if isinstance(node, Call) or node.operator in QUESTIONS:
        return scope.once((_course, node), lambda: _followed(node, scope))
    return _followed(node, scope)


def _followed(node: Call | Operation, scope: Scope) -> Course:
    if isinstance(node, Operation):
        return _operation(node, scope)
    name, value = NAMES[node.name], column(node, scope)
    if name.of_audience:
        return Course(value, until.never(scope))
    if name.until is None:
        return _calculated(node.name, value, [_course(part, scope) for part in children(node)], scope)
    slope = name.slope(scope, *node.arguments) if name.slope else 0.0
    return Course(value, name.until(scope, *node.arguments), slope)


def _operation(node: Operation, scope: Scope) -> Course:
    if node.operator == "within":
        return _within(node, scope)
    operands = [_course(operand, scope) for operand in node.operands]
    match node.operator:
        case "and":
            return _all(operands)
        case "or":
            return _either(operands)
        case "not":
            return _opposite(operands[0])
        case "between":
            value, low, high = operands
            whole, first, last = node.operands
            return _all(
                (_compared("<=", low, value, (first, whole), scope), _compared("<=", value, high, (whole, last), scope))
            )
        case operator if operator in COMPARISONS:
            left, right = operands
            return _compared(operator, left, right, node.operands, scope)
    result = operated(node.operator, *(operand.value for operand in operands))
    return _calculated(node.operator, result, operands, scope)


# True and false.


def _all(parts: Sequence[Course]) -> Course:
    """True where all are; while one of them is false, the whole is."""
    holds = operated("and", *(part.value for part in parts))
    first = reduce(np.minimum, (part.until for part in parts))
    false_until = reduce(np.maximum, (np.where(part.value, 0, part.until) for part in parts))
    return Course(holds, np.where(holds, first, false_until))


def _either(parts: Sequence[Course]) -> Course:
    """True where one is."""
    return _opposite(_all([_opposite(part) for part in parts]))


def _opposite(part: Course) -> Course:
    return Course(~part.value, part.until)


# Comparisons.


def _compared(operator: str, left: Course, right: Course, nodes: Sequence[Node], scope: Scope) -> Course:
    """While one of the two is missing the comparison is false; else it changes where they meet, or when one of
    them leaves its course.
    """
    changes = reduce(np.minimum, (left.until, right.until, _meet(left, right, nodes, scope)))
    return Course(operated(operator, left.value, right.value), _while_known(changes, (left, right)))


def _meet(left: Course, right: Course, nodes: Sequence[Node], scope: Scope) -> Instants:
    """When the one that was smaller is so no more, or equal ones are not."""
    match [node.kind for node in nodes]:
        case Kind.ELAPSED, Kind.ELAPSED:
            return until.never(scope)
        case Kind.ELAPSED, _:
            return _elapse(left, right, scope)
        case _, Kind.ELAPSED:
            return _elapse(right, left, scope)
        case Kind.MONTHS, _:
            return _come_of_age(right, nodes[0], scope)
        case _, Kind.MONTHS:
            return _come_of_age(left, nodes[1], scope)
    return _cross(left, right, scope)


def _elapse(time: Course, mark: Course, scope: Scope) -> Instants:
    """When so much time has gone by, or more than that: to the second."""
    ahead = (mark.value - time.value) * DAY_SECONDS
    comes = (ahead >= -_SECOND_TOLERANCE) & (ahead < _FAR_DAYS * DAY_SECONDS)
    seconds = np.where(comes, np.maximum(np.ceil(ahead - _SECOND_TOLERANCE), 1), 0).astype(np.int64)
    found = np.where(comes, scope.now + seconds, FOREVER)
    return np.where(mark.slope == 0, found, np.minimum(found, until.tomorrow(scope)))


def _come_of_age(age: Course, length: Node, scope: Scope) -> Instants:
    """When an age becomes so many months, or more than that: the calendar's months differ in length."""
    assert isinstance(length, Literal), "months are nothing that is worked out"
    assert isinstance(length.value, Span), "months are a span"
    since = np.where(known(age.value), scope.today - age.value, 0).astype(np.int64)
    reached, passed = length.value.after(since), length.value.after(since + 1)
    steps_on = until.on_day(scope, np.where(reached > scope.today, reached, passed))
    return np.where(age.slope == 1, steps_on, until.tomorrow(scope))


def _cross(left: Course, right: Course, scope: Scope) -> Instants:
    """The first day on which the difference of two even courses is of another sign than today."""
    slope = left.slope - right.slope
    if not np.any(slope):
        return until.never(scope)
    ahead = (right.value - left.value) / slope  # in days; 0 where they are equal today
    off = _TOLERANCE * (1 + (np.abs(left.value) + np.abs(right.value)) / np.abs(slope))
    days = np.maximum(np.ceil(ahead - off), 1)
    comes = (ahead >= -off) & (days < _FAR_DAYS)
    return until.on_day(scope, np.where(comes, scope.today + days, np.nan))


def _within(node: Operation, scope: Scope) -> Course:
    """A date in a window: the window moves with the days, and so may the date."""
    date, window = node.operands
    assert isinstance(window, Literal), "a window is nothing that is worked out"
    found = _course(date, scope)
    moves = until.date_in_window(scope, found.value, cast("Window", window.value))
    moves = np.where(found.slope == 0, moves, until.tomorrow(scope))
    changes = np.where(known(found.value), np.minimum(found.until, moves), found.until)
    return Course(column(node, scope), changes)


def _while_known(changes: Instants, operands: Sequence[Course]) -> Instants:
    """These instants where no operand is missing; else until when one of them is."""
    there = [known(operand.value) for operand in operands]
    if all(each.all() for each in there):
        return changes
    parts = (np.where(each, 0, operand.until) for each, operand in zip(there, operands, strict=True))
    return np.where(reduce(np.logical_and, there), changes, reduce(np.maximum, parts))


# Arithmetic.


def _calculated(operator: str, value: Column, operands: Sequence[Course], scope: Scope) -> Course:
    """While an operand is missing the result is; else it grows evenly, or is looked at again tomorrow."""
    slope = _SLOPES[operator](*operands)
    even = ~np.isnan(slope)
    first = reduce(np.minimum, (operand.until for operand in operands))
    changes = np.where(even, first, np.minimum(first, until.tomorrow(scope)))
    there = reduce(np.logical_and, (known(operand.value) for operand in operands))
    return Course(value, _while_known(changes, operands), np.where(there & even, slope, 0))


def _of_either(left: Course, right: Course) -> Column:
    return np.where(left.slope == right.slope, left.slope, np.nan)


def _of_product(left: Course, right: Course) -> Column:
    slope = left.slope * right.value + right.slope * left.value
    return np.where((left.slope != 0) & (right.slope != 0), np.nan, slope)


def _of_quotient(left: Course, right: Course) -> Column:
    slope = np.where(right.value == 0, 0, left.slope / right.value)
    return np.where(right.slope != 0, np.nan, slope)


# How much a result grows with each day; NaN where it does not grow evenly.
_SLOPES: dict[str, Callable[..., Column]] = {
    "+": lambda left, right: left.slope + right.slope,
    "-": lambda left, right: left.slope - right.slope,
    "*": _of_product,
    "/": _of_quotient,
    MINUS: lambda operand: -operand.slope,
    "min": _of_either,
    "max": _of_either,
}


# The years to come, for one person.


def next_changes(
    playbook: Playbook, batch: Batch, figures: Mapping[str, float | None], bits: Mapping[str, int], now: int, end: int
) -> dict[str, int]:
    """When the only customer of the batch next joins or leaves each segment after `now`, if nothing happens.

    A segment in which nothing changes before `end` is left out. Units: UTC seconds; a change of the calendar
    comes at the first instant of a day in the batch's zone.
    """
    bare = replace(playbook, fields=())
    changes: dict[str, int] = {}
    before: int | None = None
    while now < end and len(changes) < len(bits):
        judgement = judge(bare, batch, local_day(now, batch.zone), figures, bits, now)
        after = int(judgement.segments[0])
        moved = 0 if before is None else before ^ after
        changes = {segment: now for segment, bit in bits.items() if moved >> bit & 1} | changes
        before, batch = after, replace(batch, was_in=judgement.segments)
        now = int(due_times(bare, judgement).earliest[0])
    return changes
