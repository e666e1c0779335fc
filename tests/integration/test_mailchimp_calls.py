"""Which people get a call of their own and which go by segments: pure, so tried on many sets."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from syncd.destinations._mailchimp_push import Person, _worth_a_call
from syncd.destinations._mailchimp_segments import calls_for
from syncd.model import Change

if TYPE_CHECKING:
    from collections.abc import Iterable

TAGS = st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=5, unique=True)
CROWDS = st.lists(st.tuples(TAGS, TAGS, st.integers(1, 900)), min_size=1, max_size=5)


def segment_calls(people: Iterable[Person]) -> int:
    """How many calls it takes to tag these people by segments."""
    counts = Counter((key, add) for person in people for key, (_, add) in person.tags.items())
    return sum(calls_for(counts[key, True], counts[key, False]) for key in {key for key, _ in counts})


def crowd(groups: list[tuple[list[str], list[str], int]]) -> list[Person]:
    """People in groups that share their tags."""
    return [
        Person(Change(f"{g}-{n}@shop.example", add=tuple(add), remove=tuple(remove)))
        for g, (add, remove, size) in enumerate(groups)
        for n in range(size)
    ]


@given(CROWDS, st.integers(0, 1))
def test_the_mixture_never_takes_more_calls_than_either_way_alone(
    groups: list[tuple[list[str], list[str], int]], listing: int
) -> None:
    people = crowd(groups)
    called = _worth_a_call(people, listing)
    rest = [person for person in people if person not in called]
    calls = len(called) + segment_calls(rest) + (listing if rest else 0)
    assert calls <= min(len(people), segment_calls(people) + listing)


@given(CROWDS)
def test_new_members_always_get_a_call_of_their_own(groups: list[tuple[list[str], list[str], int]]) -> None:
    people = crowd(groups)
    new = Person(Change("new@shop.example", add=("a",), create=True))
    assert new in _worth_a_call([*people, new], 0)
