"""What the API shows of an audience: state as JSON documents. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from syncd.sandbox.audience.instants import iso
from syncd.sandbox.audience.members import unique_email_id

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from syncd.sandbox.audience import Audience, Member
    from syncd.sandbox.audience.fields import MergeField
    from syncd.sandbox.audience.hooks import Webhook
    from syncd.sandbox.audience.notes import Note
    from syncd.sandbox.audience.segments import Segment

Document = dict[str, Any]

API = "https://us1.api.mailchimp.com/3.0"
SHOWN_TAGS = 50
# Who writes notes.
AUTHOR = "sandbox"
# What a member has by itself and lacks in the answers to batches, and what it lacks besides in those of segments.
NOT_IN_BATCH = ("web_id", "source", "consents_to_one_to_one_messaging", "unsubscribe_reason")
NOT_IN_SEGMENT = (*NOT_IN_BATCH, "contact_id", "tags_count", "tags")


def links(path: str) -> list[Document]:
    """The `_links` of the object at `path`, as far as anybody follows them."""
    return [{"rel": "self", "href": f"{API}{path}", "method": "GET"}]


def collection(name: str, rows: Sequence[Document], total: int, path: str, **more: Any) -> Document:
    """One page of a collection."""
    return {name: rows, **more, "total_items": total, "_links": links(path)}


def member(audience: Audience, shown: Member) -> Document:
    """A member; a reason only for the unsubscribed, and at most 50 tags."""
    path = f"/lists/{audience.list_id}/members/{shown.hash}"
    tags = audience.tags.shown(shown)
    # No order is promised: ours is not the alphabet's and not the time's.
    first = sorted(tags, reverse=True)[:SHOWN_TAGS]
    fields = audience.fields.shown(shown.values)
    document = {
        "id": shown.hash,
        "email_address": shown.email,
        "unique_email_id": unique_email_id(shown.hash),
        "contact_id": shown.contact_id,
        "full_name": f"{fields.get('FNAME', '')} {fields.get('LNAME', '')}".strip(),
        "web_id": shown.web_id,
        "email_type": "html",
        "status": shown.status,
        "unsubscribe_reason": shown.reason,
        "consents_to_one_to_one_messaging": True,
        "merge_fields": fields,
        "stats": {"avg_open_rate": shown.open_rate, "avg_click_rate": shown.click_rate},
        "ip_signup": "",
        "timestamp_signup": iso(shown.signed_up_at),
        "ip_opt": "",
        "timestamp_opt": iso(shown.opted_in_at),
        "member_rating": 2,
        "last_changed": iso(shown.changed_at),
        "language": shown.language,
        "vip": shown.vip,
        "email_client": "",
        "location": {
            "latitude": 0,
            "longitude": 0,
            "gmtoff": 0,
            "dstoff": 0,
            "country_code": "",
            "timezone": "",
            "region": "",
        },
        "source": "API - Generic",
        "tags_count": len(tags),
        "tags": [{"id": each, "name": audience.segments[each].name} for each in first],
        "list_id": audience.list_id,
        "_links": links(path),
    }
    if not shown.reason:
        del document["unsubscribe_reason"]
    return document


def batch_member(audience: Audience, shown: Member) -> Document:
    """A member as the answers to a batch subscribe and to a segment batch show it."""
    return _without(member(audience, shown), (*NOT_IN_BATCH, "full_name"))


def segment_member(audience: Audience, shown: Member) -> Document:
    """A member as a segment shows it: without what names its tags."""
    return _without(member(audience, shown), NOT_IN_SEGMENT)


def _without(document: Document, names: Collection[str]) -> Document:
    brief = {name: value for name, value in document.items() if name not in names}
    brief["location"] = {name: value for name, value in document["location"].items() if name != "region"}
    return brief


def segment(audience: Audience, shown: Segment) -> Document:
    """A segment; `member_count` counts the subscribed only."""
    document = {
        "id": shown.id,
        "name": shown.name,
        "member_count": shown.subscribed if shown.type == "static" else audience.saved.count(shown),
        "type": shown.type,
        "created_at": iso(shown.created_at),
        "updated_at": iso(shown.updated_at),
        "options": shown.options,
        "list_id": audience.list_id,
        "_links": links(f"/lists/{audience.list_id}/segments/{shown.id}"),
    }
    if shown.type == "static":
        del document["options"]
    return document


def merge_field(audience: Audience, shown: MergeField) -> Document:
    """A merge field with the options of its type."""
    options: Document = {}
    if shown.type in ("text", "number", "url", "imageurl"):
        options["size"] = shown.size
    if shown.type in ("dropdown", "radio"):
        options["choices"] = list(shown.choices)
    if shown.type in ("date", "birthday"):
        options["date_format"] = shown.date_format if shown.type == "date" else "MM/DD"
    if shown.type == "phone":
        options["phone_format"] = shown.phone_format
    if shown.type == "address":
        options["default_country"] = shown.default_country
    return {
        "merge_id": shown.merge_id,
        "tag": shown.tag,
        "name": shown.name,
        "type": shown.type,
        "required": shown.required,
        "default_value": shown.default_value,
        "public": shown.public,
        "display_order": shown.display_order,
        "options": options,
        "help_text": shown.help_text,
        "list_id": audience.list_id,
        "_links": links(f"/lists/{audience.list_id}/merge-fields/{shown.merge_id}"),
    }


def note(audience: Audience, about: Member, shown: Note) -> Document:
    """A note about a member."""
    return {
        "id": shown.id,
        "created_at": iso(shown.created_at),
        "created_by": AUTHOR,
        "updated_at": iso(shown.updated_at),
        "note": shown.text,
        "list_id": audience.list_id,
        "email_id": about.hash,
        "contact_id": about.contact_id,
        "_links": links(f"/lists/{audience.list_id}/members/{about.hash}/notes/{shown.id}"),
    }


def webhook(audience: Audience, shown: Webhook) -> Document:
    """A webhook, without what signs its messages."""
    return {
        "id": shown.id,
        "url": shown.url,
        "events": dict(shown.events),
        "sources": dict(shown.sources),
        "list_id": audience.list_id,
        "_links": links(f"/lists/{audience.list_id}/webhooks/{shown.id}"),
    }


def audience(shown: Audience, *, contacts: bool = False) -> Document:
    """A list with its counts, which are as old as the service's cache; `contacts`: also of all of them."""
    counts = shown.stats()
    return {
        "id": shown.list_id,
        "web_id": 500_001,
        "name": shown.name,
        "contact": {
            "company": shown.name,
            "address1": "",
            "address2": "",
            "city": "",
            "state": "",
            "zip": "",
            "country": "",
            "phone": "",
        },
        "permission_reminder": "You bought from us or signed up.",
        "use_archive_bar": True,
        "campaign_defaults": {"from_name": shown.name, "from_email": "", "subject": "", "language": "en"},
        "notify_on_subscribe": "",
        "notify_on_unsubscribe": "",
        "date_created": iso(shown.created_at),
        "list_rating": 3,
        "email_type_option": False,
        "subscribe_url_short": "",
        "subscribe_url_long": "",
        "beamer_address": "",
        "visibility": "prv",
        "double_optin": shown.double_optin,
        "has_welcome": False,
        "marketing_permissions": False,
        "modules": [],
        "stats": _stats(shown, counts) | ({"total_contacts": sum(counts.values())} if contacts else {}),
        "_links": links(f"/lists/{shown.list_id}"),
    }


def _stats(shown: Audience, counts: Any) -> Document:
    return {
        "member_count": counts["subscribed"],
        "unsubscribe_count": counts["unsubscribed"],
        "cleaned_count": counts["cleaned"],
        "member_count_since_send": 0,
        "unsubscribe_count_since_send": 0,
        "cleaned_count_since_send": 0,
        "campaign_count": 0,
        "campaign_last_sent": "",
        "merge_field_count": len(shown.fields),
        "avg_sub_rate": 0,
        "avg_unsub_rate": 0,
        "target_sub_rate": 0,
        "open_rate": 0,
        "click_rate": 0,
        "last_sub_date": "",
        "last_unsub_date": "",
    }
