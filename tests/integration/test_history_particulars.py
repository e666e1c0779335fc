"""The columns that only some rules read: what was in the orders, carts, engagement, tags and wishes."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from sqlalchemy import event

from syncd.calendar import DAY_SECONDS
from syncd.history import packs
from syncd.history.carts import open_carts
from syncd.history.carts import store as store_carts
from syncd.history.database import History, open_history
from syncd.history.members import store_members
from syncd.history.people import customer_of
from syncd.history.schema import members
from syncd.lifecycle.columns import NO_DAY, NO_INSTANT, Batch, Need
from syncd.model import Cart, Item, OrderStatus, Product, Refund
from tests.integration.history_records import customer, member, take
from tests.integration.test_history_columns import NOON, read, sale

ANA, BEN = "ana@example.com", "ben@example.com"


def only(history: History, *needs: Need, **given: Any) -> Batch:
    (batch,) = read(history, needs=frozenset(needs), **given)
    return batch


def line(product: str, **given: Any) -> Item:
    values: dict[str, Any] = {"title": product.title(), "quantity": 1, "price_minor": 1_000}
    return Item(product_id=product, **(values | given))


def lines(history: History, **given: Any) -> list[list[tuple[Any, ...]]]:
    """Of each counted order: (product id, title, category, sku, quantity, price) of each line."""
    batch = only(history, "items", **given)
    items = batch.items
    assert items is not None
    assert items.starts[-1] == len(items.title)
    texts = (items.texts[codes] for codes in (items.product_id, items.title, items.category, items.sku))
    every = list(zip(*texts, items.quantity.tolist(), items.price_minor.tolist(), strict=True))
    return [every[begin:end] for begin, end in zip(items.starts[:-1], items.starts[1:], strict=True)]


def test_what_no_rule_reads_is_not_read(history: History) -> None:
    queries: list[str] = []
    take(history, sale("1"))
    packs.refresh(history)
    event.listen(history.engine, "before_cursor_execute", lambda *given: queries.append(given[2]))
    (batch,) = read(history)
    assert (batch.items, batch.cart_at, batch.birthday, batch.shop_tags, batch.wishes) == (None,) * 5
    # The people, that there are no more of them, and what they bought in either shop.
    assert sum("FROM packs" in query or "FROM customers" in query for query in queries) == 4
    assert not any(name in query for query in queries for name in ("lines", "order_items", "carts", "products"))


def test_each_line_stands_by_its_order_and_only_lines_of_orders_that_count(history: History) -> None:
    tea, cup = line("tea", sku="T-1", category="Drinks", quantity=2, price_minor=450), line("cup")
    take(
        history,
        sale("late", placed_at=NOON + 60, items=(cup,)),
        sale("early", items=(tea, cup)),
        sale("bare", placed_at=NOON + 90),
        sale("gone", items=(tea,), status=OrderStatus.REFUNDED),
        sale("back", items=(tea,), refunds=(Refund("r", 5_000, 4_000, NOON),)),
        sale("deleted", items=(tea,)),
        sale("theirs", BEN, placed_at=NOON - 60, items=(cup, cup, tea)),
        deleted_orders=("deleted",),
    )
    of_tea, of_cup = ("tea", "Tea", "Drinks", "T-1", 2, 450), ("cup", "Cup", "", "", 1, 1_000)
    assert lines(history) == [[of_tea, of_cup], [of_cup], [], [of_cup, of_cup, of_tea]]
    assert lines(history, as_of_end=NOON + 60) == [[of_tea, of_cup], [of_cup, of_cup, of_tea]]
    assert lines(history, customers=[customer_of(history, BEN)]) == [[of_cup, of_cup, of_tea]]


def test_a_partial_refund_leaves_the_lines_as_they_were_sold(history: History) -> None:
    take(history, sale("1", items=(line("tea"), line("cup")), refunds=(Refund("r", 1_000, 1_000, NOON),)))
    assert [[each[0] for each in order] for order in lines(history)] == [["tea", "cup"]]


def test_many_lines_stay_in_their_order(history: History) -> None:
    every = [line(str(at % 50)) for at in range(300)]
    for at in range(0, 300, 60):
        lost = sale(f"{at:03} lost", items=(line("lost"),) * 40, cancelled=True)
        take(history, sale(f"{at:03}", items=tuple(every[at : at + 60])), lost)
    assert [each[0] for order in lines(history) for each in order] == [str(at % 50) for at in range(300)]


def test_lines_of_orders_of_the_same_second_are_not_mixed_up(history: History) -> None:
    for shop in ("cafe", "acme"):
        take(history, *(sale(str(at), items=(line(f"{shop}-{at}"),)) for at in (3, 1, 2)), shop=shop)
    found = [order[0][0] for order in lines(history)]
    assert found == ["acme-1", "acme-2", "acme-3", "cafe-1", "cafe-2", "cafe-3"]
    batch = only(history, "items")
    assert batch.items is not None
    assert batch.items.starts.tolist() == [*range(7)]


def test_a_foreign_order_without_a_rate_is_out_with_its_lines(history: History) -> None:
    take(history, sale("1", currency="USD", items=(line("tea"),)), sale("2", items=(line("cup"),)))
    assert [order[0][0] for order in lines(history)] == ["cup"]
    assert [order[0][0] for order in lines(history, rates={"USD": Decimal("0.9")})] == ["tea", "cup"]


def test_a_category_is_that_of_the_product_where_the_shop_tells_it(history: History) -> None:
    take(history, sale("1", items=(line("tea", category="Drinks"), line("cup", category="Old"), line("jar"))))
    take(
        history,
        products=(
            Product("tea", "Tea", NOON),
            Product("cup", "Cup, blue", NOON, "Tableware"),
            Product("jar", "", NOON),
        ),
    )
    take(history, products=(Product("jar", "Jar", NOON, "Elsewhere"),), shop="cafe")
    assert [(each[1], each[2]) for each in lines(history)[0]] == [("Tea", "Drinks"), ("Cup", "Tableware"), ("Jar", "")]


def test_however_the_people_are_cut_the_lines_are_the_same(history: History) -> None:
    take(history, *(sale(str(at), f"{at % 5}@x.org", placed_at=NOON - at, items=(line(str(at)),)) for at in range(20)))
    whole = sorted(each for order in lines(history) for each in order)
    cut = read(history, needs=frozenset({"items"}), size=2)
    found = [str(text) for batch in cut if batch.items for text in batch.items.texts[batch.items.product_id]]
    assert sorted(found) == sorted(each[0] for each in whole) == sorted(str(at) for at in range(20))


def test_the_newest_order_that_counts_tells_when_the_last_one_was_placed(history: History) -> None:
    take(history, sale("1"), sale("2", placed_at=NOON + 5), sale("3", placed_at=NOON + 9, cancelled=True))
    take(history, customer("c", BEN))
    assert only(history, "last_order_at").last_order_at.tolist() == [NOON + 5, NO_INSTANT]  # type: ignore[union-attr]


def begin(history: History, id_: str, at: int, minor: int, email: str = ANA, **given: Any) -> None:
    shop = given.pop("shop", "acme")
    values = {"begun_at": at, "updated_at": at, "currency": "EUR", "value_minor": minor, "email": email}
    with history.begin() as db:
        store_carts(db, shop, [Cart(id=id_, **(values | given))])


def test_the_newest_cart_that_waits_is_told_in_the_audiences_money(history: History) -> None:
    take(history, customer("a", ANA), customer("b", BEN), customer("c", "cleo@x.org"))
    take(history, sale("9", "dora@x.org"))
    begin(history, "1", NOON, 900)
    begin(history, "2", NOON + 5, 700, currency="USD", shop="cafe")
    begin(history, "3", NOON + 9, 500, closed=True)
    begin(history, "4", NOON + 9, 500, shop="elsewhere")
    begin(history, "5", NOON, 123, BEN, currency="CHF")
    batch = only(history, "cart_at", "cart_minor", rates={"USD": Decimal("0.5")})
    assert (batch.cart_at is not None, batch.cart_minor is not None) == (True, True)
    assert np.stack((batch.cart_at, batch.cart_minor)).T.tolist() == [  # type: ignore[arg-type]
        [NOON + 5, 350],
        [NOON, -1],
        [NO_INSTANT, -1],
        [NO_INSTANT, -1],
    ]
    before = only(history, "cart_at", "cart_minor", as_of_end=NOON + 5)
    assert (before.cart_at.tolist()[0], before.cart_minor.tolist()[0]) == (NOON, 900)  # type: ignore[union-attr]


def test_of_carts_of_the_same_second_it_is_the_one_that_is_shown_first(history: History) -> None:
    take(history, customer("a", ANA))
    for id_, minor in (("2", 200), ("1", 100), ("3", 300)):
        begin(history, id_, NOON, minor)
    id_ = customer_of(history, ANA)
    assert id_ is not None
    first, *_ = open_carts(history, ["acme", "cafe"], id_, NOON + 1)
    assert only(history, "cart_minor").cart_minor.tolist() == [first.value_minor] == [100]  # type: ignore[union-attr]


@pytest.mark.parametrize("need", ["cart_at", "wishes"])
def test_what_one_person_has_is_found_without_a_look_at_what_others_have(
    history_url: Callable[[str], str], need: Need
) -> None:
    with open_history(history_url("sqlite")) as history:
        take(history, customer("a", ANA, wishes=("1",)))
        begin(history, "a", NOON, 900)
        id_ = customer_of(history, ANA)
        alone = steps(history, lambda: only(history, need, customers=[id_]))
        take(history, *(customer(str(at), f"{at}@x.org", wishes=("1",)) for at in range(100)))
        for at in range(100):
            begin(history, str(at), NOON, 900, f"{at}@x.org")
        assert steps(history, lambda: only(history, need, customers=[id_])) <= 1.1 * alone


def steps(history: History, work: Callable[[], object]) -> int:
    """How many steps SQLite's machine takes for the work: more where more rows are looked at."""
    taken = 0

    def more() -> None:
        nonlocal taken
        taken += 1

    def look(connection: Any, *_: object) -> None:
        connection.set_progress_handler(more, 1)

    event.listen(history.engine, "checkout", look)
    work()
    event.remove(history.engine, "checkout", look)
    return taken


