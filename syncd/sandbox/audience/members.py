"""The members of an audience and the ways to find them: by hash, by contact, in the order of change. Pure."""

from __future__ import annotations

from bisect import bisect_left, insort
from dataclasses import dataclass, field
from hashlib import md5
from itertools import count
from math import ceil, floor
from typing import TYPE_CHECKING, Literal, Protocol

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from syncd.sandbox.audience.fields import Value

FIRST_WEB_ID = 10_000_001
STATUSES = ("subscribed", "unsubscribed", "cleaned", "pending", "transactional", "archived")
# Sorts by second of change, then by age of the member: an integer, since a tuple costs four times as much.
_SHIFT = 40


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
    `values` are the set merge fields by id, `tags` the moments of joining by segment id.
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


@dataclass(frozen=True)
class Listing:
    """Which members are asked for, in the API's terms; instants may be fractions of a second."""

    status: str = ""
    changed_since: float | None = None
    changed_before: float | None = None
    opted_since: float | None = None
    opted_before: float | None = None
    unsubscribed_since: float | None = None
    vip_only: bool = False
    unique_email_id: str = ""
    sort_field: str = "last_changed"
    descending: bool = False
    offset: int = 0
    count: int = 10

    @property
    def plain(self) -> bool:
        """Whether the order of change alone answers it, without looking at every member."""
        bounds = (self.opted_since, self.opted_before, self.unsubscribed_since)
        unfiltered = not self.vip_only and not self.unique_email_id and all(bound is None for bound in bounds)
        return self.sort_field == "last_changed" and unfiltered

    def holds(self, member: Member) -> bool:
        """Whether the member passes what the order of change does not decide."""
        return (
            _within(member.opted_in_at, self.opted_since, self.opted_before)
            and _within(member.unsubscribed_at, self.unsubscribed_since, None)
            and (member.vip or not self.vip_only)
            and self.unique_email_id in ("", unique_email_id(member.hash))
        )


class _Ranking:
    """Keys in order. Members that are loaded come in any order, so these are sorted only when somebody looks."""

    def __init__(self) -> None:
        self._keys: list[int] = []
        self._sorted = True

    def load(self, key: int) -> None:
        self._sorted = self._sorted and (not self._keys or self._keys[-1] < key)
        self._keys.append(key)

    def keys(self) -> list[int]:
        if not self._sorted:
            self._keys.sort()
            self._sorted = True
        return self._keys

    def add(self, key: int) -> None:
        insort(self.keys(), key)

    def remove(self, key: int) -> None:
        keys = self.keys()
        del keys[bisect_left(keys, key)]

    def __len__(self) -> int:
        return len(self._keys)


