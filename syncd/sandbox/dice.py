"""Chance that repeats itself: every draw of the sandbox comes from here, by seed and name."""

from __future__ import annotations

from random import Random


def dice(seed: int, *names: object) -> Random:
    """A generator of its own for `names`: the same seed and names give the same draws, whatever else is drawn."""
    return Random(":".join(map(str, (seed, *names))))  # noqa: S311 (made-up people, no secrets)
