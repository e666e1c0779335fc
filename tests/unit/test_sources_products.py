"""What Shopify's products mean for us."""

from __future__ import annotations

from typing import Any

from syncd.model import Product
from syncd.sources._shopify_products import PRODUCTS
from tests.unit.shop_records import shopify_page

AT = "2026-03-01T10:00:00+01:00"
AT_SECONDS = 1_772_355_600


def read(**fields: Any) -> Any:
    product = {"id": 632910392, "title": "Sencha", "product_type": "Tea", "updated_at": AT, **fields}
    return PRODUCTS.reader.read(shopify_page("products", product))


def test_a_products_category_is_its_type() -> None:
    assert read().records == [Product("632910392", "Sencha", AT_SECONDS, "Tea")]
    assert read(product_type=" Green tea ").records[0].category == "Green tea"


def test_a_product_may_have_neither_title_nor_type() -> None:
    for nothing in ("", None):
        assert read(title=nothing, product_type=nothing).records == [Product("632910392", "", AT_SECONDS)]


def test_a_product_of_no_known_time_is_set_aside() -> None:
    (kept,) = read(updated_at=None).rejected
    assert (kept.record_id, kept.reason.partition(":")[0]) == ("632910392", "updated_at")
