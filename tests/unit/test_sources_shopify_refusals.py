"""What Shopify's refusals come to, each with something that a person can do."""

from __future__ import annotations

import pytest

from syncd.errors import ConnectionBlocked, TransientError
from syncd.http import Reply
from syncd.sources._refusals import NotAllowed
from syncd.sources._shopify_refusals import refusal

JSON = {"content-type": "application/json; charset=utf-8"}


def refused(status: int, body: str = '{"errors": "no"}', **headers: str) -> Exception | None:
    return refusal(Reply(status, JSON | headers, body.encode()), "shops.acme", "acme.myshopify.com")


@pytest.mark.parametrize(
    ("status", "body", "says"),
    [
        (402, '{"errors":"Unavailable Shop"}', "has frozen the shop"),
        (403, '{"errors":"Unavailable Shop"}', "has made the shop unavailable"),
        (403, '{"errors":"[API] This action requires merchant approval for read_orders scope."}', "scope read_orders"),
        (403, "{}", "lacks a scope"),
        (404, '{"errors":"Not Found"}', "no such shop"),
        (423, '{"errors":"This store is unavailable"}', "has locked the shop"),
        (430, "", "turned the call away"),
    ],
)
def test_a_refusal_stops_the_connection_with_its_reason_and_what_to_do(status: int, body: str, says: str) -> None:
    error = refused(status, body)
    assert isinstance(error, ConnectionBlocked)
    assert says in str(error)
    assert error.connection == "shops.acme"
    assert error.hint.endswith(".")


def test_only_a_missing_scope_leaves_the_rest_of_the_key_good() -> None:
    assert isinstance(refused(403, "{}"), NotAllowed)
    assert not isinstance(refused(403, '{"errors":"Unavailable Shop"}'), NotAllowed)


@pytest.mark.parametrize("status", [200, 400, 401, 429, 500, 503])
def test_what_the_number_alone_tells_is_left_to_the_client(status: int) -> None:
    assert refused(status) is None


def test_a_page_of_a_guest_network_is_no_refusal() -> None:
    assert isinstance(refused(403, "<html>", **{"content-type": "text/html"}), TransientError)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_new_name_is_told_with_the_line_to_write(status: int) -> None:
    error = refused(status, location="https://acme-2.myshopify.com/admin/api/2026-07/shop.json?x=1")
    assert isinstance(error, ConnectionBlocked)
    assert str(error) == "shops.acme: the shop has been renamed to acme-2.myshopify.com"
    assert 'domain = "acme-2.myshopify.com" into [shops.acme]' in error.hint


@pytest.mark.parametrize(
    "location",
    [
        "",
        "/password",
        "https://acme.myshopify.com/admin/auth/login",
        "https://evil.example/",
        "https://acme.myshopify.com.evil.example/",
        "https://evil.example/acme.myshopify.com",
        'https://x"\n.myshopify.com/',
        "https://[::1",
    ],
)
def test_any_other_place_is_not_repeated(location: str) -> None:
    error = refused(301, location=location)
    assert isinstance(error, ConnectionBlocked)
    assert "another place" in str(error)
    assert "evil" not in f"{error} {error.hint}"
