"""What happened to one person and was to be told to the e-mail service, and what became of it."""

from __future__ import annotations

from typing import Any

from syncd.history import moments
from syncd.steps.context import Context
from syncd.views.common import iso

SHOWN = 10


def last_moments(context: Context, name: str, customer_id: int) -> list[dict[str, Any]]:
    """The last occasions of a person, the latest first, as of now."""
    return [
        {
            "name": one.name,
            "happened": iso(one.happened_at),
            "due": iso(one.due_at),
            "state": one.state,
            "reason": one.reason,
            "settled": iso(one.settled_at),
        }
        for one in moments.of_person(context.history, name, customer_id, SHOWN)
    ]
