"""Step 2: what changed in the audience is read back: status first of all, then tags and fields of ours."""

from __future__ import annotations

from typing import TypedDict

from syncd.destinations import Destination
from syncd.history import ledger
from syncd.history.members import store_members
from syncd.model import Member
from syncd.plan import Tags
from syncd.steps.context import Context

# So often everybody is read, and not only who changed: nothing says that an opened mail or a click is a change.
READ_ALL_SECONDS = 7 * 86_400
# Up to so many members are read one by one; more are read as a listing of what changed.
ONE_BY_ONE = 200


def read_members(context: Context, name: str, destination: Destination, tags: Tags) -> int:
    """Every member changed since the last reading, and once a week every member, is stored as the service has
    them now; returns how many were read.
    """
    count = 0
    row, now = ledger.audience_row(context.history, name), context.clock.now()
    if row["member_cursor"] is None or now - (row["members_read_at"] or 0) >= READ_ALL_SECONDS:
        ledger.set_audience(context.history, name, member_cursor=None, members_read_at=now)
        row["member_cursor"] = None
    for page in destination.members(row["member_cursor"]):
        _store(context, name, tags, page.members, page.cursor)
        count += len(page.members)
        context.report(f"{name}: members", len(page.members), page.expected)
    return count


def reread(context: Context, name: str, destination: Destination, tags: Tags, emails: list[str]) -> None:
    """These people are known as the service has them at this moment, after everything sent before."""
    destination.settle()
    if len(emails) > ONE_BY_ONE:
        read_members(context, name, destination, tags)
        return
    found = [member for email in emails if (member := destination.member(email))]
    _store(context, name, tags, found, None)


def _store(
    context: Context, name: str, tags: Tags, members: list[Member] | tuple[Member, ...], cursor: str | None
) -> None:
    ours = what_is_ours(context, name, tags)
    store_members(context.history, name, members, cursor, **ours, now=context.clock.now())


class Ours(TypedDict):
    """Which tags and merge fields of a member are ours: see `store_members`."""

    bits: dict[str, int]
    field_names: list[str]


def what_is_ours(context: Context, name: str, tags: Tags) -> Ours:
    """Which tags and merge fields of an audience's members are ours."""
    playbook = context.settings.audiences[name].playbook
    bits = {tag.lower(): bit for bit, tag in tags.names.items()}
    return {"bits": bits, "field_names": [field.name for field in playbook.fields]}
