"""Where customers stood: who was in which segment, and from which rung of a ladder to which they moved.

Pure: a ladder is a list of segments of which everybody is in one at most. Knows positions, no names.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.int64]
# Customers, each once, and the bit set of the segments that each of them was in.
Stood = tuple[Numbers, Numbers]


def bit_sets(customers: Numbers, stood: Stood) -> Numbers:
    """The bit set of the segments that each of these customers, ascending, was in; others do not count."""
    found = np.zeros(len(customers), np.int64)
    ours = np.isin(stood[0], customers)
    found[np.searchsorted(customers, stood[0][ours])] = stood[1][ours]
    return found


def counts(bit_sets: Numbers) -> dict[int, int]:
    """In how many of these sets each bit is; of those bits that are in any."""
    return {bit: count for bit in range(63) if (count := int(np.count_nonzero(bit_sets >> bit & 1)))}


def moves(before: Stood, after: Stood, rungs: list[int]) -> Numbers:
    """How many stood on rung i before and on rung j after, for the bits `rungs`; the last i and j are none of them.

    Whoever was on several at once counts for the first. Those on none both times are not counted.
    """
    everybody = np.union1d(before[0], after[0])
    size = len(rungs) + 1
    rung, then = (_rung(bit_sets(everybody, stood), rungs) for stood in (before, after))
    found = np.bincount(rung * size + then, minlength=size * size).astype(np.int64).reshape(size, size)
    found[-1, -1] = 0
    return found


def _rung(inside: Numbers, rungs: list[int]) -> Numbers:
    """On which rung each customer is who is inside these segments."""
    found = np.full(len(inside), len(rungs), np.int64)
    for rung in reversed(range(len(rungs))):
        found[inside >> rungs[rung] & 1 == 1] = rung
    return found
