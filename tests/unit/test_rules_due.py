"""Due times: between two of them a judgement stays as it is, and they are no more than there must be."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syncd.calendar import date_of, day_of, local_day, midnight
from syncd.lifecycle.columns import FOREVER, NO_DAY, NO_INSTANT, Batch
from syncd.rules import (
    FieldSpec,
    Judgement,
    Playbook,
    SegmentSpec,
    due_times,
    figure_of,
    figure_values,
    judge,
    next_changes,
)
from syncd.rules.names import NAMES
from syncd.rules.rhythm import ENOUGH
from tests.unit.test_rules_agreement import BITS, case_of, columns, monthly

ZONES = ("UTC", "Europe/Madrid", "America/Santiago", "Australia/Sydney", "Asia/Kathmandu")
DAYS = 400


class Course:
    """A random playbook and the people of a random case, judged at whatever instant in a random zone.

    Without `fields` people are due seldom: a field that moves daily has everybody due daily.
    """

    def __init__(self, seed: int, *, fields: bool) -> None:
        case = case_of(seed)
        self.random = Random(seed)
        self.zone = self.random.choice(ZONES)
        self.today = day_of(case.world.today)
        self.batch = replace(columns(case.world.people, case.world.exponent), zone=self.zone)
        self.playbook = Playbook.load(case.segments, case.fields if fields else {}, currency="EUR")
        self.figures = figures_of(self.playbook, self.batch, self.today)

    def judged(self, now: int) -> Judgement:
        """Afterwards everybody stands where they were judged to."""
        found = judge(self.playbook, self.batch, local_day(now, self.zone), self.figures, BITS, now)
        self.batch = replace(self.batch, was_in=found.segments)
        return found


def figures_of(playbook: Playbook, batch: Batch, today: int) -> dict[str, float | None]:
    rhythm = monthly([batch], playbook, today, ENOUGH)
    return rhythm | {f.text: figure_of(f, [figure_values(f, batch, today, rhythm)]) for f in playbook.figures}


def standing(judgement: Judgement, at: int) -> tuple[Any, ...]:
    return int(judgement.segments[at]), *(values[at] for values in judgement.fields.values())


@settings(max_examples=100)
@given(st.integers(0, 2**48), st.booleans())
def test_nothing_changes_before_it_is_due(seed: int, fields: bool) -> None:
    course = Course(seed, fields=fields)
    assert not list(changed_too_soon(course, midnight(course.today, course.zone) + course.random.randrange(80_000)))


def changed_too_soon(course: Course, now: int) -> Iterator[tuple[int, date]]:
    """Who stands elsewhere than `now` before they are due, and on which day; due is always later than now."""
    first = course.judged(now)
    instants = due_times(course.playbook, first).earliest
    assert np.all(instants > now)
    ahead = {now + course.random.randint(1, DAYS * 86_400) for _ in range(6)}
    just_before = {instant - 1 for instant in instants.tolist() if instant != FOREVER}
    for instant in sorted(ahead | just_before):
        again = course.judged(instant) if instant > now else first
        course.batch = replace(course.batch, was_in=first.segments)
        for at in np.flatnonzero(instants > instant).tolist():
            if standing(again, at) != standing(first, at):
                yield at, date_of(local_day(instant, course.zone))


@pytest.mark.parametrize("seed", range(3))
def test_to_judge_who_is_due_gives_what_judging_everybody_daily_gives(seed: int) -> None:
    daily, driven = Course(seed, fields=False), Course(seed, fields=False)
    stands = np.full(len(daily.batch), -1, np.int64)
    due_at = np.zeros(len(daily.batch), np.int64)
    for day in range(daily.today, daily.today + DAYS):
        now = midnight(day, daily.zone)
        expected = daily.judged(now).segments
        if np.any(called := due_at <= now):
            driven.batch = replace(driven.batch, was_in=np.where(stands < 0, driven.batch.was_in, stands))
            found = driven.judged(now)
            stands = np.where(called, found.segments, stands)
            due_at = np.where(called, due_times(driven.playbook, found).earliest, due_at)
        assert stands.tolist() == expected.tolist(), date_of(day)


# One person and one rule: exactly when, and who never.

MADRID = "Europe/Madrid"


def one(*orders: str, signup: str | None = None, amount: int = 10_000) -> Batch:
    """Somebody in Madrid who ordered on these days, each time for 100 €."""
    days = sorted(day_of(date.fromisoformat(order)) for order in orders)
    text = np.array(["ES"], object)
    return Batch(
        customer=np.array([1]),
        signup_day=np.array([NO_DAY if signup is None else day_of(date.fromisoformat(signup))]),
        subscribed=np.array([True]),
        wholesale=np.array([False]),
        country=text,
        city=text,
        language=text,
        was_in=np.array([0]),
        starts=np.array([0, len(days)]),
        order_day=np.array(days, np.int64),
        order_minor=np.full(len(days), amount),
        currency_exponent=2,
        zone=MADRID,
    )


def next_due(
    rule: str, batch: Batch, today: str, stay_while: str | None = None, field: str | None = None
) -> str | None:
    """The date on which the person is due, None where they never are; it begins at midnight in Madrid."""
    playbook = Playbook.load(
        {"s": SegmentSpec(rule, stay_while=stay_while)}, {"F": FieldSpec(field)} if field else {}, currency="EUR"
    )
    day = day_of(date.fromisoformat(today))
    figures = figures_of(playbook, batch, day)
    (instant,) = due_times(playbook, judge(playbook, batch, day, figures, {"s": 0})).earliest.tolist()
    if instant == FOREVER:
        return None
    assert instant == midnight(local_day(instant, MADRID), MADRID)
    return date_of(local_day(instant, MADRID)).isoformat()


@pytest.mark.parametrize(
    ("rule", "orders", "expected"),
    [
        ("spend(6 months) >= 50", ["2026-08-31"], "2027-03-01"),
        ("spend(6 months) >= 150", ["2026-08-31", "2026-10-01"], "2027-03-01"),
        ("spend(6 months) >= 50", [], None),
        ("orders(7 days) == 0", ["2026-09-25"], None),
        ("orders(7 days) == 1", ["2026-11-20"], "2026-11-27"),
        ("orders(5 weeks) == 1", ["2026-11-20"], "2026-12-25"),
        ("spend(this year) >= 500", ["2026-02-01"], "2027-01-01"),
        ("spend(this year) >= 500", ["2025-02-01"], None),
        ("spend(last year) >= 500", ["2025-02-01"], "2027-01-01"),
        ("spend(last year) >= 500", ["2026-02-01"], "2027-01-01"),
        ("spend(last year) >= 500", ["2024-02-01"], None),
        ("orders(this month) >= 1", ["2026-11-02"], "2026-12-01"),
        ("orders(last month) >= 1", ["2026-11-02"], "2026-12-01"),
        ("orders(last month) >= 1", ["2026-09-02"], None),
        ("orders(ever) >= 2", ["2026-11-02"], None),
        ("spend(ever) > mean(spend(ever))", ["2026-11-02"], None),
        ("average_order(1 year) > 50", ["2024-12-02", "2025-12-02"], "2026-12-02"),
        ("first_order >= 2026-01-01", ["2026-11-02"], None),
        ('subscribed and country == "ES"', ["2026-11-02"], None),
    ],
)
def test_a_window_changes_when_an_order_leaves_it(rule: str, orders: list[str], expected: str | None) -> None:
    assert next_due(rule, one(*orders), "2026-11-22") == expected


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("since_last_order >= 180 days", "2027-02-27"),
        ("180 days <= since_last_order", "2027-02-27"),
        ("since_last_order > 180 days", "2027-02-27"),
        ("since_last_order < 10 days", None),
        ("since_last_order >= 6 months", "2027-03-01"),
        ("since_last_order between 20 days and 1 year", "2027-08-31"),
        ("since_last_order * 2 >= 360 days", "2027-02-27"),
        ("-since_last_order <= -180 days", "2027-02-27"),
        ("360 days - since_last_order <= since_last_order", "2027-02-27"),
        ("since_last_order - since_first_order >= 10 days", None),
        ("since_last_order + 2 days >= since_first_order", None),
        ("since_last_order + 30 days >= since_first_order * 2", None),
        ("since_signup >= 5 days", None),
        ("min(since_last_order, since_first_order) >= 180 days", "2027-02-27"),
        ("max(since_last_order / 1 days, orders(ever)) >= 180", "2026-11-23"),
        ("last_order within 6 months", "2027-03-01"),
        ("last_order within this year", "2027-01-01"),
        ("last_order within last year", "2027-01-01"),
        ("last_order within last month", None),
        ("last_order + 100 days within this month", "2026-12-01"),
        ("last_order + 100 days within 7 days", "2026-12-09"),
        ("last_order + since_first_order within this month", "2026-11-23"),
        ("months_left <= 1", "2026-12-01"),
        # It returns in 2027 for the first time.
        ("anniversary within this month", "2027-01-01"),
        # What cannot be followed is looked at every day.
        ("since_last_order * (since_first_order / 1 days) >= 50 days", "2026-11-23"),
    ],
)
def test_an_age_changes_a_comparison_on_the_day_on_which_it_passes_the_mark(rule: str, expected: str | None) -> None:
    assert next_due(rule, one("2026-08-31"), "2026-11-22") == expected


HOUR = 3_600
NOON = midnight(day_of(date(2026, 11, 22)), MADRID) + 12 * HOUR


def in_cart(rule: str, cart_at: int, now: int = NOON, order: str = "2026-11-20") -> tuple[bool, int | None]:
    """Whether the rule holds for somebody with such a cart, and in how many seconds they are due."""
    batch = replace(one(order), cart_at=np.array([cart_at]), cart_minor=np.array([5_000]))
    playbook = Playbook.load({"s": SegmentSpec(rule)}, currency="EUR")
    found = judge(playbook, batch, local_day(now, MADRID), {}, {"s": 0}, now)
    (instant,) = due_times(playbook, found).earliest.tolist()
    return bool(found.segments[0]), None if instant == FOREVER else instant - now


def test_a_cart_is_due_to_the_second() -> None:
    left = "since_cart >= 3 hours and since_cart < 2 days"
    assert in_cart(left, NOON - HOUR) == (False, 2 * HOUR)
    assert in_cart(left, NOON - HOUR, NOON + 2 * HOUR - 1) == (False, 1)
    assert in_cart(left, NOON - HOUR, NOON + 2 * HOUR)[0]
    assert in_cart(left, NOON - 4 * HOUR) == (True, 44 * HOUR)
    assert in_cart(left, NOON - 49 * HOUR) == (False, 90 * 24 * HOUR - 49 * HOUR)
    assert in_cart("cart_value >= 10", NOON - HOUR) == (True, 90 * 24 * HOUR - HOUR)
    assert in_cart("cart_value >= 10", NOON - 91 * 24 * HOUR) == (False, None)
    assert in_cart("cart_value >= 10", NOON + 7) == (False, 7)
    assert in_cart("cart_value >= 10", NO_INSTANT) == (False, None)


def test_nobody_joins_by_an_order_that_has_not_settled() -> None:
    day = day_of(date(2026, 11, 22))
    buyer = replace(one("2026-11-20", "2026-11-22"), last_order_at=np.array([NOON]))
    playbook = Playbook.load({"vip": SegmentSpec("orders(30 days) >= 2", settle=HOUR)}, currency="EUR")

    def found(batch: Batch, now: int) -> tuple[int, int]:
        judgement = judge(playbook, batch, day, {}, {"vip": 0}, now)
        return int(judgement.segments[0]), int(due_times(playbook, judgement).earliest[0])

    leaves = midnight(day_of(date(2026, 12, 20)), MADRID)
    assert found(buyer, NOON + 60) == (0, NOON + HOUR)
    assert found(buyer, NOON + HOUR) == (1, leaves)
    assert found(replace(buyer, was_in=np.array([1])), NOON + 60) == (1, leaves)
    # The order was cancelled.
    assert found(replace(one("2026-11-20"), last_order_at=np.array([NOON - 2 * 86_400])), NOON + 120) == (0, leaves)
    # A day before it: it is not there.
    first = Playbook.load({"vip": SegmentSpec("orders(30 days) >= 1", settle=HOUR)}, currency="EUR")
    assert judge(first, buyer, day - 1, {}, {"vip": 0}).segments.tolist() == [1]


def test_who_stays_by_a_weaker_rule_stays_whatever_has_not_settled() -> None:
    playbook = Playbook.load(
        {"s": SegmentSpec("orders(1 day) >= 2", stay_while="orders(5 days) >= 1", settle=HOUR)}, currency="EUR"
    )
    buyer = replace(one("2026-11-20"), last_order_at=np.array([NOON - 1]), was_in=np.array([1]))
    judgement = judge(playbook, buyer, day_of(date(2026, 11, 22)), {}, {"s": 0}, NOON)
    assert judgement.segments.tolist() == [1]
    assert due_times(playbook, judgement).earliest.tolist() == [midnight(day_of(date(2026, 11, 25)), MADRID)]


CALENDAR = (
    "since_cart >= 3 hours",
    "since_cart between 1 hour and 36 hours",
    "since_cart > 2 days",
    "since_cart < order_gap",
    "cart_value >= 20",
    "birthday within this month",
    "birthday within 7 days",
    "birthday within last month",
    "anniversary within 2 weeks",
    "anniversary within this year",
    "last_order within 6 months",
    "last_order + 45 days within this month",
    "months_left <= 3",
    "since_click >= 6 months",
    "min(since_last_order, since_click) < 60 days",
    "max(spend(6 months), spend(this year)) >= 50",
    "max(since_last_order, since_first_order / 2) >= 90 days",
    "max(lateness, orders(ever)) > 2",
    "next_order within last year",
)


@settings(max_examples=60)
@given(st.integers(0, 2**48))
def test_carts_birthdays_and_windows_of_dates_change_when_they_are_due(seed: int) -> None:
    course = Course(seed, fields=False)
    random, today, people = course.random, course.today, len(course.batch)
    begin = midnight(today, course.zone)
    course.batch = replace(
        course.batch,
        cart_at=np.array([begin + random.randint(-95 * 86_400, 86_400) for _ in range(people)]),
        cart_minor=np.array([random.choice((-1, 1_000, 5_000)) for _ in range(people)]),
        clicked_day=np.array([today - random.randint(-1, 400) for _ in range(people)]),
        birthday=np.array([random.choice((0, 101, 229, 630, 1231)) for _ in range(people)]),
    )
    rules = {
        name: f"{random.choice(CALENDAR)} {random.choice(('and', 'or'))} {random.choice(CALENDAR)}" for name in BITS
    }
    course.playbook = Playbook.load({name: SegmentSpec(rule) for name, rule in rules.items()}, currency="EUR")
    course.figures = figures_of(course.playbook, course.batch, today)
    assert not list(changed_too_soon(course, begin + random.randrange(80_000)))


def test_what_is_false_anyway_is_not_waited_for() -> None:
    person = one("2026-08-31")
    assert next_due("since_last_order >= 100 days and orders(ever) >= 2", person, "2026-11-22") is None
    assert next_due("since_last_order >= 100 days and spend(6 months) < 50", person, "2026-11-22") == "2027-03-01"
    assert next_due("since_last_order >= 100 days or orders(ever) >= 1", person, "2026-11-22") is None
    assert next_due("not (since_last_order >= 100 days and orders(ever) >= 2)", person, "2026-11-22") is None


def test_who_is_in_waits_for_what_keeps_them_and_who_is_out_for_what_lets_them_in() -> None:
    rules = {"rule": "orders(30 days) >= 1", "stay_while": "orders(60 days) >= 1"}
    assert next_due(**rules, batch=one("2026-11-20"), today="2026-11-22") == "2027-01-19"
    outside = one("2026-10-10")
    assert next_due(**rules, batch=outside, today="2026-11-22") is None
    assert next_due(**rules, batch=replace(outside, was_in=np.array([1])), today="2026-11-22") == "2026-12-09"


def test_a_field_that_moves_daily_is_due_daily_and_others_are_not() -> None:
    person = one("2026-08-31")
    assert next_due("orders(ever) >= 5", person, "2026-11-22", field="since_last_order") == "2026-11-23"
    assert next_due("orders(ever) >= 5", person, "2026-11-22", field="spend(6 months)") == "2027-03-01"
    assert next_due("orders(ever) >= 5", one(), "2026-11-22", field="since_last_order") is None


def test_an_order_of_a_day_to_come_counts_when_that_day_begins() -> None:
    assert next_due("orders(ever) >= 2", one("2026-11-20", "2026-11-25"), "2026-11-22") == "2026-11-25"
    assert next_due("since_signup >= 3 days", one(signup="2026-11-25"), "2026-11-22") == "2026-11-25"


# They follow from what they are given.
OF_TWO_VALUES = {"min", "max"}


def test_every_name_says_until_when_it_stays_as_it_is() -> None:
    silent = [
        name for name, entry in NAMES.items() if entry.value and entry.until is None and name not in OF_TWO_VALUES
    ]
    assert silent == []


def test_the_next_changes_of_one_person_are_told_segment_by_segment() -> None:
    playbook = Playbook.load(
        {
            "recent": SegmentSpec("orders(30 days) >= 1"),
            "away": SegmentSpec("since_last_order >= 60 days and not in(recent)"),
            "buyer": SegmentSpec("orders(ever) >= 1"),
            "gone": SegmentSpec("since_last_order >= 2 years"),
        },
        {"DAYS": FieldSpec("since_last_order")},
        currency="EUR",
    )
    now = midnight(day_of(date(2026, 11, 22)), MADRID) + 3_600
    bits = {segment.name: bit for bit, segment in enumerate(playbook.segments)}
    found = next_changes(playbook, one("2026-11-20"), {}, bits, now, now + DAYS * 86_400)
    assert {name: date_of(local_day(at, MADRID)).isoformat() for name, at in found.items()} == {
        "recent": "2026-12-20",
        "away": "2027-01-19",
    }
    assert all(at == midnight(local_day(at, MADRID), MADRID) for at in found.values())
