"""Shopify's webhooks: which topics a happening has, what their bodies and headers say, and how apps ask for them.

Pure but for the endpoints; sending is syncd.sandbox.webhooks. Source: shopify.dev "About webhooks", the
published example of each topic (2026-07: customers carry no tags, no consent and no counts), and the REST
resource `webhook`. The words of the refusals are those that app developers report (RECALLED).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct, field
from starlette.responses import Response
from starlette.routing import Route

from syncd.sandbox.carts import Cart
from syncd.sandbox.shop import Customer, Order, Refund, Subscription
from syncd.sandbox.shopify.checkouts import checkout_json
from syncd.sandbox.shopify.customers import default_address, embedded_customer
from syncd.sandbox.shopify.documents import order_json
from syncd.sandbox.shopify.purse import Purse
from syncd.sandbox.shopify.refunds import refund_json
from syncd.sandbox.signing import in_base64
from syncd.sandbox.texts import decimal_text, offset_text, zulu_text

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from starlette.requests import Request

    from syncd.sandbox.shop import ShopState
    from syncd.sandbox.webhooks import Letter

    Endpoint = Callable[[Request], Awaitable[Response]]

Json = dict[str, Any]
encode = msgspec.json.encode
Message = tuple[str, Json]  # a topic and its body

VERSION = "2026-07"
# ISO 4217's code where no currency is concerned; what is not unsettled has it.
NO_CURRENCY = "XXX"
# What an app can ask for, and what it gets without asking, at the address that its configuration names.
TOPICS = (
    "orders/create",
    "orders/updated",
    "orders/paid",
    "orders/cancelled",
    "orders/delete",
    "refunds/create",
    "customers/create",
    "customers/update",
    "customers/delete",
    "customers/merge",
    "customers/purchasing_summary",
    "customers_email_marketing_consent/update",
    "checkouts/create",
    "checkouts/update",
)
DEMANDS = ("customers/redact", "customers/data_request", "shop/redact")
# Eight further tries within four hours.
RETRIES_SECONDS = tuple(60 * minutes for minutes in (1, 2, 4, 8, 15, 30, 60, 120))
TIMEOUTS = (1.0, 5.0)
# Once all of them were in vain, the subscription is gone.
ENDS_IN_VAIN = True


def is_success(status: int) -> bool:
    """Whether the receiver took it."""
    return 200 <= status < 300


def messages(shop: ShopState, kind: str, before: Any, after: Any) -> Iterator[Message]:
    """The topics of a happening with their bodies; `before` or `after` is None where there is none."""
    match kind, before, after:
        case "order", None, Order():
            yield "orders/create", _order(shop, after)
            yield from _paid(shop, None, after)
        case "order", Order(), Order():
            yield from _order_changed(shop, before, after)
        case "order", Order(), None:
            yield "orders/delete", {"id": before.id}
        case "customer", None, Customer():
            yield "customers/create", thin_customer(shop, after)
        case "customer", Customer(), Customer():
            yield from _customer_changed(shop, before, after)
        case "customer", Customer(), None:
            gone = {"id": before.id, "tax_exemptions": [], "admin_graphql_api_id": _gid("Customer", before.id)}
            yield "customers/delete", gone
        case "merge", Customer(), Customer():
            yield "customers/merge", _merged(before, after)
        case "cart", _, Cart():
            body = {name: value for name, value in checkout_json(shop, after).items() if name != "id"}
            yield "checkouts/create" if before is None else "checkouts/update", body


def thin_customer(shop: ShopState, customer: Customer) -> Json:
    """A customer as topics show one since 2025-01: without tags, consent and counts."""
    return embedded_customer(shop, customer) | {"addresses": [default_address(customer)]}


def _order(shop: ShopState, order: Order) -> Json:
    return {name: value for name, value in order_json(shop, order).items() if name != "checkout_id"}


def _refund(shop: ShopState, order: Order, refund: Refund) -> Json:
    """The refund, its transactions with two fields more than over REST."""
    nothing = {"amount": "0.0", "currency": NO_CURRENCY}
    extra = {"amount_rounding": None, "total_unsettled_set": {"presentment_money": nothing, "shop_money": nothing}}
    body = refund_json(shop, order, refund, Purse(order))
    return body | {"transactions": [each | extra for each in body["transactions"]]}


def _order_changed(shop: ShopState, before: Order, after: Order) -> Iterator[Message]:
    for refund in after.refunds[len(before.refunds) :]:
        yield "refunds/create", _refund(shop, after, refund)
    if before.cancelled_at is None and after.cancelled_at is not None:
        yield "orders/cancelled", _order(shop, after)
    yield from _paid(shop, before, after)
    yield "orders/updated", _order(shop, after)


def _paid(shop: ShopState, before: Order | None, after: Order) -> Iterator[Message]:
    if after.status == "paid" and (before is None or before.status != "paid"):
        yield "orders/paid", _order(shop, after)
        if after.customer_id is not None:
            yield "customers/purchasing_summary", _summary(shop, after.customer_id, after)


def _customer_changed(shop: ShopState, before: Customer, after: Customer) -> Iterator[Message]:
    yield "customers/update", thin_customer(shop, after)
    if after.consent == "redacted" != before.consent:
        # Whom the shop erased is named here for the last time.
        yield "customers/redact", demand(shop, "customers/redact", before)
    elif (before.consent, before.consent_at) != (after.consent, after.consent_at):
        yield "customers_email_marketing_consent/update", _consent(shop, after)


def demand(shop: ShopState, topic: str, customer: Customer | None) -> Json:
    """What the law has a shop ask of an app: about one customer, or about everybody for `shop/redact`."""
    head = {"shop_id": shop.store_id, "shop_domain": f"{shop.name}.myshopify.com"}
    if customer is None:
        return head
    who = {"id": customer.id, "email": customer.email or "", "phone": ""}
    orders = sorted(shop.orders_of.get(customer.id, ()))
    if topic == "customers/redact":
        return head | {"customer": who, "orders_to_redact": orders}
    return head | {"customer": who, "orders_requested": orders, "data_request": {"id": shop.new_id()}}


def _merged(gone: Customer, kept: Customer) -> Json:
    return {
        "admin_graphql_api_customer_kept_id": _gid("Customer", kept.id),
        "admin_graphql_api_customer_deleted_id": _gid("Customer", gone.id),
        "admin_graphql_api_job_id": None,
        "status": "completed",
        "errors": [],
    }


def _summary(shop: ShopState, customer_id: int, last: Order) -> Json:
    orders = [shop.orders[each] for each in shop.orders_of.get(customer_id, ())]
    spent = sum(each.total_minor - each.refunded_minor for each in orders)
    return {
        "customerId": _gid("Customer", customer_id),
        "numberOfOrders": len(orders),
        "amountSpent": {"amount": decimal_text(spent, shop.currency), "currencyCode": shop.currency},
        "lastOrderId": _gid("Order", last.id),
        "occurredAt": zulu_text(shop.now()),
    }


def _consent(shop: ShopState, customer: Customer) -> Json:
    at = None if customer.consent_at is None else offset_text(customer.consent_at, shop.timezone)
    state = {"state": customer.consent, "opt_in_level": "single_opt_in" if at else None, "consent_updated_at": at}
    return {"customer_id": customer.id, "email_address": customer.email or "", "email_marketing_consent": state}


def _gid(kind: str, number: int) -> str:
    return f"gid://shopify/{kind}/{number}"


def with_id(body: Json, shop: ShopState, topic: str, event_id: str, at: int) -> Json:
    """The whole body: Shopify puts id and time of the event above it."""
    return body


def headers(shop: ShopState, letter: Letter, secret: str) -> dict[str, str]:
    """What stands above a body, all of which is signed. The time stays the same however late it comes."""
    return {
        "Content-Type": "application/json",
        "X-Shopify-Topic": letter.topic,
        "X-Shopify-Hmac-Sha256": in_base64(secret, letter.body),
        "X-Shopify-Shop-Domain": f"{shop.name}.myshopify.com",
        "X-Shopify-API-Version": VERSION,
        "X-Shopify-Webhook-Id": letter.webhook_id,
        "X-Shopify-Event-Id": letter.event_id,
        "X-Shopify-Triggered-At": zulu_text(letter.happened_at),
    }


class _Wanted(Struct):
    topic: str = ""
    address: str = ""
    format: str = "json"
    fields: list[str] = field(default_factory=list)
    metafield_namespaces: list[str] = field(default_factory=list)


class _Body(Struct):
    webhook: _Wanted


def routes(shop: ShopState, guarded: Callable[[str, Endpoint], Endpoint]) -> list[Route]:
    """The REST resource `webhook`: list, count, create, show, delete."""

    async def listing(request: Request) -> Response:
        asked = request.query_params
        found = [
            each
            for each in shop.subscriptions.values()
            if each.topic in TOPICS
            and asked.get("topic", each.topic) == each.topic
            and asked.get("address", each.url) == each.url
        ]
        if request.url.path.endswith("/count.json"):
            return _answer({"count": len(found)})
        return _answer({"webhooks": [_shown(shop, each) for each in found]})

    async def create(request: Request) -> Response:
        try:
            wanted = msgspec.json.decode(await request.body(), type=_Body).webhook
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return _answer({"errors": {"webhook": "Required parameter missing or invalid"}}, 400)
        if fault := _fault(shop, wanted):
            return _answer({"errors": fault}, 422)
        return _answer({"webhook": _shown(shop, shop.subscribe(wanted.topic, wanted.address))}, 201)

    async def single(request: Request) -> Response:
        found = shop.subscriptions.get(request.path_params["id"])
        if found is None:
            return _answer({"errors": "Not Found"}, 404)
        if request.method == "DELETE":
            del shop.subscriptions[found.id]
            return _answer({})
        return _answer({"webhook": _shown(shop, found)})

    base = "/admin/api/{version}/webhooks"
    return [
        Route(f"{base}.json", guarded("", listing), methods=["GET"]),
        Route(f"{base}/count.json", guarded("", listing), methods=["GET"]),
        Route(f"{base}.json", guarded("", create), methods=["POST"]),
        Route(f"{base}/{{id:int}}.json", guarded("", single), methods=["GET", "DELETE"]),
    ]


def _fault(shop: ShopState, wanted: _Wanted) -> dict[str, list[str]]:
    """Why there can be no such subscription; empty where there can."""
    address = urlsplit(wanted.address)
    if wanted.topic not in TOPICS:
        return {"topic": [f"Invalid topic specified. Topics allowed: {', '.join(TOPICS)}"]}
    # The real service takes https alone; what is being tried out here listens on this machine.
    if address.scheme != "https" and not (address.scheme == "http" and address.hostname in ("127.0.0.1", "localhost")):
        return {"address": [f"protocol {address.scheme}:// is not supported" if address.scheme else "can't be blank"]}
    if any((each.topic, each.url) == (wanted.topic, wanted.address) for each in shop.subscriptions.values()):
        return {"address": ["for this topic has already been taken"]}
    return {}


def _shown(shop: ShopState, subscription: Subscription) -> Json:
    at = offset_text(subscription.created_at, shop.timezone)
    return {
        "id": subscription.id,
        "address": subscription.url,
        "topic": subscription.topic,
        "created_at": at,
        "updated_at": at,
        "format": "json",
        "fields": [],
        "metafield_namespaces": [],
        "api_version": VERSION,
        "private_metafield_namespaces": [],
    }


def _answer(body: object, status: int = 200) -> Response:
    return Response(msgspec.json.encode(body), status, media_type="application/json; charset=utf-8")
