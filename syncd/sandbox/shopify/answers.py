"""How Shopify answers: JSON, and one word for every refusal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from starlette.responses import Response

if TYPE_CHECKING:
    from collections.abc import Mapping


def answer(body: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """`body` as JSON."""
    return Response(msgspec.json.encode(body), status, headers, media_type="application/json; charset=utf-8")


def refusal(status: int, errors: object, headers: Mapping[str, str] | None = None) -> Response:
    """Why not: text, or texts by field."""
    return answer({"errors": errors}, status, headers)
