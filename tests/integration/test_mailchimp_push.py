"""Writing to Mailchimp: outcomes, calls, and who gets into an automation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from syncd.errors import ConnectionBlocked, UserError
from syncd.model import Change, Event
from tests.integration.mailchimp_world import NOW, Town

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def running() -> Iterator[Town]:
    with Town() as town:
        yield town


@pytest.fixture
def town(running: Town) -> Town:
    running.fresh()
    running.destination.prepare(["loyal", "lapsed"], {"SPEND6M": "number", "NEXT": "date", "NOTE": "text"})
    running.mark()
    return running


def test_a_live_change_writes_fields_then_tags_then_the_event(town: Town) -> None:
    town.audience.switches.first_value_is_a_change = True
    [ann] = town.people(1, tags=["lapsed", "own"])
    change = Change(ann, add=("loyal",), remove=("lapsed",), fields={"SPEND6M": 37.2}, events=(Event("lapsed", "1"),))
    assert town.push(change)[ann].result == "done"
    assert town.tags(ann) == ["loyal", "own"]
    assert town.values(ann) == {"SPEND6M": 37.2}
    assert [(trigger, value) for _, trigger, value in town.entries()] == [
        ("field", "SPEND6M=37.2"),
        ("tag", "loyal"),
        ("event", "lapsed"),
    ]
    assert town.attempts.count == 3


def test_all_tags_of_a_member_go_in_one_call_each_named_once(town: Town) -> None:
    [ann] = town.people(1, tags=["b"])
    town.push(Change(ann, add=("loyal", "Loyal", "VIP"), remove=("vip", "b")))
    assert [body for _, _, body in town.wire.writes()][-1] == {
        "tags": [
            {"name": "Loyal", "status": "active"},
            {"name": "vip", "status": "inactive"},
            {"name": "b", "status": "inactive"},
        ]
    }
    assert town.tags(ann) == ["loyal"]


def test_a_muted_push_starts_no_automation_and_the_first_live_change_starts_one(town: Town) -> None:
    people = town.people(30)
    town.push(*(Change(email, add=("loyal",), events=(Event("order", "1"),)) for email in people), muted=True)
    assert town.entries() == []
    assert all(town.tags(email) == ["loyal"] for email in people)
    town.push(Change(people[0], add=("lapsed",)))
    assert town.entries() == [(people[0], "tag", "lapsed")]


def test_a_small_muted_push_goes_by_calls_of_their_own(town: Town) -> None:
    people = town.people(3)
    town.push(*(Change(email, add=("loyal",), fields={"NOTE": "x"}) for email in people), muted=True)
    assert not any("batches" in path for path in town.paths())
    assert [entry for entry in town.entries() if entry[1] == "tag"] == []


def test_a_large_muted_push_takes_one_batch_for_a_thousand_operations(town: Town) -> None:
    people = town.people(500)
    outcomes = town.push(*(Change(e, add=("loyal",), fields={"SPEND6M": 1}) for e in people), muted=True)
    assert {outcome.result for outcome in outcomes.values()} == {"done"}
    assert town.paths().count("POST /batches") == 1
    assert town.attempts.count == 3  # submitted, and looked at twice


def test_a_batch_never_holds_more_than_a_thousand_operations(town: Town) -> None:
    people = town.people(1001)
    outcomes = town.push(*(Change(email, add=("loyal",)) for email in people), muted=True)
    assert {outcome.result for outcome in outcomes.values()} == {"done"}
    assert [len(body["operations"]) for _, path, body in town.wire.sent if body and "operations" in body] == [1000, 1]


def test_a_new_member_exists_before_its_tags_are_written_in_a_batch(town: Town) -> None:
    emails = [f"new{n}@shop.example" for n in range(30)]
    changes = [Change(email, create=True, add=("loyal",), fields={"NOTE": "x"}) for email in emails]
    assert {outcome.result for outcome in town.push(*changes, muted=True).values()} == {"done"}
    submitted = [body["operations"] for _, path, body in town.wire.sent if path == "/3.0/batches"]
    assert [{each["method"] for each in operations} for operations in submitted] == [{"PUT"}, {"POST"}]
    assert all(town.tags(email) == ["loyal"] and town.values(email) == {"NOTE": "x"} for email in emails)


@pytest.mark.parametrize(("double_optin", "status"), [(False, "subscribed"), (True, "pending")])
def test_a_new_member_begins_as_the_audience_wants_it(town: Town, double_optin: bool, status: str) -> None:
    town.audience.double_optin = double_optin
    assert town.push(Change("new@shop.example", create=True, add=("loyal",)))["new@shop.example"].result == "done"
    assert town.audience.get("new@shop.example").status == status


@pytest.mark.parametrize("status", ["unsubscribed", "cleaned", "pending", "transactional", "archived", "subscribed"])
@pytest.mark.parametrize("muted", [False, True])
def test_no_way_of_writing_changes_the_status_of_a_member(town: Town, status: str, muted: bool) -> None:
    few, many = town.people(1, status)[0], [f"{status}-many{n}@shop.example" for n in range(60)]
    for email in many:
        town.audience.add_member(email, status, changed_at=NOW - 1000)
    before = {e: (town.audience.get(e).status, town.audience.get(e).opted_in_at) for e in (few, *many)}
    full = {"add": ("loyal",), "fields": {"NOTE": "x"}, "events": (Event("order", "1"),)}
    town.push(Change(few, create=True, **full), muted=muted)  # type: ignore[arg-type]
    town.push(*(Change(email, **full) for email in many), muted=muted)  # type: ignore[arg-type]
    after = {e: (town.audience.get(e).status, town.audience.get(e).opted_in_at) for e in (few, *many)}
    assert after == before
    assert all("status" not in (body or {}) for _, _, body in town.wire.writes())


def test_nobody_is_made_a_member_without_being_told_to(town: Town) -> None:
    outcome = town.push(Change("stranger@shop.example", add=("loyal",), fields={"NOTE": "x"}))["stranger@shop.example"]
    assert (outcome.result, outcome.permanent, outcome.reason) == ("refused", True, "not in the audience")
    assert town.audience.members.at("stranger@shop.example") is None
    assert town.paths()[1:] == ["GET "]  # whether the list itself is there


@pytest.mark.parametrize("muted", [False, True])
def test_a_list_that_was_deleted_is_not_held_against_its_members(town: Town, muted: bool) -> None:
    people = town.people(30)
    town.world.audiences["other"] = town.world.audiences.pop("a1b2c3d4e5")
    with pytest.raises(ConnectionBlocked, match="no audience"):
        list(town.destination.push([Change(email, fields={"NOTE": "x"}) for email in people], muted=muted))


def test_a_list_that_goes_while_we_write_is_not_held_against_its_members(town: Town) -> None:
    [ann] = town.people(1)
    changes = [Change("new@shop.example", create=True), Change(ann, fields={"NOTE": "x"})]
    outcomes = town.destination.push(changes, muted=False)
    # To make a member, the list was looked at.
    assert next(outcomes).result == "done"
    town.world.audiences["other"] = town.world.audiences.pop("a1b2c3d4e5")
    with pytest.raises(ConnectionBlocked, match="no audience"):
        next(outcomes)


def test_a_forgotten_address_is_refused_for_good_in_words_without_it(town: Town) -> None:
    [ann] = town.people(1)
    town.audience.forget(town.audience.get(ann).hash)
    for muted in (False, True):
        outcome = town.push(Change(ann, create=True, add=("loyal",)), muted=muted)[ann]
        assert (outcome.result, outcome.permanent) == ("refused", True)
        assert "deleted for good" in outcome.reason
        assert ann not in outcome.reason


def test_a_typo_of_a_big_domain_is_refused_for_good(town: Town) -> None:
    outcome = town.push(Change("ann@gmil.com", create=True))["ann@gmil.com"]
    assert (outcome.result, outcome.permanent) == ("refused", True)


def test_an_address_on_too_many_lists_may_come_again(town: Town) -> None:
    town.audience.switches.overlisted = frozenset({"ann@shop.example"})
    outcome = town.push(Change("ann@shop.example", create=True))["ann@shop.example"]
    assert (outcome.result, outcome.permanent) == ("refused", False)
    assert "pause" in outcome.reason


@pytest.mark.parametrize("count", [1, 40])
@pytest.mark.parametrize("language", ["en", "de"])
def test_one_bad_field_does_not_keep_the_others_from_being_written(town: Town, count: int, language: str) -> None:
    town.audience.switches.language = language
    people = town.people(count)
    outcomes = town.push(*(Change(e, fields={"SPEND6M": "AAA", "NOTE": "x"}, add=("loyal",)) for e in people))
    for email in people:
        assert town.values(email) == {"NOTE": "x"}
        assert town.tags(email) == ["loyal"]
        assert outcomes[email].result == "done"
        assert outcomes[email].reason == "Mailchimp does not take the value of SPEND6M"
    assert count == 1 or town.attempts.count <= 10


def test_a_field_that_is_the_only_change_and_not_taken_is_told_by_name(town: Town) -> None:
    [ann] = town.people(1)
    outcome = town.push(Change(ann, fields={"SPEND6M": "AAA"}))[ann]
    assert (outcome.result, outcome.reason) == ("done", "Mailchimp does not take the value of SPEND6M")
    assert town.attempts.count == 1


def delete_field(town: Town, tag: str) -> None:
    [merge_id] = [each.merge_id for each in town.audience.fields if each.tag == tag]
    town.audience.fields.delete(str(merge_id))


@pytest.mark.parametrize("count", [1, 40])
@pytest.mark.parametrize("create", [False, True])
def test_a_field_that_was_deleted_meanwhile_is_made_again(town: Town, count: int, create: bool) -> None:
    people = [f"new{n}@shop.example" for n in range(count)] if create else town.people(count)
    delete_field(town, "NEXT")
    fields = {"NEXT": "2026-11-22", "NOTE": "x"}
    outcomes = town.push(*(Change(email, fields=fields, create=create) for email in people))
    assert {(each.result, each.reason) for each in outcomes.values()} == {("done", "")}
    assert all(town.values(email) == fields for email in people)
    assert town.paths().count("POST /merge-fields") == 1


def test_after_a_field_was_made_again_everybody_is_read_anew_once(town: Town) -> None:
    ann, bob = town.people(2)
    town.audience.add_member("late@shop.example", "subscribed", changed_at=NOW)
    [*_, last] = town.destination.members(None)

    def read() -> set[str]:
        return {member.email for page in town.destination.members(last.cursor) for member in page.members}

    assert read() == {"late@shop.example"}
    delete_field(town, "NEXT")
    town.push(Change("late@shop.example", fields={"NEXT": "2026-11-22"}))
    assert read() == {ann, bob, "late@shop.example"}
    assert read() == {"late@shop.example"}


@pytest.mark.parametrize("count", [1, 40])
def test_a_field_that_nobody_asked_for_is_told(town: Town, count: int) -> None:
    people = town.people(count)
    outcomes = town.push(*(Change(email, fields={"NEVER": "x"}) for email in people))
    assert {(each.result, each.reason) for each in outcomes.values()} == {("done", "Mailchimp has no field NEVER")}


def test_a_field_that_cannot_be_made_again_ends_the_push_in_plain_words(town: Town) -> None:
    [ann] = town.people(1)
    delete_field(town, "NEXT")
    town.destination.prepare([], {f"F{n}": "text" for n in range(30 - len(town.audience.fields))})
    with pytest.raises(UserError, match="merge fields do not fit"):
        town.push(Change(ann, fields={"NEXT": "2026-11-22"}))


def test_a_tag_that_came_to_be_while_we_filled_it_is_taken(town: Town) -> None:
    people = town.people(60)
    town.destination.profile()
    # Its own call gives the first one both tags; the segment call for the others finds the new tag there.
    changes = [Change(people[0], add=("fresh", *(f"rare{n}" for n in range(9))))]
    outcomes = town.push(*changes, *(Change(email, add=("fresh",)) for email in people[1:]))
    assert {each.result for each in outcomes.values()} == {"done"}
    assert all("fresh" in town.tags(email) for email in people)


def test_an_empty_value_clears_a_field_and_what_is_not_named_stays(town: Town) -> None:
    [ann] = town.people(1, merge_fields={"SPEND6M": 5, "NOTE": "x", "FNAME": "Ann"})
    town.push(Change(ann, fields={"SPEND6M": "", "NEXT": "2026-11-22"}))
    assert town.values(ann) == {"FNAME": "Ann", "NOTE": "x", "NEXT": "2026-11-22"}


def test_a_field_that_the_marketer_requires_does_not_keep_ours_out(town: Town) -> None:
    people = town.people(30)
    next(each for each in town.audience.fields if each.tag == "FNAME").required = True
    outcomes = town.push(
        *(Change(email, fields={"NOTE": "x"}) for email in people), Change("new@shop.example", create=True)
    )
    assert {outcome.result for outcome in outcomes.values()} == {"done"}


def test_an_unsubscribed_member_can_be_tagged_in_a_segment_push(town: Town) -> None:
    people = town.people(30) + town.people(2, "unsubscribed") + town.people(1, "archived")
    outcomes = town.push(*(Change(email, add=("loyal",)) for email in people))
    assert {outcome.result for outcome in outcomes.values()} == {"done"}
    assert all(town.tags(email) == ["loyal"] for email in people)


@pytest.mark.parametrize("quoted", [False, True])
def test_nobody_is_lost_among_the_errors_of_a_segment(town: Town, quoted: bool) -> None:
    town.audience.switches.quoted_error_addresses = quoted
    people = town.people(30)
    outcomes = town.push(*(Change(email, add=("loyal",)) for email in [*people, "stranger@shop.example"]))
    assert [each.result for each in outcomes.values()].count("done") == 30
    assert outcomes["stranger@shop.example"].reason == "not in the audience"


def test_501_to_add_and_1201_to_remove_take_three_calls(town: Town) -> None:
    adds = town.people(501)
    removes = [f"old{n}@shop.example" for n in range(1201)]
    for email in removes:
        town.audience.add_member(email, "subscribed", tags=["loyal"], changed_at=NOW - 1000)
    changes = [Change(e, add=("loyal",)) for e in adds] + [Change(e, remove=("loyal",)) for e in removes]
    outcomes = town.push(*changes)
    assert {outcome.result for outcome in outcomes.values()} == {"done"}
    assert town.attempts.count == 3
    assert all(town.tags(email) == ["loyal"] for email in adds)
    assert not any(town.tags(email) for email in removes)


def test_rare_tags_go_by_member_and_common_ones_by_segment(town: Town) -> None:
    people = town.people(400)
    rare = [f"rare{n}" for n in range(50)]
    town.destination.prepare(rare, {})
    town.mark()
    changes = [Change(people[0], add=(*rare, "loyal")), *(Change(email, add=("loyal",)) for email in people[1:])]
    town.push(*changes)
    assert town.attempts.count == 2
    assert len(town.tags(people[0])) == 51


def test_live_segment_changes_start_each_automation_once(town: Town) -> None:
    people = town.people(60)
    changes = [Change(email, add=("loyal",)) for email in people]
    town.push(*changes)
    assert sorted(town.entries()) == sorted((email, "tag", "loyal") for email in people)


def test_a_tag_that_the_marketer_deleted_and_made_anew_is_found(town: Town) -> None:
    people = town.people(60)
    segments = town.audience.segments
    town.audience.segments.delete(segments.tag("loyal"))  # type: ignore[arg-type]
    assert {each.result for each in town.push(*(Change(e, add=("Loyal",)) for e in people)).values()} == {"done"}
    assert town.tags(people[0]) == ["Loyal"]


def test_a_saved_segment_of_the_same_name_is_never_touched(town: Town) -> None:
    people = town.people(60)
    saved = town.audience.segments.create("champion", "saved", NOW)
    town.push(*(Change(email, add=("champion",)) for email in people))
    assert not list(saved)
    assert town.tags(people[0]) == ["champion"]


def test_removing_a_tag_that_nobody_has_creates_nothing(town: Town) -> None:
    people = town.people(60)
    outcomes = town.push(*(Change(email, remove=("gone",)) for email in people))
    assert {outcome.result for outcome in outcomes.values()} == {"done"}
    assert town.audience.segments.tag("gone") is None


def test_foreign_tags_stay(town: Town) -> None:
    people = town.people(60, tags=["theirs", "lapsed"])
    town.push(*(Change(email, add=("loyal",), remove=("lapsed",)) for email in people))
    town.push(Change(people[0], remove=("loyal",)), muted=True)
    assert town.tags(people[0]) == ["theirs"]
    assert town.tags(people[1]) == ["loyal", "theirs"]


def test_an_address_with_odd_letters_reaches_its_member(town: Town) -> None:
    odd = [
        "server+a@server.example",
        "a/../b@shop.example",
        "ünï@shop.example",
        "a#b?c@shop.example",
        "%41@shop.example",
    ]
    for email in odd:
        town.audience.add_member(email, "subscribed", changed_at=NOW - 1000)
    for muted, tag in ((False, "loyal"), (True, "lapsed")):
        outcomes = town.push(*(Change(email, add=(tag,)) for email in odd), muted=muted)
        assert {outcome.result for outcome in outcomes.values()} == {"done"}
    assert all(town.tags(email) == ["lapsed", "loyal"] for email in odd)
