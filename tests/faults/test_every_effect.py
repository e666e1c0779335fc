"""Whatever request or commit of a few days breaks, and however: within three cycles all is as if nothing had been.

On every run: each write and commit of one live cycle, of the whole story every 150th break, and a few pairs.
`make chaos`: all of them, and many pairs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import islice
from random import Random

import pytest

from tests.faults.harness import Break
from tests.faults.runs import Chapter, Story, faults_of
from tests.faults.shelves import Databases
from tests.faults.story import CHAPTERS

STRIDE = 150
ON_POSTGRESQL = 150
# A cycle that mends has about so many effects.
EFFECTS_OF_A_CYCLE = 70


def broken(breaks: Iterable[tuple[Chapter, *tuple[Break, ...]]]) -> str:
    """What came of it where it was not as it should be: nothing."""
    found = ((chapter, each, faults_of(chapter, *each)) for chapter, *each in breaks)
    return "\n".join(
        f"{chapter.name}: {'; then '.join(map(str, each))}:\n" + "\n".join(f"    {fault}" for fault in faults)
        for chapter, each, faults in found
        if faults
    )


def pairs(story: Story, count: int) -> list[tuple[Chapter, Break, Break]]:
    """The process ends somewhere, and once more while it goes on from there."""
    chance = Random(count)
    first = [(chapter, each) for chapter, each in everything(story) if each.manner == "cut after"]
    places = (chance.randint(1, EFFECTS_OF_A_CYCLE) for _ in range(count))
    return [(*one, Break(at, "cut after")) for one, at in zip(chance.choices(first, k=count), places, strict=True)]


def everything(story: Story) -> list[tuple[Chapter, Break]]:
    """All that can be broken in the story."""
    return [(chapter, each) for chapter in story.values() for each in chapter.breaks()]


def test_the_story_has_effects_of_every_kind(story: Story) -> None:
    names = {(effect.kind, effect.name.partition(" ")[0]) for each in story.values() for effect in each.effects}
    assert {("request", method) for method in ("GET", "POST", "PUT", "PATCH", "DELETE")} <= names
    written = {effect.name for each in story.values() for effect in each.effects}
    assert {f"POST mailchimp /3.0/{path}" for path in ("batches", "lists/…/members/…/events")} <= written
    assert {"outbox.take", "outbox.confirm", "ingest.ingest", "members.store_members"} <= written
    assert len(everything(story)) > 1_500


def test_a_process_may_end_after_any_effect_of_a_live_cycle(story: Story) -> None:
    chapter = story["orders"]
    # After a question all is as after the effect before it.
    ends = (each for each in chapter.breaks() if each.manner == "cut after" and not each.at.name.startswith("GET "))
    assert not broken((chapter, each) for each in ends)


def test_what_breaks_here_and_there_in_a_few_days_leaves_no_trace(story: Story) -> None:
    assert not broken(islice(everything(story), 7, None, STRIDE))


def test_a_process_may_end_again_while_it_goes_on_from_there(story: Story) -> None:
    assert not broken(pairs(story, 5))


@pytest.mark.chaos
def test_a_process_may_end_again_and_again(story: Story) -> None:
    assert not broken(pairs(story, 300))


@pytest.mark.chaos
@pytest.mark.parametrize("chapter", [happen.__name__ for happen in CHAPTERS])
def test_whatever_breaks_leaves_no_trace(story: Story, chapter: str) -> None:
    assert not broken((story[chapter], each) for each in story[chapter].breaks())


@pytest.mark.chaos
def test_what_breaks_on_postgresql_leaves_no_trace(history_url: Callable[[str], str]) -> None:
    story = Story(Databases(history_url("postgresql")))
    assert not broken(islice(everything(story), 3, None, len(everything(story)) // ON_POSTGRESQL))
