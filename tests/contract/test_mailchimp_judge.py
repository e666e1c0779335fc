"""The judge finds what breaks Mailchimp's schema, takes what real replies are known for, and fails the right test."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

from syncd.sandbox.witness import Exchange
from tests.contract.mailchimp_judge import JSON, PROBLEM, Judge
from tests.contract.mailchimp_schema import published

LISTS = "/3.0/lists"
MEMBER = f"{LISTS}/l1/members/h1"
ACTIVE = {"tags": [{"name": "x", "status": "active"}]}
NONE = {"may_create": False, "max_instances": 1, "current_total_instances": 0}
EMPTY = {"lists": [], "total_items": 0, "constraints": NONE}
NOT_FOUND = {"type": "https://x.test", "title": "Nope", "status": 404, "detail": "No.", "instance": "id"}
EXISTS = {"title": "Member Exists", "status": 400, "detail": "a@x.test is there.", "instance": "id"}


@pytest.fixture
def judge() -> Judge:
    return Judge(published())


def heard(method: str, url: str, body: Any = None, status: int = 200, reply: Any = None, **more: Any) -> Exchange:
    path, _, query = url.partition("?")
    kind = PROBLEM if status >= 400 else JSON
    headers = {"host": "h", "user-agent": more.pop("by", "someone/1")}
    reply_headers = {"content-type": kind, "x-request-id": "id"} | more.pop("reply_headers", {})
    content = more.pop("content", b"" if body is None else json.dumps(body).encode())
    answer = more.pop("answer", b"" if reply is None else json.dumps(reply).encode())
    return Exchange("mailchimp", method, path, query, headers, content, status, reply_headers, answer)


def faults(judge: Judge, *exchanges: Exchange) -> list[str]:
    for exchange in exchanges:
        judge.hear(exchange)
    return judge.take()


@pytest.mark.parametrize(
    ("sound", "operation"),
    [
        (heard("POST", f"{MEMBER}/tags", ACTIVE, 204), "POST /lists/{list_id}/members/{subscriber_hash}/tags"),
        (heard("GET", f"{LISTS}?count=1000&include_total_contacts=True", reply=EMPTY), "GET /lists"),
        (heard("GET", f"{LISTS}/x", status=404, reply=NOT_FOUND), "GET /lists/{list_id}"),
        (heard("GET", "/3.0/", reply={"account_id": "a"}), "GET /"),
        # Official clients write `null` for no body.
        (heard("GET", "/3.0/ping", content=b"null", reply={"health_status": "x"}), "GET /ping"),
        # Real replies of this title come without `type`, and a refusal at the door may come without a word.
        (heard("PATCH", MEMBER, {}, 400, EXISTS), "PATCH /lists/{list_id}/members/{subscriber_hash}"),
        (heard("GET", LISTS, status=429, reply_headers={"content-type": ""}), "GET /lists"),
        # A body that nobody read cannot be judged.
        (
            heard("POST", f"{MEMBER}/tags", content=None, status=429),
            "POST /lists/{list_id}/members/{subscriber_hash}/tags",
        ),
        # Taken by the service although the schema has it otherwise.
        (heard("PUT", MEMBER, {"vip": True}, reply={}), "PUT /lists/{list_id}/members/{subscriber_hash}"),
        (heard("POST", f"{LISTS}/l1", {"members": [{"tags": ["x"]}]}, reply={}), "POST /lists/{list_id}"),
    ],
)
def test_what_obeys_the_schema_is_counted_and_not_held_against_anybody(
    judge: Judge, sound: Exchange, operation: str
) -> None:
    assert faults(judge, sound) == []
    assert judge.exchanges == {operation: 1}


@pytest.mark.parametrize(
    ("spoiled", "told"),
    [
        (
            heard("POST", f"{MEMBER}/tags", {"tags": [{"name": "x"}]}, 204),
            "request: data.tags[0] must contain ['status']",
        ),
        (
            heard("POST", f"{MEMBER}/tags", {**ACTIVE, "syncing": True}, 204),
            "request: data must not contain {'syncing'}",
        ),
        (heard("POST", f"{MEMBER}/tags", content=b"{", status=204), "request: the body is no JSON"),
        (heard("DELETE", MEMBER, {"why": "x"}, 204), "request: there is a body"),
        (heard("GET", f"{LISTS}?cuont=5", reply=EMPTY), "request: query.cuont is unknown"),
        (heard("GET", f"{LISTS}?count=1001", reply=EMPTY), "request: query.count must be an integer up to 1000"),
        (heard("GET", f"{LISTS}?count=-1", reply=EMPTY), "request: query.count must be an integer"),
        (heard("GET", f"{LISTS}?sort_dir=UP", reply=EMPTY), "request: query.sort_dir must be one of"),
        (
            heard("GET", f"{LISTS}?include_total_contacts=1", reply=EMPTY),
            "request: query.include_total_contacts must be",
        ),
        (heard("GET", f"{LISTS}?fields=a,,b", reply=EMPTY), "request: query.fields must be a list"),
        (heard("GET", "/3.0/lost", status=404, reply=NOT_FOUND), "the schema has no such operation"),
        (heard("GET", LISTS, reply={**EMPTY, "total_items": "1"}), "reply 200: data.total_items must be integer"),
        (
            heard("GET", LISTS, reply={**EMPTY, "lists": [{"nmae": "x"}]}),
            "reply 200: data.lists[0] must not contain {'nmae'}",
        ),
        (heard("GET", LISTS, status=204), "reply 204: the schema has only [200]"),
        (heard("DELETE", MEMBER, status=204, reply={}), "reply 204: there is a body"),
        (heard("GET", LISTS, status=404, reply={**NOT_FOUND, "status": 400}), "reply 404: data.status is 400"),
        (heard("GET", LISTS, status=400, reply=NOT_FOUND | {"status": 400, "errors": [{"field": "x"}]}), "'message'"),
        (heard("GET", LISTS, status=400, reply={**EXISTS, "title": "Other"}), "must contain ['type']"),
        (heard("GET", LISTS, status=404, reply={**NOT_FOUND, "instance": "other"}), "instance is not the request's id"),
        (heard("GET", LISTS, reply=EMPTY, reply_headers={"content-type": "text/html"}), "content type text/html"),
        (heard("GET", LISTS, status=405, reply={**NOT_FOUND, "status": 405}), "names no allowed methods"),
        (heard("GET", LISTS, answer=b"<html>"), "the judge broke"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_breaks_the_schema_is_told_with_its_place(judge: Judge, spoiled: Exchange, told: str) -> None:
    [fault] = faults(judge, spoiled)
    assert told in fault
    assert judge.take() == []


def test_a_test_may_send_what_the_schema_forbids_and_syncd_may_not(judge: Judge) -> None:
    judge.off_schema = True
    wrong: tuple[Any, ...] = ("GET", f"{LISTS}?cuont=5", None, 200, EMPTY)
    assert faults(judge, heard(*wrong)) == []
    assert len(faults(judge, heard(*wrong, by="syncd/0.1"))) == 1
    assert len(faults(judge, heard("GET", LISTS, reply={**EMPTY, "total_items": "1"}))) == 1, "replies are never exempt"


def test_syncd_may_not_send_what_is_only_known_to_be_taken(judge: Judge) -> None:
    [fault] = faults(judge, heard("PUT", MEMBER, {"vip": True}, reply={}, by="syncd/0.1"))
    assert "must contain ['email_address', 'status_if_new']" in fault


def test_other_services_are_not_judged(judge: Judge) -> None:
    judge.hear(Exchange("shopify", "GET", "/x", "", {}, None, 200, {}, b"nothing"))
    assert (judge.take(), judge.exchanges) == ([], {})


# Batches.


def batch(*operations: dict[str, Any], by: str = "someone/1") -> Exchange:
    return heard("POST", "/3.0/batches", {"operations": operations}, reply={"id": "b1"}, by=by)


def archive(*rows: dict[str, Any]) -> Exchange:
    content, packed = json.dumps(rows).encode(), io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as files:
        entry = tarfile.TarInfo("b1/0.json")
        entry.size = len(content)
        files.addfile(entry, io.BytesIO(content))
    return heard("GET", "/batch-results/b1-response.tar.gz?Signature=x", answer=packed.getvalue())


def row(status: int, response: Any, operation_id: str | None = None) -> dict[str, Any]:
    return {"status_code": status, "operation_id": operation_id, "response": json.dumps(response) if response else ""}


TAG_IT: dict[str, Any] = {"method": "POST", "path": MEMBER.removeprefix("/3.0") + "/tags", "body": json.dumps(ACTIVE)}
LIST_IT: dict[str, Any] = {"method": "GET", "path": "lists", "params": {"count": "5"}}


def test_the_operations_inside_a_batch_and_their_results_are_judged(judge: Judge) -> None:
    sound = [
        batch({**TAG_IT, "operation_id": "a"}, LIST_IT, {"method": "GET", "path": "/ping?"}),
        # In batches `type` may be missing and `instance` be empty.
        archive(
            row(200, {"health_status": "x"}),
            row(404, {"title": "No", "status": 404, "detail": "No.", "instance": ""}, "a"),
            row(200, EMPTY),
        ),
    ]
    assert faults(judge, *sound) == []
    assert judge.exchanges["POST /lists/{list_id}/members/{subscriber_hash}/tags"] == 1


@pytest.mark.parametrize(
    ("exchanges", "told"),
    [
        ([batch({**TAG_IT, "body": "{}"})], "request: data must contain ['tags']"),
        ([batch({**TAG_IT, "body": {}})], "request: data.operations[0].body must be string"),
        ([batch({**LIST_IT, "params": {"cuont": "5"}})], "request: query.cuont is unknown"),
        ([batch({**TAG_IT, "operation_id": "a"}), archive(row(200, {}, "a"))], "the schema has only [204]"),
        ([batch(LIST_IT), archive(row(200, {**EMPTY, "total_items": "1"}))], "data.total_items must be integer"),
        ([batch({**LIST_IT, "operation_id": "a"}), archive(row(200, {}, "b"))], "a result of no operation"),
        ([batch(LIST_IT), archive({**row(200, {}), "more": 1})], "a result has the names"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_breaks_the_schema_inside_a_batch_is_told(judge: Judge, exchanges: list[Exchange], told: str) -> None:
    [fault] = faults(judge, *exchanges)
    assert told in fault


# Beside the tests.

EXAMPLE = """
import pytest, requests

