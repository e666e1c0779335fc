"""What the looking commands show, as plain documents (DESIGN §9). Everything is judged afresh from the history."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from syncd.calendar import date_of, midnight
from syncd.errors import UserError
from syncd.history import ledger, outbox
from syncd.history.people import customer_of, emails_of
from syncd.history.quarantine import quarantined as quarantined_rows
from syncd.history.quarantine import quarantined_one
from syncd.history.shops import holdings, shop_row
from syncd.lifecycle import metrics
from syncd.model import email_key
from syncd.plan import Tags
from syncd.rules import evaluate, figure_of, figure_values, figures_in, metrics_of, parse_rule, parts
from syncd.rules import explain as explain_rules
from syncd.rules import judge as apply_rules
from syncd.steps.context import Context
from syncd.steps.judge import Figures, columns_of, figures_on, judgements
from syncd.steps.planning import plan_stored

DAY_SECONDS = 86_400
# So far ahead `explain` looks for the next change.
AHEAD_DAYS = 400


def iso(instant: int | None) -> str | None:
    """An instant as text in UTC: `2026-11-22T09:00:00Z`."""
    return None if instant is None else f"{np.datetime64(instant, 's')}Z"


def _tags(context: Context, name: str) -> Tags:
    audience = context.settings.audiences[name]
    return ledger.tags_of(context.history, name, audience.playbook, audience.tag_prefix, write=False)


def _standing(context: Context, name: str, tags: Tags, today: int) -> tuple[np.ndarray, np.ndarray]:
    """Everybody's id and bit set of segments on a local day."""
    figures = figures_on(context, name, today)
    found = [(b.customer, j.segments) for b, j in judgements(context, name, tags, today, figures, None)]
    nobody = np.zeros(0, np.int64)
    ids, bits = zip(*found, strict=True) if found else ((nobody,), (nobody,))
    return np.concatenate(ids), np.concatenate(bits)


def segments(context: Context, name: str, today: int) -> dict[str, Any]:
    """Each segment with its size, its members, and who moved in the last 24 hours."""
    audience, tags = context.settings.audiences[name], _tags(context, name)
    ids, bits = _standing(context, name, tags, today)
    tagged = ledger.tagged(context.history, name)
    known = np.array([tagged.get(id_, 0) for id_ in ids.tolist()], np.int64)
    moves = ledger.moves_since(context.history, name, context.clock.now() - DAY_SECONDS)
    rows = []
    for segment in audience.playbook.segments:
        bit = tags.bits[segment.name]
        joined, left = moves.get(bit, (0, 0))
        rows.append(
            {
                "name": segment.name,
                "tag": tags.names[bit],
                "when": segment.when_text,
                "describe": segment.describe,
                "customers": int(np.count_nonzero(bits >> bit & 1)),
                "members": int(np.count_nonzero((bits & known) >> bit & 1)),
                "joined": joined,
                "left": left,
                # Every rule speaks in local days, so the next midnight is the next time anybody can move.
                "next_due": iso(midnight(today + 1, audience.timezone)),
            }
        )
    return {"as_of": date_of(today).isoformat(), "audience": name, "segments": rows}


def members(context: Context, name: str, segment: str, today: int) -> dict[str, Any]:
    """Who is in a segment, and who of them bears its tag; both sorted by address.

    Raises: UserError for a segment that is not in the playbook.
    """
    tags = _tags(context, name)
    if segment not in tags.bits:
        raise UserError(f"no segment {segment!r} in audience {name}; there are: {', '.join(tags.bits)}")
    bit = tags.bits[segment]
    ids, bits = _standing(context, name, tags, today)
    inside = ids[(bits >> bit & 1).astype(bool)].tolist()
    emails = emails_of(context.history, inside)
    tagged = ledger.tagged(context.history, name)
    return {
        "as_of": date_of(today).isoformat(),
        "audience": name,
        "segment": segment,
        "customers": sorted(emails[id_] for id_ in inside),
        "members": sorted(emails[id_] for id_ in inside if tagged.get(id_, 0) >> bit & 1),
    }


