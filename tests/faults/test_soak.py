"""Thirty days of a shop's life under every fault at once, each as often as it comes on a bad day.

After each cycle nothing was done that never may be; when the faults are over, everything comes right. On every run
one day; `make chaos`: thirty days, five times.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest

from syncd.errors import UnsafePlan
from syncd.sandbox import happenings
from syncd.sandbox.faults import Fault
from tests.faults.harness import Break, Scene, Stage
from tests.faults.matrix import HTML, SORRY, left_over, problem, status
from tests.faults.oracle import Judge, journeys
from tests.faults.runs import cycle, played
from tests.faults.shelves import Files
from tests.faults.story import beginning, buys, first_import
from tests.integration.house import DAY

HOUR = 3_600
PEOPLE = 60
CYCLES_A_DAY = 6
# Chances by call. What hangs or drips takes real time: it is in the matrix.
FAULTS = (
    Fault(kind="reset", p=0.02),
    Fault(kind="reset", phase="after", p=0.02),
    Fault(kind="delay", seconds=0.005, p=0.2),
    Fault(kind="truncate", p=0.01),
    problem(500, p=0.01),
    status(502, SORRY, HTML, phase="after", p=0.01),
    status(503, p=0.01),
    problem(429, p=0.02),
    status(403, SORRY, HTML, service="mailchimp", p=0.005),
    Fault(kind="html200", p=0.005),
    Fault(kind="body", body="{}", path="*/orders*", p=0.005),
)
# Chances by cycle.
CUT, FULL_DISK, MEDDLING, REFUND = 0.1, 0.1, 0.2, 0.2


@pytest.fixture(scope="module")
def imported() -> Iterator[Scene]:
    shelf = Files()
    yield played(beginning(shelf, PEOPLE), first_import)[1]
    shelf.close()


@pytest.mark.parametrize(
    ("days", "seed"), [(1, 0), *(pytest.param(30, seed, marks=pytest.mark.chaos) for seed in range(1, 6))]
)
def test_under_all_faults_at_once_nothing_forbidden_is_done_and_all_comes_right(
    imported: Scene, days: int, seed: int
) -> None:
    with imported.opened() as stage, Judge(stage) as judge:
        chance = Random(seed)
        for n in range(days * CYCLES_A_DAY):
            stage.later(DAY // CYCLES_A_DAY)
            happen(stage, judge, chance, n)
            works(stage, judge, chance)
        stage.restart()
        for _ in range(2):
            settles(stage)
            # The mean of all buyers is worked out once a day.
            stage.later(DAY)
        settles(stage)
        assert [*left_over(stage), *judge.arrears()] == []


def happen(stage: Stage, judge: Judge, chance: Random, n: int) -> None:
    """People buy, known ones and strangers; now and then money goes back, and somebody changes in the audience."""
    shop = chance.choice(["acme", "cafe"])
    email = f"stranger.{n}@example.com"
    if chance.random() < 0.6:
        email = chance.choice([one.email for one in stage.world.shops[shop].customers if one.email])
    buys(stage, shop, email, f"{chance.randint(5, 150)}.00", consent="subscribed" if shop == "acme" else True)
    if chance.random() < REFUND:
        order = sorted(stage.world.shops["acme"].orders, key=lambda one: one.placed_at)[-1]
        if not order.refunds:
            happenings.refund(stage.world.shops["acme"], {"order_id": order.id})
    if chance.random() < MEDDLING:
        known = sorted(email for email, member in stage.state().items() if member["status"] == "subscribed")
        change: dict[str, Any] = chance.choice(
            [{"status": "unsubscribed"}, {"status": "cleaned"}, {"tags": {"add": ["newsletter"]}, "by": "admin"}]
        )
        stage.members.act(chance.choice(known), change)
        judge.look()


def works(stage: Stage, judge: Judge, chance: Random) -> None:
    """One cycle under faults, perhaps the last of its process; nothing was done in it that never may be."""
    for fault in FAULTS:
        stage.world.faults.add(fault)
    drawn = chance.random()
    broken = (
        Break(chance.randint(1, 60), "cut after" if drawn < CUT else "refused") if drawn < CUT + FULL_DISK else None
    )
    before = Counter(journeys(stage))
    with stage.watched(broken):
        for error in stage.work():
            if isinstance(error, UnsafePlan):
                stage.approve(error.plan_id)
    stage.world.faults.clear()
    twice = {entry: times for entry, times in (Counter(journeys(stage)) - before).items() if times > 1}
    assert [f"I6: {entry} {times} times in one cycle" for entry, times in twice.items()] == []
    told = Counter(each.properties["episode"] for one in stage.members.members for each in one.events)
    assert [f"I6: the episode {episode} was told {times} times" for episode, times in told.items() if times > 1] == []
    assert judge.trespasses() == []
    judge.look()
    stage.restart()


def settles(stage: Stage) -> None:
    """Whatever waits is sent."""
    cycle(stage)
    if held := stage.held():
        stage.approve(held)
    cycle(stage)
