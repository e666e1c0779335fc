"""What Shopify's abandoned checkouts mean for us."""

from __future__ import annotations

from typing import Any

import pytest

from syncd.model import Cart
from syncd.sources._shopify_carts import CARTS
from syncd.sources._shopify_wire import ORDERS
from tests.unit.shop_records import shopify_order, shopify_page

AT = "2026-03-01T10:00:00+01:00"
AT_SECONDS = 1_772_355_600


def checkout(**fields: Any) -> dict[str, Any]:
    """A checkout over 34.00 EUR, as the API of today writes it: without a number."""
    return {
        "token": "2a1ace52",
        "cart_token": "68778783",
        "email": "ada@example.com",
        "created_at": AT,
        "updated_at": AT,
        "completed_at": None,
        "closed_at": None,
        "currency": "EUR",
        "total_price": "34.00",
        "customer": {"id": 77, "email": "ada@example.com"},
        **fields,
    }


def one_cart(**fields: Any) -> Cart:
    batch = CARTS.reader.read(shopify_page("checkouts", checkout(**fields)))
    assert batch.rejected == []
    (cart,) = batch.records
    assert isinstance(cart, Cart)
    return cart


def test_a_checkout_is_known_by_its_token_whatever_its_number() -> None:
    expected = Cart("2a1ace52", AT_SECONDS, AT_SECONDS, "EUR", 34_00, "77", "ada@example.com")
    assert one_cart() == one_cart(id=450789469) == expected


@pytest.mark.parametrize("field", ["completed_at", "closed_at"])
def test_a_checkout_that_was_completed_or_given_up_is_closed(field: str) -> None:
    assert one_cart(**{field: AT}).closed
    assert not one_cart().closed


def test_a_checkout_of_nobody_known_is_the_addresss() -> None:
    cart = one_cart(customer=None)
    assert (cart.customer_id, cart.email) == (None, "ada@example.com")
    assert one_cart(email=None, customer={"id": 77, "email": "bob@example.com"}).email == "bob@example.com"
    assert one_cart(email="", customer=None).email is None


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"total_price": "many"}, "total_price: not an amount of money"),
        ({"currency": "XXXX"}, "total_price: in a currency that ISO 4217 does not know"),
        ({"updated_at": "2026-03-01T10:00:00"}, "updated_at: a time without its zone"),
        ({"created_at": "1969-12-31T00:00:00Z"}, "created_at: not between 1970 and 2100"),
    ],
)
def test_a_checkout_that_cannot_be_trusted_is_rejected_under_its_token(fields: dict[str, Any], fault: str) -> None:
    batch = CARTS.reader.read(shopify_page("checkouts", checkout(id=1, **fields), checkout(token="good")))
    assert [(each.record_id, each.reason) for each in batch.rejected] == [("2a1ace52", fault)]
    assert [cart.id for cart in batch.records] == ["good"]


def test_a_checkout_without_a_token_is_named_by_its_bytes() -> None:
    batch = CARTS.reader.read(shopify_page("checkouts", checkout(token=None)))
    assert [each.record_id.partition("-")[0] for each in batch.rejected] == ["unnamed"]


@pytest.mark.parametrize(("token", "cart_id"), [("2a1ace52", "2a1ace52"), (None, None), ("", None)])
def test_an_order_names_the_checkout_that_it_was(token: str | None, cart_id: str | None) -> None:
    (order,) = ORDERS.read(shopify_page("orders", shopify_order(checkout_token=token))).records
    assert order.cart_id == cart_id
