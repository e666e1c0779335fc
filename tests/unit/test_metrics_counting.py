"""Which orders count: one row of the design's paragraph per test case."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.lifecycle.counting import counted, why_not
from syncd.model import OrderStatus as S


def judge_one(spend: Any = "paid", pending_counts: Any = False, **order: Any) -> tuple[bool, int]:
    """Whether a paid order of 100.00, 80.00 of it goods, counts when `order` differs, and its net spend."""
    row = {
        "status": S.PAID,
        "cancelled": False,
        "test": False,
        "deleted": False,
        "paid_minor": 10000,
        "goods_minor": 8000,
        "refunded_minor": 0,
        "refunded_goods_minor": 0,
    } | order
    columns = {name: np.array([value]) for name, value in row.items()}
    mask, net = counted(**columns, spend=spend, pending_counts=pending_counts)
    return bool(mask[0]), int(net[0])


@pytest.mark.parametrize("status", [S.PAID, S.PARTIALLY_PAID, S.AUTHORIZED, S.PARTIALLY_REFUNDED])
def test_orders_that_are_paid_or_promised_count(status: S) -> None:
    assert judge_one(status=status) == (True, 10000)


@pytest.mark.parametrize("status", [S.VOIDED, S.EXPIRED, S.PENDING, S.REFUNDED])
def test_orders_that_came_to_nothing_do_not_count(status: S) -> None:
    assert judge_one(status=status) == (False, 0)


@pytest.mark.parametrize("flag", ["cancelled", "test", "deleted"])
def test_cancelled_test_and_deleted_orders_do_not_count(flag: str) -> None:
    assert judge_one(**{flag: True}) == (False, 0)


def test_pending_orders_count_where_configured_and_voided_ones_never() -> None:
    assert judge_one(status=S.PENDING, pending_counts=True) == (True, 10000)
    assert judge_one(status=S.VOIDED, pending_counts=True) == (False, 0)


def test_a_partial_refund_lowers_spend_only() -> None:
    assert judge_one(refunded_minor=9999, refunded_goods_minor=8000) == (True, 1)


@pytest.mark.parametrize("refunded", [10000, 10001])
def test_a_full_refund_takes_the_order_out_wholly(refunded: int) -> None:
    assert judge_one(refunded_minor=refunded) == (False, 0)
    assert judge_one(spend="goods", refunded_minor=refunded) == (False, 0)


def test_goods_leave_out_tax_and_shipping_and_their_refunds() -> None:
    assert judge_one(spend="goods") == (True, 8000)
    assert judge_one(spend="goods", refunded_minor=3000, refunded_goods_minor=2500) == (True, 5500)


def test_an_order_whose_goods_all_came_back_still_happened() -> None:
    assert judge_one(spend="goods", refunded_minor=9000, refunded_goods_minor=8000) == (True, 0)
    assert judge_one(spend="goods", refunded_minor=9000, refunded_goods_minor=9000) == (True, 0)


def test_zero_valued_orders_do_not_count() -> None:
    assert judge_one(paid_minor=0, goods_minor=0) == (False, 0)
    assert judge_one(spend="goods", paid_minor=0) == (False, 0)
    assert judge_one(spend="goods", goods_minor=0) == (False, 0)


def test_columns_are_judged_row_by_row_and_may_be_empty() -> None:
    none, amounts = np.zeros(2, bool), np.array([500, 700])
    zero = np.zeros(2, np.int64)
    mask, net = counted(
        np.array([3, 5]), none, none, none, amounts, amounts, zero, zero, spend="paid", pending_counts=False
    )
    assert (mask.tolist(), net.tolist()) == ([True, False], [500, 0])
    empty = np.zeros(0, np.int64)
    never = np.zeros(0, bool)
    mask, _ = counted(empty, never, never, never, empty, empty, empty, empty, spend="paid", pending_counts=True)
    assert mask.size == 0


@given(
    st.sampled_from(list(S)),
    *[st.booleans()] * 3,
    *[st.integers(-1, 3)] * 3,
    st.sampled_from(["paid", "goods"]),
    st.booleans(),
)
def test_there_is_a_reason_exactly_where_an_order_does_not_count(
    status: S, cancelled: bool, test: bool, deleted: bool, paid: int, goods: int, refunded: int, spend: Any, waits: bool
) -> None:
    facts = {"status": status, "cancelled": cancelled, "test": test, "deleted": deleted}
    money = {"paid_minor": paid, "goods_minor": goods, "refunded_minor": refunded}
    reason = why_not(**facts, **money, spend=spend, pending_counts=waits)
    assert (reason == "") is judge_one(spend, waits, **facts, **money)[0]


@pytest.mark.parametrize(
    ("order", "reason"),
    [
        ({}, ""),
        ({"cancelled": True, "status": S.REFUNDED}, "cancelled"),
        ({"test": True, "cancelled": True}, "test"),
        ({"deleted": True, "test": True}, "deleted"),
        ({"status": S.VOIDED}, "voided"),
        ({"status": S.EXPIRED}, "expired"),
        ({"status": S.REFUNDED}, "refunded"),
        ({"refunded_minor": 10000}, "refunded"),
        ({"status": S.PENDING}, "pending"),
        ({"paid_minor": 0}, "free"),
    ],
)
def test_the_reason_is_the_plainest_of_several(order: dict[str, Any], reason: str) -> None:
    row = {"status": S.PAID, "cancelled": False, "test": False, "deleted": False, "paid_minor": 10000}
    row |= {"goods_minor": 8000, "refunded_minor": 0} | order
    assert why_not(**row, spend="paid", pending_counts=False) == reason
