"""Real purchases: the CDNOW master data, shifted so that the last one falls on yesterday.

Source: data/README.md.
"""

from __future__ import annotations

import lzma
from datetime import date, timedelta
from importlib.resources import files
from itertools import groupby
from typing import TYPE_CHECKING

from syncd.sandbox.fill.catalogue import CATEGORIES, lines
from syncd.sandbox.fill.dataset import Buyer, Purchase, moment, today_of
from syncd.sandbox.fill.people import person

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from syncd.sandbox.shop import Product

Row = tuple[int, date, int, int]  # customer, day, compact discs, US cents


def rows() -> Iterator[Row]:
    """Every purchase as published, by customer and day."""
    packed = files("syncd.sandbox").joinpath("data/cdnow_master.txt.xz").read_bytes()
    for line in lzma.decompress(packed).decode("ascii").splitlines()[1:]:
        customer, day, units, dollars = line.split()
        whole, cents = dollars.split(".")
        when = date(int(day[:4]), int(day[4:6]), int(day[6:]))
        yield int(customer), when, int(units), int(whole) * 100 + int(cents)


def buyers(seed: int, start: int, products: Sequence[Product], customers: int | None = None) -> list[Buyer]:
    """The first `customers` of the data, everybody without a number. One dollar counts as one euro."""
    known = list(rows())
    shift = today_of(start) - timedelta(days=1) - max(day for _, day, _, _ in known)
    made = []
    for number, group in groupby(known, key=lambda row: row[0]):
        if customers is not None and number > customers:
            break
        made.append(_buyer(seed, number, list(group), shift, products))
    return made


def _buyer(seed: int, number: int, group: list[Row], shift: timedelta, products: Sequence[Product]) -> Buyer:
    someone, chance = person(seed, number)
    favourite = chance.randrange(len(CATEGORIES))
    purchases = [
        Purchase(moment(day + shift, chance), cents, lines(chance, products, favourite, units, cents))
        for _, day, units, cents in group
    ]
    return Buyer(someone, tuple(sorted(purchases, key=lambda each: each.placed_at)))
