"""Instants as the API writes and reads them. Pure."""

from __future__ import annotations

from datetime import UTC, datetime

from syncd.sandbox.audience.problems import invalid


def iso(at: int | None) -> str:
    """An instant (UTC seconds) as the API writes it; "" where there is none."""
    return "" if at is None else datetime.fromtimestamp(at, UTC).isoformat()


def instant(text: str, field: str) -> float:
    """UTC seconds, with a fraction where `text` has one. Raises: Problem that names `field`."""
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise invalid((field, "This value is not a valid datetime.")) from None
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
