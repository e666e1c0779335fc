"""Mailchimp's own clients, Python and Node, unchanged, live through what the reference says."""

from __future__ import annotations

from itertools import islice
from typing import Any

import pytest
from drivers import Outcome, play_node, play_python
from reference import ROWS, STEPS
from sandboxes import empty_sandbox
from table import ABSENT, Bare, Refused, Step, difference, filled

pytestmark = pytest.mark.off_schema("the reference also says what the service makes of wrong requests")

# The reference tells what is refused, so the table sends it. Every answer is held against the schema.
pytestmark = pytest.mark.off_schema("much of what the reference tells is how the service refuses")

Life = dict[str, list[tuple[Step, Any, Outcome]]]


@pytest.fixture(scope="module", params=["python", "node"])
def life(request: pytest.FixtureRequest) -> Life:
    """Each row's steps with what they should give and what the client made of them."""
    modules = request.getfixturevalue("node_modules") if request.param == "node" else None
    with empty_sandbox() as running:
        outcomes = play_node(STEPS, running.urls, modules) if modules else play_python(STEPS, running.urls)
    played = zip(STEPS, outcomes, strict=True)
    kept: dict[str, Any] = {"sandbox": running.urls}
    lived: Life = {row: [] for row in ROWS}
    for row, steps in ROWS.items():
        for step, outcome in islice(played, len(steps)):
            lived[row].append((step, filled(step.gives, kept), outcome))
            if step.keep:
                kept[step.keep] = outcome["body"]
    return lived


@pytest.mark.parametrize("row", ROWS)
def test_the_clients_see_what_the_reference_says(life: Life, row: str) -> None:
    faults = [(f"{step.call}{step.args}", fault(expected, outcome)) for step, expected, outcome in life[row]]
    assert not [each for each in faults if each[1]]


def fault(expected: Any, outcome: Outcome) -> str:
    """How the outcome differs from the one expected; "" for not at all."""
    if isinstance(expected, Bare):
        return "" if expected.status in (outcome.get("refused"), outcome.get("swallowed")) else str(outcome)[:300]
    if isinstance(expected, Refused):
        return difference(refusal(expected), outcome)
    return difference({"body": expected, "refused": ABSENT}, outcome)


def refusal(expected: Refused) -> Outcome:
    """The part of an outcome that `expected` speaks of."""
    document = {"status": expected.status, "title": expected.title}
    document |= {"detail": expected.detail} if expected.detail else {}
    document |= {"errors": list(expected.errors)} if expected.errors else {}
    document |= {} if expected.typed else {"type": ABSENT}
    return {"refused": expected.status, "body": document}
