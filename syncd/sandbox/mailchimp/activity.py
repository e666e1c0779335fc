"""Operations on what is known of a member's doings: notes, activity and the activity feed.

The sandbox sends no campaigns, so that nothing was ever opened or clicked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from syncd.sandbox.audience.instants import iso
from syncd.sandbox.audience.problems import required
from syncd.sandbox.audience.writes import NoteWrite
from syncd.sandbox.mailchimp import documents
from syncd.sandbox.mailchimp.documents import collection

if TYPE_CHECKING:
    from syncd.sandbox.audience import Member
    from syncd.sandbox.mailchimp.routing import Call, Document

RECENT = 50


def list_notes(call: Call) -> Document:
    """The notes about a member, the latest first."""
    audience, member = call.audience, _member(call)
    notes = audience.notes.of(member)[::-1]
    rows = [documents.note(audience, member, each) for each in call.cut(notes)]
    ids = {"email_id": member.hash, "list_id": audience.list_id}
    return collection("notes", rows, len(notes), f"{_path(call, member)}/notes", **ids)


def create_note(call: Call) -> Document:
    """A new note."""
    member = _member(call)
    return documents.note(call.audience, member, call.audience.notes.add(member, _text(call)))


def get_note(call: Call) -> Document:
    """One note."""
    member = _member(call)
    return documents.note(call.audience, member, call.audience.notes.get(member, call.params["note_id"]))


def change_note(call: Call) -> Document:
    """A note with another text."""
    member = _member(call)
    note = call.audience.notes.change(member, call.params["note_id"], _text(call))
    return documents.note(call.audience, member, note)


def delete_note(call: Call) -> None:
    """The note is gone."""
    call.audience.notes.delete(_member(call), call.params["note_id"])


def recent_activity(call: Call) -> Document:
    """The last 50 doings in the older form, which knows only mails and unsubscribes."""
    member = _member(call)
    left = [{"action": "unsub", "timestamp": iso(at), "campaign_id": "", "title": ""} for at in _unsubscribed(member)]
    rows = [each for each in left if each["action"] in call.query.get("action", "unsub").split(",")][:RECENT]
    ids = {"email_id": member.hash, "contact_id": member.contact_id, "list_id": call.audience.list_id}
    return collection("activity", rows, len(rows), f"{_path(call, member)}/activity", **ids)


def activity_feed(call: Call) -> Document:
    """All doings, the latest first: events, notes, the opt-in and the unsubscribe; only those that are asked for."""
    member = _member(call)
    rows = sorted(_doings(call, member), key=lambda row: row["created_at_timestamp"], reverse=True)
    if asked := call.query.get("activity_filters"):
        rows = [row for row in rows if row["activity_type"] in asked.split(",")]
    answer = collection("activity", list(call.cut(rows)), len(rows), f"{_path(call, member)}/activity-feed")
    del answer["total_items"]
    return answer | {"email_id": member.hash, "list_id": call.audience.list_id}


def _doings(call: Call, member: Member) -> list[Document]:
    rows: list[Document] = [
        {
            "activity_type": "event",
            "created_at_timestamp": iso(event.occurred_at),
            "event_name": event.name,
            "event_properties": [f"{name}: {value}" for name, value in event.properties.items()],
        }
        for event in member.events
    ]
    rows += [
        {
            "activity_type": "note",
            "created_at_timestamp": iso(note.created_at),
            "updated_at_timestamp": iso(note.updated_at),
            "note_id": str(note.id),
            "note_text": note.text,
            "created_by": documents.AUTHOR,
            "avatar_url": "",
        }
        for note in call.audience.notes.of(member)
    ]
    if member.opted_in_at is not None:
        signup = {"activity_type": "generic_signup", "created_at_timestamp": iso(member.opted_in_at)}
        rows.append(signup | {"signup_category": "API - Generic"})
    rows += [
        {
            "activity_type": "unsub",
            "created_at_timestamp": iso(at),
            "campaign_id": "",
            "campaign_title": "",
            "is_admin_unsubscribed": "admin" in member.reason,
            "unsubscribe_reason": member.reason,
        }
        for at in _unsubscribed(member)
    ]
    return rows


def _unsubscribed(member: Member) -> list[int]:
    return [] if member.unsubscribed_at is None else [member.unsubscribed_at]


def _member(call: Call) -> Member:
    return call.audience.get(call.params["subscriber_hash"])


def _path(call: Call, member: Member) -> str:
    return f"/lists/{call.audience.list_id}/members/{member.hash}"


def _text(call: Call) -> str:
    text = call.read(NoteWrite).note
    if not text:
        raise required("note")
    return text
