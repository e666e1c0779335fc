"""Rounds: in which portions a plan is sent, so that the calls of the service are full. Pure.

It knows how many people fit into a call, not which call that is. Whatever is in a round is under way at once, and
unsettled after a crash; so a large plan goes tag by tag, and a person of it takes part in several rounds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from syncd.plan.diff import people_by_bit

EVERY_TAG = -1


class Portions(NamedTuple):
    """How many people the service takes in one go.

    `tagged`: put into one tag, and as many out of it. `written`: written to one by one, but handed over together.
    """

    tagged: int
    written: int


class Left(NamedTuple):
    """What is left to do for one row of the outbox.

    `whole`: cannot be divided. `more`: something comes after fields and tags.
    """

    id: int
    add: int
    remove: int
    fields: bool
    whole: bool = False
    more: bool = False


class Round(NamedTuple):
    """Rows of the outbox, and what of them is sent now: these tags (a bit set), fields, what comes after them."""

    ids: tuple[int, ...]
    tags: int = EVERY_TAG
    fields: bool = True
    more: bool = True


def rounds_of(left: Sequence[Left], portions: Portions) -> Iterator[Round]:
    """What is left in the order in which it is sent; each person's fields come before tags, tags before the rest.

    Few people are one round. Of many, a tag that many people move in or out of has rounds of its own; first those
    that more people leave, so that hardly anybody is in two segments of which one takes over from the other.
    """
    if len(left) <= portions.tagged:
        yield from whole_rounds(left, portions.tagged)
        return
    yield from whole_rounds([row for row in left if row.whole], portions.written)
    divided = [row for row in left if not row.whole]
    for ids in _parts((row.id for row in divided if row.fields), portions.written):
        yield Round(ids, tags=0, more=False)
    common = _common_tags(divided, portions.tagged)
    for bit in common:
        yield from _of_tag(bit, divided, portions.tagged)
    sent = sum(1 << bit for bit in common)
    tagged = [row for row in divided if (row.add | row.remove) & ~sent]
    # Also those of whom nothing is left, as whoever sends looks once more.
    others = [row for row in divided if row.more or not (row.add or row.remove or row.fields)]
    yield from whole_rounds(dict.fromkeys((*tagged, *others)), portions.written)


def whole_rounds(left: Iterable[Left], size: int) -> Iterator[Round]:
    """All that is left, at most so many people in a round."""
    yield from (Round(ids) for ids in _parts((row.id for row in left), size))


def _of_tag(bit: int, left: Iterable[Left], most: int) -> Iterator[Round]:
    """The rounds of one tag: in each as many people come and go as fit."""
    moving = [row for row in left if (row.add | row.remove) >> bit & 1]
    coming = [row.id for row in moving if row.add >> bit & 1]
    going = [row.id for row in moving if row.remove >> bit & 1]
    for at in range(0, max(len(coming), len(going)), most):
        ids = (*coming[at : at + most], *going[at : at + most])
        yield Round(ids, tags=1 << bit, fields=False, more=False)


def _common_tags(left: Sequence[Left], few: int) -> list[int]:
    """The tags that most people move in or out of, until `few` people are left who have others."""
    coming, going = people_by_bit(row.add for row in left), people_by_bit(row.remove for row in left)
    others = Counter(row.add | row.remove for row in left)
    common = []
    for bit, _ in (coming + going).most_common():
        if sum(people for bits, people in others.items() if bits) <= few:
            break
        common.append(bit)
        without: Counter[int] = Counter()
        for bits, people in others.items():
            without[bits & ~(1 << bit)] += people
        others = without
    return sorted(common, key=lambda bit: (coming[bit] - going[bit], bit))


def _parts(ids: Iterable[int], size: int) -> Iterator[tuple[int, ...]]:
    every = tuple(ids)
    return (every[at : at + size] for at in range(0, len(every), size))
