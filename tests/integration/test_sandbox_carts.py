"""Carts in the counterparts: what people left behind, as Shopify and Ecwid list it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import requests

from syncd.sandbox.populate import build
from syncd.sandbox.serve import Running
from syncd.sandbox.shop import ShopState

START = 1_795_341_600
DAY = 86_400


class Shop:
    """One counterpart, seen through its own API and through the control API."""

    def __init__(self, running: Running, name: str) -> None:
        self.world = running.world
        self.shop: ShopState = running.world.shops[name]
        self._control = f"{running.urls['control']}/shops/{name}"
        self._urls = running.urls

    def leave(self, **payload: Any) -> Any:
        reply = requests.post(f"{self._control}/carts", json=payload, timeout=10)
        assert reply.status_code == 201, reply.text
        return reply.json()

    def refused(self, **payload: Any) -> str:
        reply = requests.post(f"{self._control}/carts", json=payload, timeout=10)
        assert reply.status_code == 400
        return str(reply.json()["error"])

    def get(self, path: str, **params: Any) -> requests.Response:
        if self.shop.platform == "shopify":
            base, headers = f"{self._urls['shopify']}/admin/api/2026-07", {"X-Shopify-Access-Token": "sandbox"}
        else:
            base, headers = f"{self._urls['ecwid']}/api/v3/1003", {"Authorization": "Bearer sandbox"}
        return requests.get(f"{base}/{path}", params=params, headers=headers, timeout=10)

    def checkouts(self, **params: Any) -> list[str]:
        return [each["token"] for each in self.get("checkouts.json", **params).json()["checkouts"]]

    def carts(self, **params: Any) -> list[str]:
        return [each["cartId"] for each in self.get("carts", **params).json()["items"]]

    def clear(self) -> None:
        for cart in list(self.shop.carts):
            self.shop.carts.remove(cart.id)


@pytest.fixture
def acme(sandbox: Running) -> Shop:
    shop = Shop(sandbox, "acme")
    shop.clear()
    return shop


@pytest.fixture
def cafe(sandbox: Running) -> Shop:
    shop = Shop(sandbox, "cafe")
    shop.clear()
    return shop


@pytest.fixture(params=["acme", "cafe"])
def either(request: pytest.FixtureRequest, sandbox: Running) -> Shop:
    shop = Shop(sandbox, request.param)
    shop.clear()
    return shop


def test_a_filled_shop_has_carts_that_were_left_and_carts_that_were_bought(
    open_sandbox: Callable[..., Running],
) -> None:
    for shop in open_sandbox().world.shops.values():
        bought = [cart for cart in shop.carts if cart.order_id is not None]
        assert 0 < len(bought) < len(shop.carts)
        assert {shop.orders[cart.order_id or 0].cart_id for cart in bought} == {cart.id for cart in bought}


def test_the_same_seed_leaves_the_same_carts_and_moves_no_order() -> None:
    one, other = (build("synthetic", start=START, customers=60, seed=7) for _ in range(2))
    for name, shop in one.shops.items():
        assert list(shop.carts) == list(other.shops[name].carts)
        assert all(order.updated_at <= START for order in shop.orders)


def test_a_cart_needs_an_address_and_an_amount(either: Shop) -> None:
    assert either.refused(amount="10.00") == "email is missing"
    assert either.refused(email="ana@example.com") == "amount is missing"
    assert "no date" in either.refused(email="ana@example.com", amount=1, created_at="soon")


def test_a_known_address_brings_its_customer_along(either: Shop) -> None:
    customer = either.shop.add_customer(email="ana@example.com", first_name="Ana")
    either.leave(email="ana@example.com", amount="34.00")
    (cart,) = either.shop.carts
    assert (cart.customer_id, cart.total_minor, cart.created_at) == (customer.id, 34_00, START)


def test_a_cart_that_is_bought_becomes_an_order_once(either: Shop) -> None:
    token = "T-1"
    either.leave(email="ana@example.com", amount="34.00", token=token)
    orders = len(either.shop.orders)
    either.leave(token=token, recover=True)
    (cart,) = either.shop.carts
    assert len(either.shop.orders) == orders + 1
    assert either.shop.orders[cart.order_id or 0].total_minor == 34_00
    assert either.refused(token=token, recover=True) == "this cart was bought already"


def test_a_cart_changes_under_its_token(either: Shop) -> None:
    either.leave(email="ana@example.com", amount="34.00", token="T-1")
    either.world.clock.set(START + 60)
    either.leave(token="T-1", lines=[{"title": "Mug", "quantity": 2, "price": "6.00"}])
    (cart,) = either.shop.carts
    assert (cart.total_minor, cart.created_at, cart.updated_at) == (12_00, START, START + 60)


def test_shopify_lists_open_checkouts_of_people_who_can_be_reached(acme: Shop) -> None:
    ana = acme.leave(email="ana@example.com", amount="34.00")["token"]
    acme.leave(email=None, amount="34.00")
    closed = acme.leave(email="bea@example.com", amount="5.00", closed_at=START)["token"]
    assert acme.checkouts() == [ana]
    assert acme.checkouts(status="closed") == [closed]
    assert set(acme.checkouts(status="any")) == {ana, closed}
    assert acme.get("checkouts.json", status="left").status_code == 400
    assert acme.get("checkouts/count.json", status="any").json() == {"count": 2}


def test_shopifys_checkouts_are_known_by_token_and_have_no_number(acme: Shop) -> None:
    row = acme.leave(email="ana@example.com", amount="34.00", lines=[{"title": "Mug", "quantity": 2, "price": "17.00"}])
    assert "id" not in row
    assert (row["total_price"], row["currency"], row["completed_at"]) == ("34.00", "EUR", None)
    assert row["line_items"][0]["line_price"] == "34.00"
    acme.shop.switches.checkout_ids = True
    assert isinstance(acme.get("checkouts.json").json()["checkouts"][0]["id"], int)


@pytest.mark.parametrize("minds_order", [True, False])
def test_nobody_knows_whether_shopifys_list_of_checkouts_can_be_sorted(acme: Shop, *, minds_order: bool) -> None:
    acme.shop.switches.checkouts_sorted = minds_order
    old, new = (acme.leave(email="ana@example.com", amount=1, created_at=START - at)["token"] for at in (60, 0))
    assert acme.checkouts() == [new, old]
    assert acme.checkouts(order="created_at asc") == ([old, new] if minds_order else [new, old])


def test_shopifys_checkouts_come_in_pages_by_link_and_by_time(acme: Shop) -> None:
    for n in range(5):
        acme.world.clock.set(START + n)
        acme.leave(email=f"n{n}@example.com", amount="1.00")
    page = acme.get("checkouts.json", limit=2, order="updated_at asc")
    assert 'rel="next"' in page.headers["Link"]
    assert len(acme.checkouts(updated_at_min="2026-11-22T10:00:03Z")) == 2
    last = sorted(cart.id for cart in acme.shop.carts)[-2]
    assert len(acme.checkouts(since_id=last)) == 1


@pytest.mark.parametrize("listed", [True, False])
def test_what_was_bought_leaves_shopifys_list_unless_it_stays_with_its_date(acme: Shop, *, listed: bool) -> None:
    acme.shop.switches.completed_checkouts = listed
    token = acme.leave(email="ana@example.com", amount="34.00")["token"]
    acme.leave(token=token, recover=True)
    assert acme.checkouts() == []
    assert acme.checkouts(status="any") == ([token] if listed else [])
    newest = max(acme.shop.orders, key=lambda order: order.id)
    order = acme.get(f"orders/{newest.id}.json").json()["order"]
    assert (order["checkout_token"], order["cart_token"]) == (token, token[::-1])


def test_shopify_forgets_checkouts_after_ninety_days(acme: Shop) -> None:
    acme.leave(email="ana@example.com", amount="34.00", created_at=START - 91 * DAY)
    assert acme.checkouts(status="any") == []
    acme.shop.switches.checkout_days = None
    assert len(acme.checkouts(status="any")) == 1


def test_ecwid_lists_hidden_and_bought_carts_too_unless_told_not_to(cafe: Shop) -> None:
    left, hidden = (cafe.leave(email="ana@example.com", amount=34, hidden=each)["cartId"] for each in (False, True))
    bought = cafe.leave(email="bea@example.com", amount=5, recover=True)
    assert set(cafe.carts()) == {left, hidden, bought["cartId"]}
    assert set(cafe.carts(showHidden="false")) == {left, bought["cartId"]}
    order = cafe.shop.orders[bought["recoveredOrderId"]]
    assert cafe.get(f"orders/{bought['recoveredPublicUid']}").json()["internalId"] == order.id
    assert cafe.get("carts", showHidden="perhaps").status_code == 400


def test_ecwids_carts_are_found_by_time_amount_and_person(cafe: Shop) -> None:
    old = cafe.leave(email="ana@example.com", amount=34, created_at=START - DAY)["cartId"]
    new = cafe.leave(email="bea@example.com", amount=5)["cartId"]
    assert cafe.carts() == [new, old]
    assert cafe.carts(updatedFrom=START) == cafe.carts(createdFrom=START) == cafe.carts(totalTo="5.00") == [new]
    assert cafe.carts(updatedTo=START - 1) == cafe.carts(customer="ANA@") == cafe.carts(totalFrom=6) == [old]
    assert cafe.carts(couponCode="X") == []
    assert cafe.carts(limit=1, offset=1) == [old]
    assert cafe.get("carts", limit=1).json()["total"] == 2
    assert cafe.get(f"carts/{old}", responseFields="cartId,total").json() == {"cartId": old, "total": 34.0}
    assert cafe.get("carts/none").json()["errorCode"] == "CART_NOT_FOUND"


def test_a_plan_without_abandoned_carts_answers_402(cafe: Shop) -> None:
    cafe.shop.switches.abandoned_carts = False
    for path in ("carts", "carts/any"):
        answer = cafe.get(path)
        assert (answer.status_code, answer.json()["errorCode"]) == (402, "NOT_AVAILABLE_ON_CURRENT_PLAN")


def test_ecwids_latest_stats_move_with_carts(cafe: Shop) -> None:
    cafe.leave(email="ana@example.com", amount=5)
    before = cafe.get("latest-stats").json()
    cafe.world.clock.set(START + 60)
    cafe.leave(email="ana@example.com", amount=34)
    after = cafe.get("latest-stats").json()
    assert after == before | {"abandonedSalesUpdated": "2026-11-22 10:01:00 +0000"}


def test_a_merged_customers_carts_go_along(either: Shop) -> None:
    old, kept = (either.shop.add_customer(email=f"{name}@example.com") for name in ("old", "kept"))
    either.leave(email="old@example.com", amount=34)
    either.shop.merge_customers(old.id, kept.id)
    assert [cart.customer_id for cart in either.shop.carts] == [kept.id]
