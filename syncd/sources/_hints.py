"""How each platform signs its webhooks, and which are worth having. Pure: headers and bytes in, a verdict out.

A webhook is a hint that a shop has news and never data, for it may come late, twice, in any order or not
at all. So nothing is read from one but what its signature and its repetitions are known by, and, where a
platform has no other way to say it, whom the shop must forget.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

if TYPE_CHECKING:
    from syncd.settings import Secret, Shop

# Behind it stands the shop's name.
WEBHOOK_PATH = "/webhooks/"


class Hint(Struct, frozen=True):
    """A webhook whose signature is right.

    `ids`: by any of these names the same happening may be told again. `redacted`: the shop's id of the
    customer whom it must forget, where the platform says so in no other place.
    """

    ids: tuple[str, ...]
    redacted: str | None = None


class Webhooks(Struct, frozen=True):
    """What a platform tells: `read` gives the hint, or None where the signature is not the shop's own.

    `read(shop, secret, headers, body)`: the names of the headers are written in small letters.
    """

    topics: tuple[str, ...]
    read: Callable[[Shop, str, Mapping[str, str], bytes], Hint | None]


def webhook_secret(shop: Shop) -> Secret | None:
    """What the shop's webhooks are signed with; None where they cannot be told from forged ones."""
    return shop.webhook_secret or shop.client_secret


def _is_signed(message: bytes, secret: str, signature: str) -> bool:
    digest = hmac.digest(secret.encode(), message, hashlib.sha256)
    return hmac.compare_digest(base64.b64encode(digest), signature.encode())


class _Person(Struct):
    id: int | str


class _Redaction(Struct):
    """The topic is not signed: what this alone holds tells it from any other body of the shop's that names somebody."""

    customer: _Person
    orders_to_redact: list[int | str]


def _shopify(shop: Shop, secret: str, headers: Mapping[str, str], body: bytes) -> Hint | None:
    """Source: shopify.dev "verify deliveries" (the raw body is signed) and "ignore duplicates".

    A body from before the last poll is harmless, so X-Shopify-Triggered-At is not asked for.
    """
    if not _is_signed(body, secret, headers.get("x-shopify-hmac-sha256", "")):
        return None
    if headers.get("x-shopify-shop-domain", "").lower() != shop.domain:
        return None
    # One event goes out once for each subscription, and each of these again while nobody answers.
    ids = tuple(headers[name] for name in ("x-shopify-event-id", "x-shopify-webhook-id") if headers.get(name))
    if headers.get("x-shopify-topic") != "customers/redact":
        return Hint(ids)
    return Hint(ids, str(msgspec.json.decode(body, type=_Redaction).customer.id))


class _EcwidEvent(Struct):
    eventId: str  # noqa: N815 (the platform's name)
    eventCreated: int  # noqa: N815 (the platform's name)


def _ecwid(shop: Shop, secret: str, headers: Mapping[str, str], body: bytes) -> Hint | None:
    """Source: docs.ecwid.com "webhooks". Only time and id of the event are signed, the rest may be anybody's."""
    try:
        event = msgspec.json.decode(body, type=_EcwidEvent)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    signed = f"{event.eventCreated}.{event.eventId}".encode()
    if not _is_signed(signed, secret, headers.get("x-ecwid-webhook-signature", "")):
        return None
    return Hint((event.eventId,))


# Carts are left to the poll: nobody is in a hurry about what may still be bought.
WEBHOOKS = {
    "shopify": Webhooks(
        (
            "orders/create",
            "orders/updated",
            "orders/cancelled",
            "orders/delete",
            "refunds/create",
            "customers/create",
            "customers/update",
            "customers/delete",
            "customers/merge",
            "customers_email_marketing_consent/update",
        ),
        _shopify,
    ),
    "ecwid": Webhooks(
        (
            "order.created",
            "order.updated",
            "order.deleted",
            "customer.created",
            "customer.updated",
            "customer.deleted",
        ),
        _ecwid,
    ),
}
