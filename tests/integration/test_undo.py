"""A run can be taken back: what it wrote itself, muted, once, and nothing is written to and fro."""

from __future__ import annotations

from pathlib import Path

import pytest

from syncd import pipeline
from syncd.errors import TransientError, UnsafePlan, UserError
from syncd.history.database import History
from syncd.history.undoing import Undo, runs
from syncd.plan import Plan
from syncd.sandbox.serve import Running
from tests.integration.house import House

LAX = {"removals_min": 999, "additions_min": 999}
RIGHT = "[audiences.main.lifecycle.segments.many]\nwhen = 'orders(ever) >= 9'\n"
WRONG = RIGHT.replace(">= 9", ">= 1") + "[audiences.main.lifecycle.fields.ORDERS]\nvalue = 'orders(ever) * 100'\n"
RIGHT += "[audiences.main.lifecycle.fields.ORDERS]\nvalue = 'orders(ever)'\n"


@pytest.fixture
def mistaken(sandbox: Running, history: History, tmp_path: Path) -> House:
    """A house in which a wrong rule was just put into use, on both databases."""
    house = House(sandbox, history, tmp_path, rules=RIGHT, audience={"brake": LAX, "max_entries_per_day": 0})
    house.backfill()
    house.sync_in_order()
    house.configure(WRONG, brake=LAX, max_entries_per_day=0)
    house.later(60)
    house.sync_in_order()
    house.later(60)
    return house


def last_run(house: House) -> str:
    return runs(house.history)[0].id


def take_back(house: House, run: str = "") -> tuple[Plan, Undo]:
    plan, undo, _ = pipeline.undo_plan(house.context, run or last_run(house))
    pipeline.send_undo(house.context, plan, undo)
    house.later(60)
    return plan, undo


def ours(house: House) -> dict[str, tuple[set[str], object]]:
    """Our tags and our field of every member."""
    return {
        email: (house.tags(email), member["merge_fields"].get("ORDERS", "")) for email, member in house.state().items()
    }


def held(house: House) -> str:
    (error,) = house.sync().errors
    assert isinstance(error, UnsafePlan)
    return "; ".join(error.reasons)


def test_tags_and_fields_are_again_as_they_were_and_no_journey_begins(
    sandbox: Running, history: History, tmp_path: Path
) -> None:
    house = House(sandbox, history, tmp_path, rules=RIGHT, audience={"brake": LAX, "max_entries_per_day": 0})
    house.backfill()
    house.sync_in_order()
    before = ours(house)
    house.configure(WRONG, brake=LAX, max_entries_per_day=0)
    house.sync_in_order()
    wrong, journeys = ours(house), house.journeys()
    assert wrong != before
    assert journeys
    plan, undo = take_back(house)
    assert ours(house) == before
    assert house.journeys() == journeys
    assert plan.muted
    assert undo.changed_since == 0
    # That is a run like any other, and can be taken back, too.
    take_back(house)
    assert ours(house) == wrong
    assert house.journeys() == journeys
    house.sync_in_order()
    assert ours(house) == wrong


def test_while_the_rules_stay_wrong_the_next_plan_is_held_and_nothing_is_written(mistaken: House) -> None:
    _, undo = take_back(mistaken)
    assert all(one.again for one in undo.back)
    undone, at = ours(mistaken), mistaken.requests()
    reasons = held(mistaken)
    assert f"it would write again what {last_run(mistaken)} took back: the tag of many of" in reasons
    assert "the fields of" in reasons
    assert ours(mistaken) == undone
    assert mistaken.writes(at) == []
    # Whoever approves says that the rules are right after all; then it is over.
    (error,) = mistaken.sync().errors
    assert isinstance(error, UnsafePlan)
    pipeline.approve(mistaken.context, error.plan_id)
    mistaken.sync_in_order()
    mistaken.later(60)
    mistaken.order("acme", mistaken.subscriber(with_tag="many"), "9.00")
    mistaken.sync_in_order()
    assert ours(mistaken) != undone


def test_with_the_rules_corrected_nothing_is_held_and_nothing_written(mistaken: House) -> None:
    take_back(mistaken)
    mistaken.configure(RIGHT, brake=LAX, max_entries_per_day=0)
    at, undone = mistaken.requests(), ours(mistaken)
    mistaken.sync_in_order()
    assert mistaken.writes(at) == []
    # Who comes into the segment later gets the tag like anybody else.
    newcomer = next(email for email, (tags, orders) in undone.items() if orders == 8 and not tags)
    mistaken.later(60)
    mistaken.order("acme", newcomer, "9.00")
    mistaken.sync_in_order()
    assert mistaken.tags(newcomer) == {"many"}


def test_what_was_changed_since_stays_as_it_is(mistaken: House) -> None:
    run = last_run(mistaken)
    ordered, objected, edited, bystander = sorted(mistaken.tagged()["many"])[:4]
    mistaken.order("acme", ordered, "9.00")
    mistaken.call("POST", f"/audiences/{mistaken.members.list_id}/members/{objected}", {"status": "unsubscribed"})
    mistaken.members.act(edited, {"tags": {"add": ["the marketer's own"]}, "merge_fields": {"ORDERS": 7}})
    mistaken.later(60)
    plan, undo = pipeline.undo_plan(mistaken.context, run)[:2]
    assert undo.changed_since >= 2
    pipeline.send_undo(mistaken.context, plan, undo)
    assert mistaken.state()[edited]["merge_fields"]["ORDERS"] == 7
    assert "the marketer's own" in mistaken.state()[edited]["tags"]
    assert mistaken.state()[objected]["status"] == "unsubscribed"
    assert mistaken.tags(bystander) == set()
    assert mistaken.tags(ordered) == set()


def test_a_tag_that_a_later_run_wrote_is_left_alone(mistaken: House) -> None:
    first = last_run(mistaken)
    take_back(mistaken)
    take_back(mistaken)
    wrong = ours(mistaken)
    plan, undo, _ = pipeline.undo_plan(mistaken.context, first)
    assert not any(step.add or step.remove for step in plan.steps)
    assert undo.changed_since > 0
    assert ours(mistaken) == wrong


@pytest.mark.parametrize("phase", ["before", "after"])
def test_an_undo_that_was_cut_off_goes_on_in_the_next_cycle_and_comes_to_the_same(mistaken: House, phase: str) -> None:
    journeys = mistaken.journeys()
    plan, undo, _ = pipeline.undo_plan(mistaken.context, last_run(mistaken))
    fault = {"service": "mailchimp", "method": "POST", "path": "*/batches", "kind": "reset", "phase": phase, "count": 9}
    mistaken.call("POST", "/faults", [fault])
    with pytest.raises(TransientError):
        pipeline.send_undo(mistaken.context, plan, undo)
    mistaken.call("DELETE", "/faults")
    mistaken.configure(RIGHT, brake=LAX, max_entries_per_day=0)
    mistaken.later(60)
    mistaken.sync_in_order()
    mistaken.sync_in_order()
    assert all(orders >= 9 for tags, orders in ours(mistaken).values() if tags)
    assert mistaken.journeys() == journeys


def test_only_a_run_that_wrote_something_can_be_taken_back(mistaken: House) -> None:
    with pytest.raises(UserError, match="there is no run"):
        pipeline.undo_plan(mistaken.context, "0123456789")
