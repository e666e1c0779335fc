"""Which segments form a ladder: their rules let nobody be in two of them at once. Reads rules, judges nobody.

It sees what a person sees at a glance: `not in(other)`, and limits of the same metric that exclude each
other, such as `orders(ever) == 1` and `orders(ever) >= 2`, or `orders(14 days) >= 1` and
`orders(1 month) == 0`. Segments whose rules it cannot tell apart are simply on no common ladder.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import inf

from syncd.calendar import Window, window_days
from syncd.rules import Node, Segment
from syncd.rules.tree import Call, Literal, Operation, parts

# Of these a longer window never holds less than a shorter one within it.
_GROWING = ("orders", "spend", "units")

# A limit, and 1 where it is just above the number, -1 where just below.
Edge = tuple[float, int]


@dataclass(frozen=True, slots=True)
class Range:
    """Where the value of a call must lie."""

    call: Call
    low: Edge
    high: Edge


def ladders(segments: Sequence[Segment], today: int) -> list[tuple[str, ...]]:
    """The ladders of two rungs or more, each segment on one at most, in the order of the playbook."""
    found: list[list[Segment]] = []
    for segment in segments:
        fitting = (ladder for ladder in found if all(_exclude(segment, rung, today) for rung in ladder))
        if (ladder := next(fitting, None)) is None:
            found.append([segment])
        else:
            ladder.append(segment)
    return [tuple(segment.name for segment in ladder) for ladder in found if len(ladder) > 1]


def _exclude(one: Segment, other: Segment, today: int) -> bool:
    if other.name in _not_in(one.when) or one.name in _not_in(other.when):
        return True
    return any(_apart(a, b, today) or _apart(b, a, today) for a in _ranges(one.when) for b in _ranges(other.when))


def _apart(low: Range, high: Range, today: int) -> bool:
    """Whether the one must be above where the other must stay below."""
    return high.high < low.low and _at_most(low.call, high.call, today)


def _at_most(one: Call, other: Call, today: int) -> bool:
    """Whether the first call is never more than the second: the same, or over a part of its window."""
    if str(one) == str(other):
        return True
    if one.name != other.name or one.name not in _GROWING:
        return False
    inner, outer = _window(one, today), _window(other, today)
    return outer[0] <= inner[0] and inner[1] <= outer[1]


def _window(call: Call, today: int) -> tuple[int, int]:
    window: Window = call.arguments[0]  # type: ignore[assignment]  # the parser lets nothing else stand there
    return window_days(window, today)


def _joined(rule: Node) -> tuple[Node, ...]:
    """All that must hold."""
    return parts(rule) if isinstance(rule, Operation) and rule.operator == "and" else (rule,)


def _not_in(rule: Node) -> Iterator[str]:
    for part in _joined(rule):
        match part:
            case Operation(operator="not", operands=(Call(name="in", arguments=(name,)),)):
                yield str(name)


def _ranges(rule: Node) -> Iterator[Range]:
    for part in _joined(rule):
        match part:
            case Operation(operator=operator, operands=(Call() as call, Literal(value=float() | int() as number))):
                if (edges := _edges(operator, number)) is not None:
                    yield Range(call, *edges)
            case Operation(
                operator="between",
                operands=(
                    Call() as call,
                    Literal(value=float() | int() as low),
                    Literal(value=float() | int() as high),
                ),
            ):
                yield Range(call, (low, 0), (high, 0))


def _edges(operator: str, number: float) -> tuple[Edge, Edge] | None:
    match operator:
        case "==":
            return (number, 0), (number, 0)
        case ">=":
            return (number, 0), (inf, 0)
        case ">":
            return (number, 1), (inf, 0)
        case "<=":
            return (-inf, 0), (number, 0)
        case "<":
            return (-inf, 0), (number, -1)
    return None
