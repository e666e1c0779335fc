"""The ground truth about automations: who entered one, when and why. Pure.

It acts as if a journey waited for every tag, event and field value, so that any mail which a real
account might send is seen here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
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
        self._clock = clock
        self._switches = switches

    def start(self, member: Member, trigger: str, value: str) -> None:
        """Afterwards the member has entered the journey that waits for this; only the subscribed enter any."""
        key = (member.contact_id, trigger, value.lower())
        if member.status != "subscribed" or (key in self._passed and not self._switches.journeys_reenter):
            return
        self._passed.add(key)
        self.entries.append(Entry(self._clock.now(), member.email, trigger, value))
