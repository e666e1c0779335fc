"""Ecwid's REST API v3 as syncd needs it: paths, searches, error bodies, the limit of 600 calls a minute."""

from __future__ import annotations

import time
from math import ceil
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from syncd.sandbox.bucket import SlidingWindow
from syncd.sandbox.ecwid import documents as show
from syncd.sandbox.ecwid.query import MAX_LIMIT, BadParameter, instant, prune, response_fields, whole
from syncd.sandbox.texts import spaced_text

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from starlette.requests import Request
    from starlette.types import Scope

    from syncd.sandbox.records import Records
    from syncd.sandbox.shop import Customer, Order, ShopState

    Endpoint = Callable[[Request], Awaitable[Response]]

CALLS_PER_MINUTE = 600
KEPT_SEARCHES = 16
_OF_THE_PAGE = ("offset", "limit", "responseFields", "token")
_SORTS: dict[str, Callable[[Customer], Any]] = {
    f"{name}_{direction}": key
    for name, key in {
        "NAME": lambda each: (each.name, each.id),
        "EMAIL": lambda each: (each.email or "", each.id),
        "REGISTERED_DATE": lambda each: (each.created_at, each.id),
        "UPDATED_DATE": lambda each: (each.updated_at, each.id),
    }.items()
    for direction in ("ASC", "DESC")
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
        "customers": ("read_customers", service.search_customers),
        "customers/deleted": ("read_customers", service.list_deleted_customers),
        "customers/{id}": ("read_customers", service.show_customer),
        "categories": ("", service.list_categories),
        "products": ("", service.list_products),
    }
    routes = [
        Route(f"/api/v3/{{store}}/{path}", service.guarded(scope, endpoint), methods=["GET"])
        for path, (scope, endpoint) in paths.items()
    ]
    return Starlette(routes=routes, exception_handlers={404: _not_found, 405: _not_found, BadParameter: _bad_parameter})


class CallLimit:
    """600 calls in any minute for each token."""

    def __init__(self) -> None:
        self._windows: dict[str, SlidingWindow] = {}

    def enter(self, scope: Scope) -> Response | None:
        """The 429, once the minute is used up."""
        token = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"authorization"), "")
        if token not in self._windows:
            self._windows[token] = SlidingWindow(time.monotonic, CALLS_PER_MINUTE, 60.0)
        wait = self._windows[token].enter()
        if not wait:
            return None
        return _error(429, "RATE_LIMITED", "Too many requests", {"Retry-After": str(ceil(wait))})

    def leave(self) -> None:
        """The window moves by time alone."""

    def headers(self, scope: Scope) -> dict[str, str]:
        """Ecwid tells nothing about its limit in advance."""
        return {}


