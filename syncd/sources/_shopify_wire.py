"""Shopify's orders, customers and events as the REST Admin API 2026-07 writes them, and what they mean for us.

Pure: bytes in, records out. Only the fields that are used are declared; the rest is never built.
Source: shopify.dev, REST Admin API, Order, Refund, Transaction, Customer, Event; the example payloads
of its webhooks 2026-07.
"""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct

from syncd.errors import RecordError
from syncd.model import Consent, ConsentState, Customer, Item, Order, OrderStatus, Refund
from syncd.sources._records import Amount, Id, Reader, count, country, identifier, instant, minor, text

# A status that is not listed is quarantined, for nobody can say whether such an order counts.
STATUSES = {
    "pending": OrderStatus.PENDING,
    "authorized": OrderStatus.AUTHORIZED,
    "partially_paid": OrderStatus.PARTIALLY_PAID,
    "paid": OrderStatus.PAID,
    "partially_refunded": OrderStatus.PARTIALLY_REFUNDED,
    "refunded": OrderStatus.REFUNDED,
    "voided": OrderStatus.VOIDED,
    "expired": OrderStatus.EXPIRED,
}
# "redacted" and "invalid" are no statements of the person, but neither may be mailed. A state that is
# not listed proves nothing: UNKNOWN, rather than the customer's older and perhaps laxer state.
CONSENTS = {
    "subscribed": ConsentState.GRANTED,
    "pending": ConsentState.PENDING,
    "unsubscribed": ConsentState.WITHDRAWN,
    "redacted": ConsentState.WITHDRAWN,
    "invalid": ConsentState.WITHDRAWN,
    "not_subscribed": ConsentState.UNKNOWN,
}
# What a transaction may be, and how it may have ended. Source: shopify.dev, Transaction, kind and status.
TRANSACTIONS = frozenset({"authorization", "capture", "change", "emv_authorization", "refund", "sale", "void"})
OUTCOMES = frozenset({"awaiting_response", "error", "failure", "pending", "success", "unknown"})
WHOLESALE = "wholesale"


class _Money(Struct, gc=False):
    amount: Amount
    currency_code: str


class _MoneySet(Struct, gc=False):
    shop_money: _Money


class _Shown(_MoneySet, gc=False):
    presentment_money: _Money | None = None


class _TaxLine(Struct, gc=False):
    price: Amount = "0"
    price_set: _MoneySet | None = None


class _ShippingLine(Struct, gc=False):
    tax_lines: list[_TaxLine] = []


class _LineItem(Struct, gc=False):
    quantity: int
    price: Amount
    price_set: _MoneySet | None = None
    product_id: Id | None = None
    title: str | None = None
    sku: str | None = None


class _Transaction(Struct, gc=False):
    amount: Amount
    kind: str
    status: str | None = None
    currency: str | None = None
    amount_set: _MoneySet | None = None


class _RefundLine(Struct, gc=False):
    subtotal: Amount = "0"
    subtotal_set: _MoneySet | None = None
    total_tax: Amount = "0"
    total_tax_set: _MoneySet | None = None


class _Refund(Struct, gc=False):
    id: Id
    created_at: datetime
    transactions: list[_Transaction]
    processed_at: datetime | None = None
    refund_line_items: list[_RefundLine] = []


class _Person(Struct, gc=False):
    id: Id | None = None
    email: str | None = None


class _Order(Struct, gc=False):
    id: Id
    created_at: datetime
    updated_at: datetime
    currency: str
    total_price: Amount
    subtotal_price: Amount
    # What lowers or takes away what an order is worth is never left out, only empty.
    cancelled_at: datetime | None
    refunds: list[_Refund]
    total_tax: Amount | None = None
    financial_status: str | None = None
    processed_at: datetime | None = None
    test: bool | None = None
    taxes_included: bool | None = None
    email: str | None = None
    contact_email: str | None = None
    customer: _Person | None = None
    total_price_set: _Shown | None = None
    subtotal_price_set: _Shown | None = None
    total_tax_set: _MoneySet | None = None
    shipping_lines: list[_ShippingLine] = []
    line_items: list[_LineItem] = []
    checkout_token: str | None = None


class _Orders(Struct):
    orders: list[_Order]


