"""What a call costs does not grow with the audience: counted in executed instructions and in memory, not in time.

Instructions show every loop written in Python; the peak of memory shows those inside the interpreter, such as
a list that is copied or sorted.
"""

from __future__ import annotations

import json
import sys
import tracemalloc
from collections.abc import Callable, Mapping
from hashlib import md5
from itertools import count
from types import FrameType
from typing import Any

import pytest
from msgspec import Struct

from syncd.sandbox.audience import Audience
from syncd.sandbox.audience.instants import iso
from syncd.sandbox.audience.writes import WebhookWrite
from syncd.sandbox.mailchimp.account import Account
from syncd.sandbox.mailchimp.operations import OPERATIONS, execute, run_batches
from syncd.sandbox.world import World

SMALL, LARGE = 4_000, 50_000
NOW = 1_790_000_000
BEGUN = NOW - 10_000_000
LIST = "/lists/a1b2c3d4e5"
STATUSES = ["subscribed"] * 6 + ["unsubscribed", "cleaned", "transactional", "archived"]
PING = {"operations": [{"method": "GET", "path": "/ping"}]}


def hash_of(number: int) -> str:
    return md5(f"m{number}@shop.test".encode(), usedforsecurity=False).hexdigest()


class Town:
    """An account with one audience; the n-th member was changed, opted in and signed up n seconds after BEGUN."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.world = World(seed=1, start=NOW)
        self.world.clock.set(NOW)
        self.world.mailchimp.stats_lag_seconds = 0
        self.audience = Audience("a1b2c3d4e5", "Customers", self.world.clock, switches=self.world.mailchimp)
        self.world.audiences["a1b2c3d4e5"] = self.audience
        self.account = Account(self.world)
        self.strangers = count(20, 10)
        for number in range(size):
            self._settle(number)
        for turn in range(3):
            self.audience.hooks.create(WebhookWrite(url=f"https://{turn}.test"))
        for _ in range(size // 100):
            self.call("POST", "/batches", body=PING)
            run_batches(self.account)

    def _settle(self, number: int) -> None:
        at, status = BEGUN + number, STATUSES[number % 10]
        tags = ["everybody", *(f"old{n}" for n in range(3))]
        member = self.audience.add_member(f"m{number}@shop.test", status, tags, {"SPEND": 1.5}, at, at)
        self.audience.members.change(member, vip=number % 2 == 0, signed_up_at=at)

    def call(self, method: str, path: str, query: Mapping[str, str] | None = None, body: Any = None) -> Any:
        content = "" if body is None else json.dumps(body)
        # Every address that is named answers.
        visits = {body["url"]: 200} if body and "url" in body else None
        return execute(self.account, method, path, query or {}, content, visits=visits)

    def segment(self, name: str) -> int:
        tag = self.audience.segments.tag(name)
        assert tag
        return tag.id


class Case(Struct, frozen=True):
    """A call. `n`: a member not used before; `most`: far behind; `late`: when the last 50 were changed."""

    operation: str
    query: dict[str, str] = {}
    body: str = "null"

    def words(self, town: Town, turn: int) -> dict[str, object]:
        number = next(town.strangers)
        return {
            "list_id": "a1b2c3d4e5",
            "subscriber_hash": hash_of(number),
            "segment_id": town.segment(f"old{turn}" if self.operation == f"DELETE {SEGMENT}" else "everybody"),
            "merge_id": turn + 1,
            "batch_id": md5(f"batch:1:{turn + 1}".encode(), usedforsecurity=False).hexdigest()[:10],
            "note_id": self._note(town, number),
            "webhook_id": next(iter(town.audience.hooks)).id,
            "journey_id": 1,
            "step_id": 2,
            "n": number,
            "new": f"new{number}",
            "most": town.size // 2 - town.size // 10,
            "late": iso(BEGUN + town.size - 50).replace("+00:00", "Z"),
            "unique": md5(hash_of(number).encode(), usedforsecurity=False).hexdigest()[:10],
        }

    def _note(self, town: Town, number: int) -> int:
        path = f"{LIST}/members/{hash_of(number)}/notes"
        return int(town.call("POST", path, body={"note": "Called."})["id"]) if "{note_id}" in self.operation else 0

    def run(self, town: Town, turn: int) -> None:
        words = self.words(town, turn)
        method, path = self.operation.split(" ")
        query = {name: value.format(**words) for name, value in self.query.items()}
        body = self.body
        for name, value in words.items():
            body = body.replace(f"<{name}>", str(value))
        town.call(method, path.format(**words), query, json.loads(body))


ANY_LIST = "/lists/{list_id}"
MEMBER = f"{ANY_LIST}/members/{{subscriber_hash}}"
SEGMENT = f"{ANY_LIST}/segments/{{segment_id}}"
FIELD = f"{ANY_LIST}/merge-fields/{{merge_id}}"
NOTE = f"{MEMBER}/note"
HOOK = f"{ANY_LIST}/webhook"
MEMBERS = f"GET {ANY_LIST}/members"
DEEP = {"offset": "{most}", "count": "50"}
SORTED = [
    {"sort_field": name, "sort_dir": way, **DEEP}
    for name in ("last_changed", "timestamp_opt", "timestamp_signup")
    for way in ("ASC", "DESC")
]

CASES = [
    Case("GET /"),
    Case("GET /ping"),
    Case("GET /lists"),
    Case(f"GET {ANY_LIST}", {"include_total_contacts": "true"}),
    Case(f"POST {ANY_LIST}", body='{"members": [{"email_address": "<new>@x.test", "status": "subscribed"}]}'),
    Case(MEMBERS),
    *(Case(MEMBERS, sort) for sort in SORTED),
    *(Case(MEMBERS, {**sort, "offset": "0", "status": "unsubscribed"}) for sort in SORTED),
    *(Case(MEMBERS, {**sort, "vip_only": "true"}) for sort in SORTED),
    Case(MEMBERS, {"since_last_changed": "{late}", "sort_field": "timestamp_opt"}),
    Case(MEMBERS, {"before_last_changed": "{late}", **DEEP}),
    Case(MEMBERS, {"since_timestamp_opt": "{late}", "before_last_changed": "2026-12-31T00:00:00Z"}),
    Case(MEMBERS, {"before_timestamp_opt": "{late}", **DEEP}),
    Case(MEMBERS, {"unsubscribed_since": "2000-01-01T00:00:00Z", "status": "unsubscribed"}),
    Case(MEMBERS, {"unique_email_id": "{unique}"}),
    Case(f"POST {ANY_LIST}/members", body='{"email_address": "<new>@y.test", "status": "subscribed", "tags": ["t"]}'),
    Case(f"GET {MEMBER}"),
    Case(f"PUT {MEMBER}", body='{"email_address": "m<n>@moved.test", "status_if_new": "subscribed"}'),
    Case(f"PATCH {MEMBER}", body='{"status": "unsubscribed", "vip": false, "merge_fields": {"SPEND": 5}}'),
    Case(f"DELETE {MEMBER}"),
    Case(f"POST {MEMBER}/actions/delete-permanent"),
    Case(f"GET {MEMBER}/tags"),
    Case(f"POST {MEMBER}/tags", body='{"tags": [{"name": "everybody", "status": "inactive"}]}'),
    Case(f"GET {MEMBER}/events"),
    Case(f"POST {MEMBER}/events", body='{"name": "lapsed"}'),
    Case(f"GET {MEMBER}/activity"),
    Case(f"GET {MEMBER}/activity-feed"),
    Case(f"GET {NOTE}s"),
    Case(f"POST {NOTE}s", body='{"note": "Called."}'),
    Case(f"GET {NOTE}s/{{note_id}}"),
    Case(f"PATCH {NOTE}s/{{note_id}}", body='{"note": "Called again."}'),
    Case(f"DELETE {NOTE}s/{{note_id}}"),
    Case(f"GET {HOOK}s"),
    Case(f"POST {HOOK}s", body='{"url": "https://<new>.test", "events": {"upemail": true}}'),
    Case(f"GET {HOOK}s/{{webhook_id}}"),
    Case(f"PATCH {HOOK}s/{{webhook_id}}", body='{"events": {"profile": true}, "sources": {"api": true}}'),
    Case(f"DELETE {HOOK}s/{{webhook_id}}"),
    Case(f"GET {ANY_LIST}/tag-search", {"name": "every"}),
    Case(f"GET {ANY_LIST}/segments"),
    Case(f"POST {ANY_LIST}/segments", body='{"name": "<new>", "static_segment": ["m<n>@shop.test"]}'),
    Case(f"GET {SEGMENT}"),
    Case(f"PATCH {SEGMENT}", body='{"name": "everybody"}'),
    Case(f"DELETE {SEGMENT}"),
    Case(f"POST {SEGMENT}", body='{"members_to_add": ["m<n>@shop.test"], "members_to_remove": ["m<n>@shop.test"]}'),
    Case(f"GET {SEGMENT}/members", DEEP),
    Case(f"GET {SEGMENT}/members", {**DEEP, "include_unsubscribed": "true", "include_cleaned": "true"}),
    Case(f"POST {SEGMENT}/members", body='{"email_address": "m<n>@shop.test"}'),
    Case(f"DELETE {SEGMENT}/members/{{subscriber_hash}}"),
    Case(f"GET {ANY_LIST}/merge-fields"),
    Case(f"POST {ANY_LIST}/merge-fields", body='{"name": "New", "type": "text"}'),
    Case(f"GET {FIELD}"),
    Case(f"PATCH {FIELD}", body='{"name": "New"}'),
    Case(f"DELETE {FIELD}"),
    Case("GET /batches", {"offset": "10"}),
    Case("POST /batches", body=json.dumps(PING)),
    Case("GET /batches/{batch_id}"),
    Case("DELETE /batches/{batch_id}"),
    Case(
        "POST /customer-journeys/journeys/{journey_id}/steps/{step_id}/actions/trigger",
        body='{"email_address": "m<n>@shop.test"}',
    ),
]


def instructions(call: Callable[[], object]) -> int:
    """How many instructions of Python `call` executes."""
    executed = 0

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal executed
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        executed += event == "opcode"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        call()
    finally:
        sys.settrace(before)
    return executed


def peak_bytes(call: Callable[[], object]) -> int:
    """How much memory `call` takes at the same time."""
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.fixture(scope="module")
def towns() -> tuple[Town, Town]:
    return Town(SMALL), Town(LARGE)


def cost(case: Case, town: Town) -> tuple[int, int]:
    """Instructions and memory of one call, after a first one that puts in order what it needs, and a change."""
    case.run(town, 0)
    town.world.clock.set(town.world.clock.now() + 1)
    town.audience.tags.add(town.audience.get("m3@shop.test"), [f"t{town.world.clock.now() % 50}"], fires=False)
    return instructions(lambda: case.run(town, 1)), peak_bytes(lambda: case.run(town, 2))


def test_every_operation_has_a_case() -> None:
    assert {case.operation for case in CASES} == set(OPERATIONS)


@pytest.mark.parametrize("case", CASES, ids=lambda case: " ".join([case.operation, *map("=".join, case.query.items())]))
def test_a_call_costs_the_same_in_a_large_audience(case: Case, towns: tuple[Town, Town]) -> None:
    small, large = (cost(case, town) for town in towns)
    assert large[0] < small[0] * 1.3 + 1_000
    assert large[1] < small[1] * 1.3 + 60_000


def test_the_counts_would_show_a_look_at_every_member(towns: tuple[Town, Town]) -> None:
    members = towns[1].audience.members
    assert instructions(lambda: [None for member in members if member.vip]) > LARGE
    assert peak_bytes(lambda: sorted(members.by_hash)) > 300_000
