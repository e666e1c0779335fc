"""Rate limits of the shops, kept on our side so that they are never hit: a leaky bucket and a sliding window.

They know time and headers, no platform's calls. One budget is shared by all calls and threads of a
connection. Clock and sleep are arguments.
"""

from __future__ import annotations

import re
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from threading import Lock

from syncd.http import Reply, retry_after_seconds

SHORTEST_WAIT_SECONDS = 0.001


Sleep = Callable[[float], None]


class _Paced(ABC):
    """Waits its turn: a caller that may not go yet sleeps outside the lock and asks again."""

    def __init__(self, clock: Callable[[], float], sleep: Sleep) -> None:
        self._clock = clock
        self._sleep = sleep
        self._lock = Lock()
        self._closed_until = clock()

    def acquire(self) -> None:
        """Returns when one more call may be made; the call is then counted."""
        while True:
            with self._lock:
                now = self._clock()
                wait = max(self._closed_until - now, self._wait(now))
                if wait <= 0:
                    self._spend(now)
                    return
            # A wait too short to move the clock would be one for ever.
            self._sleep(max(wait, SHORTEST_WAIT_SECONDS))

    def learn(self, reply: Reply) -> None:
        """After a refusal nobody calls before the time that the service names."""
        if reply.status == 429:
            with self._lock:
                self._closed_until = self._clock() + (retry_after_seconds(reply.headers) or 1.0)

    @abstractmethod
    def _wait(self, now: float) -> float:
        """The seconds until there is room for one call; none of them, or less, where there is."""

    @abstractmethod
    def _spend(self, now: float) -> None:
        """Afterwards one more call is counted."""


class LeakyBucket(_Paced):
    """Shopify's: each call adds a drop to a bucket that leaks; the header tells its level and its size.

    A bucket of 40 leaks 2 drops a second, one of 80 leaks 4, one of 400 leaks 20: a twentieth of its size.
    An answer without the header comes from a server without a limit. Source: shopify.dev, REST Admin
    API rate limits.
    """

    HEADER = "x-shopify-shop-api-call-limit"
    # Drops that are left free: other workers of the same app may add theirs at the same moment.
    FREE = 2

    def __init__(self, clock: Callable[[], float] = time.monotonic, sleep: Sleep = time.sleep) -> None:
        super().__init__(clock, sleep)
        # The smallest plan's, until the first answer tells.
        self._size = 40
        self._limited = True
        self._level = 0.0
        self._at = clock()

    @property
    def rate(self) -> float:
        """Calls per second in the long run."""
        return self._size / 20

    def learn(self, reply: Reply) -> None:
        """The server's level counts where it is above ours; ours knows of calls still on their way."""
        super().learn(reply)
        found = re.fullmatch(r"(\d{1,6})/([1-9]\d{0,5})", reply.headers.get(self.HEADER, ""))
        with self._lock:
            self._limited = found is not None or reply.status == 429
            if found:
                self._size = int(found[2])
                self._level = max(self._level, float(found[1]))

    def _wait(self, now: float) -> float:
        self._level = max(0.0, self._level - (now - self._at) * self.rate)
        self._at = now
        return (self._level + 1 + self.FREE - self._size) / self.rate if self._limited else 0.0

    def _spend(self, now: float) -> None:
        self._level += 1


class SlidingWindow(_Paced):
    """At most `calls` in any `per_seconds`."""

    def __init__(
        self,
        calls: int,
        per_seconds: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Sleep = time.sleep,
    ) -> None:
        super().__init__(clock, sleep)
        self._per_seconds = per_seconds
        # When the last calls were made; full, the first of them must be old enough.
        self._made: deque[float] = deque(maxlen=calls)

    def _wait(self, now: float) -> float:
        return self._made[0] + self._per_seconds - now if len(self._made) == self._made.maxlen else 0.0

    def _spend(self, now: float) -> None:
        self._made.append(now)
