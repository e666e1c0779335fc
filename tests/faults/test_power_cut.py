"""The power goes at any moment: the database opens, is as it was after one of its commits, and lacks none that was
acknowledged. A lost confirmation would start a journey a second time.

On every run some hundred disks as a power cut may leave them; `make chaos`: some thirty thousand.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from threading import Lock
from typing import Any

import pytest
from sqlalchemy import event

from syncd.effects import standing_between
from syncd.history.database import History, open_history
from syncd.history.schema import metadata
from syncd.sandbox.serve import Running
from tests.faults.disk import Trace, traced
from tests.integration.house import House

# So few pages that the journal is moved into the database several times in one cycle.
CHECKPOINT_PAGES = 20
BUYERS = 12


@dataclass(frozen=True)
class Found:
    """What the disks came to."""

    disks: int
    corrupt: int
    half: int
    # Disks that lack a transaction of which we were told that it is kept.
    forgetful: int


@pytest.fixture
def cycle(sandbox: Running, history_url: Callable[[str], str], tmp_path: Path) -> Iterator[Callable[[str], Cut]]:
    """A cycle in which people buy and tags and fields are written, with so much care for the disk."""
    with open_history(history_url("sqlite")) as history:
        house = House(sandbox, history, tmp_path)
        house.backfill()

        def run(synchronous: str) -> Cut:
            house.later(60)
            for email in sorted(house.tagged()["bought-3m"])[:BUYERS]:
                house.order("acme", email, "40.00")
            before = house.requests()
            cut = Cut.of(house, synchronous)
            assert len(house.writes(before)) > BUYERS / 2
            return cut

        yield run


@dataclass(frozen=True)
class Cut:
    """What was written in a run, and how the database was after each of its commits."""

    trace: Trace
    states: list[bytes]
    # What was found on a disk, by its bytes: different cuts often leave the same.
    _seen: dict[bytes, bytes | None] = field(default_factory=dict)

    @classmethod
    def of(cls, house: House, synchronous: str) -> Cut:
        """One cycle."""
        history = house.history
        history.close()
        file = Path(str(history.engine.url.database))

        def configure(connection: Any, _: object) -> None:
            connection.execute(f"PRAGMA synchronous = {synchronous}").close()
            connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}").close()

        event.listen(history.engine, "connect", configure)
        try:
            with traced(file.parent) as trace:
                states = [state(history)]
                with standing_between(_Commits(history, trace, states)):
                    house.sync_in_order()
        finally:
            event.remove(history.engine, "connect", configure)
            history.close()
        return cls(trace, states)

    def found(self, chance: Random, every: int = 1) -> Found:
        """All disks that the power cut may leave, opened and looked at."""
        disks = corrupt = half = forgetful = 0
        with TemporaryDirectory(prefix="syncd-power-", dir=_memory()) as directory:
            for commits, files in self.trace.images(chance, every):
                disks += 1
                have = self._opened(Path(directory), files)
                if have is None:
                    corrupt += 1
                elif have not in self.states:
                    half += 1
                elif have not in self.states[commits:]:
                    forgetful += 1
        return Found(disks, corrupt, half, forgetful)

    def _opened(self, directory: Path, files: dict[str, bytearray]) -> bytes | None:
        """What all tables hold on this disk; None where SQLite cannot read it."""
        disk = blake2b(repr(sorted((name, len(data)) for name, data in files.items())).encode())
        for _, data in sorted(files.items()):
            disk.update(data)
        if disk.digest() not in self._seen:
            try:
                self._seen[disk.digest()] = opened(directory, files)
            except sqlite3.DatabaseError:
                self._seen[disk.digest()] = None
        return self._seen[disk.digest()]


class _Commits:
    """Notes after each commit that it was acknowledged, and how the database is then."""

    def __init__(self, history: History, trace: Trace, states: list[bytes]) -> None:
        self._history, self._trace, self._states = history, trace, states
        self._lock = Lock()

    def __call__(self, kind: str, name: str, act: Callable[[], Any]) -> Any:
        if kind != "commit":
            return act()
        with self._lock:
            result = act()
            self._states.append(state(self._history))
            self._trace.commits += 1
        return result


def state(history: History) -> bytes:
    """What all tables hold."""
    with history.read() as db:
        return _digest(lambda query: db.exec_driver_sql(query).all())


def _digest(run: Callable[[str], list[Any]]) -> bytes:
    digest = blake2b()
    for table in metadata.sorted_tables:
        digest.update(repr([tuple(row) for row in run(f"SELECT * FROM {table.name}")]).encode())  # noqa: S608
    return digest.digest()


def opened(directory: Path, files: dict[str, bytearray]) -> bytes:
    """What all tables hold after SQLite has made the best of these files. Raises: DatabaseError where it cannot."""
    for left in directory.iterdir():
        left.unlink()
    for name, data in files.items():
        (directory / name).write_bytes(data)
    connection = sqlite3.connect(directory / "syncd.db")
    try:
        if connection.execute("PRAGMA integrity_check").fetchall() != [("ok",)]:
            raise sqlite3.DatabaseError
        return _digest(lambda query: connection.execute(query).fetchall())
    finally:
        connection.close()


def _memory() -> str | None:
    return "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108  # a directory of our own is made in it


def test_no_power_cut_corrupts_the_history_or_takes_back_what_was_acknowledged(cycle: Callable[[str], Cut]) -> None:
    found = cycle("FULL").found(Random(1))
    assert found.disks > 400
    assert (found.corrupt, found.half, found.forgetful) == (0, 0, 0)


def test_with_less_care_for_the_disk_a_power_cut_takes_back_what_was_acknowledged(cycle: Callable[[str], Cut]) -> None:
    found = cycle("NORMAL").found(Random(1), every=20)
    assert (found.corrupt, found.half) == (0, 0)
    assert found.forgetful > found.disks / 4


def test_with_no_care_for_the_disk_a_power_cut_corrupts_the_history(cycle: Callable[[str], Cut]) -> None:
    found = cycle("OFF").found(Random(1), every=20)
    assert found.corrupt > found.disks / 20


@pytest.mark.chaos
@pytest.mark.parametrize("seed", range(10))
def test_no_power_cut_of_very_many_does_harm(cycle: Callable[[str], Cut], seed: int) -> None:
    cut = cycle("FULL")
    for again in range(5):
        found = cut.found(Random(10 * seed + again))
        assert found.disks > 500
        assert (found.corrupt, found.half, found.forgetful) == (0, 0, 0)
