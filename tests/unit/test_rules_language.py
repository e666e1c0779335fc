"""What rules mean, by example; the random rules of test_rules_agreement cover the combinations."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.calendar import day_of
from syncd.lifecycle.columns import NO_DAY, Batch
from syncd.rules import Node, RuleError, evaluate, figure_of, figure_values, figures_in, parse, parse_rule, parts
from syncd.rules.tokens import MAX_TOKENS, tokenise
from tests.unit.random_rules import Author
from tests.unit.test_metrics import batch_of

TODAY = day_of(date(2026, 8, 31))
# In order: 28 February, 1 March, six days ago, seven days ago, tomorrow; and somebody who never ordered.
HISTORIES = [[(TODAY - ago, 10000)] for ago in (184, 183, 6, 7, -1)] + [[]]


def holds(rule: str, batch: Batch | None = None, mean: float | None = None) -> list[bool]:
    batch = batch_of(HISTORIES) if batch is None else batch
    return list(evaluate(parse_rule(rule), batch, TODAY, {"mean(spend(ever))": mean}).tolist())


T, F = True, False


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("orders(7 days) == 1", [F, F, T, F, F, F]),
        ("since_last_order < 7 days", [F, F, T, F, F, F]),
        ("since_last_order >= 7 days", [T, T, F, T, F, F]),
        ("orders(6 months) == 1", [F, T, T, T, F, F]),
        ("since_last_order >= 6 months", [T, F, F, F, F, F]),
        ("since_last_order < 6 months", [F, T, T, T, F, F]),
        ("since_last_order > 6 months", [F, F, F, F, F, F]),
        ("since_last_order == 6 months", [T, F, F, F, F, F]),
        ("6 months <= since_last_order", [T, F, F, F, F, F]),
        ("since_last_order between 7 days and 6 months", [T, T, F, T, F, F]),
        ("not since_last_order < 6 months", [T, F, F, F, T, T]),
        ("last_order == 2026-02-28", [T, F, F, F, F, F]),
        ("last_order + 1 week > 2026-08-31", [F, F, T, F, F, F]),
        ("1 week + last_order > 2026-08-31", [F, F, T, F, F, F]),
        ("average_order(ever) == 100", [T, T, T, T, F, F]),
        ("not average_order(ever) == 100", [F, F, F, F, T, T]),
        ("average_order(ever) != 99", [T, T, T, T, F, F]),
        ("spend(ever) / orders(ever) == 100", [T, T, T, T, F, F]),
        ("spend(ever) / 0 > 1 or spend(ever) / 0 <= 1", [F] * 6),
        ("1 < 2", [T] * 6),
        ("not 1 == 2 and not 2 == 3", [T] * 6),
        ("1 == 1 or 1 == 1 and 2 == 3", [T] * 6),
        ("(1 == 1 or 1 == 1) and 2 == 3", [F] * 6),
        ("not 1 == 2 or 1 == 1", [T] * 6),
        ("2 + 3 * 4 - 6 / -2 == 17 and (2 + 3) * 4 == 20 and 9 - 3 - 2 == 4", [T] * 6),
        ("- 2 * 3 == -6 and --2 == 2", [T] * 6),
        ('"ES" == "ES" and "ES" != "FR"', [T] * 6),
        ('country == "ES" and language == "es"', [T] * 6),
        ("city == country or city != country or city == city", [F] * 6),
    ],
)
def test_a_rule_means_what_the_design_says(rule: str, expected: list[bool]) -> None:
    assert holds(rule) == expected


@pytest.mark.parametrize("spend_minor", [33, 2999, 9999, 25001])
def test_an_amount_equals_the_number_as_written(spend_minor: int) -> None:
    assert holds(f"spend(ever) == {spend_minor / 100}", batch_of([[(TODAY, spend_minor)]])) == [True]


# Dividing twice, by 100 and by the orders, misses each of these.
@pytest.mark.parametrize(("minor", "orders", "average"), [(10, 3, "0.1"), (73, 7, "0.73"), (152, 3, "1.52")])
def test_an_average_is_the_number_nearest_to_the_true_one(minor: int, orders: int, average: str) -> None:
    assert holds(f"average_order(ever) == {average}", batch_of([[(TODAY, minor)] * orders])) == [True]


def test_a_signup_counts_from_its_day_and_not_before_it() -> None:
    rule = "since_signup >= 30 days"
    assert holds(rule, batch_of([[]], signup=TODAY - 30)) == [True]
    assert holds(rule, batch_of([[]], signup=TODAY - 29)) == [False]
    assert holds(f"{rule} or since_signup < 30 days", batch_of([[]], signup=TODAY + 1)) == [False]
    assert holds(f"{rule} or since_signup < 30 days", batch_of([[]], signup=NO_DAY)) == [False]


def test_a_figure_over_nobody_is_missing() -> None:
    assert holds("spend(ever) > mean(spend(ever))", mean=None) == [F] * 6
    assert holds("spend(ever) > mean(spend(ever))", mean=99.0) == [T, T, T, T, F, F]


def figure(text: str, *batches: Batch) -> float | None:
    (wanted,) = figures_in(parse(text))
    return figure_of(wanted, [figure_values(wanted, batch, TODAY) for batch in batches])


def test_a_mean_is_over_retail_customers_who_ordered() -> None:
    buyers = batch_of([[(TODAY, 100)], [(TODAY, 300)], [], [(TODAY + 1, 900)]])
    wholesale = batch_of([[(TODAY, 100_000_00)]], wholesale=True)
    assert figure("mean(spend(ever))", buyers, wholesale) == 2.0
    assert figure("mean(spend(ever))", wholesale) is None
    assert figure("mean(spend(ever))") is None


@pytest.mark.parametrize(("p", "expected"), [(0, 1.0), (25, 1.75), (50, 2.5), (90, 3.7), (100, 4.0)])
def test_a_percentile_lies_between_its_neighbours(p: float, expected: float) -> None:
    batch = batch_of([[(TODAY, minor)] for minor in (400, 100, 300, 200)])
    assert figure(f"percentile(spend(ever), {p})", batch) == pytest.approx(expected, abs=1e-12)


def test_a_figure_leaves_out_who_lacks_the_value() -> None:
    assert figure("mean(average_order(7 days))", batch_of([[(TODAY, 100)], [(TODAY - 9, 900)]])) == 1.0


@given(st.permutations([0.1, 0.2, 0.3, 1e15, -1e15, 7.7]), st.integers(0, 6))
def test_a_mean_does_not_depend_on_how_the_customers_were_cut(values: list[float], cut: int) -> None:
    (wanted,) = figures_in(parse("mean(spend(ever))"))
    whole = figure_of(wanted, [np.array([0.1, 0.2, 0.3, 1e15, -1e15, 7.7])])
    assert figure_of(wanted, [np.array(values[:cut]), np.array(values[cut:])]) == whole


def test_the_same_figure_written_twice_is_one_figure() -> None:
    found = figures_in(
        parse("spend(ever) > mean( spend( ever ) )"), parse("mean(spend(ever)) > percentile(orders(1 years), 90.0) * 2")
    )
    assert [figure.text for figure in found] == ["mean(spend(ever))", "percentile(orders(1 year), 90)"]


def test_the_parts_of_a_rule_are_its_outermost_operands() -> None:
    assert [str(part) for part in parts(parse_rule("subscribed and (in(a) or in(b)) and 1 < 2", ["a", "b"]))] == [
        "subscribed",
        "in(a) or in(b)",
        "1 < 2",
    ]
    assert [str(part) for part in parts(parse_rule("not subscribed"))] == ["not subscribed"]


def same(left: Any, right: Any) -> bool:
    """The same tree, wherever it stands in its text."""
    if not isinstance(left, Node):
        return bool(left == right)
    fields = [name for name in left.__dataclass_fields__ if name != "span"]
    return type(left) is type(right) and all(
        len(a) == len(b) and all(map(same, a, b)) if isinstance(a, tuple) else same(a, b)
        for a, b in ((getattr(left, name), getattr(right, name)) for name in fields)
    )


@given(st.integers(0, 2**48))
def test_the_canonical_text_is_the_same_tree(seed: int) -> None:
    author, known = Author(seed), ("come-back", "14d")
    for text in (author.rule(known), author.number(), author.amount(), author.days(), author.date()):
        tree = parse(text, known)
        again = parse(str(tree), known)
        assert same(tree, again), text
        assert str(again) == str(tree)


@given(st.integers(0, 2**48))
def test_spaces_do_not_matter(seed: int) -> None:
    text = Author(seed).rule(["buyer"])
    spaced = " \n".join(token.text for token in tokenise(text))
    assert str(parse_rule(spaced, ["buyer"])) == str(parse_rule(text, ["buyer"]))


WORDS = ["and", "or", "not", "in", "between", "spend", "ever", "mean", "6", "months", "2026-01-01"]
SCRAPS = [*"()<>=!+-*/,.\"' \n\t%é", *WORDS]


@given(st.lists(st.sampled_from(SCRAPS), max_size=30).map(" ".join) | st.text(max_size=40))
def test_whatever_is_typed_is_a_rule_or_a_complaint_inside_the_text(text: str) -> None:
    try:
        parse_rule(text)
    except RuleError as error:
        start, end = error.span
    else:
        return
    assert 0 <= start <= end <= len(text)


def test_the_greatest_number_and_the_longest_times_can_be_read() -> None:
    assert holds("orders(100 years) < 999999999999999 and since_signup < 36500 days", batch_of([[]], signup=0)) == [
        True
    ]


def test_a_rule_of_the_greatest_length_can_be_read() -> None:
    rule = " or ".join(["subscribed"] * (MAX_TOKENS // 2))
    assert len(parts(parse_rule(rule))) == MAX_TOKENS // 2
