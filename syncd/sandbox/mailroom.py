"""The control API's part about webhooks: who is told, how reliably, and what went out.

Knows HTTP and the post office.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct
from msgspec.structs import asdict
from starlette.responses import Response
from starlette.routing import Route

from syncd.sandbox.happenings import Refused
from syncd.sandbox.shopify.webhooks import DEMANDS, demand
from syncd.sandbox.webhooks import Letter, Sending

if TYPE_CHECKING:
    from starlette.requests import Request

    from syncd.sandbox.webhooks import Post
    from syncd.sandbox.world import World


class _Address(Struct, forbid_unknown_fields=True):
    url: str
    topics: list[str] = []


class _Demand(Struct, forbid_unknown_fields=True):
    topic: str
    customer_id: int | None = None


def routes(world: World, post: Post) -> list[Route]:
    """Paths of the control API."""
    room = _Mailroom(world, post)
    return [
        Route("/webhooks", room.show, methods=["GET"]),
        Route("/webhooks", room.set, methods=["POST"]),
        Route("/shops/{shop}/webhooks", room.subscribe, methods=["POST"]),
        Route("/shops/{shop}/webhooks", room.unsubscribe, methods=["DELETE"]),
        Route("/shops/{shop}/demands", room.demand, methods=["POST"]),
    ]


class _Mailroom:
    """The endpoints."""

    def __init__(self, world: World, post: Post) -> None:
        self.world = world
        self.post = post

    async def show(self, request: Request) -> Response:
        """How the post behaves, and every message since the beginning."""
        return _answer({"sending": asdict(self.post.sending), "letters": [_shown(each) for each in self.post.letters]})

    async def set(self, request: Request) -> Response:
        """Afterwards the post behaves as the body says; what it does not name stays."""
        wanted = msgspec.json.decode(await request.body(), type=dict[str, Any])
        self.post.set(msgspec.convert(asdict(self.post.sending) | wanted, Sending))
        return _answer(asdict(self.post.sending))

    async def subscribe(self, request: Request) -> Response:
        """Afterwards an address is told of the topics that the body names, or of all that there are."""
        shop = self.world.shops[request.path_params["shop"]]
        wanted = msgspec.json.decode(await request.body(), type=_Address)
        self.post.subscribe(shop, wanted.url, wanted.topics)
        return _answer([asdict(each) for each in shop.subscriptions.values()], 201)

    async def unsubscribe(self, request: Request) -> Response:
        """Afterwards nobody is told of this shop."""
        self.world.shops[request.path_params["shop"]].subscriptions.clear()
        return Response(status_code=204)

    async def demand(self, request: Request) -> Response:
        """The shop passes on what the law has it ask of an app; nothing changes in the shop itself."""
        shop = self.world.shops[request.path_params["shop"]]
        wanted = msgspec.json.decode(await request.body(), type=_Demand)
        if shop.platform != "shopify" or wanted.topic not in DEMANDS:
            raise Refused(f"topic is one of {', '.join(DEMANDS)}, of a shop on Shopify")
        customer = None if wanted.customer_id is None else shop.customers[wanted.customer_id]
        if (customer is None) != (wanted.topic == "shop/redact"):
            raise Refused("customer_id belongs to a demand about a customer")
        body = demand(shop, wanted.topic, customer)
        self.post.send(shop, wanted.topic, body)
        return _answer(body, 201)


def _shown(letter: Letter) -> dict[str, Any]:
    # A shop writes JSON, the e-mail service a form.
    body = msgspec.Raw(letter.body) if letter.body.startswith(b"{") else letter.body.decode()
    return asdict(letter) | {"body": body}


def _answer(body: object, status: int = 200) -> Response:
    return Response(msgspec.json.encode(body), status, media_type="application/json")
