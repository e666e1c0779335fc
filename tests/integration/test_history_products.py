"""Products in the history: the newest state of each, and who is judged again when one is of another kind."""

from __future__ import annotations

import pytest

from syncd.history.database import History
from syncd.history.quarantine import quarantined
from syncd.history.schema import identities, products
from syncd.history.sift import recovered
from syncd.model import Item, Product
from tests.integration.history_records import customer, forget_news, news_of, order, rows, take

SENCHA = Product("7", "Sencha", 1_000, "Tea")


def buy(history: History, email: str, *product_ids: str) -> None:
    items = tuple(Item(id_, f"title of {id_}", 1, 500) for id_ in product_ids)
    take(history, order(f"order of {email}", email=email, items=items))


def show(history: History, *shown: Product, shop: str = "acme") -> None:
    take(history, resource="products", products=shown, shop=shop)


def kept(history: History) -> list[tuple[str, str]]:
    return rows(history, products, "title", "category")  # type: ignore[return-value]


def test_a_product_is_kept_as_it_is_now(history: History) -> None:
    show(history, SENCHA)
    show(history, Product("7", "Sencha", 2_000, "Green tea"))
    assert kept(history) == [("Sencha", "Green tea")]


def test_an_older_state_replaces_no_newer_one_and_of_equally_new_ones_the_later_counts(history: History) -> None:
    show(history, SENCHA)
    show(history, Product("7", "Sencha", 999, "Older"))
    assert kept(history) == [("Sencha", "Tea")]
    show(history, Product("7", "Sencha", 1_000, "Later"))
    assert kept(history) == [("Sencha", "Later")]
    show(history, SENCHA, Product("7", "Sencha", 999, "Older"))
    assert kept(history) == [("Sencha", "Tea")]


def test_another_category_is_news_for_who_bought_the_product_and_for_nobody_else(history: History) -> None:
    show(history, SENCHA)
    buy(history, "ana@example.com", "7", "8")
    buy(history, "bea@example.com", "8")
    forget_news(history)
    show(history, Product("7", "Sencha", 2_000, "Green tea"))
    assert news_of(history) == {"ana@example.com"}


def test_a_category_of_a_product_that_was_bought_before_it_was_known_is_news(history: History) -> None:
    buy(history, "ana@example.com", "7")
    forget_news(history)
    show(history, SENCHA)
    assert news_of(history) == {"ana@example.com"}


def test_the_same_product_number_in_another_shop_is_another_product(history: History) -> None:
    buy(history, "ana@example.com", "7")
    forget_news(history)
    show(history, SENCHA, shop="cafe")
    assert news_of(history) == set()


def test_a_state_that_is_known_or_says_the_same_is_no_news(history: History) -> None:
    show(history, SENCHA)
    buy(history, "ana@example.com", "7")
    forget_news(history)
    show(history, SENCHA)
    show(history, Product("7", "Sencha", 2_000, "Tea"))
    assert news_of(history) == set()


def test_news_of_a_product_reaches_every_audience_and_those_who_have_news_already(history: History) -> None:
    buy(history, "ana@example.com", "7")
    take(history, resource="products", products=(SENCHA,), audiences=["main", "second"])
    assert news_of(history) == {"ana@example.com"}


def test_a_counter_sale_of_the_product_disturbs_nobody(history: History) -> None:
    take(history, order("1", items=(Item("7", "Sencha", 1, 500),)))
    show(history, SENCHA)
    assert news_of(history) == set()


def test_a_wish_list_is_kept_in_its_order_and_a_change_of_it_is_news(history: History) -> None:
    take(history, customer(wishes=("9", "7")))
    assert rows(history, identities, "wishes") == [("9\n7",)]
    forget_news(history)
    take(history, customer(wishes=("9", "7")))
    assert news_of(history) == set()
    take(history, customer(wishes=("7",)))
    assert news_of(history) == {"ana@example.com"}


def test_another_title_is_news_for_who_wishes_for_the_product(history: History) -> None:
    take(history, customer(wishes=("17", "7")), customer("c2", "bea@example.com", wishes=("17",)))
    take(history, customer("c3", "cleo@example.com", wishes=("7",)), shop="cafe")
    forget_news(history)
    show(history, SENCHA)
    assert news_of(history) == {"ana@example.com"}
    forget_news(history)
    show(history, Product("7", "Sencha", 2_000, "Green tea"))
    assert news_of(history) == set()


def test_another_tag_of_the_shop_is_news(history: History) -> None:
    take(history, customer(tags=("gold",)))
    forget_news(history)
    take(history, customer(tags=("gold",), updated_at=2_000))
    assert news_of(history) == set()
    take(history, customer(tags=("gold", "b2b"), updated_at=3_000))
    assert news_of(history) == {"ana@example.com"}


@pytest.mark.parametrize(
    "poison",
    [
        Product("7" * 65, "Sencha", 1_000),
        Product("", "Sencha", 1_000),
        Product("7", "Sen\0cha", 1_000),
        Product("7", "Sencha", 1_000, "Te\ud800a"),
        Product("7", "Sencha", 2**62),
    ],
)
def test_a_product_that_no_database_could_hold_costs_itself_only(history: History, poison: Product) -> None:
    show(history, poison, Product("good", "Good", 1_000))
    assert kept(history) == [("Good", "")]
    assert [(one.resource, recovered(one.raw)) for one in quarantined(history)] == [("products", poison)]
