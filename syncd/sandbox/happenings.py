"""What can happen in a shop from outside its API: orders, refunds, edits, new customers, mergers.

Takes the fields of the platform's own records, or the plain names of `Wanted…`; pure.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
from msgspec import UNSET, Struct, UnsetType

from syncd.money import to_minor
from syncd.sandbox.ecwid.documents import STATUSES, order_number
from syncd.sandbox.shop import Line, Wish

if TYPE_CHECKING:
    from collections.abc import Mapping

    from syncd.sandbox.shop import Customer, Order, Product, ShopState

Amount = str | int | float
Instant = str | int
T = TypeVar("T")

# Each platform's own names, by the plain name. A dot goes one level down.
_ORDER_NAMES: dict[str, dict[str, tuple[str, ...]]] = {
    "shopify": {
        "email": ("email", "contact_email", "customer.email"),
        "amount": ("amount", "total_price"),
        "status": ("status", "financial_status"),
        "placed_at": ("placed_at", "processed_at", "created_at"),
        "created_at": ("created_at", "placed_at"),
        "tax": ("tax", "total_tax"),
        "shipping": ("shipping", "total_shipping_price_set.shop_money.amount"),
        "presentment": ("presentment", "presentment_currency"),
        "source": ("source", "source_name"),
        "lines": ("lines", "line_items"),
        "first_name": ("first_name", "customer.first_name"),
        "last_name": ("last_name", "customer.last_name"),
        "consent": ("consent", "customer.email_marketing_consent.state"),
    },
    "ecwid": {
        "amount": ("amount", "total"),
        "status": ("status", "paymentStatus"),
        "placed_at": ("placed_at", "createTimestamp", "createDate"),
        "created_at": ("created_at", "placed_at", "createTimestamp", "createDate"),
        "shipping": ("shipping", "shippingOption.shippingRate"),
        "gift_card": ("gift_card", "giftCardRedemption"),
        "utm": ("utm", "utmData"),
        "lines": ("lines", "items"),
        "first_name": ("first_name", "billingPerson.firstName", "billingPerson.name"),
        "last_name": ("last_name", "billingPerson.lastName"),
        "consent": ("consent", "acceptMarketing"),
    },
}
_CUSTOMER_NAMES: dict[str, dict[str, tuple[str, ...]]] = {
    "shopify": {
        "consent": ("consent", "email_marketing_consent.state"),
        "city": ("city", "default_address.city"),
        "country": ("country", "default_address.country_code"),
    },
    "ecwid": {
        "wishes": ("wishes", "favorites"),
        "consent": ("consent", "acceptMarketing"),
        "first_name": ("first_name", "billingPerson.firstName", "name", "billingPerson.name"),
        "last_name": ("last_name", "billingPerson.lastName"),
        "city": ("city", "billingPerson.city"),
        "country": ("country", "billingPerson.countryCode"),
        "language": ("language", "lang"),
    },
}
_FROM_ECWID = {
    "AWAITING_PAYMENT": "pending",
    "PAID": "paid",
    "CANCELLED": "voided",
    "REFUNDED": "refunded",
    "PARTIALLY_REFUNDED": "partially_refunded",
    "INCOMPLETE": "expired",
}
_CONSENTS = ("subscribed", "not_subscribed", "unsubscribed", "pending", "redacted", "invalid")
_FROM_ACCEPTS = {True: "subscribed", False: "unsubscribed", None: "not_subscribed"}
OUTCOMES = ("success", "pending", "failure")


class Refused(Exception):
    """The payload makes no sense; the message says why."""


class WantedLine(Struct):
    """One line of an order to be; the names are the same on both platforms, save the title."""

    title: str = ""
    name: str = "Something"
    quantity: int = 1
    price: Amount = 0
    sku: str = ""
    category: str = ""
    product_type: str = ""


class WantedProduct(Struct):
    """A product to be, or what changes about the one with this title."""

    title: str
    new_title: str | UnsetType = UNSET
    category: str | UnsetType = UNSET
    sku: str | UnsetType = UNSET
    price: Amount | UnsetType = UNSET


class WantedOrder(Struct):
    """An order to be, or what changes about one. `guest`: without an account."""

    email: str | UnsetType | None = UNSET
    amount: Amount | UnsetType = UNSET
    currency: str | UnsetType = UNSET
    presentment: str | UnsetType = UNSET
    placed_at: Instant | UnsetType = UNSET
    created_at: Instant | UnsetType = UNSET
    cancelled_at: Instant | UnsetType | None = UNSET
    closed_at: Instant | UnsetType | None = UNSET
    status: str | UnsetType = UNSET
    test: bool | UnsetType = UNSET
    tax: Amount | UnsetType = UNSET
    shipping: Amount | UnsetType = UNSET
    gift_card: Amount | UnsetType = UNSET
    utm: dict[str, str] | UnsetType = UNSET
    source: str | UnsetType = UNSET
    lines: list[WantedLine] | UnsetType = UNSET
    first_name: str = ""
    last_name: str = ""
    consent: str | bool | UnsetType | None = UNSET
    guest: bool = False


class WantedCustomer(Struct):
    """A customer to be, or what changes about one."""

    email: str | UnsetType | None = UNSET
    first_name: str | UnsetType = UNSET
    last_name: str | UnsetType = UNSET
    city: str | UnsetType = UNSET
    country: str | UnsetType = UNSET
    language: str | UnsetType = UNSET
    consent: str | bool | UnsetType | None = UNSET
    tags: str | list[str] | UnsetType = UNSET
    # Titles or numbers of products, the latest first.
    wishes: list[str | int] | UnsetType = UNSET


def place_order(shop: ShopState, payload: Mapping[str, Any]) -> Order:
    """A new order in the shop, by a customer who is made where the address is new. Raises: Refused."""
    wanted = read_payload(shop, payload, _ORDER_NAMES, WantedOrder)
    if not wanted.email:
        raise Refused("email is missing")
    fields = _order_fields(shop, wanted)
    if "total_minor" not in fields:
        raise Refused("amount is missing")
    if "lines" not in fields:
        goods = fields["total_minor"] - fields.get("shipping_minor", 0)
        fields["lines"] = (Line(shop.product("Something"), 1, goods),)
    fields["customer_id"] = None if wanted.guest else _customer_for(shop, wanted).id
    return shop.add_order(**fields)


def edit_order(shop: ShopState, text: str, payload: Mapping[str, Any]) -> Order:
    """Afterwards the order has what the payload names. Raises: Refused, KeyError for an unknown order."""
    wanted = read_payload(shop, payload, _ORDER_NAMES, WantedOrder)
    return shop.change_order(order_id(shop, text), **_order_fields(shop, wanted))


def refund(shop: ShopState, payload: Mapping[str, Any]) -> Order:
    """Afterwards the order `order_id` has a refund of `amount`, or of all that is left. Raises: Refused, KeyError."""
    if "order_id" not in payload:
        raise Refused("order_id is missing")
    order = shop.orders[order_id(shop, str(payload["order_id"]))]
    outcome = payload.get("status", "success")
    if outcome not in OUTCOMES:
        raise Refused(f"status is one of {', '.join(OUTCOMES)}")
    amount = payload.get("amount")
    minor = None if amount is None else minor_of("amount", amount, order.currency)
    if minor is not None and not 0 < minor <= order.total_minor - order.refunded_minor:
        raise Refused("amount is more than what is left of the order")
    return shop.refund(order.id, minor, outcome)


def keep_customer(shop: ShopState, payload: Mapping[str, Any]) -> Customer:
    """Afterwards there is a customer with this address who has what the payload names. Raises: Refused."""
    wanted = read_payload(shop, payload, _CUSTOMER_NAMES, WantedCustomer)
    if not wanted.email:
        raise Refused("email is missing")
    known = shop.customer_of(wanted.email)
    fields = _customer_fields(shop, wanted, known)
    return shop.change_customer(known.id, **fields) if known else shop.add_customer(**fields)


def edit_customer(shop: ShopState, customer_id: int, payload: Mapping[str, Any]) -> Customer:
    """Afterwards the customer has what the payload names, a new address included. Raises: Refused, KeyError."""
    wanted = read_payload(shop, payload, _CUSTOMER_NAMES, WantedCustomer)
    return shop.change_customer(customer_id, **_customer_fields(shop, wanted, shop.customers[customer_id]))


def keep_product(shop: ShopState, payload: Mapping[str, Any]) -> Product:
    """Afterwards the product with this title is as the payload says; made where there is none. Raises: Refused."""
    try:
        wanted = msgspec.convert(payload, WantedProduct)
    except msgspec.ValidationError as err:
        raise Refused(str(err)) from err
    fields: dict[str, Any] = {"title": wanted.new_title, "category": wanted.category, "sku": wanted.sku}
    if wanted.price is not UNSET:
        fields["price_minor"] = minor_of("price", wanted.price, shop.currency)
    given = {name: value for name, value in fields.items() if value is not UNSET}
    return shop.change_product(shop.product(wanted.title).id, **given)


def order_id(shop: ShopState, text: str) -> int:
    """The number of the order that the platform calls `text`. Raises: KeyError."""
    number = int(text) if text.isdecimal() else order_number(text)
    if number is None or shop.orders.get(number) is None:
        raise KeyError(text)
    return number


def moment_of(value: Instant) -> int:
    """UTC seconds of an ISO 8601 text (without an offset: UTC) or a Unix time. Raises: Refused."""
    if isinstance(value, int):
        return value
    try:
        when = datetime.fromisoformat(value.replace(" +", "+"))
    except ValueError as err:
        raise Refused(f"{value!r} is no date and time") from err
    return int((when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp())


def read_payload(
    shop: ShopState, payload: Mapping[str, Any], names: dict[str, dict[str, tuple[str, ...]]], kind: type[T]
) -> T:
    """The payload under its plain names; fields that the sandbox does not keep are passed over. Raises: Refused."""
    plain = dict(payload)
    for name, places in names[shop.platform].items():
        plain.pop(name, None)
        for place in places:
            value = _at(payload, place)
            if value is not UNSET:
                plain[name] = value
                break
    try:
        return msgspec.convert(plain, kind)
    except msgspec.ValidationError as err:
        raise Refused(str(err)) from err


def _at(payload: Any, place: str) -> Any:
    for name in place.split("."):
        if not isinstance(payload, dict) or name not in payload:
            return UNSET
        payload = payload[name]
    return payload


def minor_of(name: str, amount: Amount, currency: str) -> int:
    """The amount in minor units. Raises: Refused."""
    try:
        return to_minor(amount, currency)
    except ValueError as err:
        raise Refused(f"{name}: {err}") from err


def _order_fields(shop: ShopState, wanted: WantedOrder) -> dict[str, Any]:
    """The fields of Order that the payload names."""
    currency = shop.currency if wanted.currency is UNSET else wanted.currency
    fields: dict[str, Any] = {
        name: getattr(wanted, name) for name in ("email", "currency", "presentment", "test", "source", "utm")
    }
    for name in ("placed_at", "created_at", "cancelled_at", "closed_at"):
        value = getattr(wanted, name)
        fields[name] = moment_of(value) if isinstance(value, str | int) else value
    amounts = {"tax": wanted.tax, "shipping": wanted.shipping, "gift_card": wanted.gift_card, "total": wanted.amount}
    for name, value in ((f"{name}_minor", value) for name, value in amounts.items()):
        fields[name] = value if value is UNSET else minor_of(name, value, currency)
    fields["status"] = _status(shop, wanted.status)
    if wanted.lines is not UNSET:
        fields["lines"] = tuple(line_of(shop, line, currency) for line in wanted.lines)
    fields = {name: value for name, value in fields.items() if value is not UNSET}
    if "lines" in fields and "total_minor" not in fields:
        goods = sum(line.quantity * line.price_minor for line in fields["lines"])
        fields["total_minor"] = goods + fields.get("shipping_minor", 0) - fields.get("gift_card_minor", 0)
    return fields


def _status(shop: ShopState, status: str | UnsetType) -> str | UnsetType:
    if status is UNSET:
        return status
    plain = _FROM_ECWID.get(status, status) if shop.platform == "ecwid" else status
    if plain not in STATUSES:
        raise Refused(f"{status!r} is no payment status; known: {', '.join(STATUSES)}")
    return plain


def line_of(shop: ShopState, wanted: WantedLine, currency: str) -> Line:
    """The line, of a product that is made where there is none. Raises: Refused."""
    price = minor_of("price", wanted.price, currency)
    category = wanted.category or wanted.product_type
    return Line(shop.product(wanted.title or wanted.name, category, wanted.sku, price), wanted.quantity, price)


def _customer_for(shop: ShopState, wanted: WantedOrder) -> Customer:
    """The customer with the order's address; consent changes only where the order names it."""
    assert isinstance(wanted.email, str)
    known = shop.customer_of(wanted.email)
    consent = {} if wanted.consent is UNSET else _consent(shop, wanted.consent)
    if known is None:
        names = {"first_name": wanted.first_name, "last_name": wanted.last_name}
        return shop.add_customer(email=wanted.email, **names, **consent)
    return shop.change_customer(known.id, **consent) if consent else known


