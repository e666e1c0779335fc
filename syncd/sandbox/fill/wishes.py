"""Wish lists: what some of a store's customers would like to have one day."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from syncd.sandbox.dice import dice
from syncd.sandbox.shop import Wish

if TYPE_CHECKING:
    from collections.abc import Sequence

    from syncd.sandbox.shop import Product, ShopState

# One customer of so many keeps a list, of at most so many products, begun at most so long ago.
CUSTOMERS_A_LIST, MOST_WISHES = 15, 4
_SINCE_SECONDS = 120 * 86_400


def make_wishes(shop: ShopState, seed: int, products: Sequence[Product]) -> None:
    """Afterwards some customers of the shop wish for something; nothing else about them changes."""
    chance, now = dice(seed, "wishes", shop.name), shop.now()
    known = [each for each in shop.customers if each.email and each.created_at < now - _SINCE_SECONDS]
    wishing = chance.sample(known, min(len(known), 1 + len(known) // CUSTOMERS_A_LIST))
    made = []
    for customer in wishing:
        wanted = chance.sample(products, chance.randint(1, MOST_WISHES))
        since = sorted(now - chance.randrange(3_600, _SINCE_SECONDS) for _ in wanted)
        wishes = (Wish(product.id, at) for product, at in zip(wanted, since, strict=True))
        made.append(replace(customer, favorites=tuple(wishes)))
    shop.customers.load(made)
