"""Segments of an audience. A tag is a static segment: same id, same name, same members. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Any

from sortedcontainers import SortedDict

from syncd.sandbox.audience.members import STATUSES
from syncd.sandbox.audience.problems import Problem, not_found
from syncd.sandbox.audience.ranking import Ranking

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from syncd.sandbox.audience.members import Member

FIRST_ID = 1_200_001
LAST_LETTER = "\U0010ffff"


@dataclass(slots=True, eq=False)
class Segment:
    """A segment and who is in it, by status."""

    id: int
    name: str
    type: str
    created_at: int
    updated_at: int
    options: dict[str, Any] = field(default_factory=dict)
    _web_ids: dict[str, Ranking] = field(default_factory=lambda: {status: Ranking() for status in STATUSES})

    @property
    def subscribed(self) -> int:
        """How many members are subscribed."""
        return len(self._web_ids["subscribed"])

    def __len__(self) -> int:
        return sum(map(len, self._web_ids.values()))

    def __bool__(self) -> bool:
        """A segment without anybody is one, too."""
        return True

    def __iter__(self) -> Iterator[int]:
        """The web ids of all members."""
        return chain.from_iterable(self._web_ids.values())

    def join(self, member: Member, status: str) -> None:
        """Afterwards the member, whose `tags` say since when, is here under this status."""
        self._web_ids[status].add(member.tags[self.id], member.web_id)

    def part(self, member: Member, status: str) -> None:
        """Afterwards the member, who was here under this status, is not."""
        self._web_ids[status].remove(member.tags[self.id], member.web_id)

    def page(self, statuses: Collection[str], offset: int, count: int) -> tuple[list[int], int]:
        """The web ids of one page of members with these statuses, and how many there are: by status, then by age."""
        rankings = [self._web_ids[status] for status in statuses]
        found: list[int] = []
        for ranking in rankings:
            found += ranking.cut(offset, offset + count - len(found))
            offset = max(0, offset - len(ranking))
        return found, sum(map(len, rankings))


class Segments:
    """All segments by id, and the static ones by name: upper and lower case are one tag, the first spelling stays."""

    def __init__(self) -> None:
        self._by_id: dict[int, Segment] = {}
        self._tags: SortedDict[str, Segment] = SortedDict()
        self._next_id = FIRST_ID

    def __iter__(self) -> Iterator[Segment]:
        return iter(self._by_id.values())

    def __getitem__(self, segment_id: int) -> Segment:
        return self._by_id[segment_id]

    def get(self, segment_id: str) -> Segment:
        """The segment with this id. Raises: Problem 404."""
        segment = self._by_id.get(int(segment_id)) if segment_id.isdecimal() else None
        if segment is None:
            raise not_found()
        return segment

    def static(self, segment_id: str) -> Segment:
        """The static segment with this id; for any other id the batch call has its own words."""
        segment = self._by_id.get(int(segment_id)) if segment_id.isdecimal() else None
        if segment is None or segment.type != "static":
            detail = f"A Static Segment with an id of {segment_id} does not exist for this list."
            raise Problem(400, "Bad Request", detail)
        return segment

    def tag(self, name: str) -> Segment | None:
        """The tag of this name, whatever its case."""
        return self._tags.get(_key(name))

    def tags(self, prefix: str = "") -> list[Segment]:
        """The tags whose name begins so, the oldest first; all of them for an empty prefix."""
        begin = _key(prefix)
        found = [self._tags[key] for key in self._tags.irange(begin, begin + LAST_LETTER)]
        return sorted(found, key=lambda tag: tag.id)

    def tag_count(self) -> int:
        """How many tags there are."""
        return len(self._tags)

    def borne(self, member: Member) -> dict[int, int]:
        """The member's tags without those that were deleted since; the member forgets these now."""
        # A copy: tests look at members from another thread while the server writes them.
        for gone in [each for each in list(member.tags) if each not in self._by_id]:
            member.tags.pop(gone, None)
        return member.tags

    def create(self, name: str, kind: str, at: int, options: dict[str, Any] | None = None) -> Segment:
        """Afterwards the segment exists. Raises: Problem where a tag of this name exists."""
        if kind == "static" and self.tag(name):
            raise Problem(400, "Bad Request", "Sorry, that tag already exists.")
        segment = Segment(self._next_id, name.strip(), kind, at, at, options or {})
        self._next_id += 1
        self._by_id[segment.id] = segment
        if kind == "static":
            self._tags[_key(name)] = segment
        return segment

    def rename(self, segment: Segment, name: str) -> None:
        """Afterwards the segment has this name. Raises: Problem where another tag has it."""
        if segment.type == "static":
            if self.tag(name) not in (None, segment):
                raise Problem(400, "Bad Request", "Sorry, that tag already exists.")
            del self._tags[_key(segment.name)]
            self._tags[_key(name)] = segment
        segment.name = name.strip()

    def delete(self, segment: Segment) -> None:
        """Afterwards it is gone, and its members forget it when they are looked at; its id is not used again."""
        del self._by_id[segment.id]
        if segment.type == "static":
            del self._tags[_key(segment.name)]


def _key(name: str) -> str:
    return name.strip().lower()
