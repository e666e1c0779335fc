"""The one spelling of a person's merge fields, so that equal fields are equal text."""

from __future__ import annotations

import json
from collections.abc import Mapping

Value = str | int | float

# Mailchimp cuts or refuses what is longer.
TEXT_BYTES = 255


def canonical_fields(fields: Mapping[str, Value]) -> str:
    """The fields as JSON with sorted names; empty text for no fields, as a new row of the ledger has it.

    A field that is empty is the same as one that was never set, 12.0 is 12, and a text ends where the
    service would cut it: it tells none of them apart.
    """
    filled = {name: _plain(value) for name, value in fields.items() if value != ""}
    return json.dumps(filled, sort_keys=True, separators=(",", ":")) if filled else ""


def _plain(value: Value) -> Value:
    if isinstance(value, str):
        return _cut(value)
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _cut(text: str) -> str:
    kept = text.encode()[:TEXT_BYTES].decode(errors="ignore")
    return text if kept == text else kept.rstrip()
