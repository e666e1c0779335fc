"""Stays in segments: who is in which, and from which rung of a ladder to which customers moved.

Pure: a ladder is a list of segments of which everybody is in one at most. Knows positions, no names.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.int64]
# Customers, and the segment's bit that each of them was in; somebody in several occurs several times.
Stays = tuple[Numbers, Numbers]


def bit_sets(customers: Numbers, stays: Stays) -> Numbers:
    """The bit set of the segments that each of these customers, ascending, is in; others' stays do not count."""
    found = np.zeros(len(customers), np.int64)
    ours = np.isin(stays[0], customers)
    owner, bit = (column[ours] for column in stays)
    np.bitwise_or.at(found, np.searchsorted(customers, owner), np.int64(1) << bit)
    return found


def moves(before: Stays, after: Stays, rungs: list[int]) -> Numbers:
    """How many stood on rung i before and on rung j after, for the bits `rungs`; the last i and j are none of them.

    Whoever was on several at once counts for the first. Those on none both times are not counted.
    """
    everybody = np.union1d(before[0][np.isin(before[1], rungs)], after[0][np.isin(after[1], rungs)])
    size = len(rungs) + 1
    steps = _rung(everybody, before, rungs) * size + _rung(everybody, after, rungs)
    return np.bincount(steps, minlength=size * size).astype(np.int64).reshape(size, size)


def _rung(everybody: Numbers, stays: Stays, rungs: list[int]) -> Numbers:
    """On which rung each customer is."""
    found = np.full(len(everybody), len(rungs), np.int64)
    for rung in reversed(range(len(rungs))):
        inside = stays[0][stays[1] == rungs[rung]]
        found[np.searchsorted(everybody, inside)] = rung
    return found
