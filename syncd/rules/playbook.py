"""The playbook: all that an audience's lifecycle says, in the order in which it is judged.

It knows how segments depend on each other, and tells every problem at once. It reads no file and
judges nobody.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from hashlib import sha256
from types import MappingProxyType

from syncd.errors import UserError
from syncd.lifecycle.columns import Need
from syncd.rules.evaluation import needs_of
from syncd.rules.figures import Figure, figures_in
from syncd.rules.names import NAMES
from syncd.rules.rhythm import usual_in
from syncd.rules.specs import Field, FieldSpec, Moment, MomentSpec, Reading, Segment, SegmentSpec
from syncd.rules.tree import Node, calls

# One bit each in a signed 64-bit integer.
MAX_SEGMENTS = 63
# A name that no segment of a file can have.
TRIED = "the rule that is tried"
# So much room the history has for the text of a figure.
MAX_FIGURE_LENGTH = 200


@dataclass(frozen=True)
class Playbook:
    """Segments stand behind those that they ask for by in()."""

    segments: tuple[Segment, ...]
    fields: tuple[Field, ...]
    moments: tuple[Moment, ...]
    figures: tuple[Figure, ...]
    currency: str
    usual: tuple[Figure, ...] | None = None  # None: nothing asks for order gaps

    @classmethod
    def load(
        cls,
        segments: Mapping[str, SegmentSpec],
        fields: Mapping[str, FieldSpec] = MappingProxyType({}),
        moments: Mapping[str, MomentSpec] = MappingProxyType({}),
        *,
        currency: str,
    ) -> Playbook:
        """The playbook of these specs; `currency` is the audience's, in which rules name amounts.

        Raises: UserError whose `problems` are all that is wrong in any of them.
        """
        reading = Reading(tuple(segments))
        parsed = [segment for name, spec in segments.items() if (segment := reading.segment(name, spec))]
        worked_out = [field for name, spec in fields.items() if (field := reading.field(name, spec))]
        announced = [moment for name, spec in moments.items() if (moment := reading.moment(name, spec))]
        # More are a problem of their own, and too deep to be ordered where each asks for the next.
        ordered, circles = _in_order(parsed[:MAX_SEGMENTS])
        trees = [*(tree for s in parsed for tree in s.trees), *(f.value for f in worked_out)]
        figures = figures_in(*trees)
        problems = [*reading.problems, *circles, *_same_tags(parsed), *_too_large(segments, figures)]
        if problems:
            raise UserError("the lifecycle cannot be used", problems=problems, hint="correct the lifecycle file")
        return cls(tuple(ordered), tuple(worked_out), tuple(announced), figures, currency, usual_in(*trees))

    def only(self, names: Iterable[str]) -> Playbook:
        """The segments of these names and those that they ask for by in(); neither fields nor moments."""
        wanted = set(names)
        for segment in reversed(self.segments):
            if segment.name in wanted:
                wanted.update(_segments_in(*segment.trees))
        return self._of(segment for segment in self.segments if segment.name in wanted)

    def trying(self, rule: Node) -> Playbook:
        """What it takes to judge a free rule as if it were a segment, `TRIED`: those that it asks for, and itself."""
        asked_for = self.only(_segments_in(rule)).segments
        return self._of((*asked_for, Segment(TRIED, TRIED, "", 0, rule, str(rule))))

    def _of(self, segments: Iterable[Segment]) -> Playbook:
        kept = tuple(segments)
        trees = [tree for segment in kept for tree in segment.trees]
        return replace(self, segments=kept, fields=(), moments=(), figures=figures_in(*trees), usual=usual_in(*trees))

    @cached_property
    def needs(self) -> frozenset[Need]:
        """The columns that a batch must have to be judged."""
        needs = needs_of(*(tree for s in self.segments for tree in s.trees), *(f.value for f in self.fields))
        settling: frozenset[Need] = frozenset({"last_order_at"} if any(s.settle for s in self.segments) else ())
        return needs | settling | {"was_in"}

    @property
    def of_now(self) -> tuple[str, ...]:
        """The names in its segments whose facts are known only as they are now, whatever day is asked about."""
        used = {call.name for segment in self.segments for tree in segment.trees for call in calls(tree)}
        return tuple(sorted(name for name in used if NAMES[name].of_now))

    @cached_property
    def digest(self) -> str:
        """Stays the same for as long as the same judgements follow: spaces and descriptions do not matter."""
        content = {
            "currency": self.currency,
            "segments": {s.name: [s.tag, s.control, *map(str, s.trees)] for s in self.segments},
            "fields": {f.name: str(f.value) for f in self.fields},
            "settling": {s.name: s.settle for s in self.segments if s.settle},
            "fallbacks": {s.name: str(s.fallback) for s in self.segments if s.fallback},
            "moments": {m.name: m.occasion for m in self.moments},
        }
        return sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _in_order(segments: Sequence[Segment]) -> tuple[list[Segment], list[str]]:
    """The segments as the file has them, but each behind those that it depends on; and a problem for each circle."""
    known = {segment.name: segment for segment in segments}
    problems: list[str] = []
    while True:
        needs = {name: [other for other in _segments_in(*known[name].trees) if other in known] for name in known}
        try:
            TopologicalSorter(needs).prepare()
        except CycleError as err:
            circle = err.args[1][::-1]
            problems.append(f"segments.{circle[0]}: in() leads back to the segment itself: {' → '.join(circle)}")
            known = {name: segment for name, segment in known.items() if name not in circle}
        else:
            placed: dict[str, Segment] = {}
            for name in known:
                _place(name, known, needs, placed)
            return list(placed.values()), problems


def _place(
    name: str, known: Mapping[str, Segment], needs: Mapping[str, Sequence[str]], placed: dict[str, Segment]
) -> None:
    """Afterwards the segment is among the placed ones, and before it all that it needs."""
    if name not in placed:
        for other in needs[name]:
            _place(other, known, needs, placed)
        placed[name] = known[name]


def _segments_in(*trees: Node) -> Iterator[str]:
    """The segments that rules name by in()."""
    for tree in trees:
        yield from (str(call.arguments[0]) for call in calls(tree) if call.name == "in")


def _same_tags(segments: Iterable[Segment]) -> Iterator[str]:
    """A problem for each tag that an earlier segment has: the service does not tell `VIP` from `vip`."""
    owners: dict[str, str] = {}
    for segment in segments:
        owner = owners.setdefault(segment.tag.lower(), segment.name)
        if owner != segment.name:
            yield f"segments.{segment.name}.tag: '{segment.tag}' is the tag of segments.{owner} already"


def _too_large(segments: Mapping[str, SegmentSpec], figures: Iterable[Figure]) -> Iterator[str]:
    """A problem for each limit that the playbook exceeds."""
    if len(segments) > MAX_SEGMENTS:
        yield f"segments: there are {len(segments)}, and at most {MAX_SEGMENTS} are possible"
    for figure in figures:
        if len(figure.text) > MAX_FIGURE_LENGTH:
            yield f"{figure.text}: a figure of the audience has at most {MAX_FIGURE_LENGTH} characters"
