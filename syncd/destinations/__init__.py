"""Destinations: one module per e-mail service, found by its name (`esp = "mailchimp"` is `destinations/mailchimp.py`).

A destination reads members and writes changes. It decides how few calls a set of changes takes; it
does not decide what is written. It never writes `status` on an existing member and touches no tag or
field that it was not told.
"""

from __future__ import annotations

import pkgutil
import time
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Literal, Protocol

from msgspec import Struct

from syncd._hosts import Hosts
from syncd.errors import UserError
from syncd.model import Change, Member, Outcome, Rejected
from syncd.plan import Portions

if TYPE_CHECKING:
    from syncd.settings import Audience

FieldType = Literal["number", "date", "text"]


class AudienceProfile(Struct, frozen=True):
    """What the service says about an audience.

    `fingerprint` names account and list for ever; `fields` are the merge fields that exist ({tag: type}),
    `field_limit` how many there may be; `tags` the names of the tags (static segments) that exist;
    `contacts` counts those that the service bills.
    """

    fingerprint: str
    title: str
    timezone: str
    double_optin: bool
    contacts: int
    fields: dict[str, str]
    field_limit: int
    tags: tuple[str, ...]


class MemberPage(Struct, frozen=True):
    """Members read in one call, and those that could not be; `cursor`, where they are part of a
    reading, is committed with them and continues it.
    """

    members: tuple[Member, ...]
    cursor: str | None
    expected: int | None = None
    rejected: tuple[Rejected, ...] = ()


class Destination(Protocol):
    """A connection to one audience.

    Raises TransientError, AmbiguousError (a write of unknown outcome) and ConnectionBlocked (also where the
    list is gone).
    """

    @property
    def portions(self) -> Portions:
        """How many people a call of each sort takes."""

    def profile(self) -> AudienceProfile:
        """What the audience looks like now; also the proof that key, role and list id are right."""

    def members(self, cursor: str | None) -> Iterator[MemberPage]:
        """Members changed since `cursor`, all of them without one; overlapping, never skipping.

        Archived members are included. Each member comes with all its tags.
        """

    def member(self, email: str) -> Member | None:
        """One member as the service has it at this moment; None where it never was one."""

    def episodes(self, email: str) -> set[str]:
        """The episodes of all events that were ever told of this member; none where there is no member."""

    def prepare(self, tags: Sequence[str], fields: dict[str, FieldType]) -> None:
        """Afterwards all `tags` and merge `fields` exist. Nothing that exists is altered.

        Raises: UserError, before anything is created, where the fields exceed the budget or one
        exists with a type that cannot hold its values.
        """

    def settle(self) -> None:
        """Afterwards nothing that was sent earlier, by whatever process, is still being worked off."""

    def push(self, changes: Sequence[Change], *, muted: bool) -> Iterator[Outcome]:
        """Writes `changes` in the fewest calls; one Outcome for each, as soon as it is known.

        `muted`: no automation that waits for a tag fires. `create` makes new members only, pending
        where the audience is double opt-in. An exception means: every change without an Outcome yet
        is in an unknown state.
        """

    def forget(self, email: str) -> None:
        """Afterwards the service has deleted the member for ever, if there was one: it never takes the address again
        unless the person signs up there.
        """


def services() -> list[str]:
    """The services that exist: the modules of this package."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_"))


def connect(
    name: str,
    audience: Audience,
    now: Callable[[], int],
    sleep: Callable[[float], None] = time.sleep,
    hosts: Hosts | None = None,
) -> Destination:
    """The destination of the audience called `name`; nothing is called yet. `sleep` waits, and may raise to end
    all waiting; `hosts` are those that other connections call, too.

    Raises: UserError for a service that does not exist.
    """
    if audience.esp not in services():
        raise UserError(f"audiences.{name}: esp {audience.esp!r} does not exist; known: {', '.join(services())}")
    destination: Destination = import_module(f"{__name__}.{audience.esp}").connect(
        name, audience, now, sleep, hosts or Hosts(now)
    )
    return destination
