"""Shopify's Admin REST API as syncd needs it: paths, headers, errors, versions, tokens.

Source: reference points are shopify.dev "REST Admin API" (versioning, pagination, rate limits, status codes).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Route

from syncd.sandbox.shopify import documents as show
from syncd.sandbox.shopify import tokens, webhooks
from syncd.sandbox.shopify.answers import answer, refusal
from syncd.sandbox.shopify.checkouts import checkout_json, checkouts_wanted, without
from syncd.sandbox.shopify.door import Door
from syncd.sandbox.shopify.filters import customers_wanted, events_wanted, in_reach, orders_wanted
from syncd.sandbox.shopify.limit import CallLimit
from syncd.sandbox.shopify.products import product_json, products_wanted
from syncd.sandbox.shopify.query import BadQuery, count, page, read_query

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request
    from starlette.responses import Response

    from syncd.sandbox.records import Records
    from syncd.sandbox.shop import ShopState
    from syncd.sandbox.shopify.filters import Filter, Filters, Wanted
    from syncd.sandbox.shopify.query import Cursor, Query

    Endpoint = Callable[[Request], Awaitable[Response]]

__all__ = ["CallLimit", "app"]


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
        "customers/{id:int}/orders.json": ("read_orders", service.list_orders_of),
        "events.json": ("", service.list_events),
        "events/count.json": ("", service.count_events),
        "checkouts.json": ("read_orders", service.list_checkouts),
        "checkouts/count.json": ("read_orders", service.count_checkouts),
        "products.json": ("read_products", service.list_products),
        "products/count.json": ("read_products", service.count_products),
    }
    routes = [
        Route(f"/admin/api/{{version}}/{path}", service.guarded(scope, endpoint), methods=["GET"])
        for path, (scope, endpoint) in paths.items()
    ]
    routes += webhooks.routes(shop, service.guarded)
    routes.append(Route("/admin/oauth/access_scopes.json", service.guarded("", service.show_scopes), methods=["GET"]))
    routes.append(Route("/admin/oauth/access_token", service.grant_token, methods=["POST"]))
    return Starlette(
        routes=routes,
        middleware=[Middleware(Door, shop=shop)],
        exception_handlers={404: _not_found, 405: _not_found, BadQuery: _bad_query},
    )


class _Shopify:
    """The endpoints. Each answers one request from the shop as it is at that moment."""

    def __init__(self, shop: ShopState) -> None:
        self.shop = shop

    def guarded(self, scope: str, endpoint: Endpoint) -> Endpoint:
        """`endpoint` behind the token and the scope."""

        async def call(request: Request) -> Response:
            return tokens.turn_away(self.shop, request, scope) or await endpoint(request)

        return call

    async def grant_token(self, request: Request) -> Response:
        """A token against client id and secret."""
        return await tokens.grant(self.shop, request)

    async def show_scopes(self, request: Request) -> Response:
        """What the token may do."""
        return answer({"access_scopes": [{"handle": scope} for scope in self.shop.switches.scopes]})

    async def show_shop(self, request: Request) -> Response:
        """The shop about itself."""
        return answer({"shop": show.shop_json(self.shop)})

    async def list_orders(self, request: Request) -> Response:
        """One page of orders; open ones, unless `status` says otherwise."""
        return self._list(request, "orders", self.shop.orders, orders_wanted, show.order_json)

    async def count_orders(self, request: Request) -> Response:
        """How many orders the same filters mean."""
        return self._count(request, self.shop.orders, orders_wanted)

    async def show_order(self, request: Request) -> Response:
        """One order; 404 outside the 60 days that the token may see."""
        order = self.shop.orders.get(request.path_params["id"])
        if order is None or not in_reach(self.shop, order):
            return refusal(404, "Not Found")
        return answer({"order": _only(request, show.order_json(self.shop, order))})

    async def list_customers(self, request: Request) -> Response:
        """One page of customers."""
        return self._list(request, "customers", self.shop.customers, customers_wanted, show.customer_json)

    async def count_customers(self, request: Request) -> Response:
        """How many customers the same filters mean."""
        return self._count(request, self.shop.customers, customers_wanted)

    async def show_customer(self, request: Request) -> Response:
        """One customer."""
        customer = self.shop.customers.get(request.path_params["id"])
        if customer is None:
            return refusal(404, "Not Found")
        return answer({"customer": _only(request, show.customer_json(self.shop, customer))})

    async def list_orders_of(self, request: Request) -> Response:
        """One page of one customer's orders."""
        customer_id = request.path_params["id"]

        def theirs(shop: ShopState, filters: Filters) -> Wanted:
            wanted = orders_wanted(shop, filters)
            return lambda order: order.customer_id == customer_id and (wanted is None or wanted(order))

        return self._list(request, "orders", self.shop.orders, theirs, show.order_json)

    async def list_events(self, request: Request) -> Response:
        """Deletions: the events with the verb `destroy`; the sandbox keeps no others."""
        return self._list(request, "events", self.shop.tombstones, events_wanted, show.event_json)

    async def count_events(self, request: Request) -> Response:
        """How many deletions the same filters mean."""
        return self._count(request, self.shop.tombstones, events_wanted)

    async def list_checkouts(self, request: Request) -> Response:
        """One page of abandoned checkouts; open ones, unless `status` says otherwise."""
        if not self.shop.switches.checkouts_sorted:
            request = without(request, "order")
        return self._list(request, "checkouts", self.shop.carts, checkouts_wanted, checkout_json)

    async def count_checkouts(self, request: Request) -> Response:
        """How many abandoned checkouts the same filters mean."""
        return self._count(request, self.shop.carts, checkouts_wanted)

    async def list_products(self, request: Request) -> Response:
        """One page of products."""
        if not self.shop.switches.products_listed:
            return refusal(404, "Not Found")
        if not self.shop.switches.products_sorted:
            request = without(request, "order")
        return self._list(request, "products", self.shop.products, products_wanted, product_json)

    async def count_products(self, request: Request) -> Response:
        """How many products the same filters mean."""
        if not self.shop.switches.products_listed:
            return refusal(404, "Not Found")
        return self._count(request, self.shop.products, products_wanted)

    def _list(
        self,
        request: Request,
        name: str,
        records: Records[Any],
        wanted: Filter,
        render: Callable[[ShopState, Any], show.Json],
    ) -> Response:
        query = self._read(request, records)
        heavy = self.shop.switches.heavy_above
        if heavy is not None and query.limit > heavy:
            return refusal(500, "Internal Server Error")
        limit = self.shop.switches.walk_limit
        rows, following, previous = page(records, query, wanted(self.shop, query.filters), limit)
        request.scope["rows"] = len(rows)
        body = [render(self.shop, row) for row in rows]
        if query.fields:
            body = [{field: row[field] for field in query.fields if field in row} for row in body]
        links = _links(request, query.limit, (("previous", previous), ("next", following)))
        return answer({name: body}, headers={"Link": links} if links else {})

    def _count(self, request: Request, records: Records[Any], wanted: Filter) -> Response:
        query = self._read(request, records)
        if query.bounds and query.key not in query.bounds:
            query.key = next(iter(query.bounds))
        number, limit = count(records, query, wanted(self.shop, query.filters)), self.shop.switches.count_limit
        return answer({"count": number if limit is None else min(number, limit + 1)})

    def _read(self, request: Request, records: Records[Any]) -> Query:
        return read_query(request.query_params, self.shop.timezone, records.keys)


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


async def _not_found(request: Request, error: Exception) -> Response:
    return refusal(404, "Not Found")


async def _bad_query(request: Request, error: Exception) -> Response:
    assert isinstance(error, BadQuery)
    return refusal(400, {error.field: error.fault})
