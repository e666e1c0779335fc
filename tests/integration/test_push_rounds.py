"""A large plan is sent in rounds that fill the calls: everybody gets all of theirs, once, and a crash leaves few in
doubt.
"""

from __future__ import annotations

from collections import Counter
from math import ceil

import pytest
from sqlalchemy import func, select

from syncd import pipeline
from syncd.history import outbox
from syncd.history.schema import outbox as rows_of_outbox
from syncd.history.schema import writes
from syncd.history.undoing import runs
from syncd.plan import Portions
from syncd.steps.context import Stopped
from tests.integration.house import House

LAX = {"removals_min": 9_999, "additions_min": 9_999}
NOBODY = "[audiences.main.lifecycle.segments.nobody]\nwhen = 'orders(ever) >= 1000'\n"
MANY = """
[audiences.main.lifecycle.segments.reader]
when = "subscribed"
[audiences.main.lifecycle.segments.buyer]
when = "subscribed and orders(ever) >= 1"
[audiences.main.lifecycle.segments.again]
when = "subscribed and orders(ever) >= 2"
[audiences.main.lifecycle.fields.ORDERED]
value = "orders(ever)"
"""
TAGGED, WRITTEN = 4, 6


@pytest.fixture
def large(house: House) -> House:
    """Everybody is about to get tags and fields, of which the service takes but a few at once."""
    house.configure(NOBODY, brake=LAX, max_entries_per_day=0)
    house.sync_in_order()
    start(house)
    return house


def start(house: House) -> None:
    """As after a restart, with the rules by which everybody gets something."""
    house.configure(MANY, brake=LAX, max_entries_per_day=0)
    house.context.destination("main").portions = Portions(TAGGED, WRITTEN)  # type: ignore[misc]


def has(house: House) -> dict[str, tuple[set[str], object]]:
    """The tags of every member, and the field."""
    return {
        email: (set(member["tags"]), member["merge_fields"].get("ORDERED", ""))
        for email, member in house.state().items()
    }


def under_way(house: House) -> int:
    """How many people's changes are being sent, as the history has it."""
    sending = select(func.count()).where(rows_of_outbox.c.state == "sending")
    with house.history.read() as db:
        return db.execute(sending).scalar_one()


def assert_all_have_theirs(house: House) -> None:
    readers = {email for email, member in house.state().items() if member["status"] == "subscribed"}
    tagged = house.tagged()
    assert tagged["reader"] == readers
    assert tagged["again"] < tagged["buyer"] < readers
    state = house.state()
    assert all(state[email]["merge_fields"]["ORDERED"] >= 2 for email in tagged["again"])
    entered = Counter((email, tag) for email, tag in house.journeys())
    assert entered == Counter((email, f"syncd:{tag}") for tag in tagged for email in tagged[tag])
    assert outbox.outbox_size(house.history, "main") == 0


def test_everybody_gets_all_of_theirs_once_and_the_calls_of_a_tag_are_full(large: House) -> None:
    before = large.requests()
    large.sync_in_order()
    assert_all_have_theirs(large)
    calls = Counter(call.rsplit("/", 1)[1] for call in large.writes(before) if "/segments/" in call)
    people = [len(emails) for tag, emails in large.tagged().items()]
    assert sorted(calls.values()) == sorted(ceil(number / TAGGED) for number in people)


def test_the_audit_trail_of_a_person_adds_up_to_what_they_got(large: House) -> None:
    large.sync_in_order()
    query = select(writes.c.customer_id, writes.c.added, writes.c.fields_before, writes.c.fields_after)
    with large.history.read() as db:
        (latest,) = db.execute(select(writes.c.plan_id).order_by(writes.c.id.desc()).limit(1)).scalars()
        trail = db.execute(query.where(writes.c.plan_id == latest).order_by(writes.c.id)).all()
    added = Counter(
        (row.customer_id, bit) for row in trail for bit in range(row.added.bit_length()) if row.added >> bit & 1
    )
    assert set(added.values()) == {1}
    assert len(added) == sum(map(len, large.tagged().values()))
    fields: dict[int, str] = {}
    for row in trail:
        assert row.fields_before == fields.setdefault(row.customer_id, row.fields_before)
        fields[row.customer_id] = row.fields_after
    changed = [row.customer_id for row in trail if row.fields_before != row.fields_after]
    assert len(changed) == len(set(changed)) > WRITTEN


def test_a_large_run_is_counted_by_people_and_taken_back_whole(large: House) -> None:
    before = has(large)
    large.sync_in_order()
    written = has(large)
    (run, *_) = runs(large.history)
    assert run.people == sum(written[email] != before[email] for email in before) > WRITTEN
    large.later(60)
    plan, undo, _ = pipeline.undo_plan(large.context, run.id)
    pipeline.send_undo(large.context, plan, undo)
    assert has(large) == before


@pytest.mark.parametrize("after", [1, 9, 17])
def test_a_crash_leaves_few_in_doubt_and_nothing_is_repeated(large: House, after: int) -> None:
    told = 0

    def crash(task: str, advance: int, expected: int | None) -> None:
        nonlocal told
        told += "pushing" in task
        if told >= after:
            large.context.stop.set()

    large.context.progress = crash
    with pytest.raises(Stopped):
        large.sync()
    assert under_way(large) <= max(2 * TAGGED, WRITTEN)
    assert outbox.outbox_size(large.history, "main") > WRITTEN
    start(large)
    large.sync_in_order()
    assert_all_have_theirs(large)


@pytest.mark.parametrize("path", ["*/segments/*", "/3.0/batches"])
def test_a_call_whose_answer_was_lost_is_read_again_and_repeats_nothing(large: House, path: str) -> None:
    lost = {"service": "mailchimp", "path": path, "method": "POST", "kind": "reset", "phase": "after", "count": 1}
    large.call("POST", "/faults", [lost])
    large.sync()
    assert under_way(large) <= max(2 * TAGGED, WRITTEN)
    large.sync_in_order()
    assert_all_have_theirs(large)
