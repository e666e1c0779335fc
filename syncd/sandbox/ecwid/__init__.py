"""Ecwid's REST API v3 as syncd needs it: paths, tokens, searches by offset, batches.

Source: docs.ecwid.com, REST API v3; the official Java client.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.routing import Route

from syncd.sandbox.carts import by_token
from syncd.sandbox.ecwid import documents as show
from syncd.sandbox.ecwid import filters
from syncd.sandbox.ecwid.answers import answer, error
from syncd.sandbox.ecwid.batch import Batches
from syncd.sandbox.ecwid.carts import cart_json
from syncd.sandbox.ecwid.limit import CallLimit, token_of
from syncd.sandbox.ecwid.query import MAX_LIMIT, BadParameter, instant, prune, response_fields, whole
from syncd.sandbox.texts import spaced_text

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from starlette.requests import Request
    from starlette.responses import Response

    from syncd.sandbox.records import Records
    from syncd.sandbox.shop import ShopState

    Endpoint = Callable[[Request], Awaitable[Response]]

__all__ = ["CallLimit", "app", "cart_json"]

KEPT_SEARCHES = 16
# Rows of a page where the request names no limit: mostly as many as possible, but not of these.
FEW = 10
_OF_THE_PAGE = ("offset", "limit", "responseFields", "token")
# What a store answers to every call while it is in such a state.
_STANDINGS = {
    "frozen": "STORE_IS_SUSPENDED",
    "locked": "STORE_IS_SUSPENDED",
    "rejected": "STORE_IS_SUSPENDED",
    "forbidden": "NOT_AVAILABLE_ON_CURRENT_PLAN",
    "closed": "STORE_NOT_FOUND",
}


def app(shop: ShopState) -> Starlette:
    """The API of one store."""
    service = _Ecwid(shop)
    paths: dict[str, tuple[str, Endpoint]] = {
        "profile": ("", service.show_profile),
        "latest-stats": ("", service.show_latest_stats),
        "orders": ("read_orders", service.search_orders),
        "orders/deleted": ("read_orders", service.list_deleted_orders),
        "orders/{id}": ("read_orders", service.show_order),
        "carts": ("read_orders", service.search_carts),
        "carts/{id}": ("read_orders", service.show_cart),
        "customers": ("read_customers", service.search_customers),
        "customers/deleted": ("read_customers", service.list_deleted_customers),
        "customers/{id}": ("read_customers", service.show_customer),
        "customer_groups": ("read_customers", service.list_groups),
        "categories": ("read_catalog", service.list_categories),
        "products": ("read_catalog", service.search_products),
    }
    routes = [
        Route(f"/api/v3/{{store}}/{path}", service.guarded(scope, endpoint), methods=["GET"])
        for path, (scope, endpoint) in paths.items()
    ]
    handlers: Any = {404: _not_found, 405: _not_found, BadParameter: _bad_parameter}
    api = Starlette(routes=routes, exception_handlers=handlers)
    batches = Batches(shop, api)
    api.add_route("/api/v3/{store}/batch", service.guarded("", batches.create), methods=["POST"])
    api.add_route("/api/v3/{store}/batch", service.guarded("", batches.show), methods=["GET"])
    return api


class _Ecwid:
    """The endpoints. Each answers one request from the store as it is at that moment."""

    def __init__(self, shop: ShopState) -> None:
        self.shop = shop
        self._found: dict[tuple[Any, ...], tuple[tuple[Any, ...], list[Any]]] = {}

    def guarded(self, scope: str, endpoint: Endpoint) -> Endpoint:
        """`endpoint` behind the token, the store's number, its standing and the scope."""

        async def call(request: Request) -> Response:
            if token_of(request) != self.shop.token or not self.shop.switches.installed:
                return error("INVALID_API_TOKEN")
            if request.path_params["store"] != str(self.shop.store_id):
                return error("STORE_NOT_FOUND")
            if standing := self.shop.switches.standing:
                return error(_STANDINGS[standing])
            if scope and scope not in self.shop.switches.scopes:
                return error("INSUFFICIENT_APP_SCOPE", f"The app lacks the scope '{scope}'")
            return await endpoint(request)

        return call

    async def show_profile(self, request: Request) -> Response:
        """The store about itself."""
        return _one(request, show.profile_json(self.shop))

    async def show_latest_stats(self, request: Request) -> Response:
        """When each kind of thing changed last; of what never did, the store's beginning."""
        shop = self.shop
        orders, customers, left = (records.last("updated_at") for records in (shop.orders, shop.customers, shop.carts))
        goods = shop.products.last("updated_at")
        buried = {"Order": 0, "Customer": 0}
        for stone in shop.tombstones:
            buried[stone.kind] = max(buried[stone.kind], stone.created_at)
        stamps = {
            "ordersUpdated": max(orders.updated_at if orders else 0, buried["Order"]),
            "customersUpdated": max(customers.updated_at if customers else 0, buried["Customer"]),
            "productsUpdated": goods.updated_at if goods else 0,
            "categoriesUpdated": self.shop.categories_at,
            "profileUpdated": 0,
            "discountCouponsUpdated": 0,
            "abandonedSalesUpdated": left.updated_at if left else 0,
        }
        return _one(request, {name: spaced_text(when) for name, when in stamps.items()})

    async def search_orders(self, request: Request) -> Response:
        """Orders, the newest first."""
        found = self._matches("orders", request.query_params, filters.orders)
        return self._page(request, found, MAX_LIMIT, lambda each: show.order_json(self.shop, each))

    async def search_customers(self, request: Request) -> Response:
        """Customers by name; ten of them, unless `limit` says otherwise."""
        found = self._matches("customers", request.query_params, filters.customers)
        return self._page(request, found, FEW, lambda each: show.customer_json(self.shop, each))

    async def search_carts(self, request: Request) -> Response:
        """Abandoned carts, the newest first."""
        if not self.shop.switches.abandoned_carts:
            return error("NOT_AVAILABLE_ON_CURRENT_PLAN")
        found = self._matches("carts", request.query_params, filters.carts)
        return self._page(request, found, MAX_LIMIT, lambda each: cart_json(self.shop, each))

    def _matches(
        self, name: str, params: Mapping[str, str], search: Callable[[ShopState, Mapping[str, str]], list[Any]]
    ) -> list[Any]:
        """What the search finds. Kept until a record changes, for a walk asks the same for every page."""
        asked = {key: value for key, value in params.items() if key not in _OF_THE_PAGE}
        key = (name, *sorted(asked.items()))
        shop = self.shop
        all_records: tuple[Records[Any], ...] = (shop.orders, shop.customers, shop.carts, shop.products)
        # The records themselves, too: an emptied store counts its versions from nought again.
        versions = tuple((records, records.version) for records in all_records)
        known, found = self._found.get(key, ((), []))
        if known != versions or shop.switches.index_lag_seconds:
            if len(self._found) > KEPT_SEARCHES:
                self._found.clear()
            found = search(shop, asked)
            self._found[key] = (versions, found)
        return found

    async def show_order(self, request: Request) -> Response:
        """One order by its public id or its number."""
        text = request.path_params["id"]
        order = self.shop.orders.get(int(text) if text.isdecimal() else show.order_number(text) or 0)
        return error("ORDER_NOT_FOUND") if order is None else _one(request, show.order_json(self.shop, order))

    async def show_customer(self, request: Request) -> Response:
        """One customer."""
        text = request.path_params["id"]
        customer = self.shop.customers.get(int(text)) if text.isdecimal() else None
        if customer is None:
            return error("CUSTOMER_NOT_FOUND")
        return _one(request, show.customer_json(self.shop, customer))

    async def show_cart(self, request: Request) -> Response:
        """One cart."""
        if not self.shop.switches.abandoned_carts:
            return error("NOT_AVAILABLE_ON_CURRENT_PLAN")
        cart = by_token(self.shop, request.path_params["id"])
        return error("CART_NOT_FOUND") if cart is None else _one(request, cart_json(self.shop, cart))

    async def list_deleted_orders(self, request: Request) -> Response:
        """What was deleted between from_date and to_date, the oldest first."""
        return self._deleted(request, "Order")

    async def list_deleted_customers(self, request: Request) -> Response:
        """What was deleted between from_date and to_date, the oldest first."""
        return self._deleted(request, "Customer")

    def _deleted(self, request: Request, kind: str) -> Response:
        low, high = instant(request.query_params, "from_date"), instant(request.query_params, "to_date")
        stones = self.shop.tombstones
        found = [stones.at("created_at", i) for i in range(*stones.between("created_at", low, high))]
        gone = [each for each in found if each.kind == kind]
        return self._page(request, gone, MAX_LIMIT, lambda each: show.deleted_json(self.shop, each))

    async def list_groups(self, request: Request) -> Response:
        """The groups that customers are in; ten of them, unless `limit` says otherwise."""
        groups = sorted({(0, "General"), *map(show.group_of, self.shop.customers)})
        return self._page(request, groups, FEW, lambda each: {"id": each[0], "name": each[1]})

    async def list_categories(self, request: Request) -> Response:
        """The categories by name."""
        made = {each.category for each in self.shop.products if each.category}
        names = sorted((self.shop.category_names.get(each, each), each) for each in made)
        return self._page(request, names, MAX_LIMIT, lambda each: show.category_json(*each))

    async def search_products(self, request: Request) -> Response:
        """The products, in the order of their numbers unless `sortBy` says otherwise."""
        found = self._matches("products", request.query_params, filters.products)
        return self._page(request, found, MAX_LIMIT, lambda each: show.product_json(each, self.shop.currency))

    def _page(
        self, request: Request, found: Sequence[Any], default_limit: int, render: Callable[[Any], object]
    ) -> Response:
        params = request.query_params
        limit = whole(params, "limit", default_limit, low=1, high=MAX_LIMIT)
        offset = whole(params, "offset", 0)
        heavy = self.shop.switches.heavy_above
        if heavy is not None and limit > heavy:
            return error("TIMEOUT")
        items = [render(each) for each in found[offset : offset + limit]]
        request.scope["rows"] = len(items)
        return _one(
            request, {"total": len(found), "count": len(items), "offset": offset, "limit": limit, "items": items}
        )


def _one(request: Request, body: object) -> Response:
    """The body, or what the request wants of it."""
    return answer(prune(body, response_fields(request.query_params.get("responseFields"))))


async def _not_found(request: Request, _: Exception) -> Response:
    return error("NOT_FOUND")


async def _bad_parameter(request: Request, fault: Exception) -> Response:
    return error("WRONG_PARAMETER", str(fault))
