"""The control API: what happens in the shops and in the audience, what time it is, what goes wrong.

Knows HTTP and the world. Source: DESIGN "Sandbox".
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import asdict
from starlette.applications import Starlette
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from syncd.sandbox import happenings
from syncd.sandbox.audience import Problem
from syncd.sandbox.ecwid import cart_json
from syncd.sandbox.ecwid import documents as ecwid
from syncd.sandbox.faults import Fault
from syncd.sandbox.happenings import Refused
from syncd.sandbox.left_carts import keep_cart
from syncd.sandbox.mailroom import routes as mailroom
from syncd.sandbox.page import page
from syncd.sandbox.shop import Switches
from syncd.sandbox.shopify import documents as shopify
from syncd.sandbox.shopify.checkouts import checkout_json
from syncd.sandbox.shopify.products import product_json
from syncd.sandbox.toml import configuration
from syncd.sandbox.world import Throttle

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

    from syncd.sandbox.shop import Customer, Order, ShopState
    from syncd.sandbox.webhooks import Post
    from syncd.sandbox.world import World


def app(world: World, urls: Mapping[str, str], post: Post) -> Starlette:
    """The control page and API."""
    control = _Control(world, urls)
    routes = [
        Route("/", control.show_page),
        Route("/syncd.toml", control.show_configuration),
        Route("/state", control.show_state),
        Route("/requests", control.show_requests),
        Route("/journeys", control.show_journeys),
        Route("/clock", control.show_clock, methods=["GET"]),
        Route("/clock", control.set_clock, methods=["POST"]),
        Route("/faults", control.show_faults, methods=["GET"]),
        Route("/faults", control.add_faults, methods=["POST"]),
        Route("/faults", control.clear_faults, methods=["DELETE"]),
        Route("/throttle", control.show_throttle, methods=["GET"]),
        Route("/throttle", control.set_throttle, methods=["POST"]),
        Route("/shops/{shop}/switches", control.set_switches, methods=["POST"]),
        Route("/shops/{shop}/profile", control.set_profile, methods=["POST"]),
        Route("/shops/{shop}/calls", control.spend_calls, methods=["POST"]),
        Route("/shops/{shop}/tokens", control.revoke_tokens, methods=["DELETE"]),
        Route("/shops/{shop}/orders", control.place_order, methods=["POST"]),
        Route("/shops/{shop}/orders/{id}", control.edit_order, methods=["POST"]),
        Route("/shops/{shop}/orders/{id}", control.delete_order, methods=["DELETE"]),
        Route("/shops/{shop}/refunds", control.refund, methods=["POST"]),
        Route("/shops/{shop}/carts", control.keep_cart, methods=["POST"]),
        Route("/shops/{shop}/products", control.keep_product, methods=["POST"]),
        Route("/shops/{shop}/categories", control.rename_category, methods=["POST"]),
        Route("/shops/{shop}/customers", control.keep_customer, methods=["POST"]),
        Route("/shops/{shop}/customers/{id:int}", control.edit_customer, methods=["POST"]),
        Route("/shops/{shop}/customers/{id:int}", control.delete_customer, methods=["DELETE"]),
        Route("/shops/{shop}/customers/{id:int}/merge", control.merge_customer, methods=["POST"]),
        Route("/shops/{shop}/customers/{id:int}/redact", control.redact_customer, methods=["POST"]),
        Route("/audiences/{list_id}/members/{email:path}", control.act, methods=["POST"]),
        *mailroom(world, post),
    ]
    handlers: Any = {
        Refused: _refused,
        Problem: _problem,
        msgspec.MsgspecError: _refused,
        KeyError: _unknown,
        404: _unknown,
    }
    return Starlette(routes=routes, exception_handlers=handlers)


class _Profile(Struct, forbid_unknown_fields=True):
    title: str = ""
    currency: str = ""
    timezone: str = ""


class _Calls(Struct, forbid_unknown_fields=True):
    count: Annotated[int, Meta(ge=1)]


class _Category(Struct, forbid_unknown_fields=True):
    made_as: str
    name: str


class _Control:
    """The endpoints. Everything happens at the sandbox's present instant."""

    def __init__(self, world: World, urls: Mapping[str, str]) -> None:
        self.world = world
        self.urls = urls

    async def show_page(self, request: Request) -> Response:
        """The page for people."""
        return HTMLResponse(page(self.world, self.urls))

    async def show_configuration(self, request: Request) -> Response:
        """A configuration that works against this sandbox."""
        return PlainTextResponse(configuration(self.world, self.urls), media_type="application/toml")

    async def show_state(self, request: Request) -> Response:
        """Who is in each audience, with which tags and fields."""
        audiences = self.world.audiences.items()
        return _answer({"audiences": {list_id: audience.state() for list_id, audience in audiences}})

    async def show_requests(self, request: Request) -> Response:
        """The requests after number `since`."""
        since = request.query_params.get("since", "0")
        if not since.isdecimal():
            raise Refused("since is a number")
        return _answer([asdict(each) | {"at": _iso(each.at)} for each in self.world.log.since(int(since))])

    async def show_journeys(self, request: Request) -> Response:
        """Who entered a journey, and by what."""
        entries = [entry for audience in self.world.audiences.values() for entry in audience.journeys()]
        return _answer(entries)

    async def show_clock(self, request: Request) -> Response:
        """The sandbox's time."""
        return _answer({"now": _iso(self.world.clock.now())})

    async def set_clock(self, request: Request) -> Response:
        """Afterwards the sandbox's time stands still at `now`."""
        now = (await _object(request)).get("now")
        if not isinstance(now, str | int):
            raise Refused('expected {"now": "2026-11-22T10:00:00Z"}')
        self.world.clock.set(happenings.moment_of(now))
        return await self.show_clock(request)

    async def show_faults(self, request: Request) -> Response:
        """The faults in force, and how often each struck."""
        return _answer([asdict(fault) | {"struck": struck} for fault, struck in self.world.faults.report()])

    async def add_faults(self, request: Request) -> Response:
        """Afterwards these faults are in force too; none of them is where one makes no sense."""
        for fault in msgspec.json.decode(await request.body(), type=list[Fault]):
            self.world.faults.add(fault)
        return await self.show_faults(request)

    async def clear_faults(self, request: Request) -> Response:
        """Afterwards nothing goes wrong any more."""
        self.world.faults.clear()
        return await self.show_faults(request)

    async def show_throttle(self, request: Request) -> Response:
        """Whether limits apply, and how slow the services are."""
        return _answer(asdict(self.world.throttle))

    async def set_throttle(self, request: Request) -> Response:
        """Afterwards the throttle is as the body says; what it does not name stays."""
        self.world.throttle = msgspec.convert(asdict(self.world.throttle) | await _object(request), Throttle)
        return await self.show_throttle(request)

    async def set_switches(self, request: Request) -> Response:
        """Afterwards the shop behaves as the body says; what it does not name stays."""
        shop = self._shop(request)
        shop.switches = msgspec.convert(asdict(shop.switches) | await _object(request), Switches)
        return _answer(asdict(shop.switches))

    async def set_profile(self, request: Request) -> Response:
        """Afterwards the shop counts in another currency or lives in another time zone; old orders stay as they are."""
        shop, wanted = self._shop(request), msgspec.convert(await _object(request), _Profile)
        for field, value in asdict(wanted).items():
            setattr(shop, field, value or getattr(shop, field))
        return _answer({field: getattr(shop, field) for field in _Profile.__struct_fields__})

    async def spend_calls(self, request: Request) -> Response:
        """Other workers of the same app have just made `count` calls."""
        shop, wanted = self._shop(request), msgspec.convert(await _object(request), _Calls)
        shop.calls_elsewhere += wanted.count
        return _answer(asdict(wanted), 201)

    async def revoke_tokens(self, request: Request) -> Response:
        """Afterwards no token that was granted is good any more."""
        self._shop(request).granted.clear()
        return Response(status_code=204)

    async def place_order(self, request: Request) -> Response:
        """Somebody buys; the answer is the platform's own order."""
        shop = self._shop(request)
        return _order(shop, happenings.place_order(shop, await _object(request)), 201)

    async def edit_order(self, request: Request) -> Response:
        """The merchant changes an order."""
        shop = self._shop(request)
        return _order(shop, happenings.edit_order(shop, request.path_params["id"], await _object(request)))

    async def delete_order(self, request: Request) -> Response:
        """The merchant deletes an order."""
        shop = self._shop(request)
        shop.delete_order(happenings.order_id(shop, request.path_params["id"]))
        return Response(status_code=204)

    async def refund(self, request: Request) -> Response:
        """The merchant gives money back; the answer is the order."""
        shop = self._shop(request)
        return _order(shop, happenings.refund(shop, await _object(request)), 201)

    async def keep_cart(self, request: Request) -> Response:
        """Somebody begins a cart, changes it, or comes back and buys it; the answer is the platform's own cart."""
        shop = self._shop(request)
        cart = keep_cart(shop, await _object(request))
        return _answer((checkout_json if shop.platform == "shopify" else cart_json)(shop, cart), 201)

    async def keep_product(self, request: Request) -> Response:
        """The merchant adds a product or changes it; the answer is the platform's own product."""
        shop = self._shop(request)
        product = happenings.keep_product(shop, await _object(request))
        shown = (
            product_json(shop, product) if shop.platform == "shopify" else ecwid.product_json(product, shop.currency)
        )
        return _answer(shown, 201)

    async def rename_category(self, request: Request) -> Response:
        """The merchant gives a category of products another name."""
        wanted = msgspec.convert(await _object(request), _Category)
        self._shop(request).rename_category(wanted.made_as, wanted.name)
        return _answer(asdict(wanted), 201)

    async def keep_customer(self, request: Request) -> Response:
        """Somebody makes an account or changes it; the answer is the platform's own customer."""
        shop = self._shop(request)
        return _customer(shop, happenings.keep_customer(shop, await _object(request)), 201)

    async def edit_customer(self, request: Request) -> Response:
        """The merchant changes a customer."""
        shop = self._shop(request)
        return _customer(shop, happenings.edit_customer(shop, request.path_params["id"], await _object(request)))

    async def delete_customer(self, request: Request) -> Response:
        """The merchant deletes a customer."""
        self._shop(request).delete_customer(request.path_params["id"])
        return Response(status_code=204)

    async def redact_customer(self, request: Request) -> Response:
        """The shop erases a customer, who asked for it."""
        shop = self._shop(request)
        return _customer(shop, shop.redact_customer(request.path_params["id"]))

    async def merge_customer(self, request: Request) -> Response:
        """The merchant merges this customer into the one that `into` numbers."""
        shop = self._shop(request)
        into = (await _object(request)).get("into")
        if not isinstance(into, int):
            raise Refused('expected {"into": CUSTOMER_ID}')
        return _customer(shop, shop.merge_customers(request.path_params["id"], into))

    async def act(self, request: Request) -> Response:
        """A person or the marketer changes something in the e-mail service."""
        audience = self.world.audiences[request.path_params["list_id"]]
        email = request.path_params["email"]
        audience.act(email, await _object(request))
        return _answer(next((row for row in audience.state() if row["email"].lower() == email.lower()), {}))

    def _shop(self, request: Request) -> ShopState:
        return self.world.shops[request.path_params["shop"]]


def _order(shop: ShopState, order: Order, status: int = 200) -> Response:
    render = shopify.order_json if shop.platform == "shopify" else ecwid.order_json
    return _answer(render(shop, order), status)


def _customer(shop: ShopState, customer: Customer, status: int = 200) -> Response:
    render = shopify.customer_json if shop.platform == "shopify" else ecwid.customer_json
    return _answer(render(shop, customer), status)


async def _object(request: Request) -> dict[str, Any]:
    return msgspec.json.decode(await request.body(), type=dict[str, Any])


def _iso(instant: int) -> str:
    return datetime.fromtimestamp(instant, UTC).isoformat()


def _answer(body: object, status: int = 200) -> Response:
    return Response(msgspec.json.encode(body), status, media_type="application/json")


async def _refused(request: Request, error: Exception) -> Response:
    return _answer({"error": str(error)}, 400)


async def _problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return _answer({"error": error.detail}, error.status)


async def _unknown(request: Request, error: Exception) -> Response:
    return _answer({"error": f"there is no {request.url.path}"}, 404)
