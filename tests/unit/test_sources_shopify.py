"""What Shopify's records mean for us."""

from __future__ import annotations

import pytest

from syncd.model import Consent, ConsentState, Item, OrderStatus
from syncd.sources._shopify_wire import CUSTOMERS, EVENTS, ORDERS
from tests.unit.shop_records import money, shopify_customer, shopify_order, shopify_page, shopify_refund

PLACED_AT = 1772355600  # 2026-03-01 10:00 in Madrid


def one_order(**fields):
    batch = ORDERS.read(shopify_page("orders", shopify_order(**fields)))
    assert batch.rejected == []
    return batch.records[0]


def one_customer(**fields):
    batch = CUSTOMERS.read(shopify_page("customers", shopify_customer(**fields)))
    assert batch.rejected == []
    return batch.records[0]


def reason(**fields):
    batch = ORDERS.read(shopify_page("orders", shopify_order(**fields)))
    assert batch.records == []
    return batch.rejected[0].reason


def test_an_order_is_read_with_its_items():
    item = {"id": 1, "product_id": 9, "title": "Mug", "sku": "M-1", "quantity": 2, "price": "12.50"}
    order = one_order(line_items=[item])
    assert (order.id, order.placed_at, order.status, order.currency) == ("5001", PLACED_AT, OrderStatus.PAID, "EUR")
    assert (order.paid_minor, order.goods_minor, order.customer_id) == (100_00, 100_00, "77")
    assert order.items == (Item("9", "Mug", 2, 12_50, "M-1"),)


def test_an_imported_order_counts_from_when_it_was_placed():
    assert one_order(processed_at="2019-05-01T00:00:00+02:00").placed_at == 1556661600
    assert one_order(processed_at=None).placed_at == PLACED_AT


def test_the_offset_of_the_shop_moves_no_instant():
    assert one_order(updated_at="2026-03-01T04:00:00-05:00").updated_at == PLACED_AT


def test_only_the_shops_own_money_counts_whatever_the_buyer_saw():
    sets = {
        "total_price_set": money("100.00", "EUR", "86.00", "GBP"),
        "subtotal_price_set": money("95.00", "EUR", "81.70", "GBP"),
    }
    order = one_order(currency="EUR", presentment_currency="GBP", **sets)
    assert (order.currency, order.paid_minor, order.goods_minor) == ("EUR", 100_00, 95_00)


def test_an_order_keeps_the_currency_that_the_shop_had_at_the_time():
    order = one_order(currency="EUR", total_price_set=money("100", "JPY"), subtotal_price_set=money("90", "JPY"))
    assert (order.currency, order.paid_minor, order.goods_minor) == ("JPY", 100, 90)


@pytest.mark.parametrize(("amount", "minor"), [("404.95", 404_95), ("43.0", 43_00), ("0.5", 50), ("-0.00", 0)])
def test_amounts_are_numbers_not_text(amount, minor):
    assert one_order(total_price=amount, subtotal_price="0").paid_minor == minor


def test_a_refund_in_the_buyers_money_is_worth_its_share_of_the_order():
    sets = {
        "total_price_set": money("100.00", "EUR", "86.00", "GBP"),
        "subtotal_price_set": money("100.00", "EUR", "86.00", "GBP"),
    }
    refund = shopify_refund(1, "43.00")
    refund["transactions"][0]["currency"] = "GBP"
    assert one_order(refunds=[refund], **sets).refunds[0].amount_minor == 50_00


def test_a_refund_in_a_third_money_is_not_guessed():
    refund = shopify_refund(1, "43.00")
    refund["transactions"][0]["currency"] = "CHF"
    assert reason(refunds=[refund]) == "refunds.transactions.currency: neither the shop's nor the buyer's"


def test_goods_of_a_refund_are_its_lines_and_never_more_than_the_money():
    lines = [{"subtotal": 60.0, "subtotal_set": money("60.00", "EUR")}, {"subtotal": 30.0}]
    (refund,) = one_order(refunds=[shopify_refund(1, "75.00", refund_line_items=lines)]).refunds
    assert (refund.amount_minor, refund.goods_minor, refund.moved) == (75_00, 75_00, True)
    (refund,) = one_order(refunds=[shopify_refund(1, "95.00", refund_line_items=lines)]).refunds
    assert refund.goods_minor == 90_00


def test_a_return_without_any_money_is_no_refund():
    record = shopify_refund(1, "10.00")
    record["transactions"] = []
    assert one_order(refunds=[record]).refunds == ()


def test_money_that_did_not_move_is_told_apart():
    refunds = [shopify_refund(1, "10.00", "pending"), shopify_refund(2, "20.00", "failure"), shopify_refund(3, "5.00")]
    assert [refund.moved for refund in one_order(refunds=refunds).refunds] == [False, False, True]


