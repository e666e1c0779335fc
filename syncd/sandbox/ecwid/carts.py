"""Abandoned carts as Ecwid's `GET /carts` shows them. Source: docs.ecwid.com "Search abandoned carts"."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from syncd.sandbox.ecwid.documents import accepts_of, group_of, item_json, letters, person_json, usd_total
from syncd.sandbox.texts import number, spaced_text

if TYPE_CHECKING:
    from syncd.sandbox.carts import Cart
    from syncd.sandbox.shop import ShopState

Json = dict[str, Any]


def cart_json(shop: ShopState, cart: Cart) -> Json:
    """The cart; once it was bought it says which order it became."""
    customer = shop.customers.get(cart.customer_id) if cart.customer_id is not None else None
    body: Json = {
        "cartId": cart.token,
        "email": cart.email,
        "ipAddress": "192.0.2.1",
        "hidden": cart.hidden,
        "createDate": spaced_text(cart.created_at),
        "updateDate": spaced_text(cart.updated_at),
        "createTimestamp": cart.created_at,
        "updateTimestamp": cart.updated_at,
        "subtotal": number(cart.total_minor, cart.currency),
        "total": number(cart.total_minor, cart.currency),
        "usdTotal": usd_total(cart.total_minor, cart.currency),
        "tax": 0,
        "couponDiscount": 0,
        "discount": 0,
        "paymentMethod": "Credit or debit card",
        "items": [item_json(cart, n, line) for n, line in enumerate(cart.lines)],
        "acceptMarketing": accepts_of(shop, cart.customer_id),
    }
    if customer:
        person = person_json(customer)
        body |= {"customerId": customer.id, "billingPerson": person, "shippingPerson": person}
        body["customerGroupId"], body["customerGroup"] = group_of(customer)
    if cart.order_id is not None:
        body |= {"recoveredOrderId": cart.order_id, "recoveredPublicUid": letters(cart.order_id)}
    return body
