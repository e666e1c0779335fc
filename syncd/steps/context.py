"""What every step is given: configuration, history, clock, and how to say how far it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Event

from syncd.calendar import local_day
from syncd.clock import Clock
from syncd.history.database import History
from syncd.settings import Audience, Settings

# (what is being done, how many more are done, how many there will be in all if known)
Progress = Callable[[str, int, int | None], None]


class Stopped(Exception):
    """The service was asked to stop; everything committed so far is in order."""


def _silent(task: str, advance: int, expected: int | None) -> None:
    """Nobody watches."""


@dataclass(slots=True)
class Context:
    """The surroundings of a cycle."""

    settings: Settings
    history: History
    clock: Clock
    stop: Event = field(default_factory=Event)
    progress: Progress = _silent
    # A connection that a person must mend is left alone until then: {name: instant}. Hammering with a
    # dead token gets an address blocked (Ecwid: after 20 calls a minute).
    rests_until: dict[str, int] = field(default_factory=dict)

    def report(self, task: str, advance: int, expected: int | None = None) -> None:
        """Says that `task` is `advance` further, and raises Stopped when the work shall end here."""
        self.progress(task, advance, expected)
        if self.stop.is_set():
            raise Stopped

    def rests(self, name: str) -> bool:
        """Whether a blocked connection is not to be tried yet."""
        return self.rests_until.get(name, 0) > self.clock.now()

    def today(self, audience: Audience) -> int:
        """The local day in the audience's time zone."""
        return local_day(self.clock.now(), audience.timezone)
