"""Desired against known: the steps of a plan, sorted, counted, and named by a digest of their content."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from syncd.calendar import date_of

FieldValue = str | int | float

# What can become of a contact itself.
CONTACT_STEPS = ("archive", "rename")
# Whoever has not joined yet, by what is stored, joins last.
NOT_YET = 2**63


class Occasion(Struct, frozen=True, order=True):
    """Something that happened and is to be announced once: what moment it is one of, and which."""

    due_at: int
    moment: str
    episode: str


class Standing(Struct, frozen=True):
    """What is wanted for one person, and what the service confirmed. Tags are bit sets, fields JSON texts.

    `leaving`: what becomes of the contact of somebody who is gone from the shops: "strip" (of tags and
    fields, which shows in what is wanted), "archive" or "rename". `hears`: a subscriber whom the service does not
    refuse, and who is not leaving. `occasions`: what is to be announced now.
    """

    customer_id: int
    email: str
    member: bool
    wanted_tags: int
    known_tags: int
    wanted_fields: str
    known_fields: str
    leaving: str = ""
    hears: bool = False
    occasions: tuple[Occasion, ...] = ()


class Step(Struct, frozen=True, order=True):
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
        return tuple(self.names[bit] for bit in bits_in(bit_set) if bit in self.names)


class Bill(NamedTuple):
    """The contacts that the service bills now and after a plan, and how many the account's own plan includes."""

    now: int
    after: int
    limit: int | None


