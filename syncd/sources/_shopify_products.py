"""Shopify's products: how they are listed, and what they mean for us.

A product's type is the only word that the merchant chooses for its kind and that every product has. Shopify calls
this list deprecated since 2024-04, without a date for its end. Source: shopify.dev, REST Admin API, Product.
"""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct

from syncd.model import Product
from syncd.sources._records import Id, Reader, identifier, instant, text
from syncd.sources._shopify_api import List


class _Product(Struct, gc=False):
    id: Id
    updated_at: datetime
    title: str | None = None
    product_type: str | None = None


class _Products(Struct):
    products: list[_Product]


def _product(wire: _Product) -> Product:
    """Raises: RecordError."""
    return Product(
        id=identifier("id", wire.id),
        title=text(wire.title),
        updated_at=instant("updated_at", wire.updated_at),
        category=text(wire.product_type).strip(),
    )


# Without `fields` each product would come with all its variants, pictures and texts.
PRODUCTS = List(
    "products",
    Reader(_Products, "products", _Product, _product),
    {"order": "updated_at asc", "fields": "id,title,product_type,updated_at"},
)
