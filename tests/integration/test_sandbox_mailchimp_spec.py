"""Every reply of the sandbox's Mailchimp against the service's published schema, where that is at hand."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from hashlib import md5
from pathlib import Path
from typing import Any

import pytest
from mailchimp_server import NOW, Api, running

from syncd.sandbox.audience import Audience
from syncd.sandbox.audience.writes import FieldType, FieldWrite
from syncd.sandbox.mailchimp.operations import OPERATIONS

jsonschema = pytest.importorskip("jsonschema")

SPEC = Path(__file__).parents[2].parent / "shared" / "spec" / "mailchimp-marketing-3.0.90.swagger2.json"
pytestmark = pytest.mark.skipif(not SPEC.exists(), reason="the published schema is not part of this repository")

HASH = md5(b"a@shop.test", usedforsecurity=False).hexdigest()
ADDRESS = {"addr1": "1 Road", "addr2": "", "city": "Ulm", "state": "BW", "zip": "89073", "country": "DE"}
NEW = {"email_address": "new@shop.test", "status": "subscribed"}
# What is sent, for each operation that takes a body.
BODIES: dict[str, Any] = {
    "POST /lists/{list_id}": {"members": [NEW, {"email_address": "a@shop.test"}, {"email_address": "bad"}]},
    "POST /lists/{list_id}/members": NEW,
    "PUT /lists/{list_id}/members/{subscriber_hash}": {"email_address": "a@shop.test", "status_if_new": "pending"},
    "PATCH /lists/{list_id}/members/{subscriber_hash}": {"status": "unsubscribed"},
    "POST /lists/{list_id}/members/{subscriber_hash}/tags": {"tags": [{"name": "x", "status": "active"}]},
    "POST /lists/{list_id}/members/{subscriber_hash}/events": {"name": "lapsed"},
    "POST /lists/{list_id}/segments": {"name": "new", "static_segment": []},
    "PATCH /lists/{list_id}/segments/{segment_id}": {"name": "new"},
    "POST /lists/{list_id}/segments/{segment_id}": {
        "members_to_add": ["a@shop.test", "left@shop.test"],
        "members_to_remove": ["a@shop.test", "nobody@shop.test"],
    },
    "POST /lists/{list_id}/segments/{segment_id}/members": {"email_address": "a@shop.test"},
    "POST /lists/{list_id}/merge-fields": {"name": "New", "type": "dropdown", "options": {"choices": ["a"]}},
    "PATCH /lists/{list_id}/merge-fields/{merge_id}": {"name": "New"},
    "POST /batches": {"operations": [{"method": "GET", "path": "/ping"}]},
    "POST /customer-journeys/journeys/{journey_id}/steps/{step_id}/actions/trigger": {"email_address": "a@shop.test"},
}


@cache
def spec() -> Any:
    return json.loads(SPEC.read_bytes())


@pytest.fixture(scope="module")
def server() -> Iterator[Api]:
    with running() as api:
        yield api


@pytest.fixture
def api(server: Api) -> Api:
    audience = server.world.audiences["a1b2c3d4e5"] = Audience("a1b2c3d4e5", "Customers", server.world.clock)
    kinds: dict[str, FieldType] = {"SPEND": "number", "SINCE": "date", "DAY": "birthday", "PICK": "radio"}
    for tag, kind in kinds.items():
        audience.fields.create(FieldWrite(name=tag, tag=tag, type=kind))
    values = {"SPEND": 4.5, "SINCE": "2026-01-31", "ADDRESS": ADDRESS, "FNAME": "Ann"}
    member = audience.add_member("a@shop.test", "subscribed", ["loyal", "vip"], values, opted_in_at=NOW)
    audience.act(member.email, {"merge_fields": {"DAY": "02/29"}})
    for status in ("unsubscribed", "cleaned", "pending", "transactional", "archived"):
        audience.add_member(f"{status}@shop.test", status)
    audience.add_member("left@shop.test", "unsubscribed", ["loyal"])
    server.audience = audience
    server.ok("POST", f"/lists/a1b2c3d4e5/members/{HASH}/events", {"name": "lapsed", "properties": {"days": "90"}})
    return server


def path_of(api: Api, template: str) -> str:
    [loyal, *_] = api.audience.segments
    batch = api.ok("POST", "/batches", BODIES["POST /batches"]) if "{batch_id}" in template else {"id": ""}
    words = {
        "list_id": "a1b2c3d4e5",
        "subscriber_hash": HASH,
        "segment_id": loyal.id,
        "merge_id": 1,
        "batch_id": batch["id"],
        "journey_id": 12,
        "step_id": 34,
    }
    return template.format(**words)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_the_reply_obeys_the_published_schema(api: Api, operation: str) -> None:
    method, template = operation.split(" ")
    published = spec()["paths"][template][method.lower()]["responses"]
    answer = api.call(method, path_of(api, template), BODIES.get(operation), count=100)
    assert str(answer.status_code) in published, answer.text
    if answer.status_code == 204:
        assert answer.content == b""
        return
    schema = published["200"]["schema"]
    faults = list(jsonschema.Draft4Validator(schema).iter_errors(answer.json()))
    assert not faults, [(list(fault.absolute_path), fault.message) for fault in faults]
    # A reply of nothing would obey any schema: the names that we send are published ones.
    assert set(answer.json()) <= set(schema["properties"])


def test_a_page_of_members_of_every_status_obeys_the_published_schema(api: Api) -> None:
    schema = spec()["paths"]["/lists/{list_id}/members"]["get"]["responses"]["200"]["schema"]
    known = set(schema["properties"]["members"]["items"]["properties"])
    api.audience.switches.archived_in_listing = True
    page = api.get("/lists/a1b2c3d4e5/members")
    assert page["total_items"] == 7
    jsonschema.Draft4Validator(schema).validate(page)
    assert all(set(member) <= known for member in page["members"])


def test_a_finished_batch_obeys_the_published_schema(api: Api) -> None:
    schema = spec()["paths"]["/batches/{batch_id}"]["get"]["responses"]["200"]["schema"]
    batch = api.ok("POST", "/batches", BODIES["POST /batches"])
    while batch["status"] != "finished":
        batch = api.get(f"/batches/{batch['id']}")
        jsonschema.Draft4Validator(schema).validate(batch)
    assert batch["finished_operations"] == batch["total_operations"] > 0


def test_a_problem_document_has_the_published_members(api: Api) -> None:
    schema = spec()["paths"]["/lists/{list_id}"]["get"]["responses"]["default"]["schema"]
    problem = api.refused("GET", "/lists/other")
    jsonschema.Draft4Validator(schema).validate(problem)
    assert problem["status"] == 404
