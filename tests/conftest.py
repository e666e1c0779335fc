"""The sandbox for every test that needs real servers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from syncd.sandbox.populate import build
from syncd.sandbox.serve import Running, start

# 22 November 2026, 10:00 UTC.
START = 1_795_341_600


@pytest.fixture
def sandbox() -> Iterator[Running]:
    """A small sandbox of its own for one test, its clock standing at START, without rate limits."""
    world = build("synthetic", start=START, customers=60)
    world.clock.set(START)
    world.throttle.enforce = False
    with start(world) as running:
        yield running


@pytest.fixture(scope="session")
def open_sandbox() -> Iterator[Callable[..., Running]]:
    """Opens further sandboxes with the arguments of `build`; they live as long as the tests, the same only once."""
    opened: dict[tuple[Any, ...], Running] = {}
    with ExitStack() as stack:

        def open_(data: str = "synthetic", **options: Any) -> Running:
            key = (data, *sorted(options.items()))
            if key not in opened:
                world = build(data, **{"start": START, **options})
                world.clock.set(world.clock.start)
                world.throttle.enforce = False
                opened[key] = stack.enter_context(start(world))
            return opened[key]

        yield open_
