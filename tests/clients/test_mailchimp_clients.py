"""Mailchimp's own clients, Python and Node, unchanged, live through what the reference says."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from tests.clients.drivers import Outcome, play_node, play_python
from tests.clients.reference import ROWS, STEPS
from tests.clients.sandboxes import empty_sandbox
from tests.clients.table import ABSENT, Bare, Refused, Step, difference, filled

# The reference tells what is refused, so the table sends it. Every answer is held against the schema.
pytestmark = pytest.mark.off_schema("much of what the reference tells is how the service refuses")

# Each row's steps, what they should give, and what the client made of them.
Life = dict[str, list[tuple[Step, Any, Outcome]]]
CLIENTS = ["python", "node"]


@pytest.fixture(scope="module")
def life_of(request: pytest.FixtureRequest) -> Callable[[str], Life]:
    """The life that a client had, each in a sandbox of its own and only once."""

    @cache
    def live(client: str) -> Life:
        modules = request.getfixturevalue("node_modules") if client == "node" else None
        return _lived(modules)

    return live


def _lived(modules: Path | None) -> Life:
    with empty_sandbox() as running:
        outcomes = play_node(STEPS, running.urls, modules) if modules else play_python(STEPS, running.urls)
    played = zip(STEPS, (_placeless(each, running.urls) for each in outcomes), strict=True)
    kept: dict[str, Any] = {"sandbox": {name: name for name in running.urls}}
    lived: Life = {row: [] for row in ROWS}
    for row, steps in ROWS.items():
        for step, outcome in islice(played, len(steps)):
            lived[row].append((step, filled(step.gives, kept), outcome))
            if step.keep:
                kept[step.keep] = outcome["body"]
    return lived


def _placeless(outcome: Outcome, urls: Mapping[str, str]) -> Outcome:
    """The outcome with a server's name in the place of its address, which is another one in each life."""
    text = json.dumps(outcome)
    for name, url in urls.items():
        text = text.replace(url, name)
    placeless: Outcome = json.loads(text)
    return placeless


@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize("client", CLIENTS)
def test_the_clients_see_what_the_reference_says(life_of: Callable[[str], Life], client: str, row: str) -> None:
    faults = [(f"{step.call}{step.args}", fault(expected, outcome)) for step, expected, outcome in life_of(client)[row]]
    assert not [each for each in faults if each[1]]


def test_both_clients_see_the_same_to_the_last_letter(life_of: Callable[[str], Life]) -> None:
    for one, other in zip(*(life_of(client).values() for client in CLIENTS), strict=True):
        for (step, expected, seen), (*_, also_seen) in zip(one, other, strict=True):
            if not isinstance(expected, Bare):
                assert seen == also_seen, step.call


def fault(expected: Any, outcome: Outcome) -> str:
    """How the outcome differs from the one expected; "" for not at all."""
    if isinstance(expected, Bare):
        return "" if expected.status in (outcome.get("refused"), outcome.get("swallowed")) else str(outcome)[:300]
    if isinstance(expected, Refused):
        return difference(refusal(expected), outcome)
    return difference({"body": expected, "refused": ABSENT}, outcome)


def refusal(expected: Refused) -> Outcome:
    """The part of an outcome that `expected` speaks of."""
    document: dict[str, Any] = {"status": expected.status, "title": expected.title}
    document |= {"detail": expected.detail} if expected.detail else {}
    document |= {"errors": list(expected.errors)} if expected.errors else {}
    document |= {} if expected.typed else {"type": ABSENT}
    return {"refused": expected.status, "body": document}
