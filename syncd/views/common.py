"""What the views share: the tags of an audience, and instants as text."""

from __future__ import annotations

import numpy as np

from syncd.history import ledger
from syncd.plan import Tags
from syncd.steps.context import Context


def iso(instant: int | None) -> str | None:
    """An instant as text in UTC: `2026-11-22T09:00:00Z`."""
    return None if instant is None else f"{np.datetime64(instant, 's')}Z"


def tags_of(context: Context, name: str) -> Tags:
    """The tags of an audience, without writing down new ones."""
    audience = context.settings.audiences[name]
    return ledger.tags_of(context.history, name, audience.playbook, audience.tag_prefix, write=False)
