"""Why one customer is in a segment or not: the values behind each condition of its rule."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from syncd.lifecycle.columns import Batch
from syncd.rules.evaluation import value_of
from syncd.rules.judgement import settle
from syncd.rules.parser import parse
from syncd.rules.playbook import Playbook
from syncd.rules.scope import Scope
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


def explain(
    playbook: Playbook, batch: Batch, today: int, figures: Mapping[str, float | None], bits: Mapping[str, int]
) -> list[dict[str, Any]]:
    """Of the only customer of `batch`, for each segment: its `name`, whether `in`, and the `values` behind it.

    A value is that of a condition as written (`expression`): what was measured (`value`), what it was
    compared with where that is measured too (`against`), and whether the condition `holds`. Where only
    `stay_while` keeps the customer in, its conditions follow and `stays` is true.
    """
    scope = Scope(batch, today, figures)
    return [_segment(segment, scope, bits[segment.name]) for segment in playbook.segments]


def metrics_of(batch: Batch, today: int) -> dict[str, Any]:
    """The usual metrics of the only customer of `batch`, each under its expression."""
    scope = Scope(batch, today, {})
    return {text: _shown(_usual(text), scope) for text in USUAL_METRICS}


def _segment(segment: Segment, scope: Scope, bit: int) -> dict[str, Any]:
    inside = bool(settle(segment, scope, bit)[0])
    values = _conditions(segment.when, segment.when_text, scope)
    stays = inside and not value_of(segment.when, scope)[0]
    if stays and segment.stay_while:
        values += _conditions(segment.stay_while, segment.stay_while_text, scope)
    return {"name": segment.name, "in": inside, "stays": stays, "values": values}


def _conditions(rule: Node, text: str, scope: Scope) -> list[dict[str, Any]]:
    return [{"expression": text[slice(*node.span)], **_condition(node, scope)} for node in conditions(rule)]


def _condition(node: Node, scope: Scope) -> dict[str, Any]:
    """What a condition measured. `250 <= spend(ever)` is about spend, though it begins with a number."""
    holds = bool(value_of(node, scope)[0])
    if not isinstance(node, Operation):
        return {"value": holds, "holds": holds}
    measured = [operand for operand in node.operands if any(calls(operand))] or list(node.operands[:1])
    value, *against = (_shown(operand, scope) for operand in measured)
    return {"value": value, **({"against": against} if against else {}), "holds": holds}


def _shown(node: Node, scope: Scope) -> Any:
    return shown(value_of(node, scope), node.kind, scope.batch.currency_exponent)[0]


@cache
def _usual(text: str) -> Node:
    return parse(text)
