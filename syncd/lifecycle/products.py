"""What customers bought, line by line: units, products, favourites. Knows texts by their codes only.

Like the metrics it looks at orders up to `today`. A line without a text (code 0) is no product's and no
category's.
"""

from __future__ import annotations

from functools import reduce

import numpy as np
from numpy.typing import NDArray

from syncd.lifecycle.columns import Batch, Items, stretches
from syncd.lifecycle.metrics import Counts, behind, running

Codes = NDArray[np.int64]
Flags = NDArray[np.bool_]


def units(batch: Batch) -> Counts:
    """How many pieces are in each order."""
    return _by_order(items_of(batch), items_of(batch).quantity)


def orders_with(batch: Batch, sort: str, text: str) -> Flags:
    """The orders with this category, sku or product, which is a title or an id; upper and lower case are one."""
    items = items_of(batch)
    return _by_order(items, _lines_with(items, sort, text)) > 0


def bought_title(batch: Batch, titles: Codes, today: int) -> Flags:
    """Whether each customer ever bought what is named for them; 0 names nothing."""
    items = items_of(batch)
    named = np.repeat(titles, _lines_of_each(batch))
    lines = np.flatnonzero((items.title == named) & (named > 0))
    order = np.searchsorted(items.starts, lines, side="right") - 1
    found = np.zeros(len(batch), bool)
    found[np.searchsorted(batch.starts, order[batch.order_day[order] <= today], side="right") - 1] = True
    return found


def last_title(batch: Batch, today: int) -> Codes:
    """The title of the line that was worth most in each customer's last order, of equals the first; else 0."""
    items, end = items_of(batch), behind(batch, today)
    ordered = np.flatnonzero(end > batch.starts[:-1])
    starts, lines = stretches(items.starts, end[ordered] - 1)
    owner = np.repeat(ordered, np.diff(starts))
    named = items.title[lines] > 0
    owner, lines = owner[named], lines[named]
    # As floats: a price and a quantity that are both absurd are beyond 64 bits.
    worth = items.price_minor[lines].astype(np.float64) * items.quantity[lines]
    best = _largest_of_each(owner, worth, len(batch))
    # Backwards, so that the first one stays.
    return _of_each(owner[best][::-1], items.title[lines[best]][::-1], len(batch))


def favourite(batch: Batch, codes: Codes, today: int) -> Codes:
    """Of the `codes` of the lines the one in the most orders of each customer; 0 where there is none.

    Of equals the one bought later, and of those in the same order the first by the alphabet.
    """
    items = items_of(batch)
    order = np.repeat(np.arange(len(batch.order_day)), np.diff(items.starts))
    lines = np.flatnonzero((codes > 0) & (batch.order_day <= today)[order])
    # By code, and for each code by customer and order, as the lines are. Small numbers are sorted fast.
    lines = lines[np.argsort(codes[lines].astype(np.min_scalar_type(len(items.texts))), kind="stable")]
    code, order = codes[lines], order[lines]
    # One order tells once, however many of its lines say the same.
    told = _begins(code, order)
    code, order = code[told], order[told]
    owner = np.repeat(np.arange(len(batch)), np.diff(batch.starts))[order]
    begins = _begins(code, owner)
    ends = np.append(begins, len(code))[1:]
    owner, code, latest, many = owner[begins], code[begins], order[ends - 1], ends - begins
    merits = np.stack((many, latest, -_alphabet(items, code)))
    for rank in range(len(merits)):
        best = _largest_of_each(owner, merits[rank], len(batch))
        owner, code, merits = owner[best], code[best], merits[:, best]
    return _of_each(owner, code, len(batch))


def items_of(batch: Batch) -> Items:
    """What was in the orders of a batch that was read with it."""
    assert batch.items is not None, "the batch was read without the lines of its orders"
    return batch.items


def _lines_with(items: Items, sort: str, text: str) -> Flags:
    wanted = text.casefold()
    equal: Flags = np.array([known.casefold() == wanted for known in items.texts.tolist()], bool)
    lines: Flags = equal[{"category": items.category, "sku": items.sku, "product": items.title}[sort]]
    return lines | equal[items.product_id] if sort == "product" else lines


def _by_order(items: Items, values: NDArray[np.int64] | Flags) -> Counts:
    """The sum over the lines of each order."""
    total = running(values)
    return total[items.starts[1:]] - total[items.starts[:-1]]


def _lines_of_each(batch: Batch) -> Counts:
    """How many lines each customer has."""
    return np.diff(items_of(batch).starts[batch.starts])


def _alphabet(items: Items, codes: Codes) -> NDArray[np.int64]:
    """The place of each code's text in alphabetical order."""
    used = np.flatnonzero(np.bincount(codes))
    places = np.zeros(len(items.texts), np.int64)
    places[used[np.argsort(items.texts[used])]] = np.arange(len(used))
    return places[codes]


def _begins(*columns: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where another row begins in these columns, in which equal ones stand together; none is below 0."""
    return np.flatnonzero(reduce(np.logical_or, (np.diff(column, prepend=-1) != 0 for column in columns)))


def _largest_of_each(owner: NDArray[np.int64], values: NDArray[np.int64 | np.float64], owners: int) -> Flags:
    """Which values are as large as any of the same owner."""
    most = np.full(owners, values.min(initial=0))
    np.maximum.at(most, owner, values)
    largest: Flags = values == most[owner]
    return largest


def _of_each(owner: NDArray[np.int64], codes: Codes, owners: int) -> Codes:
    """For each owner the last one of their codes; else 0."""
    found = np.zeros(owners, np.int64)
    found[owner] = codes
    return found
