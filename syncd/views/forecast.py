"""What will happen if nobody orders: who joins and leaves each segment day by day, and the tags that this means.

It counts people and remembers none, batch by batch, so it takes no more memory for more days or for a larger
audience.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from syncd.calendar import date_of, midnight
from syncd.errors import UserError
from syncd.history import ledger, outbox
from syncd.lifecycle.columns import Batch
from syncd.plan import Tags
from syncd.plan.brake import Excess, too_many_added
from syncd.plan.drip import TAGGED, WAITING, Drip, drip
from syncd.plan.want import Reach
from syncd.rules import When, standings
from syncd.steps.context import Context
from syncd.steps.figures import columns_of, figures_on, moment_in
from syncd.steps.judge import controls_of, reaches, stood
from syncd.views.common import tags_of

MAX_DAYS = 366
COUNTS = ("join", "leave", "tagged", "entries")

Bits = NDArray[np.int64]
# No stay: neither in the segment, nor to be counted.
_OUT = -2


@dataclass(frozen=True, slots=True, eq=False)
class Course:
    """What is foreseen of one segment. In the columns, place 0 is today, and who is in it then has joined there.

    `tagged` counts those of the joining who shall get the tag; `stays`: see `drip`, of those only.
    """

    join: NDArray[np.int64]
    leave: NDArray[np.int64]
    tagged: NDArray[np.int64]
    stays: Counter[tuple[int, int]]


def forecast(context: Context, name: str, today: int, days: int = 30) -> dict[str, Any]:
    """Who will join and leave each segment on each of the local days after `today` if nothing happens.

    The audience's figures stay as they are on `today`. On another day than the real one, everybody in a segment
    counts as tagged already. Raises: UserError where nobody is known, or for more days than can be looked ahead.
    """
    if not 1 <= days <= MAX_DAYS:
        raise UserError(f"a forecast is of 1 to {MAX_DAYS} days, not of {days:,}")
    tags, playbook = tags_of(context, name), context.settings.audiences[name].playbook
    courses = _courses(context, name, tags, today, days)
    drips = {segment: _drip(context, name, tags.bits[segment], c, today, days) for segment, c in courses.items()}
    held = _held(context, name, drips, days)
    listed = [_day(courses, drips, held, day, today) for day in range(1, days + 1)]
    return {
        "as_of": date_of(today).isoformat(),
        "audience": name,
        "max_entries_per_day": context.settings.audiences[name].max_entries_per_day,
        "frozen": bool(playbook.figures) or playbook.usual is not None,
        "days": listed,
        "weeks": blocks(listed, 7),
        "segments": [
            {
                "name": segment,
                "customers": int(course.join[0]),
                "customers_after": int(course.join.sum() - course.leave.sum()),
                **_sums([day["segments"][at] for day in listed]),
                "waiting": drips[segment].waiting[-1],
            }
            for at, (segment, course) in enumerate(courses.items())
        ],
        "busiest_day": _busiest(listed),
        "held_days": [day["date"] for day in listed if day["held"]],
    }


def blocks(days: Sequence[Mapping[str, Any]], length: int) -> list[dict[str, Any]]:
    """The days of a forecast put together, so many at a time; the last block may be shorter."""
    parts = [days[at : at + length] for at in range(0, len(days), length)]
    return [
        {
            "from": part[0]["date"],
            "to": part[-1]["date"],
            "segments": [
                {"name": first["name"], **_sums([day["segments"][at] for day in part])}
                for at, first in enumerate(part[0]["segments"])
            ],
        }
        for part in parts
    ]


def _sums(rows: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    return {key: sum(row[key] for row in rows) for key in COUNTS}


def _courses(context: Context, name: str, tags: Tags, today: int, days: int) -> dict[str, Course]:
    audience = context.settings.audiences[name]
    # Fields are texts of each customer, dear to make and nobody's movement.
    playbook = audience.playbook.only(tags.bits)
    figures = figures_on(context, name, today, playbook)
    ahead = [
        When(today, moment_in(context, audience, today), figures),
        *(When(today + day, midnight(today + day, audience.timezone), figures) for day in range(1, days + 1)),
    ]
    is_now = today == context.today(audience)
    known = ledger.tagged(context.history, name) if is_now else {}
    courses = {segment.name: _course(days) for segment in playbook.segments}
    people = 0
    for batch in columns_of(context, name, today, None, playbook.needs):
        people += len(batch)
        # Everything that the tag needs besides the segment; afterwards only the calendar moves.
        full = np.where(reaches(context, name, stood(context, name, batch)) == Reach.FULL, -1, 0)
        reached = full & ~controls_of(context, name, tags, batch.customer, full)
        bearing = _of(known, batch) if is_now else None
        stands = standings(playbook, batch, tags.bits, ahead)
        _follow(courses, tags.bits, stands, reached, bearing)
        context.report(f"{name}: looking ahead", len(batch))
    if not people:
        raise UserError(f"nobody is known in audience {name} yet", hint="run `syncd backfill` first")
    return courses


def _of(bit_sets: Mapping[int, int], batch: Batch) -> Bits:
    return np.array([bit_sets.get(id_, 0) for id_ in batch.customer.tolist()], np.int64)


def _course(days: int) -> Course:
    join, leave, tagged = (np.zeros(days + 1, np.int64) for _ in range(3))
    return Course(join, leave, tagged, Counter())


def _follow(
    courses: Mapping[str, Course],
    bits: Mapping[str, int],
    days: Iterable[Bits],
    reached: Bits,
    bearing: Bits | None,
) -> None:
    """The courses also hold what these customers do: `days` are their segments from today on.

    `bearing`: the tags they have; None: those of their segments.
    """
    first, *later = days
    began = {segment: _began(first, reached, bearing, bits[segment]) for segment in courses}
    for segment, course in courses.items():
        course.join[0] += np.count_nonzero(first >> bits[segment] & 1)
    for day, (before, after) in enumerate(pairwise([first, *later]), 1):
        movers = np.flatnonzero(before != after)
        moved = [sets[movers] for sets in (before, after, reached)]
        for segment, course in courses.items():
            _step(course, began[segment], day, movers, *(sets >> bits[segment] & 1 == 1 for sets in moved))
    for segment, course in courses.items():
        _end(course, began[segment], len(later) + 1)


def _began(inside: Bits, reached: Bits, bearing: Bits | None, bit: int) -> Bits:
    """When each customer's stay began as far as it counts for the tag."""
    counts = (inside & reached) >> bit & 1 == 1
    tagged = counts if bearing is None else bearing >> bit & 1 == 1
    return np.where(counts, np.where(tagged, TAGGED, WAITING), _OUT)


