"""A rule tried out before it is used: how many, which part of the revenue, and who else has them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from syncd.calendar import date_of
from syncd.errors import UserError
from syncd.lifecycle import metrics
from syncd.rules import When, evaluate, judge, needs_of, parse_rule, parts
from syncd.steps.context import Context
from syncd.steps.figures import columns_of, figures_for, figures_on, moment_in
from syncd.views.common import tags_of
from syncd.views.replay import replay

Flags = NDArray[np.bool_]


def preview(context: Context, name: str, rule: str, today: int) -> dict[str, Any]:
    """A rule tried out: size, the size of each part, share of revenue, overlap with each segment.

    Raises: RuleError for a rule that cannot be read; UserError where there is nobody to try it on.
    """
    audience, tags = context.settings.audiences[name], tags_of(context, name)
    tree = parse_rule(rule, segments=list(tags.bits))
    playbook = audience.playbook.only(tags.bits)
    # Everybody is looked at again and again, and reading them takes far longer than looking.
    everybody = list(columns_of(context, name, today, None, playbook.needs | needs_of(tree)))
    if not everybody:
        raise UserError(f"nobody is known in audience {name} yet", hint="run `syncd backfill` first")
    figures = figures_on(context, name, today, playbook, everybody)
    figures |= figures_for(context, name, [tree], today, everybody)
    pieces, now = parts(tree), moment_in(context, audience, today)
    rows = [
        (
            *(evaluate(rule_, batch, today, figures, judgement.inside, now) for rule_ in (tree, *pieces)),
            metrics.spend_minor(batch, "ever", today),
            batch.subscribed,
            judgement.segments,
        )
        for batch in everybody
        for judgement in [judge(playbook, batch, today, figures, tags.bits, now)]
    ]
    inside, *of_parts, money, subscribed, segments = (np.concatenate(column) for column in zip(*rows, strict=True))
    return {
        "rule": rule,
        "audience": name,
        "as_of": date_of(today).isoformat(),
        "customers": int(inside.sum()),
        "everybody": len(inside),
        "share": float(inside.mean()),
        "subscribed": int((inside & subscribed).sum()),
        "revenue_share": _share(money[inside].sum(), money.sum()),
        "parts": [
            {"rule": str(piece), "customers": int(column.sum())} for piece, column in zip(pieces, of_parts, strict=True)
        ],
        "overlap": [_overlap(segment, segments >> bit & 1 == 1, inside) for segment, bit in tags.bits.items()],
        **replay(audience.playbook.trying(tree), everybody, When(today, now, figures)),
    }


def _overlap(segment: str, members: Flags, inside: Flags) -> dict[str, Any]:
    """How many of a segment's customers the rule holds for, and which share of the segment they are."""
    both = int((members & inside).sum())
    return {"name": segment, "customers": both, "share": _share(both, members.sum())}


def _share(part: float, whole: float) -> float:
    return float(part / whole) if whole else 0.0
