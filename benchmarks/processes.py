"""Runs what is measured in processes of its own, and tells what each took.

This process stays small on purpose: a child begins with the peak memory of the one that starts it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import IO, Any

from msgspec import Struct

ROOT = Path(__file__).parents[1]
SYNCD = [sys.executable, "-m", "syncd"]
PEERS_PYTHON = str(ROOT / "benchmarks" / ".peers" / "bin" / "python")


class Spent(Struct, frozen=True):
    """What a process and its children took, and what it printed."""

    wall_seconds: float
    cpu_seconds: float
    peak_mib: float
    said: str

    @property
    def told(self) -> Any:
        """What it printed, as JSON."""
        return json.loads(self.said)


def run(
    command: Sequence[str], cwd: Path = ROOT, env: Mapping[str, str] | None = None, codes: Sequence[int] = (0,)
) -> Spent:
    """The command has ended with one of `codes`. Raises: RuntimeError, with what it wrote, where it has not."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        began = time.perf_counter()
        child = subprocess.Popen(  # noqa: S603  # our own commands
            command, cwd=cwd, env=_environment(env), stdin=subprocess.DEVNULL, stdout=out, stderr=err
        )
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.perf_counter() - began
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode not in codes:
            raise RuntimeError(f"{' '.join(command)} ended with {child.returncode}:\n{_text(err)[-4_000:]}")
        said = _text(out)
    return Spent(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, said)


@contextmanager
def running(command: Sequence[str], cwd: Path = ROOT) -> Iterator[subprocess.Popen[str]]:
    """The command at work, its standard output to be read. Afterwards it has ended."""
    child = subprocess.Popen(  # noqa: S603  # our own commands
        command,
        cwd=cwd,
        env=_environment(None),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        yield child
    finally:
        child.terminate()
        child.communicate()


@contextmanager
def serving(command: Sequence[str]) -> Iterator[dict[str, str]]:
    """A server at work, and what it says as JSON when it is ready."""
    with running(command) as child:
        assert child.stdout is not None
        line = child.stdout.readline()
        if not line:
            raise RuntimeError(f"{' '.join(command)} did not start")
        yield json.loads(line)


def medians(times: int, work: Callable[[], Spent]) -> Spent:
    """Of several runs the median of each figure."""
    runs = [work() for _ in range(times)]
    return Spent(
        median(each.wall_seconds for each in runs),
        median(each.cpu_seconds for each in runs),
        median(each.peak_mib for each in runs),
        runs[-1].said,
    )


def resident_mib(pid: int) -> float:
    """The memory that a process holds now."""
    status = Path(f"/proc/{pid}/status").read_text("utf-8")
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) / 1024


def say(text: str) -> None:
    """How far it is, on standard error."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def _environment(more: Mapping[str, str] | None) -> dict[str, str]:
    # What is installed was compiled once.
    ours = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**ours, "PYTHONPATH": str(ROOT), **(more or {})}


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode("utf-8", "replace")
