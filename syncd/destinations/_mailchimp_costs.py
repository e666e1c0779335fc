"""How many calls it takes to write to Mailchimp, and which way takes the fewest. Pure.

A segment takes 500 people into one tag, and as many out of it, with one call; a batch a thousand operations of one
member each; a member's own call all tags of that member.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, TypeVar

from syncd.destinations._mailchimp_operations import BATCH_OPERATIONS
from syncd.destinations._mailchimp_segments import calls_for, tag_key

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from syncd.model import Change

    Tags = Mapping[str, tuple[str, bool]]

P = TypeVar("P")

# Up to here calls of their own are over sooner than a batch.
CALLS_AT_MOST = 20


def tags_of(change: Change) -> Tags:
    """{key: (name, whether to add)}; each tag once, and taking away wins."""
    wanted = {tag_key(name): (name, True) for name in change.add}
    return wanted | {tag_key(name): (name, False) for name in change.remove}


def operation_calls(operations: int) -> int:
    """How many calls it takes to do so many operations of one member each."""
    return operations if operations <= CALLS_AT_MOST else -(-operations // BATCH_OPERATIONS)


def worth_a_call(people: Mapping[P, Tags], listing_calls: int) -> tuple[dict[P, None], int]:
    """Those whose tags take fewer calls when each of them gets one, the rest going by segments; and all calls.

    Rare tags make a segment call dear and common ones make it cheap, so the people of the k rarest
    tags are called, for the k that takes the fewest calls in all.
    """
    bearers: dict[str, list[P]] = defaultdict(list)
    for person, tags in people.items():
        for key in tags:
            bearers[key].append(person)
    rarest = sorted(bearers, key=lambda key: len(bearers[key]))
    moves = {key: _calls_to_move([people[person][key][1] for person in bearers[key]]) for key in rarest}
    left = sum(moves.values())
    called: dict[P, None] = {}
    best, fewest = dict(called), left + listing_calls if left else 0
    for key in rarest:
        called |= dict.fromkeys(bearers[key])
        left -= moves[key]
        calls = len(called) + left + (listing_calls if left else 0)
        # As many calls either way: an answer for each member is the better one.
        if calls <= fewest:
            best, fewest = dict(called), calls
    return best, fewest


def fewest_calls(changes: Collection[Change]) -> int:
    """The fewest calls that write these live changes with fields before tags before events before the archive, and
    the tags of new members, whom a segment may not take yet, one by one.
    """
    profiles = sum(bool(change.create or change.fields or change.rename_to) for change in changes)
    new = sum(bool(change.create and (change.add or change.remove)) for change in changes)
    events = sum(len(change.events) for change in changes)
    archived = sum(change.archive for change in changes)
    members = {change.email: tags_of(change) for change in changes if not change.create}
    return sum(map(operation_calls, (profiles, new, events, archived))) + worth_a_call(members, 0)[1]


def _calls_to_move(adds: list[bool]) -> int:
    return calls_for(sum(adds), len(adds) - sum(adds))
