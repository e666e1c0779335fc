"""Once a day: the shop's own counts against our rows. A pull that saw too little without any error shows here."""

from __future__ import annotations

from collections.abc import Iterator

from syncd import logs
from syncd.calendar import DAY_SECONDS
from syncd.errors import SyncdError, TransientError
from syncd.history.shops import rows_known, set_shop_state, shop_row
from syncd.steps.context import Context

# What is sold or edited between a pull and the count is no fault.
SLACK_ROWS = 10
SLACK_SHARE = 0.005


def count_daily(context: Context, shop: str) -> list[SyncdError]:
    """Where the shop was not counted today, it is; returns the error of one that shows more than the history has,
    and of one that cannot be counted, which is tried again tomorrow.
    """
    day = context.clock.now() // DAY_SECONDS
    if shop_row(context.history, shop)["counted_day"] == day:
        return []
    try:
        lacking = "; ".join(lacks(context, shop))
    except SyncdError as err:
        set_shop_state(context.history, shop, counted_day=day)
        return [err]
    set_shop_state(context.history, shop, counted_day=day, lacking=lacking)
    if not lacking:
        return []
    logs.error("the history lacks rows", shop=shop, lacking=lacking)
    return [TransientError(f"{shop}: {lacking}", hint=HINT)]


HINT = "read the orders once more: syncd backfill --since DATE; if that does not help, `syncd check` may tell why"


def lacks(context: Context, shop: str) -> Iterator[str]:
    """What the shop shows and the history has not, in words. Raises: TransientError, ConnectionBlocked."""
    source = context.source(shop)
    shown = {
        "orders": source.orders_shown(shop_row(context.history, shop)["since_at"]),
        "customers": source.customers_shown(),
    }
    known = rows_known(context.history, shop)._asdict()
    for what, count in shown.items():
        if count is not None and count - known[what] > max(SLACK_ROWS, count * SLACK_SHARE):
            yield f"the shop shows {count:,} {what}, and {known[what]:,} are known"
