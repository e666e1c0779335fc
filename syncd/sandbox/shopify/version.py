"""Which version of the API answers. Source: shopify.dev "API versioning"."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_RELEASED = timedelta(hours=17)


def serve_version(asked: str, now: int) -> str | None:
    """The API version that answers a request for `asked`; None where there is no such version.

    Versions come at 17:00 UTC on the first of each quarter; the newest five are served, an older one falls
    forward to the oldest of them.
    """
    if asked == "unstable":
        return asked
    today = datetime.fromtimestamp(now, UTC) - _RELEASED
    newest = today.year * 4 + (today.month - 1) // 3
    year, dash, month = asked.partition("-")
    if not (dash and year.isdigit() and month in ("01", "04", "07", "10") and len(year) == 4):
        return None
    wanted = max(int(year) * 4 + (int(month) - 1) // 3, newest - 4)
    return None if wanted > newest else f"{wanted // 4}-{wanted % 4 * 3 + 1:02d}"
