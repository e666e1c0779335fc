"""Whom a moved figure of the audience can move: those whose own value lies between the old mark and the new one.

A mark is what a comparison sets a value of each customer against, where figures alone make it:
`0.8 * mean(spend(ever))` behind `spend(ever) >`. Where that value stays as it is from one due time to the next,
a mark that moved without passing it changes neither where somebody stands nor when they are due. Where a rule
uses a figure otherwise, it can move everybody.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np

from syncd.lifecycle.columns import Batch
from syncd.rules.evaluation import value_of
from syncd.rules.names import NAMES
from syncd.rules.playbook import Playbook
from syncd.rules.scope import Column, Flags, Scope
from syncd.rules.tree import COMPARISONS, Call, Literal, Node, Operation, calls, children


class Mark(NamedTuple):
    """A comparison of what is measured of each customer with what figures alone make."""

    measured: Node
    mark: Node


class Passed(NamedTuple):
    """Between these two values of it, both included, a mark has passed what is `measured`."""

    measured: Node
    low: float
    high: float

    def holds(self, values: Column) -> Flags:
        """Of whom it passed the value."""
        found: Flags = (self.low <= values) & (values <= self.high)
        return found


def measured_in(playbook: Playbook) -> tuple[Node, ...]:
    """What the playbook sets against marks, each once."""
    return tuple({found.measured: None for found in _uses(playbook) if isinstance(found, Mark)})


def passed(
    playbook: Playbook, before: Mapping[str, float | None], after: Mapping[str, float | None]
) -> tuple[Passed, ...] | None:
    """What separates those whom other figures can move from all others; None: nothing does, it may be anybody."""
    moved = {text for text in after if text not in before or before[text] != after[text]}
    # What is worked out once a month is in everybody's lateness, due time or chance.
    if not moved <= before.keys() & {figure.text for figure in playbook.figures}:
        return None
    found: list[Passed] = []
    for use in _uses(playbook) if moved else ():
        if isinstance(use, str):
            if use in moved:
                return None
        elif moved & _texts(use.mark):
            old, new = _place(use.mark, before), _place(use.mark, after)
            if np.isnan(old) != np.isnan(new):
                return None
            if old < new or new < old:
                found.append(Passed(use.measured, min(old, new), max(old, new)))
    return tuple(found)


def _uses(playbook: Playbook) -> Iterator[Mark | str]:
    """Every mark in the rules and fields; and the text of each figure that is used otherwise."""
    trees = [*(tree for segment in playbook.segments for tree in segment.trees), *(f.value for f in playbook.fields)]
    for tree in trees:
        yield from _uses_in(tree)


def _uses_in(node: Node) -> Iterator[Mark | str]:
    if isinstance(node, Call) and NAMES[node.name].of_audience:
        yield str(node)
    elif isinstance(node, Operation) and node.operator in (*COMPARISONS, "between"):
        value, *others = node.operands
        for other in others:
            yield from _compared(value, other)
    else:
        for child in children(node):
            yield from _uses_in(child)


def _compared(one: Node, other: Node) -> Iterator[Mark | str]:
    if not _texts(one, other):
        return
    if _is_still(one) and _is_of_audience(other):
        yield Mark(one, other)
    elif _is_still(other) and _is_of_audience(one):
        yield Mark(other, one)
    else:
        yield from _texts(one, other)


def _is_of_audience(node: Node) -> bool:
    """Whether it is one number for everybody; lengths in months, which days change, are no part of it."""
    if isinstance(node, Literal) or (isinstance(node, Call) and NAMES[node.name].of_audience):
        return True
    return bool(children(node)) and all(map(_is_of_audience, children(node)))


def _is_still(node: Node) -> bool:
    """Whether it is measured without figures, and keeps its value from one due time to the next: what grows with the
    days meets a mark that moved at another time. Carts are begun and given up within a day.
    """
    if isinstance(node, Call):
        name = NAMES[node.name]
        if name.of_audience or name.slope or "cart_at" in name.needs:
            return False
    return all(map(_is_still, children(node)))


def _texts(*nodes: Node) -> set[str]:
    """The figures in these."""
    return {str(call) for node in nodes for call in calls(node) if NAMES[call.name].of_audience}


def _place(mark: Node, figures: Mapping[str, float | None]) -> float:
    """Where the mark stands by these figures; NaN where it is missing."""
    (place,) = value_of(mark, Scope(_ANYBODY, 0, figures)).tolist()
    return float(place)


_ONE = np.zeros(1, np.int64)
# A mark is the same whoever is set against it.
_ANYBODY = Batch(
    customer=_ONE,
    signup_day=_ONE,
    subscribed=_ONE.astype(bool),
    wholesale=_ONE.astype(bool),
    starts=np.zeros(2, np.int64),
    order_day=_ONE[:0],
    order_minor=_ONE[:0],
    currency_exponent=0,
)
