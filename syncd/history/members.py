"""Takes members of an audience into the history, as the e-mail service has them: it is the truth about them.

It knows statuses, tags and fields of ours; it decides nothing about them.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import Connection, and_, delete, func, select, update

from syncd.history import consents, overrides, people, tombstones
from syncd.history.consents import Statement
from syncd.history.database import History, among, lock, put
from syncd.history.derived import derive
from syncd.history.fields import AS_KNOWN, canonical_fields
from syncd.history.overrides import Lost
from syncd.history.quarantine import settle_quarantine
from syncd.history.reading import fetch
from syncd.history.schema import audiences, customers, members, standings
from syncd.history.sift import plain
from syncd.model import Consent, ConsentState, Member, MemberStatus, Rejected, email_key

# Only what the person did is a statement: archived or cleaned by the service says nothing of their will.
_CONSENT = {
    MemberStatus.SUBSCRIBED: ConsentState.GRANTED,
    MemberStatus.UNSUBSCRIBED: ConsentState.WITHDRAWN,
}

RESOURCE = "members"

# Why no contact is made of an address that one had before.
GAVE_UP = "the contact goes on under another address"


class _Row(NamedTuple):
    """A member as stored, with what of ours they bear."""

    contact_id: str
    status: str
    opted_in_at: int | None
    open_rate: float | None
    click_rate: float | None
    birthday: int | None
    known_tags: int
    known_fields: str


class _Known(NamedTuple):
    row: _Row | None
    changed_at: int
    clicked_at: int | None
    seen_tags: int
    wanted_tags: int
    refused: str


_NOBODY = _Known(None, 0, None, 0, 0, "")


def store_members(
    history: History,
    audience: str,
    listed: Sequence[Member],
    cursor: str | None,
    *,
    bits: Mapping[str, int],
    field_names: Sequence[str],
    now: int,
    rejected: Collection[Rejected] = (),
) -> int:
    """Afterwards these members are known as they were read, with `cursor` (None: it stays); one transaction.
    Those that were `rejected` wait in quarantine, and are known as before.

    `bits`: the bit of each of our tags, by its full name in lower case; other tags are not ours to know.
    `field_names`: the merge fields of ours. Whoever differs from before is judged again; returns how many.
    """
    with history.begin() as db:
        lock(db, "people")
        put(db, audiences, ["name"], [(audience,)], keep=None)
        newest = _by_key(tombstones.members_left(db, listed))
        ids = people.customer_ids(db, newest.keys())
        found = {ids[key]: (member, _row(member, bits, field_names)) for key, member in newest.items()}
        left = _forget_old_addresses(db, audience, {row.contact_id: id_ for id_, (_, row) in found.items()})
        known = _known(db, audience, found)
        changed = {id_ for id_, (_, row) in found.items() if row != known.get(id_, _NOBODY).row}
        _store(db, audience, found, known, now)
        overrides.record(db, audience, _lost(found, known), now)
        consented = consents.append(db, consents.esp_source(audience), _statements(found), now)
        derived = derive(db, changed)
        people.mark_news(db, changed | left, [audience])
        people.mark_news_elsewhere(db, derived | {one.customer_id for one in consented}, [audience])
        taken = {plain(one.contact_id) for one in listed}
        settle_quarantine(db, source_of(audience), RESOURCE, taken, rejected, now)
        if cursor is not None:
            db.execute(update(audiences).where(audiences.c.name == audience).values(member_cursor=cursor))
    return len(changed)


def source_of(audience: str) -> str:
    """What stands in the quarantine in the place of a shop, which may have the audience's name."""
    return f"audiences.{audience}"


_Found = Mapping[int, tuple[Member, _Row]]


