"""Every operation that the sandbox's Mailchimp serves, in success and in failure, against the published schema.

The table of operations is the list of cases: a new operation without one fails. The judge beside every test checks
requests and replies; where the published file is at hand, another validator checks the replies against it untouched.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from hashlib import md5
from typing import Any

import jsonschema
import pytest
import requests
from msgspec import Struct

from syncd.sandbox.audience.writes import FieldType, FieldWrite, WebhookWrite
from syncd.sandbox.mailchimp.operations import OPERATIONS
from tests.contract.derive_schema import COMPACT, PUBLISHED, derive, expanded, read, text_of
from tests.contract.mailchimp_schema import UNTYPED
from tests.integration.mailchimp_server import NOW, Api, running

published_file = pytest.mark.skipif(not PUBLISHED.exists(), reason="the published schema is not in this repository")

ADDRESS = {"addr1": "1 Road", "addr2": "", "city": "Ulm", "state": "BW", "zip": "89073", "country": "DE"}
EMAIL = {"email_address": "a@shop.test"}
NEW = {"email_address": "new@shop.test", "status": "subscribed"}
PING = {"operations": [{"method": "GET", "path": "/ping"}]}
TAGS = {"tags": [{"name": "x", "status": "active"}]}

ANY_LIST = "/lists/{list_id}"
MEMBER = f"{ANY_LIST}/members/{{subscriber_hash}}"
NOTE = f"{MEMBER}/notes/{{note_id}}"
WEBHOOK = f"{ANY_LIST}/webhooks/{{webhook_id}}"
# Stands for an address that answers, which is known when the servers run.
HERE = "http://here.invalid"
SEGMENT = f"{ANY_LIST}/segments/{{segment_id}}"
FIELD = f"{ANY_LIST}/merge-fields/{{merge_id}}"
TRIGGER = "/customer-journeys/journeys/{journey_id}/steps/{step_id}/actions/trigger"


def hash_of(email: str) -> str:
    return md5(email.encode(), usedforsecurity=False).hexdigest()


class No(Struct, frozen=True):
    """A request that is refused. `off`: the schema forbids it, too."""

    status: int
    title: str
    body: Any = None
    off: bool = False
    words: dict[str, Any] = {}
    query: dict[str, Any] = {}
    method: str = ""


class Case(Struct, frozen=True):
    """What succeeds, and what is refused."""

    body: Any = None
    refused: tuple[No, ...] = ()
    query: dict[str, Any] = {}


def other(name: str = "list_id", body: Any = None) -> No:
    """Another list, segment or member, which does not exist."""
    return No(404, "Resource Not Found", body, words={name: "999"})


def invalid(body: Any = None, *, off: bool = True, **more: Any) -> No:
    return No(400, "Invalid Resource", body, off=off, **more)


STRANGER = other("subscriber_hash")
LEFT = {"subscriber_hash": hash_of("left@shop.test")}
SAVED = {"segment_id": "saved"}

CASES: dict[str, Case] = {
    "GET /": Case(refused=(No(405, "Method Not Allowed", method="POST", off=True),)),
    "GET /ping": Case(refused=(No(405, "Method Not Allowed", method="DELETE", off=True),)),
    "GET /lists": Case(query={"count": 1}, refused=(invalid(query={"count": "-1"}), invalid(query={"offset": "x"}))),
    f"GET {ANY_LIST}": Case(query={"include_total_contacts": "true"}, refused=(other(),)),
    f"POST {ANY_LIST}": Case(
        {"members": [NEW, EMAIL, {"email_address": "bad"}], "update_existing": True},
        (
            other(body={"members": []}),
            invalid({}),
            invalid({"members": [EMAIL] * 501}, off=False),
            invalid({"members": [{"email_address": 5}]}),
        ),
    ),
    f"GET {ANY_LIST}/members": Case(
        query={"status": "unsubscribed", "unsubscribed_since": "2020-01-01T00:00:00Z", "sort_field": "last_changed"},
        refused=(
            other(),
            invalid(query={"unsubscribed_since": "2020-01-01T00:00:00Z"}, off=False),
            invalid(query={"since_last_changed": "yesterday"}, off=False),
            invalid(query={"status": "lapsed"}),
            invalid(query={"sort_field": "email"}),
        ),
    ),
    f"POST {ANY_LIST}/members": Case(
        {**NEW, "merge_fields": {"SPEND": 5, "ADDRESS": ADDRESS}, "tags": ["x"]},
        (
            other(body=NEW),
            No(400, "Member Exists", {**EMAIL, "status": "subscribed"}),
            No(400, "Forgotten Email Not Subscribed", {"email_address": "gone@shop.test", "status": "subscribed"}),
            invalid({"email_address": "a@gmil.com", "status": "subscribed"}, off=False),
            invalid({**NEW, "merge_fields": {"SPEND": "much"}}, off=False),
            invalid({"email_address": "new@shop.test"}),
            invalid({**NEW, "status": "archived"}),
            No(400, "JSON Parse Error", "{", off=True),
        ),
    ),
    f"GET {MEMBER}": Case(refused=(STRANGER, other())),
    f"PUT {MEMBER}": Case(
        {**EMAIL, "status_if_new": "pending", "merge_fields": {"SPEND": ""}},
        (
            other(body={**EMAIL, "status_if_new": "pending"}),
            No(
                400,
                "Member In Compliance State",
                {"email_address": "left@shop.test", "status_if_new": "subscribed", "status": "subscribed"},
                words=LEFT,
            ),
            No(400, "Member Exists", {"email_address": "left@shop.test", "status_if_new": "pending"}),
            invalid({**EMAIL, "status_if_new": "pending", "merge_fields": {"SPEND": True}}, off=False),
            invalid({**EMAIL, "status_if_new": "lapsed"}),
        ),
    ),
    f"PATCH {MEMBER}": Case(
        {"status": "unsubscribed"},
        (
            other("subscriber_hash", {"merge_fields": {}}),
            No(400, "Member In Compliance State", {"status": "subscribed"}, words=LEFT),
            invalid({"status": "transactional"}),
        ),
    ),
    f"DELETE {MEMBER}": Case(
        refused=(STRANGER, No(405, "Method Not Allowed", words={"subscriber_hash": hash_of("archived@shop.test")}))
    ),
    f"POST {MEMBER}/actions/delete-permanent": Case(refused=(STRANGER,)),
    f"GET {MEMBER}/tags": Case(refused=(STRANGER,)),
    f"POST {MEMBER}/tags": Case(
        {**TAGS, "is_syncing": True},
        (
            other("subscriber_hash", TAGS),
            invalid({"tags": [{"name": "y" * 101, "status": "active"}]}, off=False),
            invalid({"tags": [{"name": "x"}]}),
        ),
    ),
    f"GET {MEMBER}/events": Case(refused=(STRANGER,)),
    f"POST {MEMBER}/events": Case(
        {"name": "lapsed", "properties": {"days": "90"}, "is_syncing": False},
        (
            other("subscriber_hash", {"name": "lapsed"}),
            invalid({"name": "x"}, off=False),
            invalid({"name": "lapsed", "properties": {"days": 90}}),
        ),
    ),
    f"GET {MEMBER}/notes": Case(query={"count": 1}, refused=(STRANGER,)),
    f"POST {MEMBER}/notes": Case(
        {"note": "likes jazz"}, (other("subscriber_hash", {"note": "x"}), invalid({"note": 5}))
    ),
    f"GET {NOTE}": Case(refused=(other("note_id"), STRANGER)),
    f"PATCH {NOTE}": Case({"note": "likes jazz"}, (other("note_id", {"note": "x"}), invalid({"note": 5}))),
    f"DELETE {NOTE}": Case(refused=(other("note_id"),)),
    f"GET {MEMBER}/activity": Case(query={"action": "unsub"}, refused=(STRANGER,)),
    f"GET {MEMBER}/activity-feed": Case(query={"activity_filters": "event,note,generic_signup"}, refused=(STRANGER,)),
    f"GET {ANY_LIST}/tag-search": Case(query={"name": "lo"}, refused=(other(),)),
    f"GET {ANY_LIST}/segments": Case(query={"type": "static"}, refused=(other(), invalid(query={"count": "many"}))),
    f"POST {ANY_LIST}/segments": Case(
        {"name": "new", "static_segment": ["a@shop.test", "nobody@shop.test"]},
        (
            other(body={"name": "new"}),
            No(400, "Bad Request", {"name": "loyal", "static_segment": []}),
            invalid({"static_segment": []}),
        ),
    ),
    f"GET {SEGMENT}": Case(refused=(other("segment_id"),)),
    f"PATCH {SEGMENT}": Case(
        {"name": "new", "static_segment": ["left@shop.test"]},
        (other("segment_id", {"name": "new"}), No(400, "Bad Request", {"name": "vip"}), invalid({"name": 5})),
    ),
    f"DELETE {SEGMENT}": Case(refused=(other("segment_id"),)),
    f"POST {SEGMENT}": Case(
        {"members_to_add": ["b@shop.test", "left@shop.test"], "members_to_remove": ["a@shop.test", "no@shop.test"]},
        (
            No(400, "Bad Request", {"members_to_add": ["a@shop.test"]}, words=SAVED),
            No(400, "Bad Request", {"members_to_add": ["a@shop.test"] * 501}),
            invalid({"members_to_add": [5]}),
        ),
    ),
    f"GET {SEGMENT}/members": Case(query={"include_unsubscribed": "true"}, refused=(other("segment_id"),)),
    f"POST {SEGMENT}/members": Case(
        {"email_address": "b@shop.test"},
        (
            No(400, "Bad Request", EMAIL, words=SAVED),
            invalid({"email_address": "nobody@shop.test"}, off=False),
        ),
    ),
    f"DELETE {SEGMENT}/members/{{subscriber_hash}}": Case(
        refused=(STRANGER, No(400, "Bad Request", words=SAVED)),
    ),
    f"GET {ANY_LIST}/merge-fields": Case(query={"type": "number"}, refused=(other(),)),
    f"POST {ANY_LIST}/merge-fields": Case(
        {"name": "New", "type": "dropdown", "options": {"choices": ["a"]}},
        (
            other(body={"name": "New", "type": "text"}),
            No(400, "Bad Request", {"name": "Spend", "type": "number", "tag": "SPEND"}),
            invalid({"name": "New", "type": "text", "tag": "MORE_THAN_TEN"}, off=False),
            invalid({"name": "New"}),
        ),
    ),
    f"GET {FIELD}": Case(refused=(other("merge_id"),)),
    f"PATCH {FIELD}": Case(
        {"name": "New"},
        (other("merge_id", {"name": "New"}), No(400, "Bad Request", {"name": "New", "tag": "SPEND"})),
    ),
    f"DELETE {FIELD}": Case(refused=(other("merge_id"),)),
    f"GET {ANY_LIST}/webhooks": Case(refused=(other(),)),
    f"POST {ANY_LIST}/webhooks": Case(
        {"url": f"{HERE}?secret=1", "events": {"subscribe": True}, "sources": {"user": True}},
        (
            other(body={"url": HERE}),
            invalid({"url": HERE + "/nowhere"}, off=False),
            invalid({"url": "here"}, off=False),
            invalid({"events": {"subscribe": "yes"}}),
        ),
    ),
    f"GET {WEBHOOK}": Case(refused=(other("webhook_id"),)),
    f"PATCH {WEBHOOK}": Case({"events": {"cleaned": True}}, (other("webhook_id", {"events": {}}), invalid({"url": 5}))),
    f"DELETE {WEBHOOK}": Case(refused=(other("webhook_id"),)),
    "GET /batches": Case(refused=(invalid(query={"count": "all"}),)),
    "POST /batches": Case(
        {"operations": [{"method": "GET", "path": "/ping", "operation_id": "a"}]},
        (invalid({"operations": []}, off=False), invalid({"operations": [{"method": "GET"}]})),
    ),
    "GET /batches/{batch_id}": Case(refused=(other("batch_id"),)),
    "DELETE /batches/{batch_id}": Case(refused=(other("batch_id"),)),
    f"POST {TRIGGER}": Case(
        EMAIL, (No(404, "Resource Not Found", {"email_address": "nobody@shop.test"}), invalid({"email_address": 5}))
    ),
}


def refusal(operation: str, refused: No, number: int) -> Any:
    marks = [pytest.mark.off_schema("the schema forbids it, too")] if refused.off else []
    return pytest.param(operation, refused, marks=marks, id=f"{operation} {refused.status} {number}")


REFUSALS = [refusal(name, each, n) for name, case in CASES.items() for n, each in enumerate(case.refused)]


@cache
def untouched() -> Any:
    return read(PUBLISHED)["paths"]


@pytest.fixture(scope="module")
def server() -> Iterator[Api]:
    with running() as api:
        yield api


@pytest.fixture
def api(server: Api) -> Api:
    """An audience in which every kind of member, tag and field occurs."""
    server.fresh()
    audience = server.audience
    kinds: dict[str, FieldType] = {"SPEND": "number", "SINCE": "date", "DAY": "birthday", "PICK": "radio"}
    for tag, kind in kinds.items():
        audience.fields.create(FieldWrite(name=tag, tag=tag, type=kind))
    values = {"SPEND": 4.5, "SINCE": "2026-01-31", "ADDRESS": ADDRESS, "FNAME": "Ann"}
    member = audience.add_member("a@shop.test", "subscribed", ["loyal", "vip"], values, opted_in_at=NOW)
    audience.act(member.email, {"merge_fields": {"DAY": "02/29"}})
    for status in ("unsubscribed", "cleaned", "pending", "transactional", "archived"):
        audience.add_member(f"{status}@shop.test", status)
    audience.add_member("b@shop.test", "subscribed")
    audience.add_member("left@shop.test", "unsubscribed", ["loyal"])
    audience.add_member("gone@shop.test", "subscribed")
    audience.forget(hash_of("gone@shop.test"))
    audience.segments.create("saved", "saved", NOW, {"match": "all"})
    audience.notes.add(member, "likes jazz")
    audience.hooks.create(WebhookWrite(url="http://there.invalid/"))
    server.ok("POST", f"/lists/a1b2c3d4e5/members/{member.hash}/events", {"name": "lapsed", "properties": {"d": "90"}})
    return server


def words_of(api: Api, template: str, words: dict[str, Any]) -> dict[str, Any]:
    segments = {segment.name: segment.id for segment in api.audience.segments}
    batch = api.ok("POST", "/batches", PING)["id"] if "{batch_id}" in template and "batch_id" not in words else ""
    known = {
        "list_id": "a1b2c3d4e5",
        "subscriber_hash": hash_of("a@shop.test"),
        "segment_id": segments["loyal"],
        "note_id": 1,
        "webhook_id": next(iter(api.audience.hooks)).id,
        "merge_id": 1,
        "batch_id": batch,
        "journey_id": 12,
        "step_id": 34,
        **words,
    }
    return known | {"segment_id": segments.get(known["segment_id"], known["segment_id"])}


def send(api: Api, operation: str, asked: Case | No) -> requests.Response:
    method, template = operation.split(" ")
    words = asked.words if isinstance(asked, No) else {}
    path = template.format(**words_of(api, template, words))
    body = asked.body if isinstance(asked.body, str) or asked.body is None else json.dumps(asked.body)
    body = body and body.replace(HERE, api.control)
    method = (isinstance(asked, No) and asked.method) or method
    return api.session.request(method, f"{api.url}/3.0{path}", params=asked.query, data=body, timeout=30)


def check_untouched(operation: str, reply: requests.Response) -> None:
    """Holds a reply against the published file as it is."""
    method, template = operation.split(" ")
    replies = untouched()[template][method.lower()]["responses"]
    schema = replies[str(reply.status_code) if reply.ok else "default"].get("schema")
    document = reply.json() if reply.content else None
    if schema and not reply.ok and document["title"] in UNTYPED:
        schema = {**schema, "required": ["title", "status", "detail", "instance"]}
    if schema:
        jsonschema.Draft4Validator(schema).validate(document)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_operation_has_a_case_of_success_and_one_of_failure(operation: str) -> None:
    assert CASES[operation].refused


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_success_obeys_the_published_schema(api: Api, operation: str) -> None:
    reply = send(api, operation, CASES[operation])
    assert reply.status_code == (200 if reply.content else 204), reply.text
    if PUBLISHED.exists():
        check_untouched(operation, reply)


@pytest.mark.parametrize(("operation", "refused"), REFUSALS)
def test_a_refusal_obeys_the_published_schema(api: Api, operation: str, refused: No) -> None:
    reply = send(api, operation, refused)
    assert (reply.status_code, reply.json()["title"]) == (refused.status, refused.title), reply.text
    if PUBLISHED.exists():
        check_untouched(operation, reply)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_wrong_key_is_refused_by_every_operation_as_the_schema_has_it(api: Api, operation: str) -> None:
    case, auth = CASES[operation], api.session.auth
    api.session.auth = ("any", "wrong-us1")
    try:
        reply = send(api, operation, No(401, "", case.body, words={"batch_id": "1"}, query=case.query))
    finally:
        api.session.auth = auth
    assert (reply.status_code, reply.json()["title"]) == (401, "API Key Invalid")
    if PUBLISHED.exists():
        check_untouched(operation, reply)


def test_a_page_of_members_of_every_status_obeys_the_published_schema(api: Api) -> None:
    api.world.mailchimp.archived_in_listing = True
    page = api.get("/lists/a1b2c3d4e5/members")
    assert {member["status"] for member in page["members"]} == {
        "subscribed",
        "unsubscribed",
        "cleaned",
        "pending",
        "transactional",
        "archived",
    }


def test_a_part_of_a_reply_obeys_the_published_schema(api: Api) -> None:
    page = api.get("/lists/a1b2c3d4e5/members", fields="members.email_address,total_items")
    assert set(page) == {"members", "total_items"}


def test_every_state_of_a_batch_and_the_results_in_its_archive_obey_the_published_schema(api: Api) -> None:
    path = f"lists/a1b2c3d4e5/members/{hash_of('a@shop.test')}"
    rows = api.run_batch(
        {"method": "POST", "path": f"/{path}/tags", "operation_id": "tags", "body": json.dumps(TAGS)},
        {"method": "PUT", "path": path, "body": json.dumps({**EMAIL, "status_if_new": "pending"})},
        {"method": "GET", "path": "/lists/a1b2c3d4e5/members", "params": {"count": "2"}},
        {"method": "GET", "path": "/lists/other"},
        {"method": "POST", "path": "/lists/a1b2c3d4e5/members", "body": json.dumps({**EMAIL, "status": "subscribed"})},
    )
    assert sorted(row["status_code"] for row in rows) == [200, 200, 204, 400, 404]


@published_file
def test_the_compact_schema_is_what_the_published_one_gives() -> None:
    derived = text_of(derive(read(PUBLISHED), OPERATIONS))
    assert COMPACT.read_text("utf-8") == derived, "run: python -m tests.contract.derive_schema"


@published_file
def test_the_compact_schema_refuses_what_the_published_one_refuses_and_nothing_else(api: Api) -> None:
    compact = expanded(read(COMPACT))
    operation = f"GET {ANY_LIST}/members"
    whole = untouched()[f"{ANY_LIST}/members"]["get"]["responses"]["200"]["schema"]
    part = compact[operation]["replies"]["200"]
    page = api.get("/lists/a1b2c3d4e5/members")
    spoiled = 0
    for name in page["members"][0]:
        for value in (None, 5, 1.5, True, "x", [], [5], {}, {"region": 5}):
            document = {**page, "members": [{**page["members"][0], name: value}]}
            verdicts = [jsonschema.Draft4Validator(schema).is_valid(document) for schema in (whole, part)]
            assert verdicts[0] == verdicts[1], (name, value)
            spoiled += not verdicts[0]
    assert spoiled > 100
