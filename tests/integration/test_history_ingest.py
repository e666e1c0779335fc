"""What a page of a shop leaves in the history: each record once, its newest state, and who is judged again."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import event

from syncd.errors import UserError
from syncd.history.database import History
from syncd.history.ingest import Ingested
from syncd.history.quarantine import quarantined, quarantined_one
from syncd.history.schema import articles, news, orders, refunds
from syncd.history.shops import Holdings, cursors_of, customers_held, holdings, set_shop_state, shop_row
from syncd.history.sift import recovered
from syncd.model import Item, OrderStatus, Refund, Rejected
from tests.integration.history_records import (
    NOW,
    consents_by_email,
    customer,
    forget_news,
    lines,
    meaning,
    news_of,
    order,
    owners,
    rows,
    take,
)

SHOES = Item("p1", "Shoes", 1, 3_000, sku="S1", category="shoes")
SOCKS = Item("p2", "Socks", 2, 1_000)


def test_rows_and_cursor_come_together(history: History) -> None:
    taken = take(history, order("1", email="ana@example.com", items=(SHOES, SOCKS)), cursor="page 2")
    assert taken == Ingested(orders_new=1)
    assert cursors_of(history, "acme") == {"orders": "page 2"}
    assert lines(history, "order_id", "line", "title", "quantity", "price_minor") == [
        ("1", 0, "Shoes", 1, 3_000),
        ("1", 1, "Socks", 2, 1_000),
    ]


def test_the_words_of_a_line_are_kept_once_however_often_they_are_sold(history: History) -> None:
    take(history, order("1", items=(SHOES, SOCKS)), order("2", items=(SHOES, SHOES)))
    take(history, order("3", items=(SOCKS,)), order("4", items=(Item("p2", "Warm socks", 1, 9),)))
    take(history, order("5", items=(SHOES,)), shop="cafe")
    assert rows(history, articles, "shop", "product_id", "title", "category") == [
        ("acme", "p1", "Shoes", "shoes"),
        ("acme", "p2", "Socks", ""),
        ("acme", "p2", "Warm socks", ""),
        ("cafe", "p1", "Shoes", "shoes"),
    ]
    assert lines(history, "order_id", "title") == [
        *(("1", "Shoes"), ("1", "Socks"), ("2", "Shoes"), ("2", "Shoes")),
        *(("3", "Socks"), ("4", "Warm socks"), ("5", "Shoes")),
    ]


def test_the_cursors_of_shops_and_resources_are_their_own(history: History) -> None:
    take(history, cursor="a", resource="orders")
    take(history, cursor="b", resource="customers")
    take(history, cursor="c", resource="orders", shop="cafe")
    assert cursors_of(history, "acme") == {"orders": "a", "customers": "b"}
    assert cursors_of(history, "cafe") == {"orders": "c"}


def test_the_same_record_again_is_no_news(history: History) -> None:
    records = (customer(email="ana@example.com", consent="granted"), order(customer_id="c1"))
    take(history, *records)
    before = meaning(history)
    forget_news(history)
    assert take(history, *records) == Ingested()
    assert (meaning(history), news_of(history)) == (before, set())


def test_a_newer_state_replaces_the_order_with_its_parts(history: History) -> None:
    take(history, order(email="ana@example.com", items=(SHOES, SOCKS)))
    forget_news(history)
    newer = order(email="ana@example.com", items=(SOCKS,), paid_minor=2_000, updated_at=2_000)
    assert take(history, newer) == Ingested(orders_changed=1)
    assert rows(history, orders, "id", "paid_minor") == [("1", 2_000)]
    assert lines(history, "line", "title") == [(0, "Socks")]
    assert news_of(history) == {"ana@example.com"}


def test_an_older_state_never_replaces_a_newer_one(history: History) -> None:
    take(history, order(email="ana@example.com", paid_minor=2_000, updated_at=2_000))
    forget_news(history)
    assert take(history, order(email="ana@example.com", items=(SHOES,), updated_at=1_999)) == Ingested()
    assert rows(history, orders, "paid_minor", "updated_at") == [(2_000, 2_000)]
    assert (lines(history), news_of(history)) == ([], set())


def test_of_two_states_of_the_same_second_the_later_read_holds(history: History) -> None:
    take(history, order(paid_minor=1))
    take(history, order(paid_minor=2), order(paid_minor=3))
    assert rows(history, orders, "paid_minor") == [(3,)]


def test_of_a_page_with_two_states_the_newer_holds(history: History) -> None:
    take(history, order(paid_minor=2, updated_at=2_000), order(paid_minor=1))
    take(history, customer(city="Cádiz", updated_at=2_000), customer(city="Lugo"))
    assert rows(history, orders, "paid_minor") == [(2,)]
    assert meaning(history)["people"][0][3] == "Cádiz"


def test_only_refunds_whose_money_moved_are_summed(history: History) -> None:
    refunded = (
        Refund("r1", 1_000, 900, 1_500),
        Refund("r2", 500, 400, 1_600),
        Refund("r3", 9_999, 9_999, 1_700, moved=False),
    )
    take(history, order(refunds=refunded, status=OrderStatus.PARTIALLY_REFUNDED))
    assert rows(history, orders, "refunded_minor", "refunded_goods_minor") == [(1_500, 1_300)]
    assert rows(history, refunds, "id", "moved") == [("r1", True), ("r2", True), ("r3", False)]


def test_a_refund_shown_twice_is_one(history: History) -> None:
    take(history, order(refunds=(Refund("r1", 1_000, 900, 1_500), Refund("r1", 1_000, 900, 1_500))))
    assert rows(history, orders, "refunded_minor") == [(1_000,)]


def test_a_refund_that_went_is_gone(history: History) -> None:
    take(history, order(refunds=(Refund("r1", 1_000, 900, 1_500),)))
    take(history, order(updated_at=2_000))
    assert rows(history, orders, "refunded_minor") == [(0,)]
    assert rows(history, refunds) == []


def test_the_same_id_in_two_shops_is_two_orders(history: History) -> None:
    take(history, order(email="ana@example.com"))
    take(history, order(email="ben@example.com"), shop="cafe")
    assert rows(history, orders, "shop", "id") == [("acme", "1"), ("cafe", "1")]


def test_a_deleted_order_is_marked_and_stays_so(history: History) -> None:
    take(history, order(email="ana@example.com"))
    forget_news(history)
    assert take(history, deleted_orders=("1", "1")) == Ingested(deleted=1)
    assert news_of(history) == {"ana@example.com"}
    assert take(history, deleted_orders=("1",)) == Ingested()
    take(history, order(email="ana@example.com", updated_at=9_000))
    assert rows(history, orders, "deleted", "updated_at") == [(True, 9_000)]


def test_an_order_that_was_deleted_before_it_was_seen_never_counts(history: History) -> None:
    take(history, deleted_orders=("1",))
    take(history, order(email="ana@example.com"))
    assert rows(history, orders, "id", "deleted", "paid_minor") == [("1", True, 5_000)]


def test_a_page_that_brings_and_deletes_an_order_deletes_it(history: History) -> None:
    assert take(history, order(), deleted_orders=("1",)) == Ingested(orders_new=1, deleted=1)
    assert rows(history, orders, "deleted") == [(True,)]


def test_everyone_concerned_is_judged_again_in_each_audience(history: History) -> None:
    take(history, order(email="ana@example.com"), audiences=["main", "vip"])
    assert sorted(row[1] for row in rows(history, news)) == ["main", "vip"]
    forget_news(history)
    take(history, order(updated_at=2_000, email="ana@example.com", cancelled=True), audiences=[])
    assert rows(history, news) == []


def test_an_order_in_a_foreign_currency_waits_in_quarantine(history: History) -> None:
    foreign = order("7", email="ana@example.com", currency="USD", items=(SHOES,))
    assert take(history, foreign, order("8"), currencies={"EUR"}) == Ingested(orders_new=1, quarantined=1)
    (kept,) = quarantined(history)
    assert (kept.shop, kept.resource, kept.record_id, kept.attempts) == ("acme", "orders", "7", 1)
    assert "USD" in kept.reason
    assert recovered(kept.raw) == foreign
    assert rows(history, orders, "id") == [("8",)]
    assert take(history, foreign, currencies={"EUR", "USD"}).orders_new == 1
    assert quarantined(history) == []


def test_what_could_not_be_read_is_kept_with_its_reason_and_counted(history: History) -> None:
    take(history, rejected=(Rejected("7", "no total", b"{1"),), now=NOW)
    taken = take(history, order("8"), rejected=(Rejected("7", "no date", b"{2"),), now=NOW + 60)
    assert taken == Ingested(orders_new=1, quarantined=1)
    (kept,) = quarantined(history, "acme")
    assert (kept.reason, kept.raw, kept.attempts, kept.first_seen_at) == ("no date", b"{2", 2, NOW)
    assert recovered(kept.raw) is None
    assert quarantined(history, "cafe") == []


def test_a_record_that_arrives_in_order_leaves_the_quarantine_of_its_resource(history: History) -> None:
    for resource in ("orders", "carts"):
        take(history, rejected=(Rejected("7", "no total", b"{"),), resource=resource)
    take(history, order("7"))
    assert [kept.resource for kept in quarantined(history)] == ["carts"]


def test_a_record_is_found_by_its_number_for_as_long_as_it_waits(history: History) -> None:
    take(history, rejected=(Rejected("7", "no total", b"{"), Rejected("8", "no total", b"{")))
    first, second = quarantined(history)
    assert quarantined_one(history, first.id) == first
    take(history, order("7"))
    assert quarantined(history) == [second]
    with pytest.raises(UserError, match=f"under {first.id}"):
        quarantined_one(history, first.id)


@pytest.mark.parametrize(
    "poison",
    [
        order("7", email="a\0na@example.com"),
        order("7", customer_id="\ud800"),
        order("7\0"),
        order("7\ud800"),
        order("7", items=(Item("p", "half \udc00", 1, 1),)),
        order("7", paid_minor=2**63),
        order("7", refunds=(Refund("r", 2**70, 0, 0),)),
        order("7", items=(Item("p", "many", 2**31, 1),)),
        order("7", placed_at=10**15),
        order("7", customer_id="c" * 200),
        order("7" * 65),
        order("7", currency="EURO"),
        customer("7", city="\0"),
        customer("7", country="Spain"),
        customer("7", updated_at=10**15),
    ],
)
def test_a_poisonous_record_is_kept_aside_and_the_rest_of_its_page_goes_on(history: History, poison: object) -> None:
    taken = take(history, order("8", email="ben@example.com"), poison)  # type: ignore[arg-type]
    assert taken == Ingested(orders_new=1, quarantined=1)
    (kept,) = quarantined(history)
    assert recovered(kept.raw) == poison
    assert owners(history) == {"8": "ben@example.com"}


def test_a_deletion_of_what_could_never_be_is_passed_over(history: History) -> None:
    impossible = ("", "\0", "half \ud800", "7" * 65)
    assert take(history, deleted_orders=impossible, deleted_customers=impossible) == Ingested()


def test_a_page_takes_a_dozen_statements_however_many_records_it_has(history: History) -> None:
    statements: list[str] = []

    def note(*given: Any) -> None:
        # PostgreSQL is given many rows by way of another table, which takes three statements more.
        if not given[2].startswith(("CREATE TEMPORARY", "COPY", "TRUNCATE")):
            statements.append(given[2])

    event.listen(history.engine, "before_cursor_execute", note)
    page = [order(str(at), email=f"{at % 50}@example.com", items=(SHOES,)) for at in range(250)]
    take(history, *page)
    assert len(statements) <= 19
    statements.clear()
    take(history, deleted_orders=tuple(str(at) for at in range(5_000)))
    assert len(statements) <= 10
    assert holdings(history, "acme").orders == 0


def test_a_shop_remembers_its_state(history: History) -> None:
    assert shop_row(history, "acme", platform="shopify")["platform"] == "shopify"
    set_shop_state(history, "acme", state="blocked", error="key revoked", pulled_at=NOW)
    row = shop_row(history, "acme")
    assert (row["platform"], row["state"], row["error"], row["pulled_at"]) == ("shopify", "blocked", "key revoked", NOW)


def test_the_holdings_of_a_shop_leave_out_what_was_deleted(history: History) -> None:
    take(history, customer("c1"), customer("c2", "ben@example.com"), order("1"), order("2"))
    take(history, deleted_orders=("1",), deleted_customers=("c1",), rejected=(Rejected("9", "odd", b""),))
    take(history, order("1"), shop="cafe")
    assert holdings(history, "acme") == Holdings(orders=1, customers=1, quarantined=1)
    assert customers_held(history, "acme") == 1


def test_only_people_with_a_record_are_held_against_the_shops_own_count(history: History) -> None:
    take(history, customer("c1"), order("1", customer_id="c1"))
    take(history, order("2", customer_id=None, email="guest@example.com"), order("3", customer_id="c7"))
    assert customers_held(history, "acme") == 1


def test_a_counter_sale_is_nobodys(history: History) -> None:
    take(history, order("1"), order("2", email="not an address"))
    assert owners(history) == {"1": None, "2": None}
    assert (news_of(history), consents_by_email(history)) == (set(), {})
