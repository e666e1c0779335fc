"""`lifecycle.toml`: the rules as a marketer writes them, handed to syncd.rules as a Playbook.

Knows the shape of the file and the limits that the e-mail service sets on names; what a rule means and
whether it is one is for syncd.rules to say.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field, ValidationError

from syncd.errors import UserError
from syncd.settings.document import Document, read
from syncd.settings.durations import Delay
from syncd.settings.problems import Problem, Table, problems_of, user_error

if TYPE_CHECKING:
    from syncd.rules import Playbook

# A bit set over segments is one signed 64-bit column of the history.
SEGMENTS_MAX = 62
TAG_LENGTH_MAX = 50
EVENT_LENGTH_MIN, EVENT_LENGTH_MAX = 2, 30


class Segment(Table):
    """`[segments.NAME]`: who is in, said once for machines and once for people."""

    when: str
    describe: str = ""
    stay_while: str | None = None
    fallback: str | None = None
    settle: Delay | None = None
    tag: str | None = None
    control: float = 0


class MergeField(Table):
    """`[fields.NAME]`: a value of each customer that the e-mail service shall have."""

    value: str
    describe: str = ""


class Moment(Table):
    """`[moments.NAME]`: a happening, and the event that announces it."""

    on: str
    event: str
    settle: Delay | None = None


class Lifecycle(Table):
    """The whole of `lifecycle.toml`."""

    segments: dict[str, Segment] = Field(default_factory=dict)
    fields: dict[str, MergeField] = Field(default_factory=dict)
    moments: dict[str, Moment] = Field(default_factory=dict)


def read_playbook(lifecycle: Path | dict[str, Any] | Document, currency: str, tag_prefix: str) -> Playbook:
    """The playbook in a file, or in a table that was embedded in the configuration.

    Raises: UserError with everything that is wrong, each at its line.
    """
    match lifecycle:
        case Document():
            document = lifecycle
        case Path():
            document = read(lifecycle)
        case _:
            document = Document(Path("lifecycle"), lifecycle, {})
    try:
        tables = Lifecycle.model_validate(document.data)
    except ValidationError as err:
        raise user_error(document, problems_of(err, Lifecycle)) from None
    return _load(document, tables, currency, list(_problems(tables, tag_prefix)))


def _load(document: Document, tables: Lifecycle, currency: str, problems: list[Problem]) -> Playbook:
    from syncd.rules import FieldSpec, MomentSpec, Playbook, SegmentSpec

    segments = {name: SegmentSpec(**table.model_dump()) for name, table in tables.segments.items()}
    fields = {name: FieldSpec(**table.model_dump()) for name, table in tables.fields.items()}
    moments = {name: MomentSpec(**table.model_dump()) for name, table in tables.moments.items()}
    try:
        playbook = Playbook.load(segments, fields, moments, currency=currency)
    except UserError as err:
        raise user_error(document, [*problems, *map(_with_key, err.problems)]) from None
    if problems:
        raise user_error(document, problems)
    return playbook


def _with_key(problem: str) -> Problem:
    """`segments.loyal.when: …` taken apart, so that its line can be found."""
    found = re.match(r"((?:segments|fields|moments)(?:\.[^.:\s]+)*): ", problem)
    return (tuple(found[1].split(".")), problem[found.end() :]) if found else ((), problem)


def _problems(tables: Lifecycle, tag_prefix: str) -> Iterator[Problem]:
    """What the history has no room for, or the e-mail service would not take, whatever the rules say."""
    if len(tables.segments) > SEGMENTS_MAX:
        yield ("segments",), f"{len(tables.segments)} segments; there can be {SEGMENTS_MAX} at most"
    for name, segment in tables.segments.items():
        tag = tag_prefix + (name if segment.tag is None else segment.tag)
        key = ("segments", name, "tag")
        if not tag.isprintable():
            yield key, "a tag has only characters that can be seen"
        if len(tag) > TAG_LENGTH_MAX:
            yield key, f"with its prefix the tag has {len(tag)} characters; {TAG_LENGTH_MAX} is the most"
    for name in tables.fields:
        if not re.fullmatch(r"[A-Z0-9_]{1,10}", name, re.ASCII):
            yield ("fields", name), "a field's name has up to 10 characters: A-Z, 0-9 and _"
    for name, moment in tables.moments.items():
        if not EVENT_LENGTH_MIN <= len(moment.event) <= EVENT_LENGTH_MAX or not moment.event.isprintable():
            key = ("moments", name, "event")
            yield key, f"an event's name has {EVENT_LENGTH_MIN} to {EVENT_LENGTH_MAX} characters that can be seen"
