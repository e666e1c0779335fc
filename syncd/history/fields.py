"""The one spelling of a person's merge fields, so that equal fields are equal text."""

from __future__ import annotations

import json
from collections.abc import Mapping


def canonical_fields(fields: Mapping[str, str | int | float]) -> str:
    """The fields as JSON with sorted names; empty text for no fields, as a new row of the ledger has it.

    A field that was emptied stays, as "": it is another thing than one that never was there.
    """
    return json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False) if fields else ""
