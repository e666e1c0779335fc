"""Shopify's Admin REST API as syncd needs it: paths, headers, errors, versions, tokens.

Source: reference points are shopify.dev "REST Admin API" (versioning, pagination, rate limits, status codes).
"""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode

import msgspec
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from syncd.sandbox.bucket import LeakyBucket
from syncd.sandbox.shopify import documents as show
from syncd.sandbox.shopify.query import BadQuery, count, ids_of, page, read_query
from syncd.sandbox.shopify.version import serve_version

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request
    from starlette.types import Scope

    from syncd.sandbox.records import Records
    from syncd.sandbox.shop import Order, ShopState
    from syncd.sandbox.shopify.query import Cursor

    Endpoint = Callable[[Request], Awaitable[Response]]
    Wanted = Callable[[Any], bool] | None

TOKEN_SECONDS = 86_399
WINDOW_SECONDS = 60 * 86_400
MAX_IDS = 250
# Bucket size and requests a second by plan.
PLANS = {"basic": (40, 2.0), "advanced": (80, 4.0), "plus": (400, 20.0), "enterprise": (800, 40.0)}
BAD_TOKEN = "[API] Invalid API key or access token (unrecognized login or wrong password)"  # noqa: S105 (a message)
NO_SCOPE = "[API] This action requires merchant approval for {} scope."


def app(shop: ShopState) -> Starlette:
    """The API of one shop."""
    service = _Shopify(shop)
    paths: dict[str, tuple[str, Endpoint]] = {
        "shop.json": ("", service.show_shop),
        "orders.json": ("read_orders", service.list_orders),
        "orders/count.json": ("read_orders", service.count_orders),
        "orders/{id:int}.json": ("read_orders", service.show_order),
        "customers.json": ("read_customers", service.list_customers),
        "customers/count.json": ("read_customers", service.count_customers),
        "customers/{id:int}.json": ("read_customers", service.show_customer),
        "events.json": ("", service.list_events),
        "checkouts.json": ("read_orders", service.list_checkouts),
        "products.json": ("read_products", service.list_products),
    }
    routes = [
        Route(f"/admin/api/{{version}}/{path}", service.guarded(scope, endpoint), methods=["GET"])
        for path, (scope, endpoint) in paths.items()
    ]
    routes.append(Route("/admin/oauth/access_scopes.json", service.guarded("", service.show_scopes), methods=["GET"]))
    routes.append(Route("/admin/oauth/access_token", service.grant_token, methods=["POST"]))
    return Starlette(routes=routes, exception_handlers={404: _not_found, 405: _not_found, BadQuery: _bad_query})


class CallLimit:
    """The leaky bucket that all tokens of one app share in one shop."""

    def __init__(self, shop: ShopState) -> None:
        self._shop = shop
        self._bucket = LeakyBucket(time.monotonic)

    def enter(self, scope: Scope) -> Response | None:
        """The 429, once the bucket is full. Tokens are granted without a limit."""
        size, rate = PLANS[self._shop.switches.plan]
        if scope["path"].startswith("/admin/oauth") or self._bucket.fill(size, rate):
            return None
        message = (
            f"Exceeded {rate:g} calls per second for api client. Reduce request rates to resume uninterrupted service."
        )
        return _answer({"errors": message}, 429, {"Retry-After": "2.0"})

    def leave(self) -> None:
        """The bucket leaks by time alone."""

    def headers(self, scope: Scope) -> dict[str, str]:
        """How full the bucket is."""
        size, rate = PLANS[self._shop.switches.plan]
        return {"X-Shopify-Shop-Api-Call-Limit": f"{self._bucket.level(rate)}/{size}"}


