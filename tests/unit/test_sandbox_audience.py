"""The sandbox's audience: the service's rules for statuses, tags, fields and journeys, without HTTP."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import convert

from syncd.sandbox.audience import Audience, Problem, Switches
from syncd.sandbox.audience.members import STATUSES, subscriber_hash
from syncd.sandbox.audience.writes import FieldWrite, MemberWrite, SegmentBatch, SegmentWrite, TagsWrite

NOW = 1_790_000_000


class Clock:
    def __init__(self) -> None:
        self.at = NOW

    def now(self) -> int:
        return self.at


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def audience(clock: Clock) -> Audience:
    return Audience("a1b2c3d4e5", "Customers", clock)


def tag(name: str, status: str = "active", *, muted: bool = False) -> TagsWrite:
    return convert({"tags": [{"name": name, "status": status}], "is_syncing": muted}, TagsWrite)


def entries(audience: Audience, trigger: str = "tag") -> list[tuple[str, str]]:
    return [(entry["email"], entry["value"]) for entry in audience.journeys() if entry["trigger"] == trigger]


def refusal(call: Any, *args: Any, **kwargs: Any) -> Problem:
    with pytest.raises(Problem) as caught:
        call(*args, **kwargs)
    return caught.value


# Statuses.


@pytest.mark.parametrize("status", STATUSES)
def test_writing_fields_leaves_status_and_opt_in_as_they_were(audience: Audience, status: str) -> None:
    audience.add_member("a@shop.test", status, opted_in_at=5)
    audience.put("a@shop.test", MemberWrite(status_if_new="subscribed", merge_fields={"FNAME": "Ann"}))
    member = audience.get("a@shop.test")
    assert (member.status, member.opted_in_at) == (status, 5)


@pytest.mark.parametrize(
    ("status", "by"), [("unsubscribed", "user"), ("unsubscribed", "bounce"), ("cleaned", "bounce")]
)
def test_who_left_in_person_or_bounced_cannot_be_subscribed_by_the_api(
    audience: Audience, status: str, by: Any
) -> None:
    audience.add_member("a@shop.test", status, unsubscribed_by=by)
    for write in (audience.put, audience.patch):
        problem = refusal(write, "a@shop.test", MemberWrite(status="subscribed", merge_fields={"FNAME": "Ann"}))
        assert (problem.status, problem.title) == (400, "Member In Compliance State")
    assert audience.state() == [{"email": "a@shop.test", "status": status, "tags": [], "merge_fields": {}}]


def test_the_lock_of_a_person_survives_archiving_and_an_unsubscribe_by_the_api(audience: Audience) -> None:
    audience.add_member("a@shop.test", "unsubscribed", unsubscribed_by="user")
    audience.put("a@shop.test", MemberWrite(status="unsubscribed"))
    audience.archive("a@shop.test")
    problem = refusal(audience.post, MemberWrite(email_address="a@shop.test", status="subscribed"))
    assert problem.title == "Member In Compliance State"


def test_who_was_unsubscribed_by_an_admin_can_be_subscribed_by_the_api(audience: Audience) -> None:
    audience.add_member("a@shop.test", "subscribed", opted_in_at=5)
    audience.put("a@shop.test", MemberWrite(status="unsubscribed"))
    assert audience.get("a@shop.test").reason == "N/A (Unsubscribed by admin)"
    member = audience.put("a@shop.test", MemberWrite(status="subscribed"))
    assert (member.status, member.reason, member.opted_in_at) == ("subscribed", "", 5)


def test_a_person_who_left_can_be_asked_by_mail_and_come_back_in_person(audience: Audience) -> None:
    audience.add_member("a@shop.test", "subscribed")
    audience.act("a@shop.test", {"status": "unsubscribed"})
    audience.patch("a@shop.test", MemberWrite(status="pending"))
    assert refusal(audience.patch, "a@shop.test", MemberWrite(status="subscribed")).status == 400
    audience.act("a@shop.test", {"status": "subscribed"})
    audience.put("a@shop.test", MemberWrite(status="unsubscribed"))
    assert audience.put("a@shop.test", MemberWrite(status="subscribed")).status == "subscribed"


def test_the_marketer_unsubscribing_somebody_does_not_lock_the_address(audience: Audience) -> None:
    audience.add_member("a@shop.test", "subscribed")
    audience.act("a@shop.test", {"status": "unsubscribed", "by": "admin"})
    assert audience.put("a@shop.test", MemberWrite(status="subscribed")).status == "subscribed"


def test_a_forgotten_address_cannot_be_imported_but_can_sign_up(audience: Audience) -> None:
    audience.add_member("a@shop.test", "subscribed", tags=["loyal"])
    audience.forget(subscriber_hash("a@shop.test"))
    assert refusal(audience.get, "a@shop.test").status == 404
    for write in (MemberWrite(email_address="A@shop.test", status="subscribed"),):
        assert refusal(audience.post, write).title == "Forgotten Email Not Subscribed"
        assert refusal(audience.put, "x", write).title == "Forgotten Email Not Subscribed"
    audience.act("a@shop.test", {"status": "subscribed"})
    assert audience.get("a@shop.test").tags == {}


@pytest.mark.parametrize(
    "address", ["", "nobody", "a@b", "a b@shop.test", "a@shop.test.", "a,b@shop.test", "x@gmil.com"]
)
def test_unusable_addresses_are_refused(audience: Audience, address: str) -> None:
    assert refusal(audience.post, MemberWrite(email_address=address, status="subscribed")).title == "Invalid Resource"
    assert len(audience.members) == 0


def test_the_world_outside_cannot_act_on_a_stranger(audience: Audience) -> None:
    assert refusal(audience.act, "a@shop.test", {"tags": ["vip"]}).status == 404


def test_what_happens_outside_the_api_moves_last_changed_only_when_something_changes(
    audience: Audience, clock: Clock
) -> None:
    member = audience.add_member("a@shop.test", "subscribed", ["vip"])
    clock.at += 60
    audience.act("a@shop.test", {"status": "subscribed", "tags": ["VIP"], "email": "a@shop.test"})
    assert member.changed_at == NOW
    audience.act("a@shop.test", {"status": "cleaned"})
    assert member.changed_at == NOW + 60
    clock.at += 60
    audience.act("a@shop.test", {"email": "b@shop.test", "merge_fields": {"FNAME": "Ann"}})
    assert (audience.get("b@shop.test"), member.changed_at) == (member, NOW + 120)


def test_a_status_that_does_not_exist_is_refused(audience: Audience) -> None:
    audience.add_member("a@shop.test", "subscribed")
    assert refusal(audience.act, "a@shop.test", {"status": "gone"}).title == "Invalid Resource"


# Tags and journeys.


def test_a_tag_starts_a_journey_only_when_it_becomes_active_and_only_once(audience: Audience) -> None:
    audience.add_member("a@shop.test", "subscribed", tags=["old"])
    member = audience.get("a@shop.test")
    for write in (tag("old"), tag("new"), tag("new"), tag("NEW", "inactive"), tag("New")):
        audience.tags.write(member, write)
    assert entries(audience) == [("a@shop.test", "new")]


def test_a_tag_starts_the_journey_again_where_contacts_can_reenter(audience: Audience) -> None:
    audience.switches.journeys_reenter = True
    audience.add_member("a@shop.test", "subscribed")
    member = audience.get("a@shop.test")
    for write in (tag("new"), tag("new"), tag("new", "inactive"), tag("new")):
        audience.tags.write(member, write)
    assert len(entries(audience)) == 2


def test_a_muted_tag_starts_nothing_and_the_next_unmuted_one_does(audience: Audience) -> None:
    audience.add_member("a@shop.test", "subscribed")
    member = audience.get("a@shop.test")
    audience.tags.write(member, tag("first", muted=True))
    audience.tags.write(member, tag("first"))
    assert entries(audience) == []
    audience.tags.write(member, tag("second"))
    assert entries(audience) == [("a@shop.test", "second")]


@pytest.mark.parametrize("status", [status for status in STATUSES if status != "subscribed"])
def test_only_the_subscribed_enter_a_journey(audience: Audience, status: str) -> None:
    audience.add_member("a@shop.test", status)
    audience.tags.write(audience.get("a@shop.test"), tag("loyal"))
    assert audience.state()[0]["tags"] == ["loyal"]
    assert audience.journeys() == []


@pytest.mark.parametrize("fires", [True, False])
def test_whether_a_segment_batch_starts_journeys_is_a_switch(audience: Audience, fires: bool) -> None:
    audience.switches.bulk_fires_journeys = fires
    audience.add_member("a@shop.test", "subscribed")
    segment = audience.tags.create_segment(SegmentWrite(name="loyal", static_segment=()))
    audience.tags.batch(str(segment.id), SegmentBatch(members_to_add=("a@shop.test",)))
    assert entries(audience) == ([("a@shop.test", "loyal")] if fires else [])


def test_a_changed_field_starts_a_journey_and_the_same_value_does_not(audience: Audience) -> None:
    audience.add_member("a@shop.test", "subscribed", merge_fields={"SPEND": 10})
    audience.put("a@shop.test", MemberWrite(merge_fields={"SPEND": 10}))
    audience.put("a@shop.test", MemberWrite(merge_fields={"SPEND": 12}))
    assert entries(audience, "field") == [("a@shop.test", "SPEND=12")]


@pytest.mark.parametrize("starts", [True, False])
def test_whether_a_first_value_starts_a_journey_is_a_switch(audience: Audience, starts: bool) -> None:
    audience.switches.first_value_is_a_change = starts
    audience.add_member("b@shop.test", "subscribed", merge_fields={"SPEND": 7})
    audience.add_member("a@shop.test", "subscribed")
    audience.put("a@shop.test", MemberWrite(merge_fields={"SPEND": 10}))
    assert entries(audience, "field") == ([("a@shop.test", "SPEND=10")] if starts else [])


def test_what_the_marketer_does_in_the_service_starts_journeys(audience: Audience) -> None:
    audience.add_member("a@shop.test", "subscribed", tags=["old", "kept"])
    audience.act("a@shop.test", {"tags": {"add": ["vip"], "remove": ["old"]}})
    assert audience.state()[0]["tags"] == ["kept", "vip"]
    audience.act("a@shop.test", {"tags": ["other"]})
    assert audience.state()[0]["tags"] == ["other"]
    assert entries(audience) == [("a@shop.test", "vip"), ("a@shop.test", "other")]


def test_a_tag_keeps_its_first_spelling_and_loses_its_id_when_deleted(audience: Audience) -> None:
    audience.add_member("a@shop.test", "subscribed", tags=["VIP"])
    audience.add_member("b@shop.test", "subscribed", tags=["vip"])
    [segment] = audience.segments
    assert (segment.name, len(segment)) == ("VIP", 2)
    audience.tags.delete_segment(str(segment.id))
    assert [row["tags"] for row in audience.state()] == [[], []]
    audience.tags.write(audience.get("a@shop.test"), tag("vip"))
    [again] = audience.segments
    assert (again.name, again.id != segment.id) == ("vip", True)


def test_a_resent_tag_moves_last_changed_unless_switched_off(audience: Audience, clock: Clock) -> None:
    member = audience.add_member("a@shop.test", "subscribed", tags=["loyal"])
    clock.at += 60
    audience.switches.resent_tag_moves_last_changed = False
    audience.tags.write(member, tag("loyal"))
    assert member.changed_at == NOW
    audience.switches.resent_tag_moves_last_changed = True
    audience.tags.write(member, tag("loyal"))
    assert member.changed_at == NOW + 60


@pytest.mark.parametrize("switched", [True, False])
def test_tags_of_a_pending_member_start_journeys_when_the_opt_in_comes_where_switched(
    audience: Audience, switched: bool
) -> None:
    audience.switches.opt_in_fires_tags = switched
    member = audience.add_member("a@shop.test", "pending")
    for write in (tag("live"), tag("muted", muted=True), tag("gone"), tag("gone", "inactive")):
        audience.tags.write(member, write)
    assert entries(audience) == []
    audience.act("a@shop.test", {"status": "subscribed"})
    assert entries(audience) == ([("a@shop.test", "live")] if switched else [])
    audience.act("a@shop.test", {"status": "unsubscribed"})
    audience.act("a@shop.test", {"status": "subscribed"})
    assert len(entries(audience)) == switched


# Fields.


def field(audience: Audience, tag: str, kind: str, **more: Any) -> None:
    audience.fields.create(convert({"tag": tag, "name": tag, "type": kind, **more}, FieldWrite))


ADDRESS = {"addr1": "1 Road", "city": "Ulm", "state": "BW", "zip": "89073"}


@pytest.mark.parametrize(
    ("kind", "value", "stored"),
    [
        ("text", "x", "x"),
        ("text", 5, "5"),
        ("number", 4.5, 4.5),
        ("number", "12", 12),
        ("number", "-0.5", -0.5),
        ("date", "2026-02-28", "2026-02-28"),
        ("date", "12/21/1980", "1980-12-21"),
        ("birthday", "02/29", "02/29"),
        ("address", ADDRESS, {**ADDRESS, "addr2": "", "country": ""}),
        ("dropdown", "m", "m"),
        ("url", "https://shop.test", "https://shop.test"),
    ],
)
def test_each_type_takes_its_values(audience: Audience, kind: str, value: Any, stored: Any) -> None:
    field(audience, "K", kind, options={"choices": ["m", "w"]})
    audience.add_member("a@shop.test", "subscribed")
    audience.put("a@shop.test", MemberWrite(merge_fields={"K": value}))
    assert audience.state()[0]["merge_fields"] == {"K": stored}
    audience.put("a@shop.test", MemberWrite(merge_fields={"K": ""}))
    assert audience.state()[0]["merge_fields"] == {}


@pytest.mark.parametrize(
    ("kind", "value", "name", "message"),
    [
        ("number", "AAAAA", "K", "Please enter a number"),
        ("date", "2026-02-29", "K", "Please enter a valid date"),
        ("date", "soon", "K", "Please enter a valid date"),
        ("birthday", "2000-02-29", "K", "Please enter a month (01-12) and a day (01-31)"),
        ("birthday", "02/30", "K", "Please enter a month (01-12) and a day (01-31)"),
        ("address", {**ADDRESS, "zip": ""}, "K", "Please enter a complete address"),
        ("dropdown", "z", "K", "Value must be one of: m, w (not z)"),
        ("url", "shop", "K", "Please enter a valid URL"),
        ("text", "é" * 128, "K", "Please enter a value of at most 255 characters"),
        ("text", True, "merge_fields.K", "Data did not match any of the schemas described in anyOf."),
        ("text", None, "merge_fields.K", "Data did not match any of the schemas described in anyOf."),
        ("text", ["x"], "merge_fields.K", "Data did not match any of the schemas described in anyOf."),
    ],
)
def test_one_bad_value_fails_the_whole_member_and_is_named(
    audience: Audience, kind: str, value: Any, name: str, message: str
) -> None:
    field(audience, "K", kind, options={"choices": ["m", "w"]})
    audience.add_member("a@shop.test", "subscribed")
    problem = refusal(audience.put, "a@shop.test", MemberWrite(merge_fields={"K": value, "FNAME": "Ann"}))
    assert (problem.title, problem.errors) == ("Invalid Resource", ((name, message),))
    assert audience.state()[0]["merge_fields"] == {}


def test_messages_come_in_the_language_of_the_audience(audience: Audience) -> None:
    audience.switches.language = "de"
    field(audience, "K", "number")
    audience.add_member("a@shop.test", "subscribed")
    problem = refusal(audience.put, "a@shop.test", MemberWrite(merge_fields={"K": "x"}))
    assert (problem.detail, problem.errors) == ("Your merge fields were invalid.", (("K", "Bitte gib eine Zahl ein."),))


def test_long_text_is_cut_without_a_word_where_switched(audience: Audience) -> None:
    audience.switches.cut_long_text = True
    audience.add_member("a@shop.test", "subscribed")
    audience.put("a@shop.test", MemberWrite(merge_fields={"FNAME": "é" * 200}))
    assert audience.state()[0]["merge_fields"] == {"FNAME": "é" * 127}


def test_a_required_field_fails_a_new_member_unless_validation_is_skipped(audience: Audience) -> None:
    field(audience, "K", "text", required=True)
    write = MemberWrite(email_address="a@shop.test", status="subscribed")
    assert refusal(audience.post, write).errors == (("K", "Please enter a value"),)
    assert audience.post(write, skip_required=True).status == "subscribed"


def test_the_budget_of_merge_fields_is_thirty_and_the_thirty_first_is_refused(audience: Audience) -> None:
    for number in range(len(audience.fields), 30):
        field(audience, f"F{number}", "text")
    write = FieldWrite(name="one more", type="text", tag="MORE")
    assert refusal(audience.fields.create, write).title == "Merge Max Limit Exceeded"
    audience.fields.delete("1")
    assert audience.fields.create(write).tag == "MORE"


@pytest.mark.parametrize("tag", ["TOOLONGATAG", "Ä", "A-B"])
def test_unusable_merge_tags_are_refused(audience: Audience, tag: str) -> None:
    assert refusal(audience.fields.create, FieldWrite(name="x", type="text", tag=tag)).title == "Invalid Resource"


def test_long_merge_tags_collide_where_they_are_cut(audience: Audience) -> None:
    audience.switches.cut_long_merge_tags = True
    field(audience, "SPEND6MONTHS", "number")
    problem = refusal(audience.fields.create, FieldWrite(name="x", type="text", tag="spend6monthly"))
    assert problem.detail == 'A Merge Field with the tag "SPEND6MONT" already exists for this list.'


def test_deleting_a_field_deletes_its_values_and_later_writes_are_ignored(audience: Audience) -> None:
    audience.add_member("a@shop.test", "subscribed", merge_fields={"SPEND": 10})
    [spend] = [each for each in audience.fields if each.tag == "SPEND"]
    audience.fields.delete(str(spend.merge_id))
    audience.put("a@shop.test", MemberWrite(merge_fields={"SPEND": 11}))
    assert audience.state()[0]["merge_fields"] == {}


def test_a_deleted_tag_is_gone_from_everybody_and_a_new_one_of_its_name_is_another(audience: Audience) -> None:
    member = audience.add_member("a@shop.test", "subscribed", ["old", "kept"])
    [old, _] = audience.segments
    condition = {"condition_type": "StaticSegment", "op": "static_is", "value": old.id}
    saved = audience.segments.create("saved", "saved", NOW, {"conditions": [condition]})
    assert audience.saved.page(saved, STATUSES, 0, 1) == ([member], 1)
    audience.tags.delete_segment(str(old.id))
    assert audience.saved.page(saved, STATUSES, 0, 1) == ([], 0)
    audience.act(member.email, {"status": "unsubscribed"})
    assert audience.tags.names(member) == ["kept"]
    again = audience.segments.create("old", "static", NOW)
    assert (again.id != old.id, len(again), audience.tags.names(member)) == (True, 0, ["kept"])


def test_switches_are_shared_by_everything_in_the_audience(clock: Clock) -> None:
    switches = Switches(merge_field_limit=4)
    audience = Audience("x", "x", clock, switches=switches)
    assert refusal(audience.fields.create, FieldWrite(name="x", type="text")).title == "Merge Max Limit Exceeded"


def test_a_tag_that_nobody_bears_is_not_made_a_second_time(audience: Audience) -> None:
    audience.add_member("a@shop.test", "subscribed")
    made = audience.tags.create_segment(SegmentWrite(name="VIP", static_segment=()))
    audience.tags.add(audience.get("a@shop.test"), ["vip"], fires=False)
    assert [segment.id for segment in audience.segments] == [made.id]
    audience.tags.remove(audience.get("a@shop.test"), ["vip"])
    with pytest.raises(Problem, match="400"):
        audience.tags.create_segment(SegmentWrite(name="vip", static_segment=()))
