"""One bad record costs itself and nothing else; what is no page at all is never taken for an empty one."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.errors import RecordError, TransientError
from syncd.sources._ecwid_wire import CUSTOMERS as ECWID_CUSTOMERS
from syncd.sources._ecwid_wire import carts_in, orders_in
from syncd.sources._records import country, identifier, record_id, split, text
from syncd.sources._shopify_wire import CUSTOMERS, ORDERS
from tests.unit.shop_records import (
    ecwid_cart,
    ecwid_customer,
    ecwid_order,
    ecwid_page,
    shopify_customer,
    shopify_order,
    shopify_page,
    shopify_refund,
)

GOOD = json.dumps(shopify_order(id=1)).encode()
LAST = json.dumps(shopify_order(id=3)).encode()


def page_with(raw: bytes) -> bytes:
    return b'{"orders": [' + b", ".join((GOOD, raw, LAST)) + b"]}"


@pytest.mark.parametrize(
    "raw",
    [
        b'{"id": 2, "total_price": NaN}',
        b'{"id": 2, "total_price": Infinity}',
        b'{"id": 2, "total_price": ' + b"9" * 5_000 + b"}",
        b'{"id": 2, "total_price": 1e400}',
        b'{"id": 2, "note": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"id": 2, "email": "\\ud800"}',
        b'{"id": 2, "email": "\xff\xfe"}',
        b'{"id": 2, "email": ["a@example.com"]}',
        b'{"id": 2, "note": "quotes \\" and ] and } and ,"}',
        b'{"id": 2}',
    ],
)
def test_a_poisonous_record_costs_itself_only(raw):
    batch = ORDERS.read(page_with(raw))
    assert [order.id for order in batch.records] == ["1", "3"]
    assert [(each.record_id, each.raw) for each in batch.rejected] == [("2", raw)]
    assert batch.rejected[0].reason


def test_a_rejected_record_can_be_tried_again_and_says_the_same():
    (rejected,) = ORDERS.read(page_with(b'{"id": 2}')).rejected
    with pytest.raises(RecordError, match=r"^record: Object missing required field"):
        ORDERS.parse(rejected.raw)
    order = ORDERS.parse(GOOD)
    assert order is not None
    assert order.id == "1"


@pytest.mark.parametrize(
    "raw", [b"null", b"[]", b"7", b'"text"', b'{"note": "no id"}', b'{"id": true}', b'{"id": null, "note": 1}']
)
def test_a_record_without_an_id_is_named_by_its_bytes(raw):
    first, second = ORDERS.read(page_with(raw)).rejected[0], ORDERS.read(page_with(raw + b" ")).rejected[0]
    assert first.record_id.startswith("unnamed-")
    assert first.record_id == second.record_id
    assert record_id(b'{"note": "another"}') != first.record_id


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"<!doctype html><title>Sign in</title>",
        b'{"errors": "Exceeded 2 calls per second"}',
        b'{"orders": null}',
        b'{"orders": {}}',
        page_with(b'{"id": 2}')[:-1],
        page_with(b'{"id": 2}')[:-2],
        page_with(b'{"id": 2}')[:100],
        page_with(b'{"id": 2}') + b"<html>",
        b"\xff\xfe",
    ],
)
def test_what_is_no_page_is_worth_another_try(body):
    with pytest.raises(TransientError):
        ORDERS.read(body)


def test_an_empty_page_is_a_page():
    assert ORDERS.read(b'{"orders": [ ]}').records == []


def test_a_reason_holds_nothing_of_the_person():
    secret = "ada.lovelace@example.com"
    for field in shopify_order():
        for value in (secret, [secret], {"x": secret}):
            for rejected in ORDERS.read(shopify_page("orders", shopify_order(**{field: value}))).rejected:
                assert "lovelace" not in rejected.reason
    (rejected,) = ORDERS.read(page_with(b'{"id": 2, "email": "' + secret.encode() + b'\xff"}')).rejected
    assert "lovelace" not in rejected.reason


ODD = ["1e400", "2026-13-01T00:00:00Z", "\x00", "EUR", "0", -(2**70), 2**70]
ATOMS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.sampled_from(ODD)
JUNK = st.recursive(
    ATOMS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "amount", "price"]), inner),
    max_leaves=6,
)
READERS = [
    (ORDERS, shopify_order(refunds=[shopify_refund(1, "5")]), lambda record: shopify_page("orders", record)),
    (CUSTOMERS, shopify_customer(), lambda record: shopify_page("customers", record)),
    (orders_in("EUR"), ecwid_order(refunds=[{"amount": 1.0, "date": None}]), ecwid_page),
    (ECWID_CUSTOMERS, ecwid_customer(), ecwid_page),
    (carts_in("EUR"), ecwid_cart(), ecwid_page),
]


@pytest.mark.parametrize(("reader", "record", "page"), READERS)
def test_whatever_a_field_holds_the_record_is_read_or_rejected(reader, record, page):
    @given(st.dictionaries(st.sampled_from(sorted(record)), JUNK | st.just(float("nan")), min_size=1, max_size=3))
    def holds(changes):
        batch = reader.read(page({**record, **changes}))
        assert len(batch.records) + len(batch.rejected) == 1 or changes.get("paymentStatus") == "INCOMPLETE"

    holds()


@given(st.lists(st.dictionaries(st.text(max_size=5), JUNK, max_size=3), max_size=5))
def test_cutting_a_page_gives_its_items_and_leaves_the_rest(items):
    body = json.dumps({"before": ["]", "items"], "items": items, "after": {"items": [1, 2]}}).encode()
    envelope, raws = split(body, "items")
    assert [json.loads(raw) for raw in raws] == items
    assert json.loads(envelope) == {"before": ["]", "items"], "items": [], "after": {"items": [1, 2]}}


@pytest.mark.parametrize("value", [0, -1, "", "x" * 65, 10**64, "a\x00b", "a\nb"])
def test_an_id_is_short_and_printable(value):
    with pytest.raises(RecordError, match="id: not an id"):
        identifier("id", value)


def test_texts_fit_every_database():
    assert text("a\x00b" + "c" * 300) == "ab" + "c" * 253
    assert text(None) == ""
    assert [country(code) for code in ("es", "ESP", "1A", "", None, "Ñ1")] == ["ES", "", "", "", "", ""]
