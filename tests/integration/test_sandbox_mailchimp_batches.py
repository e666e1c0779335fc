"""The sandbox's batches: how they live, what their archive looks like, and how fast they run."""

from __future__ import annotations

import io
import json
import tarfile
import time
from collections.abc import Iterator
from hashlib import md5
from typing import Any

import pytest
import requests

from syncd.sandbox.audience import Audience, Switches
from syncd.sandbox.faults import Fault
from syncd.sandbox.mailchimp.account import Account
from syncd.sandbox.mailchimp.batches import BatchOperation, BatchWrite
from syncd.sandbox.mailchimp.operations import run_batches
from syncd.sandbox.world import World
from tests.integration.mailchimp_server import LIST, NOW, Api, results, running


@pytest.fixture
def api() -> Iterator[Api]:
    with running() as running_api:
        running_api.audience.add_member("a@shop.test", "subscribed")
        yield running_api


def tag(email: str, name: str = "loyal", **more: Any) -> dict[str, Any]:
    """An operation that gives somebody a tag without starting a journey."""
    hashed = md5(email.encode(), usedforsecurity=False).hexdigest()
    body = json.dumps({"tags": [{"name": name, "status": "active"}], "is_syncing": True})
    return {"method": "POST", "path": f"{LIST}/members/{hashed}/tags", "body": body, **more}


def submit(api: Api, *operations: dict[str, Any]) -> dict[str, Any]:
    batch: dict[str, Any] = api.ok("POST", "/batches", {"operations": operations})
    return batch


def finished(api: Api, batch: dict[str, Any]) -> dict[str, Any]:
    while batch["status"] != "finished":
        batch = api.get(f"/batches/{batch['id']}")
    return batch


@pytest.mark.off_schema("one operation has a broken body")
def test_a_batch_gives_one_result_for_each_operation(api: Api) -> None:
    api.audience.add_member("b@shop.test", "subscribed")
    found = api.run_batch(
        tag("a@shop.test", operation_id="a"),
        tag("stranger@shop.test", operation_id="stranger"),
        tag("b@shop.test") | {"path": tag("b@shop.test")["path"].lstrip("/")},
        {"method": "GET", "path": f"{LIST}/members", "params": {"count": 1}, "operation_id": "page"},
        {"method": "GET", "path": f"{LIST}/members?count=1&fields=total_items", "operation_id": "query"},
        {"method": "PUT", "path": f"{LIST}/members/x", "body": "{", "operation_id": "broken"},
    )
    by_id = {result["operation_id"]: result for result in found}
    codes = {name: result["status_code"] for name, result in by_id.items()}
    assert codes == {"a": 204, "stranger": 404, None: 204, "page": 200, "query": 200, "broken": 400}
    assert by_id["a"]["response"] == ""
    assert json.loads(by_id["stranger"]["response"])["instance"] == ""
    assert len(json.loads(by_id["page"]["response"])["members"]) == 1
    assert json.loads(by_id["query"]["response"]) == {"total_items": 2}
    assert [row["tags"] for row in api.audience.state()] == [["loyal"], ["loyal"]]
    assert api.audience.journeys() == []


def test_a_batch_is_unfinished_for_as_many_readings_as_switched(api: Api) -> None:
    api.audience.switches.batch_polls = 3
    batch = submit(api, tag("a@shop.test"), tag("stranger@shop.test"))
    assert (batch["status"], batch["total_operations"], batch["response_body_url"]) == ("pending", 2, "")
    shown = [api.get(f"/batches/{batch['id']}") for _ in range(4)]
    assert [each["status"] for each in shown] == ["preprocessing", "started", "finalizing", "finished"]
    assert (shown[2]["completed_at"], shown[2]["finished_operations"]) == ("", 0)
    assert shown[3]["completed_at"] == "2026-09-21T14:13:20+00:00"
    assert (shown[3]["finished_operations"], shown[3]["errored_operations"]) == (2, 1)


def test_a_batch_takes_effect_though_nobody_asks_for_it(api: Api) -> None:
    submit(api, tag("a@shop.test"))
    api.get("/ping")
    assert api.audience.state()[0]["tags"] == ["loyal"]


def test_batches_run_in_the_order_of_submission(api: Api) -> None:
    names = [f"{number:02}" for number in range(20)]
    for name in names:
        submit(api, {**tag("a@shop.test", name), "body": tag("a@shop.test", name)["body"].replace("true", "false")})
    api.get("/ping")
    assert [entry["value"] for entry in api.audience.journeys()] == names


def test_a_stuck_batch_stays_pending_and_does_nothing(api: Api) -> None:
    api.audience.switches.batches_stuck = True
    batch = submit(api, tag("a@shop.test"))
    assert [api.get(f"/batches/{batch['id']}")["status"] for _ in range(5)] == ["pending"] * 5
    assert api.audience.state()[0]["tags"] == []
    assert api.ok("DELETE", f"/batches/{batch['id']}") is None
    assert api.refused("GET", f"/batches/{batch['id']}")["status"] == 404