class Drift(NamedTuple):
    """How a member is now, beside what is known of them. `customer_id`: None for who is not known to be a member.

    `status`: now, where that differs. `lost` and `gained`: our tags, as bit sets. `fields`: those of ours that differ.
    `changed_since`: the service says that the member changed after the last reading, which finds it out.
    """

    customer_id: int | None
    email: str
    status: str | None = None
    lost: int = 0
    gained: int = 0
    fields: tuple[str, ...] = ()
    changed_since: bool = False

    def __bool__(self) -> bool:
        return bool(self.status or self.lost or self.gained or self.fields or self.customer_id is None)


def compared(
    history: History,
    audience: str,
    listed: Sequence[Member],
    read_at: int,
    *,
    bits: Mapping[str, int],
    field_names: Sequence[str],
) -> list[Drift]:
    """Each of these members beside what is known of them, but for those who were erased; nothing is stored.

    `read_at`: when everybody was read last. Of a stranger who did not change since then, that reading missed one.
    """
    newest = _by_key(listed)
    with history.read() as db:
        gone = tombstones.buried(db, set(map(tombstones.address, newest)))
        query = select(customers.c.email, customers.c.id).where(among(db, customers.c.email, newest))
        ids: dict[str, int] = dict(fetch(db, query))
        known = _known(db, audience, set(ids.values()))
    found = []
    for key, member in newest.items():
        id_, now = ids.get(key), _row(member, bits, field_names)
        if id_ is not None and id_ in known:
            found.append(_drift(key, member.changed_at, now, id_, known[id_]))
        elif tombstones.address(key) not in gone:
            found.append(Drift(None, key, now.status, changed_since=member.changed_at >= read_at))
    return found


def _drift(key: str, changed_at: int, now: _Row, id_: int, known: _Known) -> Drift:
    assert known.row
    have, had = json.loads(now.known_fields or "{}"), json.loads(known.row.known_fields or "{}")
    return Drift(
        id_,
        key,
        now.status if now.status != known.row.status else None,
        known.row.known_tags & ~now.known_tags,
        now.known_tags & ~known.row.known_tags,
        tuple(sorted(name for name in {*have, *had} if have.get(name, "") != had.get(name, ""))),
        changed_at > known.changed_at,
    )


def member_ids(history: History, audience: str) -> set[int]:
    """The customers who are known as contacts, without archived ones."""
    query = select(members.c.customer_id).where(
        members.c.audience == audience, members.c.status != MemberStatus.ARCHIVED.value
    )
    with history.read() as db:
        return set(db.execute(query).scalars())


def mark_gone(history: History, audience: str, ids: Collection[int]) -> None:
    """These contacts are not there any more: they bear nothing and count as archived, so that none is made anew of who
    was deleted.
    """
    with history.begin() as db:
        theirs = (members.c.audience == audience, among(db, members.c.customer_id, ids))
        db.execute(update(members).where(*theirs).values(status=MemberStatus.ARCHIVED.value, seen_tags=0))
        bearing = (standings.c.audience == audience, among(db, standings.c.customer_id, ids))
        db.execute(update(standings).where(*bearing).values(known_tags=0, known_fields=""))


def _by_key(listed: Iterable[Member]) -> dict[str, Member]:
    """The members by e-mail key; of two under one key the one that changed last."""
    newest: dict[str, Member] = {}
    for member in sorted(listed, key=lambda one: one.changed_at):
        key = email_key(member.email)
        if key:
            newest[key] = member
    return newest


def _row(member: Member, bits: Mapping[str, int], field_names: Sequence[str]) -> _Row:
    tags = 0
    for tag in member.tags:
        bit = bits.get(tag.lower())
        tags |= 0 if bit is None else 1 << bit
    fields = canonical_fields({name: member.fields[name] for name in field_names if name in member.fields})
    told = (member.opted_in_at, member.open_rate, member.click_rate, member.birthday)
    return _Row(member.contact_id, member.status.value, *told, tags, fields)


