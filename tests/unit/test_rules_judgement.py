"""Judging a batch, writing its fields, and explaining one customer."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pytest

from syncd.calendar import day_of
from syncd.lifecycle.columns import Batch
from syncd.rules import FieldSpec, Playbook, SegmentSpec, evaluate, explain, judge, metrics_of, parse_rule
from tests.unit.test_metrics import batch_of

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


def measured(segment: dict[str, Any]) -> list[dict[str, Any]]:
    """What is told of each condition, without what is to come."""
    later = {"kind", "windows", "changes_at", "wanted"}
    return [{key: value[key] for key in value if key not in later} for value in segment["values"]]


def test_an_explanation_shows_the_value_behind_each_condition_as_written() -> None:
    rule = (
        'not (spend( ever )>=250) or 2026-01-01 < last_order and subscribed or country != "FR" '
        "or 6 months > since_signup"
    )
    (segment,) = explained(batch_of([[(TODAY, 12345)]]), a=SegmentSpec(rule))
    assert (segment["name"], segment["in"], segment["stays"], segment["fallback"]) == ("a", True, False, None)
    assert measured(segment) == [
        {"expression": "spend( ever )>=250", "value": 123.45, "holds": False},
        {"expression": "2026-01-01 < last_order", "value": "2026-08-31", "holds": True},
        {"expression": "subscribed", "value": True, "holds": True},
        {"expression": 'country != "FR"', "value": "ES", "holds": True},
        {"expression": "6 months > since_signup", "value": None, "holds": False},
    ]
    assert [value["wanted"] for value in segment["values"]] == [False, True, True, True, True]
    assert [value["kind"] for value in segment["values"]] == ["money", "date", "boolean", "text", "age"]


def test_an_explanation_shows_what_was_compared_with() -> None:
    rule = "spend(ever) > mean(spend(ever)) and spend(ever) between 0 and spend(1 year) and 1 < 2"
    (segment,) = explained(batch_of([[(TODAY, 10000)]]), vip=SegmentSpec(rule))
    assert measured(segment) == [
        {"expression": "spend(ever) > mean(spend(ever))", "value": 100.0, "against": [80.5], "holds": True},
        {"expression": "spend(ever) between 0 and spend(1 year)", "value": 100.0, "against": [100.0], "holds": True},
        {"expression": "1 < 2", "value": 1, "holds": True},
    ]


def test_an_explanation_follows_in_to_other_segments() -> None:
    first, second = explained(batch_of([[]]), quiet=SegmentSpec("not in(buyer)"), buyer=SegmentSpec("orders(ever) > 0"))
    assert (first["name"], first["in"]) == ("buyer", False)
    assert measured(second) == [{"expression": "in(buyer)", "value": False, "holds": False}]


def test_an_explanation_says_when_only_the_weaker_rule_keeps_a_member() -> None:
    member = replace(batch_of([[(TODAY, 22000)]]), was_in=np.array([1]))
    (kept,) = explained(member, loyal=LOYAL)
    assert (kept["in"], kept["stays"]) == (True, True)
    assert measured(kept)[-1] == {"expression": "spend(6 months) >= 200", "value": 220.0, "holds": True}
    (outside,) = explained(batch_of([[(TODAY, 22000)]]), loyal=LOYAL)
    assert (outside["in"], outside["stays"], len(outside["values"])) == (False, False, 2)


def test_an_explanation_says_when_a_condition_changes_and_which_days_it_looks_at() -> None:
    batch = batch_of([[(TODAY - 10, 20000)]])
    (segment,) = explained(batch, a=SegmentSpec("orders(14 days) >= 1 and since_last_order >= 12 days and subscribed"))
    changes = [value["changes_at"] and value["changes_at"] // 86_400 - TODAY for value in segment["values"]]
    assert changes == [4, 2, None]
    assert [value["windows"] for value in segment["values"]] == [{"14 days": [TODAY - 13, TODAY]}, {}, {}]


def test_an_explanation_tells_the_ways_into_a_segment_to_who_is_not_in_it() -> None:
    inside, outside = (explained(batch_of([[(TODAY - 1, minor)]]), loyal=LOYAL)[0] for minor in (25000, 21280))
    assert inside["ways"] == []
    by_amount, by_orders = outside["ways"]
    # Six months before 28 February is 28 August; the order of the 30th is still in.
    assert by_amount == {
        "orders": 1,
        "amount_minor": 3720,
        "from_at": TODAY * 86_400,
        "before_at": day_of(date(2027, 3, 1)) * 86_400,
        "unmet": ["spend(6 months) >= 250"],
        "beyond": [],
        "depends": [],
    }
    assert (by_orders["orders"], by_orders["amount_minor"]) == (4, 0)
    assert by_orders["before_at"] == (TODAY - 1 + 35) * 86_400


# By each customer's own rhythm.

KNOWN = {"typical gap": 30.0, "usual(90)": 4.0, "completed gaps": 200.0, "days of history": 180.0}
UNKNOWN = {"typical gap": 30.0, "usual(90)": None, "completed gaps": 200.0, "days of history": 179.0}
# Once; every 30 days; twice on one day; every 10 days; and somebody who never ordered. The last order was 60 days ago.
RHYTHMS = [[60], [60, 90, 120], [60, 60], [60 + 10 * at for at in range(6)], []]
TEN = (10**5 * 30**5) ** (1 / 10)
LATE = SegmentSpec("lateness > usual(90)", stay_while="lateness > 1", fallback="since_last_order >= 90 days")


def regulars() -> Batch:
    return batch_of([[(TODAY - ago, 100) for ago in each] for each in RHYTHMS])


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("order_gap", [30, 30, 30, round(TEN), ""]),
        ("order_gap * 100", [3000, 3000, 3000, round(TEN * 100), ""]),
        ("lateness", [2, 2, 2, round(60 / TEN, 6), ""]),
        ("next_order", ["2026-08-01", "2026-08-01", "2026-08-01", "2026-07-19", ""]),
        ("next_order - last_order", [30, 30, 30, round(TEN), ""]),
        ("usual(90)", [4, 4, 4, 4, 4]),
        ("lateness / usual(90)", [0.5, 0.5, 0.5, round(15 / TEN, 6), ""]),
    ],
)
def test_rhythm_is_written_into_fields(value: str, expected: list[Any]) -> None:
    playbook = Playbook.load({}, {"F": FieldSpec(value)}, currency="EUR")
    assert judge(playbook, regulars(), TODAY, KNOWN, {}).fields["F"] == expected


def test_lateness_is_exact_at_the_limit_and_grows_by_the_day() -> None:
    rule = parse_rule("lateness > usual(90)")
    on_day = [evaluate(rule, regulars(), TODAY + days, KNOWN).tolist() for days in (0, 60, 61)]
    assert on_day == [[False] * 5, [False, False, False, True, False], [True, True, True, True, False]]


def test_the_next_order_is_a_day_of_the_calendar() -> None:
    rule = parse_rule("next_order == 2026-07-19 or next_order == 2026-08-01")
    assert evaluate(rule, regulars(), TODAY, KNOWN).tolist() == [True] * 4 + [False]


def test_orders_after_today_close_no_gap() -> None:
    batch = batch_of([[(TODAY - 30, 100), (TODAY, 100), (TODAY + 1, 100), (TODAY + 200, 100)]])
    assert evaluate(parse_rule("order_gap == 30 days and lateness == 0"), batch, TODAY, KNOWN).tolist() == [True]


def test_without_any_completed_gap_nobody_has_a_rhythm() -> None:
    rule = parse_rule("order_gap > 0 days or lateness >= 0 or next_order > 1970-01-01")
    assert evaluate(rule, regulars(), TODAY, {"typical gap": None}).tolist() == [False] * 5


@pytest.mark.parametrize(("figures", "expected"), [(KNOWN, 0b10), (UNKNOWN, 0b01)])
def test_a_fallback_stands_in_for_both_rules_while_usual_is_unknown(
    figures: dict[str, float | None], expected: int
) -> None:
    playbook = Playbook.load({"late": LATE}, currency="EUR")
    # The first has been away for a hundred days; the second for fifty, and keeps in by the weaker rule.
    batch = replace(batch_of([[(TODAY - 100, 100)], [(TODAY - 50, 100)]]), was_in=np.array([0, 1]))
    judged = judge(playbook, batch, TODAY, figures, {"late": 0}).segments.tolist()
    assert sum(bit << at for at, bit in enumerate(judged)) == expected


def test_without_a_fallback_nobody_is_later_than_an_unknown_usual() -> None:
    batch = batch_of([[(TODAY - 900, 100)]])
    for rule, holds in (("lateness > usual(90)", False), ("not lateness <= usual(90)", True)):
        assert evaluate(parse_rule(rule), batch, TODAY, UNKNOWN).tolist() == [holds]


def explained_late(ago: int, figures: dict[str, float | None], spec: SegmentSpec = LATE) -> dict[str, Any]:
    playbook = Playbook.load({"late": spec}, currency="EUR")
    (found,) = explain(playbook, batch_of([[(TODAY - ago, 100)]]), TODAY, figures, {"late": 0})
    json.dumps(found, allow_nan=False)
    return found


def test_an_explanation_of_lateness_names_the_gap_and_the_last_order() -> None:
    found = explained_late(121, KNOWN)
    assert found["in"]
    assert measured(found) == [
        {
            "expression": "lateness > usual(90)",
            "value": 4.033333,
            "against": [4],
            "gap_days": 30,
            "last_order_days": 121,
            "note": "usual gap 30 days, last order 121 days ago",
            "holds": True,
        }
    ]
    assert explained_late(1, KNOWN | {"typical gap": 1.26})["values"][0]["note"] == (
        "usual gap 1.3 days, last order 1 day ago"
    )


def test_an_explanation_says_why_a_fallback_is_in_force() -> None:
    reason = "usual() needs 180 days of history, and there are 179"
    found = explained_late(121, UNKNOWN)
    assert (found["in"], found["fallback"]) == (True, reason)
    assert measured(found) == [{"expression": "since_last_order >= 90 days", "value": 121, "holds": True}]
    (alone,) = explained_late(121, UNKNOWN, SegmentSpec("lateness > usual(90)"))["values"]
    assert (alone["holds"], alone["against"]) == (False, [None])
    assert alone["note"] == f"usual gap 30 days, last order 121 days ago; {reason}"


def test_the_metrics_of_one_customer_have_their_rhythm_where_it_is_known() -> None:
    found = metrics_of(batch_of([[(TODAY - 60, 100)]]), TODAY, KNOWN)
    assert (found["order_gap"], found["lateness"], found["next_order"]) == (30, 2, "2026-08-01")


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
