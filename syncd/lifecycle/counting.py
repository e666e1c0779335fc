"""Which orders count, and what they are worth. Knows the states of an order; judges no customer."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from syncd.model import OrderStatus

Spend = Literal["paid", "goods"]
Flags = NDArray[np.bool_]
Amounts = NDArray[np.int64]

# A refunded order is out even where the shop names no sum: the state is authoritative.
_NEVER = (OrderStatus.REFUNDED, OrderStatus.VOIDED, OrderStatus.EXPIRED)


def counted(
    status: NDArray[np.integer],
    cancelled: Flags,
    test: Flags,
    deleted: Flags,
    paid_minor: Amounts,
    goods_minor: Amounts,
    refunded_minor: Amounts,
    refunded_goods_minor: Amounts,
    *,
    spend: Spend,
    pending_counts: bool,
) -> tuple[Flags, Amounts]:
    """Whether each order counts, and its spend net of refunds: 0 where it does not count, never below 0.

    A full refund takes an order out wholly, a partial one lowers its spend only. An order is
    zero-valued when nothing was paid, or when what `spend` counts was nothing.
    Source: DESIGN "Which orders count".
    """
    gross, refunded = (paid_minor, refunded_minor) if spend == "paid" else (goods_minor, refunded_goods_minor)
    never = _NEVER if pending_counts else (*_NEVER, OrderStatus.PENDING)
    counts = ~(np.isin(status, never) | cancelled | test | deleted) & (gross > 0) & (refunded_minor < paid_minor)
    return counts, np.where(counts, np.maximum(gross - refunded, 0), 0)


def why_not(
    status: int,
    cancelled: bool,
    test: bool,
    deleted: bool,
    paid_minor: int,
    goods_minor: int,
    refunded_minor: int,
    *,
    spend: Spend,
    pending_counts: bool,
) -> str:
    """For what reason one order does not count, the plainest of several; "" where `counted` counts it."""
    reasons = (
        ("deleted", deleted),
        ("test", test),
        ("cancelled", cancelled),
        ("voided", status == OrderStatus.VOIDED),
        ("expired", status == OrderStatus.EXPIRED),
        ("pending", status == OrderStatus.PENDING and not pending_counts),
        ("free", paid_minor <= 0 or (spend == "goods" and goods_minor <= 0)),
        ("refunded", status == OrderStatus.REFUNDED or refunded_minor >= paid_minor),
    )
    return next((reason for reason, applies in reasons if applies), "")
