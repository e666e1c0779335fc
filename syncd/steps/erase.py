"""Erasing a person everywhere: first at the e-mail service, then in the history, so that a fault in between loses
nothing and the same call goes on.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from syncd import logs
from syncd.destinations import Destination
from syncd.errors import TransientError
from syncd.history import erasure
from syncd.history.database import rewrite
from syncd.history.departures import MOVABLE
from syncd.history.dossier import persons, quarantined_of, rows_of, shop_ids
from syncd.history.ledger import tags_of
from syncd.history.tombstones import was_buried
from syncd.model import Change, Member, email_key
from syncd.steps.context import Context
from syncd.steps.place import only_here

# What becomes of the contact: it stays without what is ours, is archived, or is deleted for ever.
Farewell = Literal["keep", "archive", "delete"]


class Found(Struct, frozen=True):
    """What there is of a person: their e-mail keys, how many rows by table, and by audience the contacts' statuses.

    `erased`: they were erased before.
    """

    keys: tuple[str, ...]
    rows: dict[str, int]
    contacts: dict[str, list[str]]
    erased: bool

    def __bool__(self) -> bool:
        return self.erased or any(self.rows.values()) or any(self.contacts.values())


def find(context: Context, email: str) -> Found:
    """What is stored of the person under this address, and what the e-mail services have now.

    Raises: TransientError, ConnectionBlocked.
    """
    key = email_key(email) or email
    with context.history.read() as db:
        known = persons(db, key)
        rows = rows_of(db, known)
        quarantined = quarantined_of(db, {key, *known.values()}, shop_ids(rows))
    keys = tuple(sorted({key, *known.values()}))
    contacts = {
        name: [one.status.value for one in _contacts(context, name, keys)] for name in context.settings.audiences
    }
    counts = {table: len(found) for table, found in rows.items()} | {"quarantine": len(quarantined)}
    return Found(keys, counts, contacts, was_buried(context.history, key))


def erase(context: Context, email: str, farewell: Farewell) -> None:
    """Afterwards nothing is stored of the person, in no file of an SQLite database either, and nothing that is read
    brings them back. Their contacts are as `farewell` says.

    Raises: TransientError, ConnectionBlocked; the same call goes on. UserError in a copy of the database.
    """
    found = find(context, email)
    for name in context.settings.audiences:
        only_here(context, name)
    for name in context.settings.audiences:
        destination = context.destination(name)
        # What was sent earlier and is still being worked off would come after us.
        destination.settle()
        for member in _contacts(context, name, found.keys):
            _part(context, name, destination, member, farewell)
    erasure.erase(context.history, email_key(email) or email, context.clock.now())
    rewrite(context.history)
    logs.info("erased", rows=sum(found.rows.values()))


def _contacts(context: Context, name: str, keys: tuple[str, ...]) -> list[Member]:
    destination = context.destination(name)
    return [member for key in keys if (member := destination.member(key))]


def _part(context: Context, name: str, destination: Destination, member: Member, farewell: Farewell) -> None:
    """One contact loses what is ours, and becomes what it shall be.

    Raises: TransientError where that is not certain.
    """
    if farewell == "delete":
        destination.forget(member.email)
        return
    audience = context.settings.audiences[name]
    ours = {
        tag.lower()
        for tag in tags_of(context.history, name, audience.playbook, audience.tag_prefix, write=False).names.values()
    }
    change = Change(
        email=member.email,
        remove=tuple(tag for tag in member.tags if tag.lower() in ours),
        fields={field.name: "" for field in audience.playbook.fields if member.fields.get(field.name, "") != ""},
        archive=farewell == "archive" and member.status in MOVABLE,
    )
    if not (change.remove or change.fields or change.archive):
        return
    for outcome in destination.push([change], muted=True):
        if outcome.result != "done":
            raise TransientError(
                f"{name}: the contact could not be changed{f': {outcome.reason}' if outcome.reason else ''}",
                hint="run it again; nothing was erased yet",
            )


def forget_redacted(context: Context) -> None:
    """Whoever a shop erased is forgotten here too, as soon as their contacts are at rest."""
    if count := erasure.erase_redacted(context.history, context.clock.now()):
        logs.info("erased", people=count)
        rewrite(context.history)
