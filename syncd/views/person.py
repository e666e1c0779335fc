"""One person explained: the figures, open carts, each segment with the values behind it, and what changes next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from syncd.calendar import date_of, midnight
from syncd.errors import UserError
from syncd.history import ledger
from syncd.history.carts import open_carts
from syncd.history.former import now_known_as, was_erased
from syncd.history.people import customer_of
from syncd.history.stays import since_of
from syncd.lifecycle.columns import Batch
from syncd.model import email_key
from syncd.money import to_major
from syncd.plan import Tags
from syncd.rules import Playbook, judge, metrics_of
from syncd.rules import explain as explain_rules
from syncd.steps.context import Context
from syncd.steps.judge import Figures, columns_of, figures_on, moment_in
from syncd.views.common import iso, tags_of
from syncd.views.occasions import last_moments

# So far ahead the next change is looked for.
AHEAD_DAYS = 400


def explain(context: Context, name: str, email: str, today: int) -> dict[str, Any]:
    """One person: the figures, and each segment with the values behind it.

    Raises: UserError for an address that is not known in the audience.
    """
    audience, tags = context.settings.audiences[name], tags_of(context, name)
    key = email_key(email)
    id_ = customer_of(context.history, key) if key else None
    batch = None if id_ is None else next(iter(columns_of(context, name, today, [id_])), None)
    if id_ is None or batch is None or not len(batch):
        raise _unknown(context, name, email, id_)
    figures, now = figures_on(context, name, today), moment_in(context, audience, today)
    since = since_of(context.history, name, id_, midnight(today + 1, audience.timezone))
    changes = _next_changes(audience.playbook, tags, batch, today, figures)
    rows = [
        {
            "name": entry["name"],
            "in": entry["in"],
            "since": iso(since.get(tags.bits[entry["name"]])) if entry["in"] else None,
            "when": segment.when_text,
            "fallback": entry["fallback"],
            "values": entry["values"],
            "next_change": changes.get(entry["name"]),
        }
        for entry, segment in zip(
            explain_rules(audience.playbook, batch, today, figures, tags.bits, now),
            audience.playbook.segments,
            strict=True,
        )
    ]
    with context.history.read() as db:
        person = ledger.people(db, name, [id_])[id_]
    return {
        "email": person.email,
        "audience": name,
        "as_of": date_of(today).isoformat(),
        "standing": f"refused by the service: {person.refused}" if person.refused else person.status or "not a member",
        "metrics": metrics_of(batch, today, figures, now),
        "open_carts": _open_carts(context, audience.shops, id_),
        "segments": rows,
        "moments": last_moments(context, name, id_),
    }


def _open_carts(context: Context, shops: Sequence[str], customer_id: int) -> list[dict[str, Any]]:
    """What waits in the shops now, whatever day the figures are of."""
    return [
        {
            "shop": cart.shop,
            "value": str(to_major(cart.value_minor, cart.currency)),
            "currency": cart.currency,
            "since": iso(cart.updated_at),
        }
        for cart in open_carts(context.history, shops, customer_id, context.clock.now())
    ]


def _unknown(context: Context, name: str, email: str, id_: int | None) -> UserError:
    if id_ is not None and was_erased(context.history, id_):
        return UserError(f"{email} was erased at a shop, and is nobody in audience {name} any more")
    if id_ is not None and (now := now_known_as(context.history, id_)):
        return UserError(f"{email} has another address in the shop by now: {now}")
    return UserError(f"{email} is not known in audience {name}", hint="check the spelling; names are not searched")


def _next_changes(playbook: Playbook, tags: Tags, batch: Batch, today: int, figures: Figures) -> dict[str, str]:
    """For each segment the first local day on which the person joins or leaves it, if nothing happens."""
    changes: dict[str, str] = {}
    before: int | None = None
    for day in range(today, today + AHEAD_DAYS + 1):
        judged = judge(playbook, batch, day, figures, tags.bits).segments
        moved = 0 if before is None else before ^ int(judged[0])
        for segment, bit in tags.bits.items():
            if moved >> bit & 1:
                changes.setdefault(segment, date_of(day).isoformat())
        before, batch = int(judged[0]), replace(batch, was_in=judged)
    return changes
