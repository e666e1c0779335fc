"""Planning, and the outbox behind it, cost what changes, not what there is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, insert, select, update

from syncd.clock import SystemClock
from syncd.history import ledger, outbox, telling
from syncd.history.database import History
from syncd.history.members import store_members
from syncd.history.schema import customers, moves, standings
from syncd.plan import Plan, Portions, Round, rounds_of
from syncd.settings import load
from syncd.steps.context import Context
from syncd.steps.planning import hold_reasons, plan_stored
from tests.integration.history_records import NOW, member

CONFIG = """
[shops.acme]
platform = "shopify"
domain = "acme.myshopify.com"
token = {{ env = "PATH" }}
[audiences.main]
esp = "mailchimp"
list_id = "a1"
api_key = {{ env = "PATH" }}
shops = ["acme"]
currency = "EUR"
timezone = "Europe/Madrid"
max_entries_per_day = {entries}
[audiences.main.lifecycle.segments.buyer]
when = "orders(ever) >= 1"
[audiences.main.lifecycle.segments.loyal]
when = "orders(ever) >= 5"
"""
Stage = Callable[..., Context]


@pytest.fixture
def stage(history: History, tmp_path: Path) -> Stage:
    """An audience of so many subscribers, with so much room a day. All shall get both tags, the last of them first."""

    def staged(people: int, entries: int = 3) -> Context:
        (tmp_path / "syncd.toml").write_text(CONFIG.format(entries=entries), "utf-8")
        context = Context(load(tmp_path / "syncd.toml"), history, SystemClock())
        ledger.audience_row(history, "main")
        ledger.set_audience(history, "main", backfilled_at=1)
        listed = [member(f"{at}@example.com") for at in range(people)]
        store_members(history, "main", listed, None, bits={}, field_names=(), now=NOW)
        with history.begin() as db:
            ids = sorted(db.execute(select(customers.c.id)).scalars())
            db.execute(update(standings).values(wanted_tags=3))
            joined = {"audience": "main", "joined_segments": 3, "left_segments": 0}
            db.execute(insert(moves), [joined | {"customer_id": id_, "moved_at": NOW - id_} for id_ in ids])
        return context

    return staged


def planned(context: Context) -> tuple[Plan, int]:
    """The plan, with the brake's opinion asked, and how many statements that took."""
    tags = ledger.tags_of(context.history, "main", context.settings.audiences["main"].playbook, "syncd:")
    statements: list[str] = []

    def note(*given: Any) -> None:
        statements.append(given[2])

    event.listen(context.history.engine, "before_cursor_execute", note)
    plan = plan_stored(context, "main", tags)
    hold_reasons(context, plan, tags, None, {"acme": 0})
    event.remove(context.history.engine, "before_cursor_execute", note)
    return plan, len(statements)


def test_those_in_a_segment_for_the_longest_get_its_tag_first_whichever_tags_are_full(stage: Stage) -> None:
    plan, _ = planned(stage(9))
    assert [step.email for step in plan.steps] == ["6@example.com", "7@example.com", "8@example.com"]
    assert plan.waiting == {"buyer": 6, "loyal": 6}


def test_a_plan_takes_as_many_statements_for_many_people_and_full_tags_as_for_few(stage: Stage) -> None:
    context = stage(40)
    planned(context)  # what is asked once a connection is known from here on
    many = planned(context)[1]
    with context.history.begin() as db:
        few = select(standings.c.customer_id).order_by(standings.c.customer_id).offset(4)
        db.execute(update(standings).where(standings.c.customer_id.in_(few)).values(known_tags=3))
    assert planned(context)[1] == many <= 21


def test_no_more_members_are_counted_than_the_brake_asks_for(stage: Stage, history: History) -> None:
    stage(9)
    gone = member("8@example.com", "unsubscribed", changed_at=NOW)
    store_members(history, "main", [gone], None, bits={}, field_names=(), now=NOW)
    assert [ledger.managed_members(history, "main", most) for most in (0, 3, 99, None)] == [0, 3, 8, 8]


def stored(context: Context) -> Plan:
    """The plan, approved, in the outbox."""
    plan = planned(context)[0]
    outbox.keep(context.history, plan, state="approved", now=NOW)
    return plan


def known(history: History) -> list[int]:
    with history.read() as db:
        return list(db.execute(select(standings.c.known_tags).order_by(standings.c.customer_id)).scalars())


def test_what_a_round_does_not_send_of_a_row_waits(stage: Stage, history: History) -> None:
    plan = stored(stage(3))
    left = outbox.waiting(history, "main", plan.id)
    assert {(row.add, row.remove, row.fields, row.more) for row in left} == {(3, 0, False, False)}
    first = Round(tuple(row.id for row in left), tags=1, fields=False, more=False)
    sent = outbox.take(history, first, NOW)
    assert [(row.add, row.goes_on) for row in sent] == [(1, True)] * 3
    assert outbox.waiting(history, "main", plan.id) == []
    outbox.confirm(history, plan.id, "main", sent, NOW)
    assert known(history) == [1, 1, 1]
    assert [row.add for row in outbox.waiting(history, "main", plan.id)] == [2, 2, 2]
    rest = outbox.take(history, Round(first.ids), NOW)
    outbox.confirm(history, plan.id, "main", rest, NOW)
    assert known(history) == [3, 3, 3]
    assert outbox.outbox_size(history, "main") == 0


def test_a_row_with_nothing_left_goes_whatever_its_round_would_send(stage: Stage, history: History) -> None:
    plan = stored(stage(2))
    with history.begin() as db:
        db.execute(update(standings).values(wanted_tags=0))
    (only,) = rounds_of(outbox.waiting(history, "main", plan.id), Portions(9, 9))
    assert outbox.take(history, only, NOW) == []
    assert outbox.outbox_size(history, "main") == 0


def test_many_people_are_stored_taken_and_confirmed_in_as_many_statements_as_few(
    stage: Stage, history: History
) -> None:
    context = stage(40, 0)

    def statements() -> int:
        plan, seen = planned(context)[0], []

        def note(*given: Any) -> None:
            seen.append(given[2])

        event.listen(history.engine, "before_cursor_execute", note)
        outbox.keep(history, plan, state="approved", now=NOW)
        (only,) = rounds_of(outbox.waiting(history, "main", plan.id), Portions(99, 99))
        outbox.confirm(history, plan.id, "main", outbox.take(history, only, NOW), NOW)
        event.remove(history.engine, "before_cursor_execute", note)
        return len(seen)

    many = statements()
    assert known(history) == [3] * 40
    with history.begin() as db:
        few = select(standings.c.customer_id).order_by(standings.c.customer_id).limit(4)
        db.execute(update(standings).where(standings.c.customer_id.in_(few)).values(known_tags=0))
    assert statements() == many <= 21


def test_a_cycle_never_looks_through_what_was_ever_told_or_planned(sqlite: History) -> None:
    looked: list[str] = []

    def explain(db: Any, cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if statement.startswith(("SELECT", "DELETE")):
            plan = cursor.connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters).fetchall()
            looked.extend(row[3] for row in plan)

    event.listen(sqlite.engine, "before_cursor_execute", explain)
    telling.unsettled(sqlite, "main", NOW)
    outbox.waiting(sqlite, "main", "p")
    outbox.drop_held(sqlite, "main", NOW)
    assert [line for line in looked if "SCAN" in line or "ix_moments_settled" in line] == []