def call(sandbox, **query):
    requests.get(sandbox.urls["mailchimp"] + "/3.0/lists", params=query, auth=("any", "sandbox-us1"), timeout=10)

def test_sound(sandbox):
    call(sandbox, count=5)

def test_broken(sandbox):
    call(sandbox, cuont=5)

@pytest.mark.off_schema("on purpose")
def test_exempt(sandbox):
    call(sandbox, cuont=5)

@pytest.fixture
def broken(sandbox):
    call(sandbox, cuont=5)

def test_broken_in_its_fixture(broken):
    pass

def test_broken_twice(sandbox):
    call(sandbox, cuont=5)
    raise ValueError("mine")
"""


def test_a_test_fails_for_what_it_or_its_fixture_did_and_the_session_tells_how_much_was_judged(tmp_path: Path) -> None:
    home = Path(__file__).parents[2]
    (tmp_path / "conftest.py").write_text("from tests.conftest import pytest_configure, sandbox\n", "utf-8")
    (tmp_path / "test_example.py").write_text(EXAMPLE, "utf-8")
    options = ["-p", "no:cacheprovider", "-c", str(home / "pyproject.toml"), "--rootdir", str(tmp_path), str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options], cwd=home, capture_output=True, text=True, check=False
    )
    assert "3 failed, 2 passed" in done.stdout or "2 failed, 2 passed, 1 error" in done.stdout, done.stdout
    failed = {line.split("::")[1].split(" ")[0] for line in done.stdout.splitlines() if "test_example.py::" in line}
    assert failed == {"test_broken", "test_broken_in_its_fixture", "test_broken_twice"}
    assert done.stdout.count("query.cuont is unknown") >= 3
    assert "ValueError: mine" in done.stdout
    assert "5 exchanges with the sandbox's Mailchimp held against its published schema, of 1 operations" in done.stdout
