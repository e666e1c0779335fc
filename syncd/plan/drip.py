"""Stays in a segment foreseen: on which days they get its tag when only so many may in a day, and lose it. Pure.

It counts people who are alike and knows none of them.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

# When a stay began, beside the number of the coming day on which it will.
TAGGED = -1  # before, and the tag is there
WAITING = 0  # before, and the tag is still to come


@dataclass(frozen=True, slots=True)
class Drip:
    """What happens to one tag, by day; place 0 is today, place 1 tomorrow.

    `waiting`: those who are in the segment at the day's end and shall get its tag on a later day.
    """

    entries: list[int]
    removals: list[int]
    waiting: list[int]


def drip(stays: Counter[tuple[int, int]], days: int, most: int | None, today: int | None) -> Drip:
    """What these stays mean for their tag over so many days, if at most `most` people get it in a day (None: all).

    `stays`: how many people stay from one day up to, not including, another one; who stays longer than is looked
    ahead leaves on day `days + 1`. `today`: how many may still enter today. Who joined first enters first, as in a
    plan; of those who joined on the same day, who leaves first: so the volume is rather too high than too low.
    """
    begun: dict[int, list[tuple[int, int]]] = {}
    for (began, ends), people in sorted(stays.items()):
        begun.setdefault(began, []).append((ends, people))
    leaving = Counter(dict(begun.get(TAGGED, [])))
    queue: list[tuple[int, int]] = []
    done = Drip([], [], [])
    for day in range(days + 1):
        queue = [stay for stay in queue if stay[0] > day] + begun.get(day, [])
        queue, entered = _enter(queue, most if day else today)
        leaving.update(entered)
        done.entries.append(entered.total())
        done.removals.append(leaving[day])
        done.waiting.append(sum(people for _, people in queue))
    return done


def _enter(queue: list[tuple[int, int]], room: int | None) -> tuple[list[tuple[int, int]], Counter[int]]:
    """Who goes on waiting, and how many enter, by the day on which they leave."""
    entered: Counter[int] = Counter()
    left = []
    for ends, people in queue:
        fit = people if room is None else min(people, room - entered.total())
        entered[ends] += fit
        if fit < people:
            left.append((ends, people - fit))
    return left, entered
