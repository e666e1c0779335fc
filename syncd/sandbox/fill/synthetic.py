"""Made-up purchases of any number, with everything in them that a connector stumbles over.

Which purchase is refunded, cancelled, a test and so on follows from its number, so that even small data has each kind.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from syncd.sandbox.dice import dice
from syncd.sandbox.fill.catalogue import CATEGORIES, lines
from syncd.sandbox.fill.dataset import Buyer, GivenBack, Purchase, moment, today_of
from syncd.sandbox.fill.people import person

if TYPE_CHECKING:
    from collections.abc import Sequence

    from syncd.sandbox.shop import Product

DEFAULT_CUSTOMERS = 200
ORDERS_PER_CUSTOMER = 5
_DAYS = 900
_DAY_SECONDS = 86_400
_TAX_PERCENT = 21
_SHIPPING_MINOR, _FREE_FROM_MINOR = 495, 4_000
_FOREIGN = 17  # the one order in another currency
_TWIN_EVERY = 20
# (every, remainder): what is odd about the purchase with that number.
_ODDITIES: tuple[tuple[int, int, dict[str, Any]], ...] = (
    (23, 5, {"refund": GivenBack(3)}),
    (23, 11, {"refund": GivenBack(5, 500)}),
    (43, 8, {"refund": GivenBack(2, 300, "failure")}),
    (47, 8, {"refund": GivenBack(2, 300, "pending")}),
    (29, 7, {"cancelled": True, "status": "voided"}),
    (31, 9, {"test": True}),
    (37, 4, {"status": "pending"}),
    (47, 3, {"status": "authorized"}),
    (53, 3, {"status": "partially_paid"}),
    (59, 3, {"status": "expired"}),
    (61, 3, {"presentment": "GBP"}),
    (41, 6, {"guest": True}),
)


def buyers(
    seed: int, start: int, products: Sequence[Product], customers: int | None = None, orders: int | None = None
) -> list[Buyer]:
    """`customers` people with `orders` purchases in all over the last 900 days; some buy much, some never."""
    people = customers or (max(orders // ORDERS_PER_CUSTOMER, 1) if orders else DEFAULT_CUSTOMERS)
    total = people * ORDERS_PER_CUSTOMER if orders is None else orders
    chance = dice(seed, "synthetic")
    shares: list[int] = [0] * people
    for _ in range(total):
        shares[int(people * chance.random() ** 2)] += 1
    made, first = [], 0
    for n, share in enumerate(shares):
        made.append(_buyer(seed, n + 1, range(first, first + share), start, products))
        first += share
    return made


def _buyer(seed: int, number: int, numbers: range, start: int, products: Sequence[Product]) -> Buyer:
    someone, chance = person(seed, number)
    favourite, today = chance.randrange(len(CATEGORIES)), today_of(start)
    purchases = []
    for n in numbers:
        units = 1 + int(4 * chance.random() ** 2)
        goods = sum(chance.randrange(700, 2_000) for _ in range(units))
        shipping = 0 if goods >= _FREE_FROM_MINOR else _SHIPPING_MINOR
        placed = moment(today - timedelta(days=1 + int(_DAYS * chance.random() ** 1.5)), chance)
        purchase = Purchase(
            placed,
            goods + shipping,
            lines(chance, products, favourite, units, goods),
            shipping_minor=shipping,
            tax_minor=(goods + shipping) * _TAX_PERCENT // (100 + _TAX_PERCENT),
        )
        purchases.append(_odd(purchase, n, start))
    twin = f" {someone.email.capitalize()} " if number % _TWIN_EVERY == 0 else ""
    return Buyer(someone, tuple(sorted(purchases, key=lambda each: each.placed_at)), twin)


def _odd(purchase: Purchase, number: int, start: int) -> Purchase:
    """The purchase with what its number makes odd about it."""
    changes: dict[str, Any] = {"currency": "USD"} if number == _FOREIGN else {}
    for every, remainder, oddity in _ODDITIES:
        if number % every == remainder:
            changes = oddity
    if purchase.placed_at < start - 700 * _DAY_SECONDS:
        # The shop moved to its platform then: the orders are older than their records.
        changes = changes | {"imported_at": start - 700 * _DAY_SECONDS}
    if number % 4 == 0 and purchase.placed_at < start - 60 * _DAY_SECONDS:
        # A bulk edit: many orders that changed in the same second.
        changes = changes | {"touched_at": start - 45 * _DAY_SECONDS}
    return replace(purchase, **changes) if changes else purchase
