"""A record that is wrong: it waits in quarantine with its reason, its neighbours go on, and no amount is misread.

The small generator here takes a real order or customer of each platform and puts every kind of wrong value into
every place of it, one at a time.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest
import requests

from syncd.history.database import open_history
from syncd.model import Customer, Order
from syncd.sandbox import happenings
from syncd.sandbox.audience import Switches
from syncd.sandbox.spoiling import mutated
from syncd.sources import _ecwid_wire as ecwid
from syncd.sources import _shopify_wire as shopify
from syncd.sources._records import Reader
from tests.integration.mailchimp_world import Town
from tests.traps.hostile import Siege, complete, siege
from tests.traps.mailchimp_stage import Home, empty

BIG = 2**53 + 1
# Put in as they stand: JSON, or what only looks like it.
VALUES = {
    "null": "null",
    "a number": "7",
    "less than nothing": "-1.5",
    "true": "true",
    "a text": '"x"',
    "an empty text": '""',
    "a list": "[]",
    "a list in a list": "[[1]]",
    "an object": "{}",
    "more than a number": "1e400",
    "400 digits": "9" * 400,
    "2^53 + 1": str(BIG),
    "not a number": "NaN",
    "less than all numbers": "-Infinity",
    "nothing": "",
    "NUL": '"\\u0000"',
    "half a character": '"\\ud800"',
    "5,000 deep": "[" * 5_000 + "]" * 5_000,
    "a long text": '"' + "x" * 10_000 + '"',
    "year 0": '"0000-00-00T00:00:00Z"',
    "year 1600": '"1600-01-01T00:00:00Z"',
    "year 9999": '"9999-12-31T23:59:59-12:00"',
    "an amount with a comma": '"1,234.50"',
}
# Whatever else such a document holds is not looked at.
READERS: dict[str, tuple[Reader[Any, Any, Any], str]] = {
    "shopify order": (shopify.ORDERS, '{"orders": [%s]}'),
    "shopify customer": (shopify.CUSTOMERS, '{"customers": [%s]}'),
    "ecwid order": (ecwid.orders_in("EUR"), '{"total": 3, "count": 3, "items": [%s]}'),
    "ecwid customer": (ecwid.CUSTOMERS, '{"total": 3, "count": 3, "items": [%s]}'),
}
# The only places from which an amount is read: what stands there as a plain number is what the shop says.
AMOUNTS = {
    "shopify order": {
        "total_price_set.shop_money.amount": "paid_minor",
        "subtotal_price_set.shop_money.amount": "goods_minor",
        "total_tax_set.shop_money.amount": "goods_minor",
        "refunds.0.transactions.0.amount": "refunded_minor",
        "refunds.0.transactions.0.amount_set.shop_money.amount": "refunded_minor",
    },
    "ecwid order": {
        "total": "paid_minor",
        "tax": "goods_minor",
        "shippingOption.shippingRate": "goods_minor",
        "refundedAmount": "refunded_minor",
        "refunds.0.amount": "refunded_minor",
    },
}


@pytest.fixture(scope="module")
def town() -> Iterator[Town]:
    with Town() as town:
        town.world.throttle.enforce = False
        yield town


@pytest.fixture(scope="module")
def documents(town: Town) -> dict[str, dict[str, Any]]:
    """A real order, partly refunded, and a real customer of each platform, as its own API shows them."""
    empty(town, Switches())
    for name, consent in (("acme", "subscribed"), ("cafe", True)):
        shop = town.world.shops[name]
        order = happenings.place_order(
            shop, {"email": "ann@shop.example", "amount": "121.00", "shipping": "4.00", "consent": consent}
        )
        shop.refund(order.id, 20_00)
    urls = town.running.urls
    admin, store = f"{urls['shopify']}/admin/api/2026-07", f"{urls['ecwid']}/api/v3/1003"

    def ask(url: str, key: str, **headers: str) -> dict[str, Any]:
        rows = requests.get(url, headers=headers, timeout=10).json()[key]
        (found,) = [row for row in rows if row["email"] == "ann@shop.example"]
        assert isinstance(found, dict)
        return found

    token, bearer = {"X-Shopify-Access-Token": "sandbox"}, {"Authorization": "Bearer sandbox"}
    return {
        "shopify order": ask(f"{admin}/orders.json?status=any", "orders", **token),
        "shopify customer": ask(f"{admin}/customers.json", "customers", **token),
        "ecwid order": ask(f"{store}/orders", "items", **bearer),
        "ecwid customer": ask(f"{store}/customers?limit=100", "items", **bearer),
    }


def places(document: object, before: str = "") -> Iterator[str]:
    """Every place in a document."""
    items = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    for key, value in items:
        yield f"{before}{key}"
        yield from places(value, f"{before}{key}.")


def facts(record: Order | Customer) -> dict[str, Any]:
    """What must not change without a reason."""
    if isinstance(record, Customer):
        return {"consent": record.consent.state, "wholesale": record.wholesale, "redacted": record.redacted}
    return {
        "paid_minor": record.paid_minor,
        "goods_minor": record.goods_minor,
        "refunded_minor": sum(refund.amount_minor for refund in record.refunds if refund.moved),
        "currency": record.currency,
        "status": record.status,
        "cancelled": record.cancelled,
        "test": record.test,
        "placed_at": record.placed_at,
    }


# Where a change of the facts is what the shop says: {kind: {place: facts}}.
TOLD = {
    "shopify order": {
        "test": {"test"},
        "cancelled_at": {"cancelled"},
        # Without anything in it.
        "refunds": {"refunded_minor"},
        "refunds.0": {"refunded_minor"},
        "refunds.0.transactions": {"refunded_minor"},
        "refunds.0.transactions.0": {"refunded_minor"},
    },
    # Without shipping all of it is for goods.
    "ecwid order": {
        "createTimestamp": {"placed_at"},
        "shippingOption": {"goods_minor"},
        "shippingOption.shippingRate": {"goods_minor"},
    },
    "shopify customer": {"email_marketing_consent": {"consent"}, "email_marketing_consent.state": {"consent"}},
    "ecwid customer": {"acceptMarketing": {"consent"}},
}


@pytest.mark.parametrize("kind", READERS)
def test_no_wrong_value_in_any_place_changes_what_is_read_or_touches_a_neighbour(
    documents: dict[str, dict[str, Any]], kind: str
) -> None:
    reader, page = READERS[kind]
    document = documents[kind]
    text = json.dumps(document)
    first, last = (json.dumps({**document, "id": id_}) for id_ in (11, 99))
    (right,) = reader.read((page % text).encode()).records
    silent, tried, rejected = [], 0, 0
    for place in places(document):
        slot = mutated(text.encode(), place, '"SLOT"')
        for name, value in VALUES.items():
            spoiled = slot.replace(b'"SLOT"', value.encode()) if value else mutated(text.encode(), place, "")
            body = (page % f"{first}, SPOILED, {last}").encode().replace(b"SPOILED", spoiled)
            batch = reader.read(body)
            tried += 1
            neighbours = [record for record in batch.records if record.id in ("11", "99")]
            assert [facts(record) for record in neighbours] == [facts(right)] * 2, (place, name)
            if batch.rejected:
                rejected += 1
                (one,) = batch.rejected
                assert (one.raw, "ann@" in one.reason) == (spoiled, False), (place, name)
                continue
            (record,) = [record for record in batch.records if record.id not in ("11", "99")]
            changed = {fact for fact, found in facts(record).items() if found != facts(right)[fact]}
            changed -= TOLD[kind].get(place, set())
            if changed and not _is_said(kind, place, value, record):
                silent.append((place, name, changed))
    assert silent == []
    assert tried > 700
    assert rejected > tried / 10


def _is_said(kind: str, place: str, value: str, record: Order) -> bool:
    """Whether the amount that was read is the number that stands there."""
    fact = AMOUNTS.get(kind, {}).get(place)
    try:
        said = Decimal(value.strip('"'))
    except ArithmeticError:
        return False
    return fact is not None and (fact != "paid_minor" or record.paid_minor == said * 100)


def test_ids_beyond_2_to_the_53_stay_exact(documents: dict[str, dict[str, Any]]) -> None:
    for kind, (reader, page) in READERS.items():
        for id_ in (BIG, 2**63 - 1, 2**64 - 1):
            spoiled = mutated(json.dumps(documents[kind]).encode(), "id", str(id_)).decode()
            (record,) = reader.read((page % spoiled).encode()).records
            assert record.id == str(id_)


@pytest.fixture(scope="module")
def besieged(
    town: Town, history_url: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Siege]:
    empty(town, Switches())
    with open_history(history_url("sqlite")) as history:
        home = Home(town.running, history, tmp_path_factory.mktemp("records"))
        with siege(home, history_url("sqlite")) as found:
            found.buys("first@shop.example")
            found.cycle()
            yield found


# The newest order: Shopify shows it last, Ecwid first.
IN_QUARANTINE = [
    ("shopify", "*/orders.json", "orders.-1.total_price_set.shop_money.amount", "NaN"),
    ("shopify", "*/orders.json", "orders.-1.total_price_set.shop_money.amount", '"1,234.50"'),
    ("shopify", "*/orders.json", "orders.-1.processed_at", '"1600-01-01T00:00:00Z"'),
    ("shopify", "*/orders.json", "orders.-1.processed_at", '"9999-12-31T23:59:59Z"'),
    ("shopify", "*/orders.json", "orders.-1.updated_at", '"9999-12-31T23:59:59Z"'),
    ("shopify", "*/orders.json", "orders.-1.line_items", "[" * 5_000 + "]" * 5_000),
    ("shopify", "*/orders.json", "orders.-1.email", '"\\ud800"'),
    ("shopify", "*/orders.json", "orders.-1.total_price_set.shop_money.currency_code", '"Euro"'),
    ("ecwid", "*/orders", "items.0.total", "-1"),
    ("ecwid", "*/orders", "items.0.total", "1e999"),
    ("ecwid", "*/orders", "items.0.paymentStatus", '"MAYBE"'),
    ("ecwid", "*/orders", "items.0.createTimestamp", "-11676096000"),
    ("ecwid", "*/orders", "items.0.refunds", '[{"amount": "x"}]'),
]


@pytest.mark.parametrize(("service", "path", "field", "value"), IN_QUARANTINE)
def test_one_bad_order_waits_in_quarantine_and_comes_when_it_is_right(
    besieged: Siege, service: str, path: str, field: str, value: str
) -> None:
    bought = besieged.news()
    cycle = besieged.struck(service, path, {"kind": "mutate", "field": field, "value": value})
    assert complete(cycle.errors) == []
    waiting = besieged.quarantine()
    assert len(waiting) == 1
    assert waiting[0].reason
    assert "@" not in waiting[0].reason
    # Everybody else was served: also the other customer of the same shop's page.
    (other,) = set(bought) - {service}
    assert besieged.tags(bought[other]) == {"buyer"}
    assert bought[service] not in {row[0] for row in besieged.held()["orders"]}
    besieged.recovers()
    assert besieged.quarantine() == []
