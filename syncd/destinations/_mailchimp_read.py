"""Reading a Mailchimp audience: its members in the order of change, and the parts of its profile.

It knows Mailchimp's paging and its gaps (ten rows unless told otherwise, fifty tags per member, whole
seconds). It writes nothing.
"""

from __future__ import annotations

import re
from calendar import monthrange
from datetime import UTC, datetime
from functools import partial
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
from msgspec import Struct

from syncd.destinations import MemberPage
from syncd.destinations._mailchimp_gateway import Damaged, RefusedError, subscriber_hash, typed
from syncd.errors import RecordError, TransientError
from syncd.model import Member, MemberStatus, Rejected

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from syncd.destinations._mailchimp_gateway import Gateway

PAGE_ROWS = 1000
# Members of one second are paged by offset. Those who change meanwhile leave the second, and the
# rest moves up: pages overlap by as many as may do so unnoticed.
OFFSET_OVERLAP_ROWS = 100
# `since_last_changed` means later than, in whole seconds; one second more for a change that shows late.
POLL_OVERLAP_SECONDS = 2
# How far our clock may be behind theirs.
LARGEST_SKEW_SECONDS = 2 * 86_400
# A hundred times as many as any small collection has: a number that only a broken answer names.
MOST_PAGES = 100
# Addresses that people had deleted are shown as this; they are nobody.
FORGOTTEN_DOMAIN = "@forgotten.mailchimp.com"
# The property of an event by which it is found again.
EPISODE = "episode"
_BIRTHDAY = re.compile(r"\d\d/\d\d", re.ASCII)
_CONTACT_ID = re.compile(r"[!-~]{1,64}")


class Tag(Struct, frozen=True):
    """A tag of a member, as Mailchimp shows it."""

    name: str


class Rates(Struct, frozen=True):
    """How a member reacts to mail, from 0 to 1."""

    avg_open_rate: float | None = None
    avg_click_rate: float | None = None


class Row(Struct, frozen=True):
    """A member as Mailchimp shows it; the names are asked for, so that nothing else is sent."""

    contact_id: str
    email_address: str
    status: str
    last_changed: str
    timestamp_opt: str = ""
    merge_fields: dict[str, Any] = {}
    tags: tuple[Tag, ...] = ()
    tags_count: int = 0
    stats: Rates = Rates()


class Listing(Struct, frozen=True):
    """One page of members, each of which may be anything."""

    members: tuple[Any, ...]
    total_items: int


class Seen(Struct, frozen=True):
    """The members on a page, and those that cannot be read."""

    rows: list[Row]
    rejected: list[Rejected]

    @classmethod
    def of(cls, page: Listing) -> Seen:
        """Each member by itself, so that one that is wrong keeps nobody else from being read."""
        seen = cls([], [])
        for each in page.members:
            try:
                seen.rows.append(_row(each))
            except RecordError as err:
                raw = each.raw if isinstance(each, Damaged) else msgspec.json.encode(each)
                seen.rejected.append(Rejected(err.subject or _nameless(raw), str(err), raw))
        return seen


class Collection(Struct, frozen=True, kw_only=True):
    """One page of a small collection."""

    total_items: int = 0


class Tags(Collection, frozen=True):
    """One page of the tags of a member."""

    tags: tuple[Tag, ...]


class Event(Struct, frozen=True):
    """Something that a member did, as Mailchimp shows it."""

    properties: dict[str, Any] = {}


class Events(Collection, frozen=True):
    """One page of the events of a member."""

    events: tuple[Event, ...]


class Cursor(Struct, frozen=True):
    """How far each of the two walks has come: UTC seconds of the latest change seen, None before the first.

    These are the service's own seconds; our clock plays no part.
    """

    listed: int | None = None
    archived: int | None = None


C = TypeVar("C", bound=Collection)


