"""Which records of a page the history can take. Pure: looks at one record, knows no database.

A record that no database could hold as it is (a NUL, half a character, a number beyond 64 bits), or
whose money could not be added up, is kept in the quarantine and never stops the rest of its page.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import TypeVar

import msgspec

from syncd.model import Cart, Customer, Order, Page, Product, Record, Rejected

# Seventy million million minor units: a hundred thousand such orders still add up within 64 bits.
MAX_MINOR = 2**46
MAX_INSTANT = 2**40
MAX_QUANTITY = 2**31 - 1
MAX_LINES = 2**15 - 1
MAX_ID = 64

# Begins what we kept ourselves; no platform's record begins so.
_OURS = b"\0syncd "

R = TypeVar("R", Order, Customer, Cart, Product)

_KINDS: dict[bytes, type[Record]] = {b"order": Order, b"customer": Customer, b"cart": Cart, b"product": Product}


@dataclass(frozen=True, slots=True)
class Sifted:
    """A page's records by id, each with its digest, and those that cannot be taken.

    Of a record that the page holds twice, the newer state is taken; of equally new ones the later.
    """

    orders: dict[str, tuple[Order, bytes]]
    # Every state of an order that the page holds: the older ones still tell of people.
    shown: list[Order]
    customers: dict[str, Customer]
    carts: dict[str, Cart]
    products: dict[str, Product]
    rejected: dict[str, Rejected]
    deleted_orders: list[str]
    deleted_customers: list[str]


def sift(page: Page, currencies: Collection[str] | None) -> Sifted:
    """The records of `page` that can be stored; orders in another currency than `currencies` cannot."""
    faulty: dict[str, Rejected] = {}
    orders = _sound(page.orders, faulty, lambda order: _currency_fault(order, currencies) or _order_fault(order))
    customers = _sound(page.customers, faulty, _customer_fault)
    carts = _sound(page.carts, faulty, lambda cart: _currency_fault(cart, currencies) or _customer_id_fault(cart))
    products = _sound(page.products, faulty, lambda _: "")
    return Sifted(
        orders={id_: (order, _digest(encoded)) for id_, (order, encoded) in _newest(orders).items()},
        shown=[order for order, _ in orders],
        customers={id_: customer for id_, (customer, _) in _newest(customers).items()},
        carts={id_: cart for id_, (cart, _) in _newest(carts).items()},
        products={id_: product for id_, (product, _) in _newest(products).items()},
        rejected={one.record_id: one for one in page.rejected} | faulty,
        deleted_orders=_ids(page.deleted_orders),
        deleted_customers=_ids(page.deleted_customers),
    )


def _sound(records: Sequence[R], faulty: dict[str, Rejected], fault_of: Callable[[R], str]) -> list[tuple[R, bytes]]:
    """The records that can be stored, each with its JSON; the others are in `faulty`, unless a later state is sound."""
    encoded = [_encoded(record) for record in records]
    suspect = _is_suspect(encoded)
    sound = []
    for record, text in zip(records, encoded, strict=True):
        fault = (suspect and _fault(record, text)) or _id_fault(record) or fault_of(record)
        if fault:
            faulty[plain(record.id)] = _kept(record, fault)
        else:
            faulty.pop(record.id, None)
            sound.append((record, text))
    return sound


def _newest(sound: Iterable[tuple[R, bytes]]) -> dict[str, tuple[R, bytes]]:
    newest: dict[str, tuple[R, bytes]] = {}
    for one in sound:
        record = one[0]
        if (known := newest.get(record.id)) is None or record.updated_at >= known[0].updated_at:
            newest[record.id] = one
    return newest


def _digest(encoded: bytes) -> bytes:
    return blake2b(encoded, digest_size=16).digest()


def _ids(deleted: Iterable[str]) -> list[str]:
    """Each once; without those that no record could have."""
    return [id_ for id_ in dict.fromkeys(deleted) if 0 < len(id_) <= MAX_ID and plain(id_) == id_]


def recovered(raw: bytes) -> Record | None:
    """The record that was quarantined after it had been read; None where `raw` is the platform's own text."""
    if not raw.startswith(_OURS):
        return None
    kind, _, text = raw.removeprefix(_OURS).partition(b"\n")
    return msgspec.convert(json.loads(text), _KINDS[kind])


