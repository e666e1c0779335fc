"""What the published payloads mean: Shopify's own examples and what client libraries recorded, worked out by hand.

Every figure below was read off the payload itself. Ids in Shopify's examples went through JavaScript, which
rounds them; the `admin_graphql_api_id` beside each tells the true one.
"""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import Struct

from syncd.model import Cart, Consent, ConsentState, Customer, Order, OrderStatus, Product
from syncd.sources._shopify_carts import CARTS
from syncd.sources._shopify_products import PRODUCTS
from syncd.sources._shopify_wire import CUSTOMERS, EVENTS, ORDERS
from syncd.sources.shopify import _ShopPage
from tests.unit.test_sources_spend import OUT, worth

FIXTURES = Path(__file__).parents[2].parent / "shared" / "fixtures"
pytestmark = pytest.mark.skipif(not FIXTURES.exists(), reason="the published payloads are not on this machine")
WEBHOOKS = "shopify-webhook-2026-07"


class Means(Struct, frozen=True):
    """An order in one line. `worth` is its spend in minor units, OUT where it is in no sum and no number."""

    id: str
    placed: str
    status: OrderStatus
    paid: int
    goods: int
    worth: int | None
    given_back: int
    who: tuple[str | None, str | None]
    items: int
    marks: str = ""


JON = Means(
    id="820982911946154508",
    placed="2021-12-31T19:00:00-05:00",
    status=OrderStatus.VOIDED,
    paid=404_95,
    goods=404_95,
    worth=OUT,
    given_back=0,
    who=("115310627314723954", "jon@example.com"),
    items=5,
    marks="cancelled test",
)
# total_price 10.00 is shipping alone; the customer has no id, and processed_at is missing.
JON_OF_2016 = Means(
    id="123456",
    placed="2016-05-17T04:14:36-00:00",
    status=OrderStatus.VOIDED,
    paid=10_00,
    goods=0,
    worth=OUT,
    given_back=0,
    who=(None, "jon@doe.ca"),
    items=2,
    marks="cancelled test",
)
# 409.94 = 3 × 199.00 less a discount of 199.00, and 11.94 tax; 209.00 of it went back.
BOB = Means(
    id="450789469",
    placed="2008-01-10T11:00:00-05:00",
    status=OrderStatus.AUTHORIZED,
    paid=409_94,
    goods=398_00,
    worth=200_94,
    given_back=209_00,
    who=("207119551", "bob.norman@hostmail.com"),
    items=3,
)
ORDER_FILES = {
    f"{WEBHOOKS}/orders.create.json": JON,
    f"{WEBHOOKS}/orders.updated.json": JON,
    f"{WEBHOOKS}/orders.paid.json": JON,
    f"{WEBHOOKS}/orders.cancelled.json": JON,
    "shopify-go/order.json": JON_OF_2016,
    "shopify-go/orders.json": JON_OF_2016,
    "shopify-go/order_with_transaction.json": JON_OF_2016,
    "shopify-node/order.get.json": BOB,
    "shopify-node/order.list.json": BOB,
    "shopify-node/customer.orders.json": BOB,
}


def exact(record: Any) -> Any:
    """The payload with the ids that JavaScript has rounded as they were."""
    if isinstance(record, list):
        return [exact(each) for each in record]
    if not isinstance(record, dict):
        return record
    record = {name: exact(each) for name, each in record.items()}
    gid = record.get("admin_graphql_api_id", "")
    return record | {"id": int(gid.rpartition("/")[2])} if gid and "id" in record else record


def load(name: str) -> Any:
    return exact(json.loads((FIXTURES / name).read_bytes()))


def rows(name: str, kind: str) -> list[Any]:
    """The records of a file, whether it holds a list, one by its name, or one bare."""
    held = load(name)
    found = held.get(f"{kind}s") or held.get(kind) or held
    return found if isinstance(found, list) else [found]


def page(kind: str, records: list[Any]) -> bytes:
    return json.dumps({f"{kind}s": records}).encode()


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp())


def one_order(records: list[Any]) -> Order:
    batch = ORDERS.read(page("order", records))
    assert batch.rejected == []
    (order,) = batch.records
    return order


