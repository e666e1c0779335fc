"""What every step is given: configuration, history, clock, and how to say how far it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Event

from syncd import destinations, sources
from syncd._hosts import Hosts
from syncd.calendar import local_day
from syncd.clock import Clock
from syncd.destinations import Destination
from syncd.history.database import History
from syncd.settings import Audience, Settings
from syncd.sources import Source

# (what is being done, how many more are done, how many there will be in all if known)
Progress = Callable[[str, int, int | None], None]


# The longest silence while something is waited for; a service manager's watchdog waits longer.
SIGN_OF_LIFE_SECONDS = 20.0


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
    # Until when a connection that a person must mend is left alone ({shops.NAME or audiences.NAME: instant}):
    # hammering with a dead token gets an address blocked (Ecwid: after 20 calls a minute).
    rests_until: dict[str, int] = field(default_factory=dict)
    # Since when the host of a connection has given no usable answer, where the log tells so.
    silent_since: dict[str, int] = field(default_factory=dict)
    # One connection a shop and audience for as long as the configuration stays: with it live the HTTP
    # session, the token and what is known of the rate limit.
    _sources: dict[str, Source] = field(default_factory=dict)
    _destinations: dict[str, Destination] = field(default_factory=dict)
    # What was looked at once over these connections and need not be looked at in every cycle.
    seen: set[str] = field(default_factory=set)
    # How many customers each shop had when they were counted last, which is done before the brake holds by it.
    customers_held: dict[str, int] = field(default_factory=dict)
    hosts: Hosts = field(init=False)

    def __post_init__(self) -> None:
        self.hosts = Hosts(self.clock.now)

    def source(self, shop: str) -> Source:
        """The connection to a shop."""
        if shop not in self._sources:
            found = sources.connect(shop, self.settings.shops[shop], self.clock.now, self._sleep, self.hosts)
            self._sources[shop] = found
        return self._sources[shop]

    def destination(self, audience: str) -> Destination:
        """The connection to an audience."""
        if audience not in self._destinations:
            meant = self.settings.audiences[audience]
            found = destinations.connect(audience, meant, self.clock.now, self._sleep, self.hosts)
            self._destinations[audience] = found
        return self._destinations[audience]

    def _sleep(self, seconds: float) -> None:
        """Waits for a rate limit or a retry, with a sign of life now and then.

        Raises: Stopped as soon as the work shall end.
        """
        while seconds > 0:
            if self.stop.wait(min(seconds, SIGN_OF_LIFE_SECONDS)):
                raise Stopped
            seconds -= SIGN_OF_LIFE_SECONDS
            self.progress("waiting", 0, None)

    def report(self, task: str, advance: int, expected: int | None = None) -> None:
        """Says that `task` is `advance` further, and raises Stopped when the work shall end here."""
        self.progress(task, advance, expected)
        if self.stop.is_set():
            raise Stopped

    def rests(self, connection: str) -> bool:
        """Whether a connection that is blocked, or whose host is left alone, is not to be tried yet."""
        rest = self.hosts.rest_of(connection)
        if rest and rest.covers(self.clock.now()):
            return True
        return connection in self.rests_until and self.rests_until[connection] > self.clock.now()

    def today(self, audience: Audience) -> int:
        """The local day in the audience's time zone."""
        return local_day(self.clock.now(), audience.timezone)
