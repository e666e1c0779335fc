"""A whole syncd in process, its first import behind it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from syncd.history.database import History, open_history
from syncd.sandbox.serve import Running
from tests.integration.house import House


@pytest.fixture
def sqlite(emptied_url: Callable[[str], str]) -> Iterator[History]:
    """An empty history where one database says enough."""
    with open_history(emptied_url("sqlite")) as opened:
        yield opened


@pytest.fixture
def house(sandbox: Running, sqlite: History, tmp_path: Path) -> House:
    """A syncd whose first import is through."""
    house = House(sandbox, sqlite, tmp_path)
    house.backfill()
    return house