class _Ecwid:
    """The endpoints. Each answers one request from the store as it is at that moment."""

    def __init__(self, shop: ShopState) -> None:
        self.shop = shop
        self._found: dict[tuple[Any, ...], tuple[int, list[Any]]] = {}

    def guarded(self, scope: str, endpoint: Endpoint) -> Endpoint:
        """`endpoint` behind the token, the store's number and the scope."""

        async def call(request: Request) -> Response:
            bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
            if (bearer or request.query_params.get("token", "")) != self.shop.token:
                return _error(403, "INVALID_API_TOKEN", "The API token is invalid")
            if request.path_params["store"] != str(self.shop.store_id):
                return _error(404, "STORE_NOT_FOUND", "The store is not found")
            if scope and scope not in self.shop.switches.scopes:
                return _error(403, "INSUFFICIENT_APP_SCOPE", f"The app lacks the scope '{scope}'")
            return await endpoint(request)

        return call

    async def show_profile(self, request: Request) -> Response:
        """The store about itself."""
        return _answer(prune(show.profile_json(self.shop), response_fields(request.query_params.get("responseFields"))))

    async def show_latest_stats(self, request: Request) -> Response:
        """When each kind of thing changed last."""
        orders, customers = self.shop.orders.last("updated_at"), self.shop.customers.last("updated_at")
        buried = {"Order": 0, "Customer": 0}
        for stone in self.shop.tombstones:
            buried[stone.kind] = max(buried[stone.kind], stone.created_at)
        stamps = {
            "ordersUpdated": max(orders.updated_at if orders else 0, buried["Order"]),
            "customersUpdated": max(customers.updated_at if customers else 0, buried["Customer"]),
            "productsUpdated": 0,
            "categoriesUpdated": 0,
            "profileUpdated": 0,
            "discountCouponsUpdated": 0,
            "abandonedSalesUpdated": 0,
        }
        return _answer({name: spaced_text(when) for name, when in stamps.items()})

    async def search_orders(self, request: Request) -> Response:
        """Orders, the newest first; there is no way to sort them."""
        found = self._matches("orders", self.shop.orders, request.query_params, self._orders)
        return _page(request, found, MAX_LIMIT, lambda each: show.order_json(self.shop, each))

    async def search_customers(self, request: Request) -> Response:
        """Customers by name, unless `sortBy` says otherwise; ten of them, unless `limit` does."""
        found = self._matches("customers", self.shop.customers, request.query_params, self._customers)
        return _page(request, found, 10, lambda each: show.customer_json(self.shop, each))

    def _matches(
        self,
        name: str,
        records: Records[Any],
        params: Mapping[str, str],
        search: Callable[[Mapping[str, str]], list[Any]],
    ) -> list[Any]:
        """What the search finds. Kept until a record changes, for a walk asks the same for every page."""
        filters = {key: value for key, value in params.items() if key not in _OF_THE_PAGE}
        key = (name, *sorted(filters.items()))
        version, found = self._found.get(key, (-1, []))
        if version != records.version or self.shop.switches.index_lag_seconds:
            if len(self._found) > KEPT_SEARCHES:
                self._found.clear()
            found = search(filters)
            self._found[key] = (records.version, found)
        return found

    def _orders(self, filters: Mapping[str, str]) -> list[Order]:
        tests: list[Callable[[Order], bool]] = [_status_test(filters.get("paymentStatus", ""))]
        tests += _date_tests(filters, "created", "placed_at") + _date_tests(filters, "updated", "updated_at")
        if customer := whole(filters, "customerId", 0):
            tests.append(lambda each: each.customer_id == customer)
        if email := filters.get("email"):
            tests.append(lambda each: (each.email or "").lower() == email.lower())
        if ids := filters.get("ids"):
            wanted = set(ids.split(","))
            tests.append(lambda each: show.letters(each.id) in wanted)
        found = [each for each in self.shop.orders if all(test(each) for test in tests + self._lag_tests())]
        return sorted(found, key=lambda each: (each.placed_at, each.id), reverse=True)

    def _customers(self, filters: Mapping[str, str]) -> list[Customer]:
        sort = filters.get("sortBy", "NAME_ASC")
        if sort not in _SORTS:
            raise BadParameter("Wrong value of parameter 'sortBy'")
        tests: list[Callable[[Customer], bool]] = []
        tests += _date_tests(filters, "created", "created_at") + _date_tests(filters, "updated", "updated_at")
        if email := filters.get("email"):
            tests.append(lambda each: (each.email or "").lower() == email.lower())
        if accepts := filters.get("acceptMarketing"):
            tests.append(lambda each: show.ACCEPTS.get(each.consent) is (accepts == "true"))
        found = [each for each in self.shop.customers if all(test(each) for test in tests + self._lag_tests())]
        return sorted(found, key=_SORTS[sort], reverse=sort.endswith("_DESC"))

    def _lag_tests(self) -> list[Callable[[Any], bool]]:
        visible = self.shop.now() - self.shop.switches.index_lag_seconds
        return [lambda each: each.updated_at <= visible] if self.shop.switches.index_lag_seconds else []

    async def show_order(self, request: Request) -> Response:
        """One order by its public id or its number."""
        text = request.path_params["id"]
        order = self.shop.orders.get(int(text) if text.isdecimal() else show.order_number(text) or 0)
        if order is None:
            return _error(404, "ORDER_NOT_FOUND", "The order is not found")
        return _answer(show.order_json(self.shop, order))

    async def show_customer(self, request: Request) -> Response:
        """One customer."""
        text = request.path_params["id"]
        customer = self.shop.customers.get(int(text)) if text.isdecimal() else None
        if customer is None:
            return _error(404, "CUSTOMER_NOT_FOUND", "The customer is not found")
        return _answer(show.customer_json(self.shop, customer))

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
        return _page(
            request,
            [each for each in found if each.kind == kind],
            MAX_LIMIT,
            lambda each: show.deleted_json(self.shop, each),
        )

    async def list_categories(self, request: Request) -> Response:
        """The categories by name."""
        names = sorted({each.category for each in self.shop.products if each.category})
        rows = [{"id": show.category_id(name), "name": name, "enabled": True} for name in names]
        return _page(request, rows, MAX_LIMIT, lambda each: each)

    async def list_products(self, request: Request) -> Response:
        """The products."""
        return _page(request, self.shop.products, MAX_LIMIT, lambda each: show.product_json(each, self.shop.currency))


def _status_test(wanted: str) -> Callable[[Order], bool]:
    """Unfinished carts show only where they are asked for."""
    if not wanted:
        return lambda each: each.status != "expired"
    statuses = set(wanted.split(","))
    if unknown := statuses - set(show.STATUSES.values()):
        raise BadParameter(f"Wrong value of parameter 'paymentStatus': {', '.join(sorted(unknown))}")
    return lambda each: show.status_of(each) in statuses


def _date_tests(filters: Mapping[str, str], name: str, field: str) -> list[Callable[[Any], bool]]:
    low, high = instant(filters, f"{name}From"), instant(filters, f"{name}To")
    if low is None and high is None:
        return []
    first, last = low or 0, 2**62 if high is None else high
    return [lambda each: first <= getattr(each, field) <= last]


def _page(request: Request, found: Sequence[Any], default_limit: int, render: Callable[[Any], object]) -> Response:
    params = request.query_params
    limit = whole(params, "limit", default_limit, low=1, high=MAX_LIMIT)
    offset = whole(params, "offset", 0)
    items = [render(each) for each in found[offset : offset + limit]]
    request.scope["rows"] = len(items)
    body = {"total": len(found), "count": len(items), "offset": offset, "limit": limit, "items": items}
    return _answer(prune(body, response_fields(params.get("responseFields"))))


def _answer(body: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(msgspec.json.encode(body), status, headers, media_type="application/json;charset=UTF-8")


def _error(status: int, code: str, message: str, headers: dict[str, str] | None = None) -> Response:
    return _answer({"errorMessage": message, "errorCode": code}, status, headers)


async def _not_found(request: Request, error: Exception) -> Response:
    return _error(404, "NOT_FOUND", "Not found")


async def _bad_parameter(request: Request, error: Exception) -> Response:
    return _error(400, "WRONG_PARAMETER", str(error))
