"""Figures of the whole audience: `mean(spend(ever))`. They are worked out once a day, then frozen for it.

Over customers with at least one counted order, without wholesale, and without missing values.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from syncd.lifecycle import metrics
from syncd.lifecycle.columns import Batch
from syncd.rules.evaluation import value_of
from syncd.rules.names import NAMES
from syncd.rules.scope import Scope
from syncd.rules.tree import Call, Node, calls, children


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure; `text` is its canonical form, under which its value is kept and handed in."""

    text: str
    call: Call


def figures_in(*trees: Node) -> tuple[Figure, ...]:
    """The figures that rules need, each once, sorted by their text."""
    needed = {str(call): call for tree in trees for call in calls(tree) if NAMES[call.name].figure}
    return tuple(Figure(text, needed[text]) for text in sorted(needed))


def figure_values(
    figure: Figure, batch: Batch, today: int, rhythm: Mapping[str, float | None] = MappingProxyType({})
) -> NDArray[np.float64]:
    """The values of the customers of this batch that the figure is over; `rhythm` where it asks for order gaps."""
    values = value_of(measured_by(figure), Scope(batch, today, rhythm))
    return values[metrics.eligible(batch, today) & ~np.isnan(values)]


def figure_of(figure: Figure, arrays: Iterable[NDArray[np.float64]]) -> float | None:
    """The figure over the values of all batches, however they were cut; None over nobody."""
    values = np.concatenate([*arrays, np.zeros(0)])
    work_out = NAMES[figure.call.name].figure
    assert work_out is not None, "figures_in names figures only"
    return work_out(values, *figure.call.arguments[1:]) if len(values) else None


def measured_by(figure: Figure) -> Node:
    """What the figure is over."""
    (tree,) = children(figure.call)
    return tree
