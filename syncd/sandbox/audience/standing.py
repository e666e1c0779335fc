"""Who may be written to: the statuses of members, how they change, and which addresses are refused. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

from syncd.sandbox.audience.members import STATUSES, subscriber_hash
from syncd.sandbox.audience.problems import forgotten, in_compliance_state, invalid

if TYPE_CHECKING:
    from collections.abc import Callable

    from syncd.sandbox.audience.members import Clock, Member
    from syncd.sandbox.audience.register import Register
    from syncd.sandbox.audience.segments import Segments
    from syncd.sandbox.audience.switches import Switches

By = Literal["user", "admin", "bounce"]
REASONS = {"user": "No reason given", "admin": "N/A (Unsubscribed by admin)", "bounce": "Unsubscribed due to bounce"}


class Standing:
    """The statuses of an audience's members, and the addresses that were forgotten."""

    def __init__(
        self,
        members: Register,
        segments: Segments,
        clock: Clock,
        switches: Switches,
        turned: Callable[[Member, str], None] = lambda member, before: None,
    ) -> None:
        self._members = members
        self._segments = segments
        self._clock = clock
        self._switches = switches
        self._turned = turned
        self._forgotten: set[str] = set()

    def check_address(self, email: str) -> None:
        """Raises: Problem for an address that cannot be imported."""
        address = email.strip()
        if not re.fullmatch(r"[^\s@,]+@[^\s@,]+\.[^\s@,.]+", address):
            raise invalid(detail="Please provide a valid email address.")
        if address.lower().rpartition("@")[2] in self._switches.fake_domains:
            raise invalid(detail=f"{address} looks fake or invalid, please enter a real email address.")
        if address.lower() in self._switches.overlisted:
            reason = "has signed up to a lot of lists very recently; we're not allowing more signups for now."
            raise invalid(detail=f"{address} {reason}")
        if subscriber_hash(address) in self._forgotten:
            raise forgotten(address)

    def check(self, member: Member, status: str) -> None:
        """Raises: Problem where the API cannot give the member this status: only the person can come back."""
        if (member.lock and status == "subscribed") or (member.lock == "bounce" and status == "pending"):
            raise in_compliance_state(member.email, older=self._switches.older_compliance_wording)

    def turn(self, member: Member, status: str, by: By) -> bool:
        """Whether the status changed, which it has afterwards. A person who subscribes is free again."""
        if status not in STATUSES:
            raise invalid(("status", f"Data presented is not one of the accepted values: {', '.join(STATUSES)}."))
        if status == member.status:
            return False
        for segment_id in self._segments.borne(member):
            self._segments[segment_id].part(member, member.status)
            self._segments[segment_id].join(member, status)
        before = member.status
        self._members.change(member, status=status)
        self.settle(member, by, self._clock.now())
        self._turned(member, before)
        return True

    def settle(self, member: Member, by: By, at: int) -> None:
        """Afterwards reason, lock and opt-in of the member are those of its new status."""
        member.reason = REASONS[by] if member.status == "unsubscribed" else ""
        unsubscribed_at = at if member.status == "unsubscribed" else None
        opted_in_at = member.opted_in_at
        if member.status == "cleaned":
            member.lock = "bounce"
        elif member.status == "unsubscribed":
            member.lock = member.lock if by == "admin" else by
        elif member.status == "subscribed" and (by == "user" or opted_in_at is None):
            member.lock = "" if by == "user" else member.lock
            opted_in_at = at
        self._members.change(member, unsubscribed_at=unsubscribed_at, opted_in_at=opted_in_at)

    def forget(self, member: Member) -> None:
        """Afterwards the address cannot be imported."""
        self._forgotten.add(member.hash)

    def forgive(self, email: str) -> None:
        """The person signs up again: afterwards the address may be a member."""
        self._forgotten.discard(subscriber_hash(email))
