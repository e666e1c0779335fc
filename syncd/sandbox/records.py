"""Records by id, kept sorted by several of their fields, so that a page costs the same anywhere in the list."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class Record(Protocol):
    """Anything with a number of its own."""

    @property
    def id(self) -> int:
        """The number."""


R = TypeVar("R", bound=Record)

Position = tuple[int, int]  # a sort value and the record's id
LAST_ID = 2**80


class Records(Generic[R]):
    """Immutable records; a change is a new record under the same id."""

    def __init__(self, keys: tuple[str, ...]) -> None:
        self.version = 0  # rises with every change
        self._by_id: dict[int, R] = {}
        self._sorted: dict[str, list[Position]] = {key: [] for key in ("id", *keys)}

    @property
    def keys(self) -> frozenset[str]:
        """The fields by which the records are sorted."""
        return frozenset(self._sorted)

    def __getitem__(self, record_id: int) -> R:
        return self._by_id[record_id]

    def __iter__(self) -> Iterator[R]:
        return iter(self._by_id.values())

    def __len__(self) -> int:
        return len(self._by_id)

    def get(self, record_id: int) -> R | None:
        """The record, where it exists."""
        return self._by_id.get(record_id)

    def put(self, record: R) -> None:
        """Afterwards `record` is here, in place of an older one with its id."""
        self.remove(record.id)
        self.version += 1
        self._by_id[record.id] = record
        for key, order in self._sorted.items():
            insort(order, (getattr(record, key), record.id))

    def load(self, records: Iterable[R]) -> None:
        """Afterwards all `records` are here; much faster than one by one."""
        self.version += 1
        for record in records:
            self._by_id[record.id] = record
        for key, order in self._sorted.items():
            order[:] = sorted((getattr(record, key), record.id) for record in self._by_id.values())

    def remove(self, record_id: int) -> None:
        """Afterwards no record has this id."""
        old = self._by_id.pop(record_id, None)
        if old is None:
            return
        self.version += 1
        for key, order in self._sorted.items():
            del order[bisect_left(order, (getattr(old, key), record_id))]

    def between(self, key: str, low: int | None, high: int | None) -> tuple[int, int]:
        """The stretch [start, stop) of the order by `key` whose values lie in low..high, both inclusive."""
        order = self._sorted[key]
        start = 0 if low is None else bisect_left(order, (low, -1))
        stop = len(order) if high is None else bisect_right(order, (high, LAST_ID))
        return start, max(start, stop)

    def after(self, key: str, position: Position) -> int:
        """The index of the first record behind `position` in the order by `key`."""
        return bisect_right(self._sorted[key], position)

    def before(self, key: str, position: Position) -> int:
        """The index of the record at `position`, or of the first one behind it."""
        return bisect_left(self._sorted[key], position)

    def at(self, key: str, index: int) -> R:
        """The record at `index` in the order by `key`."""
        return self._by_id[self._sorted[key][index][1]]

    def last(self, key: str) -> R | None:
        """The record with the highest `key`."""
        return self.at(key, -1) if self._by_id else None
