"""Long work seen from outside: a bar with rate and time left on a terminal, a log line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from syncd.steps.context import Context

# Without a terminal, one line a task in so many seconds.
LINE_SECONDS = 10.0


@contextmanager
def shown(context: Context) -> Iterator[None]:
    """While this lasts, the context's progress is shown on standard error."""
    if not sys.stderr.isatty():
        context.progress = _Lines()
        yield
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    bars = Progress(
        TextColumn("{task.description:<24}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )
    with bars:
        context.progress = _Bars(bars)
        yield


class _Lines:
    """Progress as log lines."""

    def __init__(self) -> None:
        self._done: dict[str, int] = {}
        self._said: dict[str, float] = {}

    def __call__(self, task: str, advance: int, expected: int | None) -> None:
        from syncd import logs

        self._done[task] = self._done.get(task, 0) + advance
        now = time.monotonic()
        if now - self._said.setdefault(task, now) >= LINE_SECONDS:
            self._said[task] = now
            logs.info("progress", task=task, done=self._done[task], of=expected)


class _Bars:
    """Progress as bars, one a task."""

    def __init__(self, bars) -> None:  # type: ignore[no-untyped-def]  # rich's Progress, imported when shown
        self._bars = bars
        self._tasks: dict[str, int] = {}
        self._begun: dict[str, float] = {}

    def __call__(self, task: str, advance: int, expected: int | None) -> None:
        if not advance and expected is None:
            return
        if task not in self._tasks:
            self._tasks[task] = self._bars.add_task(task, total=expected, rate="")
            self._begun[task] = time.monotonic()
        bar = self._tasks[task]
        self._bars.advance(bar, advance)
        seconds = time.monotonic() - self._begun[task]
        done = self._bars.tasks[bar].completed
        rate = f"{done / seconds:,.0f}/s" if seconds > 0.5 else ""
        # An expectation is only as good as the shop's count; what came is true.
        total = None if expected is None else max(expected, done)
        self._bars.update(bar, total=total, rate=rate)
