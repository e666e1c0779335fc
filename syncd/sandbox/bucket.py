"""The two kinds of rate limit that the shops' platforms have. Pure: the time is an argument."""

from __future__ import annotations

from collections import deque
from math import ceil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class LeakyBucket:
    """Each request adds a drop; `rate` drops a second leak out; a full bucket takes no more."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._drops = 0.0
        self._at = now()

    def _leak(self, rate: float) -> None:
        now = self._now()
        self._drops = max(0.0, self._drops - (now - self._at) * rate)
        self._at = now

    def fill(self, size: int, rate: float) -> bool:
        """Adds a drop; False where the bucket is full."""
        self._leak(rate)
        if self._drops + 1 > size:
            return False
        self._drops += 1
        return True

    def level(self, rate: float) -> int:
        """The drops in the bucket."""
        self._leak(rate)
        return ceil(self._drops)


class SlidingWindow:
    """At most `size` requests in any `seconds`."""

    def __init__(self, now: Callable[[], float], size: int, seconds: float) -> None:
        self._now = now
        self._size = size
        self._seconds = seconds
        self._times: deque[float] = deque()

    def enter(self) -> float:
        """0.0 where the request may pass; otherwise the seconds until one may."""
        now = self._now()
        while self._times and self._times[0] <= now - self._seconds:
            self._times.popleft()
        if len(self._times) >= self._size:
            return self._times[0] + self._seconds - now
        self._times.append(now)
        return 0.0
