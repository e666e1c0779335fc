"""The members of an audience and the ways to find them: by hash, by contact, and page by page in any order. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from hashlib import md5
from itertools import count
from math import ceil, floor, inf
from typing import TYPE_CHECKING, Any, NamedTuple

from syncd.sandbox.audience.members import STATUSES, Member, subscriber_hash, unique_email_id
from syncd.sandbox.audience.ranking import Ranking

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

FIRST_WEB_ID = 10_000_001
# What the API sorts by, in its words and in ours.
SORTED_BY = {"last_changed": "changed_at", "timestamp_opt": "opted_in_at", "timestamp_signup": "signed_up_at"}

Bounds = dict[str, tuple[float, float]]


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
    sort_field: str = ""
    descending: bool = False
    offset: int = 0
    count: int = 10

    def bounds(self, *, inclusive: bool) -> Bounds:
        """For each instant that is asked about: the first second that passes, and the first one that does not again.

        `inclusive`: the second of `changed_before` still passes.
        """
        asked = {
            "changed_at": (self.changed_since, self.changed_before),
            "opted_in_at": (self.opted_since, self.opted_before),
            "unsubscribed_at": (self.unsubscribed_since, None),
        }
        found: Bounds = {}
        for name, (since, before) in asked.items():
            if since is not None or before is not None:
                # What is not set passes no bound: it stands before second 0.
                first = 0 if since is None else max(0, floor(since) + 1)
                last = floor(before) + 1 if before is not None and inclusive and name == "changed_at" else before
                found[name] = (first, inf if last is None else ceil(last))
        return found


class _Order(NamedTuple):
    """Members of one group in the order of one of their instants.

    `group` is a status, or "listed" for all but the archived, or "all".
    """

    group: str
    vip_only: bool
    name: str

    def holds(self, member: Member) -> bool:
        in_group = self.group in ("all", member.status) or (self.group == "listed" and member.status != "archived")
        return in_group and (member.vip or not self.vip_only)


class Register:
    """All members. What they are listed by is written with `change` only, which keeps every order.

    An order is made when it is first asked for. A page of one order costs the same anywhere; where an order and
    another condition meet, or two conditions, the members that pass the narrower one are looked at.
    """

    def __init__(self, salt: str) -> None:
        self.by_hash: dict[str, Member] = {}
        self._by_contact: dict[str, Member] = {}
        self._by_unique_id: dict[str, Member] = {}
        self._by_web_id: dict[int, Member] = {}
        self._orders: dict[_Order, Ranking] = {}
        self._counts: Counter[str] = Counter()
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
        return self._counts[status]

    def counts(self) -> Mapping[str, int]:
        """How many members have each status."""
        return {status: self._counts[status] for status in STATUSES}

    def add(self, email: str, status: str, changed_at: int) -> Member:
        """Afterwards the address, which was unknown, is a member."""
        web_id = next(self._web_ids)
        contact_id = md5(f"{self._salt}:{web_id}".encode(), usedforsecurity=False).hexdigest()
        member = Member(web_id, contact_id, email.strip(), subscriber_hash(email), status, changed_at)
        self._by_contact[contact_id] = self._by_web_id[web_id] = member
        self._know(member)
        self._counts[status] += 1
        for order, at in self._places(member).items():
            self._orders[order].add(at, web_id)
        return member

    def remove(self, member: Member) -> None:
        """Afterwards nothing of the member is left here."""
        for order, at in self._places(member).items():
            self._orders[order].remove(at, member.web_id)
        self._counts[member.status] -= 1
        self._forget(member)
        del self._by_contact[member.contact_id], self._by_web_id[member.web_id]

    def rename(self, member: Member, email: str) -> None:
        """Afterwards the member has this address and its hash, and is otherwise the same."""
        self._forget(member)
        member.email, member.hash = email.strip(), subscriber_hash(email)
        self._know(member)

    def touch(self, member: Member, at: int) -> None:
        """Afterwards the member was last changed at `at`."""
        if member.changed_at != at:
            self.change(member, changed_at=at)

    def change(self, member: Member, **values: Any) -> None:
        """Afterwards the member has these values."""
        before = self._places(member)
        self._counts[member.status] -= 1
        for name, value in values.items():
            setattr(member, name, value)
        self._counts[member.status] += 1
        after = self._places(member)
        for order, at in before.items() - after.items():
            self._orders[order].remove(at, member.web_id)
        for order, at in after.items() - before.items():
            self._orders[order].add(at, member.web_id)

    def page(self, asked: Listing, *, archived: bool, inclusive: bool) -> tuple[list[Member], int]:
        """One page of the members asked for, and how many there are in all.

        Where no order is asked for, it is that of what is asked about, and of change where nothing is.
        `archived`: they are listed also where no status is named; `inclusive`: so is the second of `changed_before`.
        """
        bounds = asked.bounds(inclusive=inclusive)
        name = SORTED_BY.get(asked.sort_field) or next(iter(bounds), "changed_at")
        group = asked.status or ("all" if archived else "listed")
        wanted = _Order(group, asked.vip_only, name)
        if set(bounds) <= {name} and not asked.unique_email_id:
            return self._stretch(asked, wanted, bounds)
        found = [
            each for each in self._narrowest(asked, wanted, bounds) if wanted.holds(each) and _within(each, bounds)
        ]
        found.sort(key=lambda each: (_instant(each, name), each.web_id), reverse=asked.descending)
        return found[asked.offset : asked.offset + asked.count], len(found)

    def _stretch(self, asked: Listing, order: _Order, bounds: Bounds) -> tuple[list[Member], int]:
        """The page where one order answers everything."""
        ranking = self._ranking(order)
        start, stop = ranking.between(*bounds.get(order.name, ()))
        if asked.descending:
            stop_here = stop - asked.offset
            web_ids = ranking.cut(max(stop_here - asked.count, start), stop_here, descending=True)
        else:
            start_here = start + asked.offset
            web_ids = ranking.cut(start_here, min(start_here + asked.count, stop))
        return [self[web_id] for web_id in web_ids], stop - start

    def _narrowest(self, asked: Listing, wanted: _Order, bounds: Bounds) -> Iterable[Member]:
        """The members that pass the condition which the fewest pass."""
        if asked.unique_email_id:
            member = self._by_unique_id.get(asked.unique_email_id)
            return [member] if member else []
        rankings = {name: self._ranking(_Order(wanted.group, wanted.vip_only, name)) for name in bounds}
        stretches = {name: rankings[name].between(*bounds[name]) for name in bounds}
        name = min(stretches, key=lambda each: stretches[each][1] - stretches[each][0])
        return [self[web_id] for web_id in rankings[name].cut(*stretches[name])]

    def _ranking(self, order: _Order) -> Ranking:
        if order not in self._orders:
            members = filter(order.holds, self._by_web_id.values())
            self._orders[order] = Ranking((getattr(member, order.name), member.web_id) for member in members)
        return self._orders[order]

    def _places(self, member: Member) -> dict[_Order, int | None]:
        return {order: getattr(member, order.name) for order in self._orders if order.holds(member)}

    def _know(self, member: Member) -> None:
        self.by_hash[member.hash] = self._by_unique_id[unique_email_id(member.hash)] = member

    def _forget(self, member: Member) -> None:
        del self.by_hash[member.hash], self._by_unique_id[unique_email_id(member.hash)]


def _instant(member: Member, name: str) -> int:
    value: int | None = getattr(member, name)
    return -1 if value is None else value


def _within(member: Member, bounds: Bounds) -> bool:
    return all(first <= _instant(member, name) < end for name, (first, end) in bounds.items())
