"""A batch of customers and their orders as columns: how the history hands facts to the core.

It knows the shape of the facts and nothing of where they come from or what they are worth.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Days = NDArray[np.int64]
Texts = NDArray[Any]  # of str, or of objects that are str

# Stands where no day is known; earlier than every day of the calendar.
NO_DAY: Final = -(2**31)


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """n customers and their m counted orders; the orders of customer i are `starts[i]` up to `starts[i + 1]`.

    Units: days are local day numbers; `order_minor` is the net spend in minor units of the
    audience's currency, which has `currency_exponent` decimals.
    """

    customer: NDArray[np.int64]  # n: ids
    signup_day: Days  # n: NO_DAY where unknown
    subscribed: NDArray[np.bool_]  # n
    wholesale: NDArray[np.bool_]  # n
    country: Texts  # n: "" where unknown, as city and language
    city: Texts
    language: Texts
    was_in: NDArray[np.int64]  # n: bit set of the segments that the customer is in until now
    starts: NDArray[np.int64]  # n + 1
    order_day: Days  # m: ascending within a customer
    order_minor: NDArray[np.int64]  # m
    currency_exponent: int

    def __len__(self) -> int:
        return len(self.customer)
