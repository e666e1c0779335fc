"""The Shopify counterpart behaves as the published API does."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
import requests

from syncd.sandbox.serve import Running
from syncd.sandbox.shop import Switches
from syncd.sandbox.shopify.version import serve_version
from tests.integration.shopify_client import Client, V

START = 1_795_341_600


@pytest.fixture(scope="module")
def acme(open_sandbox: Callable[..., Running]) -> Client:
    return Client(open_sandbox())


@pytest.fixture
def fresh(sandbox: Running) -> Client:
    return Client(sandbox)


def test_a_wrong_token_is_401_with_shopifys_words(acme: Client) -> None:
    answer = requests.get(f"{acme.base}{V}/shop.json", headers={"X-Shopify-Access-Token": "no"}, timeout=10)
    assert answer.status_code == 401
    assert answer.json() == {"errors": "[API] Invalid API key or access token (unrecognized login or wrong password)"}


def test_a_missing_scope_is_403_and_names_the_scope(fresh: Client) -> None:
    fresh.shop.switches = Switches(scopes=("read_customers",))
    answer = fresh.get("orders.json")
    assert answer.status_code == 403
    assert "read_orders" in answer.json()["errors"]


def test_client_credentials_give_a_token_that_works_for_a_day(fresh: Client) -> None:
    body = {"grant_type": "client_credentials", "client_id": "app", "client_secret": "sandbox"}
    granted = requests.post(f"{fresh.base}/admin/oauth/access_token", data=body, timeout=10).json()
    assert granted["expires_in"] == 86_399
    fresh.session.headers["X-Shopify-Access-Token"] = granted["access_token"]
    assert fresh.get("shop.json").status_code == 200
    fresh.world.clock.set(START + 86_399)
    assert fresh.get("shop.json").status_code == 401


def test_a_wrong_client_secret_gives_no_token(acme: Client) -> None:
    body = {"grant_type": "client_credentials", "client_id": "app", "client_secret": "wrong"}
    answer = requests.post(f"{acme.base}/admin/oauth/access_token", json=body, timeout=10)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_client")


def test_a_request_for_a_token_that_is_no_json_is_400(acme: Client) -> None:
    url = f"{acme.base}/admin/oauth/access_token"
    answer = requests.post(url, data="{", headers={"Content-Type": "application/json"}, timeout=10)
    assert (answer.status_code, answer.json()) == (400, {"error": "invalid_request"})


@pytest.mark.parametrize(
    ("asked", "served"),
    [
        ("2026-07", "2026-07"),
        ("2026-10", "2026-10"),
        ("2025-10", "2025-10"),
        ("2024-01", "2025-10"),
        ("unstable", "unstable"),
        ("2027-01", None),
        ("2026-08", None),
        ("nonsense", None),
    ],
)
def test_an_old_version_falls_forward_and_a_future_one_does_not_exist(asked: str, served: str | None) -> None:
    assert serve_version(asked, START) == served


def test_the_served_version_stands_in_the_header(acme: Client) -> None:
    answer = acme.session.get(f"{acme.base}/admin/api/2024-01/shop.json", timeout=10)
    assert answer.headers["X-Shopify-API-Version"] == "2025-10"


def test_the_default_page_has_fifty_rows_and_shows_only_open_orders(acme: Client) -> None:
    rows = acme.get("orders.json").json()["orders"]
    assert len(rows) < 50  # the rest is closed or cancelled
    assert all(row["closed_at"] is None and row["cancelled_at"] is None for row in rows)
    assert len(acme.get("orders.json", status="any").json()["orders"]) == 50


@pytest.mark.parametrize("limit", ["0", "251", "-1", "x", "2.5"])
def test_a_limit_outside_1_to_250_is_refused(acme: Client, limit: str) -> None:
    assert acme.get("orders.json", limit=limit).status_code == 400


@pytest.mark.parametrize(
    "order", ["updated_at asc", "updated_at desc", "created_at asc", "processed_at desc", "id asc"]
)
@pytest.mark.parametrize("limit", [7, 250])
def test_a_walk_shows_every_order_once_and_in_order(acme: Client, order: str, limit: int) -> None:
    rows, sizes = acme.walk("orders", status="any", limit=limit, order=order)
    assert sorted(row["id"] for row in rows) == sorted(order.id for order in acme.shop.orders)
    field, direction = order.split()
    values = [row["id"] if field == "id" else datetime.fromisoformat(row[field]).timestamp() for row in rows]
    assert values == sorted(values, reverse=direction == "desc")
    assert sizes[:-1] == [limit] * (len(sizes) - 1)


def test_many_orders_share_a_second_so_that_pages_split_it(acme: Client) -> None:
    shared = [order for order in acme.shop.orders if order.updated_at == START - 45 * 86_400]
    assert len(shared) > 50


def test_the_previous_page_is_the_page_before(acme: Client) -> None:
    first = acme.get("orders.json", status="any", limit=10)
    second = acme.session.get(first.links["next"]["url"], timeout=10)
    again = acme.session.get(second.links["previous"]["url"], timeout=10)
    assert "previous" not in first.links
    assert [row["id"] for row in again.json()["orders"]] == [row["id"] for row in first.json()["orders"]]


def test_page_info_is_opaque_and_takes_no_filter_beside_it(acme: Client) -> None:
    link = acme.get("orders.json", status="any", limit=10).links["next"]["url"]
    answer = acme.session.get(link, params={"created_at_min": "2026-01-01"}, timeout=10)
    assert answer.status_code == 400
    assert answer.json() == {"errors": {"created_at_min": "created_at_min cannot be passed when page_info is present."}}
    assert acme.get("orders.json", page_info="garbage").status_code == 400


def test_page_info_is_base64_of_json(acme: Client) -> None:
    link = acme.get("orders.json", status="any", limit=10).links["next"]["url"]
    text = link.partition("page_info=")[2]
    assert json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))["direction"] == "next"


def test_an_order_edited_during_an_ascending_walk_is_seen_again_and_none_is_lost(fresh: Client) -> None:
    first = fresh.get("orders.json", status="any", limit=50, order="updated_at asc")
    edited = first.json()["orders"][3]["id"]
    fresh.shop.change_order(edited)
    rows = first.json()["orders"]
    answer = first
    while "next" in answer.links:
        answer = fresh.session.get(answer.links["next"]["url"], timeout=10)
        rows += answer.json()["orders"]
    ids = [row["id"] for row in rows]
    assert set(ids) == {order.id for order in fresh.shop.orders}
    assert ids.count(edited) == 2


def test_updated_at_min_includes_its_own_second(fresh: Client) -> None:
    fresh.shop.change_order(next(iter(fresh.shop.orders)).id)
    there = fresh.get("orders.json", status="any", updated_at_min="2026-11-22T10:00:00Z")
    later = fresh.get("orders.json", status="any", updated_at_min="2026-11-22T10:00:01Z")
    assert len(there.json()["orders"]) >= 1
    assert later.json()["orders"] == []


def test_a_plus_sign_that_was_not_escaped_is_understood(acme: Client) -> None:
    escaped = acme.get("orders/count.json", status="any", updated_at_min="2026-01-01T00:00:00+01:00").json()
    raw = acme.session.get(
        f"{acme.base}{V}/orders/count.json?status=any&updated_at_min=2026-01-01T00:00:00+01:00", timeout=10
    ).json()
    assert escaped == raw


@pytest.mark.parametrize("field", ["created_at", "updated_at", "processed_at"])
def test_count_and_list_agree_on_every_date_filter(acme: Client, field: str) -> None:
    bounds = {f"{field}_min": "2026-01-01T00:00:00Z", f"{field}_max": "2026-06-30T23:59:59Z"}
    rows, _ = acme.walk("orders", status="any", limit=250, **bounds)
    count = acme.get("orders/count.json", status="any", **bounds).json()["count"]
    expected = [
        order
        for order in acme.shop.orders
        if 1_767_225_600 <= getattr(order, field.replace("processed", "placed")) <= 1_782_863_999
    ]
    assert len(rows) == count == len(expected) > 0


def test_a_date_that_is_none_is_refused(acme: Client) -> None:
    assert acme.get("orders.json", updated_at_min="yesterday").status_code == 400


def test_financial_status_ids_and_since_id_filter(acme: Client) -> None:
    refunded, _ = acme.walk("orders", status="any", financial_status="refunded")
    assert {row["financial_status"] for row in refunded} == {"refunded"}
    ids = [order.id for order in acme.shop.orders][:3]
    found = acme.get("orders.json", status="any", ids=",".join(map(str, ids))).json()["orders"]
    assert {row["id"] for row in found} == set(ids)
    after, _ = acme.walk("orders", status="any", since_id=sorted(order.id for order in acme.shop.orders)[9])
    assert len(after) == len(acme.shop.orders) - 10
    assert [row["id"] for row in after] == sorted(row["id"] for row in after)


def test_fields_leave_only_themselves(acme: Client) -> None:
    row = acme.get("orders.json", status="any", fields="id,email").json()["orders"][0]
    assert set(row) == {"id", "email"}


def test_a_walk_ends_at_its_limit_without_a_word_and_counts_saturate(fresh: Client) -> None:
    fresh.shop.switches = Switches(walk_limit=100, count_limit=100)
    rows, _ = fresh.walk("orders", status="any", limit=50)
    assert len(rows) == 100 < len(fresh.shop.orders)
    assert fresh.get("orders/count.json", status="any").json() == {"count": 101}


def test_without_read_all_orders_older_ones_are_absent_and_404(fresh: Client) -> None:
    old = min(fresh.shop.orders, key=lambda order: order.created_at)
    fresh.shop.switches = Switches(whole_history=False)
    rows, _ = fresh.walk("orders", status="any")
    assert 0 < len(rows) < len(fresh.shop.orders)
    assert min(datetime.fromisoformat(row["created_at"]).timestamp() for row in rows) >= START - 60 * 86_400
    assert fresh.get(f"orders/{old.id}.json").status_code == 404


def test_heavy_pages_fail_and_smaller_ones_do_not(fresh: Client) -> None:
    fresh.shop.switches = Switches(heavy_above=125)
    assert fresh.get("orders.json", limit=250).status_code == 500
    assert fresh.get("orders.json", limit=125).status_code == 200


def test_a_lagging_index_hides_what_changed_just_now(fresh: Client) -> None:
    fresh.shop.switches = Switches(index_lag_seconds=30)
    changed = fresh.shop.change_order(next(iter(fresh.shop.orders)).id)
    ids = {row["id"] for row in fresh.walk("orders", status="any")[0]}
    assert changed.id not in ids
    fresh.world.clock.set(START + 30)
    assert changed.id in {row["id"] for row in fresh.walk("orders", status="any")[0]}


def test_money_is_text_with_sets_and_instants_carry_the_shops_offset(acme: Client) -> None:
    rows, _ = acme.walk("orders", status="any", limit=250)
    for row in rows:
        order = acme.shop.orders[row["id"]]
        assert row["total_price"] == f"{Decimal(order.total_minor).scaleb(-2):.2f}"
        assert row["total_price_set"]["shop_money"] == {"amount": row["total_price"], "currency_code": row["currency"]}
        placed = datetime.fromisoformat(row["processed_at"])
        assert placed.timestamp() == order.placed_at
        assert placed.utcoffset() == placed.astimezone(ZoneInfo("Europe/Madrid")).utcoffset()
        goods = sum(Decimal(line["price"]) * line["quantity"] for line in row["line_items"])
        shipping = Decimal(row["total_shipping_price_set"]["shop_money"]["amount"])
        assert goods + shipping == Decimal(row["total_price"])


def test_only_refunds_that_moved_money_have_a_successful_transaction(acme: Client) -> None:
    rows, _ = acme.walk("orders", status="any", limit=250)
    seen = set()
    for row in rows:
        for refund in row["refunds"]:
            (transaction,) = refund["transactions"]
            seen.add(transaction["status"])
            if transaction["status"] != "success":
                assert row["financial_status"] == "paid"
        if row["financial_status"] == "refunded":
            assert sum(Decimal(refund["transactions"][0]["amount"]) for refund in row["refunds"]) == Decimal(
                row["total_price"]
            )
    assert seen == {"success", "failure", "pending"}


def test_the_data_hold_every_kind_of_order(acme: Client) -> None:
    orders = list(acme.shop.orders)
    assert {order.status for order in orders} >= {
        "paid", "pending", "authorized", "partially_paid", "partially_refunded", "refunded", "voided", "expired",
    }  # fmt: skip
    assert any(order.test for order in orders)
    assert any(order.customer_id is None and order.email for order in orders)
    assert [order.currency for order in orders].count("USD") == 1
    assert any(order.presentment == "GBP" for order in orders)
    assert any(order.placed_at < order.created_at - 86_400 for order in orders)
    addresses = [(customer.email or "").strip().lower() for customer in acme.shop.customers]
    assert len(addresses) > len(set(addresses))


def test_presentment_money_differs_from_shop_money_where_the_buyer_paid_in_pounds(acme: Client) -> None:
    order = next(order for order in acme.shop.orders if order.presentment == "GBP")
    row = acme.get(f"orders/{order.id}.json").json()["order"]
    assert row["presentment_currency"] == "GBP"
    assert row["currency"] == "EUR"
    sets = row["total_price_set"]
    assert sets["presentment_money"]["amount"] != sets["shop_money"]["amount"]


def test_a_guest_has_an_address_and_no_customer(acme: Client) -> None:
    guest = next(order for order in acme.shop.orders if order.customer_id is None)
    row = acme.get(f"orders/{guest.id}.json").json()["order"]
    assert row["customer"] is None
    assert "@" in row["email"]


def test_the_customer_inside_an_order_has_no_counts_and_no_consent(acme: Client) -> None:
    row = next(r for r in acme.get("orders.json", status="any").json()["orders"] if r["customer"])
    assert not {"orders_count", "total_spent", "email_marketing_consent"} & set(row["customer"])


def test_customers_tell_each_kind_of_consent(acme: Client) -> None:
    rows, _ = acme.walk("customers", limit=250, order="updated_at asc")
    assert len(rows) == len(acme.shop.customers) == acme.get("customers/count.json").json()["count"]
    consents = {row["email_marketing_consent"]["state"] for row in rows}
    assert consents == {"subscribed", "unsubscribed", "not_subscribed"}
    for row in rows:
        consent = row["email_marketing_consent"]
        if consent["state"] == "subscribed":
            assert consent["opt_in_level"]
            assert datetime.fromisoformat(consent["consent_updated_at"]).timestamp() <= START
        assert row["orders_count"] == len(acme.shop.orders_of.get(row["id"], ()))


def test_deletions_show_as_destroy_events(fresh: Client) -> None:
    order = next(iter(fresh.shop.orders))
    customer = next(iter(fresh.shop.customers))
    fresh.shop.delete_order(order.id)
    fresh.shop.delete_customer(customer.id)
    events = fresh.get("events.json", filter="Order", verb="destroy", created_at_min="2026-11-22T10:00:00Z").json()
    assert [event["subject_id"] for event in events["events"]] == [order.id]
    assert fresh.get(f"orders/{order.id}.json").status_code == 404
    kinds = [event["subject_type"] for event in fresh.get("events.json", filter="Order,Customer").json()["events"]]
    assert sorted(kinds) == ["Customer", "Order"]


def test_ids_do_not_fit_into_a_float(acme: Client) -> None:
    assert all(order.id > 2**53 for order in acme.shop.orders)


def test_unknown_paths_are_404_as_json(acme: Client) -> None:
    answer = acme.get("nothing.json")
    assert (answer.status_code, answer.json()) == (404, {"errors": "Not Found"})
    assert acme.session.delete(f"{acme.base}{V}/shop.json", timeout=10).status_code == 404


def test_the_shop_scopes_and_products_are_there(acme: Client) -> None:
    shop = acme.get("shop.json").json()["shop"]
    assert (shop["iana_timezone"], shop["currency"], shop["myshopify_domain"]) == (
        "Europe/Madrid",
        "EUR",
        "acme.myshopify.com",
    )
    scopes = acme.session.get(f"{acme.base}/admin/oauth/access_scopes.json", timeout=10).json()["access_scopes"]
    assert {"handle": "read_all_orders"} in scopes
    assert acme.get("products.json", limit=5).json()["products"][0]["product_type"]
