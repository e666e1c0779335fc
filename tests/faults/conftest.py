"""The story, told once for all tests of a process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults import harness
from tests.faults.runs import Story
from tests.faults.shelves import Files


@pytest.fixture(scope="session", autouse=True)
def no_sandbox_is_left() -> Iterator[None]:
    """At the end every scene is closed."""
    yield
    harness.close()


@pytest.fixture(scope="session")
def story(no_sandbox_is_left: None) -> Iterator[Story]:
    """The story on SQLite."""
    shelf = Files()
    yield Story(shelf)
    shelf.close()
