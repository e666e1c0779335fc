"""Carts that lie about in the shops: some were left lately, some became orders."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from syncd.sandbox import carts
from syncd.sandbox.dice import dice
from syncd.sandbox.fill.catalogue import CATEGORIES, lines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from syncd.sandbox.shop import Product, ShopState

# One customer of so many left a cart in the last three weeks; one order of so many of that time was a cart before.
CUSTOMERS_A_CART, ORDERS_A_CART = 50, 10
_HOUR_SECONDS, _DAY_SECONDS = 3_600, 86_400
_LATELY_SECONDS = 21 * _DAY_SECONDS


def leave_carts(shop: ShopState, seed: int, products: Sequence[Product]) -> None:
    """Afterwards carts lie about in the shop; its orders and customers stay as they are, down to the last change."""
    chance, now = dice(seed, "carts", shop.name), shop.now()
    reachable = [each for each in shop.customers if each.email and each.created_at < now - _LATELY_SECONDS]
    for customer in chance.sample(reachable, min(len(reachable), 1 + len(reachable) // CUSTOMERS_A_CART)):
        begun = now - chance.randrange(2 * _HOUR_SECONDS, _LATELY_SECONDS)
        total = chance.randrange(900, 9_000)
        carts.begin(
            shop,
            email=customer.email,
            customer_id=customer.id,
            created_at=begun,
            updated_at=begun + chance.randrange(_HOUR_SECONDS),
            total_minor=total,
            lines=lines(chance, products, chance.randrange(len(CATEGORIES)), 1 + total // 2_000, total),
        )
    bought = []
    for index in range(*shop.orders.between("placed_at", now - _LATELY_SECONDS, now), ORDERS_A_CART):
        order = shop.orders.at("placed_at", index)
        cart = carts.begin(
            shop,
            email=order.email,
            customer_id=order.customer_id,
            created_at=order.placed_at - chance.randrange(_HOUR_SECONDS, _DAY_SECONDS),
            updated_at=order.placed_at,
            total_minor=order.total_minor,
            currency=order.currency,
            lines=order.lines,
            order_id=order.id,
            completed_at=order.placed_at,
        )
        bought.append(replace(order, cart_id=cart.id))
    shop.orders.load(bought)
