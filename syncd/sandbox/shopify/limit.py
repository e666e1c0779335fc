"""The leaky bucket of Shopify's REST API, by plan. Source: shopify.dev "REST Admin API rate limits"."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from syncd.sandbox.bucket import LeakyBucket
from syncd.sandbox.shopify.answers import refusal
from syncd.sandbox.shopify.door import REQUEST_ID, new_request_id

if TYPE_CHECKING:
    from starlette.responses import Response
    from starlette.types import Scope

    from syncd.sandbox.shop import ShopState

# Bucket size and requests a second by plan.
PLANS = {"basic": (40, 2.0), "advanced": (80, 4.0), "plus": (400, 20.0), "enterprise": (800, 40.0)}
RETRY_AFTER = "2.0"  # a float, as text


class CallLimit:
    """The bucket that all tokens and all workers of one app share in one shop."""

    def __init__(self, shop: ShopState) -> None:
        self._shop = shop
        self._bucket = LeakyBucket(time.monotonic)

    def enter(self, scope: Scope) -> Response | None:
        """The 429, once the bucket is full. Tokens are granted without a limit."""
        size, rate = PLANS[self._shop.switches.plan]
        self._others_call(size)
        if scope["path"].startswith("/admin/oauth") or self._bucket.fill(size, self._leak):
            return None
        message = (
            f"Exceeded {rate:g} calls per second for api client. Reduce request rates to resume uninterrupted service."
        )
        wait = {"Retry-After": RETRY_AFTER} if self._shop.switches.retry_after else {}
        return refusal(429, message, {REQUEST_ID: new_request_id(), **wait})

    def leave(self) -> None:
        """The bucket leaks by time alone."""

    def headers(self, scope: Scope) -> dict[str, str]:
        """How full the bucket is."""
        size, _ = PLANS[self._shop.switches.plan]
        return {"X-Shopify-Shop-Api-Call-Limit": f"{self._bucket.level(self._leak)}/{size}"}

    @property
    def _leak(self) -> float:
        """What leaks out a second, less what other workers of the app pour in all the time."""
        return max(0.0, PLANS[self._shop.switches.plan][1] - self._shop.switches.other_calls)

    def _others_call(self, size: int) -> None:
        """The calls that other workers made since the last one of ours."""
        while self._shop.calls_elsewhere and self._bucket.fill(size, self._leak):
            self._shop.calls_elsewhere -= 1
        self._shop.calls_elsewhere = 0
