"""How shops and audiences are, and what lies in quarantine."""

from __future__ import annotations

from typing import Any

from syncd.calendar import DAY_SECONDS, midnight
from syncd.errors import UserError
from syncd.history import ledger, moments, outbox
from syncd.history.quarantine import quarantined as quarantined_rows
from syncd.history.quarantine import quarantined_one
from syncd.history.shops import holdings, shop_row
from syncd.steps.context import Context
from syncd.steps.planning import plan_stored
from syncd.views.common import iso, tags_of


def status(context: Context) -> dict[str, Any]:
    """The health of each shop and audience."""
    return {
        "shops": [_shop_status(context, name) for name in context.settings.shops],
        "audiences": [_audience_status(context, name) for name in context.settings.audiences],
    }


def _shop_status(context: Context, name: str) -> dict[str, Any]:
    row, held = shop_row(context.history, name), holdings(context.history, name)
    pulled_at = row["pulled_at"]
    return {
        "name": name,
        "state": "incomplete" if row["state"] == "ok" and row["lacking"] else row["state"],
        "error": row["error"] or row["lacking"],
        "watermark": iso(pulled_at),
        "lag_seconds": None if pulled_at is None else max(0, context.clock.now() - pulled_at),
        "orders": held.orders,
        "customers": held.customers,
        "quarantined": held.quarantined,
    }


def _audience_status(context: Context, name: str) -> dict[str, Any]:
    row = ledger.audience_row(context.history, name)
    held = outbox.held_plan(context.history, name)
    return {
        "name": name,
        "state": row["state"],
        "error": row["error"],
        "outbox": outbox.outbox_size(context.history, name),
        "held_plan": held["id"] if held else None,
        "last_push": iso(row["pushed_at"]),
        **_entries(context, name, live=row["backfilled_at"] is not None),
        "moments": _moments(context, name),
    }


def _entries(context: Context, name: str, *, live: bool) -> dict[str, Any]:
    """How many got each tag today, how many more shall and wait for another day, and how many a day may."""
    audience, tags = context.settings.audiences[name], tags_of(context, name)
    midnight_ = midnight(context.today(audience), audience.timezone)
    entered = outbox.entered_since(context.history, name, midnight_) if live else {}
    return {
        "max_entries_per_day": audience.max_entries_per_day,
        "entered_today": {name: entered[bit] for name, bit in tags.bits.items() if bit in entered},
        "dripping": dict(plan_stored(context, name, tags).waiting) if live else {},
    }


def _moments(context: Context, name: str) -> list[dict[str, Any]]:
    """How much of each moment waits to be told, and how much was told or dropped in the last 24 hours."""
    tally = moments.tally(context.history, name, context.clock.now() - DAY_SECONDS)
    return [
        {"name": moment, **{state: tally[moment][state] for state in ("waiting", "sent", "dropped")}}
        for moment in sorted({*tally, *(one.name for one in context.settings.audiences[name].playbook.moments)})
    ]


def quarantined(context: Context, shop: str | None) -> list[dict[str, Any]]:
    """The quarantined records with their reasons, without their content."""
    return [
        {
            "id": row.id,
            "shop": row.shop,
            "resource": row.resource,
            "record_id": row.record_id,
            "reason": row.reason,
            "first_seen": iso(row.first_seen_at),
            "content_kept": bool(row.raw),
            "attempts": row.attempts,
        }
        for row in quarantined_rows(context.history, shop)
    ]


def quarantined_raw(context: Context, number: int) -> str:
    """A quarantined record as the shop sent it.

    Raises: UserError for a number that is not there, and for a record whose content was dropped.
    """
    one = quarantined_one(context.history, number)
    if not one.raw:
        raise UserError(
            f"the content of {number} was dropped: it was seen last on {(iso(one.seen_at) or '')[:10]}",
            hint="keep_raw in [syncd] says for how long it is kept; the shop itself still has the record",
        )
    return one.raw.decode("utf-8", "replace")
