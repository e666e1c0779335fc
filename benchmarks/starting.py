"""How long `syncd --help` takes, and what the service holds while nothing happens."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from benchmarks import sandbox
from benchmarks.goals import Row
from benchmarks.processes import SYNCD, medians, resident_mib, run, running

# As config/syncd.service starts it.
AS_SERVICE = [SYNCD[0], "-OO", *SYNCD[1:]]
STARTS, SERVICES = 9, 3
CUSTOMERS = 200
CYCLES_SECONDS = 6


def rows(full: bool) -> Iterator[Row]:
    """Both, the same in the short and in the full run."""
    helped = medians(STARTS, lambda: run([*SYNCD, "--help"]))
    yield Row(
        work="`syncd --help`",
        size="",
        unit="CPU s",
        ours=helped.cpu_seconds,
        limit=0.2,
        at_most=1,
        wall_seconds=helped.wall_seconds,
    )
    with TemporaryDirectory() as room, sandbox.running(CUSTOMERS, CUSTOMERS) as urls:
        sandbox.configure(urls, Path(room), poll_every="1 second")
        run([*SYNCD, "backfill", "--yes"], cwd=Path(room))
        held = median(_held_mib(Path(room)) for _ in range(SERVICES))
    yield Row(work="idle service", size="", unit="MiB", ours=held, limit=80, at_most=1)


def _held_mib(room: Path) -> float:
    """What a service holds after a few cycles."""
    with running([*AS_SERVICE, "run"], cwd=room) as service:
        time.sleep(CYCLES_SECONDS)
        return resident_mib(service.pid)
