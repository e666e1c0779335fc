"""A rule replayed over the last 12 months: how many it would have held for, who would have joined, and how often.

Everybody is judged on each of those days, by the orders placed up to then and the audience's figures of that
day. What is known only as it is now, such as who is subscribed, counts as if it had always been so.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from syncd.calendar import date_of, midnight, months_before
from syncd.lifecycle import metrics
from syncd.lifecycle.columns import NO_DAY, Batch, Days, feed
from syncd.rules import TRIED, Buyers, Playbook, When, chances_in, chances_of, figures_over, rhythm_of, standings

MONTHS = 12


def replay(playbook: Playbook, everybody: Sequence[Batch], today: When) -> dict[str, Any]:
    """How many `TRIED` held for a year before `today` and after each month since, and how many joined in it.

    Who it held for on the first day has not joined.
    """
    marks = [months_before(today.day, months) for months in range(MONTHS, -1, -1)]
    days = [*_days(playbook, everybody, marks), today]
    customers, entries, subscribed = (np.zeros(len(days), np.int64) for _ in range(3))
    flaps = 0
    for batch in everybody:
        held = _held(playbook, batch, days)
        joined = held & ~np.concatenate([held[:1], held[:-1]])
        customers += held.sum(axis=1)
        entries += joined.sum(axis=1)
        subscribed += joined[:, batch.subscribed].sum(axis=1)
        flaps += int(np.count_nonzero(joined.sum(axis=0) > 1))
    at = np.array(marks) - marks[0]
    in_month = np.diff(np.cumsum(entries)[at], prepend=0)
    return {
        "history": [
            {"date": date_of(mark).isoformat(), "customers": size, "entries": joined}
            for mark, size, joined in zip(marks, customers[at].tolist(), in_month.tolist(), strict=True)
        ],
        "entries": int(entries.sum()),
        "entries_subscribed": int(subscribed.sum()),
        "flaps": flaps,
        "not_replayed": list(playbook.of_now),
    }


def _held(playbook: Playbook, batch: Batch, days: Sequence[When]) -> NDArray[np.bool_]:
    """For each day and customer whether the rule held. At first nobody is in a segment that stay_while could keep."""
    bits = {segment.name: bit for bit, segment in enumerate(playbook.segments)}
    batch = replace(batch, was_in=np.zeros(len(batch), np.int64))
    course = standings(playbook, batch, bits, days, _known_since(batch, days[-1].day))
    return np.array([segments >> bits[TRIED] & 1 == 1 for segments in course])


def _known_since(batch: Batch, today: int) -> Days:
    """The day of each customer's signup or first order, whichever was earlier; NO_DAY where there is neither."""
    first = metrics.first_day(batch, today)
    either = np.where(first == NO_DAY, batch.signup_day, first)
    return np.where(batch.signup_day == NO_DAY, either, np.minimum(batch.signup_day, either))


def _rhythm(playbook: Playbook, everybody: Sequence[Batch], day: int) -> dict[str, float | None]:
    """What would have been frozen for a month on that day."""
    if playbook.usual is None:
        return {}
    buyers = Buyers(playbook.usual, day)
    if chances_in(playbook.usual):
        feed(everybody, buyers)
    rhythm = rhythm_of(playbook.usual, lambda: everybody, day)
    return rhythm | chances_of(playbook.usual, buyers, day, rhythm)


def _days(playbook: Playbook, everybody: Sequence[Batch], marks: Sequence[int]) -> Iterator[When]:
    """Each day from the first mark up to the last, judged at its last second by the figures of that day."""
    zone = everybody[0].zone
    for begin, end in pairwise(marks):
        rhythm = _rhythm(playbook, everybody, begin)
        for day in range(begin, end):
            figures = figures_over(playbook.figures, everybody, day, rhythm) | rhythm
            yield When(day, midnight(day + 1, zone) - 1, figures)
