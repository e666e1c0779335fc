"""What customers bought, line by line: units, products, favourites. Knows texts by their codes only.

Like the metrics it looks at orders up to `today`. A line without a text (code 0) is no product's and no
category's.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from syncd.calendar import Window
from syncd.lifecycle.columns import Batch, Items, Texts
from syncd.lifecycle.metrics import Counts, behind, running, sums

Codes = NDArray[np.int64]
Flags = NDArray[np.bool_]


def units(batch: Batch, window: Window, today: int) -> Counts:
    """How many pieces each customer bought in the window."""
    return sums(batch, _by_order(items_of(batch), items_of(batch).quantity), window, today)


def bought(batch: Batch, lines: Flags, window: Window, today: int) -> Flags:
    """Whether any order of each customer in the window has one of these lines."""
    return sums(batch, _by_order(items_of(batch), lines) > 0, window, today) > 0


def bought_title(batch: Batch, titles: Texts, today: int) -> Flags:
    """Whether each customer ever bought what is named for them; "" names nothing."""
    items = items_of(batch)
    codes = {text: code for code, text in enumerate(items.texts.tolist())}
    wanted = np.array([codes.get(title, 0) for title in titles.tolist()], np.int64)
    order = _order_of_lines(items)
    whose = np.repeat(np.arange(len(batch)), np.diff(batch.starts))[order]
    found = np.zeros(len(batch), bool)
    found[whose[(items.title == wanted[whose]) & (items.title > 0) & (batch.order_day[order] <= today)]] = True
    return found


def lines_with(items: Items, sort: str, text: str) -> Flags:
    """The lines with this category, sku or product, which is a title or an id; upper and lower case are one."""
    wanted = text.casefold()
    equal: Flags = np.array([known.casefold() == wanted for known in items.texts.tolist()], bool)
    lines: Flags = equal[{"category": items.category, "sku": items.sku, "product": items.title}[sort]]
    return lines | equal[items.product_id] if sort == "product" else lines


def last_title(batch: Batch, today: int) -> Codes:
    """The title of the line that was worth most in each customer's last order, of equals the first; else 0."""
    items, ordered = items_of(batch), behind(batch, today) > batch.starts[:-1]
    customer_of = np.full(len(batch.order_day), -1)
    customer_of[behind(batch, today)[ordered] - 1] = np.flatnonzero(ordered)
    whose = customer_of[_order_of_lines(items)]
    lines = np.flatnonzero((whose >= 0) & (items.title > 0))
    # Sorting leaves equals in the order of the lines.
    lines = lines[np.lexsort((-items.price_minor[lines] * items.quantity[lines], whose[lines]))]
    return _first_of_each(batch, whose[lines], items.title[lines])


def favourite(batch: Batch, codes: Codes, today: int) -> Codes:
    """Of the `codes` of the lines the one in the most orders of each customer; 0 where there is none.

    Of equals the one bought later, and of those in the same order the first by the alphabet.
    """
    items = items_of(batch)
    order = _order_of_lines(items)
    lines = np.flatnonzero((codes > 0) & (batch.order_day[order] <= today))
    # One order tells once, however many of its lines say the same.
    told = np.sort(order[lines] * len(items.texts) + codes[lines])
    order, code = np.divmod(told[_begins(told)], len(items.texts))
    pairs = np.repeat(np.arange(len(batch)), np.diff(batch.starts))[order] * len(items.texts) + code
    at = np.argsort(pairs, kind="stable")  # of each pair the latest order is the last
    begins = _begins(pairs[at])
    ends = np.append(begins, len(at))[1:]
    owner, code = np.divmod(pairs[at[begins]], len(items.texts))
    merits = np.stack((ends - begins, order[at[ends - 1]], -_alphabet(items)[code]))
    for rank in range(len(merits)):
        best = _largest_of_each(owner, merits[rank])
        owner, code, merits = owner[best], code[best], merits[:, best]
    return _first_of_each(batch, owner, code)


def items_of(batch: Batch) -> Items:
    """What was in the orders of a batch that was read with it."""
    assert batch.items is not None, "the batch was read without the lines of its orders"
    return batch.items


def _by_order(items: Items, values: NDArray[np.int64] | Flags) -> Counts:
    """The sum over the lines of each order."""
    total = running(values)
    return total[items.starts[1:]] - total[items.starts[:-1]]


def _order_of_lines(items: Items) -> NDArray[np.int64]:
    """The order of each line, by its place."""
    return np.repeat(np.arange(len(items.starts) - 1), np.diff(items.starts))


def _alphabet(items: Items) -> NDArray[np.int64]:
    """The place of each text in alphabetical order."""
    places = np.zeros(len(items.texts), np.int64)
    places[np.argsort(items.texts)] = np.arange(len(items.texts))
    return places


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
