"""One person explained: the figures, open carts, each segment with the values behind it, and what changes next."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from syncd.calendar import DAY_SECONDS, date_of, local_day, midnight
from syncd.errors import UserError
from syncd.history import ledger, overrides
from syncd.history.carts import open_carts
from syncd.history.former import now_known_as, was_erased
from syncd.history.overrides import Off
from syncd.history.people import customer_of
from syncd.history.purchases import Purchase, purchases_of
from syncd.history.stays import since_of
from syncd.history.tombstones import was_buried
from syncd.model import email_key
from syncd.money import to_major
from syncd.rules import TYPICAL_GAP, lacking, metrics_need, metrics_of, next_changes
from syncd.rules import explain as explain_rules
from syncd.settings import Audience
from syncd.steps.context import Context
from syncd.steps.figures import columns_of, figures_on, moment_in
from syncd.views.common import iso, tags_of
from syncd.views.occasions import last_moments

# So far ahead the next change is looked for.
AHEAD_SECONDS = 400 * DAY_SECONDS
# So many orders behind a figure are shown one by one.
SHOWN_ORDERS = 5


def explain(context: Context, name: str, email: str, today: int) -> dict[str, Any]:
    """One person: the figures, the orders, and each segment with the values behind it and what is missing.

    Raises: UserError for an address that is not known in the audience.
    """
    audience, tags = context.settings.audiences[name], tags_of(context, name)
    key = email_key(email)
    id_ = customer_of(context.history, key) if key else None
    needs = audience.playbook.needs | metrics_need()
    batch = None if id_ is None else next(columns_of(context, name, today, [id_], needs), None)
    if id_ is None or batch is None or not len(batch):
        raise _unknown(context, name, email, key, id_)
    figures, now = figures_on(context, name, today), moment_in(context, audience, today)
    end = midnight(today + 1, audience.timezone)
    since = since_of(context.history, name, id_, end)
    changes = next_changes(audience.playbook, batch, figures, tags.bits, now, now + AHEAD_SECONDS)
    bought = _purchases(context, audience, id_, end)
    told = explain_rules(audience.playbook, batch, today, figures, tags.bits, now)
    with context.history.read() as db:
        person = ledger.people(db, name, [id_])[id_]
    off = None if audience.enforce else overrides.in_force(context.history, name).get(id_)
    lack = lacking(figures) if TYPICAL_GAP in figures else None
    return {
        "email": person.email,
        "audience": name,
        "as_of": date_of(today).isoformat(),
        "currency": audience.currency,
        "refused": person.refused or None,
        "standing": f"refused by the service: {person.refused}" if person.refused else person.status or "not a member",
        "usual_lacks": lack and lack._asdict(),
        "metrics": metrics_of(batch, today, figures, now),
        "orders": [{**_order(each, audience), "counts": not each.why_not, "why_not": each.why_not} for each in bought],
        "open_carts": _open_carts(context, audience, id_),
        "segments": [
            {
                "name": entry["name"],
                "in": entry["in"],
                "stays": entry["stays"],
                "settling": entry["settling"],
                "tag_off": _tag_off(off, tags.bits[entry["name"]]) if entry["in"] else None,
                **_since(since.get(tags.bits[entry["name"]]) if entry["in"] else None, audience),
                "when": segment.when_text,
                "fallback": entry["fallback"],
                "values": [_value(value, bought, audience) for value in entry["values"]],
                "ways": [_way(way, now, audience) for way in entry["ways"]],
                "next_change": _moment(changes.get(entry["name"]), audience),
            }
            for entry, segment in zip(told, audience.playbook.segments, strict=True)
        ],
        "moments": last_moments(context, name, id_),
    }


def _tag_off(off: Off | None, bit: int) -> str | None:
    """Why the contact is without the tag of a segment that the person is in: taken off by a `hand`, or `lost`."""
    if off is None or not off.tags >> bit & 1:
        return None
    return "hand" if off.by_hand >> bit & 1 else "lost"


def _purchases(context: Context, audience: Audience, customer_id: int, end: int) -> list[Purchase]:
    """All their orders up to then, the newest first."""
    return purchases_of(
        context.history,
        audience.shops,
        customer_id,
        currencies={audience.currency, *audience.rates},
        spend=audience.spend,
        pending_counts=audience.pending_counts,
        as_of_end=end,
    )


def _order(purchase: Purchase, audience: Audience) -> dict[str, Any]:
    return {
        "date": date_of(local_day(purchase.placed_at, audience.timezone)).isoformat(),
        "amount": float(to_major(purchase.minor, purchase.currency)),
        "currency": purchase.currency,
        "shop": purchase.shop,
    }


def _value(value: dict[str, Any], bought: Sequence[Purchase], audience: Audience) -> dict[str, Any]:
    """A condition with the orders behind each of its windows."""
    told = {key: value[key] for key in value if key not in ("windows", "changes_at")}
    windows = [_behind(text, days, bought, audience) for text, days in value["windows"].items()]
    return told | {"changes": _moment(value["changes_at"], audience), "orders": windows}


def _behind(window: str, days: Sequence[int], bought: Sequence[Purchase], audience: Audience) -> dict[str, Any]:
    """The orders that count in a window, the newest of them one by one."""
    first, last = days
    counting = [(local_day(each.placed_at, audience.timezone), each) for each in bought if not each.why_not]
    inside = [each for day, each in counting if first <= day <= last]
    return {
        "window": window,
        "from": None if window == "ever" else date_of(first).isoformat(),
        "to": date_of(last).isoformat(),
        "count": len(inside),
        "first": _order(inside[-1], audience)["date"] if inside else None,
        "newest": [_order(each, audience) for each in inside[:SHOWN_ORDERS]],
        "older": sum(day < first for day, _ in counting),
    }


def _way(way: dict[str, Any], now: int, audience: Audience) -> dict[str, Any]:
    today = date_of(local_day(now, audience.timezone)).isoformat()
    return {
        "orders": way["orders"],
        "amount": float(to_major(way["amount_minor"], audience.currency)) if way["amount_minor"] else None,
        "from": today if way["from_at"] == now else _moment(way["from_at"], audience),
        "before": _moment(way["before_at"], audience),
        "unmet": way["unmet"],
        "beyond": way["beyond"],
        "depends": way["depends"],
    }


def _since(instant: int | None, audience: Audience) -> dict[str, Any]:
    """A past instant, and its local date."""
    day = None if instant is None else date_of(local_day(instant, audience.timezone)).isoformat()
    return {"since": iso(instant), "since_date": day}


def _moment(instant: int | None, audience: Audience) -> str | None:
    """An instant to come as its local date, with the time where that is not the day's beginning."""
    if instant is None:
        return None
    day = local_day(instant, audience.timezone)
    if instant == midnight(day, audience.timezone):
        return date_of(day).isoformat()
    return datetime.fromtimestamp(instant, ZoneInfo(audience.timezone)).strftime("%Y-%m-%dT%H:%M")


def _open_carts(context: Context, audience: Audience, customer_id: int) -> list[dict[str, Any]]:
    """What waits in the shops now, whatever day the figures are of."""
    return [
        {
            "shop": cart.shop,
            "value": str(to_major(cart.value_minor, cart.currency)),
            "currency": cart.currency,
            **_since(cart.updated_at, audience),
        }
        for cart in open_carts(context.history, audience.shops, customer_id, context.clock.now())
    ]


def _unknown(context: Context, name: str, email: str, key: str | None, id_: int | None) -> UserError:
    if (key and was_buried(context.history, key)) or (id_ is not None and was_erased(context.history, id_)):
        return UserError(f"{email} was erased, and is nobody in audience {name} any more")
    if id_ is not None and (now := now_known_as(context.history, id_)):
        return UserError(f"{email} has another address in the shop by now: {now}")
    return UserError(f"{email} is not known in audience {name}", hint="check the spelling; names are not searched")
