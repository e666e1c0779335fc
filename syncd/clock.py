"""The one seam through which syncd learns the time and waits. The sandbox's clock can stand still or jump."""

from __future__ import annotations

import math
import time
from datetime import datetime
from threading import Event
from typing import Protocol

from syncd.http import Http


class Clock(Protocol):
    """The time in UTC seconds, and waiting for it."""

    def now(self) -> int:
        """The present instant."""

    def wait_until(self, instant: int, stop: Event) -> None:
        """Returns at `instant`, or as soon as `stop` is set."""


class SystemClock:
    """The machine's own clock."""

    def now(self) -> int:
        return int(time.time())

    def wait_until(self, instant: int, stop: Event) -> None:
        stop.wait(max(0.0, instant - time.time()))


class SandboxClock:
    """The clock of a sandbox, which tests and the demo move by hand."""

    # How often it is asked at most; a step of the demo is noticed within this time.
    POLL_SECONDS = 0.02

    def __init__(self, origin: str) -> None:
        self._http = Http(origin, connection="sandbox", headers=dict)
        self._now = 0
        self._holds_until = -math.inf

    def now(self) -> int:
        if time.monotonic() >= self._holds_until:
            reply = self._http.request("GET", "/clock")
            self._now = int(datetime.fromisoformat(reply.json()["now"]).timestamp())
            self._holds_until = time.monotonic() + self.POLL_SECONDS
        return self._now

    def wait_until(self, instant: int, stop: Event) -> None:
        while self.now() < instant and not stop.wait(self.POLL_SECONDS):
            pass


def clock_for(sandbox: str | None) -> Clock:
    """The sandbox's clock where a sandbox is configured, else the machine's."""
    return SandboxClock(sandbox) if sandbox else SystemClock()
