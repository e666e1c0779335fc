"""Segments of an audience. A tag is a static segment: same id, same name, same members. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from syncd.sandbox.audience.problems import Problem, not_found

if TYPE_CHECKING:
    from collections.abc import Iterator

FIRST_ID = 1_200_001


@dataclass(slots=True, eq=False)
class Segment:
    """`members` are web ids in the order of joining; `subscribed` counts those of them who are subscribed."""

    id: int
    name: str
    type: str
    created_at: int
    updated_at: int
    options: dict[str, Any] = field(default_factory=dict)
    members: dict[int, None] = field(default_factory=dict)
    subscribed: int = 0


class Segments:
    """All segments by id, and the static ones by name: upper and lower case are one tag, the first spelling stays."""

    def __init__(self) -> None:
        self._by_id: dict[int, Segment] = {}
        self._tags: dict[str, Segment] = {}
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
        """The tags whose name begins so; all of them for an empty prefix."""
        return [tag for key, tag in self._tags.items() if key.startswith(_key(prefix))]

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
        """Afterwards it is gone; a new one of the same name gets another id."""
        del self._by_id[segment.id]
        if segment.type == "static":
            del self._tags[_key(segment.name)]


def _key(name: str) -> str:
    return name.strip().lower()
