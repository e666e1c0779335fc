"""Shopify's own Python client, unchanged, pages through the sandbox and finds exactly what the shop holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import repeat
from typing import Any
from urllib.parse import urlsplit

import pytest
import shopify
from pyactiveresource.connection import ClientError, ResourceNotFound, UnauthorizedAccess

from syncd.sandbox.serve import Running
from syncd.sandbox.shop import ShopState

VERSION = "2026-07"
KEY = "sandbox"
SECONDS = 30


@pytest.fixture
def shop(open_sandbox: Callable[..., Running]) -> ShopState:
    """A shop to be read only; small, as the client takes its time for each record."""
    running = open_sandbox(customers=15)
    open_session(running)
    return running.world.shops["acme"]


@pytest.fixture(autouse=True)
def session() -> Iterator[None]:
    yield
    shopify.ShopifyResource.clear_session()


def open_session(running: Running, token: str = KEY) -> None:
    """Afterwards the client speaks to the sandbox: protocol, domain and port are settings of its own."""
    address = urlsplit(running.urls["shopify"])
    first, _, rest = str(address.hostname).partition(".")
    shopify.Session.setup(protocol=address.scheme, myshopify_domain=rest, port=address.port)
    shopify.ShopifyResource.activate_session(shopify.Session(first, VERSION, token))
    # Of itself it would wait for ever.
    shopify.ShopifyResource.timeout = SECONDS


def walk(first: Any) -> list[Any]:
    """All records from this page on, as the client's own iterator finds them."""
    return [record for page in shopify.PaginatedIterator(first) for record in page]


def test_it_pages_through_all_orders_and_finds_each_once(shop: ShopState) -> None:
    first = shopify.Order.find(limit=12, status="any")
    assert (len(first), first.has_next_page(), first.has_previous_page()) == (12, True, False)
    found = {order.id: order for order in walk(first)}
    assert set(found) == {order.id for order in shop.orders}
    for order in shop.orders:
        seen = found[order.id]
        shown = (seen.email, seen.financial_status, seen.test, round(float(seen.total_price) * 100))
        assert shown == (order.email, order.status, order.test, order.total_minor)


def test_pages_do_not_overlap_and_lead_back(shop: ShopState) -> None:
    first = shopify.Order.find(limit=7, status="any", order="created_at asc")
    second = first.next_page()
    ids = [order.id for order in sorted(shop.orders, key=lambda order: (order.created_at, order.id))]
    assert [order.id for order in first] == ids[:7]
    assert [order.id for order in second] == ids[7:14]
    # Asked for anew: the client remembers the page that it came from.
    back = shopify.Order.find(from_=second.previous_page_url)
    assert ([order.id for order in back], back.has_previous_page()) == (ids[:7], False)


def test_iterating_over_the_first_page_can_go_on_by_itself(shop: ShopState) -> None:
    orders = shopify.Order.find(limit=20, status="any", fields="id", no_iter_next=False)
    assert len({order.id for order in orders}) == len(shop.orders)


def test_it_pages_through_all_customers_with_their_consent(shop: ShopState) -> None:
    first = shopify.Customer.find(limit=4)
    found = {customer.id: customer for customer in walk(first)}
    assert set(found) == {customer.id for customer in shop.customers}
    for customer in shop.customers:
        seen = found[customer.id]
        assert (seen.email, seen.email_marketing_consent.state) == (customer.email, customer.consent)


def test_counts_are_the_shops(shop: ShopState) -> None:
    assert shopify.Order.count(status="any") == len(shop.orders)
    still_open = [each for each in shop.orders if each.closed_at is None and each.cancelled_at is None]
    assert shopify.Order.count() == len(still_open)
    assert shopify.Customer.count() == len(shop.customers)


def test_one_order_and_what_is_in_it(shop: ShopState) -> None:
    order = next(each for each in shop.orders if each.refunds and each.customer_id)
    seen = shopify.Order.find(order.id)
    assert seen.customer.id == order.customer_id
    assert [line.quantity for line in seen.line_items] == [line.quantity for line in order.lines]
    assert [refund.id for refund in seen.refunds] == [refund.id for refund in order.refunds]
    with pytest.raises(ResourceNotFound):
        shopify.Order.find(1)


def test_scopes_and_the_shop_itself(shop: ShopState) -> None:
    assert {scope.handle for scope in shopify.AccessScope.find()} == set(shop.switches.scopes)
    assert shopify.Shop.current().name == shop.title


def test_a_deletion_is_an_event(sandbox: Running) -> None:
    open_session(sandbox)
    shop = sandbox.world.shops["acme"]
    order = next(iter(shop.orders))
    shop.delete_order(order.id)
    [event] = shopify.Event.find(filter="Order", verb="destroy")
    assert event.subject_id == order.id


def test_a_wrong_token_is_unauthorized(open_sandbox: Callable[..., Running]) -> None:
    open_session(open_sandbox(customers=15), token="wrong")
    with pytest.raises(UnauthorizedAccess):
        shopify.Shop.current()


def test_the_limit_shows_and_the_forty_first_call_is_told_how_long_to_wait(sandbox: Running) -> None:
    open_session(sandbox)
    sandbox.world.throttle.enforce = True
    shopify.Shop.current()
    assert (shopify.Limits.credit_used(), shopify.Limits.credit_limit()) == (1, 40)
    with pytest.raises(ClientError) as refused:
        list(map(shopify.Order.count, repeat(None, 200)))
    answer = refused.value.response
    assert (answer.code, answer.headers["Retry-After"]) == (429, "2.0")


def test_page_info_takes_no_filter_beside_it(shop: ShopState) -> None:
    following = shopify.Order.find(limit=1, status="any").next_page_url
    with pytest.raises(ClientError) as refused:
        shopify.Order.find(from_=f"{following}&status=any")
    assert b"status cannot be passed when page_info is present." in refused.value.response.body
