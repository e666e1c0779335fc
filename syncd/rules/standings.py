"""Where customers stand on each of many days, worked out day by day from where they stood on the day before.

Each customer is judged only on days on which something can have changed for them, so the work follows the
changes and not the days. An order is not there before its day: of days that are over it tells what was,
of days to come what will be if nobody orders.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest

import numpy as np
from numpy.typing import NDArray

from syncd.lifecycle.columns import Batch, Days
from syncd.rules.due import due_times
from syncd.rules.judgement import judge
from syncd.rules.playbook import Playbook


@dataclass(frozen=True, slots=True)
class When:
    """A local day, an instant within it at which everybody is judged, and the audience's figures of that day."""

    day: int
    instant: int
    figures: Mapping[str, float | None]


def standings(
    playbook: Playbook, batch: Batch, bits: Mapping[str, int], days: Sequence[When], known_since: Days | None = None
) -> Iterator[NDArray[np.int64]]:
    """The bit set of each customer's segments on each of these days, ascending; begun with `batch.was_in`.

    `known_since`: before that day a customer is in no segment; None: all are known from the beginning.
    """
    assert batch.was_in is not None, "the batch was read without was_in"
    segments, due = batch.was_in.copy(), np.zeros(len(batch), np.int64)
    for when, after in zip_longest(days, days[1:]):
        rows = np.flatnonzero(due <= when.instant)
        if len(rows):
            part = replace(batch.take(rows) if len(rows) < len(batch) else batch, was_in=segments[rows])
            judgement = judge(playbook, part, when.day, when.figures, bits, when.instant)
            segments[rows] = judgement.segments
            if known_since is not None:
                segments[rows[known_since[rows] > when.day]] = 0
        if after is not None and after.figures != when.figures:
            # By other figures everybody may stand elsewhere.
            due[:] = 0
        elif after is not None and len(rows):
            due[rows] = due_times(playbook, judgement).earliest
        yield segments.copy()
