"""Shopify's abandoned checkouts: how they are listed, and what they mean for us.

A checkout is known by its token; its number is gone from newer payloads. Source: shopify.dev, REST Admin API,
Abandoned checkouts; the example payloads of the webhooks checkouts/create and checkouts/update 2026-07.
"""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct

from syncd.model import Cart
from syncd.sources._records import Amount, Id, Reader, identifier, instant, minor, text
from syncd.sources._shopify_api import List


class _Person(Struct):
    id: Id | None = None
    email: str | None = None


class _Checkout(Struct):
    token: Id
    created_at: datetime
    updated_at: datetime
    currency: str
    total_price: Amount
    email: str | None = None
    completed_at: datetime | None = None
    closed_at: datetime | None = None
    customer: _Person | None = None


class _Checkouts(Struct):
    checkouts: list[_Checkout]


def _cart(wire: _Checkout) -> Cart:
    """Raises: RecordError."""
    customer = wire.customer or _Person()
    return Cart(
        id=identifier("token", wire.token),
        begun_at=instant("created_at", wire.created_at),
        updated_at=instant("updated_at", wire.updated_at),
        currency=wire.currency,
        value_minor=minor("total_price", wire.total_price, wire.currency),
        customer_id=identifier("customer.id", customer.id) if customer.id is not None else None,
        email=text(wire.email or customer.email) or None,
        closed=wire.completed_at is not None or wire.closed_at is not None,
    )


# Without status=any one that was closed would stay open with us.
CARTS = List(
    "checkouts",
    Reader(_Checkouts, "checkouts", _Checkout, _cart, named="token"),
    {"status": "any", "order": "updated_at asc"},
)
