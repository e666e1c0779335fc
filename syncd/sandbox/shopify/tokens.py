"""Who may call, and what: permanent tokens, those of a day by client credentials, scopes.

Source: shopify.dev "Client credentials grant".
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

import msgspec

from syncd.sandbox.shopify.answers import answer, refusal

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from syncd.sandbox.shop import ShopState

BAD_TOKEN = "[API] Invalid API key or access token (unrecognized login or wrong password)"  # noqa: S105 (a message)
NO_SCOPE = "[API] This action requires merchant approval for {} scope."


def turn_away(shop: ShopState, request: Request, scope: str) -> Response | None:
    """The refusal for a call without a valid token, or without `scope` where there is one."""
    token = request.headers.get("x-shopify-access-token", "")
    known = token == shop.token or shop.granted.get(token, 0) > shop.now()
    if not (known and shop.switches.installed):
        return refusal(401, BAD_TOKEN)
    if scope and scope not in shop.switches.scopes:
        return refusal(403, NO_SCOPE.format(scope))
    return None


async def grant(shop: ShopState, request: Request) -> Response:
    """A token against client id and secret; it ends by itself, or with all others when they are revoked."""
    asked = await _credentials(request)
    if asked.get("grant_type") != "client_credentials":
        return answer({"error": "invalid_request"}, 400)
    if not asked.get("client_id") or asked.get("client_secret") != shop.token or not shop.switches.installed:
        return answer({"error": "invalid_client", "error_description": "Client authentication failed"}, 400)
    token = f"shpat_{secrets.token_hex(16)}"
    seconds = shop.switches.token_seconds
    shop.granted[token] = shop.now() + seconds
    return answer({"access_token": token, "scope": ",".join(shop.switches.scopes), "expires_in": seconds})


async def _credentials(request: Request) -> dict[str, str]:
    """The body of a request for a token: JSON or a form; empty where it is neither."""
    body = await request.body()
    if "json" not in request.headers.get("content-type", ""):
        return dict(parse_qsl(body.decode("utf-8", "replace")))
    try:
        return msgspec.json.decode(body, type=dict[str, str])
    except msgspec.MsgspecError:
        return {}
