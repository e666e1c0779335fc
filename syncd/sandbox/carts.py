"""Carts that people left behind: begun in a shop, perhaps bought in the end.

Pure state beside `shop`; how a platform shows a cart is the platform's module.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

if TYPE_CHECKING:
    from syncd.sandbox.shop import Line, ShopState

# Of their own, so that carts take no number from the orders and customers of the same seed.
FIRST_ID = 600_000_000


class Cart(Struct, frozen=True):
    """One cart. `total_minor` is what buying it would cost.

    `order_id`: the order that it became, `completed_at` when. `closed_at`: the shop gave it up.
    `hidden`: the merchant took it out of the list (Ecwid).
    """

    id: int
    token: str
    created_at: int
    updated_at: int
    email: str | None
    total_minor: int
    currency: str
    customer_id: int | None = None
    lines: tuple[Line, ...] = ()
    order_id: int | None = None
    completed_at: int | None = None
    closed_at: int | None = None
    hidden: bool = False


def begin(shop: ShopState, **fields: Any) -> Cart:
    """A new cart with `fields` of Cart, as of now where they do not say otherwise."""
    now, number = shop.now(), FIRST_ID + len(shop.carts)
    stamps = {"created_at": now, "updated_at": now, "currency": shop.currency}
    cart = Cart(**{"id": number, "token": token_of(shop, number), **stamps, **fields})
    shop.carts.put(cart)
    shop.tell("cart", None, cart)
    return cart


def change(shop: ShopState, cart: Cart, **fields: Any) -> Cart:
    """Afterwards the cart has `fields`."""
    changed = replace(cart, **{"updated_at": shop.now(), **fields})
    shop.carts.put(changed)
    shop.tell("cart", cart, changed)
    return changed


def recover(shop: ShopState, cart: Cart) -> Cart:
    """Somebody came back and bought the cart as it was; it says which order it became."""
    order = shop.add_order(
        customer_id=cart.customer_id,
        email=cart.email,
        total_minor=cart.total_minor,
        currency=cart.currency,
        lines=cart.lines,
        cart_id=cart.id,
    )
    return change(shop, cart, order_id=order.id, completed_at=order.placed_at)


def by_token(shop: ShopState, token: str) -> Cart | None:
    """The cart that the platform calls `token`."""
    return next((cart for cart in shop.carts if cart.token == token), None)


def token_of(shop: ShopState, number: int) -> str:
    """The platform's name of a cart: 32 digits on Shopify, a UUID on Ecwid."""
    text = blake2b(f"{shop.name} {number}".encode(), digest_size=16).hexdigest()
    if shop.platform == "shopify":
        return text
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}".upper()
