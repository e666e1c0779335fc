"""What Ecwid's records mean for us."""

from __future__ import annotations

import json

import pytest

from syncd.model import Cart, Consent, ConsentState, Item, Product
from syncd.sources._ecwid_wire import CUSTOMERS, DELETED, carts_in, changed_at, orders_in, products_in
from tests.unit.shop_records import ecwid_cart, ecwid_customer, ecwid_order, ecwid_page

UPDATED_AT = 1772442000  # 2026-03-02 09:00 UTC


def one_order(currency="EUR", **fields):
    batch = orders_in(currency).read(ecwid_page(ecwid_order(**fields)))
    assert batch.rejected == []
    return batch.records[0]


def one_customer(**fields):
    batch = CUSTOMERS.read(ecwid_page(ecwid_customer(**fields)))
    assert batch.rejected == []
    return batch.records[0]


def test_an_order_is_read_in_the_stores_currency():
    item = {"productId": 9, "name": "Mug", "sku": "M-1", "quantity": 2, "price": 12.5}
    order = one_order(items=[item])
    assert (order.id, order.customer_id, order.currency, order.paid_minor) == ("EBJFT", "77", "EUR", 100_00)
    assert order.items == (Item("9", "Mug", 2, 12_50, "M-1"),)
    assert one_order("JPY", total=1234).paid_minor == 1234


def test_amounts_pass_through_their_shortest_form():
    assert one_order(total=0.1 + 0.2).paid_minor == 30
    assert one_order(total=1.005).paid_minor == 100


def test_goods_leave_out_tax_shipping_and_handling():
    fields = {"tax": 15.0, "shippingOption": {"shippingRate": 6.0}, "handlingFee": {"value": 1.5}}
    assert one_order(**fields).goods_minor == 77_50
    fields["shippingOption"] = {"shippingRate": 6.0, "shippingRateWithoutTax": 5.0}
    assert one_order(**fields).goods_minor == 78_50


def test_the_goods_of_a_refund_are_the_same_share_as_in_the_order():
    order = one_order(
        paymentStatus="PARTIALLY_REFUNDED",
        tax=20.0,
        refunds=[{"date": "2026-03-05 10:00:00 +0000", "amount": 10.0}],
    )
    (refund,) = order.refunds
    assert (refund.amount_minor, refund.goods_minor, refund.refunded_at) == (10_00, 8_00, 1772704800)


def test_a_list_of_refunds_that_lacks_some_is_made_up_to_the_sum():
    known = {"date": "2026-03-05 10:00:00 +0000", "amount": 10.0}
    order = one_order(paymentStatus="PARTIALLY_REFUNDED", refundedAmount=25.0, refunds=[known])
    assert [refund.amount_minor for refund in order.refunds] == [10_00, 15_00]
    assert [refund.id for refund in order.refunds] == ["1", "2"]
    same = one_order(paymentStatus="PARTIALLY_REFUNDED", refundedAmount=10.0, refunds=[known])
    assert [refund.amount_minor for refund in same.refunds] == [10_00]


def test_customer_number_zero_is_nobody():
    assert one_order(customerId=0).customer_id is None


@pytest.mark.parametrize(
    ("said", "consent"),
    [
        (True, Consent(ConsentState.GRANTED, UPDATED_AT)),
        (False, Consent(ConsentState.WITHDRAWN, UPDATED_AT, "refused")),
        # Ecwid itself would mail them; it is no proof.
        (None, Consent(ConsentState.UNKNOWN, UPDATED_AT)),
    ],
)
def test_consent_is_only_what_was_said(said, consent):
    assert one_customer(acceptMarketing=said).consent == consent


def test_a_customer_is_read_with_language_group_and_place():
    customer = one_customer(
        lang="es", customerGroupName="Wholesale", billingPerson={"countryCode": "ES", "city": "Jaén"}
    )
    assert (customer.language, customer.country, customer.city) == ("es", "ES", "Jaén")
    assert (customer.tags, customer.wholesale) == (("Wholesale",), True)


def test_without_a_billing_address_the_place_is_where_it_was_sent():
    customer = one_customer(billingPerson=None, shippingAddresses=[{"countryCode": "PT", "city": "Faro"}])
    assert (customer.country, customer.city) == ("PT", "Faro")


def test_a_customer_never_changed_is_as_old_as_their_registration():
    assert one_customer(updated=None).updated_at == UPDATED_AT - 86_400


def test_a_customer_without_a_registration_is_as_old_as_their_last_change():
    assert one_customer(registered=None).created_at == UPDATED_AT
    batch = CUSTOMERS.read(ecwid_page(ecwid_customer(registered=None, updated=None)))
    assert [each.reason for each in batch.rejected] == ["registered: not a date with a time and an offset"]


def test_what_a_customer_has_besides_is_passed_over():
    stats = {"numberOfOrders": 3, "salesValue": 99.5, "firstOrderDate": None}
    assert one_customer(contacts=[{"type": "EMAIL"}], stats=stats, favorites=None) == one_customer()


def test_a_wish_list_begins_with_the_latest_and_names_each_product_once():
    wished = [(9, "2026-03-01 09:00:00 +0000"), (7, "2026-03-02 09:00:00 +0000"), (9, "2025-03-01 09:00:00 +0000")]
    favorites = [{"productId": id_, "addedTimestamp": at} for id_, at in wished]
    assert one_customer(favorites=favorites).wishes == ("7", "9")
    # Without a time a wish is the oldest; of one moment, the one that stands last in the list is the latest.
    favorites = [{"productId": 1}, {"productId": 2, "addedTimestamp": "soon"}, *favorites[:1]]
    assert one_customer(favorites=favorites).wishes == ("9", "2", "1")
    assert one_customer(favorites=[]).wishes == ()


