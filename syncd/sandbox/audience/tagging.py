"""Who bears which tag. A tag is a static segment, so every way to write either ends here. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import UNSET

from syncd.sandbox.audience.problems import Problem, invalid, required

if TYPE_CHECKING:
    from collections.abc import Iterable

    from syncd.sandbox.audience.journeys import Journeys
    from syncd.sandbox.audience.members import Clock, Member
    from syncd.sandbox.audience.register import Register
    from syncd.sandbox.audience.segments import Segment, Segments
    from syncd.sandbox.audience.switches import Switches
    from syncd.sandbox.audience.writes import SegmentBatch, SegmentWrite, TagsWrite

UNKNOWN = "Email addresses are not members of this list."


class Tagging:
    """The tags of an audience's members."""

    def __init__(
        self, members: Register, segments: Segments, journeys: Journeys, clock: Clock, switches: Switches
    ) -> None:
        self._members = members
        self._segments = segments
        self._journeys = journeys
        self._clock = clock
        self._switches = switches

    def names(self, member: Member) -> list[str]:
        """All tags of the member, in the order of joining."""
        return [self._segments[each].name for each in list(self._segments.borne(member))]

    def shown(self, member: Member) -> dict[int, int]:
        """The tags that the API shows for the member: {segment id: since when}."""
        hidden = member.status == "pending" and self._switches.pending_hides_tags
        return {} if hidden else self._segments.borne(member)

    def write(self, member: Member, write: TagsWrite) -> None:
        """Afterwards the tags are as `write` says. What the member lacks is not removed, what is missing is made."""
        self._check_names("tags", [each.name for each in write.tags])
        self._check_room([each.name for each in write.tags if each.status == "active"])
        for each in write.tags:
            if each.status == "active":
                self.add(member, [each.name], fires=not write.is_syncing)
                if self._switches.resent_tag_moves_last_changed:
                    self._members.touch(member, self._clock.now())
            else:
                self.remove(member, [each.name])

    def add(self, member: Member, names: Iterable[str], *, fires: bool) -> None:
        """Afterwards the member bears these tags, new ones included; `fires`: journeys start."""
        for name in names:
            self._activate(member, self._tag(name), fires=fires)

    def add_in_bulk(self, member: Member, names: Iterable[str]) -> None:
        """Afterwards the member bears these tags, written over a path that knows no `is_syncing`."""
        self.add(member, names, fires=self._switches.bulk_fires_journeys)

    def remove(self, member: Member, names: Iterable[str]) -> None:
        """Afterwards the member bears none of these tags."""
        for name in names:
            if tag := self._segments.tag(name):
                self._deactivate(member, tag)

    def keep(self, member: Member, names: Iterable[str]) -> None:
        """Afterwards the member bears no other tags than these."""
        kept = {name.strip().lower() for name in names}
        self.remove(member, [name for name in self.names(member) if name.lower() not in kept])

    def seed(self, member: Member, names: Iterable[str], at: int) -> None:
        """Afterwards the member has borne these tags since `at`; nothing starts, nothing counts as a change."""
        for name in names:
            self._join(member, self._tag(name), at)

    def strip(self, member: Member) -> None:
        """Afterwards no segment knows the member."""
        for segment_id in list(self._segments.borne(member)):
            self._part(member, self._segments[segment_id])

    def create_segment(self, write: SegmentWrite) -> Segment:
        """Afterwards the segment exists: a tag unless `options` are given. Unknown addresses are ignored."""
        if not write.name:
            raise required("name")
        options: dict[str, Any] = write.options or {}
        self._check_names("name", [write.name])
        if options:
            return self._segments.create(write.name, "saved", self._clock.now(), options)
        self._check_room([write.name])
        segment = self._new_tag(write.name)
        self._fill(segment, write.static_segment or ())
        return segment

    def change_segment(self, segment_id: str, write: SegmentWrite) -> Segment:
        """Afterwards name and members are as given; an empty `static_segment` empties it."""
        segment = self._segments.get(segment_id)
        if write.name:
            self._segments.rename(segment, write.name)
        if write.options:
            segment.options = write.options
        if write.static_segment is not UNSET and segment.type == "static":
            wanted = {member.web_id for email in write.static_segment if (member := self._members.at(email))}
            for web_id in [each for each in segment if each not in wanted]:
                self._deactivate(self._members[web_id], segment)
            self._fill(segment, write.static_segment)
        segment.updated_at = self._clock.now()
        return segment

    def delete_segment(self, segment_id: str) -> None:
        """Afterwards the segment is gone, and as a tag from everybody."""
        segment = self._segments.get(segment_id)
        self._segments.delete(segment)
        if self._switches.tag_deletion_moves_last_changed:
            for web_id in segment:
                self._members.touch(self._members[web_id], self._clock.now())

    def batch(self, segment_id: str, batch: SegmentBatch) -> tuple[list[Member], list[Member], dict[str, list[str]]]:
        """Members added, members removed, and the refused addresses by reason."""
        segment = self._segments.static(segment_id)
        refused: dict[str, list[str]] = {}
        added = self._found(batch.members_to_add, refused)
        removed = self._found(batch.members_to_remove, refused)
        for member in added:
            self._activate(member, segment, fires=self._switches.bulk_fires_journeys)
        for member in removed:
            self._deactivate(member, segment)
        return added, removed, refused

    def _found(self, emails: Iterable[str], refused: dict[str, list[str]]) -> list[Member]:
        found = []
        for email in emails:
            member = self._members.at(email)
            if member is None:
                refused.setdefault(UNKNOWN, []).append(email)
            elif member.status in self._switches.segment_batch_refuses:
                refused.setdefault(self._switches.segment_refusal, []).append(email)
            else:
                found.append(member)
        return found

    def _tag(self, name: str) -> Segment:
        return self._segments.tag(name) or self._new_tag(name)

    def _new_tag(self, name: str) -> Segment:
        spelled = name.lower() if self._switches.lower_case_tags else name
        return self._segments.create(spelled, "static", self._clock.now())

    def _check_names(self, field: str, names: Iterable[str]) -> None:
        limit = self._switches.tag_name_limit
        if any(not name.strip() or len(name) > limit for name in names):
            raise invalid((field, f"Tag names have 1 to {limit} characters."))

    def _check_room(self, names: Iterable[str]) -> None:
        new = {name.strip().lower() for name in names if not self._segments.tag(name)}
        if new and self._segments.tag_count() + len(new) > self._switches.tag_limit:
            raise Problem(400, "Bad Request", f"This list already has the maximum of {self._switches.tag_limit} tags.")

    def _fill(self, segment: Segment, emails: Iterable[str]) -> None:
        for email in emails:
            if member := self._members.at(email):
                self._activate(member, segment, fires=self._switches.bulk_fires_journeys)

    def _activate(self, member: Member, segment: Segment, *, fires: bool) -> None:
        present = segment.id in member.tags
        if not present:
            now = self._clock.now()
            self._join(member, segment, now)
            self._members.touch(member, now)
        if fires and (not present or self._switches.present_tag_fires):
            self._journeys.start(member, "tag", segment.name)

    def _deactivate(self, member: Member, segment: Segment) -> None:
        if segment.id in member.tags:
            self._part(member, segment)
            self._members.touch(member, self._clock.now())

    def _join(self, member: Member, segment: Segment, at: int) -> None:
        if segment.id not in member.tags:
            member.tags[segment.id] = at
            segment.join(member, member.status)

    def _part(self, member: Member, segment: Segment) -> None:
        segment.part(member, member.status)
        del member.tags[segment.id]
