"""What an order is worth, from the platform's own words to the number that rules see: one table a platform.

Every order is over 100.00 EUR, and orders that await their payment are not configured to count. A cell is the
spend of an order that also counts as one; OUT is in no sum and in no number of orders. Read it by eye.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from syncd.lifecycle.counting import counted
from syncd.model import Order
from syncd.sources._ecwid_wire import orders_in
from syncd.sources._shopify_wire import ORDERS
from tests.unit.shop_records import ecwid_order, ecwid_page, shopify_order, shopify_page, shopify_refund

OUT = None


def worth(order: Order) -> int | None:
    """The order's net spend where it is counted as one; else OUT."""
    moved = [refund for refund in order.refunds if refund.moved]
    counts, net = counted(
        np.array([order.status]),
        np.array([order.cancelled]),
        np.array([order.test]),
        np.array([False]),
        np.array([order.paid_minor]),
        np.array([order.goods_minor]),
        np.array([sum(refund.amount_minor for refund in moved)]),
        np.array([sum(refund.goods_minor for refund in moved)]),
        spend="paid",
        pending_counts=False,
    )
    if not counts[0]:
        assert net[0] == 0
        return OUT
    return int(net[0])


# What became of the refunds of a Shopify order: (amount, how its transaction ended).
REFUNDS = {
    "no refund": [],
    "30 back": [("30.00", "success")],
    "all back": [("60.00", "success"), ("40.00", "success")],
    "pending": [("30.00", "pending")],
    "failed": [("30.00", "failure"), ("30.00", "error")],
}
SHOPIFY = {
    # financial_status    no refund  30 back  all back  pending  failed   cancelled  test
    "pending":            (OUT,      OUT,     OUT,      OUT,     OUT,     OUT,       OUT),
    "authorized":         (100_00,   70_00,   OUT,      100_00,  100_00,  OUT,       OUT),
    "partially_paid":     (100_00,   70_00,   OUT,      100_00,  100_00,  OUT,       OUT),
    "paid":               (100_00,   70_00,   OUT,      100_00,  100_00,  OUT,       OUT),
    # Without a refund beside it the state came first, and the refund comes with the next read.
    "partially_refunded": (100_00,   70_00,   OUT,      100_00,  100_00,  OUT,       OUT),
    "refunded":           (OUT,      OUT,     OUT,      OUT,     OUT,     OUT,       OUT),
    "voided":             (OUT,      OUT,     OUT,      OUT,     OUT,     OUT,       OUT),
    "expired":            (OUT,      OUT,     OUT,      OUT,     OUT,     OUT,       OUT),
}  # fmt: skip


def shopify_cells() -> Iterator[tuple[str, str, str, int | None]]:
    """Every combination of status, refunds, and cancelled or test or neither or both, with what it is worth."""
    for status, cells in SHOPIFY.items():
        *by_refunds, cancelled, test = cells
        for refunds, plain in zip(REFUNDS, by_refunds, strict=True):
            yield status, refunds, "", plain
            yield status, refunds, "cancelled", cancelled
            yield status, refunds, "test", test
            yield status, refunds, "cancelled test", OUT


@pytest.mark.parametrize(("status", "refunds", "marks", "expected"), list(shopify_cells()))
def test_a_shopify_order_is_worth_what_was_paid_and_not_given_back(
    status: str, refunds: str, marks: str, expected: int | None
) -> None:
    given_back = sum(float(amount) for amount, outcome in REFUNDS[refunds] if outcome == "success")
    order = shopify_order(
        financial_status=status,
        cancelled_at="2026-03-02T10:00:00+01:00" if "cancelled" in marks else None,
        test="test" in marks,
        refunds=[shopify_refund(n, amount, outcome) for n, (amount, outcome) in enumerate(REFUNDS[refunds], 1)],
        # What is left after returns: using it, the refunds would be subtracted twice.
        current_total_price=f"{100 - given_back:.2f}",
    )
    (read,) = ORDERS.read(shopify_page("orders", order)).records
    assert worth(read) == expected


# How Ecwid tells of the refunds of an order: (refundedAmount, the amounts in its list of refunds).
TOLD = {
    "nothing": (0, []),
    "30, listed": (30.0, [30.0]),
    "30, no list": (30.0, []),
    "0, listed": (0, [30.0]),
    "35.5 in two": (35.5, [30.0, 5.5]),
    "all": (100.0, [100.0]),
}
ECWID = {
    # What was refunded is told for some ways of payment only, so the status decides.
    # paymentStatus             nothing  30, listed  30, no list  0, listed  35.5 in two  all
    "AWAITING_PAYMENT":        (OUT,     OUT,        OUT,         OUT,       OUT,         OUT),
    "PAID":                    (100_00,  70_00,      70_00,       70_00,     64_50,       OUT),
    "PARTIALLY_REFUNDED":      (100_00,  70_00,      70_00,       70_00,     64_50,       OUT),
    "REFUNDED":                (OUT,     OUT,        OUT,         OUT,       OUT,         OUT),
    "CANCELLED":               (OUT,     OUT,        OUT,         OUT,       OUT,         OUT),
    "CUSTOM_PAYMENT_STATUS_1": (OUT,     OUT,        OUT,         OUT,       OUT,         OUT),
    "CUSTOM_PAYMENT_STATUS_2": (OUT,     OUT,        OUT,         OUT,       OUT,         OUT),
    "CUSTOM_PAYMENT_STATUS_3": (OUT,     OUT,        OUT,         OUT,       OUT,         OUT),
}  # fmt: skip


@pytest.mark.parametrize(
    ("status", "told", "expected"),
    [(status, told, cell) for status, row in ECWID.items() for told, cell in zip(TOLD, row, strict=True)],
)
def test_an_ecwid_order_is_worth_what_was_paid_and_not_given_back(status: str, told: str, expected: int | None) -> None:
    amount, refunds = TOLD[told]
    order = ecwid_order(
        paymentStatus=status,
        refundedAmount=amount,
        refunds=[{"date": "2026-03-05 10:00:00 +0000", "amount": each} for each in refunds],
    )
    (read,) = orders_in("EUR").read(ecwid_page(order)).records
    assert worth(read) == expected


def test_a_cart_that_was_left_is_no_order() -> None:
    batch = orders_in("EUR").read(ecwid_page(ecwid_order(paymentStatus="INCOMPLETE")))
    assert (batch.records, batch.rejected) == ([], [])


@pytest.mark.parametrize("status", ["chargeback", "", None])
def test_a_shopify_status_that_is_not_known_is_not_guessed(status: str | None) -> None:
    batch = ORDERS.read(shopify_page("orders", shopify_order(financial_status=status)))
    assert batch.records == []
    assert batch.rejected[0].reason.startswith("financial_status: ")


def test_an_ecwid_status_that_is_not_known_is_not_guessed() -> None:
    batch = orders_in("EUR").read(ecwid_page(ecwid_order(paymentStatus="SETTLED")))
    assert [each.reason for each in batch.rejected] == ["paymentStatus: SETTLED is not known to syncd"]
