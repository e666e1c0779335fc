"""When a host is asked again: by all connections to it, and all their threads, once a second at most."""

from __future__ import annotations

from threading import Lock
from weakref import WeakValueDictionary

APART_SECONDS = 1.0


class Turns:
    """The instants (monotonic) at which calls to one host are made again."""

    def __init__(self) -> None:
        self._turns: list[float] = []
        self._lock = Lock()

    def take(self, earliest: float, now: float) -> float:
        """The first instant from `earliest` on that is nobody else's; it is taken herewith."""
        with self._lock:
            self._turns = [turn for turn in self._turns if turn > now - APART_SECONDS]
            while clash := next((turn for turn in self._turns if abs(turn - earliest) < APART_SECONDS), None):
                earliest = clash + APART_SECONDS
            self._turns.append(earliest)
            return earliest


_hosts: WeakValueDictionary[str, Turns] = WeakValueDictionary()
_lock = Lock()


def turns_of(host: str) -> Turns:
    """Those of this host, for as long as anybody has them."""
    with _lock:
        return _hosts.setdefault(host, Turns())