def test_the_cart_of_an_id_that_the_shop_deleted_does_not_wait(history: History) -> None:
    take(history, customer("a", ANA), customer("b", ANA))
    begin(history, "1", NOON, 900, customer_id="a")
    assert only(history, "cart_at").cart_at.tolist() == [NOON]  # type: ignore[union-attr]
    take(history, deleted_customers=("a",))
    assert only(history, "cart_at").cart_at.tolist() == [NO_INSTANT]  # type: ignore[union-attr]


def test_engagement_and_birthdays_are_those_of_the_audience(history: History) -> None:
    take(history, sale("1"), sale("2", BEN))
    for audience, email in (("main", ANA), ("other", BEN)):
        store_members(history, audience, [member(email)], None, bits={}, field_names=[], now=1)
    late = 20_000 * DAY_SECONDS + 23 * 3_600
    with history.begin() as db:
        db.execute(members.update().values(open_rate=0.25, click_rate=0.125, clicked_at=late, birthday=229))
    batch = only(history, "open_rate", "click_rate", "clicked_day", "birthday", zone="Europe/Madrid")
    assert str(batch.open_rate) == "[0.25  nan]"
    assert str(batch.click_rate) == "[0.125   nan]"
    assert batch.clicked_day is not None
    assert batch.clicked_day.tolist() == [20_001, NO_DAY]
    assert batch.birthday is not None
    assert batch.birthday.tolist() == [229, 0]


