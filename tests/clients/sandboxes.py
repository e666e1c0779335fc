"""A sandbox for a client to begin with. Knows no client."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from syncd.sandbox.populate import populate
from syncd.sandbox.serve import Running, start
from syncd.sandbox.world import World
from tests.clients.table import NOW


@contextmanager
def empty_sandbox() -> Iterator[Running]:
    """Two empty shops and an empty audience, no limits, and a clock that stands still."""
    world = World(seed=1, start=NOW)
    world.clock.set(NOW)
    world.throttle.enforce = False
    populate(world, [])
    with start(world) as running:
        yield running