def test_the_archive_has_several_files_one_of_them_empty_in_no_order(api: Api) -> None:
    batch = finished(api, submit(api, *(tag("a@shop.test", operation_id=str(n)) for n in range(50))))
    answer = requests.get(batch["response_body_url"], timeout=30)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/gzip")
    with tarfile.open(fileobj=io.BytesIO(answer.content)) as archive:
        entries = archive.getmembers()
        sizes = [entry.size for entry in entries if entry.name.endswith(".json")]
    assert entries[0].isdir()
    assert len(sizes) == 3
    assert sizes[2] == 0
    ids = [result["operation_id"] for result in results(answer.content)]
    assert ids != sorted(ids, key=int)
    assert sorted(ids, key=int) == [str(n) for n in range(50)]


def test_the_address_of_the_results_expires_and_a_new_reading_gives_another(api: Api) -> None:
    batch = finished(api, submit(api, tag("a@shop.test")))
    api.world.clock.set(NOW + 601)
    expired = requests.get(batch["response_body_url"], timeout=30)
    assert (expired.status_code, expired.headers["Content-Type"].split(";")[0]) == (403, "application/xml")
    assert b"Request has expired" in expired.content
    again = api.get(f"/batches/{batch['id']}")["response_body_url"]
    assert requests.get(again, timeout=30).status_code == 200
    assert requests.get(again + "0", timeout=30).status_code == 403


def test_the_results_may_be_refused_just_after_the_end(api: Api) -> None:
    api.audience.switches.result_refusals = 1
    batch = finished(api, submit(api, tag("a@shop.test")))
    statuses = [requests.get(batch["response_body_url"], timeout=30).status_code for _ in range(2)]
    assert statuses == [400, 200]


def test_old_batches_are_unknown_and_recent_ones_are_listed_newest_first(api: Api) -> None:
    old = submit(api, tag("a@shop.test"))
    api.world.clock.set(NOW + 7 * 86_400)
    ids = [submit(api, tag("a@shop.test"))["id"] for _ in range(2)]
    assert api.refused("GET", f"/batches/{old['id']}")["status"] == 404
    listed = api.get("/batches")
    assert ([batch["id"] for batch in listed["batches"]], listed["total_items"]) == (ids[::-1], 2)


@pytest.mark.off_schema("sends malformed operations")
@pytest.mark.parametrize(
    "operation",
    [
        {"method": "POST", "path": "/ping", "body": {"not": "a string"}},
        {"method": "HEAD", "path": "/ping"},
        {"method": "GET"},
    ],
)
def test_a_malformed_operation_fails_the_whole_submission(api: Api, operation: dict[str, Any]) -> None:
    operations = [tag("a@shop.test"), operation]
    assert api.refused("POST", "/batches", {"operations": operations})["title"] == "Invalid Resource"
    assert api.get("/batches")["total_items"] == 0


def test_a_thousand_operations_are_the_limit(api: Api) -> None:
    operations = [{"method": "GET", "path": "/ping"}] * 1_001
    assert api.refused("POST", "/batches", {"operations": operations})["status"] == 400
    assert submit(api, *operations[:1_000])["total_operations"] == 1_000


def test_the_five_hundred_and_first_pending_batch_is_refused(api: Api) -> None:
    api.audience.switches.batches_stuck = True
    for _ in range(500):
        submit(api, {"method": "GET", "path": "/ping"})
    assert api.refused("POST", "/batches", {"operations": [{"method": "GET", "path": "/ping"}]})["status"] == 429


def test_a_batch_whose_answer_was_lost_ran_all_the_same(api: Api) -> None:
    api.world.faults.add(Fault(kind="reset", service="mailchimp", path="/3.0/batches", phase="after", count=1))
    with pytest.raises(requests.ConnectionError):
        submit(api, tag("a@shop.test"))
    assert api.audience.state()[0]["tags"] == ["loyal"]
    assert api.get("/batches")["total_items"] == 1


def test_a_batch_runs_more_than_five_thousand_operations_a_second() -> None:
    world = World(start=NOW)
    audience = world.audiences["a1b2c3d4e5"] = Audience("a1b2c3d4e5", "x", world.clock)
    for number in range(5_000):
        audience.add_member(f"{number}@shop.test", "subscribed")
    account = Account(world)
    for first in range(0, 5_000, 1_000):
        operations = [BatchOperation(**tag(f"{n}@shop.test")) for n in range(first, first + 1_000)]
        account.batches.submit(BatchWrite(tuple(operations)), Switches())
    begun = time.process_time()
    run_batches(account)
    assert time.process_time() - begun < 1.0
    assert all(row["tags"] == ["loyal"] for row in audience.state())
