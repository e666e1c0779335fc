"""A whole syncd in process, its first import behind it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from syncd.history.database import History
from syncd.sandbox.serve import Running
from tests.integration.house import House


@pytest.fixture
def sqlite(emptied_history: Callable[[str], History]) -> History:
    """An empty history where one database says enough."""
    return emptied_history("sqlite")


@pytest.fixture
def house(sandbox: Running, sqlite: History, tmp_path: Path) -> House:
    """A syncd whose first import is through."""
    house = House(sandbox, sqlite, tmp_path)
    house.backfill()
    return house
