"""When tags come if only so many may be set in a day: the counted drip against people who wait one by one."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from syncd.plan.drip import TAGGED, WAITING, Drip, drip

DAYS = 8
people_stay = st.tuples(st.integers(TAGGED, DAYS), st.integers(1, DAYS + 1)).filter(lambda stay: stay[0] < stay[1])


def one_by_one(stays: list[tuple[int, int]], most: int | None, today: int | None) -> Drip:
    """The same with a list of people."""
    queue: list[tuple[int, int]] = []
    bearing = [ends for began, ends in stays if began == TAGGED]
    told = Drip([], [], [])
    for day in range(DAYS + 1):
        told.removals.append(bearing.count(day))
        queue = sorted(s for s in [*queue, *(s for s in stays if s[0] == day)] if s[1] > day)
        room = most if day else today
        entering = queue if room is None else queue[:room]
        queue = queue[len(entering) :]
        bearing += [ends for _, ends in entering]
        told.entries.append(len(entering))
        told.waiting.append(len(queue))
    return told


@given(st.lists(people_stay, max_size=40), st.none() | st.integers(1, 5), st.none() | st.integers(0, 5))
def test_it_is_what_becomes_of_people_who_wait_one_by_one(
    stays: list[tuple[int, int]], most: int | None, today: int | None
) -> None:
    assert drip(Counter(stays), DAYS, most, today) == one_by_one(stays, most, today)


def test_who_leaves_while_waiting_never_enters() -> None:
    # Five wait since before, two may enter today and one a day after; three of them leave on day 2.
    told = drip(Counter({(WAITING, 2): 3, (WAITING, 9): 2, (TAGGED, 1): 4}), 4, 1, 2)
    assert told == Drip(entries=[2, 1, 1, 1, 0], removals=[0, 4, 3, 0, 0], waiting=[3, 2, 1, 0, 0])


def test_without_a_limit_everybody_enters_on_the_day_of_joining() -> None:
    assert drip(Counter({(1, 3): 700, (2, 9): 5}), 3, None, None) == Drip([0, 700, 5, 0], [0, 0, 0, 700], [0, 0, 0, 0])