@dataclass(frozen=True, slots=True)
class Plan:
    """What would be written to one audience: the same value for `syncd plan` and for the real run.

    `muted`: automations that wait for a tag stay silent. `waiting` counts, by segment, the people
    whose entry comes on a later day because of the day's budget. `moments`: of each how many occasions
    are announced, and how many wait for that budget. `bill`: only where the service was asked.
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
    bill: Bill | None = None

    def billed(self, now: int, limit: int | None) -> Bill:
        """The contacts that the service bills, where it is so many now: who is created comes on top, at the latest
        once the opt-in is confirmed, and who is archived costs nothing.
        """
        return Bill(now, now + self.counts["member_create"] - self.counts["member_archive"], limit)

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
            "contacts": self.bill._asdict() if self.bill else None,
        }


def bits_in(bit_set: int) -> Iterator[int]:
    """The numbers of the bits that are set, ascending."""
    while bit_set:
        low = bit_set & -bit_set
        yield low.bit_length() - 1
        bit_set ^= low


def people_by_bit(bit_sets: Iterable[int]) -> Counter[int]:
    """How many of these bit sets hold each bit. Equal ones, of which there are many, are taken apart once."""
    people: Counter[int] = Counter()
    for bit_set, count in Counter(bit_sets).items():
        for bit in bits_in(bit_set):
            people[bit] += count
    return people


def step_for(standing: Standing) -> Step:
    """The step that turns known into wanted; false where nothing differs."""
    add, remove = standing.wanted_tags & ~standing.known_tags, standing.known_tags & ~standing.wanted_tags
    set_fields = standing.wanted_fields != standing.known_fields
    leaving = standing.leaving if standing.member and standing.leaving in CONTACT_STEPS else ""
    differs = bool(add or remove or set_fields or leaving or standing.occasions)
    create = differs and not standing.member
    return Step(standing.email, standing.customer_id, add, remove, set_fields, create, leaving, standing.occasions)


def fields_to_set(wanted: str, known: str) -> dict[str, FieldValue]:
    """The fields whose value differs, with the value wanted; "" clears a field that is no longer wanted."""
    want: dict[str, FieldValue] = msgspec.json.decode(wanted or "{}")
    have: dict[str, FieldValue] = msgspec.json.decode(known or "{}")
    return {name: want.get(name, "") for name in sorted({*want, *have}) if want.get(name, "") != have.get(name, "")}


# Since when these customers are in the segments of these bits: {(customer, bit): instant}.
Joined = Callable[[Collection[int], Collection[int]], Mapping[tuple[int, int], int]]


def make_plan(
    audience: str,
    standings: Iterable[Standing],
    tags: Tags,
    *,
    day: int,
    muted: bool,
    room: Mapping[int, int] | None = None,
    joined: Joined = lambda customers, bits: {},
    moment_room: Mapping[str, int] | None = None,
) -> Plan:
    """The plan for these people on a local day.

    `room` is how many may still enter each tag today ({bit: people}; None: no limit). Those who joined
    first (see `Joined`) enter first; the others wait, and are counted. `moment_room`: the same for what is
    announced of each moment; what is due longest comes first.
    """
    steps = [step for step in map(step_for, standings) if step]
    steps, waiting = _kept_within(steps, room or {}, joined)
    occasions = Counter(one.moment for step in steps for one in step.occasions)
    if moment_room is not None:
        steps = _announced_within(steps, moment_room)
    steps = sorted(filter(None, steps))
    added, removed = people_by_bit(step.add for step in steps), people_by_bit(step.remove for step in steps)
    announced = Counter(one.moment for step in steps for one in step.occasions)
    leaving = Counter(step.leaving for step in steps)
    counts = {
        "tag_add": added.total(),
        "tag_remove": removed.total(),
        "field_set": sum(step.set_fields for step in steps),
        "member_create": sum(step.create for step in steps),
        "member_rename": leaving["rename"],
        "member_archive": leaving["archive"],
        "event": announced.total(),
    }
    in_use = set(tags.bits.values())
    return Plan(
        id=_digest(audience, day, muted, steps),
        audience=audience,
        day=day,
        muted=muted,
        steps=tuple(steps),
        counts=counts,
        segments=tuple(
            (tags.segments[bit], added[bit], removed[bit])
            for bit in sorted(tags.names, key=lambda bit: (bit not in in_use, bit))
            if added[bit] or removed[bit]
        ),
        waiting={tags.segments[bit]: count for bit, count in waiting.items()},
        moments=tuple((name, announced[name], occasions[name] - announced[name]) for name in sorted(occasions)),
    )


def _announced_within(steps: Iterable[Step], room: Mapping[str, int]) -> list[Step]:
    """The steps, with no more occasions of a moment than it has room for."""
    steps, left, late = list(steps), Counter(room), set()
    for one in sorted(one for step in steps for one in step.occasions):
        left[one.moment] -= 1
        if left[one.moment] < 0:
            late.add(one.episode)
    return [
        replace(step, occasions=tuple(one for one in step.occasions if one.episode not in late))
        if any(one.episode in late for one in step.occasions)
        else step
        for step in steps
    ]


def _kept_within(steps: list[Step], room: Mapping[int, int], joined: Joined) -> tuple[list[Step], dict[int, int]]:
    """The steps, by which no tag gains more people than its room; and how many wait, by bit."""
    gaining = people_by_bit(step.add for step in steps)
    waiting = {bit: gaining[bit] - places for bit, places in room.items() if gaining[bit] > places}
    if not waiting:
        return steps, {}
    full = sum(1 << bit for bit in waiting)
    entering: dict[int, list[Step]] = defaultdict(list)
    for step in steps:
        for bit in bits_in(step.add & full):
            entering[bit].append(step)
    since = joined([step.customer_id for step in steps if step.add & full], waiting)
    withheld: Counter[int] = Counter()
    for bit, of_bit in entering.items():
        of_bit.sort(key=lambda step: (since.get((step.customer_id, bit), NOT_YET), step.email))
        for step in of_bit[room[bit] :]:
            withheld[step.customer_id] |= 1 << bit
    kept = [
        replace(step, add=step.add & ~withheld[step.customer_id]) if step.customer_id in withheld else step
        for step in steps
    ]
    return kept, waiting


def _digest(audience: str, day: int, muted: bool, steps: Iterable[Step]) -> str:
    """Ten signs that are others for another content."""
    content = sha256(f"{audience}\0{day}\0{muted}".encode())
    for step in steps:
        row = f"{step.customer_id},{step.add},{step.remove},{step.set_fields},{step.create},{step.leaving}"
        episodes = "".join(f",{one.episode}" for one in step.occasions) if step.occasions else ""
        content.update(f"{row}{episodes};".encode())
    return content.hexdigest()[:10]
