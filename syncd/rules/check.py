"""Which kinds may meet in a rule, as complaints. Knows the kinds and the tree, not the syntax."""

from __future__ import annotations

from typing import NoReturn

from syncd.rules.faults import Extent, Fault
from syncd.rules.kinds import COMPARABLE, EXAMPLE, MEASURES, Kind, combined, common, settled
from syncd.rules.names import NAMES
from syncd.rules.tree import Call, Literal, Node, calls

_CALCULATION = {"+": "added", "-": "subtracted", "*": "multiplied", "/": "divided"}
_MONTHS = "months and years differ in length: they are compared with `since_last_order` and the like; write days here"


def comparison(left: Node, operator: str, right: Node, operator_span: Extent) -> None:
    """Faults unless the two sides measure the same and the operator suits it."""
    for side in (left, right):
        if side.kind is Kind.BOOLEAN:
            raise Fault(side.span, f"{_named(side)} is true or false already: it stands alone, or behind `not`")
    if right.kind not in COMPARABLE[left.kind]:
        _incomparable(left, right)
    if left.kind is Kind.TEXT and operator not in ("==", "!="):
        raise Fault(operator_span, "texts are compared with `==` and `!=` only")


def arithmetic(left: Node, operator: str, right: Node) -> Kind:
    """The kind of the result; faults where it would mean nothing."""
    result = combined(left.kind, operator, right.kind)
    if result is None:
        _incalculable(left, operator, right)
    return result


def negative(operand: Node) -> Kind:
    """The kind of `-operand`; faults for what has no sign."""
    if operand.kind not in MEASURES:
        raise Fault(operand.span, f"a minus sign needs a number, an amount or a number of days, not {_kind(operand)}")
    return settled(operand.kind)


def condition(node: Node, reader: str) -> None:
    """Faults unless the node is true or false; `reader` says who needs it to be."""
    if node.kind is not Kind.BOOLEAN:
        raise Fault(node.span, f"{reader}, and {_named(node)} is {_kind(node)}: compare it with {EXAMPLE[node.kind]}")


def value(node: Node) -> None:
    """Faults unless the node can be shown as a number, a date or a text."""
    if node.kind in (Kind.BOOLEAN, Kind.MONTHS, Kind.HOURS, Kind.ELAPSED):
        raise Fault(node.span, f"a field holds a number, a date or a text, not {_kind(node)}")


def measure(node: Node) -> Kind:
    """The kind of a figure over the node; faults unless it is a number for each customer."""
    if node.kind not in MEASURES:
        raise Fault(node.span, f"a figure of the audience needs numbers, amounts or days, not {_kind(node)}")
    for call in calls(node):
        if NAMES[call.name].of_audience:
            raise Fault(call.span, "a figure of the audience cannot stand inside another")
    return settled(node.kind)


def alike(left: Node, right: Node) -> Kind:
    """The kind of the smaller or the larger of two; faults unless they measure the same."""
    kind = common(left.kind, right.kind)
    if kind is None:
        _different(left, right)
    return kind


def dated(node: Node) -> None:
    """Faults unless the node is a date, which can lie in a window."""
    if node.kind is not Kind.DATE:
        problem = (
            f"a date lies within a window, as in `last_order within 6 months`, and {_named(node)} is {_kind(node)}"
        )
        raise Fault(node.span, problem)


def _incomparable(left: Node, right: Node) -> NoReturn:
    given, wrong = (right, left) if isinstance(left, Literal) else (left, right)
    for side in (wrong, given):
        if side.kind is Kind.MONTHS:
            raise Fault(side.span, _MONTHS)
    if wrong.kind is Kind.HOURS and given.kind in (Kind.AGE, Kind.DAYS):
        raise Fault(wrong.span, f"{_named(given)} is counted in days: only `since_cart` is compared with hours")
    raise Fault(
        wrong.span, f"{_named(given)} is {_kind(given)}: compare it with {EXAMPLE[given.kind]}, not with {_kind(wrong)}"
    )


def _different(left: Node, right: Node) -> NoReturn:
    for side in (left, right):
        if side.kind is Kind.MONTHS:
            raise Fault(side.span, _MONTHS)
        if side.kind not in MEASURES:
            raise Fault(side.span, f"the smaller or larger of two is a number, an amount or days, not {_kind(side)}")
    _incomparable(left, right)


def _incalculable(left: Node, operator: str, right: Node) -> NoReturn:
    for side in (right, left):
        if side.kind is Kind.MONTHS:
            raise Fault(side.span, _MONTHS)
    welcome = [EXAMPLE[kind] for kind in EXAMPLE if kind is settled(kind) and combined(left.kind, operator, kind)]
    if not welcome:
        raise Fault(left.span, f"{_kind(left)} cannot be {_CALCULATION[operator]}")
    raise Fault(right.span, f"`{operator}` after {_kind(left)} needs {' or '.join(welcome)}, not {_kind(right)}")


def _kind(node: Node) -> str:
    return node.kind.value


def _named(node: Node) -> str:
    """The node's text where it is short; the caret shows it anyway."""
    return f"`{node}`" if isinstance(node, Call | Literal) or len(str(node)) <= 40 else "this"
