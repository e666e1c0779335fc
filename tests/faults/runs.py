"""One run from a scene: something breaks, syncd starts anew, and within three cycles all is as if nothing had been."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

from tests.faults.harness import MANNERS, MINUTE, Break, Effect, Scene, Stage
from tests.faults.oracle import Judge, Outcome
from tests.faults.shelves import Shelf
from tests.faults.story import CHAPTERS, Happening, beginning

# So many polls later everything is as it would have been.
CYCLES = 3
POLL_SECONDS = 2 * MINUTE
# In a cycle in which a few people bought, by a new process; what is longer is over by then.
REQUESTS_OF_A_CYCLE = 30
CYCLE_SECONDS = 5.0


@dataclass(frozen=True)
class Chapter:
    """Something has just happened: the scene, the effects of the cycle that follows, and what it comes to.

    `new_day`: figures of the whole audience are taken anew in it.
    """

    name: str
    scene: Scene
    effects: tuple[Effect, ...]
    outcome: Outcome
    new_day: bool

    def breaks(self) -> Iterator[Break]:
        """All that can be broken in it, in the order of its effects."""
        for effect in self.effects:
            for manner in MANNERS[effect.kind]:
                # Mailchimp takes the same event as often as it comes: there is nothing that we could send with it.
                if not (manner == "twice" and effect.name.endswith("/events")):
                    yield Break(effect, manner)


class Story(Mapping[str, Chapter]):
    """The chapters by name, each told when it is asked for; those before it, too.

    Raises: AssertionError where one does not come out as it should, without any fault.
    """

    def __init__(self, shelf: Shelf[Any]) -> None:
        self._told: dict[str, Chapter] = {}
        self._scene = beginning(shelf)

    def __getitem__(self, name: str) -> Chapter:
        for happen in CHAPTERS[len(self._told) :]:
            if name in self._told:
                break
            self._told[happen.__name__], self._scene = played(self._scene, happen)
        return self._told[name]

    def __iter__(self) -> Iterator[str]:
        return (happen.__name__ for happen in CHAPTERS)

    def __len__(self) -> int:
        return len(CHAPTERS)


def played(scene: Scene, happen: Happening) -> tuple[Chapter, Scene]:
    """The chapter, and the scene in which it ends."""
    with scene.opened() as stage:
        yesterday = stage.today()
        happen(stage)
        begun = stage.frozen()
        new_day = stage.today() != yesterday or not stage.is_imported()
    with begun.opened() as stage, Judge(stage) as judge:
        with stage.watched() as watch:
            assert stage.work() == []
        for _ in range(CYCLES):
            assert cycle(stage) == []
        assert is_quiet(stage)
        broken = judge.violations(watch, vip=new_day)
        assert not broken, f"{happen.__name__}:\n" + "\n".join(broken)
        return Chapter(happen.__name__, begun, tuple(watch.seen), Outcome.of(stage), new_day), stage.frozen()


def wait_within_a_cycle(stage: Stage, before: int, chance: Random) -> None:
    """Afterwards a service that started when there were `before` requests is somewhere in its first cycle.

    It goes by requests, not by the time: however busy the machine is, no part of the cycle is left out.
    """
    wanted = before + chance.randint(1, REQUESTS_OF_A_CYCLE)
    deadline = time.monotonic() + CYCLE_SECONDS
    while stage.requests() < wanted and time.monotonic() < deadline:
        time.sleep(0.001)
    # Commits come between two requests.
    time.sleep(chance.random() * 0.02)


def cycle(stage: Stage) -> list[str]:
    """The next poll, by a new process; its errors."""
    stage.later(POLL_SECONDS)
    stage.restart()
    return [str(error) for error in stage.work()]


def is_quiet(stage: Stage) -> bool:
    """Whether one more cycle writes nothing (I7)."""
    before = stage.requests()
    return cycle(stage) == [] and stage.writes(before) == []


def faults_of(chapter: Chapter, first: Break, *then: Break) -> list[str]:
    """What is wrong three cycles after something broke, and perhaps something else in the cycles that were to mend
    it; nothing, as it should be.
    """
    with chapter.scene.opened() as stage, Judge(stage) as judge:
        if first.manner == "twice":
            # A tag that comes twice was given once, as far as is known of the real service.
            stage.world.mailchimp.present_tag_fires = False
        errors: list[str] = []
        with stage.watched(first) as watch:
            errors = [str(error) for error in stage.work()]
        if not watch.struck:
            return ["this effect did not come up"]
        for broken in then:
            with stage.watched(broken):
                errors += cycle(stage)
        # Where one shop failed, what is known of the other was told: with all that is known it may be another thing.
        whole = not any(error.startswith("shops.") for error in errors)
        found = left_wrong(stage, chapter.outcome, whole=whole)
        return found + judge.violations(watch, vip=chapter.new_day)


def left_wrong(stage: Stage, right: Outcome, *, whole: bool = True) -> list[str]:
    """What is wrong three cycles later; nothing where all is as it should be, and one more cycle writes nothing."""
    found: list[str] = []
    for _ in range(CYCLES):
        before = stage.requests()
        found = cycle(stage) or [*Outcome.of(stage).differences(right, on_the_way=whole)]
        if not found:
            break
    # Where there was nothing left to write, that cycle was the one more.
    if stage.writes(before) and not is_quiet(stage):
        found.append("I7: one more cycle writes something")
    return found