def _customer_fields(shop: ShopState, wanted: WantedCustomer, known: Customer | None) -> dict[str, Any]:
    names = ("email", "first_name", "last_name", "city", "country", "language")
    fields = {name: getattr(wanted, name) for name in names if getattr(wanted, name) is not UNSET}
    if wanted.tags is not UNSET:
        tags = wanted.tags.split(",") if isinstance(wanted.tags, str) else wanted.tags
        fields["tags"] = tuple(tag.strip() for tag in tags if tag.strip())
    if wanted.wishes is not UNSET:
        fields["favorites"] = _favorites(shop, wanted.wishes, known.favorites if known else ())
    return fields if wanted.consent is UNSET else fields | _consent(shop, wanted.consent)


def _favorites(shop: ShopState, wishes: list[str | int], before: tuple[Wish, ...]) -> tuple[Wish, ...]:
    """The wish list, the oldest first; what was wished for before stays as old as it is."""
    since = {wish.product_id: wish.at for wish in before}
    made = []
    for n, wish in enumerate(wishes):
        number = wish if isinstance(wish, int) else shop.product(wish).id
        made.append(Wish(number, since.get(number, shop.now() - n)))
    return tuple(reversed(made))


def _consent(shop: ShopState, said: str | bool | None) -> dict[str, Any]:
    """Shopify's state and since when; never asked has no date."""
    state = said if isinstance(said, str) else _FROM_ACCEPTS[said]
    if state not in _CONSENTS:
        raise Refused(f"{state!r} is no consent; known: {', '.join(_CONSENTS)}")
    return {"consent": state, "consent_at": None if state == "not_subscribed" else shop.now()}
