"""The ground truth: per person the orders that the shops really have. It shares no code with syncd's core."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from syncd.sandbox.shop import Order, ShopState
    from syncd.sandbox.world import World

_COUNTED = ("paid", "partially_paid", "authorized", "partially_refunded")


class TrueOrder(Struct, frozen=True):
    """One order. `net_minor`: what the person paid less what went back; `counted`: whether rules see it."""

    shop: str
    id: int
    placed_at: int
    currency: str
    total_minor: int
    net_minor: int
    counted: bool


def truth(world: World) -> dict[str, list[TrueOrder]]:
    """Every order of every shop by the person's address (trimmed, lower case), the oldest first."""
    found: dict[str, list[TrueOrder]] = {}
    for shop in world.shops.values():
        for order in shop.orders:
            email = (_email(shop, order) or "").strip().lower()
            found.setdefault(email, []).append(_true(shop, order))
    for orders in found.values():
        orders.sort(key=lambda each: (each.placed_at, each.shop, each.id))
    return found


def _email(shop: ShopState, order: Order) -> str | None:
    customer = shop.customers.get(order.customer_id) if order.customer_id is not None else None
    return customer.email if customer else order.email


def _true(shop: ShopState, order: Order) -> TrueOrder:
    counted = order.status in _COUNTED and order.cancelled_at is None and not order.test and order.total_minor > 0
    if shop.platform == "ecwid":
        # Ecwid knows neither authorisations nor part payments: such an order still awaits its payment.
        counted = counted and order.status in ("paid", "partially_refunded")
    net = order.total_minor - order.refunded_minor
    return TrueOrder(shop.name, order.id, order.placed_at, order.currency, order.total_minor, net, counted)
