"""What the shops' refusals have in common. Knows answers and errors; knows no platform."""

from __future__ import annotations

from syncd.errors import ConnectionBlocked, TransientError
from syncd.http import Reply


class NotAllowed(ConnectionBlocked):
    """Our key is good, but may not do this one thing."""


class NotInPlan(NotAllowed):
    """What the shop pays for does not include this one thing."""


def impostor(reply: Reply, connection: str) -> TransientError | None:
    """The error for an answer that is not the shop's own: the page of a guest network, of a proxy, of a throttle."""
    if reply.status not in (200, 403) or "json" in reply.headers.get("content-type", "json").lower():
        return None
    return TransientError(f"{connection}: something else answered in the shop's place", status=reply.status)
