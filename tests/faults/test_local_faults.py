"""What breaks around syncd on its own machine: the disk is full or fails, the database or the log is gone, signals.

In each of them it ends cleanly or goes on, nothing is half done, and all is right when the trouble is over.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterable
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

import pytest

from syncd.errors import SyncdError, TransientError, UserError
from tests.faults.disk import FULL, IOERR_WRITE, OK, READONLY, traced
from tests.faults.harness import Stage
from tests.faults.oracle import Judge
from tests.faults.runs import CYCLES, Chapter, Story, cycle, is_quiet, left_wrong, wait_within_a_cycle
from tests.faults.story import buys
from tests.system.conftest import starting


def directory_of(stage: Stage) -> Path:
    """Where its database lies."""
    return Path(str(stage.history.engine.url.database)).parent


def failing_from(stage: Stage, first: int, code: int) -> list[SyncdError]:
    """The errors of a cycle in which the disk takes no write from the `first` one on."""
    numbers = count(1)
    stage.history.close()
    with traced(directory_of(stage), lambda file: code if next(numbers) >= first else OK):
        errors = stage.work()
        stage.history.close()
    return errors


def writes_of(chapter: Chapter) -> int:
    """How many writes a cycle takes."""
    with chapter.scene.opened() as stage:
        stage.history.close()
        with traced(directory_of(stage)) as trace:
            assert stage.work() == []
            stage.history.close()
    return sum(each.what == "write" for each in trace.happened)


def broken(chapter: Chapter, places: Iterable[int], code: int, says: str) -> list[str]:
    """What is wrong after the disk failed at these places, each in a run of its own; nothing, as it should be."""
    found = []
    for first in places:
        with chapter.scene.opened() as stage, Judge(stage) as judge:
            errors = failing_from(stage, first, code)
            found += [f"{first}: {err!r}" for err in errors if says not in str(err)]
            left = left_wrong(stage, chapter.outcome) + judge.violations(vip=chapter.new_day)
            found += [f"{first}: {each}" for each in left]
    return found


@pytest.mark.parametrize(
    "stride", [pytest.param(80, id="here and there"), pytest.param(1, marks=pytest.mark.chaos, id="everywhere")]
)
@pytest.mark.parametrize(
    ("code", "says"),
    [
        (FULL, "the disk is full"),
        (IOERR_WRITE, "the disk under the database fails"),
        # As a file system answers that was mounted anew, read-only.
        (READONLY, "the database cannot be written"),
    ],
)
def test_a_disk_that_takes_no_more_stops_a_cycle_cleanly(story: Story, code: int, says: str, stride: int) -> None:
    chapter = story["orders"]
    assert broken(chapter, range(1, writes_of(chapter), stride), code, says) == []


def test_a_database_that_is_moved_away_is_not_made_anew_and_all_goes_on_when_it_is_back(story: Story) -> None:
    chapter = story["orders"]
    with chapter.scene.opened() as stage, Judge(stage) as judge:
        stage.history.close()
        file = directory_of(stage) / "syncd.db"
        file.rename(file.with_name("elsewhere.db"))
        (error,) = stage.work()
        assert isinstance(error, UserError | TransientError)
        assert not file.exists()
        file.with_name("elsewhere.db").rename(file)
        assert left_wrong(stage, chapter.outcome) == []
        assert judge.violations(vip=chapter.new_day) == []


def served(stage: Stage) -> Path:
    """The configuration for a service of its own on the stage's history."""
    config = stage.directory / "syncd.toml"
    stage.history.close()
    config.write_text(config.read_text().replace("sqlite:///syncd.db", str(stage.history.engine.url)))
    return config


def test_a_log_that_takes_no_more_stops_nothing(story: Story) -> None:
    chapter = story["orders"]
    with chapter.scene.opened() as stage, Judge(stage) as judge:
        command = [sys.executable, "-m", "syncd", "--config", str(served(stage)), "sync"]
        with open("/dev/full", "w") as full:
            done = subprocess.run(command, stderr=full, stdout=subprocess.PIPE, check=False)
        assert done.returncode == 0
        assert left_wrong(stage, chapter.outcome) == []
        assert judge.violations(vip=chapter.new_day) == []


@pytest.mark.parametrize("times", [4, pytest.param(50, marks=pytest.mark.chaos)])
def test_asked_to_stop_at_any_moment_the_service_stops_within_ten_seconds_and_nothing_is_lost(
    story: Story, times: int
) -> None:
    chance = Random(times)
    with story["orders"].scene.opened() as stage, Judge(stage) as judge:
        with starting(served(stage), stage.directory) as start:
            for number in range(times):
                stage.later(600)
                buys(stage, "acme", f"stranger.{number}@example.com", "21.00", consent="subscribed")
                before, service = stage.requests(), start()
                service.message("READY=1")
                wait_within_a_cycle(stage, before, chance)
                # Waits for ten seconds, no longer.
                assert service.stop(signal.SIGTERM) == 0
                assert service.events()[-1] == "stopped"
        stage.restart()
        for _ in range(CYCLES):
            assert cycle(stage) == []
        assert judge.violations(vip=False) == []
        assert is_quiet(stage)


def test_a_wrong_configuration_is_refused_and_the_service_goes_on_with_the_old_one(story: Story) -> None:
    with story["orders"].scene.opened() as stage:
        config = served(stage)
        good = config.read_text()
        wrong: dict[str, Any] = {
            "no text at all": b"\xff\xfe",
            "no TOML": good.replace("[syncd]", "[syncd"),
            "an unknown key": good.replace("[syncd]", "[syncd]\nnonsense = 1"),
            "a wrong rule": good.replace("orders(ever) >= 2", "orders(ever) >= "),
            "another database": good.replace("sqlite:///", "sqlite:////tmp"),
            "nothing": "",
        }
        with starting(config, stage.directory) as start:
            service = start()
            service.message("STATUS=cycle of")
            for text in wrong.values():
                config.write_bytes(text if isinstance(text, bytes) else text.encode())
                service.reload()
            config.unlink()
            service.reload()
            assert service.events().count("the configuration stays as it was") == len(wrong) + 1
            config.write_text(good)
            service.reload()
            assert "configuration read again" in service.events()
            assert service.stop() == 0