class Register:
    """All members. `touch` and `set_status` keep the order of change; nothing else may write those two fields."""

    def __init__(self, salt: str) -> None:
        self.by_hash: dict[str, Member] = {}
        self._by_contact: dict[str, Member] = {}
        self._by_web_id: dict[int, Member] = {}
        self._ranked = {status: _Ranking() for status in (*STATUSES, "listed")}
        self._web_ids = count(FIRST_WEB_ID)
        self._salt = salt

    def __getitem__(self, web_id: int) -> Member:
        return self._by_web_id[web_id]

    def __iter__(self) -> Iterator[Member]:
        # A copy: tests look at the members from another thread while the server adds some.
        return iter(list(self._by_web_id.values()))

    def __len__(self) -> int:
        return len(self._by_web_id)

    def find(self, key: str) -> Member | None:
        """The member with this hash, contact id or address."""
        return self.by_hash.get(key) or self._by_contact.get(key) or self.at(key)

    def at(self, email: str) -> Member | None:
        """The member with this address, however it is written."""
        return self.by_hash.get(subscriber_hash(email))

    def count(self, status: str) -> int:
        """How many members have this status."""
        return len(self._ranked[status])

    def counts(self) -> Mapping[str, int]:
        """How many members have each status."""
        return {status: self.count(status) for status in STATUSES}

    def add(self, email: str, status: str, changed_at: int) -> Member:
        """Afterwards the address, which was unknown, is a member."""
        web_id = next(self._web_ids)
        contact_id = md5(f"{self._salt}:{web_id}".encode(), usedforsecurity=False).hexdigest()
        member = Member(web_id, contact_id, email.strip(), subscriber_hash(email), status, changed_at)
        self.by_hash[member.hash] = self._by_contact[contact_id] = self._by_web_id[web_id] = member
        for ranking in self._rankings(member):
            ranking.load(_key(member))
        return member

    def remove(self, member: Member) -> None:
        """Afterwards nothing of the member is left here."""
        self._unrank(member)
        del self.by_hash[member.hash], self._by_contact[member.contact_id], self._by_web_id[member.web_id]

    def rename(self, member: Member, email: str) -> None:
        """Afterwards the member has this address and its hash, and is otherwise the same."""
        del self.by_hash[member.hash]
        member.email, member.hash = email.strip(), subscriber_hash(email)
        self.by_hash[member.hash] = member

    def touch(self, member: Member, at: int) -> None:
        """Afterwards the member was last changed at `at`."""
        if member.changed_at != at:
            self._unrank(member)
            member.changed_at = at
            self._rank(member)

    def set_status(self, member: Member, status: str) -> None:
        """Afterwards the member has this status."""
        self._unrank(member)
        member.status = status
        self._rank(member)

    def page(self, asked: Listing, *, archived: bool, inclusive: bool) -> tuple[list[Member], int]:
        """One page of the members asked for, and how many there are in all.

        `archived`: they are listed also where no status is named; `inclusive`: so is the second of `changed_before`.
        """
        ranking, low, high = self._range(asked, archived, inclusive)
        if asked.plain:
            first = min(low + asked.offset, high)
            keys = ranking[first : min(first + asked.count, high)]
            if asked.descending:
                last = max(high - asked.offset, low)
                keys = ranking[max(last - asked.count, low) : last][::-1]
            return [self._of(key) for key in keys], high - low
        found = [member for key in ranking[low:high] if asked.holds(member := self._of(key))]
        if asked.sort_field != "last_changed":
            name = {"timestamp_opt": "opted_in_at", "timestamp_signup": "signed_up_at"}[asked.sort_field]
            found.sort(key=lambda member: getattr(member, name) or 0)
        if asked.descending:
            found.reverse()
        return found[asked.offset : asked.offset + asked.count], len(found)

    def _range(self, asked: Listing, archived: bool, inclusive: bool) -> tuple[Sequence[int], int, int]:
        ranking = self._ranked[asked.status or "listed"].keys()
        if archived and not asked.status:
            ranking = sorted(ranking + self._ranked["archived"].keys())
        low, high = 0, len(ranking)
        if asked.changed_since is not None:
            low = bisect_left(ranking, (floor(asked.changed_since) + 1) << _SHIFT)
        if asked.changed_before is not None:
            bound = floor(asked.changed_before) + 1 if inclusive else ceil(asked.changed_before)
            high = max(low, bisect_left(ranking, bound << _SHIFT))
        return ranking, low, high

    def _of(self, key: int) -> Member:
        return self._by_web_id[key & ((1 << _SHIFT) - 1)]

    def _rankings(self, member: Member) -> list[_Ranking]:
        groups = [self._ranked[member.status]]
        return groups if member.status == "archived" else [*groups, self._ranked["listed"]]

    def _rank(self, member: Member) -> None:
        for ranking in self._rankings(member):
            ranking.add(_key(member))

    def _unrank(self, member: Member) -> None:
        for ranking in self._rankings(member):
            ranking.remove(_key(member))


def _key(member: Member) -> int:
    return member.changed_at << _SHIFT | member.web_id


def _within(instant: int | None, since: float | None, before: float | None) -> bool:
    if since is None and before is None:
        return True
    return instant is not None and (since is None or instant > since) and (before is None or instant < before)