class _Shopify:
    """The endpoints. Each answers one request from the shop as it is at that moment."""

    def __init__(self, shop: ShopState) -> None:
        self.shop = shop
        self.tokens: dict[str, int] = {}

    def guarded(self, scope: str, endpoint: Endpoint) -> Endpoint:
        """`endpoint` behind the token, the scope and the version."""

        async def call(request: Request) -> Response:
            if not self._known(request.headers.get("x-shopify-access-token", "")):
                return _answer({"errors": BAD_TOKEN}, 401)
            if scope and scope not in self.shop.switches.scopes:
                return _answer({"errors": NO_SCOPE.format(scope)}, 403)
            asked = request.path_params.get("version")
            served = serve_version(asked, self.shop.now()) if asked else None
            if asked and served is None:
                return _answer({"errors": "Not Found"}, 404)
            response = await endpoint(request)
            if served:
                response.headers["X-Shopify-API-Version"] = served
            response.headers["X-Request-Id"] = secrets.token_hex(16)
            return response

        return call

    def _known(self, token: str) -> bool:
        return token == self.shop.token or self.tokens.get(token, 0) > self.shop.now()

    async def grant_token(self, request: Request) -> Response:
        """A token for 24 hours against client id and secret."""
        asked = await _credentials(request)
        if asked.get("grant_type") != "client_credentials":
            return _answer({"error": "invalid_request"}, 400)
        if not asked.get("client_id") or asked.get("client_secret") != self.shop.token:
            return _answer({"error": "invalid_client", "error_description": "Client authentication failed"}, 400)
        token = f"shpat_{secrets.token_hex(16)}"
        self.tokens[token] = self.shop.now() + TOKEN_SECONDS
        scope = ",".join(self.shop.switches.scopes)
        return _answer({"access_token": token, "scope": scope, "expires_in": TOKEN_SECONDS})

    async def show_scopes(self, request: Request) -> Response:
        """What the token may do."""
        return _answer({"access_scopes": [{"handle": scope} for scope in self.shop.switches.scopes]})

    async def show_shop(self, request: Request) -> Response:
        """The shop about itself."""
        return _answer({"shop": show.shop_json(self.shop)})

    async def list_orders(self, request: Request) -> Response:
        """One page of orders; open ones, unless `status` says otherwise."""
        return self._list(request, "orders", self.shop.orders, self._orders_wanted, show.order_json)

    async def count_orders(self, request: Request) -> Response:
        """How many orders the same filters mean."""
        return self._count(request, self.shop.orders, self._orders_wanted)

    async def show_order(self, request: Request) -> Response:
        """One order; 404 outside the 60 days that the token may see."""
        order = self.shop.orders.get(request.path_params["id"])
        if order is None or not self._in_reach(order):
            return _answer({"errors": "Not Found"}, 404)
        return _answer({"order": _only(request, show.order_json(self.shop, order))})

    async def list_customers(self, request: Request) -> Response:
        """One page of customers."""
        return self._list(request, "customers", self.shop.customers, self._customers_wanted, show.customer_json)

    async def count_customers(self, request: Request) -> Response:
        """How many customers the same filters mean."""
        return self._count(request, self.shop.customers, self._customers_wanted)

    async def show_customer(self, request: Request) -> Response:
        """One customer."""
        customer = self.shop.customers.get(request.path_params["id"])
        if customer is None:
            return _answer({"errors": "Not Found"}, 404)
        return _answer({"customer": _only(request, show.customer_json(self.shop, customer))})

    async def list_events(self, request: Request) -> Response:
        """Deletions: the events with the verb `destroy`; the sandbox keeps no others."""
        return self._list(request, "events", self.shop.tombstones, _events_wanted, show.event_json)

    async def list_checkouts(self, request: Request) -> Response:
        """No abandoned checkouts."""
        return _answer({"checkouts": []})

    async def list_products(self, request: Request) -> Response:
        """The products with their type; one page."""
        query = read_query(request.query_params, self.shop.timezone)
        ids = ids_of(query.filters)
        wanted = [each for each in self.shop.products if ids is None or each.id in ids][: query.limit]
        rows = [
            {"id": each.id, "title": each.title, "product_type": each.category, "vendor": "Sandbox Records", "tags": ""}
            for each in wanted
        ]
        return _answer({"products": rows})

    def _list(
        self,
        request: Request,
        name: str,
        records: Records[Any],
        wanted: Callable[[dict[str, str]], Wanted],
        render: Callable[[ShopState, Any], show.Json],
    ) -> Response:
        query = read_query(request.query_params, self.shop.timezone)
        heavy = self.shop.switches.heavy_above
        if heavy is not None and query.limit > heavy:
            return _answer({"errors": "Internal Server Error"}, 500)
        rows, following, previous = page(records, query, wanted(query.filters), self.shop.switches.walk_limit)
        request.scope["rows"] = len(rows)
        body = [render(self.shop, row) for row in rows]
        if query.fields:
            body = [{field: row[field] for field in query.fields if field in row} for row in body]
        links = _links(request, query.limit, (("previous", previous), ("next", following)))
        return _answer({name: body}, headers={"Link": links} if links else {})

    def _count(self, request: Request, records: Records[Any], wanted: Callable[[dict[str, str]], Wanted]) -> Response:
        query = read_query(request.query_params, self.shop.timezone)
        if query.bounds and query.key not in query.bounds:
            query.key = next(iter(query.bounds))
        number, limit = count(records, query, wanted(query.filters)), self.shop.switches.count_limit
        return _answer({"count": number if limit is None else min(number, limit + 1)})

    def _in_reach(self, order: Order) -> bool:
        return self.shop.switches.whole_history or order.created_at >= self.shop.now() - WINDOW_SECONDS

    def _orders_wanted(self, filters: dict[str, str]) -> Wanted:
        """The test that an order must pass; None where all do."""
        tests: list[Callable[[Order], bool]] = []
        status = filters.get("status", "open")
        if status not in _STATUS:
            raise BadQuery("status", "is not included in the list")
        if status != "any":
            tests.append(_STATUS[status])
        if (paid := filters.get("financial_status", "any")) != "any":
            states = set(paid.split(","))
            tests.append(lambda order: order.status in states)
        if not self.shop.switches.whole_history:
            tests.append(self._in_reach)
        return _all([*tests, *self._common_tests(filters)])

    def _customers_wanted(self, filters: dict[str, str]) -> Wanted:
        return _all(self._common_tests(filters))

    def _common_tests(self, filters: dict[str, str]) -> list[Callable[[Any], bool]]:
        tests: list[Callable[[Any], bool]] = []
        if (ids := ids_of(filters)) is not None:
            if len(ids) > MAX_IDS:
                raise BadQuery("ids", f"must be at most {MAX_IDS}")
            tests.append(lambda record: record.id in ids)
        if lag := self.shop.switches.index_lag_seconds:
            visible = self.shop.now() - lag
            tests.append(lambda record: record.updated_at <= visible)
        return tests