class _Consent(Struct, gc=False):
    state: str | None = None
    opt_in_level: str | None = None
    consent_updated_at: datetime | None = None


class _Address(Struct, gc=False):
    country_code: str | None = None
    city: str | None = None


class _Customer(Struct, gc=False):
    id: Id
    updated_at: datetime
    created_at: datetime | None = None
    email: str | None = None
    # One text, or a list as the newer API has it.
    tags: str | list[str] | None = None
    email_marketing_consent: _Consent | None = None
    # How versions before 2022-04 said it, and what old exports still hold.
    accepts_marketing: bool | None = None
    default_address: _Address | None = None


class _Customers(Struct):
    customers: list[_Customer]


class _Event(Struct):
    id: Id
    subject_id: Id
    subject_type: str
    verb: str
    created_at: datetime


class _Events(Struct):
    events: list[_Event]


class Deletion(Struct, frozen=True):
    """An order or a customer (`kind` is "Order" or "Customer") that no longer exists."""

    id: str
    kind: str
    updated_at: int


class _Till:
    """Reads the amounts of one order in the shop's own money, whatever the buyer saw."""

    def __init__(self, order: _Order) -> None:
        self.currency = order.total_price_set.shop_money.currency_code if order.total_price_set else order.currency
        self._set = order.total_price_set

    def minor(self, field: str, amount: Amount | None, money: _MoneySet | None) -> int:
        """The amount in minor units: from its set, else as it stands. Raises: RecordError."""
        if money is None:
            return minor(field, 0 if amount is None else amount, self.currency)
        if money.shop_money.currency_code != self.currency:
            raise RecordError(f"{field}: not in the currency of the order")
        return minor(field, money.shop_money.amount, self.currency)

    def moved(self, transaction: _Transaction) -> int:
        """The transaction's amount. Raises: RecordError.

        Transactions come in the buyer's currency, without a set; then the order's own rate applies,
        so that what was refunded in full is nothing left.
        """
        field = "refunds.transactions.amount"
        if transaction.amount_set or transaction.currency in (None, "", self.currency):
            return self.minor(field, transaction.amount, transaction.amount_set)
        shown = self._set.presentment_money if self._set else None
        if not self._set or not shown or shown.currency_code != transaction.currency:
            raise RecordError("refunds.transactions.currency: neither the shop's nor the buyer's")
        whole = minor("total_price", self._set.shop_money.amount, self.currency)
        presented = minor("total_price", shown.amount, shown.currency_code)
        amount = minor(field, transaction.amount, shown.currency_code)
        return round(whole * amount / presented) if presented else 0


def _order(wire: _Order) -> Order:
    """Raises: RecordError.

    `paid_minor` is `total_price`: with edits, before returns. `current_total_price` is after returns,
    and a return is also a refund: taking it would subtract the same money twice.
    """
    till = _Till(wire)
    paid = till.minor("total_price", wire.total_price, wire.total_price_set)
    customer = wire.customer or _Person()
    return Order(
        id=identifier("id", wire.id),
        placed_at=instant("processed_at", wire.processed_at or wire.created_at),
        updated_at=instant("updated_at", wire.updated_at),
        status=_status(wire.financial_status),
        currency=till.currency,
        paid_minor=paid,
        goods_minor=min(paid, _goods(wire, till)),
        customer_id=identifier("customer.id", customer.id) if customer.id is not None else None,
        email=text(wire.email or wire.contact_email or customer.email) or None,
        cancelled=wire.cancelled_at is not None,
        test=bool(wire.test),
        refunds=tuple(filter(None, [_refund(each, wire, till) for each in wire.refunds])),
        items=tuple([_item(each, till) for each in wire.line_items]),
        cart_id=text(wire.checkout_token, 64) or None,
    )


def _status(word: str | None) -> OrderStatus:
    try:
        return STATUSES[word or ""]
    except KeyError:
        # The word is Shopify's, but what is no plain word is not repeated.
        shown = word if word and len(word) <= 40 and word.isidentifier() else "this"
        raise RecordError(f"financial_status: {shown} is not known to syncd") from None


