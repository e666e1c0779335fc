"""How few calls a push takes: the model that says so, and large random plans pushed to the counterpart by it."""

from __future__ import annotations

from collections import Counter
from itertools import count
from random import Random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.destinations._mailchimp_costs import fewest_calls, tags_of, worth_a_call
from syncd.destinations._mailchimp_segments import calls_for
from syncd.model import Change, Event
from syncd.plan import Left, Round, rounds_of
from tests.integration.mailchimp_world import Town

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

TAGS = st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=5, unique=True)
CROWDS = st.lists(st.tuples(TAGS, TAGS, st.integers(1, 900)), min_size=1, max_size=5)


def segment_calls(people: Iterable[Change]) -> int:
    """How many calls it takes to tag these people by segments."""
    counts = Counter((key, add) for person in people for key, (_, add) in tags_of(person).items())
    return sum(calls_for(counts[key, True], counts[key, False]) for key in {key for key, _ in counts})


def crowd(groups: list[tuple[list[str], list[str], int]]) -> dict[str, Change]:
    """People in groups that share their tags, by address."""
    people = [
        Change(f"{g}-{n}@shop.example", add=tuple(add), remove=tuple(remove))
        for g, (add, remove, size) in enumerate(groups)
        for n in range(size)
    ]
    return {change.email: change for change in people}


@given(CROWDS, st.integers(0, 1))
def test_the_mixture_never_takes_more_calls_than_either_way_alone(
    groups: list[tuple[list[str], list[str], int]], listing: int
) -> None:
    people = crowd(groups)
    called, calls = worth_a_call({email: tags_of(change) for email, change in people.items()}, listing)
    rest = [change for email, change in people.items() if email not in called]
    assert calls == len(called) + segment_calls(rest) + (listing if rest else 0)
    assert calls <= min(len(people), segment_calls(people.values()) + listing)


@pytest.mark.parametrize(
    ("changes", "calls"),
    [
        ([], 0),
        ([Change(f"{n}@x.example", add=("a", "b")) for n in range(2)], 2),
        ([Change(f"{n}@x.example", add=("a", "b")) for n in range(501)], 4),
        ([Change(f"{n}@x.example", add=("a",) if n % 2 else (), remove=("a",)) for n in range(20)], 1),
        ([Change(f"{n}@x.example", fields={"N": n}) for n in range(20)], 20),
        ([Change(f"{n}@x.example", fields={"N": n}) for n in range(1_001)], 2),
        ([Change(f"{n}@x.example", create=True, add=("a",)) for n in range(30)], 2),
        ([Change("a@x.example", fields={"N": 1}, add=("a",), events=(Event("e", "1"), Event("f", "2")))], 4),
        ([Change("a@x.example", archive=True, remove=("a",))], 2),
    ],
)
def test_the_fewest_calls_of_a_set_of_changes(changes: Sequence[Change], calls: int) -> None:
    assert fewest_calls(changes) == calls


@pytest.fixture(scope="module")
def running() -> Iterator[Town]:
    with Town() as town:
        yield town


NAMES = [f"t{n}" for n in range(12)]
PEOPLE = 2_600


def random_plan(random: Random, emails: Sequence[str]) -> dict[int, Change]:
    """Who gets and loses which of twelve tags, some common and some rare; some get fields, some are told something."""
    share = [random.choice((0.002, 0.02, 0.2, 0.7)) for _ in NAMES]
    with_fields, told = random.choice((0.0, 0.005, 0.5)), random.choice((0.0, 0.005, 0.1))
    number = count()
    plan = {}
    for email in emails:
        moved = [name for name, part in zip(NAMES, share, strict=True) if random.random() < part]
        add = tuple(name for name in moved if random.random() < 0.6)
        fields: dict[str, str | int | float] = {"N": 1} if random.random() < with_fields else {}
        events = (Event("hello", f"e-{email}"),) if random.random() < told else ()
        change = Change(email, add, tuple(name for name in moved if name not in add), fields, events=events)
        if moved or fields or events:
            plan[next(number)] = change
    return plan


def bits(names: Iterable[str]) -> int:
    return sum(1 << NAMES.index(name) for name in names)


def taken(waiting: dict[int, Change], id_: int, round_: Round) -> Change:
    """What of the change is sent in the round; the rest waits on."""
    change = waiting[id_]
    add, remove = ({name for name in names if round_.tags & bits([name])} for names in (change.add, change.remove))
    fields, events = change.fields if round_.fields else {}, change.events if round_.more else ()
    waiting[id_] = Change(
        change.email,
        tuple({*change.add} - add),
        tuple({*change.remove} - remove),
        {} if fields else change.fields,
        events=() if events else change.events,
    )
    return Change(change.email, tuple(add), tuple(remove), fields, events=events)


@pytest.mark.parametrize("seed", range(4))
def test_a_large_plan_takes_hardly_more_calls_than_the_fewest(running: Town, seed: int) -> None:
    running.fresh()
    emails = running.people(PEOPLE, tags=NAMES[::2])
    running.destination.prepare(NAMES, {"N": "number"})
    running.mark()
    plan = random_plan(Random(seed), emails)
    left = [
        Left(id_, bits(change.add), bits(change.remove), bool(change.fields), more=bool(change.events))
        for id_, change in plan.items()
    ]
    waiting = dict(plan)
    for round_ in rounds_of(left, running.destination.portions):
        now = [taken(waiting, id_, round_) for id_ in round_.ids]
        assert {outcome.result for outcome in running.push(*now).values()} == {"done"}
    calls = [path for path in running.paths() if not path.startswith("GET")]
    assert len(calls) <= 1.05 * fewest_calls(list(plan.values())) + 3
    for change in plan.values():
        tags = set(running.tags(change.email))
        assert tags == ({*NAMES[::2]} | {*change.add}) - {*change.remove}
