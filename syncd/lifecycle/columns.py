"""A batch of customers and their orders as columns: how the history hands facts to the core.

It knows the shape of the facts and nothing of where they come from or what they are worth.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

Days = NDArray[np.int64]
Instants = NDArray[np.int64]  # UTC seconds
Rows = NDArray[np.int64]  # places in a column
Texts = NDArray[Any]  # of str, or of objects that are str

# Stands where no day is known; earlier than every day of the calendar.
NO_DAY: Final = -(2**31)
# Stands where no instant is known; earlier than every one.
NO_INSTANT: Final = -(2**60)
# The instant that never comes.
FOREVER: Final = 2**62

# The columns of a batch that are there only where a rule reads them.
Need = Literal[
    "was_in",
    "country",
    "city",
    "language",
    "cart_at",
    "cart_minor",
    "open_rate",
    "click_rate",
    "clicked_day",
    "birthday",
    "shop_tags",
    "wishes",
    "items",
    "last_order_at",
    "companions",
]


@dataclass(frozen=True, slots=True, eq=False)
class Items:
    """What was in the m orders of a batch, line by line; the lines of order j are `starts[j]` up to `starts[j + 1]`.

    What is written on a line is given by its place in `texts`, where each text stands once; the first is "",
    which stands for unknown. Units: `price_minor` is of one piece, in minor units of the order's own currency:
    it tells the lines of one order apart.
    """

    starts: NDArray[np.int64]  # m + 1
    product_id: NDArray[np.int64]
    title: NDArray[np.int64]
    category: NDArray[np.int64]
    sku: NDArray[np.int64]
    quantity: NDArray[np.int64]
    price_minor: NDArray[np.int64]
    texts: Texts

    def take(self, orders: Rows) -> Items:
        """Of these orders only."""
        starts, mine = stretches(self.starts, orders)
        lines = {name: getattr(self, name)[mine] for name in _OF_LINES}
        return replace(self, starts=starts, **lines)


_OF_LINES = ("product_id", "title", "category", "sku", "quantity", "price_minor")


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """n customers and their m counted orders; the orders of customer i are `starts[i]` up to `starts[i + 1]`.

    Units: days are local day numbers of `zone`; `order_minor` is the net spend in minor units of the
    audience's currency, which has `currency_exponent` decimals. What no rule needs (`Need`) is None.
    """

    customer: NDArray[np.int64]  # n: ids
    signup_day: Days  # n: NO_DAY where unknown
    subscribed: NDArray[np.bool_]  # n
    wholesale: NDArray[np.bool_]  # n
    starts: NDArray[np.int64]  # n + 1
    order_day: Days  # m: ascending within a customer, those of one day as they were placed
    order_minor: NDArray[np.int64]  # m
    currency_exponent: int
    zone: str = "UTC"
    was_in: NDArray[np.int64] | None = None  # n: bit set of the segments that the customer is in until now
    country: Texts | None = None  # n: "" where unknown, as city and language
    city: Texts | None = None
    language: Texts | None = None
    cart_at: Instants | None = None  # n: the last change of the newest open cart; NO_INSTANT where there is none
    cart_minor: NDArray[np.int64] | None = None  # n: its value; -1 where no rate tells it
    open_rate: NDArray[np.float64] | None = None  # n: 0 to 1, NaN where unknown, as the click rate
    click_rate: NDArray[np.float64] | None = None
    clicked_day: Days | None = None  # n: when the click rate was last seen to rise; NO_DAY where never
    birthday: NDArray[np.int64] | None = None  # n: month and day as MMDD; 0 where unknown
    shop_tags: NDArray[Any] | None = None  # n: tuples of texts, casefolded
    wishes: NDArray[Any] | None = None  # n: tuples of titles, the latest wish first; "" where a title is unknown
    items: Items | None = None
    last_order_at: Instants | None = None  # n: when the newest counted order was placed; NO_INSTANT where never
    companions: Mapping[str, str] | None = None  # title of a product: of the one most bought together with it

    def __len__(self) -> int:
        return len(self.customer)

    def take(self, rows: Rows) -> Batch:
        """Of these customers only: ascending places, each once."""
        columns = {name: column[rows] for name in _OF_CUSTOMERS if (column := getattr(self, name)) is not None}
        starts, mine = stretches(self.starts, rows)
        return replace(
            self,
            **columns,
            starts=starts,
            order_day=self.order_day[mine],
            order_minor=self.order_minor[mine],
            items=None if self.items is None else self.items.take(mine),
        )


_OF_CUSTOMERS = (
    *("customer", "signup_day", "subscribed", "wholesale", "country", "city", "language", "was_in"),
    *("cart_at", "cart_minor", "open_rate", "click_rate", "clicked_day", "birthday", "shop_tags", "wishes"),
    "last_order_at",
)


class Reader(Protocol):
    """What looks at everybody, batch by batch."""

    def add(self, batch: Batch) -> None:
        """Afterwards it has seen this batch, too."""


def feed(batches: Iterable[Batch], *readers: Reader) -> None:
    """Afterwards all readers have seen everybody, in one pass."""
    for batch in batches:
        for reader in readers:
            reader.add(batch)


def stretches(starts: Rows, rows: Rows) -> tuple[Rows, Rows]:
    """Where the parts of these rows start when they stand by themselves, and where each place in them stood."""
    counts = starts[rows + 1] - starts[rows]
    begins = np.concatenate([[0], np.cumsum(counts)])
    return begins, np.arange(begins[-1]) + np.repeat(starts[rows] - begins[:-1], counts)
