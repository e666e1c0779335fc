"""The lines of an order as Shopify writes them: goods, shipping, tax."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from syncd.sandbox.shop import Line, Order
    from syncd.sandbox.shopify.purse import Purse

Json = dict[str, Any]


def tax_line(minor: int, purse: Purse) -> Json:
    """The tax in the price."""
    return {
        "price": purse.text(minor),
        "rate": 0.21,
        "title": "IVA",
        "price_set": purse.set(minor),
        "channel_liable": False,
    }


def line_json(order: Order, n: int, line: Line, purse: Purse) -> Json:
    """Line `n` of the order."""
    line_id = order.id * 100 + n
    return {
        "id": line_id,
        "admin_graphql_api_id": f"gid://shopify/LineItem/{line_id}",
        "attributed_staffs": [],
        "current_quantity": 0 if order.status == "refunded" else line.quantity,
        "fulfillable_quantity": 0 if order.closed_at is not None else line.quantity,
        "fulfillment_service": "manual",
        "fulfillment_status": "fulfilled" if order.closed_at is not None else None,
        "gift_card": False,
        "grams": 100,
        "name": line.product.title,
        "price": purse.text(line.price_minor),
        "price_set": purse.set(line.price_minor),
        "product_exists": True,
        "product_id": line.product.id,
        "properties": [],
        "quantity": line.quantity,
        "requires_shipping": True,
        "sales_line_item_group_id": None,
        "sku": line.product.sku,
        "taxable": True,
        "title": line.product.title,
        "total_discount": purse.text(0),
        "total_discount_set": purse.set(0),
        "variant_id": line.product.id + 1_000_000,
        "variant_inventory_management": None,
        "variant_title": None,
        "vendor": "Sandbox Records",
        "tax_lines": [],
        "duties": [],
        "discount_allocations": [],
    }


def shipping_line(order: Order, purse: Purse) -> Json:
    """What the shipping costs."""
    price = {"price": purse.text(order.shipping_minor), "price_set": purse.set(order.shipping_minor)}
    return {
        "id": order.id * 100 + 99,
        "carrier_identifier": None,
        "code": "Standard",
        "current_discounted_price_set": price["price_set"],
        "discounted_price": price["price"],
        "discounted_price_set": price["price_set"],
        "is_removed": False,
        "phone": None,
        **price,
        "requested_fulfillment_service_id": None,
        "source": "shopify",
        "title": "Standard",
        "tax_lines": [],
        "discount_allocations": [],
    }
