"""Judging a batch, writing its fields, and explaining one customer."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pytest
from test_metrics import batch_of

from syncd.calendar import day_of
from syncd.lifecycle.columns import Batch
from syncd.rules import FieldSpec, Playbook, SegmentSpec, evaluate, explain, judge, metrics_of, parse_rule

TODAY = day_of(date(2026, 8, 31))
LOYAL = SegmentSpec("spend(6 months) >= 250 or orders(5 weeks) >= 5", stay_while="spend(6 months) >= 200")


def of_segments(batch: Batch, bits: dict[str, int], **segments: SegmentSpec) -> list[int]:
    return list(judge(Playbook.load(segments, currency="EUR"), batch, TODAY, {}, bits).segments.tolist())


def test_a_weaker_rule_keeps_a_member_in_and_lets_nobody_in() -> None:
    spent = [25000, 24999, 20000, 19999]
    outside = batch_of([[(TODAY, minor)] for minor in spent])
    inside = replace(outside, was_in=np.full(4, 1 << 5))
    elsewhere = replace(outside, was_in=np.full(4, ~(1 << 5)))
    assert of_segments(outside, {"loyal": 5}, loyal=LOYAL) == [32, 0, 0, 0]
    assert of_segments(inside, {"loyal": 5}, loyal=LOYAL) == [32, 32, 32, 0]
    assert of_segments(elsewhere, {"loyal": 5}, loyal=LOYAL) == [32, 0, 0, 0]


def test_in_asks_for_the_judgement_of_today_and_not_of_yesterday() -> None:
    batch = replace(batch_of([[(TODAY, 100)], []]), was_in=np.array([0, 1]))
    segments = {"quiet": SegmentSpec("not in(buyer)"), "buyer": SegmentSpec("orders(ever) > 0")}
    assert of_segments(batch, {"buyer": 0, "quiet": 62}, **segments) == [1, 1 << 62]


def test_in_follows_the_weaker_rule_of_the_other_segment() -> None:
    member = replace(batch_of([[(TODAY, 22000)]]), was_in=np.array([1]))
    assert of_segments(member, {"loyal": 0, "other": 1}, loyal=LOYAL, other=SegmentSpec("not in(loyal)")) == [1]


def test_a_free_rule_may_ask_for_the_segments_of_a_judgement() -> None:
    playbook = Playbook.load({"buyer": SegmentSpec("orders(ever) > 0")}, currency="EUR")
    batch = batch_of([[(TODAY, 100)], []])
    judgement = judge(playbook, batch, TODAY, {}, {"buyer": 0})
    rule = parse_rule("not in(buyer)", ["buyer"])
    assert evaluate(rule, batch, TODAY, {}, judgement.inside).tolist() == [False, True]


def test_judging_nobody_gives_nothing() -> None:
    playbook = Playbook.load({"a": LOYAL}, {"F": FieldSpec("spend(ever)"), "C": FieldSpec("5")}, currency="EUR")
    judgement = judge(playbook, batch_of([]), TODAY, {}, {"a": 0})
    assert (judgement.segments.tolist(), judgement.fields) == ([], {"F": [], "C": []})


def test_a_batch_cut_in_pieces_is_judged_alike() -> None:
    batch = batch_of([[(TODAY - ago, 9000)] * (ago % 4) for ago in range(40)])
    one_by_one = [batch_of([[(TODAY - ago, 9000)] * (ago % 4)]) for ago in range(40)]
    whole = of_segments(batch, {"a": 3}, a=LOYAL)
    assert whole == [of_segments(one, {"a": 3}, a=LOYAL)[0] for one in one_by_one]
    assert len(set(whole)) == 2


@pytest.mark.parametrize(
    ("value", "of_buyer", "of_nobody"),
    [
        ("spend(ever)", 133.34, 0.0),
        ("average_order(ever)", 44.45, ""),
        ("spend(ever) * 0", 0.0, 0.0),
        ("-spend(1 day) * 0", 0.0, 0.0),
        ("orders(ever)", 3, 0),
        ("orders(ever) / 7", 0.428571, 0),
        ("orders(ever) / 0", "", ""),
        ("since_last_order", 1, ""),
        ("since_last_order * 2.6", 3, ""),
        ("last_order", "2026-08-30", ""),
        ("last_order + 36500 days * 99", "", ""),
        ("country", "ES", "ES"),
        ("city", "", ""),
        ('"summer"', "summer", "summer"),
        ("2026-12-24", "2026-12-24", "2026-12-24"),
        ("1969-07-20", "1969-07-20", "1969-07-20"),
        ("mean(spend(ever))", "", ""),
    ],
)
def test_fields_are_ready_to_be_sent(value: str, of_buyer: Any, of_nobody: Any) -> None:
    playbook = Playbook.load({}, {"F": FieldSpec(value)}, currency="EUR")
    batch = batch_of([[(TODAY - 1, 4444), (TODAY - 1, 4445), (TODAY - 1, 4445)], []])
    written = judge(playbook, batch, TODAY, {"mean(spend(ever))": None}, {}).fields["F"]
    # As text, because 3 == 3.0 and 0.0 == -0.0.
    assert repr(written) == repr([of_buyer, of_nobody])
    json.dumps(written, allow_nan=False)


def test_amounts_have_the_decimals_of_the_currency() -> None:
    playbook = Playbook.load({}, {"F": FieldSpec("average_order(ever)")}, currency="JPY")
    yen = replace(batch_of([[(TODAY, 500), (TODAY, 500), (TODAY, 700)]]), currency_exponent=0)
    assert judge(playbook, yen, TODAY, {}, {}).fields["F"] == [567.0]
    assert judge(playbook, replace(yen, currency_exponent=3), TODAY, {}, {}).fields["F"] == [0.567]


def explained(batch: Batch, **segments: SegmentSpec) -> list[dict[str, Any]]:
    bits = {name: bit for bit, name in enumerate(segments)}
    found = explain(Playbook.load(segments, currency="EUR"), batch, TODAY, {"mean(spend(ever))": 80.5}, bits)
    json.dumps(found, allow_nan=False)
    return found


def test_an_explanation_shows_the_value_behind_each_condition_as_written() -> None:
    rule = (
        'not (spend( ever )>=250) or 2026-01-01 < last_order and subscribed or country != "FR" '
        "or 6 months > since_signup"
    )
    (segment,) = explained(batch_of([[(TODAY, 12345)]]), a=SegmentSpec(rule))
    assert segment == {
        "name": "a",
        "in": True,
        "stays": False,
        "fallback": None,
        "values": [
            {"expression": "spend( ever )>=250", "value": 123.45, "holds": False},
            {"expression": "2026-01-01 < last_order", "value": "2026-08-31", "holds": True},
            {"expression": "subscribed", "value": True, "holds": True},
            {"expression": 'country != "FR"', "value": "ES", "holds": True},
            {"expression": "6 months > since_signup", "value": None, "holds": False},
        ],
    }


def test_an_explanation_shows_what_was_compared_with() -> None:
    rule = "spend(ever) > mean(spend(ever)) and spend(ever) between 0 and spend(1 year) and 1 < 2"
    (segment,) = explained(batch_of([[(TODAY, 10000)]]), vip=SegmentSpec(rule))
    assert segment["values"] == [
        {"expression": "spend(ever) > mean(spend(ever))", "value": 100.0, "against": [80.5], "holds": True},
        {"expression": "spend(ever) between 0 and spend(1 year)", "value": 100.0, "against": [100.0], "holds": True},
        {"expression": "1 < 2", "value": 1, "holds": True},
    ]


def test_an_explanation_follows_in_to_other_segments() -> None:
    first, second = explained(batch_of([[]]), quiet=SegmentSpec("not in(buyer)"), buyer=SegmentSpec("orders(ever) > 0"))
    assert (first["name"], first["in"]) == ("buyer", False)
    assert second["values"] == [{"expression": "in(buyer)", "value": False, "holds": False}]


def test_an_explanation_says_when_only_the_weaker_rule_keeps_a_member() -> None:
    member = replace(batch_of([[(TODAY, 22000)]]), was_in=np.array([1]))
    (kept,) = explained(member, loyal=LOYAL)
    assert (kept["in"], kept["stays"]) == (True, True)
    assert kept["values"][-1] == {"expression": "spend(6 months) >= 200", "value": 220.0, "holds": True}
    (outside,) = explained(batch_of([[(TODAY, 22000)]]), loyal=LOYAL)
    assert (outside["in"], outside["stays"], len(outside["values"])) == (False, False, 2)


def test_the_usual_metrics_of_one_customer_are_ready_for_json() -> None:
    batch = batch_of([[(day_of(date(2026, 1, 1)), 1000), (TODAY - 400, 2000), (TODAY + 1, 1)]], signup=TODAY - 500)
    assert metrics_of(batch, TODAY) == {
        "spend(ever)": 30.0,
        "spend(6 months)": 0.0,
        "spend(this year)": 10.0,
        "orders(ever)": 2,
        "average_order(ever)": 15.0,
        "first_order": "2025-07-27",
        "last_order": "2026-01-01",
        "since_first_order": 400,
        "since_last_order": 242,
        "since_signup": 500,
        "subscribed": True,
        "country": "ES",
    }
    nobody = metrics_of(batch_of([[]]), TODAY)
    assert nobody["average_order(ever)"] is nobody["first_order"] is nobody["since_signup"] is None
    json.dumps(nobody, allow_nan=False)
