"""How the platforms write amounts and instants. Integer arithmetic only."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache, lru_cache
from zoneinfo import ZoneInfo

from syncd.money import exponent


@lru_cache(4096)
def decimal_text(minor: int, currency: str) -> str:
    """1234 EUR as "12.34", 1234 JPY as "1234"."""
    places = exponent(currency)
    if not places:
        return str(minor)
    whole, part = divmod(abs(minor), 10**places)
    return f"{'-' if minor < 0 else ''}{whole}.{part:0{places}d}"


def number(minor: int, currency: str) -> float:
    """1234 EUR as the JSON number 12.34."""
    return float(minor / 10 ** exponent(currency))


@cache
def zone(name: str) -> ZoneInfo:
    """The time zone, loaded once."""
    return ZoneInfo(name)


def offset_text(instant: int, timezone: str) -> str:
    """ "2026-11-22T05:17:33+01:00": local time with the offset of that moment."""
    return datetime.fromtimestamp(instant, zone(timezone)).isoformat()


def spaced_text(instant: int) -> str:
    """ "2026-11-22 05:17:33 +0000": UTC as Ecwid writes it."""
    return datetime.fromtimestamp(instant, UTC).strftime("%Y-%m-%d %H:%M:%S +0000")


def zulu_text(instant: int) -> str:
    """ "2026-11-22T04:17:33Z": UTC as most APIs write it."""
    return datetime.fromtimestamp(instant, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
