"""Ecwid's limits: 600 calls a minute for a token, and a long block for an address that tries tokens.

Source: docs.ecwid.com "API reference": 429 with Retry-After; non-working tokens block the address "for much
longer after 20 requests per minute or a total of 600". How long, and with which answer, is not published.
"""

from __future__ import annotations

import time
from math import ceil
from typing import TYPE_CHECKING

from starlette.requests import HTTPConnection

from syncd.sandbox.bucket import SlidingWindow
from syncd.sandbox.ecwid.answers import error

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.responses import Response
    from starlette.types import Scope

    from syncd.sandbox.shop import ShopState

CALLS_PER_MINUTE = 600
BAD_CALLS_PER_MINUTE = 20
BAD_CALLS = 600
BLOCK_SECONDS = 3_600.0


def token_of(request: HTTPConnection) -> str:
    """The token of a request: in its header, or, as of old, in its address."""
    return request.headers.get("authorization", "").removeprefix("Bearer ") or request.query_params.get("token", "")


class CallLimit:
    """Counts the calls of each token, and of each address those with a token that does not work."""

    def __init__(self, shop: ShopState, now: Callable[[], float] = time.monotonic) -> None:
        self._shop = shop
        self._now = now
        self._good: dict[str, SlidingWindow] = {}
        self._bad: dict[str, SlidingWindow] = {}
        self._bad_in_all: dict[str, int] = {}
        self._blocked_until: dict[str, float] = {}

    def enter(self, scope: Scope) -> Response | None:
        """The 429, once the minute is used up or the address is blocked."""
        request = HTTPConnection(scope)
        address, token = (scope["client"] or ("",))[0], token_of(request)
        left = self._blocked_until.get(address, 0.0) - self._now()
        if left > 0:
            return self._refusal(left)
        if token != self._shop.token:
            return self._try(address)
        window = self._good.setdefault(token, SlidingWindow(self._now, CALLS_PER_MINUTE, 60.0))
        while self._shop.calls_elsewhere:
            self._shop.calls_elsewhere = 0 if window.enter() else self._shop.calls_elsewhere - 1
        wait = window.enter()
        return self._refusal(wait) if wait else None

    def leave(self) -> None:
        """The windows move by time alone."""

    def headers(self, scope: Scope) -> dict[str, str]:
        """Ecwid tells nothing about its limit in advance."""
        return {}

    def _try(self, address: str) -> Response | None:
        """One more call with a token that does not work; after too many of them the address is blocked."""
        window = self._bad.setdefault(address, SlidingWindow(self._now, BAD_CALLS_PER_MINUTE, 60.0))
        self._bad_in_all[address] = self._bad_in_all.get(address, 0) + 1
        if not window.enter() and self._bad_in_all[address] <= BAD_CALLS:
            return None
        self._blocked_until[address] = self._now() + BLOCK_SECONDS
        self._bad_in_all[address] = 0
        return self._refusal(BLOCK_SECONDS)

    def _refusal(self, wait: float) -> Response:
        return error(
            "RATE_LIMITED", headers={"Retry-After": str(ceil(wait))} if self._shop.switches.retry_after else {}
        )
