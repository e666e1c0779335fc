"""Which product goes with which: a small shop by hand, planted pairs among random baskets, and nothing by chance."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.lifecycle.columns import Batch, Items
from syncd.lifecycle.companions import Companion, companions, least_share, same_series
from syncd.rules import parse
from syncd.rules.evaluation import needs_of, value_of
from syncd.rules.scope import Scope
from tests.unit.test_metrics import TODAY, batch_of

Line = str | tuple[str, str]  # a title, or a title and the id of the product
Basket = Sequence[Line]


def shop(*customers: Sequence[Basket], wholesale: bool = False, day: int = TODAY) -> Batch:
    """Customers with these orders, all on one day."""
    lines = [
        line if isinstance(line, tuple) else (line, line) for own in customers for basket in own for line in basket
    ]
    texts = ["", *sorted({text for line in lines for text in line})]
    title, id_ = (np.array([texts.index(line[at]) for line in lines], np.int64) for at in (0, 1))
    none = np.zeros(len(lines), np.int64)
    starts = np.cumsum([0, *(len(basket) for own in customers for basket in own)])
    items = Items(starts, id_, title, none, none, none + 1, none + 100, np.array(texts, object))
    batch = batch_of([[(day, 100)] * len(own) for own in customers], wholesale=wholesale)
    return replace(batch, items=items)


def pairs(*batches: Batch) -> list[tuple[str, str]]:
    return [(found.product, found.companion) for found in companions(batches, TODAY)]


def together(one: Line, other: Line, times: int = 30, alone: int = 200) -> list[Basket]:
    """Baskets with both, and many more with something else."""
    return [[one, other]] * times + [[f"stock {'abcdefgh'[at % 8] * 3}"] for at in range(alone)]


def test_the_figures_of_a_pair_are_those_counted_by_hand() -> None:
    baskets = [["tea", "cups"]] * 40 + [["tea"]] * 10 + [["cups"]] * 20 + [["jam"]] * 130
    cups, tea = companions([shop(baskets)], TODAY)
    assert (cups.product, cups.companion, cups.joint) == ("cups", "tea", 40)
    assert (tea.product, tea.companion, tea.joint) == ("tea", "cups", 40)
    # 40 of 50 baskets with tea hold cups, and 60 of all 200.
    assert tea.lift == pytest.approx(40 / 50 / (60 / 200))
    assert cups.lift == pytest.approx(40 / 60 / (50 / 200))
    # Three products are six pairs, so each is doubted less than one time in 120.
    share = tea.least_lift * 60 / 200
    against = 0.8 * math.log(0.8 / share) + 0.2 * math.log(0.2 / (1 - share))
    assert 50 * against == pytest.approx(math.log(120))


def test_a_pair_needs_twenty_joint_baskets() -> None:
    assert pairs(shop(together("tea", "cups", 19))) == []
    assert pairs(shop(together("tea", "cups", 20))) == [("cups", "tea"), ("tea", "cups")]


def test_what_everybody_buys_goes_with_nothing() -> None:
    baskets = [["bag", "tea"]] * 100 + [["bag", "jam"]] * 100 + [["bag"]] * 100
    assert pairs(shop(baskets)) == []


def test_the_surest_companion_is_the_one() -> None:
    baskets = [["tea", "cups"]] * 60 + [["tea", "jam"]] * 30 + [["jam"]] * 60 + [["oil"]] * 400
    assert pairs(shop(baskets)) == [("cups", "tea"), ("jam", "tea"), ("tea", "cups")]


def test_of_equally_sure_companions_the_first_by_the_alphabet_is_taken() -> None:
    baskets = [["tea", "jam"], ["tea", "cups"]] * 30 + [["oil"]] * 400
    assert ("tea", "cups") in pairs(shop(baskets))


def test_each_product_counts_once_a_basket() -> None:
    baskets = [["tea", "tea", "cups", "tea"]] * 15 + [["tea"]] * 5 + [["oil"]] * 400
    assert pairs(shop(baskets)) == []


def test_orders_of_wholesale_customers_and_of_later_days_are_no_baskets() -> None:
    baskets = together("tea", "cups")
    assert pairs(shop(baskets, wholesale=True)) == []
    assert pairs(shop(baskets, day=TODAY + 1)) == []
    assert pairs(shop(), shop([])) == companions([], TODAY) == []


def test_of_a_huge_basket_the_first_hundred_lines_count() -> None:
    stock = [f"thing{'abcdefghij'[at // 10]}{'abcdefghij'[at % 10]}" for at in range(98)]
    huge = [["tea", *stock, "cups", "jam"]] * 30 + [["oil"]] * 900
    found = {one for pair in pairs(shop(huge)) for one in pair}
    assert {"tea", "cups"} <= found
    assert "jam" not in found


def test_lines_without_a_title_are_nothing() -> None:
    assert pairs(shop([["tea", ""]] * 30 + [["oil"]] * 400)) == []


# One product, or one series.


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Pink Regency Teacup and Saucer", "Green Regency Teacup and Saucer"),
        ("Regency Tea Plate Roses", "Regency Tea Plate Green"),
        ("T-shirt Sunrise, red, M", "T-shirt Sunrise, blue, XL"),
        ("Earl Grey 100 g", "EARL GREY 250 g"),
        ("Té negro Keemun 100 g", "té negro Keemun 1 kg"),
        ("Teapot", "Teapot stand"),
    ],
)
def test_titles_that_share_most_of_their_words_are_one_series(one: str, other: str) -> None:
    assert same_series(one, other)
    assert same_series(other, one)
    assert pairs(shop(together(one, other))) == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Green tea", "Black tea"),
        ("Earl Grey 100 g", "Darjeeling 100 g"),
        ("Regency Tea Plate Roses", "Cake Stand Regency"),
        ("Teapot", "Tea strainer"),
        ("A1", "A2"),
    ],
)
def test_titles_that_share_half_of_their_words_or_fewer_are_not(one: str, other: str) -> None:
    assert not same_series(one, other)
    assert len(pairs(shop(together(one, other)))) == 2


def test_one_product_under_two_titles_goes_not_with_itself() -> None:
    assert pairs(shop(together(("Old name", "7"), ("Fresh label", "7")))) == []
    assert len(pairs(shop(together(("Old name", "7"), ("Fresh label", "8"))))) == 2
    # Without ids the titles tell.
    assert len(pairs(shop(together(("Old name", ""), ("Fresh label", ""))))) == 2


def test_the_next_best_takes_the_place_of_one_of_the_series() -> None:
    baskets = [["tea plate roses", "tea plate green"]] * 90 + [["tea plate roses", "cake stand"]] * 30 + [["oil"]] * 400
    assert pairs(shop(baskets)) == [("cake stand", "tea plate roses"), ("tea plate roses", "cake stand")]


# Chance.


def random_baskets(seed: int, baskets: int = 4_000, products: int = 60) -> list[list[str]]:
    """Independent products, some bought often and some seldom."""
    rng = np.random.default_rng(seed)
    held = rng.random((baskets, products)) < 0.4 / np.arange(1, products + 1) ** 0.7
    names = [f"thing {'abcdefgh'[at // 8] * 3}{'abcdefgh'[at % 8] * 3}" for at in range(products)]
    return [[names[at] for at in np.flatnonzero(row)] for row in held]


def test_products_bought_independently_hardly_ever_go_together() -> None:
    # The doubt allows for one audience in twenty with a pair; the bound is wider than that.
    assert [seed for seed in range(12) if companions([shop(random_baskets(seed))], TODAY)] == []


@pytest.mark.parametrize("seed", range(5))
def test_a_planted_pair_is_found_and_nothing_else(seed: int) -> None:
    baskets = random_baskets(seed)
    rng = np.random.default_rng(seed)
    for basket in baskets:
        if rng.random() < 0.05:
            basket += ["tent", "lantern"] if rng.random() < 0.6 else ["tent"]
    assert pairs(shop(baskets)) == [("lantern", "tent"), ("tent", "lantern")]


@given(st.lists(st.tuples(st.integers(1, 60), st.integers(0, 300)), min_size=1, max_size=5), st.floats(1e-9, 0.5))
def test_the_least_share_is_where_chance_is_no_longer_rarer_than_the_doubt(
    counts: list[tuple[int, int]], doubt: float
) -> None:
    joint = np.array([one for one, _ in counts])
    of = joint + np.array([rest for _, rest in counts])
    for share, k, n in zip(least_share(joint, of, doubt).tolist(), joint.tolist(), of.tolist(), strict=True):
        assert 0 < share < k / n
        by_chance = math.fsum(math.comb(n, hit) * share**hit * (1 - share) ** (n - hit) for hit in range(k, n + 1))
        assert by_chance <= doubt * (1 + 1e-9)


def test_the_companions_do_not_depend_on_how_batches_are_cut() -> None:
    baskets = random_baskets(3) + together("tea", "cups")
    whole = companions([shop(baskets)], TODAY)
    assert companions([shop(baskets[:500]), shop(), shop(baskets[500:])], TODAY) == whole
    assert whole == [*sorted(whole)]
    assert [type(one) for one in whole] == [Companion] * 2


# What is offered to a customer.


def test_the_matching_product_is_that_of_the_last_one_unless_it_was_bought_ever() -> None:
    rule = parse("matching_product")
    assert needs_of(rule) == {"items", "companions"}
    known = {"tea": "cups", "jam": "bread"}
    batch = replace(shop([["tea"]], [["cups"], ["tea"]], [["tea"], ["oil"]], [["jam", "tea"]], []), companions=known)
    # The last one bought a second product with the same worth: the first line is the last product.
    assert value_of(rule, Scope(batch, TODAY, {})).tolist() == ["cups", "", "", "bread", ""]
    assert value_of(rule, Scope(batch, TODAY - 1, {})).tolist() == [""] * 5
