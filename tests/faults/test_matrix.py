"""The matrix of docs/trust.md: each fault at each step does what its cell says, and three cycles later it never was.

Most cells are made from the forms of a fault and the calls of a step (`tests.faults.matrix`). Those that need more
than a call that goes wrong have a test of their own here, or have one elsewhere; `PROOFS` names it. On every run the
worst form of each fault; `make chaos`: all of them, and five hundred pairs.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from copy import deepcopy
from dataclasses import replace
from itertools import product
from random import Random
from typing import Any

import pytest
from requests import PreparedRequest

from syncd.effects import standing_between
from syncd.errors import ConnectionBlocked
from syncd.sandbox.faults import Fault
from syncd.sandbox.serve import start
from syncd.steps.place import settle_here
from tests.faults.harness import Break, Effect, Scene, Stage
from tests.faults.matrix import (
    ACTS,
    MEMBERS,
    ROOT,
    ROUTES,
    SIGN_UPS,
    Call,
    Case,
    Road,
    cases,
    chapter_of,
    crowd,
    elsewhere,
    found_in,
    found_in_pair,
    left_over,
    marked,
    month,
    once,
    person_of,
    places,
    thanks,
)
from tests.faults.oracle import Judge
from tests.faults.runs import POLL_SECONDS, Chapter, cycle, faults_of, played
from tests.faults.shelves import Files
from tests.faults.story import beginning, buys, first_import
from tests.integration.house import DAY

PEOPLE = 30
HOUR = 3_600
NOTHING_DONE = '{"members_added":[],"members_removed":[],"errors":[],"total_added":0,"total_removed":0,"error_count":0}'
# Where the history is written to at each step: (chapter, commit).
COMMITS = {
    2: ("month", "ingest.ingest"),
    3: ("month", "ingest.ingest"),
    4: ("month", "ingest.ingest"),
    5: ("month", "judged.store"),
    6: ("month", "outbox.keep"),
    8: ("month", "outbox.take"),
    9: ("month", "outbox.take"),
    10: ("month", "outbox.take"),
    11: ("month", "outbox.take"),
    12: ("month", "outbox.take"),
    13: ("thanks", "outbox.take"),
    14: ("thanks", "outbox.confirm"),
    15: ("month", "outbox.confirm"),
}
WRITES = (8, 9, 10, 11, 12, 13)

# Which test proves a cell that is not made from forms: {fault: {steps: test}}.
HERE = "faults/test_matrix.py::"
PROOFS: dict[str, dict[tuple[int, ...], str]] = {
    "F2 before": {(16,): "traps/test_webhook_traps.py::test_trap_23_what_no_webhook_told_the_poll_finds"},
    "F2 after": {(16,): "traps/test_webhook_traps.py::test_trap_23_one_event_told_often_is_one_look"},
    "F3": {
        (16,): "integration/test_webhook_receiver.py::test_a_slow_sender_is_cut_off_and_keeps_nobody_waiting_for_ever"
    },
    "F4": {
        (16,): "integration/test_webhook_receiver.py::test_a_sender_that_drips_is_cut_off_although_it_is_never_silent"
    },
    "F12": {
        (1,): "traps/test_shopify_traps.py::test_trap_03_a_walk_that_was_cut_off_goes_on_to_the_newest",
        (2,): "traps/test_hostile_lies.py::test_a_lie_is_seen_through_or_does_no_harm",
        (3, 4): "traps/test_hostile_lies.py::test_a_page_full_of_the_same_customer_is_one_customer",
        (6,): "integration/test_pipeline.py::test_a_shop_that_suddenly_shows_nobody_holds_the_plan",
        (7,): "traps/test_mailchimp_tags.py::"
        "test_trap_23_members_who_change_between_two_pages_are_neither_lost_nor_doubled",
        (12,): "traps/test_mailchimp_fields.py::test_trap_11_what_stands_behind_the_tenth_row_is_seen",
    },
    "F13": {
        (1,): "unit/test_sources_walk.py::test_a_cursor_stays_behind_the_shops_own_clock",
        (
            2,
            4,
        ): "traps/test_shopify_traps.py::test_trap_06_an_order_that_shows_minutes_after_its_own_time_is_still_read",
        (3,): "contract/test_sources.py::test_what_becomes_visible_late_is_not_lost",
        (16,): "traps/test_webhook_traps.py::test_trap_23_a_late_body_from_before_the_last_poll_changes_nothing",
    },
    "F14": {
        (2,): "traps/test_hostile_records.py::test_one_bad_order_waits_in_quarantine_and_comes_when_it_is_right",
        (3, 4): "traps/test_hostile_records.py::"
        "test_no_wrong_value_in_any_place_changes_what_is_read_or_touches_a_neighbour",
        (7,): "traps/test_hostile_lies.py::test_a_strange_member_keeps_nobody_else_from_being_served",
        (14,): "traps/test_hostile_archives.py::"
        "test_an_archive_that_is_none_of_ours_leaves_the_changes_to_be_read_back",
        (16,): "integration/test_webhook_receiver.py::test_an_unreadable_body_of_ecwid_is_a_wrong_signature",
    },
    "F15": {
        (2,): "traps/test_hostile_records.py::test_one_bad_order_waits_in_quarantine_and_comes_when_it_is_right",
        (3,): "contract/test_sources.py::test_a_record_that_makes_no_sense_is_set_aside_and_can_be_tried_again",
        (7,): "traps/test_hostile_lies.py::test_a_strange_member_keeps_nobody_else_from_being_served",
        (16,): "traps/test_webhook_traps.py::test_trap_23_a_customer_without_tags_and_consent_in_the_body_keeps_both",
    },
    "F16": {
        (7,): "integration/test_moments_once.py::test_what_the_service_may_not_show_yet_is_not_repeated_at_once",
        (10,): HERE + "test_what_the_service_does_not_show_yet_is_given_once",
    },
    "F17": {
        (8, 10, 11, 12): HERE + "test_what_was_said_to_be_done_and_was_not_is_found_within_a_week",
        (9,): "traps/test_mailchimp_fields.py::"
        "test_trap_12_a_field_that_is_deleted_meanwhile_is_made_again_with_everybodys_value",
    },
    "F18": {
        (13,): "traps/test_hostile_archives.py::test_a_batch_that_never_ends_is_left_after_an_hour",
        (14,): "traps/test_hostile_archives.py::"
        "test_an_archive_that_is_none_of_ours_leaves_the_changes_to_be_read_back",
    },
    "F19": {
        (8, 9, 10, 11, 12, 13): HERE + "test_somebody_changes_between_the_reading_and_the_writing",
        (14,): "traps/test_mailchimp_wire.py::test_trap_03_every_failure_inside_a_success_reaches_its_person",
        (16,): "traps/test_webhook_traps.py::test_trap_23_any_unreliability_at_once_ends_in_the_right_tags",
    },
    "F20": {
        (6,): "integration/test_pipeline.py::test_a_tag_of_the_marketer_is_only_taken_over_when_it_is_adopted",
        (7,): "integration/test_pipeline.py::test_foreign_tags_and_fields_stay_as_they_are",
        (9,): "traps/test_mailchimp_fields.py::"
        "test_trap_12_a_field_that_is_deleted_meanwhile_is_made_again_with_everybodys_value",
        (10,): "integration/test_verify.py::test_a_tag_that_somebody_took_off_stays_off_until_the_person_joins_anew",
        (11, 12): "traps/test_mailchimp_tags.py::"
        "test_trap_19_a_tag_that_the_marketer_deleted_is_found_again_under_its_new_number",
    },
    "F21": {
        (6,): "unit/test_plan.py::test_the_brake_holds_a_first_push_and_another_account_and_a_bill_above_the_limit",
        (8, 9): "traps/test_mailchimp_fields.py::"
        "test_trap_13_fields_beyond_the_budget_are_told_before_anything_is_written",
        (10, 12, 13): "traps/test_mailchimp_tags.py::"
        "test_trap_further_a_tag_that_there_is_no_room_for_is_told_before_anybody_is_tagged",
    },
    "F22": {(16,): "traps/test_webhook_traps.py::test_trap_23_any_unreliability_at_once_ends_in_the_right_tags"},
    "F23": {
        (1,): "integration/test_history_database.py::test_a_locked_file_is_tried_again_later",
        (2, 3, 4, 5, 6, 14, 15): HERE + "test_a_full_disk_loses_and_repeats_nothing",
        WRITES: HERE + "test_nothing_is_sent_that_cannot_be_written_down_first",
        (16,): "integration/test_webhook_receiver.py::"
        "test_whom_to_forget_is_heard_again_where_it_failed_and_however_often_it_is_said",
    },
    "F24": {
        (1,): "traps/test_mailchimp_wire.py::test_trap_further_a_wrong_clock_of_ours_skips_nobody",
        (2, 3): "contract/test_sources.py::test_a_wrong_clock_here_is_a_warning",
        (4,): "traps/test_shopify_traps_of_meaning.py::"
        "test_trap_15_times_are_compared_as_instants_not_as_they_are_written",
        (5,): "traps/test_shopify_traps_of_meaning.py::"
        "test_trap_15_days_are_the_shops_own_across_a_change_of_the_clock",
        (6,): "integration/test_brake.py::test_many_days_at_once_are_held",
        (10, 11): HERE + "test_a_clock_that_jumps_and_comes_back_moves_nobody_to_and_fro",
        (16,): "traps/test_webhook_traps.py::test_trap_23_a_late_body_from_before_the_last_poll_changes_nothing",
    },
    "F25": {
        (2, 3, 4, 9): HERE + "test_a_touch_of_every_record_writes_nothing",
        (5,): "traps/test_shopify_traps_of_meaning.py::"
        "test_trap_11_orders_in_a_money_that_the_shop_counts_in_now_are_set_aside_or_converted",
        (6,): "integration/test_pipeline.py::test_a_shop_that_suddenly_shows_nobody_holds_the_plan",
        (10,): "traps/test_shopify_traps_of_meaning.py::"
        "test_trap_14_a_merge_unites_the_orders_under_the_customer_who_is_kept",
        (11,): "integration/test_departures.py::"
        "test_who_is_erased_at_the_shop_loses_what_is_ours_and_is_archived_in_the_same_cycle",
        (16,): "traps/test_webhook_traps.py::test_a_demand_to_forget_reaches_those_who_can_and_is_a_hint",
    },
    "F26 shop": {
        (1, 2, 3): HERE + "test_a_day_without_a_shop_lapses_nobody_and_what_happened_there_comes_after_it",
        (5,): "integration/test_pipeline.py::test_days_without_news_from_a_shop_lapse_nobody",
    },
    "F26 audience": {
        (*range(2, 15),): HERE + "test_a_day_without_the_e_mail_service_delays_everything_and_nothing_else",
        (16,): "system/test_service.py::test_a_dead_shop_does_not_stop_the_service",
    },
    "F27": {(1, 2, 3, 6, 7, 10): HERE + "test_a_history_of_before_the_work_repeats_none_of_it"},
    "F28": {
        (1, 2, 3): "integration/test_pipeline.py::test_another_shop_behind_the_same_name_is_not_read",
        (6,): "integration/test_pipeline.py::test_another_account_behind_the_same_name_holds_the_plan",
        (7, *WRITES): HERE + "test_a_key_that_opens_another_account_stops_the_audience_wherever_it_is",
        (16,): "traps/test_webhook_traps.py::test_trap_23_a_webhook_of_another_shop_with_the_same_app_is_refused",
    },
}


@pytest.fixture(scope="module")
def told() -> Iterator[dict[str, tuple[Chapter, Scene]]]:
    """The chapters in which every step comes up, by name, each with the scene in which it ends."""
    shelf = Files()
    _, imported = played(beginning(shelf, PEOPLE), first_import)
    _, bought = played(imported, crowd)
    yield {"month": played(imported, month), "thanks": played(bought, thanks)}
    shelf.close()


@pytest.fixture(scope="module")
def chapters(told: dict[str, tuple[Chapter, Scene]]) -> dict[str, Chapter]:
    return {name: chapter for name, (chapter, _) in told.items()}


@pytest.fixture(scope="module")
def astray() -> Iterator[dict[str, str]]:
    with places() as found:
        yield found


def same_process(stage: Stage) -> list[str]:
    """The errors of the next poll of a process that lives on; right after it, it leaves alone what failed for long."""
    stage.later(POLL_SECONDS)
    errors = [str(error) for error in stage.work()]
    stage.work()
    return errors


def every_case() -> Iterator[Any]:
    """On every run the worst form of each fault at each call, by `make chaos` the others, too."""
    seen = set()
    for case in cases():
        call = (case.fault, case.step, case.route)
        yield pytest.param(case, id=str(case), marks=[pytest.mark.chaos] if call in seen else [])
        seen.add(call)


@pytest.mark.parametrize("case", [*every_case()])
def test_a_fault_at_a_step(case: Case, chapters: dict[str, Chapter], astray: dict[str, str]) -> None:
    assert found_in(case, chapters[chapter_of(case.step)], astray) == []


@pytest.mark.parametrize("pairs", [8, pytest.param(500, marks=pytest.mark.chaos)])
def test_two_faults_in_one_cycle(chapters: dict[str, Chapter], pairs: int) -> None:
    plain = [case for case in cases() if all(isinstance(each, Fault) for each in case.form.strikes)]
    plain = [case for case in plain if not case.form.hasty and chapter_of(case.step) == "month"]
    chance = Random(pairs)
    for _ in range(pairs):
        first, second = chance.sample(plain, 2)
        assert [f"{first} and {second}: {each}" for each in found_in_pair((first, second), chapters["month"])] == []


@pytest.mark.parametrize(("step", "act"), [*product((8,), SIGN_UPS), *product((9, 10, 11, 12, 13), ACTS)])
def test_somebody_changes_between_the_reading_and_the_writing(
    chapters: dict[str, Chapter], step: int, act: str
) -> None:
    with chapters[chapter_of(step)].scene.opened() as stage, Judge(stage) as judge:
        met: list[str] = []

        def meanwhile(request: PreparedRequest) -> None:
            met.append(person_of(stage, request))
            for change in SIGN_UPS.get(act) or (ACTS[act],):
                stage.members.act(met[0], change)
            judge.look()

        with standing_between(Road(stage, ROUTES[step][0].of(stage), once(meanwhile))):
            assert stage.work() == []
        assert met
        assert left_over(stage) == []
        assert judge.violations(vip=False) == []


@pytest.mark.parametrize("step", [7, *WRITES])
def test_a_key_that_opens_another_account_stops_the_audience_wherever_it_is(
    chapters: dict[str, Chapter], step: int
) -> None:
    chapter = chapters[chapter_of(step)]
    with chapter.scene.opened() as stage, Judge(stage) as judge:
        gone = {}

        def another_account(_: PreparedRequest) -> None:
            gone.update(stage.world.audiences)
            stage.world.audiences.clear()

        with standing_between(Road(stage, ROUTES[step][0].of(stage), once(another_account))):
            (error,) = stage.work()
        assert isinstance(error, ConnectionBlocked)
        assert str(error).startswith("audiences.main: Mailchimp has no audience with this list_id")
        stage.world.audiences.update(gone)
        assert left_over(stage, chapter.outcome) == []
        assert judge.violations(vip=chapter.new_day) == []


@pytest.mark.parametrize("step", [10, 11, 12])
def test_what_was_said_to_be_done_and_was_not_is_found_within_a_week(chapters: dict[str, Chapter], step: int) -> None:
    with chapters["month"].scene.opened() as stage, Judge(stage) as judge:
        route = ROUTES[step][0].of(stage)
        body = {"body": NOTHING_DONE, "headers": {"Content-Type": "application/json"}} if step == 12 else {}
        code = 200 if step == 12 else 204
        there = {"service": route.service, "method": route.method, "path": route.path}
        stage.world.faults.add(Fault(kind="status", status=code, **there, **body))
        assert stage.work() == []
        stage.world.faults.clear()
        stage.later(7 * DAY)
        assert left_over(stage) == []
        assert judge.arrears() == []


@pytest.mark.parametrize("manner", ["refused", "answer lost", "cut after"])
@pytest.mark.parametrize(("chapter", "commit"), sorted({*COMMITS.values()}))
def test_a_full_disk_loses_and_repeats_nothing(
    chapters: dict[str, Chapter], chapter: str, commit: str, manner: str
) -> None:
    assert faults_of(chapters[chapter], Break(Effect("commit", commit, 1), manner)) == []  # type: ignore[arg-type]


@pytest.mark.parametrize("chapter", ["month", "thanks"])
def test_nothing_is_sent_that_cannot_be_written_down_first(chapters: dict[str, Chapter], chapter: str) -> None:
    with chapters[chapter].scene.opened() as stage:
        with stage.watched(Break(Effect("commit", "outbox.take", 1), "refused")):
            assert stage.work() != []
        assert stage.writes() == []


@pytest.mark.parametrize(("chapter", "polled"), [("month", cycle), ("thanks", cycle), ("thanks", same_process)])
def test_a_day_without_the_e_mail_service_delays_everything_and_nothing_else(
    chapters: dict[str, Chapter], chapter: str, polled: Callable[[Stage], list[str]]
) -> None:
    with chapters[chapter].scene.opened() as stage, Judge(stage) as judge:
        stage.world.faults.add(Fault(kind="status", status=503, service="mailchimp"))
        for n in range(6):
            buys(stage, "acme", f"stranger.{n}@example.com", "10.00", consent="subscribed")
            (error,) = polled(stage)
            assert error.startswith("audiences.main: ")
            # What happens in the shops is known all the same.
            assert [*judge.orders()] == []
            stage.later(4 * HOUR)
        stage.world.faults.clear()
        assert left_over(stage) == []
        assert judge.violations() == []


@pytest.mark.parametrize(
    ("service", "shop", "polled"),
    [("shopify", "acme", cycle), ("ecwid", "cafe", cycle), ("ecwid", "cafe", same_process)],
)
def test_a_day_without_a_shop_lapses_nobody_and_what_happened_there_comes_after_it(
    chapters: dict[str, Chapter], service: str, shop: str, polled: Callable[[Stage], list[str]]
) -> None:
    with chapters["month"].scene.opened() as stage, Judge(stage) as judge:
        stage.work()
        stage.world.faults.add(Fault(kind="status", status=503, service=service))
        buys(stage, shop, "stranger@example.com", "10.00", consent="subscribed" if shop == "acme" else True)
        lapsed = stage.tagged()["lapsed"]
        for _ in range(6):
            (error,) = polled(stage)
            assert error.startswith(f"shops.{shop}: ")
            stage.later(4 * HOUR)
        assert stage.tagged()["lapsed"] <= lapsed
        stage.world.faults.clear()
        assert left_over(stage) == []
        assert judge.violations() == []


def test_a_history_of_before_the_work_repeats_none_of_it(told: dict[str, tuple[Chapter, Scene]]) -> None:
    for chapter, ended in told.values():
        before = replace(ended, kept=chapter.scene.kept)
        with before.opened() as stage, Judge(stage) as judge:
            # Whoever put it back said so: `syncd moved`.
            settle_here(stage.context)
            assert left_over(stage) == []
            assert stage.state() == chapter.outcome.members
            assert judge.started() == {}


@pytest.mark.parametrize("jump", [-HOUR, HOUR, -DAY, DAY])
def test_a_clock_that_jumps_and_comes_back_moves_nobody_to_and_fro(
    told: dict[str, tuple[Chapter, Scene]], jump: int
) -> None:
    _, ended = told["month"]
    with ended.opened() as stage, Judge(stage) as judge:
        stage.later(11 * HOUR + 1_800)
        assert cycle(stage) == []
        for ahead in (jump, 0, jump, 0):
            stage.restart()
            stage.context.clock = _Jumping(stage, ahead)  # type: ignore[assignment]
            assert stage.work() == []
        stage.later(DAY)
        assert left_over(stage) == []
        assert judge.violations() == []


class _Jumping:
    """A clock of ours that is so far from everybody else's."""

    def __init__(self, stage: Stage, ahead: int) -> None:
        self._clock, self._ahead = stage.world.clock, ahead

    def now(self) -> int:
        return self._clock.now() + self._ahead


