"""Mailchimp: one audience, read and written through the official client.

It knows which parts of the API make up a profile, a preparation and a push; the parts themselves are
in the `_mailchimp_…` modules. It never sends `status` for a member that exists.
"""

from __future__ import annotations

import re
import time
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from syncd.destinations import AudienceProfile, FieldType
from syncd.destinations import _mailchimp_gateway as gateway_module
from syncd.destinations._mailchimp_gateway import Gateway, RefusedError, subscriber_hash, typed
from syncd.destinations._mailchimp_operations import BATCH_OPERATIONS, Batches, Calls
from syncd.destinations._mailchimp_push import Push, Untaken
from syncd.destinations._mailchimp_read import Collection, Reader, pages
from syncd.destinations._mailchimp_segments import SEGMENT_PEOPLE, Segments
from syncd.errors import ConnectionBlocked, UserError
from syncd.plan import Portions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from syncd._hosts import Hosts
    from syncd.destinations import MemberPage
    from syncd.model import Change, Member, Outcome
    from syncd.settings import Audience

# 30 merge fields per audience, 80 on the Premium plan, which the API does not name.
FIELD_LIMIT, PREMIUM_FIELD_LIMIT = 30, 80
# Roles that read only. Source: Mailchimp, "Manage user levels in your account".
READERS = frozenset({"author", "viewer"})
_FIELD_NAME = re.compile(r"[A-Z0-9_]{1,10}")
# What each of our types is called there.
_FIELD_TYPES: dict[FieldType, str] = {"number": "number", "date": "date", "text": "text"}


class Account(Struct, frozen=True):
    """The account that the key opens."""

    account_id: str
    role: str = ""
    account_timezone: str = ""


class Counts(Struct, frozen=True):
    """How many contacts the audience has; minutes old."""

    member_count: int = 0
    unsubscribe_count: int = 0


class List(Struct, frozen=True):
    """The audience itself."""

    name: str
    double_optin: bool = False
    stats: Counts = Counts()


class MergeField(Struct, frozen=True):
    """A merge field that exists."""

    tag: str
    type: str


class MergeFields(Collection, frozen=True):
    """One page of merge fields."""

    merge_fields: tuple[MergeField, ...]


