"""Why one customer is in a segment or not: the values behind each condition of its rule."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from types import MappingProxyType
from typing import Any

import numpy as np

from syncd.lifecycle.columns import Batch
from syncd.rules.chances import why_off
from syncd.rules.evaluation import value_of
from syncd.rules.judgement import in_force, settle
from syncd.rules.names import NAMES
from syncd.rules.parser import parse
from syncd.rules.playbook import Playbook
from syncd.rules.rhythm import why_unknown
from syncd.rules.scope import TYPICAL_GAP, Scope
from syncd.rules.showing import shown
from syncd.rules.specs import Segment
from syncd.rules.tree import Node, Operation, calls, conditions

USUAL_METRICS = (
    "spend(ever)",
    "spend(6 months)",
    "spend(this year)",
    "orders(ever)",
    "average_order(ever)",
    "first_order",
    "last_order",
    "since_first_order",
    "since_last_order",
    "since_signup",
    "subscribed",
    "country",
)
# Only where the audience's typical gap is at hand.
METRICS_OF_GAPS = ("order_gap", "lateness", "next_order")


def explain(
    playbook: Playbook,
    batch: Batch,
    today: int,
    figures: Mapping[str, float | None],
    bits: Mapping[str, int],
    now: int | None = None,
) -> list[dict[str, Any]]:
    """Of the only customer of `batch`, for each segment: its `name`, whether `in`, and the `values` behind it.

    A value is that of a condition as written (`expression`): what was measured (`value`), what it was
    compared with where that is measured too (`against`), and whether the condition `holds`. What is
    measured by order gaps has a `note` with the gap and the days since the last order, or why there is no
    `usual`. Where only `stay_while` keeps the customer in, its conditions follow and `stays` is true.
    Where the fallback of a segment is in force, the values are its own and `fallback` says why; else None.
    """
    scope = Scope(batch, today, figures, now=now)
    return [_segment(segment, scope, bits[segment.name]) for segment in playbook.segments]


def metrics_of(
    batch: Batch, today: int, figures: Mapping[str, float | None] = MappingProxyType({}), now: int | None = None
) -> dict[str, Any]:
    """The usual metrics of the only customer of `batch`, each under its expression."""
    scope = Scope(batch, today, figures, now=now)
    texts = USUAL_METRICS + (METRICS_OF_GAPS if TYPICAL_GAP in figures else ())
    return {text: _shown(_usual(text), scope) for text in texts}


def _segment(segment: Segment, scope: Scope, bit: int) -> dict[str, Any]:
    inside = bool(settle(segment, scope, bit)[0])
    when, stay_while = in_force(segment, scope)
    falls_back = when is segment.fallback
    values = _conditions(when, segment.fallback_text if falls_back else segment.when_text, scope)
    stays = inside and not value_of(when, scope)[0]
    if stays and stay_while:
        values += _conditions(stay_while, segment.stay_while_text, scope)
    reason = why_unknown(scope.figures) if falls_back else None
    return {"name": segment.name, "in": inside, "stays": stays, "fallback": reason, "values": values}


def _conditions(rule: Node, text: str, scope: Scope) -> list[dict[str, Any]]:
    return [{"expression": text[slice(*node.span)], **_condition(node, scope)} for node in conditions(rule)]


def _condition(node: Node, scope: Scope) -> dict[str, Any]:
    """What a condition measured. `250 <= spend(ever)` is about spend, though it begins with a number."""
    holds = bool(value_of(node, scope)[0])
    if not isinstance(node, Operation):
        return {"value": holds, "holds": holds}
    measured = [operand for operand in node.operands if any(calls(operand))] or list(node.operands[:1])
    value, *against = (_shown(operand, scope) for operand in measured)
    note = "; ".join(_notes(node, scope))
    return {
        "value": value,
        **({"against": against} if against else {}),
        **({"note": note} if note else {}),
        "holds": holds,
    }


def _notes(node: Node, scope: Scope) -> Iterator[str]:
    """What is behind the lateness of somebody who has ordered; and why there is nothing to hold it against."""
    used = list(calls(node))
    if any(NAMES[call.name].of_gaps for call in used) and not np.isnan(gap := float(scope.order_gap()[0])):
        since = int(scope.today - scope.last_order()[0])
        yield f"usual gap {_of_days(round(gap, 0 if gap >= 10 else 1))}, last order {_of_days(since)} ago"
    if any(NAMES[call.name].usual and np.isnan(scope.figure(str(call))) for call in used):
        yield why_unknown(scope.figures)
    yield from (reason for call in used if NAMES[call.name].of_buying and (reason := why_off(scope.figures, call)))


def _of_days(days: float) -> str:
    return f"{days:g} day{'' if days == 1 else 's'}"


def _shown(node: Node, scope: Scope) -> Any:
    return shown(value_of(node, scope), node.kind, scope.batch.currency_exponent)[0]


@cache
def _usual(text: str) -> Node:
    return parse(text)
