"""The service as a process of its own, killed at random again and again while people buy: it loses and repeats nothing.

On every run five kills; `make chaos`: fifty.
"""

from __future__ import annotations

import signal
from collections.abc import Sequence
from random import Random

import pytest

from tests.conftest import START
from tests.faults.harness import Stage
from tests.faults.oracle import Judge
from tests.faults.runs import CYCLES, Story, cycle, is_quiet, wait_within_a_cycle
from tests.faults.story import buys
from tests.integration.house import DAY
from tests.system.conftest import starting

POLL_MINUTES = 10


def happen(stage: Stage, number: int, known: Sequence[str]) -> None:
    """Ten minutes later a stranger buys and agrees to mail, and one of the known people buys, each of them once."""
    stage.later(POLL_MINUTES * 60)
    buys(stage, "acme", f"stranger.{number}@example.com", "21.00", consent="subscribed")
    for email in known[number : number + 1]:
        buys(stage, "cafe", email, "30.00", consent=True)


@pytest.mark.parametrize("kills", [5, pytest.param(50, marks=pytest.mark.chaos)])
def test_killed_in_the_middle_of_its_work_the_service_loses_and_repeats_nothing(story: Story, kills: int) -> None:
    chance = Random(kills)
    with story["orders"].scene.opened() as stage, Judge(stage) as judge:
        known = sorted(email for email, bought in judge.bought().items() if bought[-1].placed_at < START)
        config = stage.directory / "syncd.toml"
        stage.history.close()
        config.write_text(config.read_text().replace("sqlite:///syncd.db", str(stage.history.engine.url)))
        with starting(config, stage.directory) as start:
            for number in range(kills):
                happen(stage, number, known)
                before, service = stage.requests(), start()
                service.message("READY=1")
                wait_within_a_cycle(stage, before, chance)
                assert service.stop(signal.SIGKILL) == -signal.SIGKILL
        stage.restart()
        for _ in range(CYCLES):
            assert cycle(stage) == []
        assert judge.violations(vip=False) == []
        stage.later(DAY)
        for _ in range(CYCLES):
            assert cycle(stage) == []
        assert judge.violations() == []
        assert is_quiet(stage)
        assert judge.given("thanks") >= {f"stranger.{number}@example.com" for number in range(kills)}
