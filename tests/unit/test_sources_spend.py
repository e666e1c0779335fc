"""What an order is worth, from the platform's own words to the number that rules see: one table a platform.

Every order is over 100.00 EUR; pending ones do not count. Read it by eye.
"""

from __future__ import annotations

import numpy as np
import pytest

from syncd.lifecycle.counting import counted
from syncd.model import Order
from syncd.sources._ecwid_wire import orders_in
from syncd.sources._shopify_wire import ORDERS
from tests.unit.shop_records import ecwid_order, ecwid_page, shopify_order, shopify_page, shopify_refund

OUT = None


def worth(order: Order) -> int | None:
    """The order's net spend; None where it does not count."""
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
    return int(net[0]) if counts[0] else OUT


SHOPIFY = [
    # financial_status    cancelled  test   refunds: (amount, what became of it)        worth
    ("paid",               False,    False, [],                                         100_00),
    ("paid",               True,     False, [],                                         OUT),
    ("paid",               False,    True,  [],                                         OUT),
    ("paid",               False,    False, [("30.00", "pending")],                     100_00),
    ("paid",               False,    False, [("30.00", "failure")],                     100_00),
    ("partially_paid",     False,    False, [],                                         100_00),
    ("partially_paid",     True,     False, [],                                         OUT),
    ("authorized",         False,    False, [],                                         100_00),
    ("authorized",         True,     False, [],                                         OUT),
    ("pending",            False,    False, [],                                         OUT),
    ("pending",            True,     False, [],                                         OUT),
    ("expired",            False,    False, [],                                         OUT),
    ("expired",            True,     False, [],                                         OUT),
    ("voided",             False,    False, [],                                         OUT),
    ("voided",             True,     False, [],                                         OUT),
    ("partially_refunded", False,    False, [("30.00", "success")],                     70_00),
    ("partially_refunded", False,    False, [("30.00", "success"), ("5.50", "error")],  70_00),
    ("partially_refunded", False,    False, [("30.00", "success"), ("5.50", "success")], 64_50),
    ("partially_refunded", True,     False, [("30.00", "success")],                     OUT),
    ("partially_refunded", False,    True,  [("30.00", "success")],                     OUT),
    ("refunded",           False,    False, [("100.00", "success")],                    OUT),
    ("refunded",           True,     False, [("100.00", "success")],                    OUT),
    ("refunded",           False,    False, [],                                         OUT),
    # The status may lag behind the money.
    ("paid",               False,    False, [("100.00", "success")],                    OUT),
]  # fmt: skip


@pytest.mark.parametrize(("status", "cancelled", "test", "refunds", "expected"), SHOPIFY)
def test_a_shopify_order_is_worth_what_was_paid_and_not_given_back(
    status: str, cancelled: bool, test: bool, refunds: list[tuple[str, str]], expected: int | None
) -> None:
    given_back = sum(float(amount) for amount, outcome in refunds if outcome == "success")
    order = shopify_order(
        financial_status=status,
        cancelled_at="2026-03-02T10:00:00+01:00" if cancelled else None,
        test=test,
        refunds=[shopify_refund(n, amount, outcome) for n, (amount, outcome) in enumerate(refunds, 1)],
        # What is left after returns: using it, the refunds would be subtracted twice.
        current_total_price=f"{100 - given_back:.2f}",
    )
    (read,) = ORDERS.read(shopify_page("orders", order)).records
    assert worth(read) == expected


ECWID = [
    # paymentStatus             refundedAmount  refunds            worth
    ("PAID",                    0,              [],                100_00),
    ("AWAITING_PAYMENT",        0,              [],                OUT),
    ("CUSTOM_PAYMENT_STATUS_1", 0,              [],                OUT),
    ("CUSTOM_PAYMENT_STATUS_2", 0,              [],                OUT),
    ("CUSTOM_PAYMENT_STATUS_3", 0,              [],                OUT),
    ("CANCELLED",               0,              [],                OUT),
    ("REFUNDED",                100.0,          [100.0],           OUT),
    # The amount is told for some ways of payment only.
    ("REFUNDED",                0,              [],                OUT),
    ("PARTIALLY_REFUNDED",      30.0,           [30.0],            70_00),
    ("PARTIALLY_REFUNDED",      35.5,           [30.0, 5.5],       64_50),
    ("PARTIALLY_REFUNDED",      30.0,           [],                70_00),
    ("PARTIALLY_REFUNDED",      0,              [],                100_00),
]  # fmt: skip


@pytest.mark.parametrize(("status", "refunded", "refunds", "expected"), ECWID)
def test_an_ecwid_order_is_worth_what_was_paid_and_not_given_back(
    status: str, refunded: float, refunds: list[float], expected: int | None
) -> None:
    order = ecwid_order(
        paymentStatus=status,
        refundedAmount=refunded,
        refunds=[{"date": "2026-03-05 10:00:00 +0000", "amount": amount} for amount in refunds],
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
