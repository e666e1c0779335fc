"""What the words for products, carts, engagement and the calendar mean, by example."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pytest

from syncd.calendar import DAY_SECONDS, day_of, midnight
from syncd.lifecycle.columns import NO_DAY, NO_INSTANT, Batch
from syncd.rules import FieldSpec, Playbook, SegmentSpec, evaluate, explain, judge, needs_of, parse, parse_rule
from tests.unit.test_metrics import batch_of
from tests.unit.test_rules_agreement import items, tuples

T, F = True, False
TODAY = day_of(date(2026, 8, 31))


def line(title: str, category: str = "", price: int = 100, quantity: int = 1, sku: str = "", id_: str = "0") -> Any:
    return {
        "product": id_,
        "title": title,
        "category": category,
        "sku": sku,
        "quantity": quantity,
        "price": price,
    }


def shoppers(*histories: list[tuple[int, list[Any]]]) -> Batch:
    """Customers whose orders are (days ago, lines), each in the order in which it was placed."""
    orders = [[(TODAY - ago, 1_000) for ago, _ in history] for history in histories]
    people = [{"orders": made, "lines": [lines for _, lines in of]} for made, of in zip(orders, histories, strict=True)]
    return replace(batch_of(orders), items=items(people))


def holds(rule: str, batch: Batch, today: int = TODAY, now: int | None = None) -> list[bool]:
    return list(evaluate(parse_rule(rule), batch, today, {}, now=now).tolist())


def shown(value: str, batch: Batch, today: int = TODAY) -> list[Any]:
    playbook = Playbook.load({}, {"F": FieldSpec(value)}, currency="EUR")
    return judge(playbook, batch, today, {}, {}).fields["F"]


# Products.

TEA, CUP, JAR = line("Tea", "Drinks", 300), line("Cup", "Tableware", 100), line("Jar", "Tableware", 100)


def test_units_are_pieces_and_not_lines() -> None:
    batch = shoppers([(40, [TEA]), (3, [line("Cup", quantity=5), TEA])], [(3, [])], [])
    assert shown("units(ever)", batch) == [7, 0, 0]
    assert shown("units(30 days)", batch) == [6, 0, 0]


def test_the_last_product_is_what_was_worth_most_in_the_last_order() -> None:
    batch = shoppers(
        [(9, [TEA]), (3, [CUP, line("Lid", price=50, quantity=3)])],
        [(3, [JAR, CUP])],
        [(3, [TEA]), (3, [CUP])],
        [(3, [line("", price=900), CUP])],
        [(3, [TEA]), (2, [])],
        [(-1, [TEA])],
        [],
    )
    assert shown("last_product", batch) == ["Lid", "Jar", "Cup", "Cup", "", "", ""]
    assert shown("last_product", batch, TODAY + 1)[5] == "Tea"


def test_the_favourite_is_in_most_orders_and_not_in_most_lines() -> None:
    batch = shoppers([(9, [TEA]), (5, [TEA]), (1, [CUP, CUP, CUP, CUP])], [])
    assert shown("favourite_product", batch) == ["Tea", ""]
    assert shown("favourite_category", batch) == ["Drinks", ""]


def test_of_equal_favourites_the_one_bought_later_counts_and_then_the_alphabet() -> None:
    batch = shoppers(
        [(9, [CUP]), (5, [TEA])],
        [(5, [TEA, JAR, CUP])],
        [(5, [CUP]), (5, [JAR])],
        [(5, [TEA]), (4, [line("Cake")])],
    )
    assert shown("favourite_product", batch) == ["Tea", "Cup", "Jar", "Cake"]
    assert shown("favourite_category", batch) == ["Drinks", "Drinks", "Tableware", "Drinks"]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ('bought(product "TEA", ever)', [T, F]),
        ('bought(product "7", ever)', [F, T]),
        ('bought(category "STRASSE", ever)', [T, F]),
        ('bought(sku "t-1", ever)', [F, T]),
        ('bought(product "T-1", ever)', [F, F]),
        ('bought(product "tea", 30 days)', [F, F]),
        ('bought(product "tea", 41 days)', [T, F]),
        ('not bought(product "tea", 41 days)', [F, T]),
        ('bought(product "nothing", ever)', [F, F]),
    ],
)
def test_what_was_bought_is_found_whatever_the_capitals(rule: str, expected: list[bool]) -> None:
    batch = shoppers([(40, [line("Tea", "Straße")]), (3, [CUP])], [(3, [line("Box", sku="T-1", id_="7")])])
    assert holds(rule, batch) == expected


# Carts.

NOW = midnight(TODAY, "UTC") + 45_000


def cart(*ago: int | None, minor: int = 3_400) -> Batch:
    """Customers whose carts were changed so many seconds ago."""
    at = [NO_INSTANT if each is None else NOW - each for each in ago]
    return replace(batch_of([[] for _ in ago]), cart_at=np.array(at), cart_minor=np.full(len(ago), minor))


@pytest.mark.parametrize(("length", "seconds"), [("3 hours", 10_800), ("7 hours", 25_200), ("2 days", 172_800)])
def test_the_age_of_a_cart_is_exact_to_the_second(length: str, seconds: int) -> None:
    batch = cart(seconds - 1, seconds, seconds + 1, None)
    assert holds(f"since_cart >= {length}", batch, now=NOW) == [F, T, T, F]
    assert holds(f"since_cart > {length}", batch, now=NOW) == [F, F, T, F]
    assert holds(f"since_cart == {length}", batch, now=NOW) == [F, T, F, F]
    assert holds(f"since_cart between {length} and {length}", batch, now=NOW) == [F, T, F, F]


@pytest.mark.parametrize("hours", range(1, 2_160, 7))
def test_every_number_of_hours_is_exact(hours: int) -> None:
    assert holds(f"since_cart == {hours} hours", cart(hours * 3_600), now=NOW) == [True]


def test_without_an_instant_it_is_the_first_one_of_the_day() -> None:
    assert holds("since_cart == 0 hours", cart(45_000)) == [True]
    assert holds("since_cart >= 0 hours", cart(44_999)) == [False]
    assert holds("since_cart == 2 hours", replace(cart(45_000), zone="America/Noronha")) == [True]


def test_a_cart_is_open_for_90_days_and_not_before_it_was_begun() -> None:
    batch = cart(90 * DAY_SECONDS, 90 * DAY_SECONDS - 1, -1, None)
    assert holds("cart_value == 34", batch, now=NOW) == [F, T, F, F]
    assert holds("cart_value > 0 or cart_value <= 0", cart(5, minor=-1), now=NOW) == [F]


def test_an_age_of_a_cart_is_shown_in_hours_that_are_over() -> None:
    playbook = Playbook.load({"s": SegmentSpec("since_cart >= 3 hours")}, currency="EUR")
    for seconds, hours in ((10_799, 2.9), (10_800, 3.0), (25_200, 7.0)):
        (found,) = explain(playbook, cart(seconds), TODAY, {}, {"s": 0}, NOW)
        assert found["values"][0]["value"] == hours


# People.


def test_rates_and_clicks_may_be_unknown() -> None:
    batch = replace(
        batch_of([[], [], []]),
        open_rate=np.array([0.5, 0.0, np.nan]),
        click_rate=np.array([0.25, np.nan, 1.0]),
        clicked_day=np.array([TODAY - 30, TODAY + 1, NO_DAY]),
    )
    assert holds("open_rate >= 0.5", batch) == [T, F, F]
    assert holds("open_rate < 0.5", batch) == [F, T, F]
    assert holds("click_rate > 0.2", batch) == [T, F, T]
    assert holds("since_click >= 30 days", batch) == [T, F, F]
    assert holds("since_click < 6 months", batch) == [T, F, F]


def test_tags_and_wishes_are_those_of_the_shops() -> None:
    batch = replace(
        batch_of([[], []]),
        shop_tags=tuples([("vip", "strasse"), ()]),
        wishes=tuples([("", "Tea", "Cup"), ()]),
    )
    assert holds('shop_tag("VIP")', batch) == [T, F]
    assert holds('shop_tag("Straße") and not shop_tag("vi")', batch) == [T, F]
    assert shown("wishes", batch) == [3, 0]
    assert shown("wished_product", batch) == ["Tea", ""]


def test_wholesale_can_be_asked_for() -> None:
    assert holds("wholesale", batch_of([[]], wholesale=True)) == [True]
    assert holds("not wholesale", batch_of([[]])) == [True]


# The calendar.


@pytest.mark.parametrize(
    ("birthday", "today", "expected"),
    [
        (229, date(2026, 3, 1), "2026-02-28"),
        (229, date(2028, 3, 1), "2028-02-29"),
        (831, date(2026, 1, 1), "2026-08-31"),
        (101, date(2026, 12, 31), "2026-01-01"),
        (1231, date(2026, 1, 1), "2026-12-31"),
        (0, date(2026, 1, 1), ""),
    ],
)
def test_a_birthday_is_that_of_this_year(birthday: int, today: date, expected: str) -> None:
    batch = replace(batch_of([[]]), birthday=np.array([birthday]))
    assert shown("birthday", batch, day_of(today)) == [expected]


@pytest.mark.parametrize(
    ("first", "today", "expected"),
    [
        (date(2024, 2, 29), date(2026, 1, 1), "2026-02-28"),
        (date(2024, 2, 29), date(2028, 1, 1), "2028-02-29"),
        (date(2025, 12, 31), date(2026, 1, 1), "2026-12-31"),
        (date(2026, 1, 1), date(2026, 12, 31), ""),
        (date(2027, 1, 1), date(2026, 12, 31), ""),
    ],
)
def test_an_anniversary_comes_from_the_second_year_on(first: date, today: date, expected: str) -> None:
    assert shown("anniversary", batch_of([[(day_of(first), 1)]]), day_of(today)) == [expected]


def test_the_months_left_count_the_current_one() -> None:
    for today, left in ((date(2026, 1, 1), 12), (date(2026, 11, 30), 2), (date(2026, 12, 31), 1)):
        assert shown("months_left", batch_of([[], []]), day_of(today)) == [left, left]


@pytest.mark.parametrize(
    ("window", "expected"),
    [
        # Of 28 February, 1 March, today, tomorrow, the last day of the year, and nobody.
        ("6 months", [F, T, T, F, F, F]),
        ("1 day", [F, F, T, F, F, F]),
        ("this month", [F, F, T, F, F, F]),
        ("this year", [T, T, T, T, T, F]),
        ("last year", [F] * 6),
        ("last month", [F] * 6),
        ("ever", [T, T, T, T, T, F]),
    ],
)
def test_a_date_lies_within_a_window_and_a_period_is_whole(window: str, expected: list[bool]) -> None:
    days = np.array([228, 301, 831, 901, 1231, 0])
    batch = replace(batch_of([[]] * 6), birthday=days)
    assert holds(f"birthday within {window}", batch) == expected
    assert holds(f"not birthday within {window}", batch) == [not each for each in expected]


def test_a_calculated_date_can_lie_within_a_window() -> None:
    batch = batch_of([[(TODAY - 30, 1)], [(TODAY - 29, 1)]])
    assert holds("last_order + 30 days within 1 day", batch) == [True, False]


# Two values.


def test_the_smaller_and_the_larger_of_two() -> None:
    batch = batch_of([[(TODAY, 10_000)], [(TODAY, 40_000)], []])
    assert shown("min(spend(ever), 250)", batch) == [100.0, 250.0, 0.0]
    assert shown("max(spend(ever), 250)", batch) == [250.0, 400.0, 250.0]
    assert shown("max(average_order(ever), 1)", batch) == [100.0, 400.0, ""]
    assert shown("min(30 days, since_last_order)", batch) == [0, 0, ""]


# What is read.


def test_a_rule_needs_what_its_words_read() -> None:
    assert needs_of(parse("spend(ever) > 5 and subscribed")) == frozenset()
    assert needs_of(parse("min(wishes, 3) > 1"), parse("mean(cart_value) > 1")) == {"wishes", "cart_at", "cart_minor"}
    playbook = Playbook.load(
        {"s": SegmentSpec("birthday within this month")}, {"F": FieldSpec("last_product")}, currency="EUR"
    )
    assert playbook.needs == {"birthday", "items", "was_in"}


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ("( birthday )  within 1 month", "birthday within 1 month"),
        ("not (last_order within this  year)", "not last_order within this year"),
        ("since_cart>=1 hours", "since_cart >= 1 hour"),
        ('max( 1,orders(ever) )>2 and bought(sku "a",7 days)', 'max(1, orders(ever)) > 2 and bought(sku "a", 7 days)'),
        ("birthday + 7 days within ever or wholesale", "birthday + 7 days within ever or wholesale"),
    ],
)
def test_the_canonical_text_reads_as_the_same_rule(rule: str, text: str) -> None:
    assert str(parse(rule)) == text == str(parse(text))
