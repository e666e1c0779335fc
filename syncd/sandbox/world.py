"""The world that the counterparts show: one clock, shops, audiences, the request log, throttle and faults.

Pure state. It knows nothing of HTTP; the servers read and change it from a single event loop.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from msgspec import Struct

from syncd.sandbox.audience.switches import Switches
from syncd.sandbox.faults import Faults

if TYPE_CHECKING:
    from collections.abc import Iterator

    from syncd.sandbox.audience import Audience
    from syncd.sandbox.shop import ShopState


class Clock:
    """The sandbox's time: follows the real time from `start` on, until it is set; then it stands still."""

    def __init__(self, start: int | None = None) -> None:
        self.start = int(time.time()) if start is None else start
        self._begun = time.monotonic()
        self._fixed: int | None = None

    def now(self) -> int:
        """UTC seconds."""
        if self._fixed is not None:
            return self._fixed
        return self.start + int(time.monotonic() - self._begun)

    def set(self, instant: int) -> None:
        """Afterwards the clock stands still at `instant` (UTC seconds)."""
        self._fixed = instant


class Request(Struct, frozen=True, gc=False):
    """One request as the log shows it; `status` 0 means that no answer was sent."""

    n: int
    at: int
    service: str
    method: str
    path: str
    query: str
    status: int


class RequestLog:
    """Every request to a counterpart, numbered from 1."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._requests: list[Request] = []

    def record(self, service: str, method: str, path: str, status: int, query: str = "") -> None:
        """Afterwards the request is the last of the log."""
        number = len(self._requests) + 1
        self._requests.append(Request(number, self._clock.now(), service, method, path, query, status))

    def since(self, n: int = 0) -> list[Request]:
        """The requests after number `n`, in order."""
        return self._requests[max(n, 0) :]

    def __iter__(self) -> Iterator[Request]:
        return iter(self._requests)

    def __len__(self) -> int:
        return len(self._requests)


class Throttle(Struct):
    """Whether the services' rate limits apply, and how many seconds each answer takes, with `per_row` for each
    record that it lists."""

    enforce: bool = True
    latency: float = 0.0
    per_row: float = 0.0


class World:
    """All state of one sandbox. The same seed and start give the same data and the same faults."""

    def __init__(self, seed: int = 1, start: int | None = None) -> None:
        self.seed = seed
        self.clock = Clock(start)
        self.log = RequestLog(self.clock)
        self.throttle = Throttle()
        self.faults = Faults(seed)
        self.shops: dict[str, ShopState] = {}
        self.audiences: dict[str, Audience] = {}
        # How the account behind the audiences behaves; each of them is given it.
        self.mailchimp = Switches()
