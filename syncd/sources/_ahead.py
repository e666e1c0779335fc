"""Reading ahead: several long lists are read at once and handed out one after the other, and few items wait meanwhile.

It knows threads. It knows no platform, and makes no calls of its own.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from threading import Condition, Lock
from typing import Any, Protocol, TypeVar

PATIENCE_SECONDS = 1.0

T = TypeVar("T")
A = TypeVar("A")
B = TypeVar("B")


class Each(Protocol):
    """What `make` gives for each of several things, in their order: one by one, as `map` does, or all at once."""

    def __call__(self, make: Callable[[A], B], things: Iterable[A], /) -> Iterator[B]: ...


@contextmanager
def at_once(most: int) -> Iterator[Each]:
    """Makes up to `most` things at once, whoever asks for them."""
    pool = ThreadPoolExecutor(most, thread_name_prefix="page")
    try:
        yield pool.map
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


class Turn:
    """One thread computes at a time, as far as the others are patient.

    Python computes one thing at a time. Several threads that each unpack and read a page, while another stores one,
    take more time for it, because they are in each other's way, and as many pages' memory. It is a courtesy: whoever
    has waited for `patience` seconds goes on without it, so that a reader who went away stops nobody.
    """

    def __init__(self, patience: float = PATIENCE_SECONDS) -> None:
        self._lock = Lock()
        self._patience = patience

    @contextmanager
    def __call__(self) -> Iterator[None]:
        mine = self._lock.acquire(timeout=self._patience)
        try:
            yield
        finally:
            if mine:
                self._lock.release()


def ahead(
    chains: Iterable[Iterator[T]],
    workers: int,
    *,
    most: int,
    turn: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> Iterator[T]:
    """The items of all chains, in order, while `workers` threads read on in the next ones.

    `chains` itself is read ahead too, by twice as many as there are workers. Of all chains together at most
    `most` items wait, and one more in the hands of each worker, so memory is bounded however long they are.
    An exception of a chain is raised where its item would be. Whoever was given an item has the `turn` until they
    ask for the next: chains that take it for what is work, not waiting, do not get in the way of the reader.
    """
    shelf = _Shelf(2 * workers, most)
    pool = ThreadPoolExecutor(workers + 1, thread_name_prefix="pull")

    def begin() -> None:
        row = shelf.new_row()
        try:
            for chain in chains:
                pool.submit(_fill, shelf, row, chain)
                row = shelf.new_row()
        except BaseException as err:  # it is raised again in the thread that waits for it
            shelf.end(row, err)
        else:
            shelf.end(row, _END_OF_ALL)

    try:
        pool.submit(begin)
        for item in shelf.items():
            with turn():
                yield item
    finally:
        shelf.close()
        pool.shutdown(wait=False, cancel_futures=True)


# What stands behind the last item of a row, and in the place of a row behind the last one.
_END, _END_OF_ALL = object(), object()


class _Closed(Exception):
    """Nobody takes anything any more."""


class _Shelf:
    """Where items wait for their turn: a row for each chain that was begun. They are taken from the first row."""

    def __init__(self, rows: int, items: int) -> None:
        self._most_rows, self._most_items = rows, items
        self._rows: deque[deque[Any]] = deque()
        self._closed = False
        self._changed = Condition()

    def new_row(self) -> deque[Any]:
        """A row behind all others, once there is place for it. Raises: _Closed."""
        with self._changed:
            self._wait(lambda: len(self._rows) < self._most_rows)
            self._rows.append(deque())
            return self._rows[-1]

    def put(self, row: deque[Any], item: object) -> None:
        """The item waits in its row, once there is room for it. Raises: _Closed.

        For the next that is taken there is always room, else what waits behind it might keep it out for ever.
        """
        with self._changed:
            self._wait(lambda: sum(map(len, self._rows)) < self._most_items or (row is self._rows[0] and not row))
            self._append(row, item)

    def end(self, row: deque[Any], why: object) -> None:
        """Behind its last item, `row` says that it ends, or why; for that there is always room."""
        with self._changed:
            self._append(row, why)

    def items(self) -> Iterator[Any]:
        """What was put here, row by row; exceptions are raised."""
        while (item := self._take()) is not _END_OF_ALL:
            if isinstance(item, BaseException):
                raise item
            yield item

    def close(self) -> None:
        """Afterwards nobody waits to put anything here."""
        with self._changed:
            self._closed = True
            self._rows.clear()
            self._changed.notify_all()

    def _take(self) -> Any:
        with self._changed:
            while True:
                self._wait(lambda: self._rows and self._rows[0])
                item = self._rows[0].popleft()
                if item is _END:
                    self._rows.popleft()
                self._changed.notify_all()
                if item is not _END:
                    return item

    def _append(self, row: deque[Any], item: object) -> None:
        row.append(item)
        self._changed.notify_all()

    def _wait(self, until: Callable[[], object]) -> None:
        self._changed.wait_for(lambda: self._closed or until())
        if self._closed:
            raise _Closed


def _fill(shelf: _Shelf, row: deque[Any], chain: Iterator[object]) -> None:
    """Everything that the chain gives waits in the row."""
    try:
        for item in chain:
            shelf.put(row, item)
    except BaseException as err:  # it is raised again in the thread that waits for it
        shelf.end(row, err)
    else:
        shelf.end(row, _END)
