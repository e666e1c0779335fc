"""One person's orders one by one: those that count are those that the rules are judged by."""

from __future__ import annotations

from typing import Any

import pytest

from syncd.calendar import local_day
from syncd.history.columns import batches
from syncd.history.database import History
from syncd.history.people import customer_of
from syncd.history.purchases import Purchase, purchases_of
from syncd.lifecycle.counting import Spend
from syncd.model import Order, OrderStatus, Refund
from tests.integration.history_records import order, take

DAY = 86_400
ANA = "ana@example.com"


def sale(id_: str, day: int, **given: Any) -> Order:
    return order(id_, email=ANA, placed_at=day * DAY, **given)


@pytest.fixture
def ana(history: History) -> int:
    """Of each kind that counts and that does not; in a shop of ours and in another."""
    take(
        history,
        *(sale("1", 100), sale("2", 104, status=OrderStatus.PENDING), sale("3", 103, test=True)),
        *(sale("4", 105, cancelled=True), sale("5", 102, refunds=(Refund("r", 1000, 500, 1),))),
        *(sale("6", 106, currency="USD"), sale("7", 107, paid_minor=0, goods_minor=0), sale("8", 120)),
    )
    take(history, sale("9", 101), shop="elsewhere")
    id_ = customer_of(history, ANA)
    assert id_ is not None
    return id_


def purchases(history: History, id_: int, *, spend: Spend = "paid", pending_counts: bool = False) -> list[Purchase]:
    return purchases_of(
        history,
        ["acme"],
        id_,
        currencies={"EUR"},
        spend=spend,
        pending_counts=pending_counts,
        as_of_end=110 * DAY,
    )


def test_each_order_of_our_shops_stands_there_with_its_reason_the_newest_first(history: History, ana: int) -> None:
    assert [(one.id, one.why_not) for one in purchases(history, ana)] == [
        *(("7", "free"), ("6", "currency"), ("4", "cancelled"), ("2", "pending"), ("3", "test"), ("5", ""), ("1", "")),
    ]


@pytest.mark.parametrize("spend", ["paid", "goods"])
@pytest.mark.parametrize("pending_counts", [False, True])
def test_what_counts_is_what_rules_are_judged_by(
    history: History, ana: int, spend: Spend, pending_counts: bool
) -> None:
    counting = {"spend": spend, "pending_counts": pending_counts}
    reading: dict[str, Any] = {"zone": "UTC", "currency": "EUR", "rates": {}, "as_of_end": 110 * DAY} | counting
    (batch,) = batches(history, "main", ["acme"], customers=[ana], **reading)
    listed = purchases(history, ana, spend=spend, pending_counts=pending_counts)
    assert [(local_day(one.placed_at, "UTC"), one.minor) for one in reversed(listed) if not one.why_not] == list(
        zip(batch.order_day.tolist(), batch.order_minor.tolist(), strict=True)
    )
