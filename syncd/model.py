"""What travels from a shop to the e-mail service. Knows no I/O and imports nothing of ours.

Money is in integer minor units of the named currency; instants are whole UTC seconds since 1970
(`…_at`), because every remote API that we read shows seconds; local dates are day numbers since
1970-01-01 (`…_day`).
"""

from __future__ import annotations

import re
import unicodedata
from enum import IntEnum, StrEnum

from msgspec import Struct


class OrderStatus(IntEnum):
    """The payment state of an order; the numbers are stored, so they never change."""

    PENDING = 0
    AUTHORIZED = 1
    PARTIALLY_PAID = 2
    PAID = 3
    PARTIALLY_REFUNDED = 4
    REFUNDED = 5
    VOIDED = 6
    EXPIRED = 7


class ConsentState(StrEnum):
    """What one source says about e-mail marketing to one person.

    GRANTED and WITHDRAWN are statements of the person; UNKNOWN is the absence of one.
    """

    GRANTED = "granted"
    PENDING = "pending"
    WITHDRAWN = "withdrawn"
    UNKNOWN = "unknown"


class MemberStatus(StrEnum):
    """The status of a contact in the e-mail service, in Mailchimp's words."""

    SUBSCRIBED = "subscribed"
    UNSUBSCRIBED = "unsubscribed"
    CLEANED = "cleaned"
    PENDING = "pending"
    TRANSACTIONAL = "transactional"
    ARCHIVED = "archived"


class Item(Struct, frozen=True, gc=False):
    """One line of an order. `price_minor` is the price of one unit before discounts."""

    product_id: str
    title: str
    quantity: int
    price_minor: int
    sku: str = ""
    category: str = ""


class Refund(Struct, frozen=True, gc=False):
    """Money given back for an order. Only refunds whose money moved count (`moved`).

    `goods_minor` is the part for goods, without tax and shipping.
    """

    id: str
    amount_minor: int
    goods_minor: int
    refunded_at: int
    moved: bool = True


class Order(Struct, frozen=True, gc=False):
    """One order as the shop shows it now.

    `paid_minor` is what the customer paid, refunds not yet subtracted; `goods_minor` leaves out tax
    and shipping. `placed_at` is when the person ordered, not when the shop imported it.
    `customer_id` and `email` are the shop's own; both may be missing (a counter sale). `cart_id` is the
    `Cart` that it was, where the shop tells.
    """

    id: str
    placed_at: int
    updated_at: int
    status: OrderStatus
    currency: str
    paid_minor: int
    goods_minor: int
    customer_id: str | None = None
    email: str | None = None
    cancelled: bool = False
    test: bool = False
    refunds: tuple[Refund, ...] = ()
    items: tuple[Item, ...] = ()
    cart_id: str | None = None


class Consent(Struct, frozen=True, gc=False):
    """One statement about consent: what, how well confirmed (`level`), and since when."""

    state: ConsentState
    changed_at: int
    level: str = ""


class Customer(Struct, frozen=True, gc=False):
    """A person's record on the shop's side; `email` as the shop has it, not yet normalised."""

    id: str
    email: str | None
    created_at: int
    updated_at: int
    consent: Consent
    country: str = ""
    city: str = ""
    language: str = ""
    tags: tuple[str, ...] = ()
    # The ids of the products on the wish list, the latest first.
    wishes: tuple[str, ...] = ()
    wholesale: bool = False
    # The shop erased the person on request: nothing may be done with them any more.
    redacted: bool = False


# Shopify shows a checkout for so long; nobody comes back to an older one.
CART_DAYS = 90


class Cart(Struct, frozen=True, gc=False):
    """A checkout that somebody began and has not ordered yet; `id` is the shop's key of it (Shopify: its token).

    `closed`: it became an order, or can no longer be bought.
    """

    id: str
    begun_at: int
    updated_at: int
    currency: str
    value_minor: int
    customer_id: str | None = None
    email: str | None = None
    closed: bool = False


class Product(Struct, frozen=True, gc=False):
    """A thing that a shop sells; `category` is the shop's own word for its kind, empty where it has none."""

    id: str
    title: str
    updated_at: int
    category: str = ""


