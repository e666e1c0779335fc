"""Segments, fields and moments: as a person configures them, and as they are ready to be judged.

Each is read on its own here; what concerns them together is the playbook's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from syncd.rules.faults import RuleError, nearest
from syncd.rules.kinds import Kind
from syncd.rules.names import NAMES
from syncd.rules.parser import parse_rule, parse_value
from syncd.rules.tree import Node, calls

FieldType = Literal["number", "date", "text"]
Occasion = Literal["join", "leave", "order", "cart"]

# How long an occasion has to last before it is announced, in seconds, where its moment does not say. An order is soon
# cancelled or not at all, and a cart is one that was left only when its owner has gone away.
SETTLE: Mapping[Occasion, int] = {"join": 0, "leave": 0, "order": 3_600, "cart": 3 * 3_600}

_NAME = re.compile(r"[a-z0-9-]{1,50}")


@dataclass(frozen=True, slots=True)
class SegmentSpec:
    """A segment as configured; `control` is the share in % that is kept without the tag, `settle` the seconds that
    the newest order has to be old.
    """

    when: str
    describe: str = ""
    stay_while: str | None = None
    tag: str | None = None
    control: float = 0
    fallback: str | None = None
    settle: int | None = None


@dataclass(frozen=True, slots=True)
class FieldSpec:
    """A field as configured."""

    value: str
    describe: str = ""


@dataclass(frozen=True, slots=True)
class MomentSpec:
    """A moment as configured; `event` is what the e-mail service calls it, `settle` the seconds that it waits."""

    on: str
    event: str
    settle: int | None = None


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment ready to be judged: its rules as trees, and as they were written.

    `fallback` stands in for both rules while what they need of `usual` is not known. Nobody joins before their
    newest order is `settle` seconds old.
    """

    name: str
    tag: str
    describe: str
    control: float
    when: Node
    when_text: str
    stay_while: Node | None = None
    stay_while_text: str = ""
    fallback: Node | None = None
    fallback_text: str = ""
    settle: int = 0

    @property
    def trees(self) -> tuple[Node, ...]:
        return tuple(tree for tree in (self.when, self.stay_while, self.fallback) if tree)

    @property
    def usual(self) -> tuple[str, ...]:
        """The texts of the `usual(p)` that its rules compare with."""
        found = (call for tree in self.trees for call in calls(tree))
        return tuple(str(call) for call in found if NAMES[call.name].usual)


@dataclass(frozen=True, slots=True)
class Field:
    """A field ready to be worked out."""

    name: str
    describe: str
    value: Node
    value_text: str

    @property
    def type(self) -> FieldType:
        """What the e-mail service has to keep."""
        match self.value.kind:
            case Kind.DATE:
                return "date"
            case Kind.TEXT:
                return "text"
        return "number"


@dataclass(frozen=True, slots=True)
class Moment:
    """What is announced once: an order, a cart that was left, or that a person joins or leaves `segment`.

    `settle`: so many seconds after it happened it has to be true still.
    """

    name: str
    event: str
    on: Occasion
    settle: int
    segment: str | None = None

    @property
    def occasion(self) -> str:
        """What it waits for, in one text: `join lapsed`."""
        return f"{self.on} {self.segment}" if self.segment else self.on


class Reading:
    """Reads one spec after the other; `problems` are all that was wrong, each with its place in the file."""

    def __init__(self, segments: Collection[str]) -> None:
        self.problems: list[str] = []
        self._segments = segments

    def segment(self, name: str, spec: SegmentSpec) -> Segment | None:
        """The segment, None where its rule is wrong."""
        where = f"segments.{name}"
        tag = name if spec.tag is None else spec.tag
        if not _NAME.fullmatch(name):
            self._problem(where, "a segment's name is up to 50 lower-case letters, digits and hyphens")
        if not tag or tag != tag.strip():
            self._problem(f"{where}.tag", "a tag is not empty, and no space surrounds it")
        if not 0 <= spec.control < 100:
            self._problem(f"{where}.control", f"a share is from 0 to below 100 %, not {spec.control}")
        when = self._tree(f"{where}.when", parse_rule, spec.when)
        stay_while = None
        if spec.stay_while is not None:
            stay_while = self._tree(f"{where}.stay_while", parse_rule, spec.stay_while)
        fallback = None
        if spec.fallback is not None:
            fallback = self._tree(f"{where}.fallback", parse_rule, spec.fallback)
        if when is None:
            return None
        segment = Segment(
            name,
            tag,
            spec.describe,
            spec.control,
            when,
            spec.when,
            stay_while,
            spec.stay_while or "",
            settle=spec.settle or 0,
        )
        return self._with_fallback(segment, fallback, spec.fallback or "")

    def _with_fallback(self, segment: Segment, fallback: Node | None, text: str) -> Segment:
        """The segment with the rule that stands in; it has to be of use, and known whatever the history is."""
        if fallback is None:
            return segment
        where = f"segments.{segment.name}.fallback"
        if not segment.usual:
            self._problem(
                where, "it stands in while `usual(…)` is not known, and no rule of this segment asks for that"
            )
        if any(NAMES[call.name].usual for call in calls(fallback)):
            self._problem(where, "it stands in while `usual(…)` is not known, so it cannot ask for that itself")
        return replace(segment, fallback=fallback, fallback_text=text)

    def field(self, name: str, spec: FieldSpec) -> Field | None:
        """The field, None where its expression is wrong."""
        value = self._tree(f"fields.{name}.value", parse_value, spec.value)
        return Field(name, spec.describe, value, spec.value) if value else None

    def moment(self, name: str, spec: MomentSpec) -> Moment | None:
        """The moment, None where its occasion is wrong."""
        where = f"moments.{name}"
        if not _NAME.fullmatch(name):
            self._problem(where, "a moment's name is up to 50 lower-case letters, digits and hyphens")
        if not spec.event.strip():
            self._problem(f"{where}.event", "an event needs a name")
        match spec.on.split():
            case ["order" | "cart" as on]:
                return Moment(name, spec.event, on, _settle(on, spec))
            case ["join" | "leave" as on, segment]:
                if segment in self._segments:
                    return Moment(name, spec.event, on, _settle(on, spec), segment)
                problem = f"no segment is called '{segment}'{nearest(segment, self._segments)}"
            case [word, *_] if word not in SETTLE:
                problem = f"a moment is {_OCCASIONS}, not `{spec.on}`{nearest(word, SETTLE)}"
            case _:
                problem = f"a moment is {_OCCASIONS}, not `{spec.on}`"
        self._problem(f"{where}.on", problem)
        return None

    def _tree(self, where: str, parse: Callable[[str, Collection[str]], Node], text: str) -> Node | None:
        try:
            return parse(text, self._segments)
        except RuleError as err:
            self._problem(where, str(err))
            return None

    def _problem(self, where: str, problem: str) -> None:
        self.problems.append(f"{where}: {problem}")


_OCCASIONS = "`join SEGMENT`, `leave SEGMENT`, `order` or `cart`"


def _settle(on: Occasion, spec: MomentSpec) -> int:
    return SETTLE[on] if spec.settle is None else spec.settle
