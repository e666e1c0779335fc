"""One audience as the service keeps it: members, their statuses, tags, fields and journeys.

Pure state: it knows time only as a clock that is handed in, and nothing of HTTP. What the service
would refuse raises a Problem in the service's own words, and then nothing was changed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import UNSET

from syncd.sandbox.audience.conditions import Saved
from syncd.sandbox.audience.fields import MergeFields
from syncd.sandbox.audience.hooks import Webhooks
from syncd.sandbox.audience.instants import instant, iso
from syncd.sandbox.audience.journeys import Journeys
from syncd.sandbox.audience.members import Event, Member
from syncd.sandbox.audience.notes import Notes
from syncd.sandbox.audience.problems import (
    Problem,
    already_in_list,
    already_member,
    invalid,
    journey_refusal,
    not_allowed,
    not_found,
    not_updated,
    required,
)
from syncd.sandbox.audience.register import Listing, Register
from syncd.sandbox.audience.segments import Segments
from syncd.sandbox.audience.standing import Standing
from syncd.sandbox.audience.switches import Switches
from syncd.sandbox.audience.tagging import Tagging
from syncd.sandbox.audience.writes import MemberWrite

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from syncd.sandbox.audience.fields import Value
    from syncd.sandbox.audience.members import Clock
    from syncd.sandbox.audience.standing import By
    from syncd.sandbox.audience.writes import EventWrite

__all__ = ["Audience", "Listing", "Member", "Problem", "Switches"]


class Audience:
    """A list. A call that names a member takes its hash, its contact id or its address."""

    def __init__(
        self,
        list_id: str,
        name: str,
        clock: Clock,
        timezone: str = "Europe/Madrid",
        double_optin: bool = False,
        switches: Switches | None = None,
    ) -> None:
        self.list_id = list_id
        self.name = name
        self.clock = clock
        self.timezone = timezone
        self.double_optin = double_optin
        self.switches = switches or Switches()
        self.created_at = clock.now()
        self.members = Register(list_id)
        self.fields = MergeFields(self.switches)
        self.segments = Segments()
        self.saved = Saved(self.members, self.segments, self.fields, clock, self.switches)
        self.notes = Notes(clock)
        self.hooks = Webhooks(list_id, self.fields, clock, self.switches)
        self._journeys = Journeys(clock, self.switches)
        self._standing = Standing(self.members, self.segments, clock, self.switches, self._turned)
        self.tags = Tagging(self.members, self.segments, self._journeys, clock, self.switches)
        self._stats: tuple[int, Mapping[str, int]] = (0, {})

    # What happens outside the API.

    def add_member(
        self,
        email: str,
        status: str,
        tags: Iterable[str] = (),
        merge_fields: Mapping[str, Value] | None = None,
        opted_in_at: int | None = None,
        changed_at: int | None = None,
        unsubscribed_by: By = "user",
        open_rate: float = 0.0,
        click_rate: float = 0.0,
    ) -> Member:
        """Afterwards the address is a member that has been there all along: nothing fires.

        A merge field that does not exist is made. Raises: Problem where the address is a member already.
        """
        if taken := self.members.at(email):
            raise already_member(taken.email)
        at = self.clock.now() if changed_at is None else changed_at
        member = self.members.add(email, status, at)
        self.members.change(member, opted_in_at=opted_in_at, open_rate=open_rate, click_rate=click_rate)
        member.values = self.fields.stored(merge_fields or {})
        self.tags.seed(member, tags, at)
        self._standing.settle(member, "admin" if status == "subscribed" else unsubscribed_by, at)
        return member

    def act(self, email: str, change: Mapping[str, Any]) -> None:
        """A person, or with `"by": "admin"` the marketer, changes something in the service itself; journeys start.

        `status`: who unsubscribes in person can only come back in person; `subscribed` confirms or
        signs up again, `cleaned` is a hard bounce, `deleted` forgets. `tags`: all of them, or
        `{"add": [], "remove": []}`. `merge_fields`; `birthday`, as MM/DD, is the field of that name. `email`: the
        new address. `open_rate`, `click_rate`: what the campaigns so far came to.
        Raises: Problem, a 404 for an address that is no member and does not sign up.
        """
        with self.hooks.by(change.get("by", "user")):
            self._act(email, change)

    def _act(self, email: str, change: Mapping[str, Any]) -> None:
        status = change.get("status")
        member = self.members.at(email)
        if member is None:
            if status not in ("subscribed", "pending"):
                raise not_found()
            self._standing.forgive(email)
            member = self.members.add(email, "pending", self.clock.now())
        if status == "deleted":
            self.forget(member.hash)
            return
        if status and self._standing.turn(member, status, change.get("by", "user")):
            self.members.touch(member, self.clock.now())
        self._engage(member, {name: change[name] for name in ("open_rate", "click_rate") if name in change})
        self._act_on_tags(member, change.get("tags", {}))
        address = change.get("email", UNSET)
        fields = change.get("merge_fields", {}) | ({"BIRTHDAY": change["birthday"]} if "birthday" in change else {})
        self._change(member, MemberWrite(email_address=address, merge_fields=fields))

    def _engage(self, member: Member, rates: Mapping[str, float]) -> None:
        if self._describe(member, rates) and self.switches.engagement_moves_last_changed:
            self.members.touch(member, self.clock.now())

    def _act_on_tags(self, member: Member, tags: Mapping[str, Iterable[str]] | Iterable[str]) -> None:
        if isinstance(tags, dict):
            self.tags.add(member, tags.get("add", ()), fires=True)
            self.tags.remove(member, tags.get("remove", ()))
        else:
            names = list(tags)
            self.tags.keep(member, names)
            self.tags.add(member, names, fires=True)

    def state(self) -> list[dict[str, Any]]:
        """The ground truth, sorted by address: each member with its tags and those merge fields that are set."""
        rows = [
            {
                "email": member.email,
                "status": member.status,
                "tags": sorted(self.tags.names(member)),
                "merge_fields": self.fields.set_of(member.values),
            }
            for member in self.members
        ]
        return sorted(rows, key=lambda row: str(row["email"]))

    def journeys(self) -> list[dict[str, Any]]:
        """Who entered a journey and why, oldest first."""
        return [
            {
                "at": iso(entry.at),
                "list_id": self.list_id,
                "email": entry.email,
                "trigger": entry.trigger,
                "value": entry.value,
            }
            for entry in self._journeys.entries
        ]

    # What the API does.

    def get(self, key: str) -> Member:
        """The member. Raises: Problem 404."""
        member = self.members.find(key)
        if member is None:
            raise not_found()
        return member

    def page(self, asked: Listing) -> tuple[list[Member], int]:
        """One page of members, and how many there are in all."""
        return self.members.page(
            asked, archived=self.switches.archived_in_listing, inclusive=self.switches.before_is_inclusive
        )

    def put(self, key: str, write: MemberWrite, *, skip_required: bool = False) -> Member:
        """Afterwards the member is as `write` says. A new one is that of the body's address: `key` is not checked."""
        member = self.members.find(key)
        if member is None:
            member = self._create(write, write.status_if_new or write.status, skip_required=skip_required)
        else:
            self._change(member, write, skip_required=skip_required)
        if self.switches.put_takes_tags:
            self.tags.add_in_bulk(member, write.tags)
        return member

    def patch(self, key: str, write: MemberWrite, *, skip_required: bool = False) -> Member:
        """Afterwards the member, which exists, is as `write` says."""
        return self._change(self.get(key), write, skip_required=skip_required)

    def post(self, write: MemberWrite, *, skip_required: bool = False) -> Member:
        """Afterwards the new or archived address is a member with the status of `write`."""
        known = self.members.at(write.email_address or "")
        if known is None:
            member = self._create(write, write.status, skip_required=skip_required)
            self.tags.add_in_bulk(member, write.tags)
            return member
        if known.status != "archived":
            raise already_member(known.email)
        if not write.status:
            raise required("status")
        self._change(known, write, skip_required=skip_required)
        self.members.change(known, opted_in_at=self.clock.now())
        return known

    def subscribe(
        self, write: MemberWrite, *, update: bool, sync_tags: bool, skip_required: bool
    ) -> tuple[Member, bool]:
        """One entry of a batch subscribe: the member as written, and whether it is new. It does flip a status."""
        known = self.members.at(write.email_address or "")
        if known and not update:
            raise not_updated(known.email)
        if known:
            member = self._change(known, write, skip_required=skip_required)
        else:
            member = self._create(write, write.status, skip_required=skip_required)
        if sync_tags:
            self.tags.keep(member, write.tags)
        self.tags.add_in_bulk(member, write.tags)
        return member, known is None

    def archive(self, key: str) -> None:
        """Afterwards the member is archived: kept with tags and fields, and never mailed."""
        member = self.get(key)
        if member.status in ("archived", "pending", "cleaned"):
            reason = (
                "This list member cannot be removed. Can not archive a contact that is bounced, pending or archived"
            )
            raise not_allowed("GET, PUT", reason)
        self._standing.turn(member, "archived", "admin")
        self.members.touch(member, self.clock.now())

    def forget(self, key: str) -> None:
        """Afterwards the person is gone and the address cannot be imported again. `key` is the hash only."""
        member = self.members.by_hash.get(key)
        if member is None:
            raise not_found()
        self.hooks.turned(member, "deleted")
        self.notes.forget(member)
        self.tags.strip(member)
        self.members.remove(member)
        self._standing.forget(member)

    def record_event(self, key: str, write: EventWrite) -> None:
        """Afterwards the member has done this."""
        member = self.get(key)
        if not 2 <= len(write.name) <= 30:
            raise invalid(("name", "This value should have 2 to 30 characters."))
        at = int(instant(write.occurred_at, "occurred_at")) if write.occurred_at else self.clock.now()
        member.events.append(Event(write.name, at, write.properties))
        if not write.is_syncing:
            self._journeys.start(member, "event", write.name)

    def trigger_journey(self, email: str, step: str) -> None:
        """Afterwards the member has entered the journey at this step. Raises: Problem for who is none."""
        member = self.members.at(email)
        if member is None:
            raise journey_refusal(self.switches.journey_refusal_status)
        self._journeys.start(member, "api", step)

    def stats(self) -> Mapping[str, int]:
        """How many members have each status, as old as the service's cache lets it be."""
        now = self.clock.now()
        if not self._stats[1] or not 0 <= now - self._stats[0] < self.switches.stats_lag_seconds:
            self._stats = (now, self.members.counts())
        return self._stats[1]

    def billed(self) -> int:
        """How many members the bill counts."""
        return sum(self.members.count(status) for status in self.switches.billed)

    # How one member is written.

    def _create(self, write: MemberWrite, status: Any, *, skip_required: bool) -> Member:
        if not write.email_address or not status:
            raise required("status" if write.email_address else "email_address")
        self._standing.check_address(write.email_address)
        if taken := self.members.at(write.email_address):
            raise already_member(taken.email)
        values = self.fields.check(write.merge_fields)
        if not skip_required:
            self.fields.check_required(values)
        described = _described(write)
        member = self.members.add(write.email_address, status, self.clock.now())
        member.values = {key: value for key, value in values.items() if value != ""}
        self.members.change(member, **described)
        self._standing.settle(member, "admin", self.clock.now())
        self.hooks.turned(member, member.status)
        if self.switches.signups_start_journeys:
            self._journeys.start(member, "signup", "")
        return member

    def _turned(self, member: Member, before: str) -> None:
        """The status of the member was `before`."""
        self.hooks.turned(member, member.status)
        if before == "pending" and member.status == "subscribed":
            self._journeys.confirmed(member, self.tags.names(member))

    def _change(self, member: Member, write: MemberWrite, *, skip_required: bool = True) -> Member:
        """Checks everything first, so that a refusal leaves the member as it was."""
        address = self._new_address(member, write)
        if write.status and write.status != member.status:
            self._standing.check(member, write.status)
        values = self.fields.check(write.merge_fields)
        if write.merge_fields and not skip_required:
            self.fields.check_required(member.values | values)
        changed = self._describe(member, _described(write))
        changed |= self._set_values(member, values)
        if changed:
            self.hooks.changed(member)
        if address:
            self.hooks.renamed(member, address)
            self.members.rename(member, address)
        if write.status:
            changed |= self._standing.turn(member, write.status, "admin")
        if changed or address:
            self.members.touch(member, self.clock.now())
        return member

    def _new_address(self, member: Member, write: MemberWrite) -> str:
        address = (write.email_address or "").strip()
        if not address or address.lower() == member.email.lower():
            return ""
        self._standing.check_address(address)
        if taken := self.members.at(address):
            if self.switches.rename_conflict_is_invalid_resource:
                raise already_in_list(taken.email, taken.status)
            raise already_member(taken.email)
        return address

    def _describe(self, member: Member, described: Mapping[str, Any]) -> bool:
        changed = {name: value for name, value in described.items() if getattr(member, name) != value}
        if changed:
            self.members.change(member, **changed)
        return bool(changed)

    def _set_values(self, member: Member, values: Mapping[int, Value]) -> bool:
        changed = {key: value for key, value in values.items() if member.values.get(key, "") != value}
        for key, value in changed.items():
            if key in member.values or self.switches.first_value_is_a_change:
                self._journeys.start(member, "field", f"{self.fields.tag_of(key)}={value}")
            if value == "":
                del member.values[key]
            else:
                member.values[key] = value
        return bool(changed)


def _described(write: MemberWrite) -> dict[str, Any]:
    """What `write` sets beside status, address, fields and tags. Raises: Problem for an unreadable time."""
    described: dict[str, Any] = {}
    if write.language is not UNSET:
        described["language"] = write.language
    if write.vip is not UNSET:
        described["vip"] = write.vip
    if write.timestamp_opt:
        described["opted_in_at"] = int(instant(write.timestamp_opt, "timestamp_opt"))
    if write.timestamp_signup:
        described["signed_up_at"] = int(instant(write.timestamp_signup, "timestamp_signup"))
    return described
