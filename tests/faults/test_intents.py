"""What is about to be sent is marked before, and what had no answer is asked for, person by person, before anything is
repeated: not left to a list of what changed, in which the service may show it late.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import select

from syncd import pipeline
from syncd.effects import standing_between
from syncd.history import outbox
from syncd.history.schema import customers, standings
from syncd.history.schema import outbox as rows
from syncd.steps.push import settle
from tests.faults.harness import Break, Stage
from tests.faults.runs import Story


def test_nothing_is_sent_before_it_is_marked_as_being_sent(story: Story) -> None:
    marked: list[bool] = []
    with story["orders"].scene.opened() as stage:

        def look(kind: str, name: str, act: Callable[[], Any]) -> Any:
            if kind == "request" and "/members/" in name and not name.startswith("GET"):
                with stage.history.read() as db:
                    marked.append("sending" in db.execute(select(rows.c.state)).scalars().all())
            return act()

        with standing_between(look):
            assert stage.work() == []
    assert marked
    assert all(marked)


def test_what_had_no_answer_is_read_from_the_service_before_anything_is_repeated(story: Story) -> None:
    chapter = story["orders"]
    tagging = next(each for each in chapter.effects if each.name.startswith("POST") and each.name.endswith("/tags"))
    with chapter.scene.opened() as stage:
        with stage.watched(Break(tagging, "answer lost")):
            stage.work()
        doubtful = outbox.unsettled(stage.history, "main")
        assert doubtful
        destination, tags = pipeline.open_audience(stage.context, "main")
        settle(stage.context, "main", destination, tags)
        for email in doubtful:
            assert {tags.names[bit] for bit in known(stage, email)} == {f"syncd:{tag}" for tag in stage.tags(email)}


def known(stage: Stage, email: str) -> set[int]:
    """The bits of the tags that the person is known to have."""
    query = select(standings.c.known_tags).join(customers, customers.c.id == standings.c.customer_id)
    with stage.history.read() as db:
        bits = db.execute(query.where(customers.c.email == email)).scalar_one()
    return {bit for bit in range(bits.bit_length()) if bits >> bit & 1}
