"""Products as Shopify writes them, and which of them a list means. Source: its published example payloads; shopify.dev
"Product".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from syncd.sandbox.shopify.filters import customers_wanted
from syncd.sandbox.texts import decimal_text, offset_text

if TYPE_CHECKING:
    from syncd.sandbox.shop import Product, ShopState
    from syncd.sandbox.shopify.filters import Filters, Wanted

Json = dict[str, Any]


def products_wanted(shop: ShopState, filters: Filters) -> Wanted:
    """The test that a product must pass; None where all do."""
    others, kind = customers_wanted(shop, filters), filters.get("product_type")
    if not kind:
        return others
    return lambda product: product.category == kind and (others is None or others(product))


def product_json(shop: ShopState, product: Product) -> Json:
    """The product as `GET /products.json` shows it; it comes in one variant."""
    created, updated = (offset_text(when, shop.timezone) for when in (product.created_at, product.updated_at))
    variant = _variant(product, decimal_text(product.price_minor, shop.currency), created, updated)
    return {
        "id": product.id,
        "admin_graphql_api_id": f"gid://shopify/Product/{product.id}",
        "title": product.title,
        "body_html": product.title,
        "vendor": "Sandbox Records",
        "product_type": product.category,
        "category": None,
        "handle": f"product-{product.id}",
        "created_at": created,
        "updated_at": updated,
        "published_at": created,
        "published_scope": "web",
        "template_suffix": None,
        "status": "active",
        "tags": "",
        "variants": [variant],
        "options": [
            {
                "id": product.id * 100,
                "product_id": product.id,
                "name": "Title",
                "position": 1,
                "values": ["Default Title"],
            }
        ],
        "images": [],
        "image": None,
        "media": [],
        "variant_gids": [{"admin_graphql_api_id": variant["admin_graphql_api_id"], "updated_at": updated}],
        "has_variants_that_requires_components": False,
    }


def _variant(product: Product, price: str, created: str, updated: str) -> Json:
    number = product.id + 1_000_000
    return {
        "id": number,
        "admin_graphql_api_id": f"gid://shopify/ProductVariant/{number}",
        "product_id": product.id,
        "title": "Default Title",
        "option1": "Default Title",
        "option2": None,
        "option3": None,
        "sku": product.sku,
        "price": price,
        "compare_at_price": None,
        "barcode": None,
        "position": 1,
        "taxable": True,
        "image_id": None,
        "inventory_item_id": None,
        "inventory_policy": "deny",
        "inventory_quantity": 10,
        "old_inventory_quantity": 10,
        "created_at": created,
        "updated_at": updated,
    }
