"""Why one customer is in a segment or not: the values behind each condition of its rule."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Any, cast

import numpy as np

from syncd.calendar import Window, window_days
from syncd.lifecycle.columns import Batch, Need
from syncd.rules.chances import why_off
from syncd.rules.evaluation import needs_of, value_of
from syncd.rules.judgement import in_force, settle
from syncd.rules.missing import Condition, Missing, Person, Way, resolved, rules_in_force, ways_into
from syncd.rules.names import NAMES, Takes
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
    """Of the only customer of `batch`, for each segment: its `name`, whether `in`, the `values` behind it, the `ways`.

    A value is that of a condition as written (`expression`): what was measured (`value`, of a `kind`), what it
    was compared with where that is measured too (`against`), over which `windows`, whether the condition `holds`,
    whether the rule wants it to (`wanted`; behind `not` it does not), and when it changes if nothing happens
    (`changes_at`). What is measured by order gaps has its `gap_days` and `last_order_days`, and a `note` with both.
    What the audience's figures lack for it is `unknown`, and the `note` says why. Where only `stay_while` keeps the
    customer in, its conditions follow and `stays` is true; `settling` where the rule holds and only `settle` is
    waited for. Where the fallback of a segment is in force, the values are its own and `fallback` says why; else
    None. The `ways` are those of `missing.ways_into`, for who is not in.
    """
    scope = Scope(batch, today, figures, now=now)
    rules = rules_in_force(playbook, scope, bits)
    person = Person(batch, scope.now, figures)
    return [_segment(segment, scope, bits[segment.name], rules, person) for segment in playbook.segments]


def metrics_of(
    batch: Batch, today: int, figures: Mapping[str, float | None] = MappingProxyType({}), now: int | None = None
) -> dict[str, Any]:
    """The usual metrics of the only customer of `batch`, each under its expression."""
    scope = Scope(batch, today, figures, now=now)
    texts = USUAL_METRICS + (METRICS_OF_GAPS if TYPICAL_GAP in figures else ())
    return {text: _shown(_usual(text), scope) for text in texts}


def metrics_need() -> frozenset[Need]:
    """The columns that a batch must have for the usual metrics."""
    return needs_of(*map(_usual, USUAL_METRICS))


def _segment(segment: Segment, scope: Scope, bit: int, rules: Mapping[str, Node], person: Person) -> dict[str, Any]:
    inside = bool(settle(segment, scope, bit)[0])
    when, stay_while = in_force(segment, scope)
    falls_back = when is segment.fallback
    told = [(when, segment.fallback_text if falls_back else segment.when_text)]
    holds = bool(value_of(when, scope)[0])
    stays = inside and not holds
    if stays and stay_while:
        told.append((stay_while, segment.stay_while_text))
    return {
        "name": segment.name,
        "in": inside,
        "stays": stays,
        "settling": holds and not inside,
        "fallback": why_unknown(scope.figures) if falls_back else None,
        "values": [
            {"expression": text[slice(*node.span)], **_condition(node, scope), "wanted": wanted}
            | {"changes_at": person.changes(Condition.of(resolved(node, rules)))}
            for rule, text in told
            for node, wanted in conditions(rule)
        ],
        "ways": [] if inside or holds else [_way(each) for each in ways_into(rules[segment.name], person)],
    }


def _way(missing: Missing) -> dict[str, Any]:
    return {
        "orders": missing.purchase.orders,
        "amount_minor": missing.purchase.amount_minor,
        "from_at": missing.from_at,
        "before_at": missing.before_at,
        "unmet": _texts(missing.unmet),
        "beyond": _texts(missing.beyond),
        "depends": _texts(missing.depends),
    }


def _texts(way: Way) -> list[str]:
    return list(dict.fromkeys(map(str, way)))


def _condition(node: Node, scope: Scope) -> dict[str, Any]:
    """What a condition measured. `250 <= spend(ever)` is about spend, though it begins with a number."""
    holds = bool(value_of(node, scope)[0])
    if not isinstance(node, Operation):
        return {"value": holds, "kind": "boolean", "windows": _windows(node, scope.today), "holds": holds}
    measured = [operand for operand in node.operands if any(calls(operand))] or list(node.operands[:1])
    value, *against = (_shown(operand, scope) for operand in measured)
    return {
        "value": value,
        "kind": measured[0].kind.name.lower(),
        **({"against": against} if against else {}),
        **_rhythm(node, scope),
        "windows": _windows(node, scope.today),
        "holds": holds,
    }


def _windows(node: Node, today: int) -> dict[str, list[int]]:
    """The first and the last day of each window that a condition looks at, by how it is written."""
    return {
        str(argument): [*window_days(cast(Window, argument), today)]
        for call in calls(node)
        for takes, argument in zip(NAMES[call.name].takes, call.arguments, strict=False)
        if takes is Takes.WINDOW
    }


def _rhythm(node: Node, scope: Scope) -> dict[str, Any]:
    """What is behind the lateness of somebody who has ordered; and why there is nothing to hold it against."""
    used = list(calls(node))
    found: dict[str, Any] = {}
    notes = []
    if any(NAMES[call.name].of_gaps for call in used) and not np.isnan(gap := float(scope.order_gap()[0])):
        gap, since = round(gap, 0 if gap >= 10 else 1), int(scope.today - scope.last_order()[0])
        found = {"gap_days": gap, "last_order_days": since}
        notes.append(f"usual gap {_of_days(gap)}, last order {_of_days(since)} ago")
    if any(NAMES[call.name].usual and np.isnan(scope.figure(str(call))) for call in used):
        found["unknown"] = "usual"
        notes.append(why_unknown(scope.figures))
    off = [reason for call in used if NAMES[call.name].of_buying and (reason := why_off(scope.figures, call))]
    if off:
        found["unknown"] = "buy_chance"
    notes += off
    return found | ({"note": "; ".join(notes)} if notes else {})


def _of_days(days: float) -> str:
    return f"{days:g} day{'' if days == 1 else 's'}"


def _shown(node: Node, scope: Scope) -> Any:
    return shown(value_of(node, scope), node.kind, scope.batch.currency_exponent)[0]


@cache
def _usual(text: str) -> Node:
    return parse(text)
