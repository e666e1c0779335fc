"""One person's orders one by one: what stands behind a figure, and why an order is not part of it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from sqlalchemy import select

from syncd.history.database import History
from syncd.history.schema import orders
from syncd.lifecycle.counting import Spend, why_not


class Purchase(NamedTuple):
    """An order. `minor` is in its own currency: what it counts for, or what was to be paid where it does not.

    `why_not`: for what reason it does not count, see `counting.why_not`, or "currency" where no rate is known.
    """

    shop: str
    id: str
    placed_at: int
    currency: str
    minor: int
    why_not: str


def purchases_of(
    history: History,
    shops: Sequence[str],
    customer_id: int,
    *,
    currencies: Collection[str],
    spend: Spend,
    pending_counts: bool,
    as_of_end: int,
) -> list[Purchase]:
    """Every order of a person in these shops that was placed before an instant, the newest first.

    `currencies`: those that can be counted in.
    """
    facts = (
        *(orders.c.status, orders.c.cancelled, orders.c.test, orders.c.deleted),
        *(orders.c.paid_minor, orders.c.goods_minor, orders.c.refunded_minor),
    )
    query = (
        select(orders.c.shop, orders.c.id, orders.c.placed_at, orders.c.currency, orders.c.refunded_goods_minor, *facts)
        .where(orders.c.customer_id == customer_id, orders.c.shop.in_(shops), orders.c.placed_at < as_of_end)
        .order_by(orders.c.placed_at.desc(), orders.c.shop, orders.c.id)
    )
    found = []
    with history.read() as db:
        for shop, id_, placed_at, currency, refunded_goods, *row in db.execute(query):
            reason = why_not(*row, spend=spend, pending_counts=pending_counts)
            *_, paid, goods, refunded = row
            gross, back = (paid, refunded) if spend == "paid" else (goods, refunded_goods)
            minor = gross if reason else max(0, gross - back)
            reason = reason or ("" if currency in currencies else "currency")
            found.append(Purchase(shop, id_, placed_at, currency, minor, reason))
    return found