class Mailchimp:
    """A connection to one audience; see `Destination` for what each method promises."""

    portions = Portions(SEGMENT_PEOPLE, BATCH_OPERATIONS)

    def __init__(
        self,
        gateway: Gateway,
        list_id: str,
        *,
        birthday_field: str = "",
        field_limit: int = FIELD_LIMIT,
        archived_apart: bool = True,
        now: Callable[[], float],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._gateway = gateway
        self._lists = gateway.lists
        self._list_id = list_id
        self._connection = gateway.http.connection
        self._field_limit = field_limit
        self._reader = Reader(gateway, list_id, birthday_field=birthday_field, archived_apart=archived_apart, now=now)
        self._segments = Segments(gateway, list_id)
        self._calls = Calls(gateway, list_id)
        self._batches = Batches(gateway, list_id, sleep)
        # What `prepare` was told to provide.
        self._wanted: dict[str, FieldType] = {}
        self._untaken = Untaken()

    def profile(self) -> AudienceProfile:
        """What the audience looks like now.

        Raises: ConnectionBlocked where the list does not exist, and for a key that may not write.
        """
        account = typed(self._gateway.root.get_root(), Account)
        if account.role in READERS:
            raise ConnectionBlocked(
                f"{self._connection}: the key's user is {account.role} in Mailchimp and may not change contacts",
                connection=self._connection,
                hint="Make the key as a user with the role Manager, Admin or Owner.",
            )
        audience, fields = self._list(), self._fields()
        return AudienceProfile(
            fingerprint=f"{account.account_id}/{self._list_id}",
            title=audience.name,
            timezone=account.account_timezone,
            double_optin=audience.double_optin,
            contacts=audience.stats.member_count + audience.stats.unsubscribe_count + self._buyers(),
            fields=fields,
            field_limit=self._limit(len(fields)),
            tags=self._segments.names(),
        )

    def members(self, cursor: str | None) -> Iterator[MemberPage]:
        """Members changed since `cursor`, archived ones included."""
        return self._reader.members(cursor)

    def member(self, email: str) -> Member | None:
        """One member as it is now."""
        return self._reader.member(email)

    def episodes(self, email: str) -> set[str]:
        """The episodes of the events that Mailchimp shows of the member."""
        return self._reader.episodes(email)

    def prepare(self, tags: Sequence[str], fields: dict[str, FieldType]) -> None:
        """Afterwards all tags and merge fields exist.

        Raises: UserError, before anything is created, with everything that is in the way.
        """
        existing = self._fields()
        self._wanted |= fields
        missing = {name: kind for name, kind in fields.items() if name.upper() not in existing}
        problems = [*self._misfits(existing, fields), *self._overflow(len(existing), missing)]
        if problems:
            raise UserError(
                f"{self._connection}: the merge fields do not fit", problems=problems, hint="Nothing was created."
            )
        try:
            for name, kind in missing.items():
                self._create_field(name.upper(), kind)
            self._segments.ensure(tags)
        except RefusedError as err:
            raise UserError(
                f"{self._connection}: Mailchimp does not take a tag or merge field: {err.problem.detail[:200]}",
                hint="Choose another name in lifecycle.toml.",
            ) from err
        if 0 < len(missing) < len(fields):
            # One that somebody deleted took everybody's value along.
            self._reader.start_afresh()

    def settle(self) -> None:
        """Afterwards no batch that was submitted earlier is under way."""
        self._batches.settle()

    def push(self, changes: Sequence[Change], *, muted: bool) -> Iterator[Outcome]:
        """Writes `changes`, each member at most once."""

        @cache
        def new_status() -> str:
            # Read at most once, and only where somebody is made a member.
            return "pending" if self._list().double_optin else "subscribed"

        ways = self._calls, self._batches, self._segments
        # Whether the list is still there, is asked anew each time: it may go while we write.
        return Push(*ways, new_status, self._list, self._restore, self._untaken, muted).run(changes)

    def forget(self, email: str) -> None:
        """Afterwards Mailchimp has deleted the member for ever, if there was one."""
        try:
            self._lists.delete_list_member_permanent(self._list_id, subscriber_hash(email))
        except RefusedError as err:
            if err.problem.status != 404:
                raise

    def _restore(self, names: set[str]) -> bool:
        """Whether these fields exist now; those that were prepared and are gone are made again.

        Raises: UserError where they cannot be.
        """
        known = {name: self._wanted[name] for name in names if name in self._wanted}
        if known:
            self.prepare((), known)
            self._reader.start_afresh()
        return len(known) == len(names)

    def _list(self) -> List:
        return typed(self._lists.get_list(self._list_id), List)

    def _buyers(self) -> int:
        """Those who bought and never subscribed: billed as well, and in no count of the list."""
        answer = self._lists.get_list_members_info(
            self._list_id, status="transactional", count=1, fields=["total_items"]
        )
        return typed(answer, Collection).total_items

    def _limit(self, existing: int) -> int:
        """How many fields there may be: who has more than others may have is on the Premium plan."""
        return PREMIUM_FIELD_LIMIT if existing > self._field_limit else self._field_limit

    def _fields(self) -> dict[str, str]:
        listing = partial(self._lists.get_list_merge_fields, self._list_id)
        return {field.tag.upper(): field.type for page in pages(listing, MergeFields) for field in page.merge_fields}

    def _create_field(self, name: str, kind: FieldType) -> None:
        body: dict[str, Any] = {"tag": name, "name": name, "type": _FIELD_TYPES[kind], "public": False}
        try:
            self._lists.add_list_merge_field(self._list_id, body)
        except RefusedError:
            # Somebody was faster, or a first answer was lost.
            if self._fields().get(name) != _FIELD_TYPES[kind]:
                raise

    def _misfits(self, existing: dict[str, str], fields: dict[str, FieldType]) -> Iterator[str]:
        for name, kind in fields.items():
            found = existing.get(name.upper())
            if not _FIELD_NAME.fullmatch(name.upper()):
                yield f"{name}: a merge field's name has at most 10 letters, digits and underscores"
            elif found is not None and found != _FIELD_TYPES[kind]:
                yield f"{name} exists as {found} and cannot hold a {kind}: choose another name, or delete it there"

    def _overflow(self, existing: int, missing: dict[str, FieldType]) -> Iterator[str]:
        limit = self._limit(existing)
        room = max(limit - existing, 0)
        if len(missing) > room:
            yield (
                f"{', '.join(missing)}: {len(missing)} new merge fields are wanted and there is room for {room}, "
                f"as the audience has {existing} of {limit}"
            )


def connect(
    name: str, audience: Audience, now: Callable[[], int], sleep: Callable[[float], None], hosts: Hosts
) -> Mailchimp:
    """The destination of the audience called `name`; nothing is called yet.

    Raises: UserError for a key that is no Mailchimp key.
    """
    gateway = gateway_module.connect(
        audience.api_key.get, audience.base_url, f"audiences.{name}", sleep=sleep, hosts=hosts
    )
    return Mailchimp(gateway, audience.list_id, birthday_field=audience.birthday_field, sleep=sleep, now=now)
