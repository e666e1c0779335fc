"""One member of an audience, and the names that the service gives an address. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import md5
from typing import TYPE_CHECKING, Literal, Protocol

from msgspec import Struct

if TYPE_CHECKING:
    from syncd.sandbox.audience.fields import Value

STATUSES = ("subscribed", "unsubscribed", "cleaned", "pending", "transactional", "archived")


class Clock(Protocol):
    """Tells the time."""

    def now(self) -> int:
        """UTC seconds."""


class Event(Struct, frozen=True):
    """Something that a member did."""

    name: str
    occurred_at: int
    properties: dict[str, str]


@dataclass(slots=True, eq=False)
class Member:
    """A contact of the audience.

    `lock` says who took the address out for good: `user` (the person) or `bounce`; only the person undoes it.
    `values` are the set merge fields by id, `tags` the moments of joining by segment id; what members are
    listed by (status, instants, VIP) is written by the register only.
    """

    web_id: int
    contact_id: str
    email: str
    hash: str
    status: str
    changed_at: int
    signed_up_at: int | None = None
    opted_in_at: int | None = None
    unsubscribed_at: int | None = None
    lock: Literal["", "user", "bounce"] = ""
    reason: str = ""
    language: str = ""
    vip: bool = False
    open_rate: float = 0.0
    click_rate: float = 0.0
    values: dict[int, Value] = field(default_factory=dict)
    tags: dict[int, int] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)


def subscriber_hash(email: str) -> str:
    """The service's key of an address: MD5 of the trimmed address in lower case."""
    return md5(email.strip().lower().encode(), usedforsecurity=False).hexdigest()


def unique_email_id(member_hash: str) -> str:
    """The service's key of an address over all its lists."""
    return md5(member_hash.encode(), usedforsecurity=False).hexdigest()[:10]