# What a shop shows of itself, one at a time.
Record = Order | Customer | Cart | Product


class ShopProfile(Struct, frozen=True):
    """What a shop says about itself. `fingerprint` stays the same for as long as it is the same shop."""

    fingerprint: str
    title: str
    currency: str
    timezone: str


class Rejected(Struct, frozen=True):
    """A record that could not be read: kept whole (`raw`) with the reason, so that it can be tried again."""

    record_id: str
    reason: str
    raw: bytes


class Page(Struct, frozen=True):
    """What one call to a shop brought. Rows and `cursor` are committed together.

    `cursor` is where the next call for `resource` begins, in the source's own words.
    `expected` is how many rows of this resource the shop announced in all, where it says so.
    """

    resource: str
    cursor: str
    orders: tuple[Order, ...] = ()
    customers: tuple[Customer, ...] = ()
    carts: tuple[Cart, ...] = ()
    products: tuple[Product, ...] = ()
    deleted_orders: tuple[str, ...] = ()
    deleted_customers: tuple[str, ...] = ()
    rejected: tuple[Rejected, ...] = ()
    expected: int | None = None


class Member(Struct, frozen=True):
    """A contact in an audience, as last read. `tags` are all its tags, ours and foreign ones.

    The rates are from 0 to 1, None where the service tells none; `birthday` is month and day as MMDD.
    """

    contact_id: str
    email: str
    status: MemberStatus
    changed_at: int
    opted_in_at: int | None = None
    tags: tuple[str, ...] = ()
    fields: dict[str, str | int | float] = {}
    open_rate: float | None = None
    click_rate: float | None = None
    birthday: int | None = None


class Event(Struct, frozen=True, order=True):
    """Something that is told of a person once. `episode` is the same however often it is told, so that it can be
    looked for; `details` are texts for the mail.
    """

    name: str
    episode: str
    details: dict[str, str] = {}


class Change(Struct, frozen=True, order=True):
    """What shall be written for one person. Names are the service's: full tag names, merge-field names.

    `create` makes the person a member first (only ever with consent); `events` are announced once.
    `rename_to`: the contact gets this address and keeps all else; it comes alone. `archive` comes after all else.
    """

    email: str
    add: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()
    fields: dict[str, str | int | float] = {}
    create: bool = False
    events: tuple[Event, ...] = ()
    rename_to: str = ""
    archive: bool = False


class Outcome(Struct, frozen=True):
    """What became of one change.

    `done`: confirmed by the service, but for the fields that `reason` may name. `unknown`: it may have
    happened; read the member again. `refused`: the service will not take it; `reason` says why, `permanent`
    whether it ever may.
    """

    email: str
    result: str
    reason: str = ""
    permanent: bool = False


# Characters that look like nothing and differ in bytes; a shop form lets them through. The marks of writing direction
# come along where an address is copied from an address book.
_INVISIBLE = dict.fromkeys(
    map(
        ord,
        "\u200b\u200c\u200d\u2060\ufeff\u00ad\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069",
    ),
    None,
)

# Spaces, control characters, and halves of characters, which no database takes.
_NO_ADDRESS = re.compile(r"[\s\x00-\x1f\x7f-\x9f\ud800-\udfff]")
MAX_EMAIL = 254


def email_key(address: str | None) -> str | None:
    """The key under which an address is one person: trimmed, visible, NFC, lower case, IDNA domain.

    Dots and plus signs stay: they are different mailboxes for the e-mail service. None where the
    text is no address at all. Source: DESIGN "People"; `İ` and `ß` are lower-cased, not case-folded.
    """
    if not address:
        return None
    text = unicodedata.normalize("NFC", address.translate(_INVISIBLE).strip()).lower()
    local, at, domain = text.rpartition("@")
    if not at or not local or "." not in domain or len(text) > MAX_EMAIL or _NO_ADDRESS.search(text):
        return None
    if not domain.isascii():
        import idna

        try:
            domain = idna.encode(domain, uts46=True).decode("ascii")
        except idna.IDNAError:
            return None
    # Once more: a domain grows when it is written in ASCII.
    return f"{local}@{domain}" if len(local) + 1 + len(domain) <= MAX_EMAIL else None
