"""Packed orders are what the rows say, whatever happened to the rows, and reading them costs what is read."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, event, select, update

from syncd.history import packs
from syncd.history.columns import batches
from syncd.history.database import History
from syncd.history.erasure import erase
from syncd.history.people import customer_of, redact
from syncd.history.products import store as store_products
from syncd.history.schema import customers, order_items
from syncd.history.schema import packs as packs_table
from syncd.history.schema import unpacked as marks
from syncd.history.unpacked import mark_wholly
from syncd.lifecycle.columns import Batch, Items
from syncd.model import Item, Product, Refund
from tests.integration.history_records import customer, order, rows, take
from tests.integration.test_history_order import EMAILS, SHOPS, Delivery, customers_, deliver, empty, orders

SHOES, SOCKS = Item("p1", "Shoes", 1, 3_000, category="shoes"), Item("p2", "Socks", 2, 1_000)
HOUR = 3_600


def read(history: History, *, shops: list[str] = SHOPS, **given: Any) -> list[Batch]:
    values: dict[str, Any] = {
        "zone": "Europe/Madrid",
        "currency": "EUR",
        "rates": {},
        "spend": "goods",
        "pending_counts": True,
        "needs": frozenset({"items", "last_order_at"}),
    }
    return list(batches(history, "main", shops, **(values | given)))


def said(found: list[Batch]) -> list[Any]:
    """What batches say, in a form that can be compared."""
    return [[_plain(getattr(batch, field.name)) for field in fields(Batch)] for batch in found]


def _plain(column: Any) -> Any:
    if isinstance(column, Items):
        words = (column.product_id, column.title, column.category, column.sku)
        return [column.texts[each].tolist() for each in words] + [
            each.tolist() for each in (column.starts, column.quantity, column.price_minor)
        ]
    return repr(column.tolist()) if isinstance(column, np.ndarray) else column


def forget_packs(history: History) -> None:
    """From now on everything is read from the rows."""
    with history.begin() as db:
        db.execute(delete(packs_table))
        mark_wholly(db, list(db.execute(select(customers.c.id)).scalars()))


@contextmanager
def statements_of(history: History) -> Iterator[list[str]]:
    found: list[str] = []

    def look(*given: Any) -> None:
        found.append(given[2])

    event.listen(history.engine, "before_cursor_execute", look)
    yield found
    event.remove(history.engine, "before_cursor_execute", look)


GONE = st.sampled_from([*(("order", id_) for id_ in "12345"), ("customer", "c1")])
HAPPENINGS = st.lists(st.tuples(st.sampled_from(SHOPS), orders() | customers_() | GONE), min_size=12, max_size=24)


@given(HAPPENINGS, st.randoms(use_true_random=False))
@settings(
    max_examples=10,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_whatever_happened_packs_say_what_the_rows_say(
    history: History, seen: list[Delivery], chance: random.Random
) -> None:
    empty(history)
    for shop, shown in seen:
        deliver(history, shop, [shown])
        if chance.random() < 0.1:
            redact(history, shop, chance.choice(["c1", "c2"]), audiences=["main"], now=3)
        if chance.random() < 0.1:
            erase(history, chance.choice(EMAILS).lower(), 3)
        if chance.random() < 0.5:
            packs.refresh(history)
    partly_marked = said(read(history))
    assert packs.differing(history) == []
    packs.refresh(history)
    packed = said(read(history))
    assert (rows(history, marks), packs.differing(history)) == ([], [])
    forget_packs(history)
    assert partly_marked == packed == said(read(history))


def test_one_order_more_leaves_what_was_packed_before_it_as_it_is(history: History) -> None:
    take(history, *(order(str(at), email="ana@example.com", placed_at=at * HOUR, items=(SHOES,)) for at in range(9)))
    packs.refresh(history)
    take(history, order("new", email="ana@example.com", placed_at=7 * HOUR, items=(SOCKS, SHOES)))
    assert rows(history, marks, "since_at") == [(7 * HOUR,)]
    before = said(read(history))
    packs.refresh(history)
    assert (said(read(history)), packs.differing(history)) == (before, [])


def test_a_refund_of_an_old_order_is_packed_and_so_is_an_order_that_moved_in_time(history: History) -> None:
    shown = [order(str(at), email="ana@example.com", placed_at=at * HOUR) for at in range(5)]
    take(history, *shown)
    packs.refresh(history)
    refunded = order(
        "1", email="ana@example.com", placed_at=HOUR, updated_at=2_000, refunds=(Refund("r", 100, 100, 9),)
    )
    take(history, refunded, order("4", email="ana@example.com", placed_at=30, updated_at=2_000))
    packs.refresh(history)
    (batch,) = read(history, spend="paid")
    assert batch.order_minor.tolist() == [5_000, 5_000, 4_900, 5_000, 5_000]
    assert packs.differing(history) == []


def test_of_the_same_second_the_orders_of_an_earlier_shop_come_first(history: History) -> None:
    take(history, order("1", email="ana@example.com", goods_minor=1, items=(SHOES,)), shop="cafe")
    take(
        history, order("9", email="ana@example.com", goods_minor=2), order("8", email="ana@example.com", goods_minor=3)
    )
    take(history, order("0", email="ana@example.com", goods_minor=4, placed_at=1_001, items=(SOCKS,)))
    packs.refresh(history)
    (batch,) = read(history)
    assert batch.order_minor.tolist() == [3, 2, 1, 4]
    assert batch.items is not None
    assert batch.items.starts.tolist() == [0, 0, 0, 1, 2]


def test_what_looks_like_a_currency_is_not_taken_for_it(history: History) -> None:
    codes = ["EUR", "EÕR", "DÕR", "eur", "€€€", "USD"]
    take(history, *(order(code, email="ana@example.com", currency=code) for code in codes))
    packs.refresh(history)
    (batch,) = read(history)
    assert len(batch.order_day) == 1


def test_what_a_shop_says_of_a_product_now_holds_for_packed_lines_too(history: History) -> None:
    take(history, order("1", email="ana@example.com", items=(SHOES, SOCKS)))
    packs.refresh(history)
    with history.begin() as db:
        store_products(db, "acme", [Product("p2", "Warm socks", 5, "warm")], ["main"])
    (batch,) = read(history)
    assert batch.items is not None
    assert batch.items.texts[batch.items.category].tolist() == ["shoes", "warm"]
    assert batch.items.texts[batch.items.title].tolist() == ["Shoes", "Socks"]


def test_reading_writes_nothing_and_what_is_packed_is_read_without_the_rows(history: History) -> None:
    take(history, order("1", email="ana@example.com", items=(SHOES,)))
    with statements_of(history) as found:
        read(history)
    assert any("FROM orders" in one or "JOIN orders" in one for one in found)
    assert not any(word in one for one in found for word in ("INSERT", "UPDATE", "DELETE"))
    packs.refresh(history)
    with statements_of(history) as found:
        read(history)
    assert not any(table in one for one in found for table in ("orders ", "order_items"))


def test_what_is_marked_is_found_without_looking_at_older_orders(history: History) -> None:
    if history.engine.dialect.name != "sqlite":
        pytest.skip("PostgreSQL decides by what it has counted")
    plans: list[str] = []
    take(history, *(order(str(at), email=f"{at}@example.com", items=(SHOES,)) for at in range(9)))

    def explain(db: Any, cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if "JOIN orders" in statement:
            plan = cursor.connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters).fetchall()
            plans.extend(row[3] for row in plan)

    event.listen(history.engine, "before_cursor_execute", explain)
    read(history)
    assert [plan for plan in plans if "orders" in plan] == [
        "SEARCH orders USING INDEX ix_orders_customer_id (customer_id=? AND placed_at>?)"
    ]


@pytest.mark.parametrize("packed", [True, False])
def test_reading_some_costs_the_same_whatever_the_size_of_the_audience(history: History, packed: bool) -> None:
    costs = []
    for first, last in ((0, 20), (20, 200)):
        people = range(first, last)
        take(history, *(order(str(at), email=f"{at}@example.com", items=(SHOES, SOCKS)) for at in people))
        packs.refresh(history)
        if not packed:
            shown = [order(f"n{last}-{at}", email=f"{at}@example.com", placed_at=9_000) for at in range(5)]
            take(history, *shown)
        some = [customer_of(history, f"{at}@example.com") or 0 for at in range(5)]
        with statements_of(history) as found:
            assert sum(len(batch) for batch in read(history, customers=some)) == 5
            packs.refresh(history)
        costs.append(len(found))
    assert costs[0] == costs[1] <= 20


def test_thousands_of_orders_under_one_address_are_packed_and_read_like_any(history: History) -> None:
    shown = [
        order(str(at), email="till@example.com", placed_at=at % 977 * HOUR, items=(SHOES,) * (at % 3))
        for at in range(4_000)
    ]
    take(history, *shown, order("b", email="ben@example.com", items=(SOCKS,)))
    before = said(read(history))
    packs.refresh(history)
    assert (said(read(history)), packs.differing(history)) == (before, [])
    assert [len(batch.order_day) for batch in read(history)] == [4_001]


def test_a_pack_that_is_not_what_the_rows_say_is_told_and_can_be_made_anew(history: History) -> None:
    take(history, *(order(str(at), email=f"{at}@example.com", items=(SHOES,)) for at in range(4)))
    packs.refresh(history)
    ids = [customer_of(history, f"{at}@example.com") or 0 for at in range(4)]
    with history.begin() as db:
        db.execute(delete(packs_table).where(packs_table.c.customer_id == ids[0]))
        db.execute(update(order_items).where(order_items.c.order_id == "2").values(quantity=7))
    assert packs.differing(history) == sorted([ids[0], ids[2]])
    assert packs.differing(history, ids[1:3]) == [ids[2]]
    with history.begin() as db:
        mark_wholly(db, packs.differing(history))
    packs.refresh(history)
    assert packs.differing(history) == []


def test_an_order_that_the_shop_deleted_is_not_read_from_its_pack(history: History) -> None:
    take(history, order("1", email="ana@example.com"), order("2", email="ana@example.com"))
    packs.refresh(history)
    take(history, deleted_orders=("1",))
    assert [len(batch.order_day) for batch in read(history)] == [1]
    assert packs.differing(history) == []


def test_who_lost_every_order_to_another_has_none_packed(history: History) -> None:
    take(history, customer("c1"), order("1", customer_id="c1", items=(SHOES,)))
    packs.refresh(history)
    take(history, customer("c1", "new@example.com", updated_at=2_000))
    packs.refresh(history)
    assert packs.differing(history) == []
    (batch,) = read(history, shops=["acme"])
    assert (batch.customer.tolist(), len(batch.order_day)) == ([customer_of(history, "new@example.com")], 1)
