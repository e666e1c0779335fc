"""One person as a document: all that is stored of them, in words that a person can read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from syncd.errors import UserError
from syncd.history.dossier import Row, persons, quarantined_of, rows_of, shop_ids, tags_by_bit
from syncd.history.former import now_known_as
from syncd.model import OrderStatus, email_key
from syncd.steps.context import Context
from syncd.views.common import iso

# What is a bit set over an audience's tags, what is JSON, and what is a list with one entry a line.
_BIT_SETS = frozenset(
    {"segments", "wanted_tags", "known_tags", "added", "removed", "add_tags", "remove_tags"}
    | {"joined_segments", "left_segments"}
)
_JSON = frozenset({"wanted_fields", "known_fields", "fields_before", "fields_after", "moments"})
_LINES = frozenset({"tags", "wishes"})


def export(context: Context, email: str) -> dict[str, Any]:
    """All that is stored of the person under this address, and of those whom they were before.

    Raises: UserError where nothing is.
    """
    key = email_key(email) or email
    with context.history.read() as db:
        known = persons(db, key)
        found = rows_of(db, known)
        quarantined = quarantined_of(db, {key, *known.values()}, shop_ids(found))
        tags = tags_by_bit(db)
    if not known and not quarantined:
        raise UserError(f"nothing is stored of {email}", hint="check the spelling; names are not searched")
    later = filter(None, (now_known_as(context.history, id_) for id_ in known))
    document: dict[str, Any] = {
        "email": key,
        "exported_at": iso(context.clock.now()),
        "earlier_addresses": sorted({*known.values()} - {key}),
        "known_now_as": next((address for address in later if address not in known.values()), None),
    }
    of_audiences: dict[str, dict[str, list[Row]]] = {}
    for table, rows in found.items():
        if not any("audience" in row for row in rows):
            document[table] = [_shown(row, {}) for row in rows]
            continue
        for row in rows:
            audience = row.pop("audience")
            shown = _shown(row, tags.get(audience, {}))
            of_audiences.setdefault(audience, {}).setdefault(table, []).append(shown)
    document["audiences"] = of_audiences
    document["quarantine"] = [_shown(row, {}) | {"raw": row["raw"].decode("utf-8", "replace")} for row in quarantined]
    return document


def _shown(row: Mapping[str, Any], tags: Mapping[int, str]) -> Row:
    """A row as people read it: instants as text, tags by name, lists as lists."""
    return {name: _readable(name, value, tags) for name, value in row.items() if not isinstance(value, bytes)}


def _readable(name: str, value: Any, tags: Mapping[int, str]) -> Any:
    if isinstance(value, list):
        return [_shown(each, tags) for each in value]
    if name.endswith("_at"):
        # Below zero stands where only orders told something: it is no instant.
        return iso(value) if value is None or value >= 0 else None
    if name in _BIT_SETS and isinstance(value, int):
        return _named(value, tags)
    if name == "bit":
        return tags.get(value, value)
    if name in _JSON:
        return json.loads(value or "null")
    if name in _LINES:
        return value.split("\n") if value else []
    return OrderStatus(value).name.lower() if name == "status" and isinstance(value, int) else value


def _named(bits: int, tags: Mapping[int, str]) -> list[str]:
    return [name for bit, name in sorted(tags.items()) if bits >> bit & 1]
