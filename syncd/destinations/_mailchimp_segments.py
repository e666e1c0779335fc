"""Tags as static segments: which exist, under which ids, and putting up to 500 people in and out with one call.

A saved or fuzzy segment is never touched: it is the marketer's.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from syncd.destinations._mailchimp_gateway import RefusedError, typed
from syncd.destinations._mailchimp_read import Collection, pages

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from syncd.destinations._mailchimp_gateway import Gateway

SEGMENT_PEOPLE = 500


class Segment(Struct, frozen=True):
    """A static segment as Mailchimp shows it."""

    id: int
    name: str
    type: str = "static"


class SegmentPage(Collection, frozen=True):
    """One page of the segments of an audience."""

    segments: tuple[Segment, ...]


class Failure(Struct, frozen=True):
    """Addresses that a segment did not take."""

    email_addresses: tuple[str, ...] = ()


class Moved(Struct, frozen=True):
    """Mailchimp's answer to putting people in and out: a success that may hold failures."""

    errors: tuple[Failure, ...] = ()
    error_count: int = 0


def tag_key(name: str) -> str:
    """Under which a tag is one: `VIP` and `vip ` are the same to Mailchimp."""
    return name.strip().lower()


class Segments:
    """The static segments of one audience; their ids are read when first needed."""

    def __init__(self, gateway: Gateway, list_id: str) -> None:
        self._lists = gateway.lists
        self._list_id = list_id
        self._ids: dict[str, int] = {}
        self.are_known = False

    def names(self) -> tuple[str, ...]:
        """The names of all tags, read anew."""
        listing = partial(self._lists.list_segments, self._list_id)
        fields = ["segments.id", "segments.name", "segments.type", "total_items"]
        found = [
            segment
            for page in pages(listing, SegmentPage, type="static", fields=fields)
            for segment in page.segments
            if segment.type == "static"
        ]
        self._ids = {tag_key(segment.name): segment.id for segment in found}
        self.are_known = True
        return tuple(segment.name for segment in found)

    def ensure(self, tags: Sequence[str]) -> None:
        """Afterwards all tags exist, each under its first spelling.

        Raises: RefusedError where Mailchimp does not take a name.
        """
        self.names()
        for tag in tags:
            if tag_key(tag) not in self._ids:
                self._create(tag)

    def move(self, tag: str, add: Sequence[str], remove: Sequence[str]) -> Iterator[tuple[list[str], set[str] | None]]:
        """Puts addresses in and out of the tag, 500 of each per call.

        Yields for each call the addresses that it was about and those of them that were not taken, in
        lower case; None where Mailchimp's answer does not tell which.
        """
        if not self.are_known:
            self.names()
        if not add and tag_key(tag) not in self._ids:
            yield list(remove), set()
            return
        for n in range(0, max(len(add), len(remove)), SEGMENT_PEOPLE):
            part = slice(n, n + SEGMENT_PEOPLE)
            body = {"members_to_add": list(add[part]), "members_to_remove": list(remove[part])}
            answer = typed(self._move(tag, body), Moved)
            people = [*add[part], *remove[part]]
            yield people, _not_taken(answer, {person.lower() for person in people})

    def _move(self, tag: str, body: dict[str, Any]) -> Any:
        try:
            return self._lists.batch_segment_members(body, self._list_id, str(self._id(tag)))
        except RefusedError as err:
            if err.problem.status != 404 and "static segment" not in err.problem.detail.lower():
                raise
        # The marketer has deleted the tag meanwhile; a new one of its name has another id.
        self.names()
        return self._lists.batch_segment_members(body, self._list_id, str(self._id(tag)))

    def _id(self, tag: str) -> int:
        return self._ids.get(tag_key(tag)) or self._create(tag)

    def _create(self, tag: str) -> int:
        try:
            created = typed(self._lists.create_segment(self._list_id, {"name": tag, "static_segment": []}), Segment)
        except RefusedError:
            # Somebody was faster: the marketer, or a call of ours that gave one member the tag.
            self.names()
            if tag_key(tag) not in self._ids:
                raise
        else:
            self._ids[tag_key(tag)] = created.id
        return self._ids[tag_key(tag)]


def calls_for(add: int, remove: int) -> int:
    """How many calls it takes to put so many people in and out of one tag."""
    return -(-max(add, remove) // SEGMENT_PEOPLE)


def _not_taken(answer: Moved, asked: set[str]) -> set[str] | None:
    # Addresses have been seen wrapped into stray quotes.
    named = {address.strip(' "\\').lower() for failure in answer.errors for address in failure.email_addresses}
    if named <= asked and len(named) >= min(answer.error_count, 1):
        return named
    return None
