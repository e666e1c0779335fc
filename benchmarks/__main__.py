"""Measures everything, or the works named, prints the table, and exits with 1 where a goal is missed.

python -m benchmarks [--full] [--json FILE] [WORK ...]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks import calls, judging, limits, postgres, pulling, pushing, starting, waiting
from benchmarks.goals import Row, document, summary, table
from benchmarks.processes import say

WORKS: dict[str, Callable[[bool], Iterator[Row]]] = {
    "pull": pulling.rows,
    "limits": limits.rows,
    "judge": judging.rows,
    "growth": judging.growth,
    "push": pushing.rows,
    "calls": calls.rows,
    "wait": waiting.rows,
    "start": starting.rows,
    "postgres": postgres.rows,
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("works", nargs="*", metavar="WORK", help=f"only these: {', '.join(WORKS)}")
    parser.add_argument("--full", action="store_true", help="the largest sizes, too")
    parser.add_argument("--json", type=Path, default=Path("bench.json"), help="where the figures are written")
    asked = parser.parse_args()
    if unknown := {*asked.works} - {*WORKS}:
        parser.error(f"no such work: {', '.join(sorted(unknown))}")
    rows = [row for name in asked.works or WORKS for row in _measured(name, asked.full)]
    asked.json.write_text(json.dumps(document(rows, _machine()), indent=2, ensure_ascii=False) + "\n", "utf-8")
    sys.stdout.write(f"{table(rows)}\n\n{summary(rows)}\n")
    return 0 if all(row.reached for row in rows) else 1


def _measured(name: str, full: bool) -> Iterator[Row]:
    began = time.monotonic()
    say(f"{name} …")
    yield from WORKS[name](full)
    say(f"{name}: {time.monotonic() - began:.0f} s")


def _machine() -> dict[str, object]:
    """Where this was measured, and how busy it was besides."""
    return {
        "cores": os.cpu_count(),
        "processor": _processor(),
        "python": platform.python_version(),
        "load": round(os.getloadavg()[2], 1),
        "at": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
    }


def _processor() -> str:
    told = (
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines()
        if line.startswith("model name")
    )
    return next(told, platform.machine())


if __name__ == "__main__":
    sys.exit(main())
