"""The value of a rule for a batch of customers at once. Knows what operators do; the names know themselves.

A missing value is NaN, or "" as a text: whatever is calculated from it is missing, and every
comparison with it is false. What is not finite (a division by zero) is missing too.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import cast

import numpy as np

from syncd.calendar import Span, Window, whole_days
from syncd.lifecycle.columns import Need
from syncd.rules.names import NAMES
from syncd.rules.scope import Column, Flags, Scope
from syncd.rules.tree import MINUS, QUESTIONS, Call, Literal, Node, Operation, calls


def needs_of(*trees: Node) -> frozenset[Need]:
    """The columns that a batch must have for these rules."""
    return frozenset(need for tree in trees for call in calls(tree) for need in NAMES[call.name].needs)


def value_of(node: Node, scope: Scope) -> Column:
    """One value for each customer of the scope's batch."""
    with np.errstate(all="ignore"):
        found = column(node, scope)
    return found if found.shape else np.broadcast_to(found, len(scope.batch))


def column(node: Node, scope: Scope) -> Column:
    """The same, or one value for all; what numpy warns of is the caller's to ignore.

    What several rules ask is answered once.
    """
    if isinstance(node, Literal):
        return _literal(node, scope.today)
    if isinstance(node, Call) or node.operator in QUESTIONS:
        return scope.once(node, lambda: _worked_out(node, scope))
    return _worked_out(node, scope)


def _worked_out(node: Call | Operation, scope: Scope) -> Column:
    if isinstance(node, Operation):
        if node.operator == "within":
            return _within(node, scope)
        return operated(node.operator, *(column(operand, scope) for operand in node.operands))
    name = NAMES[node.name]
    if name.of_audience:
        return np.array(scope.figure(str(node)))
    assert name.value is not None, "what is not of the audience is of each customer"
    return name.value(scope, *(column(each, scope) if isinstance(each, Node) else each for each in node.arguments))


def operated(operator: str, *operands: Column) -> Column:
    """What the operator makes of these columns."""
    return _OPERATIONS[operator](*operands)


def _literal(literal: Literal, today: int) -> Column:
    if isinstance(literal.value, Span):
        # A length of time is compared with one that ends today, so it is counted back from today.
        return np.array(float(today - literal.value.before(today)))
    return np.array(literal.value)


def _within(node: Operation, scope: Scope) -> Flags:
    date, window = node.operands
    assert isinstance(window, Literal)
    first, last = whole_days(cast("Window", window.value), scope.today)
    return _between(column(date, scope), np.array(first), np.array(last))


def known(column: Column) -> Flags:
    """Where the column has a value."""
    return column != "" if column.dtype.kind in "UO" else ~np.isnan(column)


def _comparing(ufunc: np.ufunc) -> Callable[[Column, Column], Flags]:
    def compare(left: Column, right: Column) -> Flags:
        holds: Flags = ufunc(left, right) & known(left) & known(right)
        return holds

    return compare


def _calculating(ufunc: np.ufunc) -> Callable[..., Column]:
    def calculate(*operands: Column) -> Column:
        result = ufunc(*operands)
        return np.where(np.isfinite(result), result, np.nan)

    return calculate


def _between(operand: Column, low: Column, high: Column) -> Flags:
    return (low <= operand) & (operand <= high)


_OPERATIONS: dict[str, Callable[..., Column]] = {
    "or": lambda *operands: reduce(np.logical_or, operands),
    "and": lambda *operands: reduce(np.logical_and, operands),
    "not": np.logical_not,
    "==": _comparing(np.equal),
    "!=": _comparing(np.not_equal),
    "<": _comparing(np.less),
    "<=": _comparing(np.less_equal),
    ">": _comparing(np.greater),
    ">=": _comparing(np.greater_equal),
    "between": _between,
    "+": _calculating(np.add),
    "-": _calculating(np.subtract),
    "*": _calculating(np.multiply),
    "/": _calculating(np.divide),
    MINUS: np.negative,
}
