"""What happens to a call before Shopify looks at who is calling: the shop's address, its standing, the version.

Source: shopify.dev "API response status and error codes", "API versioning"; the words of 402, 403 and 423
are those that app developers report in Shopify's community.
"""

from __future__ import annotations

import re
import secrets
from typing import TYPE_CHECKING

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response

from syncd.sandbox.shopify.answers import refusal
from syncd.sandbox.shopify.version import serve_version

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from syncd.sandbox.shop import ShopState

REQUEST_ID = "X-Request-Id"
_VERSION = re.compile(r"/admin/api/([^/]+)/")
# What a shop answers to every call while it is in such a state; the sentence of 430 is not published.
STANDINGS: dict[str, tuple[int, str]] = {
    "frozen": (402, "Unavailable Shop"),
    "forbidden": (403, "Unavailable Shop"),
    "closed": (404, "Not Found"),
    "locked": (423, "This store is unavailable"),
    "rejected": (430, "Security Rejection"),
}


def new_request_id() -> str:
    """What Shopify's support asks for."""
    return secrets.token_hex(16)


class Door:
    """`app` behind everything that is the same for each of its endpoints. Every answer is stamped."""

    def __init__(self, app: ASGIApp, shop: ShopState) -> None:
        self.app = app
        self.shop = shop

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        asked = _VERSION.match(scope["path"])
        served = serve_version(asked[1], self.shop.now()) if asked else None
        refused = self._moved(scope) or self._standing()
        if asked and served is None:
            refused = refused or refusal(404, "Not Found")
        stamps = {REQUEST_ID: new_request_id(), **({"X-Shopify-API-Version": served} if served else {})}

        async def stamped(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(stamps)
            await send(message)

        await (refused or self.app)(scope, receive, stamped)

    def _moved(self, scope: Scope) -> Response | None:
        """The way to the shop's present name, for POST as for GET: a careless client goes on with a GET."""
        name = self.shop.switches.renamed_to
        if not name or Headers(scope=scope).get("host") == name:
            return None
        scheme = "http" if ":" in name else "https"
        query = scope["query_string"].decode("latin-1")
        return Response(
            status_code=301, headers={"Location": f"{scheme}://{name}{scope['path']}" + (f"?{query}" if query else "")}
        )

    def _standing(self) -> Response | None:
        standing = self.shop.switches.standing
        return refusal(*STANDINGS[standing]) if standing else None
