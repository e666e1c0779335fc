"""Abandoned checkouts as Shopify's `GET /checkouts.json` lists them.

Source: shopify.dev "Abandoned checkouts"; the shapes of the published example list and of the webhooks
checkouts/create and checkouts/update 2026-07, which name a checkout by its token and no longer by a number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from starlette.requests import Request

from syncd.sandbox.shopify.customers import address, embedded_customer, veiled
from syncd.sandbox.shopify.query import BadQuery
from syncd.sandbox.texts import decimal_text, offset_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from syncd.sandbox.carts import Cart
    from syncd.sandbox.shop import Line, ShopState

Json = dict[str, Any]

_STATUS: dict[str, Callable[[Cart], bool]] = {
    "open": lambda cart: cart.closed_at is None and cart.completed_at is None,
    "closed": lambda cart: cart.closed_at is not None or cart.completed_at is not None,
    "any": lambda cart: True,
}
# What is the same in every checkout here.
_ALWAYS: Json = {
    "gateway": None,
    "buyer_accepts_marketing": False,
    "buyer_accepts_sms_marketing": False,
    "landing_site": "/",
    "note": None,
    "note_attributes": [],
    "referring_site": None,
    "shipping_lines": [],
    "taxes_included": True,
    "total_weight": 0,
    "user_id": None,
    "location_id": None,
    "source_identifier": None,
    "source_url": None,
    "source": None,
    "source_name": "web",
    "device_id": None,
    "phone": None,
    "sms_marketing_phone": None,
    "customer_locale": None,
    "discount_codes": [],
    "tax_lines": [],
    "total_duties": None,
    "reservation_token": None,
}


def checkouts_wanted(shop: ShopState, filters: Mapping[str, str]) -> Callable[[Cart], bool]:
    """The test that a cart must pass: abandoned only once somebody can be reached; open, unless `status` differs."""
    status = filters.get("status", "open")
    if status not in _STATUS:
        raise BadQuery("status", "is not included in the list")
    switches, now = shop.switches, shop.now()
    oldest = None if switches.checkout_days is None else now - switches.checkout_days * 86_400
    visible = now - switches.index_lag_seconds

    def wanted(cart: Cart) -> bool:
        if oldest is not None and cart.created_at < oldest:
            return False
        shown = switches.completed_checkouts or cart.completed_at is None
        return bool(cart.email) and shown and cart.updated_at <= visible

    return lambda cart: wanted(cart) and _STATUS[status](cart)


def checkout_json(shop: ShopState, cart: Cart) -> Json:
    """The cart as a checkout."""

    def when(instant: int | None) -> str | None:
        return None if instant is None else offset_text(instant, shop.timezone)

    customer = shop.customers.get(cart.customer_id) if cart.customer_id is not None else None
    where = address(customer) if customer and customer.consent != "redacted" else None
    body = _ALWAYS | {
        "token": cart.token,
        "cart_token": cart_token(cart),
        "email": cart.email,
        "created_at": when(cart.created_at),
        "updated_at": when(cart.updated_at),
        "completed_at": when(cart.completed_at),
        "closed_at": when(cart.closed_at),
        "currency": cart.currency,
        "presentment_currency": cart.currency,
        "name": f"#{cart.id}",
        "line_items": [_line(cart, line) for line in cart.lines],
        "abandoned_checkout_url": f"https://{shop.name}.example.com/{shop.store_id}/checkouts/{cart.token}/recover",
        "billing_address": where,
        "shipping_address": where,
        **_amounts(cart),
    }
    if customer:
        body["customer"] = embedded_customer(shop, customer)
    shown = {"id": cart.id, **body} if shop.switches.checkout_ids else body
    return shown if shop.switches.protected_data else veiled(shown)


def without(request: Request, name: str) -> Request:
    """The request as if it had not named this parameter."""
    kept = [(key, value) for key, value in request.query_params.multi_items() if key != name]
    return Request({**request.scope, "query_string": urlencode(kept).encode()})


def cart_token(cart: Cart) -> str:
    """The token of the cart behind a checkout; an order carries both."""
    return cart.token[::-1]


def _amounts(cart: Cart) -> Json:
    total, zero = decimal_text(cart.total_minor, cart.currency), decimal_text(0, cart.currency)
    return {
        "subtotal_price": total,
        "total_price": total,
        "total_line_items_price": total,
        "total_discounts": zero,
        "total_tax": zero,
    }


def _line(cart: Cart, line: Line) -> Json:
    price = decimal_text(line.price_minor, cart.currency)
    return {
        "applied_discounts": [],
        "discount_allocations": [],
        "compare_at_price": None,
        "destination_location_id": cart.id + 1_000_000,
        "fulfillment_service": "manual",
        "gift_card": False,
        "grams": 100,
        "key": f"{line.product.id:032x}",
        "line_price": decimal_text(line.price_minor * line.quantity, cart.currency),
        "origin_location_id": 1_015_975_141,
        "presentment_title": line.product.title,
        "presentment_variant_title": "",
        "price": price,
        "product_id": line.product.id,
        "properties": None,
        "quantity": line.quantity,
        "rank": None,
        "requires_shipping": True,
        "sku": line.product.sku,
        "tax_lines": [],
        "taxable": True,
        "title": line.product.title,
        "unit_price_measurement": {
            "measured_type": None,
            "quantity_value": None,
            "quantity_unit": None,
            "reference_value": None,
            "reference_unit": None,
        },
        "user_id": None,
        "variant_id": line.product.id + 1_000_000,
        "variant_title": "",
        "variant_price": price,
        "vendor": "Sandbox Records",
    }
