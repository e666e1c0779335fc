"""What customers bought, line by line: units, products, favourites. Knows texts by their codes only.

Like the metrics it looks at orders up to `today`. A line without a text (code 0) is no product's and no
category's.
"""

from __future__ import annotations

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
    worth_most = _largest_of_each(owner, items.price_minor[lines] * items.quantity[lines])
    return _first_of_each(batch, owner[worth_most], items.title[lines[worth_most]])


def favourite(batch: Batch, codes: Codes, today: int) -> Codes:
    """Of the `codes` of the lines the one in the most orders of each customer; 0 where there is none.

    Of equals the one bought later, and of those in the same order the first by the alphabet.
    """
    items = items_of(batch)
    order, owner = _order_of_lines(items), np.repeat(np.arange(len(batch)), _lines_of_each(batch))
    lines = np.flatnonzero((codes > 0) & (batch.order_day <= today)[order])
    pairs = (owner * len(items.texts) + codes)[lines]
    at = np.argsort(pairs, kind="stable")  # of each pair the latest order is the last
    pairs, order = pairs[at], order[lines[at]]
    # One order tells once, however many of its lines say the same.
    told = (np.diff(pairs, prepend=-1) != 0) | (np.diff(order, prepend=-1) != 0)
    pairs, order = pairs[told], order[told]
    begins = _begins(pairs)
    ends = np.append(begins, len(pairs))[1:]
    owner, code = np.divmod(pairs[begins], len(items.texts))
    merits = np.stack((ends - begins, order[ends - 1], -_alphabet(items, code)))
    for rank in range(len(merits)):
        best = _largest_of_each(owner, merits[rank])
        owner, code, merits = owner[best], code[best], merits[:, best]
    return _first_of_each(batch, owner, code)


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


def _order_of_lines(items: Items) -> NDArray[np.int64]:
    """The order of each line, by its place."""
    return np.repeat(np.arange(len(items.starts) - 1), np.diff(items.starts))


def _lines_of_each(batch: Batch) -> Counts:
    """How many lines each customer has."""
    return np.diff(items_of(batch).starts[batch.starts])


def _alphabet(items: Items, codes: Codes) -> NDArray[np.int64]:
    """The place of each code's text in alphabetical order."""
    used = np.flatnonzero(np.bincount(codes))
    places = np.zeros(len(items.texts), np.int64)
    places[used[np.argsort(items.texts[used])]] = np.arange(len(used))
    return places[codes]


def _begins(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where each value begins; equal ones stand together, and none is below 0."""
    return np.flatnonzero(np.diff(values, prepend=-1))


def _largest_of_each(owner: NDArray[np.int64], values: NDArray[np.int64]) -> Flags:
    """Which values are as large as any of the same owner."""
    begins = _begins(owner)
    largest: Flags = values == np.repeat(np.maximum.reduceat(values, begins), np.diff(np.append(begins, len(owner))))
    return largest


def _first_of_each(batch: Batch, owner: NDArray[np.int64], codes: Codes) -> Codes:
    """For each customer of the batch the first of their codes, which stand together; else 0."""
    found = np.zeros(len(batch), np.int64)
    first = _begins(owner)
    found[owner[first]] = codes[first]
    return found