_STATUS: dict[str, Callable[[Order], bool]] = {
    "open": lambda order: order.closed_at is None and order.cancelled_at is None,
    "closed": lambda order: order.closed_at is not None and order.cancelled_at is None,
    "cancelled": lambda order: order.cancelled_at is not None,
    "any": lambda order: True,
}


def _events_wanted(filters: dict[str, str]) -> Wanted:
    kinds = set(filters["filter"].split(",")) if filters.get("filter") else None
    if filters.get("verb", "destroy") != "destroy":
        return lambda stone: False
    return None if kinds is None else lambda stone: stone.kind in kinds


def _all(tests: list[Callable[[Any], bool]]) -> Wanted:
    if len(tests) < 2:
        return tests[0] if tests else None
    return lambda record: all(test(record) for test in tests)


async def _credentials(request: Request) -> dict[str, str]:
    """The body of a request for a token: JSON or a form; empty where it is neither."""
    body = await request.body()
    if "json" not in request.headers.get("content-type", ""):
        return dict(parse_qsl(body.decode("utf-8", "replace")))
    try:
        return msgspec.json.decode(body, type=dict[str, str])
    except msgspec.MsgspecError:
        return {}


def _links(request: Request, limit: int, cursors: tuple[tuple[str, Cursor | None], ...]) -> str:
    here = request.url.replace(query="")
    return ", ".join(
        f'<{here}?{urlencode({"limit": limit, "page_info": cursor.encode()})}>; rel="{rel}"'
        for rel, cursor in cursors
        if cursor is not None
    )


def _only(request: Request, body: show.Json) -> show.Json:
    fields = request.query_params.get("fields")
    return body if not fields else {name: body[name] for name in fields.split(",") if name in body}


def _answer(body: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(msgspec.json.encode(body), status, headers, media_type="application/json; charset=utf-8")


async def _not_found(request: Request, error: Exception) -> Response:
    return _answer({"errors": "Not Found"}, 404)


async def _bad_query(request: Request, error: Exception) -> Response:
    assert isinstance(error, BadQuery)
    return _answer({"errors": {error.field: error.fault}}, 400)