def test_goods_leave_out_the_tax_that_prices_include_but_not_that_of_shipping():
    order = one_order(
        taxes_included=True,
        subtotal_price="90.00",
        total_tax="17.36",
        shipping_lines=[{"tax_lines": [{"price": "1.74"}]}],
    )
    assert (order.paid_minor, order.goods_minor) == (100_00, 90_00 - 15_62)


def test_a_counter_sale_may_have_nobody():
    order = one_order(customer=None, email="", contact_email=None)
    assert (order.customer_id, order.email) == (None, None)


def test_an_address_is_taken_from_wherever_the_order_has_one():
    assert one_order(email="", contact_email="bob@example.com").email == "bob@example.com"
    assert one_order(email=None, contact_email=None).email == "ada@example.com"


def test_ids_above_two_to_the_53_lose_nothing():
    assert one_order(id=9_007_199_254_740_993).id == "9007199254740993"
    assert one_order(id="820982911946154508").id == "820982911946154508"


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("subscribed", ConsentState.GRANTED),
        ("pending", ConsentState.PENDING),
        ("unsubscribed", ConsentState.WITHDRAWN),
        ("redacted", ConsentState.WITHDRAWN),
        ("invalid", ConsentState.WITHDRAWN),
        ("not_subscribed", ConsentState.UNKNOWN),
        ("something_new", ConsentState.UNKNOWN),
        (None, ConsentState.UNKNOWN),
    ],
)
def test_consent_is_what_the_person_said(state, expected):
    given = {"state": state, "opt_in_level": "confirmed_opt_in", "consent_updated_at": "2026-03-01T10:00:01+01:00"}
    assert one_customer(email_marketing_consent=given).consent == Consent(expected, PLACED_AT + 1, "confirmed_opt_in")


def test_without_its_own_date_consent_is_as_old_as_the_customer():
    assert one_customer().consent == Consent(ConsentState.UNKNOWN, PLACED_AT)


def test_the_old_flag_says_yes_or_nothing():
    assert one_customer(email_marketing_consent=None, accepts_marketing=True).consent.state is ConsentState.GRANTED
    assert one_customer(email_marketing_consent=None, accepts_marketing=False).consent.state is ConsentState.UNKNOWN


def test_a_customer_is_read_with_tags_and_place():
    customer = one_customer(tags="vip, WholeSale ,", default_address={"country_code": "es", "city": "Jaén"})
    assert (customer.tags, customer.wholesale) == (("vip", "WholeSale"), True)
    assert (customer.country, customer.city) == ("ES", "Jaén")


def test_tags_are_the_same_as_one_text_and_as_a_list():
    assert one_customer(tags=["vip", " WholeSale ", ""]) == one_customer(tags="vip, WholeSale ,")


def test_a_redacted_customer_has_no_address():
    assert one_customer(email=None, email_marketing_consent=None).email is None


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"total_price": "1,234.50"}, "total_price: not an amount of money"),
        ({"total_price": "NaN"}, "total_price: not an amount of money"),
        ({"total_price": "-5.00"}, "total_price: less than nothing"),
        ({"total_price": None}, "total_price: Expected `float | str`, got `null`"),
        ({"currency": "ZZZ"}, "total_price: in a currency that ISO 4217 does not know"),
        ({"updated_at": "2026-03-01T10:00:00"}, "updated_at: a time without its zone"),
        ({"updated_at": "9999-12-31T00:00:00Z"}, "updated_at: not between 1970 and 2100"),
        ({"processed_at": "0001-01-01T00:00:00+10:00"}, "processed_at: not between 1970 and 2100"),
        ({"created_at": "0000-00-00T00:00:00Z"}, "created_at: Invalid RFC3339 encoded datetime"),
        ({"customer": {"id": -1}}, "customer.id: not an id"),
        ({"line_items": [{"quantity": 10**12, "price": "1"}]}, "line_items.quantity: not a number of things"),
        ({"line_items": [{"quantity": "two", "price": "1"}]}, "line_items[0].quantity: Expected `int`, got `str`"),
        ({"refunds": {}}, "refunds: Expected `array`, got `object`"),
        ({"subtotal_price_set": money("1.00", "USD")}, "subtotal_price: not in the currency of the order"),
    ],
)
def test_an_order_that_cannot_be_trusted_is_rejected_with_field_and_fault(fields, fault):
    assert reason(**fields) == fault


def test_deletions_are_the_events_that_destroyed_something():
    events = [
        {"id": 1, "subject_id": 5001, "subject_type": "Order", "verb": verb, "created_at": "2026-03-01T10:00:00+01:00"}
        for verb in ("placed", "destroy")
    ]
    (gone,) = EVENTS.read(shopify_page("events", *events)).records
    assert (gone.id, gone.updated_at) == ("5001", PLACED_AT)