@pytest.mark.parametrize("name", ORDER_FILES)
def test_a_published_order_means_what_is_read_off_it(name: str) -> None:
    order, means = one_order(rows(name, "order")), ORDER_FILES[name]
    assert means == Means(
        id=order.id,
        placed=means.placed,
        status=order.status,
        paid=order.paid_minor,
        goods=order.goods_minor,
        worth=worth(order),
        given_back=sum(refund.amount_minor for refund in order.refunds if refund.moved),
        who=(order.customer_id, order.email),
        items=len(order.items),
        marks=" ".join(mark for mark in ("cancelled", "test") if getattr(order, mark)),
    )
    assert (order.placed_at, order.currency) == (at(means.placed), "USD")


def test_the_lines_of_a_published_order_are_read_with_what_was_bought() -> None:
    items = one_order(rows(f"{WEBHOOKS}/orders.updated.json", "order")).items
    assert [(item.title, item.sku, item.quantity, item.price_minor) for item in items] == [
        ("Aviator sunglasses", "SKU2006-001", 1, 89_99),
        ("Lens Protection Plan (2 Year)", "LENS-PROTECT-2YR", 1, 19_99),
        ("Premium Leather Case", "CASE-LEATHER-PREM", 1, 24_99),
        ("Mid-century lounger", "SKU2006-020", 1, 159_99),
        ("Coffee table", "SKU2006-035", 1, 119_99),
    ]
    # Those that are no product of the catalogue have no product id.
    assert [bool(item.product_id) for item in items] == [True, False, False, True, True]


@pytest.mark.parametrize(
    ("name", "id_", "given_back", "goods", "refunded"),
    [
        # 75.00 and 10.00 went back; the lines are worth 414.95, so all of it was for goods.
        (f"{WEBHOOKS}/refunds.create.json", "890088186047892319", 85_00, 85_00, "2021-12-31T19:00:00-05:00"),
        # 209.00 went back for lines of 195.67 and 195.66.
        ("shopify-node/refund.list.json", "509562969", 209_00, 209_00, "2017-01-05T15:40:07-05:00"),
    ],
)
def test_a_published_refund_lowers_what_its_order_is_worth(
    name: str, id_: str, given_back: int, goods: int, refunded: str
) -> None:
    (record,) = rows(name, "refund")
    live = {"financial_status": "paid", "cancelled_at": None, "test": False, "refunds": [record]}
    order = one_order([load(f"{WEBHOOKS}/orders.updated.json") | live])
    (refund,) = order.refunds
    assert (refund.id, refund.amount_minor, refund.goods_minor) == (id_, given_back, goods)
    assert (refund.moved, refund.refunded_at) == (True, at(refunded))
    assert worth(order) == 404_95 - given_back


CUSTOMER_FILES = {
    # accepts_marketing says yes, but is the older of the two ways to say it.
    "shopify-go/customer.json": Customer(
        id="1",
        email="test@example.com",
        created_at=at("2017-09-23T18:15:47-00:00"),
        updated_at=at("2017-09-23T18:15:47-00:00"),
        consent=Consent(ConsentState.UNKNOWN, at("2017-09-23T18:15:47-00:00"), "single_opt_in"),
        country="AU",
        city="BRISBANE",
        tags=("tag1", "tag2"),
    ),
    "shopify-node/customer.list.json": Customer(
        id="207119551",
        email="bob.norman@hostmail.com",
        created_at=at("2015-11-26T15:01:04-05:00"),
        updated_at=at("2015-11-26T15:01:04-05:00"),
        consent=Consent(ConsentState.UNKNOWN, at("2015-11-26T15:01:04-05:00")),
        country="US",
        city="Louisville",
    ),
    # Webhooks say nothing of consent since 2025.
    f"{WEBHOOKS}/customers.update.json": Customer(
        id="706405506930370084",
        email="bob@biller.com",
        created_at=at("2021-12-31T19:00:00-05:00"),
        updated_at=at("2021-12-31T19:00:00-05:00"),
        consent=Consent(ConsentState.UNKNOWN, at("2021-12-31T19:00:00-05:00")),
        country="CA",
        city="Ottawa",
    ),
}
CUSTOMER_FILES[f"{WEBHOOKS}/customers.create.json"] = CUSTOMER_FILES[f"{WEBHOOKS}/customers.update.json"]


