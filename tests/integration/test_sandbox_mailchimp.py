"""The sandbox's Mailchimp over HTTP: each row of the reference's table and each trap that is the service's doing."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import mailchimp_marketing
import pytest
import requests
from starlette.responses import Response
from starlette.types import Message, Scope

from syncd.sandbox import mailchimp
from syncd.sandbox.audience import Audience
from syncd.sandbox.frame import Connections, Frame
from syncd.sandbox.world import World
from tests.integration.mailchimp_server import KEY, LIST, NOW, Api, at, entered, hash_of, later, running


@pytest.fixture(scope="module")
def server() -> Iterator[Api]:
    with running() as api:
        yield api


@pytest.fixture
def api(server: Api) -> Api:
    """The running server with an audience of its own for each test."""
    server.fresh()
    return server


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
