"""Operations on the account, its audiences, their segments, tags and merge fields."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from syncd.sandbox.audience.problems import Problem, invalid
from syncd.sandbox.audience.writes import FieldWrite, MemberWrite, SegmentBatch, SegmentWrite, SubscribeWrite
from syncd.sandbox.mailchimp import documents
from syncd.sandbox.mailchimp.documents import collection, links

if TYPE_CHECKING:
    from syncd.sandbox.audience import Audience
    from syncd.sandbox.mailchimp.routing import Call, Document

MAX_BATCH = 500
TOO_MANY = (
    "Maximum allowed member items exceeded, please provide at most 500 items "
    "in members_to_add field or members_to_remove field"
)


def ping(_: Call) -> Document:
    """Proves only that somebody listens."""
    return {"health_status": "Everything's Chimpy!"}


def root(call: Call) -> Document:
    """Who the key belongs to."""
    return {**call.account.profile(), "_links": links("/")}


def list_audiences(call: Call) -> Document:
    """The audiences of the account."""
    audiences = list(call.account.world.audiences.values())
    contacts = call.flag("include_total_contacts")
    shown = [documents.audience(each, contacts=contacts) for each in call.cut(audiences)]
    constraints = {"may_create": False, "max_instances": 1, "current_total_instances": len(audiences)}
    return collection("lists", shown, len(audiences), "/lists", constraints=constraints)


def get_audience(call: Call) -> Document:
    """One audience."""
    return documents.audience(call.audience, contacts=call.flag("include_total_contacts"))


def subscribe(call: Call) -> Document:
    """Batch subscribe: 200 even where every member failed."""
    audience, write = call.audience, call.read(SubscribeWrite)
    if len(write.members) > MAX_BATCH:
        raise invalid(("members", f"This collection should contain {MAX_BATCH} elements or less."))
    new: list[Document] = []
    updated: list[Document] = []
    errors: list[Document] = []
    seen: set[str] = set()
    for each in write.members:
        key = (each.email_address or "").strip().lower()
        try:
            if key in seen:
                if call.flag("skip_duplicate_check"):
                    continue
                raise invalid(detail="Duplicate items found in this request.")
            seen.add(key)
            member, created = audience.subscribe(
                each,
                update=write.update_existing,
                sync_tags=write.sync_tags,
                skip_required=call.flag("skip_merge_validation"),
            )
            (new if created else updated).append(documents.batch_member(audience, member))
        except Problem as problem:
            errors.append(_subscribe_error(audience, each, problem))
    return {
        "new_members": new,
        "updated_members": updated,
        "errors": errors,
        "total_created": len(new),
        "total_updated": len(updated),
        "error_count": len(errors),
        "_links": links(f"/lists/{audience.list_id}"),
    }


def _subscribe_error(audience: Audience, write: MemberWrite, problem: Problem) -> Document:
    email = write.email_address or ""
    field, message = problem.errors[0] if problem.errors else ("", "")
    return {
        "email_address": _named_in_error(audience, email),
        "error": problem.detail,
        "error_code": "ERROR_CONTACT_EXISTS" if problem.title == "Member Exists" else "ERROR_GENERIC",
        "field": field,
        "field_message": message,
    }


def _named_in_error(audience: Audience, email: str) -> str:
    member = audience.members.at(email)
    shown = member.email if member and audience.switches.first_spelling_in_errors else email
    return f'"{shown}"' if audience.switches.quoted_error_addresses else shown


# Segments and tags.


def search_tags(call: Call) -> Document:
    """Tags whose names begin so, whatever their case; there is no paging."""
    tags = call.audience.segments.tags(call.query.get("name", ""))
    return {"tags": [{"id": tag.id, "name": tag.name} for tag in tags], "total_items": len(tags)}


def list_segments(call: Call) -> Document:
    """The segments, tags among them."""
    audience, kind = call.audience, call.query.get("type")
    segments = [each for each in audience.segments if kind in (None, each.type)]
    shown = [documents.segment(audience, each) for each in call.cut(segments)]
    return collection("segments", shown, len(segments), f"/lists/{audience.list_id}/segments", list_id=audience.list_id)


def create_segment(call: Call) -> Document:
    """A new segment or tag."""
    audience, write = call.audience, _segment_write(call)
    return documents.segment(audience, audience.tags.create_segment(write))


def get_segment(call: Call) -> Document:
    """One segment."""
    return documents.segment(call.audience, call.audience.segments.get(call.params["segment_id"]))


def change_segment(call: Call) -> Document:
    """Another name or other members."""
    audience, write = call.audience, _segment_write(call)
    return documents.segment(audience, audience.tags.change_segment(call.params["segment_id"], write))


def _segment_write(call: Call) -> SegmentWrite:
    """The body, whose conditions the sandbox can judge by. Raises: Problem."""
    write = call.read(SegmentWrite)
    if write.options:
        call.audience.saved.test(write.options)
    return write


def delete_segment(call: Call) -> None:
    """The segment goes, and as a tag from everybody."""
    call.audience.tags.delete_segment(call.params["segment_id"])


def write_segment(call: Call) -> Document:
    """Adds and removes up to 500 addresses each; 200 even where every address failed."""
    audience, batch = call.audience, call.read(SegmentBatch)
    if max(len(batch.members_to_add), len(batch.members_to_remove)) > MAX_BATCH:
        raise Problem(400, "Bad Request", TOO_MANY)
    added, removed, refused = audience.tags.batch(call.params["segment_id"], batch)
    return {
        "members_added": [documents.batch_member(audience, each) for each in added],
        "members_removed": [documents.batch_member(audience, each) for each in removed],
        "errors": [
            {"email_addresses": [_named_in_error(audience, email) for email in emails], "error": reason}
            for reason, emails in refused.items()
        ],
        "total_added": len(added),
        "total_removed": len(removed),
        "error_count": sum(len(emails) for emails in refused.values()),
        "_links": links(f"/lists/{audience.list_id}/segments/{call.params['segment_id']}"),
    }


def list_segment_members(call: Call) -> Document:
    """The subscribed members of a segment; others only where the query includes them."""
    audience = call.audience
    segment = audience.segments.get(call.params["segment_id"])
    others = [each for each in ("unsubscribed", "cleaned", "transactional") if call.flag(f"include_{each}")]
    shown = ["subscribed", *others]
    if segment.type == "static":
        ids, total = segment.page(shown, *call.window())
        found = [audience.members[each] for each in ids]
    else:
        found, total = audience.saved.page(segment, shown, *call.window())
    rows = [documents.segment_member(audience, each) for each in found]
    return collection("members", rows, total, f"/lists/{audience.list_id}/segments/{segment.id}/members")


def add_segment_member(call: Call) -> Document:
    """One address joins a static segment."""
    audience, email = call.audience, call.read(MemberWrite).email_address or ""
    added, _, refused = audience.tags.batch(call.params["segment_id"], SegmentBatch(members_to_add=(email,)))
    if refused:
        raise invalid(detail=next(iter(refused)))
    return documents.segment_member(audience, added[0])


def remove_segment_member(call: Call) -> None:
    """One member leaves a static segment."""
    audience = call.audience
    member = audience.get(call.params["subscriber_hash"])
    audience.tags.remove(member, [audience.segments.static(call.params["segment_id"]).name])


# Merge fields.


def list_merge_fields(call: Call) -> Document:
    """The merge fields; the address itself is none."""
    audience = call.audience
    fields: list[Any] = [each for each in audience.fields if call.query.get("type") in (None, each.type)]
    shown = [documents.merge_field(audience, each) for each in call.cut(fields)]
    path = f"/lists/{audience.list_id}/merge-fields"
    return collection("merge_fields", shown, len(fields), path, list_id=audience.list_id)


def create_merge_field(call: Call) -> Document:
    """A new merge field."""
    return documents.merge_field(call.audience, call.audience.fields.create(call.read(FieldWrite)))


def get_merge_field(call: Call) -> Document:
    """One merge field."""
    return documents.merge_field(call.audience, call.audience.fields.get(call.params["merge_id"]))


def change_merge_field(call: Call) -> Document:
    """Everything of a merge field but its type."""
    fields = call.audience.fields
    return documents.merge_field(call.audience, fields.change(call.params["merge_id"], call.read(FieldWrite)))


def delete_merge_field(call: Call) -> None:
    """The merge field goes, and with it everybody's value."""
    call.audience.fields.delete(call.params["merge_id"])
