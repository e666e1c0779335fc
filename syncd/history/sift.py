"""Which records of a page the history can take. Pure: looks at one record, knows no database.

A record that no database could hold as it is (a NUL, half a character, a number beyond 64 bits), or
whose money could not be added up, is kept in the quarantine and never stops the rest of its page.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from hashlib import blake2b

import msgspec

from syncd.model import Customer, Order, Page, Rejected

# Sums of so many minor units stay exact in 64 bits, and in the numbers of JSON.
MAX_MINOR = 2**53
MAX_INSTANT = 2**40
MAX_QUANTITY = 2**31 - 1
MAX_LINES = 2**15 - 1
MAX_ID = 64

# Begins what we kept ourselves; no platform's record begins so.
_OURS = b"\0syncd "


@dataclass(frozen=True, slots=True)
class Sifted:
    """A page's records by id, each with its digest, and those that cannot be taken.

    Of a record that the page holds twice, the newer state is taken; of equally new ones the later.
    """

    orders: dict[str, tuple[Order, bytes]]
    # Every state of an order that the page holds: the older ones still tell of people.
    shown: list[Order]
    customers: dict[str, Customer]
    rejected: dict[str, Rejected]


def sift(page: Page, currencies: Collection[str] | None) -> Sifted:
    """The records of `page` that can be stored; orders in another currency than `currencies` cannot."""
    sifted = Sifted({}, [], {}, {rejected.record_id: rejected for rejected in page.rejected})
    for order in page.orders:
        encoded = _encoded(order)
        fault = _fault(order, encoded) or _order_fault(order, currencies)
        if fault:
            sifted.rejected[plain(order.id)] = _kept(order, fault)
            continue
        sifted.shown.append(order)
        if order.id not in sifted.orders or order.updated_at >= sifted.orders[order.id][0].updated_at:
            sifted.orders[order.id] = (order, blake2b(encoded, digest_size=16).digest())
    for customer in page.customers:
        fault = _fault(customer, _encoded(customer)) or _customer_fault(customer)
        if fault:
            sifted.rejected[plain(customer.id)] = _kept(customer, fault)
        elif customer.id not in sifted.customers or customer.updated_at >= sifted.customers[customer.id].updated_at:
            sifted.customers[customer.id] = customer
    return sifted


def recovered(raw: bytes) -> Order | Customer | None:
    """The record that was quarantined after it had been read; None where `raw` is the platform's own text."""
    if not raw.startswith(_OURS):
        return None
    kind, _, text = raw.removeprefix(_OURS).partition(b"\n")
    return msgspec.convert(json.loads(text), Order) if kind == b"order" else msgspec.convert(json.loads(text), Customer)


def _kept(record: Order | Customer, reason: str) -> Rejected:
    kind = b"order" if isinstance(record, Order) else b"customer"
    # Not msgspec: half a character has no place in UTF-8, and is exactly what may have to be kept.
    text = json.dumps(msgspec.to_builtins(record)).encode("ascii")
    return Rejected(plain(record.id), reason, _OURS + kind + b"\n" + text)


def _encoded(record: Order | Customer) -> bytes:
    """The record as JSON; empty where it has none."""
    try:
        return msgspec.json.encode(record)
    except UnicodeEncodeError:
        return b""


def _fault(record: Order | Customer, encoded: bytes) -> str:
    if not encoded:
        return "a text holds half a character (a lone surrogate)"
    # In JSON a NUL always shows like this; a text that spells it out is as suspect.
    if b"\\u0000" in encoded:
        return "a text holds a NUL character"
    if not 0 < len(record.id) <= MAX_ID:
        return f"the id has {len(record.id)} characters, 1 to {MAX_ID} are possible"
    return ""


def _order_fault(order: Order, currencies: Collection[str] | None) -> str:
    if len(order.currency) != 3:
        return "the currency is no code of three letters"
    if currencies is not None and order.currency not in currencies:
        return f"its currency {order.currency} is not the audience's, and no rate for it is configured"
    if not _within(MAX_MINOR, order.paid_minor, order.goods_minor):
        return "an amount is beyond all measure"
    if not _within(MAX_INSTANT, order.placed_at, order.updated_at):
        return "a date is beyond all measure"
    if order.customer_id is not None and not 0 < len(order.customer_id) <= MAX_ID:
        return f"the customer's id has {len(order.customer_id)} characters, 1 to {MAX_ID} are possible"
    return _lines_fault(order) if order.items or order.refunds else ""


def _lines_fault(order: Order) -> str:
    if len(order.items) > MAX_LINES:
        return f"it has {len(order.items)} lines, {MAX_LINES} are possible"
    for item in order.items:
        if not (_within(MAX_QUANTITY, item.quantity) and _within(MAX_MINOR, item.price_minor)):
            return "the quantity or price of an item is beyond all measure"
    for refund in order.refunds:
        if len(refund.id) > MAX_ID or not _within(MAX_MINOR, refund.amount_minor, refund.goods_minor):
            return "a refund is beyond all measure"
        if not _within(MAX_INSTANT, refund.refunded_at):
            return "a date is beyond all measure"
    return ""


def _customer_fault(customer: Customer) -> str:
    if not _within(MAX_INSTANT, customer.created_at, customer.updated_at, customer.consent.changed_at):
        return "a date is beyond all measure"
    if len(customer.country) > 2:
        return "the country is no code of two letters"
    return "the language is no code" if len(customer.language) > 16 else ""


def _within(limit: int, *numbers: int) -> bool:
    return all(-limit <= number <= limit for number in numbers)


def plain(text: str) -> str:
    """The text as any database takes it: without NUL, with `?` for half a character."""
    return text.replace("\0", "").encode("utf-8", "replace").decode("utf-8")