def _forget_old_addresses(db: Connection, audience: str, contacts: Mapping[str, int]) -> set[int]:
    """A contact that got another address is a member under that one only; returns who is none any more.

    Nothing more is wanted for the old address, nor is a contact made of it again: its owner gave it up.
    """
    query = select(members.c.customer_id, members.c.contact_id).where(
        members.c.audience == audience, among(db, members.c.contact_id, contacts)
    )
    left = {row[0] for row in db.execute(query) if contacts[row[1]] != row[0]}
    if left:
        db.execute(delete(members).where(members.c.audience == audience, among(db, members.c.customer_id, left)))
        db.execute(
            update(standings)
            .where(standings.c.audience == audience, among(db, standings.c.customer_id, left))
            .values(
                known_tags=0,
                known_fields="",
                wanted_tags=0,
                wanted_fields="",
                wanted_fields_hash=AS_KNOWN,
                leaving="",
                successor_id=None,
                refused=GAVE_UP,
            )
        )
    return left


def _known(db: Connection, audience: str, ids: Collection[int]) -> dict[int, _Known]:
    standing = and_(standings.c.audience == members.c.audience, standings.c.customer_id == members.c.customer_id)
    query = (
        select(
            *(members.c[name] for name in ("customer_id", "changed_at", "clicked_at", "seen_tags")),
            func.coalesce(standings.c.wanted_tags, 0),
            func.coalesce(standings.c.refused, ""),
            *(members.c[name] for name in _OF_ROW),
            func.coalesce(standings.c.known_tags, 0),
            func.coalesce(standings.c.known_fields, ""),
        )
        .outerjoin(standings, standing)
        .where(members.c.audience == audience, among(db, members.c.customer_id, ids))
    )
    return {row[0]: _Known(_Row(*row[6:]), *row[1:6]) for row in fetch(db, query)}


# What is a member's own; what of it is ours stands with their standing.
_OF_ROW = _Row._fields[:-2]
_MEMBER = ("audience", "customer_id", "changed_at", "clicked_at", "seen_tags", *_OF_ROW)


def _store(db: Connection, audience: str, found: _Found, known: Mapping[int, _Known], now: int) -> None:
    rows, bearing = [], []
    for id_, (member, row) in found.items():
        before = known.get(id_, _NOBODY)
        if row != before.row or (member.changed_at, row.known_tags) != (before.changed_at, before.seen_tags):
            clicked_at = now if _has_clicked(row, before.row) else before.clicked_at
            rows.append((audience, id_, member.changed_at, clicked_at, row.known_tags, *row[:-2]))
        if row != before.row:
            # What the service refused it may take from who has another status or contact now.
            same = before.row is not None and row[:2] == before.row[:2]
            bearing.append((audience, id_, row.known_tags, row.known_fields, before.refused if same else ""))
    put(db, members, _MEMBER, rows)
    put(db, standings, ("audience", "customer_id", "known_tags", "known_fields", "refused"), bearing)


def _lost(found: _Found, known: Mapping[int, _Known]) -> Iterator[Lost]:
    """The tags of ours that contacts have lost, who are the same contacts and as subscribed as before: tags that they
    were seen with, so that none counts that never arrived.
    """
    for id_, (member, row) in found.items():
        before = known.get(id_, _NOBODY)
        lost = before.seen_tags & before.wanted_tags & ~row.known_tags
        if lost and before.row is not None and lost & before.row.known_tags and row[:2] == before.row[:2]:
            yield Lost(id_, lost & before.row.known_tags, by_hand=member.changed_at > before.changed_at)


def _has_clicked(row: _Row, before: _Row | None) -> bool:
    """Whether the rate rose, which only a click does. The first rate seen counts as just risen: nobody is taken for
    inactive over a time of which nothing is known.
    """
    return (row.click_rate or 0.0) > ((before.click_rate if before else None) or 0.0)


def _statements(found: _Found) -> list[Statement]:
    return [
        Statement(id_, member.contact_id, Consent(_CONSENT[member.status], member.changed_at))
        for id_, (member, _) in found.items()
        if member.status in _CONSENT
    ]