def _step(course: Course, began: Bits, day: int, movers: Bits, before: Any, after: Any, reached: Any) -> None:
    """One segment moves from one day to the next; the last three are of the `movers`, who are elsewhere now."""
    joined, left = after & ~before, before & ~after
    course.join[day] += np.count_nonzero(joined)
    course.leave[day] += np.count_nonzero(left)
    course.tagged[day] += np.count_nonzero(joined & reached)
    _end(course, began[movers[left]], day)
    began[movers[left]] = _OUT
    began[movers[joined & reached]] = day


def _end(course: Course, began: Bits, day: int) -> None:
    """These stays end on a day."""
    values, people = np.unique(began[began != _OUT], return_counts=True)
    for value, count in zip(values.tolist(), people.tolist(), strict=True):
        course.stays[value, day] += count


def _drip(context: Context, name: str, bit: int, course: Course, today: int, days: int) -> Drip:
    """When the tags come, by the day's budget. The first import knows none: its tags all come at once, muted."""
    audience = context.settings.audiences[name]
    most = audience.max_entries_per_day or None
    if most is None or ledger.audience_row(context.history, name)["backfilled_at"] is None:
        return drip(course.stays, days, most, None)
    entered = outbox.entered_since(context.history, name, midnight(today, audience.timezone))
    return drip(course.stays, days, most, max(0, most - entered.get(bit, 0)))


def _held(context: Context, name: str, drips: Mapping[str, Drip], days: int) -> dict[int, list[Excess]]:
    """For each day the brake's reasons to hold its plan, if those before were approved.

    What is removed because of the date alone it does not hold, and nothing else is foreseen.
    """
    limits = context.settings.audiences[name].brake.limits
    managed = ledger.managed_members(context.history, name)
    return {
        day: [
            excess
            for segment, each in drips.items()
            for excess in too_many_added(segment, each.entries[day], limits.additions(managed))
        ]
        for day in range(1, days + 1)
    }


def _day(
    courses: Mapping[str, Course], drips: Mapping[str, Drip], held: Mapping[int, list[Excess]], day: int, today: int
) -> dict[str, Any]:
    return {
        "date": date_of(today + day).isoformat(),
        "held": [str(excess) for excess in held[day]],
        "exceeds": [excess._asdict() for excess in held[day]],
        "segments": [
            {
                "name": segment,
                "join": int(course.join[day]),
                "leave": int(course.leave[day]),
                "tagged": int(course.tagged[day]),
                "entries": drips[segment].entries[day],
                "waiting": drips[segment].waiting[day],
            }
            for segment, course in courses.items()
        ],
    }


def _busiest(days: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """The first day on which the most tags come; None where none does."""
    entries = [sum(row["entries"] for row in day["segments"]) for day in days]
    most = max(entries)
    return {"date": days[entries.index(most)]["date"], "entries": most} if most else None