@pytest.mark.parametrize(
    ("fields", "category"),
    [
        ({"defaultCategoryId": 2, "categoryIds": [1, 2]}, "Green tea"),
        ({"defaultCategoryId": 0, "categoryIds": [1, 2]}, "Tea"),
        ({"defaultCategoryId": 99, "categoryIds": [98, 2]}, "Green tea"),
        ({"defaultCategoryId": 99}, ""),
        ({}, ""),
    ],
)
def test_a_products_category_is_its_main_one_by_name(fields, category):
    body = ecwid_page({"id": 7, "name": "Sencha", "updateTimestamp": 1772442000, **fields})
    batch = products_in({1: "Tea", 2: " Green tea ", 3: ""}).read(body)
    assert (batch.records, batch.rejected) == ([Product("7", "Sencha", 1772442000, category)], [])


@pytest.mark.parametrize(
    ("fields", "fault"), [({"updateTimestamp": 0}, "updateTimestamp: not between"), ({"id": ""}, "id: not an id")]
)
def test_a_product_without_time_or_id_is_set_aside(fields, fault):
    batch = products_in({}).read(ecwid_page({"id": 7, "name": "Sencha", "updateTimestamp": 1772442000, **fields}))
    assert batch.records == []
    assert [each.reason.startswith(fault) for each in batch.rejected] == [True]


def one_cart(**fields):
    (cart,) = carts_in("EUR").read(ecwid_page(ecwid_cart(**fields))).records
    return cart


def test_a_cart_is_read_in_the_stores_currency():
    expected = Cart("6626E60A-A6F9", 1772355600, UPDATED_AT, "EUR", 37_39, "77", "ada@example.com")
    assert one_cart() == expected
    assert one_cart(customerId=0, email="").customer_id is None


@pytest.mark.parametrize(
    ("fields", "closed"),
    [({}, False), ({"hidden": True}, True), ({"recoveredOrderId": 5001}, True), ({"recoveredOrderId": 0}, False)],
)
def test_a_cart_is_closed_once_it_was_bought_or_hidden(fields, closed):
    assert one_cart(**fields).closed is closed


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"total": "NaN"}, "total: not an amount of money"),
        ({"total": -1}, "total: less than nothing"),
        ({"updateTimestamp": None}, "updateTimestamp: Expected `int`, got `null`"),
        ({"createTimestamp": 0}, "createTimestamp: not between 1970 and 2100"),
    ],
)
def test_a_cart_that_cannot_be_trusted_is_rejected_under_its_own_id(fields, fault):
    batch = carts_in("EUR").read(ecwid_page(ecwid_cart(**fields)))
    assert [(each.record_id, each.reason) for each in batch.rejected] == [("6626E60A-A6F9", fault)]


@pytest.mark.parametrize(
    ("written", "stamp"),
    [
        ("2026-03-02 09:00:00 +0000", UPDATED_AT),
        ("2026-03-02 13:00:00 +0400", UPDATED_AT),
        ("2026-03-02 04:00:00 -0500", UPDATED_AT),
        # Of what a store never had.
        ("1970-01-01 00:00:00 +0000", 0),
        ("0001-01-01 00:00:00 +0000", 0),
        (None, None),
        ("", None),
        ("yesterday", None),
        ("2026-03-02 09:00:00", None),
    ],
)
def test_a_stamp_of_the_latest_changes_is_an_instant_or_says_nothing(written, stamp):
    assert changed_at(written) == stamp


def test_a_deleted_order_is_known_by_either_id():
    gone = {"id": 5001, "orderId": "EBJFT", "date": "2026-03-02 09:00:00 +0000"}
    (deletion,) = DELETED.read(ecwid_page(gone)).records
    assert (deletion.ids, deletion.updated_at) == (("5001", "EBJFT"), UPDATED_AT)


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"total": "ten"}, "total: not an amount of money"),
        ({"total": 1e300}, "total: not an amount of money"),
        ({"updateTimestamp": 10**12}, "updateTimestamp: not between 1970 and 2100"),
        ({"createTimestamp": "yesterday"}, "createTimestamp: Expected `int`, got `str`"),
        ({"id": ""}, "id: not an id"),
        ({"paymentStatus": "hello world"}, "paymentStatus: this is not known to syncd"),
        ({"refunds": [{"amount": 1.0, "date": "soon"}]}, "refunds.date: not a date with a time and an offset"),
        ({"refunds": [{"amount": 1.0, "date": "2026-03-02 09:00:00"}]}, "refunds.date: a time without its zone"),
    ],
)
def test_an_order_that_cannot_be_trusted_is_rejected_with_field_and_fault(fields, fault):
    batch = orders_in("EUR").read(ecwid_page(ecwid_order(**fields)))
    assert batch.records == []
    assert [each.reason for each in batch.rejected] == [fault]


def test_a_bad_record_leaves_the_pages_own_numbers_readable():
    body = json.dumps({"total": 250, "count": 2, "items": [ecwid_order(total=None), ecwid_order(id="B")]}).encode()
    batch = orders_in("EUR").read(body)
    assert (batch.page.total, batch.page.count) == (250, 2)
    assert [order.id for order in batch.records] == ["B"]


@pytest.mark.parametrize("fields", [{}, {"total": None}])
def test_a_page_that_was_read_holds_its_records_once(fields):
    batch = orders_in("EUR").read(ecwid_page(ecwid_order(), ecwid_order(**fields)))
    assert batch.page.items == []
