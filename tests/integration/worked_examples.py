"""The table of docs/examples.md, read: what happens to a person, and from when until when they are in a segment.

Days and hours are those of the zone in which the table is played. What has no hour happens at noon; a change
that nobody causes happens at midnight.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from syncd.calendar import day_of, midnight

TABLE = Path(__file__).parents[2] / "docs" / "examples.md"
HOUR = 3_600


@dataclass(frozen=True)
class Time:
    """A day, an hour of it, or so many hours later, as written: `2026-03-28 22:00 + 3 hours`."""

    day: date
    clock: str = ""
    hours_later: int = 0

    @classmethod
    def read(cls, text: str) -> Time:
        found = re.fullmatch(r"(\d{4}-\d\d-\d\d)(?: (\d\d:\d\d))?(?: \+ (\d+) hours?)?", text)
        assert found, f"{text!r} is no time"
        return cls(date.fromisoformat(found[1]), found[2] or "", int(found[3] or 0))

    def at(self, zone: str, otherwise: str = "") -> int:
        """The instant; without an hour the first of its day, or `otherwise`."""
        clock = self.clock or otherwise
        if not clock:
            return midnight(day_of(self.day), zone)
        wall = datetime.fromisoformat(f"{self.day} {clock}").replace(tzinfo=ZoneInfo(zone))
        return int(wall.timestamp()) + self.hours_later * HOUR


@dataclass(frozen=True)
class Event:
    """Something that happens to the person: `2026-03-01 buys 120 of Tea`."""

    time: Time
    what: str

    @classmethod
    def read(cls, text: str) -> Event:
        found = re.fullmatch(r"(\d{4}-\d\d-\d\d(?: \d\d:\d\d)?) (.*)", text)
        assert found, f"{text!r} does not begin with a day"
        return cls(Time.read(found[1]), found[2])

    def at(self, zone: str) -> int:
        return self.time.at(zone, "12:00")


@dataclass(frozen=True)
class Stay:
    """From when until when somebody is in a segment; without an end they are in it still."""

    since: Time
    until: Time | None

    def span(self, zone: str, events: tuple[Event, ...]) -> tuple[int, int | None]:
        """Both as instants: on a day on which something happens, at the instant at which it does."""
        happened = {event.time.day: event.at(zone) for event in events}

        def instant(time: Time) -> int:
            return happened[time.day] if not time.clock and time.day in happened else time.at(zone)

        return instant(self.since), self.until and instant(self.until)


@dataclass(frozen=True)
class Example:
    """One row of the table."""

    segment: str
    shop: str
    events: tuple[Event, ...]
    stays: tuple[Stay, ...]


def examples() -> list[Example]:
    """The rows, in their order."""
    return list(_rows(TABLE.read_text("utf-8")))


def _rows(text: str) -> Iterator[Example]:
    for line in re.findall(r"^\| `.*\|$", text, re.MULTILINE):
        segment, shop, story, since, until = (cell.strip() for cell in line.strip("|").split("|"))
        ends = [None if each == "–" else Time.read(each) for each in until.split("; ")]
        stays = [Stay(Time.read(begin), end) for begin, end in zip(since.split("; "), ends, strict=True)]
        yield Example(segment.strip("`"), shop, tuple(map(Event.read, story.split("; "))), tuple(stays))
