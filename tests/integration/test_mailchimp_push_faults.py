"""What goes wrong while changes are pushed: each has its own outcome, and nothing is sent twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from syncd.errors import TransientError
from syncd.model import Change
from tests.integration.mailchimp_world import Town

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def running() -> Iterator[Town]:
    with Town() as town:
        yield town


@pytest.fixture
def town(running: Town) -> Town:
    running.fresh()
    running.destination.prepare(["loyal", "lapsed"], {"SPEND6M": "number", "NEXT": "date", "NOTE": "text"})
    running.mark()
    return running


def test_an_empty_429_is_waited_out_and_not_taken_for_success(town: Town) -> None:
    [ann] = town.people(1)
    town.strike("status", "*/tags", status=429, count=2)
    assert town.push(Change(ann, add=("loyal",)))[ann].result == "done"
    assert town.tags(ann) == ["loyal"]
    assert len(town.pauses) == 2


def test_a_bare_403_is_a_throttle_and_waited_for_longer(town: Town) -> None:
    [ann] = town.people(1)
    town.strike("status", "*/tags", status=403, count=1, body="<html>Access Denied</html>")
    assert town.push(Change(ann, add=("loyal",)))[ann].result == "done"
    assert town.pauses[0] >= 60


@pytest.mark.parametrize("kind", ["reset", "empty", "html200", "status"])
@pytest.mark.parametrize("phase", ["before", "after"])
def test_a_live_tag_call_without_an_answer_is_unknown_and_sent_once(town: Town, kind: str, phase: str) -> None:
    ann, bob = town.people(2)
    town.strike(kind, "*/tags", phase=phase, count=1, status=500)
    outcomes = town.push(Change(ann, add=("loyal", "lapsed")), Change(bob, add=("loyal",)))
    assert [outcomes[ann].result, outcomes[bob].result] == ["unknown", "done"]
    assert town.attempts.count == 2


def test_a_segment_call_without_an_answer_leaves_its_people_unknown(town: Town) -> None:
    people = town.people(60)
    town.strike("reset", "*/segments/*", phase="after", count=1)
    outcomes = town.push(*(Change(email, add=("loyal",)) for email in people))
    assert {outcome.result for outcome in outcomes.values()} == {"unknown"}
    assert town.attempts.count == 1


def test_writing_fields_again_is_harmless_and_done_after_a_reset(town: Town) -> None:
    town.audience.switches.first_value_is_a_change = True
    [ann] = town.people(1)
    town.strike("reset", "*/members/*", phase="after", count=1)
    assert town.push(Change(ann, fields={"NOTE": "x"}))[ann].result == "done"
    assert [entry[1:] for entry in town.entries()] == [("field", "NOTE=x")]


def test_one_member_at_whom_the_service_stumbles_does_not_stop_the_rest(town: Town) -> None:
    ann, bob = town.people(2)
    town.strike("status", f"*/{town.audience.get(ann).hash}/tags", status=500)
    outcomes = town.push(Change(ann, add=("loyal", "lapsed")), Change(bob, add=("loyal",)))
    assert [outcomes[ann].result, outcomes[bob].result] == ["unknown", "done"]


def test_a_service_that_is_down_ends_the_push(town: Town) -> None:
    people = town.people(9)
    town.strike("status", "*/tags", status=500)
    told = []
    with pytest.raises(TransientError):
        told += list(town.destination.push([Change(email, add=(email, "loyal")) for email in people], muted=False))
    assert town.attempts.count == 3


@pytest.mark.parametrize(("path", "kind"), [("*/batches", "reset"), ("*/batches", "status")])
def test_a_batch_that_may_have_been_submitted_is_not_submitted_again(town: Town, path: str, kind: str) -> None:
    people = town.people(30)
    town.strike(kind, path, phase="after", method="POST")
    with pytest.raises(TransientError):
        list(town.destination.push([Change(email, add=("loyal",)) for email in people], muted=True))
    assert town.paths().count("POST /batches") == 1


def test_results_that_come_late_are_asked_for_again_under_a_new_address(town: Town) -> None:
    people = town.people(30)
    town.audience.switches.result_refusals = 3
    outcomes = town.push(*(Change(email, add=("loyal",)) for email in people), muted=True)
    assert {outcome.result for outcome in outcomes.values()} == {"done"}


def test_a_slow_batch_is_looked_at_ever_more_rarely(town: Town) -> None:
    people = town.people(30)
    town.audience.switches.batch_polls = 12
    town.push(*(Change(email, add=("loyal",)) for email in people), muted=True)
    assert town.pauses == sorted(town.pauses)
    assert max(town.pauses) == 30


def test_a_batch_that_never_ends_is_given_up_after_an_hour(town: Town) -> None:
    people = town.people(30)
    town.audience.switches.batches_stuck = True
    with pytest.raises(TransientError, match="within an hour"):
        list(town.destination.push([Change(email, add=("loyal",)) for email in people], muted=True))
    assert 3600 <= sum(town.pauses) <= 3700
    town.audience.switches.batches_stuck = False


def test_settling_waits_for_the_batches_that_another_process_left(town: Town) -> None:
    people = town.people(30)
    town.audience.switches.batch_polls = 5
    town.strike("reset", "*/batches", phase="after", method="POST")
    with pytest.raises(TransientError):
        list(town.destination.push([Change(email, add=("loyal",)) for email in people], muted=True))
    town.connect()
    town.destination.settle()
    assert len(town.pauses) >= 3
    assert all(town.tags(email) == ["loyal"] for email in people)
    town.mark()
    town.destination.settle()
    assert town.attempts.count == 1


def test_a_batch_that_mailchimp_has_forgotten_leaves_everybody_unknown(town: Town) -> None:
    people = town.people(30)
    town.audience.switches.batch_kept_seconds = 0
    outcomes = town.push(*(Change(email, add=("loyal",)) for email in people), muted=True)
    assert {outcome.result for outcome in outcomes.values()} == {"unknown"}


def test_each_change_of_a_mixed_batch_gets_its_own_outcome(town: Town) -> None:
    people = town.people(30)
    changes = [Change(email, add=("loyal",)) for email in people]
    outcomes = town.push(*changes, Change("stranger@shop.example", add=("loyal",)), muted=True)
    assert outcomes.pop("stranger@shop.example").reason == "not in the audience"
    assert {outcome.result for outcome in outcomes.values()} == {"done"}


def test_two_changes_for_one_person_are_our_bug(town: Town) -> None:
    with pytest.raises(ValueError, match="one change for each person"):
        list(town.destination.push([Change("a@b.example"), Change("A@b.example")], muted=False))


@pytest.mark.parametrize("status", [400, 409, 413, 422])
def test_a_batch_that_is_refused_is_held_against_nobody(town: Town, status: int) -> None:
    people = town.people(30)
    town.strike("status", "*/batches", method="POST", status=status)
    with pytest.raises(TransientError):
        list(town.destination.push([Change(email, add=("loyal",)) for email in people], muted=True))


@pytest.mark.parametrize("status", [400, 405, 409, 410, 413, 415, 422])
def test_a_refusal_of_any_kind_is_an_outcome_and_no_exception(town: Town, status: int) -> None:
    ann, bob = town.people(2)
    town.strike("status", "*/tags", status=status, count=1)
    outcomes = town.push(Change(ann, add=("loyal", "lapsed")), Change(bob, add=("loyal",)))
    assert [(outcomes[ann].result, outcomes[ann].permanent), outcomes[bob].result] == [("refused", False), "done"]


def test_a_change_without_content_is_done_without_a_call(town: Town) -> None:
    [ann] = town.people(1)
    assert town.push(Change(ann))[ann].result == "done"
    assert town.attempts.count == 0
