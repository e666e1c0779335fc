"""Ecwid's answers: JSON, and its errors by code.

Source: docs.ecwid.com "Errors", "REST API error codes". Where no sentence is published, it is ours; 409, 415
and 500 have no published code, so they come with a sentence alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from starlette.responses import Response

if TYPE_CHECKING:
    from collections.abc import Mapping

ERRORS: dict[str, tuple[int, str]] = {
    "WRONG_PARAMETER": (400, "Wrong parameter"),
    "NOT_AVAILABLE_ON_CURRENT_PLAN": (402, "The functionality is not available on the merchant's plan"),
    "STORE_IS_SUSPENDED": (402, "The store is suspended"),
    "INVALID_API_TOKEN": (403, "The API token is invalid"),
    "INSUFFICIENT_APP_SCOPE": (403, "The app lacks the scope"),
    "STORE_NOT_FOUND": (404, "The store is not found"),
    "ORDER_NOT_FOUND": (404, "The order is not found"),
    "CUSTOMER_NOT_FOUND": (404, "The customer is not found"),
    "CART_NOT_FOUND": (404, "The cart is not found"),
    "NOT_FOUND": (404, "Not found"),
    "TIMEOUT": (408, "The request took too long"),
    "RATE_LIMITED": (429, "Too many requests"),
}
WITHOUT_CODE = {409: "Conflict", 415: "Unsupported content-type: expected application/json", 500: "Server error"}


def answer(body: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """The body as Ecwid sends it."""
    return Response(msgspec.json.encode(body), status, headers, media_type="application/json;charset=UTF-8")


def error(code: str, message: str = "", headers: Mapping[str, str] | None = None) -> Response:
    """The error of this code; `message` says more than its usual sentence."""
    status, usual = ERRORS[code]
    return answer({"errorMessage": message or usual, "errorCode": code}, status, headers)


def plain_error(status: int) -> Response:
    """An error that has no code."""
    return answer({"errorMessage": WITHOUT_CODE[status]}, status)
