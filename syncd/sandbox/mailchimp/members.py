"""Operations on the members of an audience: reading, writing, their tags and events, and journeys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from syncd.sandbox.audience.instants import instant, iso
from syncd.sandbox.audience.members import STATUSES
from syncd.sandbox.audience.problems import invalid, journey_refusal, required
from syncd.sandbox.audience.register import SORTED_BY, Listing
from syncd.sandbox.audience.writes import EventWrite, MemberWrite, TagsWrite
from syncd.sandbox.mailchimp import documents
from syncd.sandbox.mailchimp.documents import collection

if TYPE_CHECKING:
    from syncd.sandbox.mailchimp.routing import Call, Document


def list_members(call: Call) -> Document:
    """A page of members. Where no order is asked for, it is one that moves while one reads."""
    audience = call.audience
    found, total = audience.page(_listing(call))
    rows = [documents.member(audience, each) for each in found]
    return collection("members", rows, total, f"/lists/{audience.list_id}/members", list_id=audience.list_id)


def _listing(call: Call) -> Listing:
    offset, count = call.window()
    status = _one_of(call, "status", STATUSES, "")
    if "unsubscribed_since" in call.query and status != "unsubscribed":
        raise invalid(("unsubscribed_since", "This filter needs the status unsubscribed."))
    if "since_last_campaign" in call.query and not status:
        raise invalid(("since_last_campaign", "This filter needs a status."))
    return Listing(
        status=status,
        changed_since=_instant(call, "since_last_changed"),
        changed_before=_instant(call, "before_last_changed"),
        opted_since=_instant(call, "since_timestamp_opt"),
        opted_before=_instant(call, "before_timestamp_opt"),
        unsubscribed_since=_instant(call, "unsubscribed_since"),
        vip_only=call.flag("vip_only"),
        unique_email_id=call.query.get("unique_email_id", ""),
        sort_field=_one_of(call, "sort_field", tuple(SORTED_BY), ""),
        descending=_one_of(call, "sort_dir", ("ASC", "DESC"), "ASC") == "DESC",
        offset=offset,
        count=count,
    )


def _instant(call: Call, name: str) -> float | None:
    return instant(call.query[name], name) if name in call.query else None


def _one_of(call: Call, name: str, allowed: tuple[str, ...], default: str) -> str:
    value = call.query.get(name, default)
    if value not in allowed and name in call.query:
        raise invalid((name, f"Data presented is not one of the accepted values: {', '.join(allowed)}."))
    return value


def get_member(call: Call) -> Document:
    """One member."""
    return documents.member(call.audience, call.audience.get(call.params["subscriber_hash"]))


def create_member(call: Call) -> Document:
    """A new member, or an archived one brought back."""
    audience = call.audience
    member = audience.post(call.read(MemberWrite), skip_required=call.flag("skip_merge_validation"))
    return documents.member(audience, member)


def put_member(call: Call) -> Document:
    """The member, new or not, as the body says; an existing one keeps its status unless the body names one."""
    audience = call.audience
    member = audience.put(
        call.params["subscriber_hash"], call.read(MemberWrite), skip_required=call.flag("skip_merge_validation")
    )
    return documents.member(audience, member)


def patch_member(call: Call) -> Document:
    """A member that exists, as the body says."""
    audience, write = call.audience, call.read(MemberWrite)
    if write.status == "transactional":
        raise invalid(("status", "Data presented is not one of the accepted values."))
    member = audience.patch(call.params["subscriber_hash"], write, skip_required=call.flag("skip_merge_validation"))
    return documents.member(audience, member)


def archive_member(call: Call) -> None:
    """The member is archived, once."""
    call.audience.archive(call.params["subscriber_hash"])


def forget_member(call: Call) -> None:
    """The person is erased and cannot be imported again."""
    call.audience.forget(call.params["subscriber_hash"])


def list_member_tags(call: Call) -> Document:
    """All tags of a member, page by page."""
    audience = call.audience
    member = audience.get(call.params["subscriber_hash"])
    tags = audience.tags.shown(member)
    rows = [
        {"id": each, "name": audience.segments[each].name, "date_added": iso(tags[each])}
        for each in call.cut(sorted(tags, reverse=True))
    ]
    return collection("tags", rows, len(tags), f"/lists/{audience.list_id}/members/{member.hash}/tags")


def write_member_tags(call: Call) -> None:
    """Tags become active or inactive; no answer says which did."""
    audience = call.audience
    audience.tags.write(audience.get(call.params["subscriber_hash"]), call.read(TagsWrite))


def list_member_events(call: Call) -> Document:
    """What the member did, newest first."""
    audience = call.audience
    member = audience.get(call.params["subscriber_hash"])
    rows = [
        {"occurred_at": iso(event.occurred_at), "name": event.name, "properties": event.properties}
        for event in call.cut(member.events[::-1])
    ]
    return collection("events", rows, len(member.events), f"/lists/{audience.list_id}/members/{member.hash}/events")


def record_event(call: Call) -> None:
    """The member did something."""
    call.audience.record_event(call.params["subscriber_hash"], call.read(EventWrite))


def trigger_journey(call: Call) -> None:
    """The address enters a journey in whichever audience it is a member."""
    email = call.read(MemberWrite).email_address
    if not email:
        raise required("email_address")
    unknown = journey_refusal(call.account.switches.journey_refusal_status)
    if not (call.params["journey_id"].isdecimal() and call.params["step_id"].isdecimal()):
        raise unknown
    for audience in call.account.world.audiences.values():
        if audience.members.at(email):
            audience.trigger_journey(email, f"{call.params['journey_id']}/{call.params['step_id']}")
            return
    raise unknown
