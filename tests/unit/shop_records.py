"""The smallest orders and customers that the platforms' own documentation would call valid."""

from __future__ import annotations

import json
from typing import Any

Json = dict[str, Any]


def shopify_order(**fields: Any) -> Json:
    """A paid order over 100.00 EUR, placed on 2026-03-01 at 10:00 in Madrid."""
    at = "2026-03-01T10:00:00+01:00"
    return {
        "id": 5001,
        "created_at": at,
        "updated_at": at,
        "processed_at": at,
        "cancelled_at": None,
        "currency": "EUR",
        "total_price": "100.00",
        "subtotal_price": "100.00",
        "total_tax": "0.00",
        "taxes_included": False,
        "financial_status": "paid",
        "test": False,
        "email": "ada@example.com",
        "customer": {"id": 77, "email": "ada@example.com"},
        "line_items": [],
        "refunds": [],
        **fields,
    }


def shopify_refund(refund_id: int, amount: str, outcome: str = "success", **fields: Any) -> Json:
    """A refund of `amount` whose transaction ended in `outcome`."""
    at = "2026-03-05T10:00:00+01:00"
    transaction = {"id": refund_id, "kind": "refund", "status": outcome, "amount": amount, "currency": "EUR"}
    return {"id": refund_id, "created_at": at, "processed_at": at, "transactions": [transaction], **fields}


def shopify_customer(**fields: Any) -> Json:
    """A customer who was never asked."""
    at = "2026-03-01T10:00:00+01:00"
    return {
        "id": 77,
        "email": "ada@example.com",
        "created_at": at,
        "updated_at": at,
        "tags": "",
        "email_marketing_consent": {"state": "not_subscribed", "opt_in_level": None, "consent_updated_at": None},
        "default_address": None,
        **fields,
    }


def money(amount: str, currency: str, shown: str = "0.00", shown_currency: str = "XXX") -> Json:
    """An amount as a Shopify `…_set`: in the shop's money, and as the buyer saw it."""
    return {
        "shop_money": {"amount": amount, "currency_code": currency},
        "presentment_money": {"amount": shown, "currency_code": shown_currency},
    }


def shopify_page(name: str, *records: Json) -> bytes:
    """A page of records."""
    return json.dumps({name: records}).encode()


def ecwid_order(**fields: Any) -> Json:
    """A paid order over 100.0, placed on 2026-03-01 at 09:00 UTC."""
    return {
        "id": "EBJFT",
        "internalId": 5001,
        "total": 100.0,
        "tax": 0,
        "refundedAmount": 0,
        "paymentStatus": "PAID",
        "fulfillmentStatus": "DELIVERED",
        "createTimestamp": 1772355600,
        "updateTimestamp": 1772355600,
        "customerId": 77,
        "email": "ada@example.com",
        "items": [],
        "refunds": [],
        **fields,
    }


def ecwid_customer(**fields: Any) -> Json:
    """A customer who was never asked."""
    return {
        "id": 77,
        "email": "ada@example.com",
        "registered": "2026-03-01 09:00:00 +0000",
        "updated": "2026-03-02 09:00:00 +0000",
        "acceptMarketing": None,
        **fields,
    }


def ecwid_cart(**fields: Any) -> Json:
    """A cart over 37.39 that was left on 2026-03-01 at 09:00 UTC."""
    return {
        "cartId": "6626E60A-A6F9",
        "email": "ada@example.com",
        "hidden": False,
        "createDate": "2026-03-01 09:00:00 +0000",
        "updateDate": "2026-03-02 09:00:00 +0000",
        "createTimestamp": 1772355600,
        "updateTimestamp": 1772442000,
        "subtotal": 29.95,
        "total": 37.39,
        "usdTotal": 40.75,
        "tax": 1.79,
        "customerId": 77,
        "items": [{"id": 1, "productId": 9, "price": 5.99, "quantity": 5, "name": "Cherry"}],
        **fields,
    }


def ecwid_page(*items: Json) -> bytes:
    """A page of records."""
    return json.dumps({"total": len(items), "count": len(items), "offset": 0, "limit": 100, "items": items}).encode()
