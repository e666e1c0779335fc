"""The sandbox's Mailchimp over HTTP: each row of the reference's table and each trap that is the service's doing."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from hashlib import md5
from typing import Any
from urllib.parse import quote

import mailchimp_marketing
import pytest
import requests
from starlette.responses import Response
from starlette.types import Message, Scope

from syncd.sandbox import mailchimp
from syncd.sandbox.audience import Audience
from syncd.sandbox.frame import Connections, Frame
from syncd.sandbox.world import World
from tests.integration.mailchimp_server import KEY, LIST, NOW, Api, running


@pytest.fixture(scope="module")
def server() -> Iterator[Api]:
    with running() as api:
        yield api


@pytest.fixture
def api(server: Api) -> Api:
    """The running server with an audience of its own for each test."""
    server.fresh()
    return server


def hash_of(email: str) -> str:
    return md5(email.lower().encode(), usedforsecurity=False).hexdigest()


def at(email: str) -> str:
    """The path of a member."""
    return f"{LIST}/members/{hash_of(email)}"


def later(api: Api, seconds: int = 60) -> None:
    api.world.clock.set(api.world.clock.now() + seconds)


def entered(api: Api, trigger: str = "tag") -> list[str]:
    return [entry["value"] for entry in api.audience.journeys() if entry["trigger"] == trigger]


# Keys, headers, problem documents.


@pytest.mark.parametrize("header", ["Bearer sandbox-us1", requests.auth._basic_auth_str("", KEY)])
def test_a_key_is_taken_as_basic_password_or_bearer_token(api: Api, header: str) -> None:
    answer = requests.get(f"{api.url}/3.0/", headers={"Authorization": header}, timeout=30)
    assert (answer.status_code, answer.json()["role"]) == (200, "owner")
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
    assert 'rel="describedBy"' in answer.headers["Link"]


@pytest.mark.parametrize(
    ("header", "title"),
    [
        (None, "API Key Missing"),
        ("Basic", "API Key Missing"),
        ("Bearer other-us1", "API Key Invalid"),
        ("Basic !!", "API Key Invalid"),
        (requests.auth._basic_auth_str(KEY, "other"), "API Key Invalid"),
    ],
)
def test_a_missing_or_wrong_key_is_a_401_problem_document(api: Api, header: str | None, title: str) -> None:
    headers = {"Authorization": header} if header else {}
    answer = requests.get(f"{api.url}/3.0{LIST}", headers=headers, timeout=30)
    assert (answer.status_code, answer.json()["title"]) == (401, title)
    assert answer.json()["instance"] == answer.headers["X-Request-Id"]
    assert answer.headers["Content-Type"] == "application/problem+json; charset=utf-8"


def test_any_key_will_do_where_switched(api: Api) -> None:
    api.audience.switches.keys = set()
    assert requests.get(f"{api.url}/3.0/ping", auth=("x", "anything"), timeout=30).status_code == 200


@pytest.mark.off_schema("asks for a path that does not exist")
@pytest.mark.parametrize("path", ["/lists/other", "/lists/other/members", "/nothing", f"{LIST}/segments/1"])
def test_what_does_not_exist_is_404(api: Api, path: str) -> None:
    assert api.refused("GET", path)["title"] == "Resource Not Found"


@pytest.mark.off_schema("asks with a method that does not exist")
def test_a_wrong_method_is_405_and_the_right_ones_are_named(api: Api) -> None:
    answer = api.call("DELETE", LIST)
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, POST")


def test_an_answer_without_content_has_no_body_and_no_length(api: Api) -> None:
    api.audience.add_member("a@shop.test", "subscribed")
    answer = api.call("POST", f"{at('a@shop.test')}/tags", {"tags": []})
    assert (answer.status_code, answer.content, "Content-Length" in answer.headers) == (204, b"", False)
    assert answer.headers["Content-Type"].startswith("application/json")


@pytest.mark.off_schema("sends broken bodies")
def test_broken_json_and_wrong_types_are_400(api: Api) -> None:
    broken = api.session.post(f"{api.url}/3.0{LIST}/members", data=b'{"email_', timeout=30)
    assert (broken.status_code, broken.json()["title"]) == (400, "JSON Parse Error")
    problem = api.refused("POST", f"{LIST}/members", {"email_address": 5, "status": "subscribed"})
    assert (problem["title"], problem["errors"][0]["field"]) == ("Invalid Resource", "email_address")
    problem = api.refused("POST", f"{LIST}/members", {"email_address": "a@shop.test"})
    assert problem["errors"] == [{"field": "", "message": "Required fields were not provided: status"}]


def test_the_eleventh_connection_is_refused_until_one_ends() -> None:
    world = World(start=NOW)
    world.throttle.latency = 0.05
    world.audiences["x"] = Audience("x", "x", world.clock)
    frame = Frame(world, "mailchimp", mailchimp.app(world), Connections(), mailchimp.limiter(world))

    async def ask() -> int:
        statuses: list[int] = []

        async def receive() -> Message:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])

        key = [(b"authorization", b"Bearer sandbox-us1"), (b"host", b"x")]
        path = {"path": "/3.0/ping", "raw_path": b"/3.0/ping", "query_string": b"", "root_path": ""}
        scope: Scope = {"type": "http", "method": "GET", "scheme": "http", "headers": key, "client": None, **path}
        await frame(scope, receive, send)
        return statuses[0]

    async def storm() -> list[int]:
        return sorted(await asyncio.gather(*(ask() for _ in range(12))))

    async def storms() -> list[list[int]]:
        enforced = [await storm(), [await ask()]]
        world.throttle.enforce = False
        return [*enforced, await storm()]

    assert asyncio.run(storms()) == [[200] * 10 + [429] * 2, [200], [200] * 12]


@pytest.mark.parametrize("bare", [False, True])
def test_the_429_comes_with_or_without_a_body(bare: bool) -> None:
    world = World(start=NOW)
    world.mailchimp.bare_429 = bare
    limit = mailchimp.limiter(world)
    answers = [limit.enter({"path": "/3.0/ping"}) for _ in range(11)]
    assert answers[:10] == [None] * 10
    assert isinstance(answers[10], Response)
    assert answers[10].status_code == 429
    assert bare is (answers[10].body == b"")
    assert bare is ("content-type" not in answers[10].headers)


# Collections.


@pytest.mark.off_schema("asks for more than a thousand")
def test_a_collection_shows_ten_and_at_most_a_thousand(api: Api) -> None:
    for number in range(1_001):
        api.audience.add_member(f"{number}@shop.test", "subscribed")
    lengths = [len(api.get(f"{LIST}/members", **query)["members"]) for query in ({}, {"count": 5000}, {"offset": 999})]
    assert lengths == [10, 1000, 2]
    beyond = api.get(f"{LIST}/members", offset=5000)
    assert (beyond["members"], beyond["total_items"]) == ([], 1_001)
    assert api.refused("GET", f"{LIST}/members", count="many")["status"] == 400


def test_merge_fields_segments_and_tags_of_a_member_show_ten_too(api: Api) -> None:
    names = [f"tag {number}" for number in range(60)]
    api.audience.add_member("a@shop.test", "subscribed", tags=names, merge_fields={f"F{n}": 1 for n in range(12)})
    assert len(api.get(f"{LIST}/merge-fields")["merge_fields"]) == 10
    assert api.get(f"{LIST}/merge-fields")["total_items"] == 16
    assert len(api.get(f"{LIST}/segments")["segments"]) == 10
    assert len(api.get(f"{at('a@shop.test')}/tags")["tags"]) == 10
    [member] = api.get(f"{LIST}/members")["members"]
    assert (len(member["tags"]), member["tags_count"]) == (50, 60)
    found = api.get(f"{at('a@shop.test')}/tags", count=1000)["tags"]
    assert sorted(each["name"] for each in found) == sorted(names)


def test_fields_are_paths_from_the_root_and_links_are_there_unless_excluded(api: Api) -> None:
    api.audience.add_member("a@shop.test", "subscribed", tags=["loyal"])
    path = f"{LIST}/members"
    assert api.get(path, fields="members.email_address,members.tags.name,total_items") == {
        "members": [{"email_address": "a@shop.test", "tags": [{"name": "loyal"}]}],
        "total_items": 1,
    }
    assert api.get(path, fields="email_address") == {}
    assert "_links" in api.get(path)
    assert "_links" in api.get(path)["members"][0]
    bare = api.get(path, exclude_fields="_links,members._links,members.stats")
    assert "_links" not in bare
    assert {"_links", "stats"}.isdisjoint(bare["members"][0])
    assert "merge_fields" in bare["members"][0]


def test_since_last_changed_is_exclusive_to_the_second(api: Api) -> None:
    for number, changed_at in enumerate([NOW - 1, NOW, NOW, NOW + 1]):
        api.audience.add_member(f"{number}@shop.test", "subscribed", changed_at=changed_at)

    def since(text: str, **query: Any) -> list[str]:
        found = api.get(f"{LIST}/members", since_last_changed=text, **query)["members"]
        return [member["email_address"][0] for member in found]

    assert since("2026-09-21T14:13:20+00:00") == ["3"]
    assert since("2026-09-21T14:13:19.999+00:00") == ["1", "2", "3"]
    assert since("2026-09-21T16:13:19+02:00", sort_field="last_changed", sort_dir="DESC") == ["3", "2", "1"]
    assert since("2026-09-21T14:13:18Z", before_last_changed="2026-09-21T14:13:20Z") == ["0"]
    api.audience.switches.before_is_inclusive = True
    assert since("2026-09-21T14:13:18Z", before_last_changed="2026-09-21T14:13:20Z") == ["0", "1", "2"]


def test_a_plus_that_was_not_encoded_is_no_time(api: Api) -> None:
    answer = api.session.get(f"{api.url}/3.0{LIST}/members?since_last_changed=2026-09-21T14:13:20+00:00", timeout=30)
    assert answer.status_code == 400


def test_an_unsorted_listing_moves_while_members_change(api: Api) -> None:
    for number in range(4):
        api.audience.add_member(f"{number}@shop.test", "subscribed", changed_at=NOW - 9 + number)
    seen = [member["email_address"] for member in api.get(f"{LIST}/members", count=2)["members"]]
    api.ok("PUT", at("0@shop.test"), {"merge_fields": {"FNAME": "Ann"}})
    seen += [member["email_address"] for member in api.get(f"{LIST}/members", count=2, offset=2)["members"]]
    assert seen == ["0@shop.test", "1@shop.test", "3@shop.test", "0@shop.test"]


def test_archived_members_are_listed_only_by_status_unless_switched(api: Api) -> None:
    api.audience.add_member("a@shop.test", "subscribed")
    api.audience.add_member("b@shop.test", "archived")
    assert api.get(f"{LIST}/members")["total_items"] == 1
    assert [m["status"] for m in api.get(f"{LIST}/members", status="archived")["members"]] == ["archived"]
    api.audience.switches.archived_in_listing = True
    assert api.get(f"{LIST}/members")["total_items"] == 2


def test_members_can_be_filtered_by_opt_in_and_unsubscription(api: Api) -> None:
    api.audience.add_member("a@shop.test", "subscribed", opted_in_at=NOW - 9)
    api.audience.add_member("b@shop.test", "subscribed", opted_in_at=NOW)
    api.audience.add_member("c@shop.test", "unsubscribed")
    found = api.get(f"{LIST}/members", since_timestamp_opt="2026-09-21T14:13:15Z")
    assert [member["email_address"] for member in found["members"]] == ["b@shop.test"]
    by_opt_in = api.get(f"{LIST}/members", status="subscribed", sort_field="timestamp_opt", sort_dir="DESC")
    assert [member["email_address"] for member in by_opt_in["members"]] == ["b@shop.test", "a@shop.test"]
    left = {"unsubscribed_since": "2026-09-21T14:13:15Z"}
    assert api.get(f"{LIST}/members", status="unsubscribed", **left)["total_items"] == 1
    assert api.refused("GET", f"{LIST}/members", **left)["status"] == 400


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


# Merge fields, events, journeys, counts.


@pytest.mark.off_schema("the type of a merge field never changes")
def test_a_merge_field_is_created_changed_and_deleted(api: Api) -> None:
    body = {"tag": "spend6m", "name": "Spend", "type": "number"}
    created = api.ok("POST", f"{LIST}/merge-fields", body)
    assert (created["tag"], created["type"], created["required"]) == ("SPEND6M", "number", False)
    path = f"{LIST}/merge-fields/{created['merge_id']}"
    changed = api.ok("PATCH", path, {"name": "Spent", "type": "text", "help_text": "in EUR"})
    assert (changed["name"], changed["type"], changed["help_text"]) == ("Spent", "number", "in EUR")
    assert "already exists for this list" in api.refused("POST", f"{LIST}/merge-fields", body)["detail"]
    api.ok("DELETE", path)
    assert api.refused("GET", path)["status"] == 404


def test_the_address_is_no_merge_field_and_the_thirty_first_is_refused(api: Api) -> None:
    tags = [each["tag"] for each in api.get(f"{LIST}/merge-fields", count=100)["merge_fields"]]
    assert "EMAIL" not in tags
    for number in range(30 - len(tags)):
        api.ok("POST", f"{LIST}/merge-fields", {"tag": f"F{number}", "name": "x", "type": "text"})
    problem = api.refused("POST", f"{LIST}/merge-fields", {"tag": "MORE", "name": "x", "type": "text"})
    assert (problem["status"], problem["title"]) == (400, "Merge Max Limit Exceeded")


@pytest.mark.off_schema("sends a property that is no text")
def test_events_are_recorded_and_start_journeys_unless_muted(api: Api) -> None:
    api.audience.add_member("a@shop.test", "subscribed")
    path = f"{at('a@shop.test')}/events"
    api.ok("POST", path, {"name": "imported", "is_syncing": True, "occurred_at": "2026-01-01T00:00:00Z"})
    api.ok("POST", path, {"name": "lapsed", "properties": {"days": "90"}})
    assert entered(api, "event") == ["lapsed"]
    shown = api.get(path)
    assert [event["name"] for event in shown["events"]] == ["lapsed", "imported"]
    assert shown["events"][1]["occurred_at"] == "2026-01-01T00:00:00+00:00"
    for body in ({"name": "x"}, {"name": "x" * 31}, {"name": "ok", "properties": {"days": 90}}):
        assert api.refused("POST", path, body)["title"] == "Invalid Resource"


def test_the_journey_trigger_lets_a_member_enter(api: Api) -> None:
    api.audience.add_member("a@shop.test", "subscribed")
    path = "/customer-journeys/journeys/12/steps/34/actions/trigger"
    assert api.ok("POST", path, {"email_address": "a@shop.test"}) is None
    assert entered(api, "api") == ["12/34"]
    assert api.refused("POST", path, {"email_address": "b@shop.test"})["status"] == 404


def test_counts_are_minutes_old(api: Api) -> None:
    api.audience.add_member("a@shop.test", "subscribed")
    assert api.get(LIST)["stats"]["member_count"] == 1
    api.audience.add_member("b@shop.test", "subscribed")
    assert api.get("/")["total_subscribers"] == 1
    later(api, 300)
    assert api.get("/lists")["lists"][0]["stats"]["member_count"] == 2


def test_the_vendors_own_client_works_unchanged(api: Api) -> None:
    api.audience.add_member("a@shop.test", "subscribed")
    client = mailchimp_marketing.Client({"api_key": KEY})
    client.api_client.host = f"{api.url}/3.0"
    assert client.ping.get() == {"health_status": "Everything's Chimpy!"}
    tags = {"tags": [{"name": "loyal", "status": "active"}], "is_syncing": True}
    client.lists.update_list_member_tags("a1b2c3d4e5", hash_of("a@shop.test"), tags)
    found = client.lists.get_list_members_info("a1b2c3d4e5", fields=["members.tags"], count=1000)
    assert [tag["name"] for tag in found["members"][0]["tags"]] == ["loyal"]
