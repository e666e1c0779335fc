"""What the shipped segments mean, once more and independently: one person at a time, in plain Python.

Written from the descriptions in config/lifecycle.toml and DESIGN's semantics; shares nothing with syncd.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from fractions import Fraction

# A purchase: local date and amount in minor units.
Purchase = tuple[date, int]


def months_ago(today: date, months: int) -> date:
    """The same day of the month, or the month's last one where it is shorter."""
    count = today.year * 12 + today.month - 1 - months
    year, month = count // 12, count % 12 + 1
    return date(year, month, min(today.day, monthrange(year, month)[1]))


def segments_of(purchases: Sequence[Purchase], *, subscribed: bool, mean_spend: Fraction, today: date) -> set[str]:
    """The shipped segments that a person with these counted purchases is in."""
    paid = [(day, amount) for day, amount in purchases if day <= today]
    recent = {
        "14d": [p for p in paid if p[0] > today - timedelta(days=14)],
        "1m": [p for p in paid if p[0] > months_ago(today, 1)],
        "3m": [p for p in paid if p[0] > months_ago(today, 3)],
        "6m": [p for p in paid if p[0] > months_ago(today, 6)],
    }
    found = set()
    if subscribed and not paid:
        found.add("non-buyer")
    if len(paid) == 1:
        found.add("first-time")
    if len(paid) > 1:
        found.add("repeat")
    in_five_weeks = sum(day > today - timedelta(weeks=5) for day, _ in paid)
    if sum(amount for _, amount in recent["6m"]) >= 250_00 or in_five_weeks >= 5:
        found.add("loyal")
    if paid and sum(amount for _, amount in paid) > mean_spend:
        found.add("vip")
    if sum(amount for day, amount in paid if day.year == today.year) >= 500_00:
        found.add("free-shipping")
    if paid and max(day for day, _ in paid) <= today - timedelta(days=180):
        found.add("lapsed")
    if paid and not recent["6m"]:
        found.add("come-back")
    newest = next((name for name in ("14d", "1m", "3m", "6m") if recent[name]), None)
    if newest:
        found.add(f"bought-{newest}")
    return found


def everybody(purchases: Mapping[str, Sequence[Purchase]], subscribers: set[str], today: date) -> dict[str, set[str]]:
    """The people in each segment; `purchases` are the counted ones by address."""
    totals = [total for bought in purchases.values() if (total := sum(a for d, a in bought if d <= today))]
    mean_spend = Fraction(sum(totals), len(totals)) if totals else Fraction(0)
    found: dict[str, set[str]] = {}
    for email in {*purchases, *subscribers}:
        for segment in segments_of(
            purchases.get(email, ()), subscribed=email in subscribers, mean_spend=mean_spend, today=today
        ):
            found.setdefault(segment, set()).add(email)
    return found
