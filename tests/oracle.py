"""What the rules in oracle.toml mean, once more and independently: one person at a time, in plain Python.

And, of the shipped playbook, all that follows from purchases and sign-ups, for who was in no segment before.
Written from DESIGN's semantics; shares nothing with syncd.
"""

from __future__ import annotations

import math
from calendar import monthrange
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

KNOWN_RULES = Path(__file__).with_suffix(".toml").read_text("utf-8")

# A purchase: local date and amount in minor units.
Purchase = tuple[date, int]


def months_ago(today: date, months: int) -> date:
    """The same day of the month, or the month's last one where it is shorter."""
    count = today.year * 12 + today.month - 1 - months
    year, month = count // 12, count % 12 + 1
    return date(year, month, min(today.day, monthrange(year, month)[1]))


def segments_of(purchases: Sequence[Purchase], *, subscribed: bool, mean_spend: Fraction, today: date) -> set[str]:
    """The segments that a person with these counted purchases is in."""
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


def mean_of(purchases: Mapping[str, Sequence[Purchase]], today: date) -> Fraction:
    """What those who bought have spent on average."""
    totals = [total for bought in purchases.values() if (total := sum(a for d, a in bought if d <= today))]
    return Fraction(sum(totals), len(totals)) if totals else Fraction(0)


def everybody(purchases: Mapping[str, Sequence[Purchase]], subscribers: set[str], today: date) -> dict[str, set[str]]:
    """The people in each segment; `purchases` are the counted ones by address."""
    mean_spend = mean_of(purchases, today)
    found: dict[str, set[str]] = {}
    for email in {*purchases, *subscribers}:
        for segment in segments_of(
            purchases.get(email, ()), subscribed=email in subscribers, mean_spend=mean_spend, today=today
        ):
            found.setdefault(segment, set()).add(email)
    return found


@dataclass(frozen=True)
class Figures:
    """Of a whole audience: its typical order gap, and from which lateness and which spend on people are few."""

    typical_gap: float
    usual: dict[int, float]
    spend: dict[int, float]

    @classmethod
    def of(cls, purchases: Mapping[str, Sequence[Purchase]], today: date) -> Figures:
        gaps = [gaps_of(bought, today) for bought in purchases.values()]
        logs = [math.log(gap) for each in gaps for gap in each]
        typical = math.exp(math.fsum(logs) / len(logs))
        lateness = [gap / usual_gap(each[:n], typical) for each in gaps for n, gap in enumerate(each)]
        totals = [total / 100 for bought in purchases.values() if (total := sum(a for d, a in bought if d <= today))]
        usual = {p: quantile(lateness, p) for p in (80, 90)}
        return cls(typical, usual, {90: quantile(totals, 90)})


def gaps_of(bought: Sequence[Purchase], today: date) -> list[int]:
    """The days between each two days with purchases that follow each other."""
    return [(later - earlier).days for earlier, later in pairwise(sorted({day for day, _ in bought if day <= today}))]


def usual_gap(gaps: Sequence[int], typical: float) -> float:
    """The geometric mean of a person's gaps and five typical ones."""
    return math.exp((math.fsum(map(math.log, gaps)) + 5 * math.log(typical)) / (len(gaps) + 5))


def quantile(values: Sequence[float], p: float) -> float:
    """The value below which p % lie, interpolated linearly."""
    ordered, place = sorted(values), (len(values) - 1) * p / 100
    low, high = ordered[math.floor(place)], ordered[math.ceil(place)]
    return low + (high - low) * (place - math.floor(place))


def shipped_segments_of(
    purchases: Sequence[Purchase],
    *,
    signup: date,
    subscribed: bool,
    mean_spend: Fraction,
    figures: Figures,
    today: date,
) -> set[str]:
    """The shipped segments that a person with these counted purchases is in."""
    found = segments_of(purchases, subscribed=subscribed, mean_spend=mean_spend, today=today) - {"lapsed"}
    paid = [(day, amount) for day, amount in purchases if day <= today]
    waited = (today - signup).days
    if subscribed and waited < 15:
        found.add("welcome")
    if subscribed and not paid and waited >= 15:
        found.add(f"non-buyer-{max(step for step in (15, 30, 45) if waited >= step)}")
    if len(paid) == 2:
        found.add("second-order")
    if sum(day > months_ago(today, 1) for day, _ in paid) >= 2:
        found.add("bought-again")
    if paid and sum(amount for _, amount in paid) / 100 > figures.spend[90]:
        found.add("top-spender")
    if paid:
        first = min(day for day, _ in paid)
        if (first.month, first.year < today.year) == (today.month, True):
            found.add("anniversary")
        away = (today - max(day for day, _ in paid)).days
        lateness = away / usual_gap(gaps_of(paid, today), figures.typical_gap)
        if away < 3:
            found.add("thank-you")
        if 14 <= away < 21:
            found.add("survey-due")
        if away >= 365 or (away >= 14 and lateness > figures.usual[90]):
            found.add("lapsed")
        elif away >= 7 and lateness > figures.usual[80]:
            found.add("at-risk")
    return found


def everybody_shipped(
    purchases: Mapping[str, Sequence[Purchase]], signups: Mapping[str, date], subscribers: set[str], today: date
) -> dict[str, set[str]]:
    """The people in each shipped segment; `purchases` are the counted ones by address."""
    mean_spend, figures = mean_of(purchases, today), Figures.of(purchases, today)
    found: dict[str, set[str]] = {}
    for email in {*purchases, *subscribers}:
        for segment in shipped_segments_of(
            purchases.get(email, ()),
            signup=signups[email],
            subscribed=email in subscribers,
            mean_spend=mean_spend,
            figures=figures,
            today=today,
        ):
            found.setdefault(segment, set()).add(email)
    return found
