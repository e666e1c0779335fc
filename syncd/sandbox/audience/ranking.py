"""Things in the order of their instants, known by their numbers: a page costs the same anywhere among them. Pure."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from sortedcontainers import SortedList

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# Instant and number in one integer, since a tuple costs four times as much.
_SHIFT = 40
_NUMBER = (1 << _SHIFT) - 1


class Ranking:
    """Numbers in the order of their instants (UTC seconds, None first), and of themselves within a second.

    Filling it is cheap: what is added is put in order when somebody looks.
    """

    def __init__(self, places: Iterable[tuple[int | None, int]] = ()) -> None:
        self._added = [_key(*place) for place in places]
        self._sorted: SortedList[int] = SortedList()

    def __len__(self) -> int:
        return len(self._sorted) + len(self._added)

    def __iter__(self) -> Iterator[int]:
        return (key & _NUMBER for key in self._in_order())

    def add(self, at: int | None, number: int) -> None:
        """Afterwards the number stands at `at`."""
        self._added.append(_key(at, number))

    def remove(self, at: int | None, number: int) -> None:
        """Afterwards the number, which stood at `at`, is gone."""
        self._in_order().remove(_key(at, number))

    def between(self, first: float = -inf, end: float = inf) -> tuple[int, int]:
        """The stretch [start, stop) of those from the second `first` on and before the second `end`."""
        keys = self._in_order()
        start = 0 if first == -inf else keys.bisect_left(int(first) << _SHIFT)
        stop = len(keys) if end == inf else keys.bisect_left(int(end) << _SHIFT)
        return start, max(start, stop)

    def cut(self, start: int, stop: int, *, descending: bool = False) -> list[int]:
        """The numbers of the stretch [start, stop); descending: the last one first."""
        stop = min(stop, len(self))
        if start >= stop:
            return []
        return [key & _NUMBER for key in self._in_order().islice(start, stop, reverse=descending)]

    def _in_order(self) -> SortedList[int]:
        if self._added:
            # Taken away first: a test that looks from another thread must not add them a second time.
            added, self._added = self._added, []
            self._sorted.update(added)
        return self._sorted


def _key(at: int | None, number: int) -> int:
    return (-1 if at is None else at) << _SHIFT | number
