"""The conditions of saved segments: whom they hold for, and which are refused."""

from __future__ import annotations

from typing import Any

import pytest

from syncd.sandbox.audience import Audience, Problem

NOW = 1_790_000_000
DAY = 86_400


class Clock:
    def __init__(self) -> None:
        self.at = NOW

    def now(self) -> int:
        return self.at


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def audience(clock: Clock) -> Audience:
    audience = Audience("a1b2c3d4e5", "Customers", clock)
    values = [{"FNAME": "Ann", "SPENT": 9}, {"FNAME": "Annabel", "SPENT": 10}, {"SPENT": 250.5}]
    for name, fields, days in zip("abc", values, (400, 40, 4), strict=True):
        audience.add_member(f"{name}@shop.test", "subscribed", ["loyal"] * (name != "b"), fields, NOW - days * DAY)
    audience.add_member("left@shop.test", "unsubscribed", ["loyal"], {"FNAME": "Ann"})
    return audience


def held(audience: Audience, *conditions: dict[str, Any], match: str = "all") -> str:
    """The first letters of the subscribed members whom the conditions hold for."""
    options = {"match": match, "conditions": list(conditions)}
    segment = audience.segments.create("x", "saved", NOW, options)
    found, total = audience.saved.page(segment, ("subscribed",), 0, 10)
    assert total == len(found) == audience.saved.count(segment)
    return "".join(sorted(member.email[0] for member in found))


def text(op: str, value: Any = "", field: str = "FNAME") -> dict[str, Any]:
    return {"condition_type": "TextMerge", "field": field, "op": op, "value": value}


def opted(op: str, value: str, **more: str) -> dict[str, Any]:
    return {"condition_type": "Date", "field": "timestamp_opt", "op": op, "value": value, **more}


@pytest.mark.parametrize(
    ("condition", "members"),
    [
        (text("is", "ANN"), "a"),
        (text("not", "Ann"), "bc"),
        (text("contains", "bel"), "b"),
        (text("notcontain", "bel"), "ac"),
        (text("starts", "ann"), "ab"),
        (text("ends", "n"), "a"),
        (text("blank"), "c"),
        (text("blank_not"), "ab"),
        (text("greater", "9", "SPENT"), "bc"),
        (text("less", "10", "SPENT"), "a"),
        (text("is", 10, "merge5"), "b"),
        (text("less", "x"), "ab"),
        ({"condition_type": "EmailAddress", "field": "EMAIL", "op": "starts", "value": "A@"}, "a"),
        ({"condition_type": "VIP", "field": "gmonkey", "op": "notmember"}, "abc"),
        ({"condition_type": "Language", "field": "language", "op": "is", "value": "de"}, ""),
        (opted("within", "30"), "c"),
        (opted("notwithin", "30"), "ab"),
        (opted("greater", "2026-08-12"), "c"),
        (opted("less", "date", extra="2026-08-12"), "a"),
        (opted("is", "2026-08-12"), "b"),
        (opted("blank", ""), ""),
    ],
)
def test_a_condition_holds_for_these(audience: Audience, condition: dict[str, Any], members: str) -> None:
    assert held(audience, condition) == members


@pytest.mark.parametrize(("op", "members"), [("static_is", "ac"), ("static_not", "b")])
def test_a_condition_names_a_tag_by_its_id(audience: Audience, op: str, members: str) -> None:
    loyal = audience.segments.tag("loyal")
    assert loyal
    condition = {"condition_type": "StaticSegment", "field": "static_segment", "op": op, "value": loyal.id}
    assert held(audience, condition) == members


@pytest.mark.parametrize(("match", "members"), [("all", "ab"), ("any", "abc")])
def test_conditions_hold_together_or_each_for_itself(audience: Audience, match: str, members: str) -> None:
    assert held(audience, text("starts", "Ann"), opted("notwithin", "3"), match=match) == members


def test_without_conditions_a_segment_is_empty(audience: Audience) -> None:
    assert held(audience) == held(audience, match="any") == ""


@pytest.mark.parametrize(
    "condition",
    [
        {"condition_type": "EcommSpent", "field": "ecomm_spent_all", "op": "greater", "value": 250},
        {"condition_type": "Aim", "field": "aim", "op": "open", "value": "any"},
        {"condition_type": "Date", "field": "ecomm_date", "op": "greater", "value": "2026-01-01"},
        text("is", "x", "NOSUCH"),
        text("sounds like", "Ann"),
        opted("within", "a while"),
        {"condition_type": "StaticSegment", "op": "static_is", "value": "loyal"},
        {"field": "FNAME"},
    ],
)
def test_what_the_sandbox_cannot_judge_by_is_refused(audience: Audience, condition: dict[str, Any]) -> None:
    with pytest.raises(Problem) as caught:
        audience.saved.test({"match": "all", "conditions": [condition]})
    assert caught.value.title == "Invalid Resource"


def test_a_count_is_minutes_old_and_new_as_soon_as_the_conditions_are(audience: Audience, clock: Clock) -> None:
    segment = audience.segments.create("x", "saved", NOW, {"conditions": [text("is", "Ann")]})
    assert audience.saved.count(segment) == 1
    audience.add_member("d@shop.test", "subscribed", merge_fields={"FNAME": "Ann"})
    assert audience.saved.count(segment) == 1
    segment.options = {"conditions": [text("starts", "Ann")]}
    assert audience.saved.count(segment) == 3
    audience.add_member("e@shop.test", "subscribed", merge_fields={"FNAME": "Ann"})
    clock.at = NOW + 300
    assert audience.saved.count(segment) == 4


def test_others_than_the_subscribed_come_after_them_page_by_page(audience: Audience) -> None:
    segment = audience.segments.create("x", "saved", NOW, {"conditions": [text("starts", "Ann")]})
    found, total = audience.saved.page(segment, ("subscribed", "unsubscribed"), 1, 2)
    assert ([member.email for member in found], total) == (["b@shop.test", "left@shop.test"], 3)
