"""The one spelling of a person's merge fields, so that equal fields are equal text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from syncd.rules import Saying

Value = str | int | float

# Mailchimp cuts or refuses what is longer.
TEXT_BYTES = 255

# In place of the hash of what fields say: they were not made from that.
AS_KNOWN = -1

_json = msgspec.json.Encoder(order="sorted")


def canonical_fields(fields: Mapping[str, Value]) -> str:
    """The fields as JSON with sorted names; empty text for no fields, as a new row of the ledger has it.

    A field that is empty is the same as one that was never set, 12.0 is 12, and a text ends where the
    service would cut it: it tells none of them apart.
    """
    return _spelled({name: _plain(value) for name, value in fields.items() if value != ""})


def canonical_texts(sayings: Sequence[Saying], places: NDArray[np.int64]) -> list[str]:
    """The same for what the fields say of each of the customers at these places."""
    names = [one.name for one in sayings]
    columns = [map(_plain, one.values(places)) for one in sayings]
    rows = zip(*columns, strict=True) if columns else [()] * len(places)
    return [_spelled({name: value for name, value in zip(names, row, strict=True) if value != ""}) for row in rows]


def _spelled(plain: Mapping[str, Value]) -> str:
    return _json.encode(plain).decode() if plain else ""


def _plain(value: Value) -> Value:
    if isinstance(value, str):
        return _cut(value)
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _cut(text: str) -> str:
    if len(text) * 4 <= TEXT_BYTES:
        # No character takes more than four bytes.
        return text
    kept = text.encode()[:TEXT_BYTES].decode(errors="ignore")
    return text if kept == text else kept.rstrip()
