"""The ground truth about automations: who entered one, when and why. Pure.

It acts as if a journey waited for every tag, event and field value, so that any mail which a real
account might send is seen here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Iterable

    from syncd.sandbox.audience.members import Clock, Member
    from syncd.sandbox.audience.switches import Switches


class Entry(Struct, frozen=True):
    """One contact that entered a journey. `value`: the tag, the event's name, `FIELD=value`, or `journey/step`."""

    at: int
    email: str
    trigger: str
    value: str


class Journeys:
    """The entries so far. A contact passes once per trigger and value, unless it may re-enter."""

    def __init__(self, clock: Clock, switches: Switches) -> None:
        self.entries: list[Entry] = []
        self._passed: set[tuple[str, str, str]] = set()
        # Tags that started nothing because their bearer had not confirmed yet, by contact.
        self._waiting: dict[str, list[str]] = {}
        self._clock = clock
        self._switches = switches

    def start(self, member: Member, trigger: str, value: str) -> None:
        """Afterwards the member has entered the journey that waits for this; only the subscribed enter any."""
        if member.status == "pending" and trigger == "tag" and self._switches.opt_in_fires_tags:
            self._waiting.setdefault(member.contact_id, []).append(value)
        key = (member.contact_id, trigger, value.lower())
        if member.status != "subscribed" or (key in self._passed and not self._switches.journeys_reenter):
            return
        self._passed.add(key)
        self.entries.append(Entry(self._clock.now(), member.email, trigger, value))

    def confirmed(self, member: Member, tags: Iterable[str]) -> None:
        """Afterwards the member, who opted in, has entered what those of its tags start that were given before."""
        borne = {*tags}
        for tag in self._waiting.pop(member.contact_id, ()):
            if tag in borne:
                self.start(member, "tag", tag)
