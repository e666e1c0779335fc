"""The made-up music that the demo shops sell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from syncd.sandbox.dice import dice
from syncd.sandbox.shop import Line, Product

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

CATEGORIES = ("Rock", "Pop", "Jazz", "Classical", "Electronic", "Flamenco", "Soundtrack", "Children")
ALBUMS_PER_CATEGORY = 30
_FIRST = ("Midnight", "Golden", "Silent", "Electric", "Paper", "Distant", "Velvet", "Northern", "Broken", "Summer")
_SECOND = ("Harbour", "Garden", "Letters", "Machines", "Rivers", "Windows", "Trains", "Gardens", "Islands", "Shadows")
FIRST_PRODUCT_ID = 7_001
_LIST_PRICE_MINOR = 1_299


def catalogue(seed: int) -> list[Product]:
    """All albums, grouped by category; the same in every shop."""
    chance = dice(seed, "catalogue")
    titles = [f"{first} {second}" for first in _FIRST for second in _SECOND]
    products = []
    for c, category in enumerate(CATEGORIES):
        for n, title in enumerate(chance.sample(titles, ALBUMS_PER_CATEGORY)):
            sku = f"{category[:3].upper()}-{n + 1:03d}"
            number = FIRST_PRODUCT_ID + c * ALBUMS_PER_CATEGORY + n
            products.append(Product(number, f"{title} ({category})", sku, category, _LIST_PRICE_MINOR))
    return products


def lines(
    chance: Random, products: Sequence[Product], favourite: int, units: int, goods_minor: int
) -> tuple[Line, ...]:
    """Lines of `units` albums that cost exactly `goods_minor`, two of three from the `favourite` category.

    The last album takes the remainder of the division; the others share two titles at most. Who takes a second
    title often takes the one that goes with the first.
    """
    price, rest = divmod(goods_minor, units)
    parts = [units] if not rest else [units - 1, 1]
    if parts[0] > 3:
        parts[:1] = [parts[0] - parts[0] // 2, parts[0] // 2]
    made: list[Line] = []
    for each in filter(None, parts):
        first = made[0].product if made else None
        made.append(Line(_album(chance, products, favourite, first), each, price))
    if rest:
        made[-1] = Line(made[-1].product, 1, price + rest)
    return tuple(made)


def _album(chance: Random, products: Sequence[Product], favourite: int, first: Product | None) -> Product:
    draw = chance.random()
    if draw < 2 / 3:
        return products[favourite * ALBUMS_PER_CATEGORY + int(draw * 1.5 * ALBUMS_PER_CATEGORY)]
    if first:
        # The album at the same place in the next category.
        return products[(products.index(first) + ALBUMS_PER_CATEGORY) % len(products)]
    return products[int((draw - 2 / 3) * 3 * len(products))]
