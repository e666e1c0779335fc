"""Judging everybody, and a cycle among many of whom a thousand changed; over made-up histories of several sizes."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

from msgspec import Struct

from benchmarks.goals import Row
from benchmarks.processes import SYNCD, Spent, run, say

SIZES, FULL_SIZES = (10_000, 100_000), (10_000, 100_000, 1_000_000)
# For a million customers: CPU seconds and memory. A thousand changed and nothing to do: CPU milliseconds.
MILLION, JUDGE_SECONDS, JUDGE_MIB = 1_000_000, 20, 400
CYCLE_MS, NOTHING_MS, FLAT = 100, 5, 1.5


class Found(Struct, frozen=True):
    """What was measured with so many customers."""

    customers: int
    judged: Spent
    changed_ms: float
    nothing_ms: float

    @property
    def name(self) -> str:
        """The size, as the table shows it."""
        return f"{self.customers // 1_000}k" if self.customers < MILLION else f"{self.customers // MILLION}M"


def rows(full: bool) -> Iterator[Row]:
    """The largest size against its goals, and how the cost grows from size to size."""
    found = [measured(customers) for customers in (FULL_SIZES if full else SIZES)]
    last, cycle = found[-1], "a cycle with 1,000 changed"
    seconds, share = last.judged.cpu_seconds, last.customers / MILLION
    yield Row(
        work="judge everybody",
        size=f"{last.name} customers, 11 orders each",
        unit="CPU s",
        ours=seconds,
        limit=JUDGE_SECONDS * share,
        at_most=1,
    )
    yield Row(
        work="judge everybody, peak memory",
        size=last.name,
        unit="MiB",
        ours=last.judged.peak_mib,
        limit=JUDGE_MIB,
        at_most=1,
    )
    yield Row(work=cycle, size=last.name, unit="CPU ms", ours=last.changed_ms, limit=CYCLE_MS, at_most=1)
    for before, after in pairwise(found):
        size = f"{before.name} → {after.name}"
        figures = {"ours": after.changed_ms, "limit": before.changed_ms}
        yield Row(work=f"{cycle}, growth", size=size, unit="CPU ms", **figures, at_most=FLAT)
    nothing = {"ours": last.nothing_ms, "limit": NOTHING_MS}
    yield Row(work="a cycle with nothing to do", size=last.name, unit="CPU ms", **nothing, at_most=1)


def measured(customers: int) -> Found:
    """A history of so many is made, judged, and gone through in cycles."""
    with TemporaryDirectory() as room:
        filled = run(_step("fill", room, customers))
        judged = run(_step("judge", room))
        file = Path(room, "syncd.db").stat().st_size
        cycle = run(_step("cycle", room)).told
    say(f"  {customers:,}: filled in {filled.cpu_seconds:.0f} CPU s, {file / 2**20:.0f} MiB; {judged}; {cycle}")
    return Found(customers, judged, cycle["changed"], cycle["nothing"])


def _step(what: str, room: str, *more: int) -> list[str]:
    return [SYNCD[0], "-m", "benchmarks.history", what, room, *map(str, more)]
