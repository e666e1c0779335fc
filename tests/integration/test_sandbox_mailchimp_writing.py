"""Members, tags and segments of the sandbox's Mailchimp, written over HTTP: each row of the reference's table."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from tests.integration.mailchimp_server import LIST, NOW, Api, at, entered, hash_of, later, running


@pytest.fixture(scope="module")
def server() -> Iterator[Api]:
    with running() as api:
        yield api


@pytest.fixture
def api(server: Api) -> Api:
    """The running server with an audience of its own for each test."""
    server.fresh()
    return server


# PUT, row by row.


def test_put_creates_a_member_of_the_bodys_address_whatever_the_path_says(api: Api) -> None:
    body = {"email_address": "New@shop.test", "status_if_new": "pending"}
    created = api.ok("PUT", at("other@shop.test"), body)
    assert (created["id"], created["status"]) == (hash_of("new@shop.test"), "pending")
    body = {"email_address": "b@shop.test", "status": "subscribed"}
    assert api.ok("PUT", at("b@shop.test"), body)["timestamp_opt"] == "2026-09-21T14:13:20+00:00"
    assert api.refused("PUT", at("c@shop.test"), {"email_address": "c@shop.test"})["title"] == "Invalid Resource"


def test_put_without_status_keeps_an_unsubscribed_member_and_merges_fields(api: Api) -> None:
    api.audience.add_member("a@shop.test", "unsubscribed", merge_fields={"LNAME": "Bell"})
    body = {"email_address": "a@shop.test", "status_if_new": "subscribed", "merge_fields": {"FNAME": "Ann"}}
    member = api.ok("PUT", at("a@shop.test"), body)
    assert (member["status"], member["full_name"]) == ("unsubscribed", "Ann Bell")


def test_put_resubscribes_whom_an_admin_unsubscribed(api: Api) -> None:
    api.audience.add_member("a@shop.test", "subscribed", opted_in_at=NOW - 9)
    left = api.ok("PUT", at("a@shop.test"), {"status": "unsubscribed"})
    assert left["unsubscribe_reason"] == "N/A (Unsubscribed by admin)"
    back = api.ok("PUT", at("a@shop.test"), {"status": "subscribed"})
    assert "unsubscribe_reason" not in back
    assert (back["status"], back["timestamp_opt"]) == ("subscribed", left["timestamp_opt"])


@pytest.mark.parametrize("status", ["unsubscribed", "cleaned"])
def test_put_cannot_subscribe_who_left_in_person_or_bounced(api: Api, status: str) -> None:
    api.audience.add_member("a@shop.test", status)
    problem = api.refused("PUT", at("a@shop.test"), {"status": "subscribed"})
    assert (problem["status"], problem["title"]) == (400, "Member In Compliance State")
    assert "type" not in problem
    assert problem["detail"] == (
        "a@shop.test is in a compliance state due to unsubscribe, bounce, "
        "or compliance review and cannot be subscribed."
    )


def test_put_with_another_address_moves_the_member(api: Api) -> None:
    api.audience.add_member("a@shop.test", "subscribed", tags=["loyal"], merge_fields={"FNAME": "Ann"}, opted_in_at=5)
    before = api.get(at("a@shop.test"))
    later(api)
    after = api.ok("PUT", at("a@shop.test"), {"email_address": "b@shop.test"})
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"id", "email_address", "unique_email_id", "last_changed", "_links"}
    assert api.refused("GET", at("a@shop.test"))["status"] == 404
    assert api.get(f"{LIST}/members/{before['contact_id']}")["email_address"] == "b@shop.test"


@pytest.mark.parametrize(
    ("switched", "title", "detail"),
    [
        (False, "Member Exists", "b@shop.test is already a list member. Use PUT to insert or update list members."),
        (True, "Invalid Resource", '"b@shop.test" is already in this list with a status of "Archived".'),
    ],
)
def test_put_with_an_address_that_is_taken_is_refused(api: Api, switched: bool, title: str, detail: str) -> None:
    api.audience.switches.rename_conflict_is_invalid_resource = switched
    api.audience.add_member("a@shop.test", "subscribed")
    api.audience.add_member("b@shop.test", "archived")
    problem = api.refused("PUT", at("a@shop.test"), {"email_address": "b@shop.test"})
    assert (problem["title"], "type" in problem) == (title, switched)
    assert detail in (problem["detail"], problem.get("errors", [{}])[0].get("message"))


def test_put_without_effect_does_not_move_last_changed(api: Api) -> None:
    api.audience.add_member("a@shop.test", "subscribed", merge_fields={"FNAME": "Ann"})
    before = api.get(at("a@shop.test"))
    later(api)
    body = {"email_address": "A@shop.test", "status": "subscribed", "merge_fields": {"FNAME": "Ann", "NOSUCH": "x"}}
    assert api.ok("PUT", at("a@shop.test"), body) == before


def test_put_ignores_unknown_merge_tags_and_clears_by_empty_text(api: Api) -> None:
    api.audience.add_member("a@shop.test", "subscribed", merge_fields={"SPEND": 10, "FNAME": "Ann"})
    member = api.ok("PUT", at("a@shop.test"), {"merge_fields": {"SPEND": "", "NOSUCH": "x"}})
    assert (member["merge_fields"]["SPEND"], member["merge_fields"]["FNAME"]) == ("", "Ann")
    assert "NOSUCH" not in member["merge_fields"]


def test_put_of_a_wrong_number_writes_nothing_and_names_the_field(api: Api) -> None:
    api.audience.add_member("a@shop.test", "subscribed", merge_fields={"LTV": 10})
    problem = api.refused("PUT", at("a@shop.test"), {"merge_fields": {"LTV": "AAAAA", "FNAME": "Ann"}})
    assert (problem["title"], problem["detail"]) == ("Invalid Resource", "Your merge fields were invalid.")
    assert problem["errors"] == [{"field": "LTV", "message": "Please enter a number"}]
    assert api.audience.state()[0]["merge_fields"] == {"LTV": 10}


@pytest.mark.off_schema("PUT takes no tags")
def test_put_leaves_an_archived_member_archived_and_ignores_tags(api: Api) -> None:
    api.audience.add_member("a@shop.test", "archived", tags=["old"])
    body = {"email_address": "a@shop.test", "status_if_new": "subscribed", "tags": ["new"]}
    member = api.ok("PUT", at("a@shop.test"), body)
    assert (member["status"], [tag["name"] for tag in member["tags"]]) == ("archived", ["old"])


# The other ways to write a member.


@pytest.mark.off_schema("PATCH knows no transactional")
def test_patch_needs_a_member_and_knows_no_transactional(api: Api) -> None:
    assert api.refused("PATCH", at("a@shop.test"), {"merge_fields": {}})["status"] == 404
    api.audience.add_member("a@shop.test", "subscribed")
    assert api.refused("PATCH", at("a@shop.test"), {"status": "transactional"})["title"] == "Invalid Resource"
    assert api.ok("PATCH", at("a@shop.test"), {"status": "unsubscribed"})["status"] == "unsubscribed"


def test_post_creates_with_tags_and_refuses_a_member(api: Api) -> None:
    body = {"email_address": " Foo@X.test ", "status": "subscribed", "tags": ["loyal"]}
    created = api.ok("POST", f"{LIST}/members", body)
    assert (created["id"], created["email_address"]) == (hash_of("foo@x.test"), "Foo@X.test")
    assert [tag["name"] for tag in created["tags"]] == ["loyal"]
    problem = api.refused("POST", f"{LIST}/members", {"email_address": "foo@x.test", "status": "subscribed"})
    assert (problem["title"], "type" in problem) == ("Member Exists", False)


def test_double_opt_in_is_shown_and_not_enforced(api: Api) -> None:
    api.audience.double_optin = True
    assert api.get(LIST)["double_optin"] is True
    created = api.ok("POST", f"{LIST}/members", {"email_address": "a@shop.test", "status": "subscribed"})
    assert created["status"] == "subscribed"


def test_post_brings_an_archived_member_back_with_tags_and_fields(api: Api) -> None:
    api.audience.add_member("a@shop.test", "subscribed", ["loyal"], {"FNAME": "Ann"}, opted_in_at=5)
    api.ok("DELETE", at("a@shop.test"))
    assert api.get(at("a@shop.test"))["status"] == "archived"
    back = api.ok("POST", f"{LIST}/members", {"email_address": "a@shop.test", "status": "subscribed"})
    assert (back["status"], back["full_name"], back["tags_count"]) == ("subscribed", "Ann", 1)
    assert back["timestamp_opt"] == "2026-09-21T14:13:20+00:00"


@pytest.mark.parametrize("status", ["archived", "pending", "cleaned"])
def test_delete_archives_once_and_then_is_405(api: Api, status: str) -> None:
    api.audience.add_member("a@shop.test", status)
    answer = api.call("DELETE", at("a@shop.test"))
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, PUT")
    assert answer.json()["detail"].startswith("This list member cannot be removed.")
    assert api.refused("DELETE", at("b@shop.test"))["status"] == 404


def test_permanent_deletion_takes_the_hash_and_cannot_be_undone(api: Api) -> None:
    member = api.audience.add_member("a@shop.test", "subscribed", tags=["loyal"])
    forget = "/actions/delete-permanent"
    assert api.refused("POST", f"{LIST}/members/{member.contact_id}{forget}")["status"] == 404
    api.ok("POST", f"{at('a@shop.test')}{forget}")
    assert api.refused("GET", at("a@shop.test"))["status"] == 404
    problem = api.refused("PUT", at("a@shop.test"), {"email_address": "a@shop.test", "status_if_new": "subscribed"})
    assert problem["title"] == "Forgotten Email Not Subscribed"
    assert problem["detail"].startswith("a@shop.test was permanently deleted and cannot be re-imported.")


@pytest.mark.parametrize(
    "email", ["server+a@myserver.test", "a/b#c?d@shop.test", "ünï@shop.test", "per%cent@shop.test"]
)
def test_odd_addresses_in_the_path_reach_the_right_member(api: Api, email: str) -> None:
    api.audience.add_member(email, "subscribed")
    api.audience.add_member("a", "subscribed")
    for key in (quote(email, safe=""), hash_of(email), quote(f" {email.upper()}", safe="")):
        assert api.get(f"{LIST}/members/{key}")["email_address"] == email


# Batch subscribe.


def test_batch_subscribe_is_200_and_every_failure_is_an_entry(api: Api) -> None:
    api.audience.add_member("old@shop.test", "subscribed")
    api.audience.add_member("left@shop.test", "unsubscribed")
    emails = ["new@shop.test", "old@shop.test", "NEW@shop.test", "bad", "x@gmil.com"]
    body: dict[str, Any] = {"members": [{"email_address": email, "status": "subscribed"} for email in emails]}
    answer = api.ok("POST", LIST, body)
    assert (answer["total_created"], answer["total_updated"], answer["error_count"]) == (1, 0, 4)
    assert [each["error_code"] for each in answer["errors"]] == ["ERROR_CONTACT_EXISTS"] + ["ERROR_GENERIC"] * 3
    assert "please provide update_existing:true in the request body" in answer["errors"][0]["error"]
    api.audience.switches.quoted_error_addresses = True
    body = {"members": [{"email_address": "left@shop.test", "status": "subscribed"}], "update_existing": True}
    [error] = api.ok("POST", LIST, body)["errors"]
    assert error["email_address"] == '"left@shop.test"'
    assert "compliance state" in error["error"]


def test_batch_subscribe_flips_the_status_and_adds_tags(api: Api) -> None:
    api.audience.add_member("a@shop.test", "unsubscribed", ["old"], unsubscribed_by="admin")
    body = {"members": [{"email_address": "a@shop.test", "status": "subscribed", "tags": ["new"]}]}
    api.ok("POST", LIST, body | {"update_existing": True})
    assert api.audience.state()[0] | {"merge_fields": 0} == {
        "email": "a@shop.test",
        "status": "subscribed",
        "tags": ["new", "old"],
        "merge_fields": 0,
    }
    assert entered(api) == ["new"]


def test_sync_tags_replaces_all_tags_and_only_with_update_existing(api: Api) -> None:
    api.audience.add_member("a@shop.test", "subscribed", ["marketer's", "old"])
    body = {"members": [{"email_address": "a@shop.test", "tags": ["new"]}], "sync_tags": True}
    assert api.ok("POST", LIST, body)["error_count"] == 1
    assert api.audience.state()[0]["tags"] == ["marketer's", "old"]
    api.ok("POST", LIST, body | {"update_existing": True})
    assert api.audience.state()[0]["tags"] == ["new"]


def test_batch_subscribe_takes_500_and_the_first_of_doubles_where_told(api: Api) -> None:
    members = [{"email_address": "a@shop.test", "status": "subscribed", "language": str(n)} for n in range(501)]
    assert api.refused("POST", LIST, {"members": members})["title"] == "Invalid Resource"
    answer = api.ok("POST", LIST, {"members": members[:2]}, skip_duplicate_check="true")
    assert (answer["new_members"][0]["language"], answer["error_count"]) == ("0", 0)


# Tags and segments.


def test_member_tags_answer_204_whatever_they_do(api: Api) -> None:
    api.audience.add_member("a@shop.test", "archived", ["old"])
    changes = [("old", "inactive"), ("never", "inactive"), ("new", "active")]
    body = {"tags": [{"name": name, "status": status} for name, status in changes]}
    assert api.ok("POST", f"{at('a@shop.test')}/tags", body) is None
    assert api.audience.state()[0]["tags"] == ["new"]
    assert {tag["name"] for tag in api.get(f"{LIST}/tag-search")["tags"]} == {"old", "new"}


@pytest.mark.off_schema("sends a tag without its status")
def test_tags_of_an_unknown_member_are_404_and_a_tag_needs_a_status(api: Api) -> None:
    body = {"tags": [{"name": "x", "status": "active"}]}
    assert api.refused("POST", f"{at('a@shop.test')}/tags", body)["status"] == 404
    api.audience.add_member("a@shop.test", "subscribed")
    assert api.refused("POST", f"{at('a@shop.test')}/tags", {"tags": [{"name": "x"}]})["status"] == 400
    problem = api.refused("POST", f"{at('a@shop.test')}/tags", {"tags": [{"name": "x" * 101, "status": "active"}]})
    assert problem["title"] == "Invalid Resource"
    assert len(api.audience.members) == 1


def test_muted_tags_start_no_journey_and_live_ones_one(api: Api) -> None:
    api.audience.add_member("a@shop.test", "subscribed")
    for name, muted in (("backfill", True), ("live", False), ("live", False)):
        body = {"tags": [{"name": name, "status": "active"}], "is_syncing": muted}
        api.ok("POST", f"{at('a@shop.test')}/tags", body)
    assert api.audience.journeys() == [
        {
            "at": "2026-09-21T14:13:20+00:00",
            "list_id": "a1b2c3d4e5",
            "email": "a@shop.test",
            "trigger": "tag",
            "value": "live",
        }
    ]


def test_tags_of_a_pending_member_show_after_the_opt_in(api: Api) -> None:
    api.audience.add_member("a@shop.test", "pending")
    api.ok("POST", f"{at('a@shop.test')}/tags", {"tags": [{"name": "loyal", "status": "active"}]})
    assert (api.get(at("a@shop.test"))["tags"], api.get(f"{at('a@shop.test')}/tags")["total_items"]) == ([], 0)
    api.audience.act("a@shop.test", {"status": "subscribed"})
    assert [tag["name"] for tag in api.get(at("a@shop.test"))["tags"]] == ["loyal"]


def test_tag_search_is_by_prefix_and_without_case_and_not_paged(api: Api) -> None:
    api.audience.add_member("a@shop.test", "subscribed", [f"Syncd:{n:02}" for n in range(12)] + ["other"])
    assert api.get(f"{LIST}/tag-search", name="syncd:")["total_items"] == 12
    assert len(api.get(f"{LIST}/tag-search")["tags"]) == 13
    assert api.get(f"{LIST}/tag-search", name="yncd")["tags"] == []


def test_a_tag_is_a_static_segment_that_counts_the_subscribed(api: Api) -> None:
    for number, status in enumerate(["subscribed", "unsubscribed", "cleaned", "transactional", "archived"]):
        api.audience.add_member(f"{number}@shop.test", status, ["loyal"])
    [segment] = api.get(f"{LIST}/segments", type="static")["segments"]
    assert (segment["name"], segment["member_count"]) == ("loyal", 1)
    path = f"{LIST}/segments/{segment['id']}/members"
    [member] = api.get(path)["members"]
    assert {"tags", "tags_count", "contact_id", "web_id", "source"}.isdisjoint(member)
    assert api.get(path, include_unsubscribed="true", include_cleaned="true")["total_items"] == 3
    api.audience.act("0@shop.test", {"status": "unsubscribed"})
    assert api.get(f"{LIST}/segments/{segment['id']}")["member_count"] == 0


def test_a_segment_is_created_from_addresses_renamed_emptied_and_deleted(api: Api) -> None:
    api.audience.add_member("a@shop.test", "subscribed")
    body = {"name": "loyal", "static_segment": ["A@shop.test", "stranger@shop.test"]}
    segment = api.ok("POST", f"{LIST}/segments", body)
    assert (segment["type"], segment["member_count"]) == ("static", 1)
    assert api.get(at("a@shop.test"))["tags"] == [{"id": segment["id"], "name": "loyal"}]
    assert "already exists" in api.refused("POST", f"{LIST}/segments", body | {"name": "LOYAL"})["detail"]
    path = f"{LIST}/segments/{segment['id']}"
    assert api.ok("PATCH", path, {"name": "regulars"})["name"] == "regulars"
    assert api.audience.state()[0]["tags"] == ["regulars"]
    assert api.ok("PATCH", path, {"name": "regulars", "static_segment": []})["member_count"] == 0
    assert api.ok("DELETE", path) is None
    assert api.refused("DELETE", path)["status"] == 404


def test_a_segment_batch_reports_members_and_refused_addresses(api: Api) -> None:
    for name, status in (("a", "subscribed"), ("b", "subscribed"), ("c", "unsubscribed"), ("d", "cleaned")):
        api.audience.add_member(f"{name}@shop.test", status)
    segment = api.ok("POST", f"{LIST}/segments", {"name": "loyal", "static_segment": ["b@shop.test"]})
    body = {
        "members_to_add": ["a@shop.test", "c@shop.test", "d@shop.test", "e@shop.test", hash_of("a@shop.test")],
        "members_to_remove": ["b@shop.test"],
    }
    answer = api.ok("POST", f"{LIST}/segments/{segment['id']}", body)
    assert (answer["total_added"], answer["total_removed"], answer["error_count"]) == (1, 1, 4)
    refused = [sorted(error["email_addresses"]) for error in answer["errors"]]
    assert sorted(refused) == sorted([["c@shop.test", "d@shop.test"], sorted(["e@shop.test", hash_of("a@shop.test")])])
    assert [row["tags"] for row in api.audience.state()] == [["loyal"], [], [], []]


def test_a_segment_batch_takes_500_of_each_and_says_so(api: Api) -> None:
    segment = api.ok("POST", f"{LIST}/segments", {"name": "loyal", "static_segment": []})
    path, emails = f"{LIST}/segments/{segment['id']}", [f"{n}@shop.test" for n in range(501)]
    assert api.ok("POST", path, {"members_to_add": emails[:500], "members_to_remove": emails[:500]})
    assert api.refused("POST", path, {"members_to_remove": emails})["detail"] == (
        "Maximum allowed member items exceeded, please provide at most 500 items "
        "in members_to_add field or members_to_remove field"
    )


def test_a_saved_segment_takes_no_batch(api: Api) -> None:
    conditions = {"match": "any", "conditions": []}
    segment = api.ok("POST", f"{LIST}/segments", {"name": "loyal", "options": conditions})
    assert segment["type"] == "saved"
    problem = api.refused("POST", f"{LIST}/segments/{segment['id']}", {"members_to_add": ["a@shop.test"]})
    assert problem["detail"] == f"A Static Segment with an id of {segment['id']} does not exist for this list."


def test_one_address_joins_and_leaves_a_segment(api: Api) -> None:
    api.audience.add_member("a@shop.test", "subscribed")
    segment = api.ok("POST", f"{LIST}/segments", {"name": "loyal", "static_segment": []})
    path = f"{LIST}/segments/{segment['id']}/members"
    assert api.ok("POST", path, {"email_address": "a@shop.test"})["id"] == hash_of("a@shop.test")
    assert api.refused("POST", path, {"email_address": "b@shop.test"})["status"] == 400
    assert api.ok("DELETE", f"{path}/{hash_of('a@shop.test')}") is None
    assert api.audience.state()[0]["tags"] == []
