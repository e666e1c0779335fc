"""Ecwid's orders, customers, carts, products and deletions as its REST API v3 writes them, and what they mean for us.

Pure: bytes in, records out. Only the fields that are used are declared. An order names no currency: it
is the store's, which `/profile` tells. Source: docs.ecwid.com, REST API, Orders, Customers, Products.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from msgspec import Struct

from syncd.errors import RecordError
from syncd.model import Cart, Consent, ConsentState, Customer, Item, Order, OrderStatus, Product, Refund
from syncd.sources._records import Amount, Id, Reader, count, country, identifier, instant, minor, seconds, text

# A status that is not listed is quarantined, for nobody can say whether such an order counts. What a
# merchant calls a custom status is not told, so nobody knows that money came.
STATUSES = {
    "AWAITING_PAYMENT": OrderStatus.PENDING,
    "CUSTOM_PAYMENT_STATUS_1": OrderStatus.PENDING,
    "CUSTOM_PAYMENT_STATUS_2": OrderStatus.PENDING,
    "CUSTOM_PAYMENT_STATUS_3": OrderStatus.PENDING,
    "PAID": OrderStatus.PAID,
    "PARTIALLY_REFUNDED": OrderStatus.PARTIALLY_REFUNDED,
    "REFUNDED": OrderStatus.REFUNDED,
    "CANCELLED": OrderStatus.VOIDED,
}
# A cart that was left is no order.
UNFINISHED = "INCOMPLETE"
WHOLESALE = "wholesale"
_LANGUAGE_LENGTH = 16


class _Person(Struct, gc=False):
    countryCode: str | None = None  # noqa: N815  # theirs
    city: str | None = None


class _Item(Struct, gc=False, rename="camel"):
    quantity: int
    price: Amount
    product_id: Id | None = None
    name: str | None = None
    sku: str | None = None


class _Refund(Struct, gc=False):
    amount: Amount
    date: str | None = None


class _Shipping(Struct, gc=False, rename="camel"):
    shipping_rate: Amount = 0
    shipping_rate_without_tax: Amount | None = None


class _Handling(Struct, gc=False):
    value: Amount = 0


class _Order(Struct, gc=False, rename="camel"):
    id: Id
    total: Amount
    payment_status: str
    create_timestamp: int
    update_timestamp: int
    tax: Amount = 0
    refunded_amount: Amount | None = None
    customer_id: Id | None = None
    email: str | None = None
    shipping_option: _Shipping | None = None
    handling_fee: _Handling | None = None
    items: list[_Item] = []
    refunds: list[_Refund] = []


class _Orders(Struct):
    total: int
    count: int
    items: list[_Order]


class _Favorite(Struct, gc=False, rename="camel"):
    product_id: Id
    added_timestamp: str | None = None


class _Customer(Struct, gc=False, rename="camel"):
    id: Id
    registered: str | None = None
    updated: str | None = None
    email: str | None = None
    accept_marketing: bool | None = None
    lang: str | None = None
    customer_group_name: str | None = None
    billing_person: _Person | None = None
    shipping_addresses: list[_Person] = []
    favorites: list[_Favorite] | None = None


class _Customers(Struct):
    total: int
    count: int
    items: list[_Customer]


class _Cart(Struct, gc=False, rename="camel"):
    cart_id: Id
    total: Amount
    create_timestamp: int
    update_timestamp: int
    customer_id: Id | None = None
    email: str | None = None
    hidden: bool | None = None
    recovered_order_id: Id | None = None


class _Carts(Struct):
    total: int
    count: int
    items: list[_Cart]


class _Product(Struct, gc=False, rename="camel"):
    id: Id
    update_timestamp: int
    name: str | None = None
    default_category_id: int | None = None
    category_ids: list[int] | None = None


class _Products(Struct):
    total: int
    count: int
    items: list[_Product]


class Category(Struct, frozen=True):
    """A category of products; `id` is the store's own number of it."""

    id: int
    name: str = ""


class _Categories(Struct):
    total: int
    items: list[Category]


class _Gone(Struct, gc=False, rename="camel"):
    id: Id
    date: str
    order_id: Id | None = None


class _Deleted(Struct):
    total: int
    count: int
    items: list[_Gone]


