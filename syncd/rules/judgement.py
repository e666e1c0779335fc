"""Judging: in which segments customers are, and what their fields say.

A segment holds those for whom its rule holds, and keeps a member for as long as `stay_while` holds.
Its `fallback` stands in for both while the audience's figure of `usual` is not known. Where it has to
`settle`, nobody joins by an order that may be cancelled yet.
It knows bit sets and columns; it neither reads facts nor writes judgements.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from syncd.lifecycle.columns import Batch
from syncd.rules.evaluation import value_of
from syncd.rules.playbook import Playbook
from syncd.rules.saying import Saying, saying
from syncd.rules.scope import Flags, Scope
from syncd.rules.specs import Field, Segment
from syncd.rules.tree import Node


@dataclass(frozen=True, slots=True, eq=False)
class Judgement:
    """Of each customer of a batch: the bit set of their segments, and what the fields say.

    `scope` is what was looked at; who looks further at the same batch need not measure it again.
    """

    segments: NDArray[np.int64]
    sayings: tuple[Saying, ...]
    scope: Scope

    @property
    def fields(self) -> dict[str, list[Any]]:
        """What each field says of everybody, "" where a value is missing."""
        return {one.name: one.values() for one in self.sayings}

    @property
    def inside(self) -> dict[str, Flags]:
        """The same as `segments`, name by name; a rule that is only tried out needs it for in()."""
        return self.scope.inside


def judge(
    playbook: Playbook,
    batch: Batch,
    today: int,
    figures: Mapping[str, float | None],
    bits: Mapping[str, int],
    now: int | None = None,
) -> Judgement:
    """The judgement of every customer of the batch, as of the local day `today` and the instant `now` in it.

    Without `now` it is the day's first instant. `figures` are the playbook's figures by their text, None
    over nobody; `bits` the bit numbers of the segments, 0 to 62.
    """
    scope = Scope(batch, today, figures, now=now)
    segments = np.zeros(len(batch), np.int64)
    for segment in playbook.segments:
        bit = bits[segment.name]
        segments |= settle(segment, scope, bit).astype(np.int64) << bit
    return Judgement(segments, tuple(_said(field, scope) for field in playbook.fields), scope)


def evaluate(
    rule: Node,
    batch: Batch,
    today: int,
    figures: Mapping[str, float | None],
    inside: Mapping[str, Flags] = MappingProxyType({}),
    now: int | None = None,
) -> Flags:
    """For whom a free rule holds; `inside` tells who is in the segments that it names (`Judgement.inside`)."""
    holds: Flags = value_of(rule, Scope(batch, today, figures, inside, now))
    return holds


def settle(segment: Segment, scope: Scope, bit: int) -> Flags:
    """Who is in the segment. Afterwards in() knows it."""
    when, stay_while = in_force(segment, scope)
    inside: Flags = value_of(when, scope)
    was_in = (scope.column("was_in") >> bit & 1).astype(bool)
    if segment.settle:
        inside = inside & (was_in | scope.settled(segment.settle))
    if stay_while:
        inside = inside | (was_in & value_of(stay_while, scope))
    scope.inside[segment.name] = inside
    return inside


def in_force(segment: Segment, scope: Scope) -> tuple[Node, Node | None]:
    """The rule by which the segment is entered, and the one by which it is kept."""
    if segment.fallback and any(np.isnan(scope.figure(text)) for text in segment.usual):
        return segment.fallback, None
    return segment.when, segment.stay_while


def _said(field: Field, scope: Scope) -> Saying:
    kind = field.value.kind
    return saying(field.name, value_of(field.value, scope), kind, scope.batch.currency_exponent)
