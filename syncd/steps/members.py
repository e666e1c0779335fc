"""Step 2: what changed in the audience is read back: status first of all, then tags and fields of ours."""

from __future__ import annotations

from typing import TypedDict

from syncd import logs
from syncd.destinations import Destination, MemberPage
from syncd.history import ledger
from syncd.history.members import RESOURCE, source_of, store_members
from syncd.history.quarantine import is_waiting, release_others
from syncd.plan import Tags
from syncd.steps.context import Context

# So often everybody is read, and not only who changed: nothing says that an opened mail or a click is a change.
READ_ALL_SECONDS = 7 * 86_400
# And so often as long as one of them could not be read: they may have said that they want no more mail.
READ_AGAIN_SECONDS = 86_400
# Up to so many members are read one by one; more are read as a listing of what changed.
ONE_BY_ONE = 200


def read_members(context: Context, name: str, destination: Destination, tags: Tags) -> int:
    """Every member changed since the last reading, and once a week every member, is stored as the service has
    them now; returns how many were read. Those that cannot be read are in quarantine, and known as before.
    """
    count, rejected = 0, set[str]()
    row, now = ledger.audience_row(context.history, name), context.clock.now()
    source = source_of(name)
    often = READ_AGAIN_SECONDS if is_waiting(context.history, source, RESOURCE) else READ_ALL_SECONDS
    if row["member_cursor"] is None or now - (row["members_read_at"] or 0) >= often:
        ledger.set_audience(context.history, name, member_cursor=None, members_read_at=now)
        row["member_cursor"] = None
    for page in destination.members(row["member_cursor"]):
        _store(context, name, tags, page)
        count += len(page.members)
        rejected |= {one.record_id for one in page.rejected}
        context.report(f"{name}: members", len(page.members), page.expected)
    if row["member_cursor"] is None:
        release_others(context.history, source, RESOURCE, rejected)
    if rejected:
        logs.warning("members that cannot be read", audience=name, quarantined=len(rejected))
    return count


def reread(context: Context, name: str, destination: Destination, tags: Tags, emails: list[str]) -> None:
    """These people are known as the service has them at this moment, after everything sent before."""
    destination.settle()
    if len(emails) > ONE_BY_ONE:
        read_members(context, name, destination, tags)
        return
    found = [member for email in emails if (member := destination.member(email))]
    _store(context, name, tags, MemberPage(tuple(found), None))


def _store(context: Context, name: str, tags: Tags, page: MemberPage) -> None:
    ours, now = what_is_ours(context, name, tags), context.clock.now()
    store_members(context.history, name, page.members, page.cursor, **ours, now=now, rejected=page.rejected)


class Ours(TypedDict):
    """Which tags and merge fields of a member are ours: see `store_members`."""

    bits: dict[str, int]
    field_names: list[str]


def what_is_ours(context: Context, name: str, tags: Tags) -> Ours:
    """Which tags and merge fields of an audience's members are ours."""
    playbook = context.settings.audiences[name].playbook
    bits = {tag.lower(): bit for bit, tag in tags.names.items()}
    return {"bits": bits, "field_names": [field.name for field in playbook.fields]}