class Deletion(Struct, frozen=True):
    """An order or a customer that no longer exists. An order has two ids; either may be the one we know."""

    ids: tuple[str, ...]
    updated_at: int

    @property
    def id(self) -> str:
        """The id that orders and customers are known by."""
        return self.ids[-1]


def at(field: str, written: str) -> int:
    """`2024-05-01 05:26:28 +0000` in UTC seconds. Raises: RecordError."""
    try:
        return instant(field, _moment(written))
    except ValueError:
        raise RecordError(f"{field}: not a date with a time and an offset") from None


def changed_at(written: str | None) -> int | None:
    """A stamp of latest-stats in UTC seconds, 0 for 1970: never. None where it says nothing: ask the list itself."""
    try:
        moment = _moment(written or "")
    except ValueError:
        return None
    return max(0, int(moment.timestamp())) if moment.tzinfo else None


def _moment(written: str) -> datetime:
    return datetime.fromisoformat(written.replace(" +", "+").replace(" -", "-"))


def orders_in(currency: str) -> Reader[_Orders, _Order, Order]:
    """Reads the orders of a store that sells in `currency`."""
    return Reader(_Orders, "items", _Order, lambda wire: _order(wire, currency))


def _order(wire: _Order, currency: str) -> Order | None:
    """None for a cart that was left. Raises: RecordError."""
    if wire.payment_status == UNFINISHED:
        return None
    status = _status(wire.payment_status)
    paid = minor("total", wire.total, currency)
    goods = _goods(wire, paid, currency)
    return Order(
        id=identifier("id", wire.id),
        placed_at=seconds("createTimestamp", wire.create_timestamp),
        updated_at=seconds("updateTimestamp", wire.update_timestamp),
        status=status,
        currency=currency,
        paid_minor=paid,
        goods_minor=goods,
        # 0 stands for nobody.
        customer_id=identifier("customerId", wire.customer_id) if wire.customer_id else None,
        email=text(wire.email) or None,
        cancelled=status is OrderStatus.VOIDED,
        refunds=_refunds(wire, status, paid, goods, currency),
        items=tuple([_item(each, currency) for each in wire.items]),
    )


def _status(word: str) -> OrderStatus:
    try:
        return STATUSES[word]
    except KeyError:
        # The word is Ecwid's, but what is no plain word is not repeated.
        shown = word if len(word) <= 40 and word.isidentifier() else "this"
        raise RecordError(f"paymentStatus: {shown} is not known to syncd") from None


def _goods(wire: _Order, paid: int, currency: str) -> int:
    """What is left of the total without tax, shipping and handling; discounts are off it already."""
    shipping, handling = wire.shipping_option or _Shipping(), wire.handling_fee or _Handling()
    rate = shipping.shipping_rate if shipping.shipping_rate_without_tax is None else shipping.shipping_rate_without_tax
    other = (("tax", wire.tax), ("shippingOption.shippingRate", rate), ("handlingFee.value", handling.value))
    return max(0, paid - sum([minor(field, amount, currency) for field, amount in other]))