def _kept(record: Record, reason: str) -> Rejected:
    kind = next(name for name, kind in _KINDS.items() if isinstance(record, kind))
    # Not msgspec: half a character has no place in UTF-8, and is exactly what may have to be kept.
    text = json.dumps(msgspec.to_builtins(record)).encode("ascii")
    return Rejected(plain(record.id), reason, _OURS + kind + b"\n" + text)


def _encoded(record: Record) -> bytes:
    """The record as JSON; empty where it has none."""
    try:
        return msgspec.json.encode(record)
    except UnicodeEncodeError:
        return b""


def _is_suspect(encoded: Sequence[bytes]) -> bool:
    """Whether any of these may hold what no database takes. Nearly never, so each by itself is only asked then."""
    text = b"\n".join(encoded)
    return not all(encoded) or b"\\u0000" in text or _LONG_NUMBER.search(text) is not None


def _fault(record: Record, encoded: bytes) -> str:
    if not encoded:
        return "a text holds half a character (a lone surrogate)"
    if b"\\u0000" in encoded and _NUL.search(encoded):
        return "a text holds a NUL character"
    return _id_fault(record) or _number_fault(record)


def _id_fault(record: Record) -> str:
    if not 0 < len(record.id) <= MAX_ID:
        return f"the id has {len(record.id)} characters, 1 to {MAX_ID} are possible"
    return ""


# NUL as JSON has it; but not a backslash followed by "u0000".
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
_LONG_NUMBER = re.compile(rb'":-?\d{13}|"quantity":-?\d{10}')


def _number_fault(record: Record) -> str:
    if isinstance(record, Customer):
        instants = [record.created_at, record.updated_at, record.consent.changed_at]
        return "" if _within(MAX_INSTANT, instants) else "a date is beyond all measure"
    if isinstance(record, Product):
        return "" if _within(MAX_INSTANT, [record.updated_at]) else "a date is beyond all measure"
    if isinstance(record, Cart):
        if not _within(MAX_MINOR, [record.value_minor]):
            return "an amount is beyond all measure"
        return "" if _within(MAX_INSTANT, [record.begun_at, record.updated_at]) else "a date is beyond all measure"
    amounts = [record.paid_minor, record.goods_minor, *(item.price_minor for item in record.items)]
    amounts += [amount for refund in record.refunds for amount in (refund.amount_minor, refund.goods_minor)]
    if not _within(MAX_MINOR, amounts):
        return "an amount is beyond all measure"
    if not _within(MAX_QUANTITY, [item.quantity for item in record.items]):
        return "the quantity of an item is beyond all measure"
    if not _within(MAX_INSTANT, [record.placed_at, record.updated_at, *(one.refunded_at for one in record.refunds)]):
        return "a date is beyond all measure"
    return ""


def _within(limit: int, numbers: Iterable[int]) -> bool:
    return all(-limit <= number <= limit for number in numbers)


def _currency_fault(record: Order | Cart, currencies: Collection[str] | None) -> str:
    if len(record.currency) != 3:
        return "the currency is no code of three letters"
    if currencies is not None and record.currency not in currencies:
        return f"its currency {record.currency} is not the audience's, and no rate for it is configured"
    return ""


def _customer_id_fault(record: Order | Cart) -> str:
    if record.customer_id is not None and not 0 < len(record.customer_id) <= MAX_ID:
        return f"the customer's id has {len(record.customer_id)} characters, 1 to {MAX_ID} are possible"
    return ""


def _order_fault(order: Order) -> str:
    if fault := _customer_id_fault(order):
        return fault
    if order.cart_id is not None and not 0 < len(order.cart_id) <= MAX_ID:
        return f"the cart's id has {len(order.cart_id)} characters, 1 to {MAX_ID} are possible"
    if len(order.items) > MAX_LINES:
        return f"it has {len(order.items)} lines, {MAX_LINES} are possible"
    if order.refunds and any(len(refund.id) > MAX_ID for refund in order.refunds):
        return f"a refund's id is longer than {MAX_ID} characters"
    return ""


def _customer_fault(customer: Customer) -> str:
    if len(customer.country) > 2:
        return "the country is no code of two letters"
    return "the language is no code" if len(customer.language) > 16 else ""


def plain(text: str) -> str:
    """The text as any database takes it: without NUL, with `?` for half a character."""
    return text.replace("\0", "").encode("utf-8", "replace").decode("utf-8")
