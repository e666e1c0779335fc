"""Records in quarantine are read again: after an upgrade, or a change of the configuration."""

from __future__ import annotations

from collections.abc import Collection

from syncd.errors import RecordError, UserError
from syncd.history import ledger
from syncd.history.ingest import ingest
from syncd.history.members import RESOURCE, source_of
from syncd.history.quarantine import Quarantined, quarantined
from syncd.history.shops import cursors_of
from syncd.history.sift import recovered
from syncd.model import Cart, Order, Page, Product, Rejected
from syncd.steps.context import Context
from syncd.steps.pull import accepted_currencies, audiences_of


def retry(context: Context, numbers: Collection[int] = ()) -> tuple[int, int]:
    """These records, or all, were read again; returns how many could be and how many stay. Those whose content was
    dropped stay until the shop shows them again.

    Raises: UserError for a number that is not in quarantine.
    """
    waiting = quarantined(context.history)
    unknown = set(numbers) - {one.id for one in waiting}
    if unknown:
        raise UserError(
            f"nothing is in quarantine under {', '.join(map(str, sorted(unknown)))}",
            hint="see `syncd quarantine list`",
        )
    chosen = [one for one in waiting if not numbers or one.id in numbers]
    for one in chosen:
        if one.resource == RESOURCE:
            # What was listed is no use once it is old: the next cycle lists everybody.
            ledger.set_audience(context.history, one.shop.removeprefix(source_of("")), member_cursor=None)
        elif one.raw:
            _again(context, one)
    left = {one.id for one in quarantined(context.history)}
    return sum(one.id not in left for one in chosen), sum(one.id in left for one in chosen)


def _again(context: Context, one: Quarantined) -> None:
    audiences = audiences_of(context, one.shop)
    cursor = cursors_of(context.history, one.shop).get(one.resource, "")
    ingest(
        context.history,
        one.shop,
        _page(context, one, cursor),
        audiences=audiences,
        currencies=accepted_currencies(context, audiences),
        now=context.clock.now(),
    )


def _page(context: Context, one: Quarantined, cursor: str) -> Page:
    """A page with this one record, at the place where the resource stands anyway."""
    try:
        record = recovered(one.raw) or context.source(one.shop).parse(one.resource, one.raw)
    except RecordError as err:
        return Page(one.resource, cursor, rejected=(Rejected(one.record_id, str(err), one.raw),))
    if isinstance(record, Order):
        return Page(one.resource, cursor, orders=(record,))
    if isinstance(record, Cart):
        return Page(one.resource, cursor, carts=(record,))
    if isinstance(record, Product):
        return Page(one.resource, cursor, products=(record,))
    return Page(one.resource, cursor, customers=(record,))