def _goods(wire: _Order, till: _Till) -> int:
    """What the goods cost after discounts, without shipping and, where prices include it, without their tax."""
    goods = till.minor("subtotal_price", wire.subtotal_price, wire.subtotal_price_set)
    if not wire.taxes_included:
        return goods
    tax = till.minor("total_tax", wire.total_tax, wire.total_tax_set)
    on_shipping = sum(
        [
            till.minor("shipping_lines.tax_lines.price", each.price, each.price_set)
            for line in wire.shipping_lines
            for each in line.tax_lines
        ]
    )
    return max(0, goods - max(0, tax - on_shipping))


def _refund(wire: _Refund, order: _Order, till: _Till) -> Refund | None:
    """The refund, or None where no money is meant to move: a Refund may only record a return.

    Raises: RecordError for a transaction of which nobody can say whether money moved by it.
    """
    for each in wire.transactions:
        if each.kind not in TRANSACTIONS or each.status not in OUTCOMES:
            raise RecordError("refunds.transactions: of a kind or with an outcome that is not known to syncd")
    transactions = [each for each in wire.transactions if each.kind == "refund"]
    done = [each for each in transactions if each.status == "success"]
    if not transactions:
        return None
    amount = sum(map(till.moved, done or transactions))
    return Refund(
        id=identifier("refunds.id", wire.id),
        amount_minor=amount,
        goods_minor=min(amount, sum(_returned(each, order, till) for each in wire.refund_line_items)),
        refunded_at=instant("refunds.processed_at", wire.processed_at or wire.created_at),
        moved=bool(done),
    )


def _returned(line: _RefundLine, order: _Order, till: _Till) -> int:
    goods = till.minor("refunds.refund_line_items.subtotal", line.subtotal, line.subtotal_set)
    if not order.taxes_included:
        return goods
    return max(0, goods - till.minor("refunds.refund_line_items.total_tax", line.total_tax, line.total_tax_set))


def _item(wire: _LineItem, till: _Till) -> Item:
    return Item(
        product_id=identifier("line_items.product_id", wire.product_id) if wire.product_id else "",
        title=text(wire.title),
        quantity=count("line_items.quantity", wire.quantity),
        price_minor=till.minor("line_items.price", wire.price, wire.price_set),
        sku=text(wire.sku),
    )


def _customer(wire: _Customer) -> Customer:
    """Raises: RecordError."""
    updated_at = instant("updated_at", wire.updated_at)
    created_at = instant("created_at", wire.created_at) if wire.created_at else updated_at
    address = wire.default_address or _Address()
    given = wire.email_marketing_consent
    return Customer(
        id=identifier("id", wire.id),
        email=text(wire.email) or None,
        created_at=created_at,
        updated_at=updated_at,
        consent=_consent(wire, created_at),
        country=country(address.country_code),
        city=text(address.city),
        tags=(tags := _tags(wire.tags)),
        wholesale=any(tag.lower() == WHOLESALE for tag in tags),
        redacted=given is not None and given.state == "redacted",
    )


def _tags(given: str | list[str] | None) -> tuple[str, ...]:
    parts = given if isinstance(given, list) else text(given, 5_000).split(",")
    return tuple(tag for part in parts if (tag := text(part).strip()))


def _consent(wire: _Customer, created_at: int) -> Consent:
    given = wire.email_marketing_consent
    if given is None:
        # The old flag says yes or nothing: false is also what everybody has who was never asked.
        state = ConsentState.GRANTED if wire.accepts_marketing else ConsentState.UNKNOWN
        return Consent(state, created_at)
    since = given.consent_updated_at
    return Consent(
        state=CONSENTS.get(given.state or "", ConsentState.UNKNOWN),
        changed_at=instant("email_marketing_consent.consent_updated_at", since) if since else created_at,
        level=text(given.opt_in_level, 40),
    )


def _deletion(wire: _Event) -> Deletion | None:
    if wire.verb != "destroy":
        return None
    return Deletion(
        identifier("subject_id", wire.subject_id), wire.subject_type, instant("created_at", wire.created_at)
    )


ORDERS = Reader(_Orders, "orders", _Order, _order)
CUSTOMERS = Reader(_Customers, "customers", _Customer, _customer)
EVENTS = Reader(_Events, "events", _Event, _deletion)
