"""The Ecwid counterpart's batches, its long memory for bad tokens, its searches, and what records hold besides."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
import requests

from syncd.sandbox import happenings
from syncd.sandbox.ecwid.documents import letters
from syncd.sandbox.ecwid.limit import BAD_CALLS, BAD_CALLS_PER_MINUTE, BLOCK_SECONDS, CALLS_PER_MINUTE, CallLimit
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

    def code(self, path: str, **params: Any) -> tuple[int, str]:
        reply = self.get(path, **params)
        return reply.status_code, reply.json().get("errorCode", "")

    def ids(self, path: str, **params: Any) -> list[Any]:
        return [row["id"] for row in self.get(path, limit=100, **params).json()["items"]]

    def batch(self, *requests_: dict[str, Any], **params: Any) -> str:
        reply = self.session.post(f"{self.base}/batch", params=params, json=list(requests_), timeout=10)
        assert reply.status_code == 200, reply.text
        return str(reply.json()["ticket"])

    def outcome(self, ticket: str, **params: Any) -> Any:
        while (report := self.get("batch", ticket=ticket, **params).json())["status"] != "COMPLETED":
            pass
        return report


@pytest.fixture(scope="module")
def cafe(open_sandbox: Callable[..., Running]) -> Client:
    return Client(open_sandbox())


@pytest.fixture
def fresh(sandbox: Running) -> Client:
    return Client(sandbox)


def test_a_batch_is_queued_and_then_through_with_the_answer_of_each_request(fresh: Client) -> None:
    ticket = fresh.batch(
        {"id": "one", "path": "/orders?limit=2", "method": "GET", "body": ""}, {"path": "profile", "method": "get"}
    )
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", ticket)
    queued = fresh.get("batch", ticket=ticket).json()
    assert queued == {"status": "QUEUED", "totalRequests": 2, "completedRequests": 0}
    report = fresh.get("batch", ticket=ticket).json()
    assert (report["status"], report["totalRequests"], report["completedRequests"]) == ("COMPLETED", 2, 2)
    first, second = report["responses"]
    assert (first["id"], first["status"], first["httpStatusCode"], first["httpStatusLine"]) == (
        "one",
        "COMPLETED",
        200,
        "OK",
    )
    assert first["httpBody"]["count"] == 2
    assert second["httpBody"]["formatsAndUnits"]["currency"] == "EUR"
    escaped = fresh.get("batch", ticket=ticket, escapedJson="true").json()["responses"]
    assert '"count":2' in escaped[0]["escapedHttpBody"]
    assert "httpBody" not in escaped[0]


@pytest.mark.parametrize(
    ("stops", "last"),
    [
        ({}, "NOT_EXECUTED"),
        ({"stopOnFirstFailure": "true"}, "NOT_EXECUTED"),
        ({"stopOnFirstFailure": "false"}, "COMPLETED"),
    ],
)
def test_a_batch_stops_at_its_first_failure_unless_told_not_to(fresh: Client, stops: dict[str, str], last: str) -> None:
    wanted = [{"path": path, "method": "GET"} for path in ("/profile", "/orders/NOSUCH", "/profile")]
    report = fresh.outcome(fresh.batch(*wanted, **stops))
    assert [each["status"] for each in report["responses"]] == ["COMPLETED", "FAILED", last]
    assert report["responses"][1]["httpBody"]["errorCode"] == "ORDER_NOT_FOUND"
    assert report["completedRequests"] == (2 if last == "NOT_EXECUTED" else 3)


def test_the_same_key_gives_the_same_batch(fresh: Client) -> None:
    one = {"path": "/profile", "method": "GET"}
    assert fresh.batch(one, deduplicationKey="k") == fresh.batch(one, deduplicationKey="k")
    assert fresh.batch(one) != fresh.batch(one)


@pytest.mark.parametrize(
    "body",
    [
        "[]",
        "{}",
        "nothing",
        '[{"path": "/profile"}]',
        '[{"path": "/profile", "method": "FETCH"}]',
        '[{"path": "/batch", "method": "POST"}]',
        "[" + ",".join(['{"path": "/profile", "method": "GET"}'] * 501) + "]",
    ],
)
def test_a_batch_that_makes_no_sense_is_400(fresh: Client, body: str) -> None:
    kind = {"Content-Type": "application/json"}
    reply = fresh.session.post(f"{fresh.base}/batch", data=body, headers=kind, timeout=10)
    assert (reply.status_code, reply.json()["errorCode"]) == (400, "WRONG_PARAMETER")
    assert fresh.code("batch", ticket="none") == (400, "WRONG_PARAMETER")


def test_a_batch_that_is_no_json_is_415(fresh: Client) -> None:
    reply = fresh.session.post(f"{fresh.base}/batch", data="x", headers={"Content-Type": "text/plain"}, timeout=10)
    assert (reply.status_code, list(reply.json())) == (415, ["errorMessage"])


@pytest.mark.parametrize(("each", "left"), [(True, CALLS_PER_MINUTE - 500 - 1), (False, CALLS_PER_MINUTE - 1)])
def test_the_requests_of_a_batch_count_as_calls_or_not(fresh: Client, *, each: bool, left: int) -> None:
    fresh.shop.switches.batch_counts_each = each
    limit = CallLimit(fresh.shop, lambda: 0.0)
    assert limit.enter(call_with()) is None
    fresh.batch(*[{"path": "/profile", "method": "GET"}] * 500)
    passed = 0
    while limit.enter(call_with()) is None:
        passed += 1
    assert passed == left


def call_with(token: str = "sandbox", address: str = "192.0.2.7") -> dict[str, Any]:  # noqa: S107
    """An ASGI scope, as far as the limit looks at it."""
    headers = [(b"authorization", f"Bearer {token}".encode())]
    return {"type": "http", "headers": headers, "client": (address, 1), "query_string": b"", "path": "/"}


class Minutes:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def test_an_address_that_tries_tokens_fast_is_blocked_for_long_with_any_token(fresh: Client) -> None:
    clock = Minutes()
    limit = CallLimit(fresh.shop, clock)
    for _ in range(BAD_CALLS_PER_MINUTE):
        assert limit.enter(call_with("wrong")) is None
    refused = limit.enter(call_with("wrong"))
    assert refused is not None
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, str(int(BLOCK_SECONDS)))
    clock.seconds = BLOCK_SECONDS - 1
    assert limit.enter(call_with()) is not None
    assert limit.enter(call_with(address="192.0.2.8")) is None
    clock.seconds = BLOCK_SECONDS + 1
    assert limit.enter(call_with()) is None


def test_an_address_that_tries_tokens_slowly_is_blocked_after_six_hundred(fresh: Client) -> None:
    clock = Minutes()
    limit = CallLimit(fresh.shop, clock)
    for _ in range(BAD_CALLS):
        clock.seconds += 60
        assert limit.enter(call_with("wrong")) is None
    assert limit.enter(call_with("wrong")) is not None
    assert limit.enter(call_with()) is not None


def test_a_refusal_may_say_nothing_of_how_long(fresh: Client) -> None:
    fresh.shop.switches.retry_after = False
    limit = CallLimit(fresh.shop, lambda: 0.0)
    replies = [limit.enter(call_with()) for _ in range(CALLS_PER_MINUTE + 1)]
    assert replies[-1] is not None
    assert "Retry-After" not in replies[-1].headers


@pytest.mark.parametrize(
    ("standing", "answer"),
    [
        ("frozen", (402, "STORE_IS_SUSPENDED")),
        ("locked", (402, "STORE_IS_SUSPENDED")),
        ("forbidden", (402, "NOT_AVAILABLE_ON_CURRENT_PLAN")),
        ("closed", (404, "STORE_NOT_FOUND")),
    ],
)
def test_a_store_in_trouble_answers_everything_alike(fresh: Client, standing: Any, answer: tuple[int, str]) -> None:
    fresh.shop.switches = Switches(standing=standing)
    assert {fresh.code(path) for path in ("profile", "orders", "latest-stats", "nothing")} == {
        answer,
        (404, "NOT_FOUND"),
    }


def test_an_app_that_was_removed_has_no_token_any_more(fresh: Client) -> None:
    fresh.shop.switches = Switches(installed=False)
    assert fresh.code("profile") == (403, "INVALID_API_TOKEN")


def test_a_page_that_is_too_much_takes_too_long(fresh: Client) -> None:
    fresh.shop.switches = Switches(heavy_above=50)
    assert fresh.code("orders") == (408, "TIMEOUT")
    assert fresh.get("orders", limit=50).status_code == 200


def test_the_token_may_stand_in_the_address_as_of_old(cafe: Client) -> None:
    assert requests.get(f"{cafe.base}/profile", params={"token": "sandbox"}, timeout=10).status_code == 200


def test_a_gift_card_and_a_campaign_show_in_the_order(fresh: Client) -> None:
    order = happenings.place_order(
        fresh.shop,
        {"email": "ana@example.com", "total": 20, "giftCardRedemption": 30, "utmData": {"mcCid": "c1", "source": "x"}},
    )
    row = fresh.get(f"orders/{letters(order.id)}").json()
    assert (row["total"], row["giftCardRedemption"], row["totalBeforeGiftCardRedemption"], row["subtotal"]) == (
        20,
        30,
        50,
        50,
    )
    assert row["usdTotal"] == 21.8
    assert row["utmData"] == {"source": "x", "campaign": None, "medium": None, "mcEid": None, "mcCid": "c1"}
    other = fresh.get("orders", limit=2).json()["items"][1]
    assert (other["giftCardRedemption"], other["utmData"]) == (0, None)


def test_a_customer_has_a_wish_list_a_group_and_contacts(fresh: Client) -> None:
    product = next(iter(fresh.shop.products)).id
    payload = {"email": "vip@example.com", "favorites": [product], "tags": ["VIP"], "name": "Ana"}
    customer = happenings.keep_customer(fresh.shop, payload)
    row = fresh.get(f"customers/{customer.id}").json()
    assert row["favorites"] == [{"productId": product, "addedTimestamp": "2026-11-22 10:00:00 +0000"}]
    assert row["customerGroupName"] == "VIP"
    assert [contact["contact"] for contact in row["contacts"]] == ["vip@example.com"]
    groups = fresh.get("customer_groups").json()
    assert groups["limit"] == 10
    assert {"id": row["customerGroupId"], "name": "VIP"} in groups["items"]
    assert fresh.ids("customers", customerGroup=row["customerGroupId"]) == [customer.id]
    assert fresh.ids("customers", customerGroupIds=f"{row['customerGroupId']},1") == [customer.id]


def test_customers_are_found_by_what_is_known_of_them(fresh: Client) -> None:
    ana = fresh.shop.add_customer(
        email="ana.x@example.com", first_name="Ana", last_name="Xyz", city="Nowhere", language="eo"
    )
    other = fresh.shop.add_customer(email="banana.x@example.com", first_name="Bo", consent="unsubscribed")
    fresh.shop.add_order(customer_id=ana.id, email=ana.email, total_minor=9_999_00)
    assert fresh.ids("customers", keyword="xyz") == fresh.ids("customers", name="ana xyz") == [ana.id]
    assert fresh.ids("customers", city="Nowhere") == fresh.ids("customers", lang="eo") == [ana.id]
    assert fresh.ids("customers", email="ana.x@example.com", sortBy="EMAIL_ASC") == [ana.id, other.id]
    assert fresh.ids("customers", email="ana.x@example.com", useExactEmailMatch="true") == [ana.id]
    assert fresh.ids("customers", minSalesValue=9_999) == [ana.id]
    assert fresh.ids("customers", sortBy="SALES_VALUE_DESC")[0] == ana.id
    assert ana.id in fresh.ids("customers", minOrderCount=1, maxOrderCount=1)
    assert other.id in fresh.ids("customers", maxOrderCount=0)
    assert other.id in fresh.ids("customers", acceptMarketing="false")
    assert fresh.code("customers", acceptMarketing="perhaps") == (400, "WRONG_PARAMETER")
    assert fresh.code("customers", minOrderCount="x") == (400, "WRONG_PARAMETER")


@pytest.mark.parametrize("key", ["ORDER_COUNT", "FIRST_ORDER_DATE", "LAST_ORDER_DATE", "REGISTERED_DATE"])
def test_customers_can_be_sorted_either_way(cafe: Client, key: str) -> None:
    up, down = (cafe.ids("customers", sortBy=f"{key}_{way}") for way in ("ASC", "DESC"))
    assert up == down[::-1]
    assert len(up) == len(cafe.shop.customers)


def test_customers_are_found_by_what_they_bought(cafe: Client) -> None:
    order = next(each for each in cafe.shop.orders if each.customer_id and each.lines)
    product = order.lines[0].product.id
    found = cafe.ids("customers", purchasedProductIds=f"{product},1")
    expected = {
        each.customer_id
        for each in cafe.shop.orders
        if each.customer_id and any(line.product.id == product for line in each.lines)
    }
    assert set(found) == expected


def test_orders_are_found_by_what_is_known_of_them(fresh: Client) -> None:
    customer = fresh.shop.add_customer(email="ana.x@example.com", last_name="Xyz", consent="subscribed")
    first = fresh.shop.add_order(customer_id=customer.id, email=customer.email, total_minor=9_999_00)
    second = fresh.shop.add_order(customer_id=None, email="guest.x@example.com", total_minor=8_888_00, closed_at=START)
    one, two = letters(first.id), letters(second.id)
    assert fresh.ids("orders", keywords="xyz") == fresh.ids("orders", customer="ANA.X") == [one]
    assert fresh.ids("orders", orderNumber=second.id) == fresh.ids("orders", vendorOrderNumber=two) == [two]
    assert set(fresh.ids("orders", ids=f"{one},{second.id}")) == {one, two}
    assert fresh.ids("orders", totalFrom=8_888, totalTo="8888.00") == [two]
    either = {"customerId": customer.id, "email": "guest.x@example.com"}
    assert fresh.ids("orders", **either) == []
    assert set(fresh.ids("orders", customerIdOrEmail="true", **either)) == {one, two}
    assert two in fresh.ids("orders", fulfillmentStatus="DELIVERED")
    assert one not in fresh.ids("orders", fulfillmentStatus="DELIVERED,RETURNED")
    assert one in fresh.ids("orders", acceptMarketing="true")
    assert fresh.ids("orders", couponCode="X") == fresh.ids("orders", paymentReference="X") == []
    assert fresh.ids("orders", paymentStatus="CUSTOM_PAYMENT_STATUS_1") == []
    assert fresh.code("orders", totalFrom="much") == (400, "WRONG_PARAMETER")


def test_one_record_shows_the_fields_that_are_asked_for(cafe: Client) -> None:
    order = next(each for each in cafe.shop.orders if each.status == "paid")
    asked = {"responseFields": "id,total"}
    assert set(cafe.get(f"orders/{letters(order.id)}", **asked).json()) == {"id", "total"}
    assert set(cafe.get("latest-stats", responseFields="ordersUpdated").json()) == {"ordersUpdated"}