class Reader:
    """Reads one audience.

    `birthday_field` is the merge field that holds birthdays, "" for none. `archived_apart`: archived members are
    missing in a listing that does not ask for them, so they are asked for in a walk of their own.
    """

    def __init__(
        self,
        gateway: Gateway,
        list_id: str,
        *,
        birthday_field: str = "",
        archived_apart: bool = True,
        now: Callable[[], float],
    ) -> None:
        self._gateway = gateway
        self._list_id = list_id
        self._now = now
        self._birthday_field = birthday_field
        self._archived_apart = archived_apart
        self._afresh = False

    def start_afresh(self) -> None:
        """Afterwards the next reading gives everybody: something happened that moved nobody's `last_changed`."""
        self._afresh = True

    def members(self, cursor: str | None) -> Iterator[MemberPage]:
        """All members changed since `cursor`, as pages to be committed one by one."""
        at = msgspec.json.decode(cursor, type=Cursor) if cursor and not self._afresh else Cursor()
        self._afresh = False
        for seen, latest, expected in self._walk("", at.listed):
            at = Cursor(latest, at.archived)
            yield self._page(seen, at, expected)
        if self._archived_apart:
            for seen, latest, expected in self._walk("archived", at.archived):
                at = Cursor(at.listed, latest)
                yield self._page(seen, at, expected)

    def member(self, email: str) -> Member | None:
        """The member as it is now; None where there is none."""
        try:
            answer = self._gateway.lists.get_list_member(
                self._list_id, subscriber_hash(email), fields=list(Row.__struct_fields__)
            )
        except RefusedError as err:
            if err.problem.status == 404:
                return None
            raise
        return self._member(typed(answer, Row))

    def episodes(self, email: str) -> set[str]:
        """The episodes of all events of the member."""
        listing = partial(self._gateway.lists.get_list_member_events, self._list_id, subscriber_hash(email))
        try:
            return {
                str(event.properties[EPISODE])
                for page in pages(listing, Events)
                for event in page.events
                if EPISODE in event.properties
            }
        except RefusedError as err:
            if err.problem.status == 404:
                return set()
            raise

    def _walk(self, status: str, seen_until: int | None) -> Iterator[tuple[Seen, int, int | None]]:
        """What was not given before, the latest second so far, and on a first page the total.

        Each page begins at the last second of the page before, so a member who changes meanwhile moves
        to the end and nobody is skipped; what one page repeats of the page before is left out.
        """
        latest = seen_until or 0
        since = None if seen_until is None else max(seen_until - POLL_OVERLAP_SECONDS, 0)
        offset, before = 0, set[tuple[str, str]]()
        while True:
            page = self._ask(status, since, offset)
            seen = Seen.of(page)
            keys = {(row.contact_id, row.last_changed) for row in seen.rows}
            changed = (instant(row.last_changed) or 0 for row in seen.rows)
            # A change far in the future would hide all that are still to come.
            horizon = self._now() + LARGEST_SKEW_SECONDS
            latest = max([latest, *(at for at in changed if at <= horizon)])
            fresh = [row for row in seen.rows if (row.contact_id, row.last_changed) not in before]
            if offset and len(page.members) >= PAGE_ROWS and not fresh:
                raise TransientError("Mailchimp's list of members goes round in a circle")
            yield Seen(fresh, seen.rejected), latest, None if before else page.total_items
            if len(page.members) < PAGE_ROWS:
                return
            if since is None or latest - 1 > since:
                since, offset = latest - 1, 0
            else:
                offset += PAGE_ROWS - OFFSET_OVERLAP_ROWS
            before = keys

    def _ask(self, status: str, since: int | None, offset: int) -> Listing:
        filters = {"status": status} if status else {}
        if since is not None:
            filters["since_last_changed"] = datetime.fromtimestamp(since, UTC).isoformat()
        answer = self._gateway.lists.get_list_members_info(
            self._list_id,
            fields=[*(f"members.{name}" for name in Row.__struct_fields__), "total_items"],
            sort_field="last_changed",
            sort_dir="ASC",
            count=PAGE_ROWS,
            offset=offset,
            **filters,
        )
        return typed(answer, Listing)

    def _page(self, seen: Seen, at: Cursor, expected: int | None) -> MemberPage:
        found, rejected = [], [*seen.rejected]
        for row in seen.rows:
            if row.email_address.lower().endswith(FORGOTTEN_DOMAIN):
                continue
            try:
                found.append(self._member(row))
            except RecordError as err:
                rejected.append(Rejected(row.contact_id, f"tags: {err}", msgspec.json.encode(row)))
        return MemberPage(tuple(found), msgspec.json.encode(at).decode(), expected, tuple(rejected))

    def _member(self, row: Row) -> Member:
        # A listing shows no more than fifty tags.
        tags = row.tags if row.tags_count <= len(row.tags) else self._all_tags(row.email_address)
        return Member(
            contact_id=row.contact_id if _CONTACT_ID.fullmatch(row.contact_id) else "",
            email=row.email_address,
            status=_status(row.status),
            changed_at=instant(row.last_changed) or 0,
            opted_in_at=instant(row.timestamp_opt),
            tags=tuple(tag.name for tag in tags),
            # An address is an object, and none of ours.
            fields={tag: value for tag, value in row.merge_fields.items() if isinstance(value, str | int | float)},
            open_rate=row.stats.avg_open_rate,
            click_rate=row.stats.avg_click_rate,
            birthday=birthday(row.merge_fields.get(self._birthday_field)),
        )

    def _all_tags(self, email: str) -> list[Tag]:
        lists, key = self._gateway.lists, subscriber_hash(email)
        return [
            tag for page in pages(partial(lists.get_list_member_tags, self._list_id, key), Tags) for tag in page.tags
        ]


