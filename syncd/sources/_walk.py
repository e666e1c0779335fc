"""How a long list that changes while it is read is walked: watermarks that overlap, windows of time, several at once.

It knows instants and threads; it knows no platform and makes no calls of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import pairwise
from queue import Full, Queue
from threading import Event
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from syncd.errors import TransientError
from syncd.http import Reply, http_date

T = TypeVar("T")

# A row may become visible, and a refund be attached to its order, some time after the `updated_at`
# that they carry. What is younger than this is read again by the next poll.
OVERLAP_SECONDS = 300
LARGEST_SKEW_SECONDS = 2 * 86_400


class Cursor(Struct, frozen=True, omit_defaults=True):
    """Where the next read of a resource begins: at everything updated at `at` (UTC seconds) or later.

    A mass edit can give one second to thousands of records. Once a page holds nothing newer than the
    page before, `place` tells how far that second was read, in the source's own words.
    """

    at: int
    place: str = ""

    @classmethod
    def read(cls, text: str | None) -> Cursor | None:
        """The cursor as `write` wrote it; None for none, and for one that is damaged: then all is read again."""
        try:
            return msgspec.json.decode(text, type=cls) if text else None
        except msgspec.MsgspecError:
            return None

    def write(self) -> str:
        """As text, to be stored."""
        return msgspec.json.encode(self).decode()

    def moved_to(self, newest: int, server_now: int, place: str = "") -> Cursor:
        """The cursor after a page whose latest record is of `newest`.

        Never backwards, and never into the last minutes of the shop's own clock: so a date in the
        future cannot carry it past what is still to come, nor a wrong clock here.
        """
        at = max(self.at, min(newest, server_now - OVERLAP_SECONDS))
        return Cursor(at, place if at == self.at == newest else "")


def iso(at: int) -> str:
    """The instant as an API takes it: `2026-11-22T05:17:33Z`."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def told_at(reply: Reply) -> int | None:
    """The shop's own time when it answered (UTC seconds); None where it does not tell."""
    when = http_date(reply.headers.get("date", ""))
    return None if when is None else int(when.timestamp())


def server_now(reply: Reply, here: int, connection: str) -> int:
    """The shop's own time when it answered (UTC seconds), or ours (`here`) where it does not tell.

    Raises: TransientError where the two are days apart. A time far ahead would carry every cursor past
    what is still to come; with one far behind, nothing new would ever be asked for.
    """
    told = told_at(reply)
    if told is None:
        return here
    if abs(told - here) > LARGEST_SKEW_SECONDS:
        raise TransientError(
            f"{connection}: the shop's clock and this machine's are more than two days apart",
            hint="Let this machine follow a time server; if its clock is right, ask the shop's platform.",
        )
    return told


def wrong_clock(skew_seconds: int) -> str:
    """The warning for a clock here that is this much behind the shop's."""
    way = "behind" if skew_seconds > 0 else "ahead of"
    return f"this machine's clock is {abs(skew_seconds):,} seconds {way} the shop's → Let it follow a time server."


class Window(Struct, frozen=True):
    """A stretch of time, both ends included (UTC seconds), and about how many rows it holds."""

    first: int
    last: int
    rows: int


def windows(
    first: int, last: int, count: Callable[[int, int], int], *, most: int, target: int, rows: int | None = None
) -> Iterator[Window]:
    """Cuts `first`..`last` into adjoining windows of about `target` rows, earliest first.

    `count` tells the rows of a stretch, both ends included. A stretch with `most` or more is halved; one
    with fewer is cut evenly. Neighbours share their boundary second, because what was written within it
    may lie on either side. `rows`, where given, are those of the whole, and say that counts are exact,
    so that every other one can be spared; else counts from `most` on need not be.
    """
    known = count(first, last) if rows is None else rows
    if known >= most and last - first > 1:
        middle = (first + last) // 2
        left = None if rows is None else count(first, middle)
        right = None if left is None else max(0, known - left)
        yield from windows(first, middle, count, most=most, target=target, rows=left)
        yield from windows(middle, last, count, most=most, target=target, rows=right)
        return
    pieces = max(1, min(-(-known // target), last - first))
    edges = [(first + (last - first) * n // pieces, known * n // pieces) for n in range(pieces + 1)]
    for (begin, before), (end, after) in pairwise(edges):
        yield Window(begin, end, after - before)


_END = object()


def ahead(chains: Iterable[Iterator[T]], workers: int, *, depth: int) -> Iterator[T]:
    """The items of all chains, in order, while `workers` threads read on in the next ones.

    `chains` itself is read ahead too. At most `depth` items wait in each chain, and at most twice as many
    chains as workers, so memory is bounded whatever their length. An exception of a chain is raised
    where its item would be.
    """
    stop = Event()
    pool = ThreadPoolExecutor(workers + 1, thread_name_prefix="pull")

    def begun() -> Iterator[Queue[Any]]:
        for chain in chains:
            items: Queue[Any] = Queue(depth)
            pool.submit(_fill, items, chain, stop)
            yield items

    waiting: Queue[Any] = Queue(2 * workers)
    try:
        pool.submit(_fill, waiting, begun(), stop)
        for items in _drain(waiting):
            yield from _drain(items)
    finally:
        stop.set()
        pool.shutdown(wait=False, cancel_futures=True)


def _fill(queue: Queue[Any], chain: Iterator[object], stop: Event) -> None:
    try:
        for item in chain:
            if not _offer(queue, item, stop):
                return
        _offer(queue, _END, stop)
    except BaseException as err:  # it is raised again in the thread that waits for it
        _offer(queue, err, stop)


def _offer(queue: Queue[Any], item: object, stop: Event) -> bool:
    """Whether `item` went into the queue before `stop`."""
    while not stop.is_set():
        try:
            queue.put(item, timeout=0.1)
        except Full:
            continue
        return True
    return False


def _drain(queue: Queue[Any]) -> Iterator[Any]:
    while (item := queue.get()) is not _END:
        if isinstance(item, BaseException):
            raise item
        yield item