def _refunds(wire: _Order, status: OrderStatus, paid: int, goods: int, currency: str) -> tuple[Refund, ...]:
    """What was given back. Amounts are told for some ways of payment only.

    REFUNDED without an amount is all of it. PARTIALLY_REFUNDED without one is an unknown part: the
    order keeps its whole worth, for a guess would be wrong more often. A refund is not itemised, so
    its goods are the same share as in the order.
    """
    updated_at = seconds("updateTimestamp", wire.update_timestamp)
    stated = [
        (minor("refunds.amount", each.amount, currency), at("refunds.date", each.date) if each.date else updated_at)
        for each in wire.refunds
    ]
    amount = minor("refundedAmount", wire.refunded_amount or 0, currency)
    if not stated and not amount and status is OrderStatus.REFUNDED:
        amount = paid
    # The list may know of fewer refunds than the sum.
    rest = amount - sum(each for each, _ in stated)
    stated += [(rest, updated_at)] if rest > 0 else []
    return tuple(
        Refund(
            id=str(n),
            amount_minor=amount,
            goods_minor=min(amount, amount * goods // paid if paid else 0),
            refunded_at=at,
        )
        for n, (amount, at) in enumerate(stated, 1)
    )


def _item(wire: _Item, currency: str) -> Item:
    return Item(
        product_id=identifier("items.productId", wire.product_id) if wire.product_id else "",
        title=text(wire.name),
        quantity=count("items.quantity", wire.quantity),
        price_minor=minor("items.price", wire.price, currency),
        sku=text(wire.sku),
    )


def _customer(wire: _Customer) -> Customer:
    """Raises: RecordError.

    Ecwid reads a missing `acceptMarketing` as permission. It is no proof of one, so here it is
    UNKNOWN; false is a refusal, whether the person or the merchant made it.
    """
    # Of one that nobody ever changed, and of one that came from elsewhere, only one of the dates may be told.
    created_at = at("registered", wire.registered or wire.updated or "")
    updated_at = at("updated", wire.updated) if wire.updated else created_at
    state, level = {
        True: (ConsentState.GRANTED, ""),
        False: (ConsentState.WITHDRAWN, "refused"),
        None: (ConsentState.UNKNOWN, ""),
    }[wire.accept_marketing]
    # The billing address, or else where it was sent.
    person = next((each for each in (wire.billing_person, *wire.shipping_addresses) if each), _Person())
    group = text(wire.customer_group_name)
    return Customer(
        id=identifier("id", wire.id),
        email=text(wire.email) or None,
        created_at=created_at,
        updated_at=updated_at,
        # When the box was ticked is not told; the record's own change is the latest that it can be.
        consent=Consent(state, updated_at, level),
        country=country(person.countryCode),
        city=text(person.city),
        language=text(wire.lang, _LANGUAGE_LENGTH),
        tags=(group,) if group else (),
        wishes=_wishes(wire.favorites or []),
        wholesale=group.lower() == WHOLESALE,
    )


def _wishes(favorites: list[_Favorite]) -> tuple[str, ...]:
    """The products by when they were added, the latest first; of one moment the one that stands last in the list."""
    latest = sorted(favorites, key=lambda each: changed_at(each.added_timestamp) or 0)[::-1]
    return tuple(dict.fromkeys(identifier("favorites.productId", each.product_id) for each in latest))


def products_in(categories: Mapping[int, str]) -> Reader[_Products, _Product, Product]:
    """Reads the products of a store whose categories have these names."""
    return Reader(_Products, "items", _Product, lambda wire: _product(wire, categories))


def _product(wire: _Product, categories: Mapping[int, str]) -> Product:
    """Raises: RecordError. Of several categories it counts the one that the merchant made the main one, or the first
    that has a name.
    """
    ids = (wire.default_category_id or 0, *(wire.category_ids or ()))
    return Product(
        id=identifier("id", wire.id),
        title=text(wire.name),
        updated_at=seconds("updateTimestamp", wire.update_timestamp),
        category=next((name for each in ids if (name := text(categories.get(each)).strip())), ""),
    )


def carts_in(currency: str) -> Reader[_Carts, _Cart, Cart]:
    """Reads the abandoned carts of a store that sells in `currency`."""
    return Reader(_Carts, "items", _Cart, lambda wire: _cart(wire, currency), named="cartId")


def _cart(wire: _Cart, currency: str) -> Cart:
    """Raises: RecordError. A cart that the merchant took out of the list shall not be followed up."""
    return Cart(
        id=identifier("cartId", wire.cart_id),
        begun_at=seconds("createTimestamp", wire.create_timestamp),
        updated_at=seconds("updateTimestamp", wire.update_timestamp),
        currency=currency,
        value_minor=minor("total", wire.total, currency),
        customer_id=identifier("customerId", wire.customer_id) if wire.customer_id else None,
        email=text(wire.email) or None,
        closed=bool(wire.hidden or wire.recovered_order_id),
    )


def _deletion(wire: _Gone) -> Deletion:
    known = (wire.id, wire.order_id) if wire.order_id else (wire.id,)
    ids = tuple(identifier("id", each) for each in known)
    return Deletion(tuple(dict.fromkeys(ids)), at("date", wire.date))


CATEGORIES = Reader(_Categories, "items", Category, lambda category: category)
CUSTOMERS = Reader(_Customers, "items", _Customer, _customer)
DELETED = Reader(_Deleted, "items", _Gone, _deletion)
