"""A batch: some of its customers by themselves."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest

from syncd.lifecycle.columns import Batch, Items

ITEMS = Items(
    # Of the orders 0, 1, 2, 3.
    starts=np.array([0, 2, 2, 3, 6]),
    product_id=np.arange(6),
    title=np.arange(10, 16),
    category=np.arange(20, 26),
    sku=np.arange(30, 36),
    quantity=np.arange(40, 46),
    price_minor=np.arange(50, 56),
    texts=np.array([""], object),
)
COLUMNS = {
    field.name: np.array([5, 6, 7])
    for field in fields(Batch)
    if field.name not in ("starts", "order_day", "order_minor", "currency_exponent", "zone", "items", "companions")
}
# The customers have two orders, none and two.
BATCH = Batch(
    **COLUMNS,
    starts=np.array([0, 2, 2, 4]),
    order_day=np.array([1, 2, 3, 4]),
    order_minor=np.array([100, 200, 300, 400]),
    currency_exponent=2,
    zone="Europe/Madrid",
    items=ITEMS,
    companions={"tea": "cup"},
)


@pytest.mark.parametrize(
    ("rows", "starts", "orders", "lines"),
    [
        ([0, 2], [0, 2, 4], [0, 1, 2, 3], [0, 1, 2, 3, 4, 5]),
        ([1, 2], [0, 0, 2], [2, 3], [2, 3, 4, 5]),
        ([1], [0, 0], [], []),
        ([], [0], [], []),
    ],
)
def test_customers_bring_their_orders_and_what_was_in_them(
    rows: list[int], starts: list[int], orders: list[int], lines: list[int]
) -> None:
    part = BATCH.take(np.array(rows, np.int64))
    for name, column in COLUMNS.items():
        assert getattr(part, name).tolist() == column[rows].tolist() if rows else len(getattr(part, name)) == 0
    assert part.starts.tolist() == starts
    assert part.order_day.tolist() == [at + 1 for at in orders]
    assert part.order_minor.tolist() == [100 * (at + 1) for at in orders]
    assert (part.currency_exponent, part.zone, part.companions) == (2, "Europe/Madrid", {"tea": "cup"})
    assert part.items is not None
    assert part.items.product_id.tolist() == lines
    assert part.items.price_minor.tolist() == [50 + line for line in lines]
    counts = np.diff(ITEMS.starts)[orders].tolist() if orders else []
    assert np.diff(part.items.starts).tolist() == counts


def test_what_was_not_read_stays_away() -> None:
    part = replace(BATCH, items=None, birthday=None).take(np.array([1, 2]))
    assert (part.items, part.birthday) == (None, None)
