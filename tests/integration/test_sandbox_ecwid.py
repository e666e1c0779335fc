"""The Ecwid counterpart behaves as the published API does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import requests

from syncd.sandbox.ecwid.documents import letters, order_number
from syncd.sandbox.serve import Running
from syncd.sandbox.shop import Switches

START = 1_795_341_600


class Client:
    """A bare client with a token."""

    def __init__(self, running: Running) -> None:
        self.world = running.world
        self.shop = running.world.shops["cafe"]
        self.base = f"{running.urls['ecwid']}/api/v3/1003"
        self.session = requests.Session()
        self.session.headers["Authorization"] = "Bearer sandbox"

    def get(self, path: str, **params: Any) -> requests.Response:
        return self.session.get(f"{self.base}/{path}", params=params, timeout=10)

    def walk(self, path: str, **params: Any) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        while True:
            page = self.get(path, limit=100, offset=len(rows), **params).json()
            rows += page["items"]
            if len(rows) >= page["total"]:
                return rows


@pytest.fixture(scope="module")
def cafe(open_sandbox: Callable[..., Running]) -> Client:
    return Client(open_sandbox())


@pytest.fixture
def fresh(sandbox: Running) -> Client:
    return Client(sandbox)


def test_a_wrong_token_is_403_with_its_code(cafe: Client) -> None:
    answer = requests.get(f"{cafe.base}/profile", headers={"Authorization": "Bearer no"}, timeout=10)
    assert (answer.status_code, answer.json()["errorCode"]) == (403, "INVALID_API_TOKEN")
    assert requests.get(f"{cafe.base}/profile", timeout=10).status_code == 403


def test_another_store_does_not_exist(cafe: Client) -> None:
    answer = cafe.session.get(cafe.base.replace("1003", "1004") + "/profile", timeout=10)
    assert (answer.status_code, answer.json()["errorCode"]) == (404, "STORE_NOT_FOUND")


def test_a_missing_scope_is_403(fresh: Client) -> None:
    fresh.shop.switches = Switches(scopes=("read_orders",))
    assert fresh.get("customers").json()["errorCode"] == "INSUFFICIENT_APP_SCOPE"


def test_the_profile_names_currency_and_time_zone(cafe: Client) -> None:
    profile = cafe.get("profile").json()
    assert profile["generalInfo"]["storeId"] == 1003
    assert profile["formatsAndUnits"]["currency"] == "EUR"
    assert profile["formatsAndUnits"]["timezone"] == "Europe/Madrid"


def test_orders_come_newest_first_and_unfinished_ones_only_when_asked_for(cafe: Client) -> None:
    rows = cafe.walk("orders")
    finished = [order for order in cafe.shop.orders if order.status != "expired"]
    assert [row["internalId"] for row in rows] == [
        order.id for order in sorted(finished, key=lambda order: (order.placed_at, order.id), reverse=True)
    ]
    unfinished = cafe.walk("orders", paymentStatus="INCOMPLETE")
    assert len(unfinished) == len(cafe.shop.orders) - len(finished)


def test_the_limit_is_a_hundred_at_most_and_ten_customers_by_default(cafe: Client) -> None:
    assert cafe.get("orders", limit=1000).json()["limit"] == 100
    assert cafe.get("orders").json()["limit"] == 100
    customers = cafe.get("customers").json()
    assert (customers["limit"], customers["count"]) == (10, 10)
    assert customers["total"] == len(cafe.shop.customers)


@pytest.mark.parametrize(("name", "value"), [("limit", "x"), ("offset", "-1"), ("updatedFrom", "soon"), ("limit", "0")])
def test_a_parameter_that_makes_no_sense_is_400(cafe: Client, name: str, value: str) -> None:
    answer = cafe.get("orders", **{name: value})
    assert (answer.status_code, answer.json()["errorCode"]) == (400, "WRONG_PARAMETER")


def test_an_unknown_status_or_sort_is_400(cafe: Client) -> None:
    assert cafe.get("orders", paymentStatus="BROKEN").status_code == 400
    assert cafe.get("customers", sortBy="SHOE_SIZE").status_code == 400


@pytest.mark.parametrize("text", ["1780272000", "2026-06-01 00:00:00", "2026-06-01", "2026-06-01 02:00:00 +0200"])
def test_dates_may_be_unix_times_or_text(cafe: Client, text: str) -> None:
    rows = cafe.walk("orders", createdFrom=text)
    expected = [o for o in cafe.shop.orders if o.placed_at >= 1_780_272_000 and o.status != "expired"]
    assert len(rows) == len(expected) > 0


def test_the_updated_bounds_include_their_own_second(cafe: Client) -> None:
    order = next(order for order in cafe.shop.orders if order.status == "paid")
    rows = cafe.walk("orders", updatedFrom=order.updated_at, updatedTo=order.updated_at)
    assert order.id in {row["internalId"] for row in rows}
    assert {row["updateTimestamp"] for row in rows} == {order.updated_at}


def test_money_is_a_json_number_and_the_parts_add_up(cafe: Client) -> None:
    for row in cafe.walk("orders"):
        order = cafe.shop.orders[row["internalId"]]
        assert row["total"] == order.total_minor / 100
        goods = sum(round(item["price"] * 100) * item["quantity"] for item in row["items"])
        assert goods + round(row["shippingOption"]["shippingRate"] * 100) == order.total_minor
        assert row["createTimestamp"] == order.placed_at


def test_a_refund_whose_money_did_not_move_does_not_show(cafe: Client) -> None:
    failed = next(o for o in cafe.shop.orders if o.refunds and o.refunds[0].outcome != "success")
    row = cafe.get(f"orders/{letters(failed.id)}").json()
    assert (row["refundedAmount"], row["refunds"], row["paymentStatus"]) == (0, [], "PAID")


def test_some_payment_methods_tell_no_refunded_amount(fresh: Client) -> None:
    refunded = next(order for order in fresh.shop.orders if order.status == "refunded")
    told = fresh.get(f"orders/{letters(refunded.id)}").json()
    fresh.shop.switches = Switches(refund_amounts=False)
    untold = fresh.get(f"orders/{letters(refunded.id)}").json()
    assert told["refundedAmount"] == told["total"]
    assert (untold["paymentStatus"], untold["refundedAmount"]) == ("REFUNDED", 0)


def test_a_cancelled_order_is_cancelled(fresh: Client) -> None:
    order = next(order for order in fresh.shop.orders if order.status == "paid")
    fresh.shop.change_order(order.id, cancelled_at=START)
    assert fresh.get(f"orders/{letters(order.id)}").json()["paymentStatus"] == "CANCELLED"


def test_customers_accept_marketing_or_not_or_were_never_asked(cafe: Client) -> None:
    rows = cafe.walk("customers", sortBy="UPDATED_DATE_ASC")
    assert {row["acceptMarketing"] for row in rows} == {True, False, None}
    assert [row["updated"] for row in rows] == sorted(row["updated"] for row in rows)


def test_a_new_order_does_not_move_the_customers_update(fresh: Client) -> None:
    customer = next(iter(fresh.shop.customers))
    fresh.shop.add_order(customer_id=customer.id, email=customer.email, total_minor=100)
    assert fresh.walk("customers", updatedFrom=START) == []


def test_latest_stats_move_with_orders_customers_and_deletions(fresh: Client) -> None:
    fresh.world.clock.set(START + 60)
    fresh.shop.change_order(next(iter(fresh.shop.orders)).id)
    assert fresh.get("latest-stats").json()["ordersUpdated"] == "2026-11-22 10:01:00 +0000"
    fresh.world.clock.set(START + 120)
    fresh.shop.delete_customer(next(iter(fresh.shop.customers)).id)
    stats = fresh.get("latest-stats").json()
    assert stats["customersUpdated"] == "2026-11-22 10:02:00 +0000"
    assert stats["ordersUpdated"] == "2026-11-22 10:01:00 +0000"


def test_deletions_are_listed_by_date(fresh: Client) -> None:
    order, customer = next(iter(fresh.shop.orders)), next(iter(fresh.shop.customers))
    fresh.shop.delete_order(order.id)
    fresh.shop.delete_customer(customer.id)
    gone = [(row["id"], row["orderId"]) for row in fresh.walk("orders/deleted", from_date=START)]
    assert gone == [(order.id, letters(order.id))]
    assert [row["id"] for row in fresh.walk("customers/deleted", from_date=START)] == [customer.id]
    assert fresh.walk("orders/deleted", from_date=START + 1) == []
    assert fresh.get(f"orders/{letters(order.id)}").json()["errorCode"] == "ORDER_NOT_FOUND"


def test_a_new_order_shifts_the_pages_by_one(fresh: Client) -> None:
    first = fresh.get("orders", limit=10).json()["items"]
    fresh.shop.add_order(customer_id=None, email="late@example.com", total_minor=100)
    second = fresh.get("orders", limit=10, offset=10).json()["items"]
    assert second[0]["id"] == first[-1]["id"]


def test_response_fields_leave_only_themselves(cafe: Client) -> None:
    page = cafe.get("orders", limit=2, responseFields="total,items(id,items(name,price))").json()
    assert set(page) == {"total", "items"}
    assert set(page["items"][0]) == {"id", "items"}
    assert set(page["items"][0]["items"][0]) == {"name", "price"}
    assert cafe.get("orders", responseFields="items(id").status_code == 400


def test_orders_are_found_by_customer_and_address(cafe: Client) -> None:
    order = next(order for order in cafe.shop.orders if order.customer_id and order.status == "paid")
    by_id = cafe.walk("orders", customerId=order.customer_id)
    by_email = cafe.walk("orders", email=str(order.email).upper())
    assert {row["customerId"] for row in by_id} == {order.customer_id}
    assert order.id in {row["internalId"] for row in by_email}


def test_public_ids_are_letters_and_lead_back(cafe: Client) -> None:
    texts = {letters(order.id) for order in cafe.shop.orders}
    assert len(texts) == len(cafe.shop.orders)
    assert {order_number(text) for text in texts} == {order.id for order in cafe.shop.orders}
    assert order_number("short") is None


def test_categories_and_products_name_what_orders_number(cafe: Client) -> None:
    categories = {row["id"]: row["name"] for row in cafe.walk("categories")}
    item = cafe.get("orders", limit=1).json()["items"][0]["items"][0]
    assert item["name"].endswith(f"({categories[item['categoryId']]})")
    assert item["productId"] in {row["id"] for row in cafe.walk("products")}


def test_after_six_hundred_calls_in_a_minute_comes_429_with_a_wait(fresh: Client, sandbox: Running) -> None:
    sandbox.world.throttle.enforce = True
    statuses = [fresh.get("profile").status_code for _ in range(600)]
    refused = fresh.get("profile")
    assert set(statuses) == {200}
    assert (refused.status_code, refused.json()["errorCode"]) == (429, "RATE_LIMITED")
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
