"""Desired against known: the steps of a plan, sorted, counted, and named by a digest of their content."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

from syncd.calendar import date_of

FieldValue = str | int | float

# What can become of a contact itself.
CONTACT_STEPS = ("archive", "rename")


@dataclass(frozen=True, slots=True, order=True)
class Occasion:
    """Something that happened and is to be announced once: what moment it is one of, and which."""

    due_at: int
    moment: str
    episode: str


@dataclass(frozen=True, slots=True)
class Standing:
    """What is wanted for one person, and what the service confirmed. Tags are bit sets, fields JSON texts.

    `leaving`: what becomes of the contact of somebody who is gone from the shops: "strip" (of tags and
    fields, which shows in what is wanted), "archive" or "rename". `occasions`: what is to be announced now.
    """

    customer_id: int
    email: str
    member: bool
    wanted_tags: int
    known_tags: int
    wanted_fields: str
    known_fields: str
    leaving: str = ""
    occasions: tuple[Occasion, ...] = ()


@dataclass(frozen=True, slots=True, order=True)
class Step:
    """What is to be written for one person: tags to add and to remove (bit sets), whether to set fields.

    `leaving`: "archive" or "rename", if that is to be done with the contact itself. `occasions` are announced,
    after all else.
    """

    email: str
    customer_id: int
    add: int = 0
    remove: int = 0
    set_fields: bool = False
    create: bool = False
    leaving: str = ""
    occasions: tuple[Occasion, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.add or self.remove or self.set_fields or self.create or self.leaving or self.occasions)


@dataclass(frozen=True, slots=True)
class Tags:
    """The tags that syncd owns in an audience. Bits of segments that left the playbook keep their names.

    `bits`: {segment in use: bit}, in the order of the playbook; `names`: {bit: the tag's full name};
    `segments`: {bit: the segment's name}.
    """

    bits: Mapping[str, int]
    names: Mapping[int, str]
    segments: Mapping[int, str]

    def named(self, bit_set: int) -> tuple[str, ...]:
        """The full names of the tags in a bit set, in the order of their bits."""
        return tuple(name for bit, name in sorted(self.names.items()) if bit_set >> bit & 1)


@dataclass(frozen=True, slots=True)
class Plan:
    """What would be written to one audience: the same value for `syncd plan` and for the real run.

    `muted`: automations that wait for a tag stay silent. `waiting` counts, by segment, the people
    whose entry comes on a later day because of the day's budget. `moments`: of each how many occasions
    are announced, and how many wait for that budget.
    """

    id: str
    audience: str
    day: int
    muted: bool
    steps: tuple[Step, ...]
    counts: Mapping[str, int]
    segments: tuple[tuple[str, int, int], ...]
    waiting: Mapping[str, int]
    moments: tuple[tuple[str, int, int], ...] = ()
    reasons: tuple[str, ...] = ()

    def summary(self) -> dict[str, Any]:
        """The plan without its steps, as DESIGN §9 shows it."""
        return {
            "id": self.id,
            "audience": self.audience,
            "as_of": date_of(self.day).isoformat(),
            "held": bool(self.reasons),
            "reasons": list(self.reasons),
            "muted": self.muted,
            "counts": dict(self.counts),
            "segments": [{"name": name, "add": add, "remove": remove} for name, add, remove in self.segments],
            "waiting": dict(self.waiting),
            "moments": [{"name": name, "announce": now, "waiting": later} for name, now, later in self.moments],
        }


def step_for(standing: Standing) -> Step:
    """The step that turns known into wanted; false where nothing differs."""
    step = Step(
        email=standing.email,
        customer_id=standing.customer_id,
        add=standing.wanted_tags & ~standing.known_tags,
        remove=standing.known_tags & ~standing.wanted_tags,
        set_fields=standing.wanted_fields != standing.known_fields,
        leaving=standing.leaving if standing.member and standing.leaving in CONTACT_STEPS else "",
        occasions=standing.occasions,
    )
    return replace(step, create=True) if step and not standing.member else step


def fields_to_set(wanted: str, known: str) -> dict[str, FieldValue]:
    """The fields whose value differs, with the value wanted; "" clears a field that is no longer wanted."""
    want: dict[str, FieldValue] = json.loads(wanted or "{}")
    have: dict[str, FieldValue] = json.loads(known or "{}")
    return {name: want.get(name, "") for name in sorted({*want, *have}) if want.get(name, "") != have.get(name, "")}


# Since when each of these customers is in the segment of a bit.
Joined = Callable[[int, Sequence[int]], Mapping[int, int]]


def make_plan(
    audience: str,
    standings: Iterable[Standing],
    tags: Tags,
    *,
    day: int,
    muted: bool,
    room: Mapping[int, int] | None = None,
    joined: Joined = lambda bit, customers: {},
    moment_room: Mapping[str, int] | None = None,
) -> Plan:
    """The plan for these people on a local day.

    `room` is how many may still enter each tag today ({bit: people}; None: no limit). Those who joined
    first (`joined(bit, customers)` gives {customer: instant}) enter first; the others wait, and are counted.
    `moment_room`: the same for what is announced of each moment; what is due longest comes first.
    """
    steps = [step for step in map(step_for, standings) if step]
    waiting = {} if room is None else _keep_within(steps, room, joined)
    occasions = Counter(one.moment for step in steps for one in step.occasions)
    if moment_room is not None:
        _announce_within(steps, moment_room)
    steps = sorted(filter(None, steps))
    segments = tuple(
        (tags.segments[bit], add, remove)
        for bit in sorted(tags.names, key=lambda bit: (bit not in tags.bits.values(), bit))
        if (add := sum(s.add >> bit & 1 for s in steps)) | (remove := sum(s.remove >> bit & 1 for s in steps))
    )
    counts = {
        "tag_add": sum(step.add.bit_count() for step in steps),
        "tag_remove": sum(step.remove.bit_count() for step in steps),
        "field_set": sum(step.set_fields for step in steps),
        "member_create": sum(step.create for step in steps),
        "member_rename": sum(step.leaving == "rename" for step in steps),
        "member_archive": sum(step.leaving == "archive" for step in steps),
        "event": sum(len(step.occasions) for step in steps),
    }
    announced = Counter(one.moment for step in steps for one in step.occasions)
    return Plan(
        id=_digest(audience, day, muted, steps),
        audience=audience,
        day=day,
        muted=muted,
        steps=tuple(steps),
        counts=counts,
        segments=segments,
        waiting={tags.segments[bit]: count for bit, count in waiting.items()},
        moments=tuple((name, announced[name], occasions[name] - announced[name]) for name in sorted(occasions)),
    )


def _announce_within(steps: list[Step], room: Mapping[str, int]) -> None:
    """Afterwards no more occasions of a moment are announced than it has room for."""
    left = Counter(room)
    kept = set()
    for one in sorted(one for step in steps for one in step.occasions):
        if left[one.moment] > 0:
            left[one.moment] -= 1
            kept.add(one.episode)
    for at, step in enumerate(steps):
        if step.occasions:
            steps[at] = replace(step, occasions=tuple(one for one in step.occasions if one.episode in kept))


def _keep_within(steps: list[Step], room: Mapping[int, int], joined: Joined) -> dict[int, int]:
    """Afterwards no tag gains more people than its room; returns how many wait, by bit."""
    waiting = {}
    for bit, places in room.items():
        entering = [at for at, step in enumerate(steps) if step.add >> bit & 1]
        if len(entering) <= places:
            continue
        since = joined(bit, [steps[at].customer_id for at in entering])
        entering.sort(key=lambda at: (since.get(steps[at].customer_id, 0), steps[at].email))
        for at in entering[places:]:
            steps[at] = replace(steps[at], add=steps[at].add & ~(1 << bit))
        waiting[bit] = len(entering) - places
    return waiting


def _digest(audience: str, day: int, muted: bool, steps: Iterable[Step]) -> str:
    content = sha256(f"{audience}\0{day}\0{muted}".encode())
    for step in steps:
        row = (step.customer_id, step.add, step.remove, step.set_fields, step.create, step.leaving)
        episodes = (one.episode for one in step.occasions)
        content.update(f"{','.join(map(str, (*row, *episodes)))};".encode())
    return content.hexdigest()[:10]
