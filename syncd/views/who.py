"""Who is in which segment on a day: sizes, and names."""

from __future__ import annotations

from typing import Any

import numpy as np

from syncd.calendar import date_of, midnight
from syncd.errors import UserError
from syncd.history import ledger
from syncd.history.people import emails_of
from syncd.plan import Tags
from syncd.steps.context import Context
from syncd.steps.judge import figures_on, judgements
from syncd.views.common import iso, tags_of

DAY_SECONDS = 86_400


def segments(context: Context, name: str, today: int) -> dict[str, Any]:
    """Each segment with its size, its members, and who moved in the last 24 hours."""
    audience, tags = context.settings.audiences[name], tags_of(context, name)
    ids, bits = _standing(context, name, tags, today)
    tagged = ledger.tagged(context.history, name)
    known = np.array([tagged.get(id_, 0) for id_ in ids.tolist()], np.int64)
    moves = ledger.moves_since(context.history, name, context.clock.now() - DAY_SECONDS)
    rows = []
    for segment in audience.playbook.segments:
        bit = tags.bits[segment.name]
        joined, left = moves.get(bit, (0, 0))
        rows.append(
            {
                "name": segment.name,
                "tag": tags.names[bit],
                "when": segment.when_text,
                "describe": segment.describe,
                "customers": int(np.count_nonzero(bits >> bit & 1)),
                "members": int(np.count_nonzero((bits & known) >> bit & 1)),
                "joined": joined,
                "left": left,
                # Every rule speaks in local days, so the next midnight is the next time anybody can move.
                "next_due": iso(midnight(today + 1, audience.timezone)),
            }
        )
    return {"as_of": date_of(today).isoformat(), "audience": name, "segments": rows}


def members(context: Context, name: str, segment: str, today: int) -> dict[str, Any]:
    """Who is in a segment, and who of them bears its tag; both sorted by address.

    Raises: UserError for a segment that is not in the playbook.
    """
    tags = tags_of(context, name)
    if segment not in tags.bits:
        raise UserError(f"no segment {segment!r} in audience {name}; there are: {', '.join(tags.bits)}")
    bit = tags.bits[segment]
    ids, bits = _standing(context, name, tags, today)
    inside = ids[(bits >> bit & 1).astype(bool)].tolist()
    emails = emails_of(context.history, inside)
    tagged = ledger.tagged(context.history, name)
    return {
        "as_of": date_of(today).isoformat(),
        "audience": name,
        "segment": segment,
        "customers": sorted(emails[id_] for id_ in inside),
        "members": sorted(emails[id_] for id_ in inside if tagged.get(id_, 0) >> bit & 1),
    }


def _standing(context: Context, name: str, tags: Tags, today: int) -> tuple[np.ndarray, np.ndarray]:
    """Everybody's id and bit set of segments on a local day."""
    figures = figures_on(context, name, today)
    found = [(b.customer, j.segments) for b, j in judgements(context, name, tags, today, figures, None)]
    nobody = np.zeros(0, np.int64)
    ids, bits = zip(*found, strict=True) if found else ((nobody,), (nobody,))
    return np.concatenate(ids), np.concatenate(bits)