def test_one_column_of_engagement_comes_without_the_others(history: History) -> None:
    take(history, sale("1"))
    batch = only(history, "birthday")
    assert batch.birthday is not None
    assert (batch.birthday.tolist(), batch.open_rate, batch.clicked_day) == ([0], None, None)


def test_tags_are_those_of_all_living_records_in_the_audiences_shops(history: History) -> None:
    take(history, customer("a", ANA, tags=("VIP", "Straße")), customer("b", ANA, tags=("gone",)), customer("c", BEN))
    take(history, customer("a", ANA, tags=("press",)), shop="cafe")
    take(history, customer("a", ANA, tags=("hidden",)), shop="elsewhere")
    take(history, deleted_customers=("b",))
    batch = only(history, "shop_tags")
    assert batch.shop_tags is not None
    assert [sorted(tags) for tags in batch.shop_tags] == [["press", "strasse", "vip"], []]


def test_wishes_are_titles_the_latest_first_over_all_records(history: History) -> None:
    take(
        history,
        customer("a", ANA, wishes=("7", "9", "8"), updated_at=2_000),
        customer("b", ANA, wishes=("8",), updated_at=3_000),
        customer("c", BEN),
        products=(Product("7", "Tea", 1), Product("8", "Cup", 1)),
    )
    take(history, products=(Product("9", "Elsewhere", 1),), shop="cafe")
    batch = only(history, "wishes")
    assert batch.wishes is not None
    assert batch.wishes.tolist() == [("Cup", "Tea", ""), ()]


def test_a_merged_person_has_the_lines_and_tags_of_all_ids(history: History) -> None:
    take(history, customer("a", ANA, tags=("one",)), customer("b", ANA, tags=("two",)))
    take(history, sale("1", None, customer_id="a", items=(line("tea"),)))
    take(history, sale("2", None, customer_id="b", placed_at=NOON + 1, items=(line("cup"),)))
    assert [order[0][0] for order in lines(history)] == ["tea", "cup"]
    tags = only(history, "shop_tags").shop_tags
    assert tags is not None
    assert sorted(tags[0]) == ["one", "two"]
