"""Reading ahead changes neither order nor content, and holds few items."""

from __future__ import annotations

import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.errors import TransientError
from syncd.sources._ahead import Turn, ahead, at_once


@given(st.lists(st.lists(st.integers(), max_size=20), max_size=20), st.integers(1, 4), st.integers(1, 5))
def test_reading_ahead_gives_the_same_in_the_same_order(lists, workers, depth):
    assert list(ahead(map(iter, lists), workers, most=depth)) == [item for items in lists for item in items]


def test_reading_ahead_works_on_several_chains_at_once():
    together = threading.Barrier(3, timeout=10)

    def chain(n):
        together.wait()
        yield n

    assert list(ahead(map(chain, range(3)), 3, most=1)) == [0, 1, 2]


def test_few_items_wait_and_the_chain_whose_turn_it_is_never_waits_for_another():
    made = []
    all_wait = threading.Event()

    def first():
        assert all_wait.wait(10)
        yield from range(3)

    def other():
        for n in range(100):
            made.append(n)
            yield n

    items = ahead([first(), other(), other(), other()], 3, most=4)
    # Those behind the first fill all the room that there is, before it gives anything.
    threading.Timer(0.3, all_wait.set).start()
    assert next(items) == 0
    assert len(made) <= 4 + 3
    assert len(list(items)) == 2 + 3 * 100


def test_a_fault_of_the_list_of_chains_comes_behind_those_that_it_gave():
    def chains():
        yield iter("ab")
        raise TransientError("no more")

    items = ahead(chains(), 2, most=1)
    assert [next(items), next(items)] == ["a", "b"]
    with pytest.raises(TransientError, match="no more"):
        next(items)


def test_things_that_are_made_at_once_keep_their_order():
    together = threading.Barrier(3, timeout=10)

    def make(n):
        together.wait()
        return -n

    with at_once(3) as each:
        assert list(each(make, [1, 2, 3])) == [-1, -2, -3]


def test_a_fault_comes_where_its_item_would_be():
    def chain(n):
        yield n
        if n == 1:
            raise TransientError("broken")

    items = ahead(map(chain, range(5)), 2, most=2)
    assert [next(items), next(items)] == [0, 1]
    with pytest.raises(TransientError, match="broken"):
        next(items)


def test_reading_ahead_ends_with_its_reader():
    made = []

    def chain():
        for n in range(10_000):
            made.append(n)
            yield n

    items = ahead([chain(), chain()], 2, most=2)
    assert next(items) == 0
    items.close()
    waited_until = time.monotonic() + 5
    while any(thread.name.startswith("pull") for thread in threading.enumerate()) and time.monotonic() < waited_until:
        time.sleep(0.01)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("pull")]
    assert len(made) < 20


def waits(turn: Turn) -> bool:
    """Whether somebody else would have to wait for the turn."""
    began = time.monotonic()
    with turn():
        return time.monotonic() - began > 0.05


def test_who_was_given_an_item_has_the_turn_until_they_ask_for_the_next_or_for_none() -> None:
    turn = Turn(0.1)
    items = ahead([iter("abc")], 1, most=1, turn=turn)
    assert (next(items), waits(turn)) == ("a", True)
    assert next(items) == "b"
    items.close()
    assert not waits(turn)


def test_a_reader_who_went_away_with_an_item_stops_nobody() -> None:
    turn = Turn(0.1)
    left = ahead([iter("abc")], 1, most=1, turn=turn)
    assert next(left) == "a"
    assert list(ahead([iter("abc"), iter("de")], 2, most=2, turn=turn)) == [*"abcde"]
    left.close()
