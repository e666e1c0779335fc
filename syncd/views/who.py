"""Who is in which segment on a day: sizes, and names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from syncd.calendar import date_of
from syncd.errors import UserError
from syncd.history import ledger
from syncd.history.people import emails_of
from syncd.history.stays import moves_since
from syncd.lifecycle.columns import FOREVER, Batch
from syncd.plan import Tags
from syncd.rules import Judgement, Playbook, due_times, judge
from syncd.steps.context import Context
from syncd.steps.figures import columns_of, figures_on, moment_in
from syncd.views.common import iso, tags_of

DAY_SECONDS = 86_400


def segments(context: Context, name: str, today: int) -> dict[str, Any]:
    """Each segment with its size, its members, who moved in the last 24 hours, and when the first may move next."""
    tags = tags_of(context, name)
    playbook = context.settings.audiences[name].playbook.only(tags.bits)
    found = _judged(context, name, playbook, tags, today)
    parts = [(batch.customer, judged.segments, _first_due(playbook, judged)) for batch, judged in found]
    ids, bits = _together(part[:2] for part in parts)
    tagged = ledger.tagged(context.history, name)
    known = np.array([tagged.get(id_, 0) for id_ in ids.tolist()], np.int64)
    moves = moves_since(context.history, name, context.clock.now() - DAY_SECONDS)
    rows = []
    for segment in playbook.segments:
        bit = tags.bits[segment.name]
        joined, left = moves.get(bit, (0, 0))
        due = min((part[2][segment.name] for part in parts), default=FOREVER)
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
                "next_due": iso(None if due == FOREVER else due),
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
    bit, playbook = tags.bits[segment], context.settings.audiences[name].playbook.only([segment])
    found = _judged(context, name, playbook, tags, today)
    ids, bits = _together((batch.customer, judged.segments) for batch, judged in found)
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


def _judged(
    context: Context, name: str, playbook: Playbook, tags: Tags, today: int
) -> Iterator[tuple[Batch, Judgement]]:
    """Everybody, judged on a local day by these segments; only what they need is read."""
    figures = figures_on(context, name, today, playbook)
    now = moment_in(context, context.settings.audiences[name], today)
    for batch in columns_of(context, name, today, None, playbook.needs):
        yield batch, judge(playbook, batch, today, figures, tags.bits, now)


def _together(found: Iterable[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    """Everybody's id and bit set of segments, of all batches."""
    nobody = np.zeros(0, np.int64)
    ids, bits = zip((nobody, nobody), *found, strict=True)
    return np.concatenate(ids), np.concatenate(bits)


def _first_due(playbook: Playbook, judgement: Judgement) -> dict[str, int]:
    """The first instant at which somebody of a batch may join or leave each segment by the calendar alone."""
    due = due_times(playbook, judgement).segments
    return {segment: int(instants.min(initial=FOREVER)) for segment, instants in due.items()}
