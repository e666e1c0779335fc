"""Step 1: what is new in a shop goes into the history, page by page, each with its cursor."""

from __future__ import annotations

from typing import Any

import structlog
from msgspec import Struct

from syncd.errors import ConnectionBlocked
from syncd.history.ingest import ingest
from syncd.history.shops import cursors_of, set_shop_state, shop_row
from syncd.sources import Source, connect
from syncd.steps.context import Context

log = structlog.get_logger()


class Pulled(Struct):
    """What a pull brought."""

    orders_new: int = 0
    orders_changed: int = 0
    customers_changed: int = 0
    deleted: int = 0
    quarantined: int = 0

    @property
    def anything(self) -> bool:
        """Whether there was any news at all."""
        return any((self.orders_new, self.orders_changed, self.customers_changed, self.deleted))


def pull(context: Context, name: str, since: int | None = None) -> Pulled:
    """Everything new in the shop `name` is in the history; `since` limits a first import to later orders.

    Raises: TransientError, ConnectionBlocked; whatever was committed before stays, and the next call
    goes on from there.
    """
    shop = context.settings.shops[name]
    source = connect(name, shop, context.clock.now)
    started_at = context.clock.now()
    _same_shop(context, name, source)
    audiences = audiences_of(context, name)
    pulled, done = Pulled(), 0
    for page in source.pull(cursors_of(context.history, name), since):
        result = ingest(
            context.history,
            name,
            page,
            audiences=audiences,
            currencies=accepted_currencies(context, audiences),
            now=context.clock.now(),
        )
        for field in Pulled.__struct_fields__:
            setattr(pulled, field, getattr(pulled, field) + getattr(result, field))
        done = done + len(page.orders) + len(page.customers)
        context.report(f"{name}: {page.resource}", len(page.orders) + len(page.customers), page.expected)
    row = shop_row(context.history, name)
    set_shop_state(
        context.history,
        name,
        state="ok",
        error="",
        pulled_at=started_at,
        backfilled_at=row["backfilled_at"] or started_at,
    )
    if pulled.anything or pulled.quarantined:
        log.info("pulled", shop=name, records=done, **{f: getattr(pulled, f) for f in Pulled.__struct_fields__})
    return pulled


def _same_shop(context: Context, name: str, source: Source) -> None:
    """The shop behind the name is the one that it always was; its profile is stored.

    Raises: ConnectionBlocked for another one: its orders would mix with ours.
    """
    profile = source.profile()
    known = shop_row(context.history, name, platform=context.settings.shops[name].platform)
    if known["fingerprint"] and known["fingerprint"] != profile.fingerprint:
        raise ConnectionBlocked(
            f"{name}: this is the shop {profile.fingerprint}, what was imported before is {known['fingerprint']}",
            connection=name,
            hint="point the name at the old shop again, or give the new shop a name of its own",
        )
    values: dict[str, Any] = {
        "fingerprint": profile.fingerprint,
        "currency": profile.currency,
        "timezone": profile.timezone,
    }
    if any(known[key] != value for key, value in values.items()):
        set_shop_state(context.history, name, **values)


def audiences_of(context: Context, shop: str) -> list[str]:
    """The audiences that the shop's customers belong to."""
    return [name for name, audience in context.settings.audiences.items() if shop in audience.shops]


def accepted_currencies(context: Context, audiences: list[str]) -> set[str] | None:
    """The currencies that every audience of the shop can add up; None where no audience uses the shop."""
    known = [{context.settings.audiences[name].currency, *context.settings.audiences[name].rates} for name in audiences]
    return set.intersection(*known) if known else None
