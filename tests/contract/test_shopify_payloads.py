"""What the sandbox's Shopify says is valid against the JSON schemas made from Shopify's payloads of 2026-07.

They describe webhooks. Where the sandbox differs it is for a reason, and each is in the table of exceptions;
an exception that no record needs any more fails the test, too.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
import requests
from jsonschema import Draft202012Validator

from syncd.sandbox.serve import Running

SCHEMAS = Path(__file__).parents[2].parent / "shared" / "fixtures" / "shopify-webhook-jsonschema-2026-07"
pytestmark = pytest.mark.skipif(not SCHEMAS.exists(), reason="the published schemas are not on this machine")

# The schemas were inferred from examples, which are fewer than the cases. {(topic, where, rule): why}
EXCEPTIONS = {
    ("orders.updated", "refunds", "items"): "the example has none; each refund is held against its own schema instead",
    ("orders.updated", "customer", "type"): "a counter sale or a guest has none",
    ("orders.updated", "billing_address", "type"): "nor an address",
    ("orders.updated", "shipping_address", "type"): "nor an address",
    ("refunds.create", "transactions.[].error_code", "type"): "the example's money moved; what failed says why",
    ("checkouts.update", "line_items.[].properties", "anyOf"): "Shopify's own example has none either",
    ("checkouts.update", "total_duties", "anyOf"): "Shopify's own example has none either",
    ("products.update", "image", "type"): "Shopify's own example has none either",
}
# REST still numbers checkouts.
ONLY_REST_ORDERS = {"checkout_id"}
# And of customers it tells more than the thin webhook does.
ONLY_REST_CUSTOMERS = {
    *("orders_count", "total_spent", "last_order_id", "last_order_name", "tags"),
    *("email_marketing_consent", "sms_marketing_consent"),
}


def faults(topic: str, records: Iterable[Any]) -> Counter[tuple[str, str, str]]:
    """What is wrong with the records, by topic, place and rule."""
    schema = json.loads((SCHEMAS / f"{topic}.json").read_bytes())
    return Counter(
        (topic, ".".join("[]" if isinstance(step, int) else step for step in error.absolute_path), str(error.validator))
        for record in records
        for error in Draft202012Validator(schema).iter_errors(record)
    )


def unknown(topic: str, record: dict[str, Any]) -> set[str]:
    """The fields that the schema does not know."""
    return record.keys() - json.loads((SCHEMAS / f"{topic}.json").read_bytes())["properties"].keys()


@pytest.fixture(scope="module")
def shown(open_sandbox: Callable[..., Running]) -> Callable[[str], list[dict[str, Any]]]:
    """All records of a list."""
    acme = open_sandbox(customers=200)

    def read(name: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        url = f"{acme.urls['shopify']}/admin/api/2026-07/{name}.json?status=any&limit=250"
        while url:
            reply = requests.get(url, headers={"X-Shopify-Access-Token": "sandbox"}, timeout=10)
            found += reply.json()[name]
            url = reply.links.get("next", {}).get("url", "")
        return found

    return read


def test_what_the_shop_shows_is_valid_but_for_the_exceptions(shown: Callable[[str], list[dict[str, Any]]]) -> None:
    orders, customers, checkouts, products = map(shown, ("orders", "customers", "checkouts", "products"))
    refunds = [refund for order in orders for refund in order["refunds"]]
    assert len(orders) > 300
    assert len(customers) > 100
    assert len(refunds) > 10
    assert checkouts
    assert products
    found = faults("orders.updated", orders) + faults("refunds.create", refunds)
    found += faults("customers.update", customers) + faults("checkouts.update", checkouts)
    found += faults("products.update", products)
    assert found.keys() == EXCEPTIONS.keys()


@pytest.mark.parametrize("topic", ["orders.create", "orders.paid", "orders.cancelled"])
def test_an_order_of_a_customer_without_refunds_is_valid_under_every_topic(
    topic: str, shown: Callable[[str], list[dict[str, Any]]]
) -> None:
    plain = [order for order in shown("orders") if order["customer"] and not order["refunds"]]
    assert len(plain) > 200
    assert faults(topic, plain[:100]) == Counter()


def test_the_only_fields_beyond_the_schemas_are_those_that_rest_alone_tells(
    shown: Callable[[str], list[dict[str, Any]]],
) -> None:
    order, customer, checkout, product = (shown(name)[0] for name in ("orders", "customers", "checkouts", "products"))
    assert unknown("orders.updated", order) == ONLY_REST_ORDERS
    assert unknown("customers.update", customer) == ONLY_REST_CUSTOMERS
    assert unknown("checkouts.update", checkout) == set()
    assert unknown("products.update", product) == set()
