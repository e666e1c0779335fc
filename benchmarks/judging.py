"""Judging everybody, and a cycle among many of whom a thousand changed; over made-up histories of several sizes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

from msgspec import Struct

from benchmarks.goals import Row
from benchmarks.processes import SYNCD, Spent, medians, run, say

SIZE, FULL_SIZE, ORDERS_EACH = 100_000, 1_000_000, 11
# How the cost grows is measured with the orders of a common shop, so that ten million customers fit on a disk. Nothing
# is to grow from a hundred thousand on; among fewer, the thousand who change share what is read and written.
GROWING, FULL_GROWING, COMMON_ORDERS_EACH = (100_000, 1_000_000), (10_000, 100_000, 1_000_000, 10_000_000), 3
# For a million customers: CPU seconds and memory. A thousand changed and nothing to do: CPU milliseconds.
MILLION, JUDGE_SECONDS, JUDGE_MIB = 1_000_000, 20, 400
CHANGED, CYCLE_MS, NOTHING_MS = 1_000, 100, 5
RUNS = 3
# By how much the cost of a customer may grow while their number grows tenfold.
FLAT = 1.5


class Found(Struct, frozen=True):
    """What was measured with so many customers."""

    customers: int
    first: Spent
    again: Spent
    changed_ms: float
    nothing_ms: float
    database_bytes: int

    @property
    def name(self) -> str:
        """The size, as the table shows it."""
        return f"{self.customers // 1_000}k" if self.customers < MILLION else f"{self.customers // MILLION}M"


def rows(full: bool) -> Iterator[Row]:
    """Many orders each, against the goals."""
    found = measured(FULL_SIZE if full else SIZE, ORDERS_EACH)
    size, limit = f"{found.name} customers, {ORDERS_EACH} orders each", JUDGE_SECONDS * found.customers / MILLION
    work, cycle = "judge everybody", "a cycle with 1,000 changed"
    again = {"ours": found.again.cpu_seconds, "limit": limit, "wall_seconds": found.again.wall_seconds}
    yield Row(work=work, size=size, unit="CPU s", **again, at_most=1)
    first = {"ours": found.first.cpu_seconds, "limit": limit, "wall_seconds": found.first.wall_seconds}
    yield Row(work=f"{work}, and write all of it", size=size, unit="CPU s", **first, at_most=1)
    memory = {"ours": found.first.peak_mib, "limit": JUDGE_MIB}
    yield Row(work=f"{work}, peak memory", size=found.name, unit="MiB", **memory, at_most=1)
    yield Row(work=cycle, size=found.name, unit="CPU ms", ours=found.changed_ms, limit=CYCLE_MS, at_most=1)
    nothing = {"ours": found.nothing_ms, "limit": NOTHING_MS}
    yield Row(work="a cycle with nothing to do", size=found.name, unit="CPU ms", **nothing, at_most=1)


# What may not grow with the number of customers, in which unit.
CURVES: dict[str, tuple[str, Callable[[Found], float]]] = {
    "judging, per customer": ("CPU µs", lambda found: found.again.cpu_seconds * 1e6 / found.customers),
    "a cycle, per changed customer": ("CPU µs", lambda found: found.changed_ms * 1e3 / CHANGED),
    "a cycle with nothing to do": ("CPU ms", lambda found: found.nothing_ms),
    "memory while judging": ("MiB", lambda found: found.again.peak_mib),
    "database, per customer": ("bytes", lambda found: found.database_bytes / found.customers),
}


def growth(full: bool) -> Iterator[Row]:
    """How each cost grows from one size to ten times as many customers."""
    sizes = [measured(customers, COMMON_ORDERS_EACH) for customers in (FULL_GROWING if full else GROWING)]
    for curve, (unit, cost) in CURVES.items():
        for before, after in pairwise(sizes):
            size, figures = f"{before.name} → {after.name}", {"ours": cost(after), "limit": cost(before)}
            yield Row(work=f"growth: {curve}", size=size, unit=unit, **figures, at_most=FLAT)


def measured(customers: int, orders_each: int) -> Found:
    """A history of so many is made, judged, judged again, and gone through in cycles."""
    with TemporaryDirectory() as room:
        filled = run(step("fill", room, customers, orders_each))
        first = run(step("judge", room))
        run(step("confirm", room))
        again = medians(RUNS if customers < MILLION else 1, lambda: run(step("judge", room)))
        size = Path(room, "syncd.db").stat().st_size
        cycle = run(step("cycle", room)).told
    say(f"  {customers:,}: filled in {filled.cpu_seconds:.0f} CPU s, {size / 2**20:.0f} MiB; {first}; {again}; {cycle}")
    return Found(customers, first, again, cycle["changed"], cycle["nothing"], size)


def step(what: str, room: str, *more: object) -> list[str]:
    """The command for one of the steps of `benchmarks.history`."""
    return [SYNCD[0], "-m", "benchmarks.history", what, room, *map(str, more)]