def pages(call: Callable[..., Any], kind: type[C], **options: Any) -> Iterator[C]:
    """Every page of a small collection, whose default of ten rows would hide the rest.

    Raises: TransientError where there is no end to it.
    """
    for offset in range(0, MOST_PAGES * PAGE_ROWS, PAGE_ROWS):
        page = typed(call(count=PAGE_ROWS, offset=offset, **options), kind)
        yield page
        if offset + PAGE_ROWS >= page.total_items:
            return
    raise TransientError("Mailchimp's answer promises more than there can be")


def _row(given: object) -> Row:
    """Raises: RecordError, naming field and fault and no value of the person's."""
    if isinstance(given, Damaged):
        raise RecordError("record: not JSON")
    subject = given.get("contact_id") if isinstance(given, dict) else None
    subject = subject if isinstance(subject, str) and _CONTACT_ID.fullmatch(subject) else ""
    try:
        row = msgspec.convert(given, Row)
    except msgspec.ValidationError as err:
        fault, _, place = str(err).partition(" - at `$")
        raise RecordError(f"{place.strip('.`') or 'record'}: {fault}", subject=subject) from None
    for name in ("last_changed", "timestamp_opt"):
        try:
            instant(getattr(row, name))
        except TransientError:
            raise RecordError(f"{name}: not an instant", subject=subject) from None
    return row


def _nameless(raw: bytes) -> str:
    return f"unnamed-{blake2b(raw, digest_size=8).hexdigest()}"


def instant(text: str) -> int | None:
    """UTC seconds of an ISO instant; None for the empty text that stands for never.

    Raises: TransientError for anything else.
    """
    if not text:
        return None
    try:
        when = datetime.fromisoformat(text)
    except ValueError as err:
        raise TransientError("Mailchimp sent an instant that cannot be read") from err
    return int((when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp())


def birthday(value: object) -> int | None:
    """Month and day as MMDD of a birthday as Mailchimp writes it, `11/22`; None for anything else."""
    if not isinstance(value, str) or not _BIRTHDAY.fullmatch(value):
        return None
    month, day = int(value[:2]), int(value[3:])
    # In a leap year, because 29 February is a birthday.
    return 100 * month + day if 1 <= month <= 12 and 1 <= day <= monthrange(2000, month)[1] else None


def _status(text: str) -> MemberStatus:
    try:
        return MemberStatus(text)
    except ValueError:
        # A status that we do not know gives no right to mail.
        return MemberStatus.UNSUBSCRIBED
