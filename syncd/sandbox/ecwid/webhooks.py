"""Ecwid's webhooks: which events a happening has, and what their bodies and headers say. Pure.

Source: docs.ecwid.com "webhooks". Only the event's time and id are signed; the rest of the body is not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from syncd.sandbox.carts import Cart
from syncd.sandbox.ecwid.documents import letters, status_of
from syncd.sandbox.shop import Customer, Order
from syncd.sandbox.signing import in_base64

if TYPE_CHECKING:
    from collections.abc import Iterator

    from syncd.sandbox.shop import ShopState
    from syncd.sandbox.webhooks import Letter

Json = dict[str, Any]
encode = msgspec.json.encode
Message = tuple[str, Json]  # an event and its body, without the id and the time that it gets when it happens

TOPICS = (
    "order.created",
    "order.updated",
    "order.deleted",
    "unfinished_order.created",
    "unfinished_order.updated",
    "customer.created",
    "customer.updated",
    "customer.deleted",
)
DEMANDS: tuple[str, ...] = ()
# After 15, 30, 45 and 60 minutes, then each hour until a day has gone by.
RETRIES_SECONDS = (*[15 * 60] * 4, *[3_600] * 23)
TIMEOUTS = (3.0, 10.0)
# An address that fails for two weeks is blocked; nobody here waits for that.
ENDS_IN_VAIN = False


def is_success(status: int) -> bool:
    """Whether the receiver took it: no other 2xx will do."""
    return status in (200, 201, 202, 204, 209)


def messages(shop: ShopState, kind: str, before: Any, after: Any) -> Iterator[Message]:
    """The events of a happening with their bodies; a new order does not move its customer."""
    match kind, before, after:
        case "order", None, Order():
            yield _order("order.created", None, after)
        case "order", Order(), Order():
            yield _order("order.updated", before, after)
        case "order", Order(), None:
            yield _order("order.deleted", before, before)
        case "cart", _, Cart():
            event = "unfinished_order.created" if before is None else "unfinished_order.updated"
            yield event, {"entityId": -1, "data": {"cartId": after.token}}  # it has no number yet
        case "customer", _, _:
            event = "created" if before is None else "deleted" if after is None else "updated"
            customer: Customer = after or before
            yield f"customer.{event}", {"entityId": customer.id, "data": {"customerEmail": customer.email}}


def _order(event: str, before: Order | None, after: Order) -> Message:
    data: Json = {"orderId": letters(after.id), "newPaymentStatus": status_of(after)}
    if before is not None:
        data["oldPaymentStatus"] = status_of(before)
    return event, {"entityId": after.id, "data": data}


def with_id(body: Json, shop: ShopState, event: str, event_id: str, at: int) -> Json:
    """The whole body of an event that happened at `at`."""
    return {"eventId": event_id, "eventCreated": at, "storeId": shop.store_id, "eventType": event, **body}


def headers(shop: ShopState, letter: Letter, secret: str) -> dict[str, str]:
    """What stands above a body, of which only time and id are signed."""
    event = msgspec.json.decode(letter.body)
    signature = in_base64(secret, f"{event['eventCreated']}.{event['eventId']}".encode())
    return {"Content-Type": "application/json; charset=UTF-8", "X-Ecwid-Webhook-Signature": signature}
