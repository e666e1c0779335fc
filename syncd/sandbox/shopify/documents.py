"""Orders, deletions and the shop itself as Shopify's Admin REST API 2026-07 writes them.

Source: the shapes of Shopify's published example payloads; money as text with its `…_set`, instants
with the shop's offset.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from syncd.sandbox.shopify.checkouts import cart_token
from syncd.sandbox.shopify.customers import address, customer_json, embedded_customer, veiled
from syncd.sandbox.shopify.lines import line_json, shipping_line, tax_line
from syncd.sandbox.shopify.purse import Purse
from syncd.sandbox.shopify.refunds import refund_json
from syncd.sandbox.texts import offset_text

if TYPE_CHECKING:
    from syncd.sandbox.shop import Order, ShopState, Tombstone

__all__ = ["customer_json", "event_json", "order_json", "shop_json"]

Json = dict[str, Any]

# What is the same in every order here; most of it concerns features that the sandbox does without.
_ALWAYS: Json = {
    "browser_ip": None,
    "buyer_accepts_marketing": False,
    "cart_token": None,
    "checkout_id": None,
    "checkout_token": None,
    "client_details": None,
    "confirmed": True,
    "customer_locale": None,
    "device_id": None,
    "discount_codes": [],
    "duties_included": False,
    "estimated_taxes": False,
    "landing_site_ref": None,
    "location_id": None,
    "merchant_business_entity_id": "MTU0ODM4MDAwOQ",
    "merchant_of_record_app_id": None,
    "note": None,
    "note_attributes": [],
    "payment_gateway_names": ["shopify_payments"],
    "phone": None,
    "po_number": None,
    "reference": None,
    "referring_site": None,
    "source_identifier": None,
    "source_url": None,
    "tags": "",
    "tax_exempt": False,
    "taxes_included": True,
    "user_id": None,
}
_NOT_PAID = ("pending", "voided", "expired", "authorized")


def order_json(shop: ShopState, order: Order) -> Json:
    """The order as `GET /orders/{id}.json` shows it."""
    purse = Purse(order)
    shown_until = shop.now() - shop.switches.child_lag_seconds
    customer = shop.customers.get(order.customer_id) if order.customer_id is not None else None
    where = address(customer) if customer and customer.consent != "redacted" else None
    shown = {
        **_order_head(shop, order),
        **_order_money(order, purse),
        "billing_address": where,
        "customer": embedded_customer(shop, customer) if customer else None,
        "discount_applications": [],
        "fulfillments": [],
        "line_items": [line_json(order, n, line, purse) for n, line in enumerate(order.lines)],
        "payment_terms": None,
        "refunds": [refund_json(shop, order, refund, purse) for refund in order.refunds if refund.at <= shown_until],
        "shipping_address": where,
        "shipping_lines": [shipping_line(order, purse)] if order.shipping_minor else [],
        "returns": [],
        "line_item_groups": [],
    }
    return shown if shop.switches.protected_data else veiled(shown)


def _order_head(shop: ShopState, order: Order) -> Json:
    def when(instant: int | None) -> str | None:
        return None if instant is None else offset_text(instant, shop.timezone)

    token = f"{order.id:032x}"
    return _ALWAYS | {
        "id": order.id,
        "admin_graphql_api_id": f"gid://shopify/Order/{order.id}",
        "app_id": 580111 if order.source == "web" else None,
        "cancel_reason": "customer" if order.cancelled_at is not None else None,
        "cancelled_at": when(order.cancelled_at),
        **_checkout(shop, order),
        "closed_at": when(order.closed_at),
        "confirmation_number": token[-9:].upper(),
        "contact_email": order.email,
        "created_at": when(order.created_at),
        "currency": order.currency,
        "email": order.email or "",
        "financial_status": order.status,
        "fulfillment_status": "fulfilled" if order.closed_at is not None else None,
        "landing_site": "/" if order.source == "web" else None,
        "name": f"#{order.number}",
        "number": order.number - 1000,
        "order_number": order.number,
        "order_status_url": f"https://{shop.name}.myshopify.com/{shop.store_id}/orders/{token}/authenticate",
        "presentment_currency": order.presentment or order.currency,
        "processed_at": when(order.placed_at),
        "source_name": order.source,
        "test": order.test,
        "token": token,
        "updated_at": when(order.updated_at),
    }


def _checkout(shop: ShopState, order: Order) -> Json:
    """Which checkout the order was, where it was one."""
    cart = shop.carts.get(order.cart_id) if order.cart_id is not None else None
    return {"checkout_id": cart.id, "checkout_token": cart.token, "cart_token": cart_token(cart)} if cart else {}


def _order_money(order: Order, purse: Purse) -> Json:
    """Every amount of the order; `current_…` is what is left after refunds and cancellation."""
    goods = order.total_minor - order.shipping_minor
    left = 0 if order.cancelled_at is not None else order.total_minor - order.refunded_minor
    amounts = {
        "current_subtotal_price": min(goods, left),
        "current_total_discounts": 0,
        "current_total_price": left,
        "current_total_tax": order.tax_minor if left == order.total_minor else 0,
        "subtotal_price": goods,
        "total_discounts": 0,
        "total_line_items_price": goods,
        "total_price": order.total_minor,
        "total_tax": order.tax_minor,
    }
    money: Json = {}
    for name, minor in amounts.items():
        money[name] = purse.text(minor)
        money[f"{name}_set"] = purse.set(minor)
    zero = purse.set(0)
    return money | {
        "current_shipping_price_set": purse.set(order.shipping_minor),
        "current_total_additional_fees_set": None,
        "current_total_duties_set": None,
        "original_total_additional_fees_set": None,
        "original_total_duties_set": None,
        "tax_lines": [tax_line(order.tax_minor, purse)] if order.tax_minor else [],
        "total_cash_rounding_payment_adjustment_set": zero,
        "total_cash_rounding_refund_adjustment_set": zero,
        "total_outstanding": purse.text(order.total_minor if order.status in _NOT_PAID else 0),
        "total_shipping_price_set": purse.set(order.shipping_minor),
        "total_tip_received": "0.00",
        "total_weight": 0,
    }


def event_json(shop: ShopState, stone: Tombstone) -> Json:
    """A deletion as `GET /events.json` shows it."""
    return {
        "id": stone.id,
        "subject_id": stone.subject_id,
        "created_at": offset_text(stone.created_at, shop.timezone),
        "subject_type": stone.kind,
        "verb": "destroy",
        "arguments": [],
        "body": None,
        "message": f"{stone.kind} was deleted.",
        "author": "Shopify",
        "description": f"{stone.kind} was deleted.",
        "path": None,
    }


def shop_json(shop: ShopState) -> Json:
    """The shop as `GET /shop.json` shows it."""
    return {
        "id": shop.store_id,
        "name": shop.title,
        "email": f"owner@{shop.name}.example.com",
        "domain": f"{shop.name}.example.com",
        "myshopify_domain": f"{shop.name}.myshopify.com",
        "country": "ES",
        "country_code": "ES",
        "country_name": "Spain",
        "primary_locale": "es",
        "currency": shop.currency,
        "enabled_presentment_currencies": [shop.currency],
        "timezone": "(GMT+01:00) Madrid",
        "iana_timezone": shop.timezone,
        "shop_owner": "Sandbox Owner",
        "money_format": "{{amount}} €",
        "plan_display_name": shop.switches.plan.capitalize(),
        "plan_name": shop.switches.plan,
        "password_enabled": False,
        "taxes_included": True,
        "created_at": "2015-01-01T00:00:00+01:00",
        "updated_at": "2015-01-01T00:00:00+01:00",
    }
