"""How a long list that changes while it is read is walked: watermarks that overlap, windows of time.

It knows instants; it knows no platform and makes no calls of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import pairwise

import msgspec
from msgspec import Struct

from syncd.errors import TransientError
from syncd.http import Reply, http_date

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


def windows(first: int, last: int, count: Callable[[int, int], int], *, most: int, target: int) -> Iterator[Window]:
    """Cuts `first`..`last` into adjoining windows of about `target` rows, earliest first.

    `count` tells the rows of a stretch, both ends included; from `most` on it need not be exact. A stretch with
    `most` or more is halved; one with fewer is cut evenly.
    """
    rows = count(first, last)
    if rows >= most and last - first > 1:
        middle = (first + last) // 2
        yield from windows(first, middle, count, most=most, target=target)
        yield from windows(middle, last, count, most=most, target=target)
    else:
        yield from evenly(Window(first, last, rows), target)


def evenly(whole: Window, target: int) -> Iterator[Window]:
    """Cuts a stretch into windows of the same length, with `target` rows each if those lie evenly, too.

    Neighbours share their boundary second, because what was written within it may lie on either side.
    """
    first, length = whole.first, whole.last - whole.first
    pieces = max(1, min(-(-whole.rows // target), length))
    edges = [(first + length * n // pieces, whole.rows * n // pieces) for n in range(pieces + 1)]
    for (begin, before), (end, after) in pairwise(edges):
        yield Window(begin, end, after - before)