def explain(context: Context, name: str, email: str, today: int) -> dict[str, Any]:
    """One person: the figures, and each segment with the values behind it.

    Raises: UserError for an address that is not known in the audience.
    """
    audience, tags = context.settings.audiences[name], _tags(context, name)
    key = email_key(email)
    id_ = customer_of(context.history, key) if key else None
    batch = None if id_ is None else next(iter(columns_of(context, name, today, [id_])), None)
    if id_ is None or batch is None or not len(batch):
        raise UserError(f"{email} is not known in audience {name}", hint="check the spelling; names are not searched")
    figures = figures_on(context, name, today)
    since = ledger.since_of(context.history, name, id_)
    changes = _next_changes(context, name, tags, id_, today, figures)
    rows = [
        {
            "name": entry["name"],
            "in": entry["in"],
            "since": iso(since.get(tags.bits[entry["name"]])) if entry["in"] else None,
            "when": segment.when_text,
            "values": entry["values"],
            "next_change": changes.get(entry["name"]),
        }
        for entry, segment in zip(
            explain_rules(audience.playbook, batch, today, figures, tags.bits),
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
        "metrics": metrics_of(batch, today),
        "segments": rows,
    }


def _next_changes(context: Context, name: str, tags: Tags, id_: int, today: int, figures: Figures) -> dict[str, str]:
    """For each segment the first local day on which the person joins or leaves it, if nothing happens."""
    playbook = context.settings.audiences[name].playbook
    changes: dict[str, str] = {}
    # Loaded once, with everything placed so far: nothing happens from now on.
    batch = next(iter(columns_of(context, name, today, [id_])))
    start = None
    for day in range(today, today + AHEAD_DAYS + 1):
        judgement = apply_rules(playbook, batch, day, figures, tags.bits)
        bits = int(judgement.segments[0])
        start = bits if start is None else start
        for segment, bit in tags.bits.items():
            if (bits ^ start) >> bit & 1:
                changes.setdefault(segment, date_of(day).isoformat())
        batch = replace(batch, was_in=judgement.segments)
    return changes


def preview(context: Context, name: str, rule: str, today: int) -> dict[str, Any]:
    """A rule tried out: size, the size of each part, share of revenue, overlap with each segment.

    Raises: RuleError for a rule that cannot be read.
    """
    playbook, tags = context.settings.audiences[name].playbook, _tags(context, name)
    tree = parse_rule(rule, segments=list(tags.bits))
    figures = figures_on(context, name, today) | _figures_of(context, name, tree, today)
    pieces = parts(tree)
    holds: list[np.ndarray] = []
    of_parts: list[list[np.ndarray]] = [[] for _ in pieces]
    spent: list[np.ndarray] = []
    subscribed: list[np.ndarray] = []
    stand: list[np.ndarray] = []
    for batch, judgement in judgements(context, name, tags, today, figures, None):
        holds.append(evaluate(tree, batch, today, figures, judgement.inside))
        for at, piece in enumerate(pieces):
            of_parts[at].append(evaluate(piece, batch, today, figures, judgement.inside))
        spent.append(metrics.spend_minor(batch, "ever", today))
        subscribed.append(batch.subscribed)
        stand.append(judgement.segments)
    inside, money, bits = np.concatenate(holds), np.concatenate(spent), np.concatenate(stand)
    everybody, size = len(inside), int(inside.sum())
    sizes = {s: int(np.count_nonzero(bits >> bit & 1)) for s, bit in tags.bits.items()}
    both = {s: int(np.count_nonzero((bits >> bit & 1).astype(bool) & inside)) for s, bit in tags.bits.items()}
    return {
        "rule": rule,
        "audience": name,
        "as_of": date_of(today).isoformat(),
        "customers": size,
        "everybody": everybody,
        "share": size / everybody if everybody else 0.0,
        "subscribed": int((np.concatenate(subscribed) & inside).sum()),
        "revenue_share": float(money[inside].sum() / money.sum()) if money.sum() else 0.0,
        "parts": [
            {"rule": str(piece), "customers": int(np.concatenate(column).sum())}
            for piece, column in zip(pieces, of_parts, strict=True)
        ],
        "overlap": [
            {"name": s.name, "customers": both[s.name], "share": both[s.name] / sizes[s.name] if sizes[s.name] else 0.0}
            for s in playbook.segments
        ],
    }


def _figures_of(context: Context, name: str, tree: Any, today: int) -> Figures:
    wanted = figures_in(tree)
    if not wanted:
        return {}
    columns = list(columns_of(context, name, today, None))
    return {f.text: figure_of(f, [figure_values(f, batch, today) for batch in columns]) for f in wanted}


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
        "state": row["state"],
        "error": row["error"],
        "watermark": iso(pulled_at),
        "lag_seconds": None if pulled_at is None else max(0, context.clock.now() - pulled_at),
        "orders": held.orders,
        "customers": held.customers,
        "quarantined": held.quarantined,
    }


def _audience_status(context: Context, name: str) -> dict[str, Any]:
    row = ledger.audience_row(context.history, name)
    held = outbox.held_plan(context.history, name)
    live = row["backfilled_at"] is not None
    return {
        "name": name,
        "state": row["state"],
        "error": row["error"],
        "outbox": outbox.outbox_size(context.history, name),
        "held_plan": held["id"] if held else None,
        "last_push": iso(row["pushed_at"]),
        "dripping": dict(plan_stored(context, name, _tags(context, name)).waiting) if live else {},
    }


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
            "attempts": row.attempts,
        }
        for row in quarantined_rows(context.history, shop)
    ]


def quarantined_raw(context: Context, number: int) -> str:
    """A quarantined record as the shop sent it. Raises: UserError for a number that is not there."""
    return quarantined_one(context.history, number).raw.decode("utf-8", "replace")
