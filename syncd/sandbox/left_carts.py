"""What people do with their carts, as the control API hears of it: begin one, change it, come back and buy it. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import UNSET, Struct, UnsetType

from syncd.sandbox import carts
from syncd.sandbox.happenings import Amount, Instant, Refused, WantedLine, line_of, minor_of, moment_of, read_payload
from syncd.sandbox.shop import Line

if TYPE_CHECKING:
    from collections.abc import Mapping

    from syncd.sandbox.carts import Cart
    from syncd.sandbox.shop import ShopState

# Each platform's own names, by the plain name.
_NAMES: dict[str, dict[str, tuple[str, ...]]] = {
    "shopify": {"amount": ("amount", "total_price"), "lines": ("lines", "line_items")},
    "ecwid": {
        "amount": ("amount", "total"),
        "lines": ("lines", "items"),
        "token": ("token", "cartId"),
        "created_at": ("created_at", "createTimestamp"),
        "updated_at": ("updated_at", "updateTimestamp"),
    },
}


class WantedCart(Struct):
    """A cart to be, or what changes about the one with this `token`. `recover`: it is bought now."""

    email: str | UnsetType | None = UNSET
    amount: Amount | UnsetType = UNSET
    currency: str | UnsetType = UNSET
    token: str = ""
    created_at: Instant | UnsetType = UNSET
    updated_at: Instant | UnsetType = UNSET
    closed_at: Instant | UnsetType | None = UNSET
    hidden: bool | UnsetType = UNSET
    lines: list[WantedLine] | UnsetType = UNSET
    recover: bool = False


def keep_cart(shop: ShopState, payload: Mapping[str, Any]) -> Cart:
    """Afterwards the shop has this cart; with `recover`, the order that it became too. Raises: Refused."""
    wanted = read_payload(shop, payload, _NAMES, WantedCart)
    fields = _fields(shop, wanted)
    cart = carts.by_token(shop, wanted.token) if wanted.token else None
    cart = carts.change(shop, cart, **fields) if cart else _begin(shop, wanted, fields)
    if wanted.recover:
        if cart.order_id is not None:
            raise Refused("this cart was bought already")
        cart = carts.recover(shop, cart)
    return cart


def _begin(shop: ShopState, wanted: WantedCart, fields: dict[str, Any]) -> Cart:
    if "email" not in fields:
        raise Refused("email is missing")
    if "total_minor" not in fields:
        raise Refused("amount is missing")
    if "lines" not in fields:
        fields["lines"] = (Line(shop.product("Something"), 1, fields["total_minor"]),)
    if "created_at" in fields:
        fields.setdefault("updated_at", fields["created_at"])
    if wanted.token:
        fields["token"] = wanted.token
    known = shop.customer_of(fields["email"]) if fields["email"] else None
    return carts.begin(shop, customer_id=known.id if known else None, **fields)


def _fields(shop: ShopState, wanted: WantedCart) -> dict[str, Any]:
    """The fields of Cart that the payload names."""
    currency = shop.currency if wanted.currency is UNSET else wanted.currency
    fields: dict[str, Any] = {name: getattr(wanted, name) for name in ("email", "currency", "hidden")}
    for name in ("created_at", "updated_at", "closed_at"):
        value = getattr(wanted, name)
        fields[name] = moment_of(value) if isinstance(value, str | int) else value
    if wanted.lines is not UNSET:
        fields["lines"] = tuple(line_of(shop, line, currency) for line in wanted.lines)
        fields["total_minor"] = sum(line.quantity * line.price_minor for line in fields["lines"])
    if wanted.amount is not UNSET:
        fields["total_minor"] = minor_of("amount", wanted.amount, currency)
    return {name: value for name, value in fields.items() if value is not UNSET}
