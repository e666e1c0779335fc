"""How hosts are spared: asked again once a second at most, and left alone for a while when they only fail.

A host is known to all connections that call it, and to their threads. In trouble is one that gave no usable answer
for a while, however often it was asked. Then each connection asks it once, leaves it alone, and asks once more after
twice the time; the first usable answer, to whomever, ends that for all. So where a host fails over the questions of
one connection only, no other is kept from asking.

It knows instants and outcomes, and makes no calls.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from threading import Lock

from msgspec import Struct

APART_SECONDS = 1.0
# As often as one call is made again; and for so long, as many calls under way fail together.
FAILURES = 6
TROUBLE_SECONDS = 30
SHORTEST_REST_SECONDS = 30
LONGEST_REST_SECONDS = 900


class Rest(Struct, frozen=True):
    """How long one connection leaves its host alone, in words for people.

    `since` is when the host began to fail, `asked_at` when this connection asked last (UTC seconds).
    """

    host: str
    since: int
    asked_at: int
    seconds: int

    @property
    def until(self) -> int:
        """The first instant at which the host is asked again."""
        return self.asked_at + self.seconds

    def covers(self, instant: int) -> bool:
        """Whether the host is left alone then. A clock that was set back keeps nobody waiting."""
        return self.asked_at <= instant < self.until

    def __str__(self) -> str:
        since, until = (datetime.fromtimestamp(instant, UTC) for instant in (self.since, self.until))
        return (
            f"{self.host} has given no usable answer since {since:%Y-%m-%d %H:%M:%S} UTC "
            f"and is asked again from {until:%H:%M:%S} UTC on"
        )


class Host:
    """One host. `now` gives UTC seconds; without it the host is never left alone."""

    def __init__(self, name: str = "", now: Callable[[], int] | None = None) -> None:
        self._name = name
        self._now = now
        self._lock = Lock()
        self._turns: list[float] = []
        # Failures in a row, and when the first of them was.
        self._failures = 0
        self._since = 0
        # Only while the host is in trouble.
        self._rests: dict[str, Rest] = {}

    def turn(self, earliest: float, now: float) -> float:
        """The first instant (monotonic) from `earliest` on at which nobody else asks again; it is taken herewith."""
        with self._lock:
            self._turns = [turn for turn in self._turns if turn > now - APART_SECONDS]
            while clash := next((turn for turn in self._turns if abs(turn - earliest) < APART_SECONDS), None):
                earliest = clash + APART_SECONDS
            self._turns.append(earliest)
            return earliest

    def refusal(self, connection: str) -> Rest | None:
        """Why the connection must not ask now; None where it may. While the host is in trouble, only one call may."""
        if self._now is None or not self._rests:
            return None
        now = self._now()
        with self._lock:
            rest = self._rests.get(connection)
            if rest and rest.covers(now):
                return rest
            if self._rests:
                longer = min(2 * rest.seconds, LONGEST_REST_SECONDS) if rest else SHORTEST_REST_SECONDS
                self._rests[connection] = Rest(self._name, self._since, now, longer)
            return None

    def failed(self, connection: str) -> None:
        """A call of the connection ended without a usable answer."""
        if self._now is None:
            return
        now = self._now()
        with self._lock:
            if not self._failures:
                self._since = now
            self._failures += 1
            if self._rests or (self._failures >= FAILURES and now - self._since >= TROUBLE_SECONDS):
                rest = self._rests.get(connection)
                seconds = rest.seconds if rest else SHORTEST_REST_SECONDS
                self._rests[connection] = Rest(self._name, self._since, now, seconds)

    def answered(self) -> None:
        """The host gave a usable answer: it is in no trouble."""
        if self._failures:
            with self._lock:
                self._failures = 0
                self._rests.clear()

    def rest_of(self, connection: str) -> Rest | None:
        """The latest rest of the connection, over or not; None where the host is in no trouble."""
        return self._rests.get(connection)


class Hosts:
    """All hosts that are called, by their names. `now` gives UTC seconds."""

    def __init__(self, now: Callable[[], int]) -> None:
        self._now = now
        self._hosts: dict[str, Host] = {}

    def named(self, name: str) -> Host:
        """The host of this name, the same one each time."""
        return self._hosts.setdefault(name, Host(name, self._now))

    def rest_of(self, connection: str) -> Rest | None:
        """The latest rest of the connection, over or not; None where its host is in no trouble."""
        rests = (host.rest_of(connection) for host in list(self._hosts.values()))
        return next((rest for rest in rests if rest), None)