@pytest.mark.parametrize("name", CUSTOMER_FILES)
def test_a_published_customer_means_what_is_read_off_it(name: str) -> None:
    batch = CUSTOMERS.read(page("customer", rows(name, "customer")))
    assert (batch.records, batch.rejected) == ([CUSTOMER_FILES[name]], [])


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({}, ConsentState.UNKNOWN),
        ({"state": "subscribed", "opt_in_level": "confirmed_opt_in"}, ConsentState.GRANTED),
        ({"state": "unsubscribed"}, ConsentState.WITHDRAWN),
    ],
)
def test_a_published_consent_is_read(said: dict[str, str], expected: ConsentState) -> None:
    given = load(f"{WEBHOOKS}/customers_email_marketing_consent.update.json")["email_marketing_consent"] | said
    record = load(f"{WEBHOOKS}/customers.update.json") | {"email_marketing_consent": given}
    (customer,) = CUSTOMERS.read(page("customer", [record])).records
    assert customer.consent.state is expected


BOBS_CARTS = [
    Cart(
        id=token,
        begun_at=at("2012-10-12T07:05:27-04:00"),
        updated_at=at("2012-10-12T07:05:27-04:00"),
        currency="USD",
        value_minor=379_69,
        customer_id="207119551",
        email="bob.norman@hostmail.com",
    )
    for token in ("mKjuzB2XqIsjtw18ubwx1twwD5B", "2a1ace52255252df566af0faaedfbfa7")
]
JOHNS_CART = Cart(
    id="123123123",
    begun_at=at("2021-12-31T19:00:00-05:00"),
    updated_at=at("2021-12-31T19:00:00-05:00"),
    currency="USD",
    value_minor=421_88,
    customer_id="603851970716743426",
    email="example@email.com",
)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("shopify-node/checkout.list.json", BOBS_CARTS),
        (f"{WEBHOOKS}/checkouts.create.json", [JOHNS_CART]),
        (f"{WEBHOOKS}/checkouts.update.json", [JOHNS_CART]),
    ],
)
def test_a_published_checkout_means_what_is_read_off_it(name: str, expected: list[Cart]) -> None:
    batch = CARTS.reader.read(page("checkout", rows(name, "checkout")))
    assert (batch.records, batch.rejected) == (expected, [])


IPODS = [
    Product("632910392", "IPod Nano - 8GB", at("2015-09-02T14:50:32-04:00"), "Cult Products"),
    Product("921728736", "IPod Touch 8GB", at("2015-09-02T14:50:32-04:00"), "Cult Products"),
]
SHIRT = Product("788032119674292922", "Example T-Shirt", at("2021-12-31T19:00:00-05:00"), "Shirts")


@pytest.mark.parametrize(
    ("name", "expected"),
    [("shopify-node/product.list.json", IPODS), (f"{WEBHOOKS}/products.update.json", [SHIRT])],
)
def test_a_published_product_means_what_is_read_off_it(name: str, expected: list[Product]) -> None:
    batch = PRODUCTS.reader.read(page("product", rows(name, "product")))
    assert (batch.records, batch.rejected) == (expected, [])


def test_published_events_that_destroyed_nothing_are_no_deletions() -> None:
    body = (FIXTURES / "shopify-node/event.list.json").read_bytes()
    assert len(msgspec.json.decode(body)["events"]) == 3
    batch = EVENTS.read(body)
    assert (batch.records, batch.rejected) == ([], [])


@pytest.mark.parametrize("name", ["shopify-node/shop.get.json", "shopify-go/shop.json"])
def test_a_published_shop_says_where_and_in_what_money_it_lives(name: str) -> None:
    shop = msgspec.json.decode((FIXTURES / name).read_bytes(), type=_ShopPage).shop
    assert (shop.id, shop.name) == (690_933_842, "Apple Computers")
    assert (shop.currency, shop.iana_timezone) == ("USD", "America/New_York")
