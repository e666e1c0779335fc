"""What is measured of everybody in one pass: the figures of a day, and whom they pass on the way to their new value."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from syncd.lifecycle import metrics
from syncd.lifecycle.columns import Batch, feed
from syncd.rules.evaluation import value_of
from syncd.rules.figures import Figure, figure_of, measured_by
from syncd.rules.marks import Passed
from syncd.rules.scope import Column, Flags, Scope
from syncd.rules.tree import Node


class Measured:
    """What some trees measure of everybody on a local day, from one pass over all batches.

    `rhythm` where they ask for order gaps.
    """

    def __init__(
        self, trees: Iterable[Node], day: int, rhythm: Mapping[str, float | None] = MappingProxyType({})
    ) -> None:
        self._day, self._rhythm = day, rhythm
        self._values: dict[Node, list[Column]] = {tree: [] for tree in trees}
        self._customers: list[NDArray[np.int64]] = []
        self._eligible: list[Flags] = []

    @property
    def trees(self) -> tuple[Node, ...]:
        """What is measured."""
        return tuple(self._values)

    def add(self, batch: Batch) -> None:
        """Afterwards the customers of this batch are measured, too."""
        scope = Scope(batch, self._day, self._rhythm)
        for tree, values in self._values.items():
            values.append(value_of(tree, scope).astype(np.float64))
        self._customers.append(batch.customer)
        self._eligible.append(metrics.eligible(batch, self._day))

    def figures(self, wanted: Iterable[Figure]) -> dict[str, float | None]:
        """These figures over everybody, by their text."""
        return {figure.text: figure_of(figure, self._told(figure)) for figure in wanted}

    def whom(self, moves: Iterable[Passed]) -> set[int]:
        """The customers whom marks passed."""
        found: set[int] = set()
        for move in moves:
            for values, customers in zip(self._values[move.measured], self._customers, strict=True):
                found.update(customers[move.holds(values)].tolist())
        return found

    def _told(self, figure: Figure) -> Iterator[NDArray[np.float64]]:
        for values, eligible in zip(self._values[measured_by(figure)], self._eligible, strict=True):
            yield values[eligible & ~np.isnan(values)]


def figures_over(
    wanted: Sequence[Figure],
    batches: Iterable[Batch],
    today: int,
    rhythm: Mapping[str, float | None] = MappingProxyType({}),
) -> dict[str, float | None]:
    """These figures over everybody, by their text."""
    measured = Measured(map(measured_by, wanted), today, rhythm)
    feed(batches, measured)
    return measured.figures(wanted)
