"""Orders with their lines as records of fixed width: how they are packed, and put together again.

It knows bytes and columns, and no database.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from syncd.lifecycle.columns import stretches

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = NDArray[np.int64]
    Pack = tuple[bytes, bytes]  # orders, and the lines of all of them

ORDER = np.dtype(
    [
        *((name, "<i8") for name in ("placed_at", "paid", "goods", "refunded", "refunded_goods")),
        ("currency", "<u4"),  # see `currency_number`
        ("state", "<u2"),  # the status, and what else is added to it
        ("lines", "<u2"),  # how many
    ]
)
LINE = np.dtype([("article", "<u4"), ("quantity", "<i4"), ("price", "<i8")])
STATUS, CANCELLED, TEST, DELETED = 15, 16, 32, 64


@dataclass(frozen=True, slots=True)
class Bought:
    """Orders and whose each one is; the lines of order j are `starts[j]` up to `starts[j + 1]`."""

    customer: Numbers
    orders: NDArray[Any]
    starts: Numbers
    lines: NDArray[Any]

    def take(self, rows: Numbers) -> Bought:
        """These orders only, as `rows` has them; all of them cost nothing."""
        if len(rows) == len(self.orders) and np.array_equal(rows, np.arange(len(rows))):
            return self
        starts, mine = stretches(self.starts, rows)
        return Bought(self.customer[rows], self.orders[rows], starts, self.lines[mine])


def currency_number(code: str) -> int:
    """A currency as an order has it; 0 for what is no code of three letters."""
    return int.from_bytes(code.encode(), "big") if len(code) == 3 and code.isascii() else 0


def opened(packs: Sequence[tuple[int, bytes, bytes]]) -> Bought:
    """What is in these packs, one after the other; where no lines are given, no order has any."""
    customer, orders, lines = zip(*packs, strict=True) if packs else ((), (), ())
    counts = np.fromiter(map(len, orders), np.int64) // ORDER.itemsize
    records = np.frombuffer(b"".join(orders), ORDER)
    its_lines = np.frombuffer(b"".join(lines), LINE)
    starts = np.zeros(len(records) + 1, np.int64)
    if len(its_lines):
        np.cumsum(records["lines"], out=starts[1:])
    return Bought(np.repeat(np.fromiter(customer, np.int64), counts), records, starts, its_lines)


def packed(bought: Bought, customers: Numbers) -> Iterator[Pack]:
    """The pack of each of these customers (ascending), empty for who has none; `bought` is by customer."""
    orders, lines = bought.orders.tobytes(), bought.lines.tobytes()
    begin, end = (np.searchsorted(bought.customer, customers, side) for side in ("left", "right"))
    at = [(each * ORDER.itemsize).tolist() for each in (begin, end)]
    lines_at = [(bought.starts[each] * LINE.itemsize).tolist() for each in (begin, end)]
    for first, last, first_line, last_line in zip(*at, *lines_at, strict=True):
        yield orders[first:last], lines[first_line:last_line]


def united(parts: Iterable[Bought]) -> Bought:
    """All of them by customer and instant, as each part is; of the same instant those of an earlier part come first."""
    parts = list(parts)
    if sum(len(part.orders) > 0 for part in parts) < 2:
        return max(parts, key=lambda part: len(part.orders))
    customer, orders, lines = (np.concatenate([getattr(part, name) for part in parts]) for name in _COLUMNS)
    counts = np.concatenate([np.diff(part.starts) for part in parts])
    whole = Bought(customer, orders, np.concatenate([[0], np.cumsum(counts)]), lines)
    by_part = np.argsort(customer, kind="stable")
    placed_at = orders["placed_at"][by_part]
    if not np.any((np.diff(placed_at) < 0) & (np.diff(customer[by_part]) == 0)):
        # Of each customer all of a part was before the next one, as what came since a pack was made is.
        return whole.take(by_part)
    return whole.take(np.lexsort((orders["placed_at"], customer)))


_COLUMNS = ("customer", "orders", "lines")
