"""Desired against known: the steps of a plan, sorted, counted, and named by a digest of their content."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

FieldValue = str | int | float


@dataclass(frozen=True, slots=True)
class Standing:
    """What is wanted for one person, and what the service confirmed. Tags are bit sets, fields JSON texts."""

    customer_id: int
    email: str
    member: bool
    wanted_tags: int
    known_tags: int
    wanted_fields: str
    known_fields: str


@dataclass(frozen=True, slots=True, order=True)
class Step:
    """What is to be written for one person: tags to add and to remove (bit sets), whether to set fields."""

    email: str
    customer_id: int
    add: int = 0
    remove: int = 0
    set_fields: bool = False
    create: bool = False

    def __bool__(self) -> bool:
        return bool(self.add or self.remove or self.set_fields or self.create)


@dataclass(frozen=True, slots=True)
class Tags:
    """The tags that syncd owns in an audience: {segment: bit}, in the order of the playbook."""

    bits: Mapping[str, int]
    names: Mapping[str, str]

    def owned(self) -> int:
        """All of them, as a bit set."""
        return sum(1 << bit for bit in self.bits.values())


@dataclass(frozen=True, slots=True)
class Plan:
    """What would be written to one audience: the same value for `syncd plan` and for the real run.

    `muted`: automations that wait for a tag stay silent. `waiting` counts, by segment, the people
    whose entry comes on a later day because of the day's budget.
    """

    id: str
    audience: str
    muted: bool
    steps: tuple[Step, ...]
    counts: Mapping[str, int]
    segments: tuple[tuple[str, int, int], ...]
    waiting: Mapping[str, int]
    reasons: tuple[str, ...] = ()

    def summary(self) -> dict[str, Any]:
        """The plan without its steps, as DESIGN §9 shows it."""
        return {
            "id": self.id,
            "audience": self.audience,
            "held": bool(self.reasons),
            "reasons": list(self.reasons),
            "muted": self.muted,
            "counts": dict(self.counts),
            "segments": [{"name": name, "add": add, "remove": remove} for name, add, remove in self.segments],
            "waiting": dict(self.waiting),
        }


def step_for(standing: Standing) -> Step:
    """The step that turns known into wanted; false where nothing differs."""
    return Step(
        email=standing.email,
        customer_id=standing.customer_id,
        add=standing.wanted_tags & ~standing.known_tags,
        remove=standing.known_tags & ~standing.wanted_tags,
        set_fields=standing.wanted_fields != standing.known_fields,
        create=not standing.member,
    )


def fields_to_set(wanted: str, known: str) -> dict[str, FieldValue]:
    """The fields whose value differs, with the value wanted; "" clears a field that is no longer wanted."""
    want: dict[str, FieldValue] = json.loads(wanted or "{}")
    have: dict[str, FieldValue] = json.loads(known or "{}")
    return {name: want.get(name, "") for name in sorted({*want, *have}) if want.get(name, "") != have.get(name, "")}


def make_plan(
    audience: str,
    standings: Iterable[Standing],
    tags: Tags,
    *,
    muted: bool,
    room: Mapping[int, int] | None = None,
    joined: Mapping[tuple[int, int], int] | None = None,
) -> Plan:
    """The plan for these people.

    `room` is how many may still enter each tag today ({bit: people}; None: no limit). Those who joined
    first ({(customer, bit): instant} in `joined`) enter first; the others wait, and are counted.
    """
    steps = [step for step in map(step_for, standings) if step]
    waiting = {} if room is None else _keep_within(steps, room, joined or {})
    steps = sorted(filter(None, steps))
    segments = tuple(
        (name, add, remove)
        for name, bit in tags.bits.items()
        if (add := sum(s.add >> bit & 1 for s in steps)) | (remove := sum(s.remove >> bit & 1 for s in steps))
    )
    counts = {
        "tag_add": sum(step.add.bit_count() for step in steps),
        "tag_remove": sum(step.remove.bit_count() for step in steps),
        "field_set": sum(step.set_fields for step in steps),
        "member_create": sum(step.create for step in steps),
        "event": 0,
    }
    return Plan(
        id=_digest(audience, muted, steps),
        audience=audience,
        muted=muted,
        steps=tuple(steps),
        counts=counts,
        segments=segments,
        waiting={name: waiting[bit] for name, bit in tags.bits.items() if waiting.get(bit)},
    )


def _keep_within(steps: list[Step], room: Mapping[int, int], joined: Mapping[tuple[int, int], int]) -> dict[int, int]:
    """Afterwards no tag gains more people than its room; returns how many wait, by bit."""
    waiting = {}
    for bit, places in room.items():
        entering = [at for at, step in enumerate(steps) if step.add >> bit & 1]
        entering.sort(key=lambda at: (joined.get((steps[at].customer_id, bit), 0), steps[at].email))
        for at in entering[max(places, 0) :]:
            steps[at] = _without(steps[at], bit)
        if len(entering) > places:
            waiting[bit] = len(entering) - max(places, 0)
    return waiting


def _without(step: Step, bit: int) -> Step:
    # A newcomer who may not get a tag today comes with the tags that have room, or with none.
    return Step(step.email, step.customer_id, step.add & ~(1 << bit), step.remove, step.set_fields, step.create)


def _digest(audience: str, muted: bool, steps: Iterable[Step]) -> str:
    content = sha256(f"{audience}\0{muted}".encode())
    for step in steps:
        content.update(f"{step.customer_id},{step.add},{step.remove},{step.set_fields},{step.create};".encode())
    return content.hexdigest()[:10]