def test_a_touch_of_every_record_writes_nothing(told: dict[str, tuple[Chapter, Scene]]) -> None:
    chapter, ended = told["month"]
    with ended.opened() as stage:
        for shop in stage.world.shops.values():
            for order in list(shop.orders):
                shop.change_order(order.id)
            for customer in list(shop.customers):
                shop.change_customer(customer.id)
        assert left_over(stage) == []
        assert stage.writes() == []
        assert stage.state() == chapter.outcome.members


@pytest.mark.parametrize("step", [10, 11, 12])
def test_what_the_service_does_not_show_yet_is_given_once(chapters: dict[str, Chapter], step: int) -> None:
    chapter = chapters["month"]
    with chapter.scene.opened() as stage, Judge(stage) as judge, ExitStack() as stack:
        # As far as is known, a tag that comes again starts nothing.
        stage.world.mailchimp.present_tag_fires = False
        old = stack.enter_context(start(deepcopy(chapter.scene.world)))
        route = ROUTES[step][0].of(stage)
        there = {"service": route.service, "method": route.method, "path": route.path}
        stage.world.faults.add(Fault(kind="reset", phase="after", count=1, **there))

        def stale(call: Call) -> Call:
            return elsewhere(call, old.urls["mailchimp"])

        stage.work()
        with standing_between(Road(stage, MEMBERS, stale)):
            cycle(stage)
        assert left_over(stage, chapter.outcome) == []
        assert judge.violations(vip=chapter.new_day) == []


def test_every_marked_cell_has_its_proof_and_no_other() -> None:
    made = {(case.fault, case.step) for case in cases()}
    named = {(fault, step) for fault, cells in PROOFS.items() for steps in cells for step in steps}
    assert made | named == marked()
    assert not made & named
    assert len(marked()) > 200


def test_every_proof_is_a_test_that_there_is() -> None:
    proofs = {proof for cells in PROOFS.values() for proof in cells.values()}
    assert [proof for proof in sorted(proofs) if not _is_there(*proof.split("::"))] == []


def _is_there(file: str, name: str) -> bool:
    tree = ast.parse((ROOT / "tests" / file).read_text("utf-8"))
    return any(isinstance(node, ast.FunctionDef) and node.name == name for node in ast.walk(tree))
