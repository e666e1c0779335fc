"""Refunds as Shopify writes them: a promise with its lines, and the transaction that moves the money."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from syncd.sandbox.shopify.lines import line_json
from syncd.sandbox.texts import offset_text

if TYPE_CHECKING:
    from syncd.sandbox.shop import Line, Order, Refund, ShopState
    from syncd.sandbox.shopify.purse import Purse

Json = dict[str, Any]

# Who gave the money back.
STAFF_ID = 548_380_009


def refund_json(shop: ShopState, order: Order, refund: Refund, purse: Purse) -> Json:
    """A refund of the whole order names its lines; a part of it is an amount that names none."""
    at = offset_text(refund.at, shop.timezone)
    whole = refund.amount_minor >= order.total_minor
    lines = [_refund_line(order, n, line, purse) for n, line in enumerate(order.lines)] if whole else []
    return {
        "id": refund.id,
        "admin_graphql_api_id": f"gid://shopify/Refund/{refund.id}",
        "order_id": order.id,
        "created_at": at,
        "note": "",
        "user_id": STAFF_ID,
        "processed_at": at,
        "duties": [],
        "total_duties_set": purse.set(0),
        "return": None,
        "refund_shipping_lines": [],
        "restock": whole,
        "order_adjustments": _adjustments(order, refund, purse, whole=whole),
        "refund_line_items": lines,
        "transactions": [_refund_transaction(order, refund, at, purse)],
    }


def _adjustments(order: Order, refund: Refund, purse: Purse, *, whole: bool) -> list[Json]:
    kind, minor = ("shipping_refund", order.shipping_minor) if whole else ("refund_discrepancy", refund.amount_minor)
    if not minor:
        return []
    adjustment = {
        "id": refund.id + 1_000_000,
        "order_id": order.id,
        "refund_id": refund.id,
        "amount": purse.text(-minor),
        "amount_set": purse.set(-minor),
        "kind": kind,
        "reason": "Shipping refund" if whole else "Refund discrepancy",
        "tax_amount": purse.text(0),
        "tax_amount_set": purse.set(0),
    }
    return [adjustment]


def _refund_line(order: Order, n: int, line: Line, purse: Purse) -> Json:
    subtotal = line.quantity * line.price_minor
    return {
        "id": order.id * 100 + n,
        "quantity": line.quantity,
        "line_item_id": order.id * 100 + n,
        "location_id": None,
        "restock_type": "return",
        "subtotal": float(purse.text(subtotal)),
        "subtotal_set": purse.set(subtotal),
        "total_tax": 0.0,
        "total_tax_set": purse.set(0),
        "line_item": line_json(order, n, line, purse),
    }


def _refund_transaction(order: Order, refund: Refund, at: str, purse: Purse) -> Json:
    transaction_id = refund.id + 2_000_000
    return {
        "id": transaction_id,
        "admin_graphql_api_id": f"gid://shopify/OrderTransaction/{transaction_id}",
        "order_id": order.id,
        "kind": "refund",
        "gateway": "shopify_payments",
        "status": refund.outcome,
        "message": None,
        "created_at": at,
        "processed_at": at,
        "test": order.test,
        "authorization": None,
        "location_id": None,
        "user_id": None,
        "parent_id": order.id + 3_000_000,
        "device_id": None,
        "error_code": "generic_error" if refund.outcome == "failure" else None,
        "source_name": "web",
        "receipt": {},
        # In the money that was paid with, not in the shop's. Source: shopify.dev, Transaction, in_shop_currency.
        "amount": purse.set(refund.amount_minor)["presentment_money"]["amount"],
        "currency": purse.presentment,
        "payment_id": f"#{order.number}.2",
        "manual_payment_gateway": False,
        "amount_rounding": None,
        # Of all sets the only one that says "currency" for "currency_code".
        "total_unsettled_set": {
            side: {"amount": money["amount"], "currency": money["currency_code"]}
            for side, money in purse.set(0).items()
        },
    }
