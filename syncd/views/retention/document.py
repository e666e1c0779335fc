"""Do customers come back: the figures of an audience as one plain document, which every form of it is made from.

Aggregates only: no customer can be recognised in it. It reads the history, and knows no language.
"""

from __future__ import annotations

from typing import Any

from syncd.calendar import date_of, local_day, midnight, months_before
from syncd.history import ledger
from syncd.history.stays import Movement, movement
from syncd.lifecycle.flows import moves
from syncd.lifecycle.retention import (
    MONTHS_OF,
    By,
    Cohort,
    Period,
    Tally,
    average_shares,
    cohorts,
    first_day_of,
    month_of,
    periods,
    tally,
    total,
)
from syncd.lifecycle.second_order import MARKS, second_order
from syncd.money import to_major
from syncd.plan import Tags
from syncd.steps.context import Context
from syncd.steps.figures import NOTHING, columns_of
from syncd.views.common import tags_of
from syncd.views.retention.ladders import ladders

# So far back it is shown unless a day is given.
SHOWN_MONTHS = 24
# So far the curve to the second order is drawn.
CURVE_DAYS = 365


def report(context: Context, name: str, *, by: By, since: int | None, today: int) -> dict[str, Any]:
    """Periods, cohorts, time to the second order and movement between segments (docs/reference.md).

    Units: `since` and `today` are local days; without `since` it is the last two years.
    """
    months = MONTHS_OF[by]
    since = _beginning(months_before(today, SHOWN_MONTHS) if since is None else since, months)
    # Of the day under way not everything is known yet.
    over = min(today, context.today(context.settings.audiences[name]) - 1)
    counted = total(tally(batch, today) for batch in columns_of(context, name, today, None, NOTHING))
    return {
        "audience": name,
        "as_of": date_of(today).isoformat(),
        "since": date_of(since).isoformat(),
        "by": by,
        "currency": context.settings.audiences[name].currency,
        "customers": sum(count for (cohort, month), count in counted.cohorts.items() if cohort == month),
        "wholesale_left_out": counted.left_out,
        "periods": [_period(each) for each in periods(counted, by, today=today, over=over, since=since)],
        **_cohorts(counted, context.settings.audiences[name].currency, today=today, over=over, since=since),
        "second_order": _second_order(counted, since),
        "flows": _flows(context, name, months, today=today, over=over),
    }


def _beginning(day: int, months: int) -> int:
    """The first day of the month or quarter in which a day lies."""
    return first_day_of(month_of(day) // months * months)


def _period(each: Period) -> dict[str, Any]:
    return {
        "period": period_name(each.month, each.months),
        "state": each.state,
        "beginning": each.beginning,
        "ending": each.ending,
        "new": each.new,
        "retained": each.retained,
        "reactivated": each.reactivated,
        "crr": _rounded(each.crr),
        "retained_share": _rounded(each.retained_share),
    }


def period_name(month: int, months: int) -> str:
    """`2026-07` for a month, `2026-Q3` for a quarter."""
    year, place = 1970 + month // 12, month % 12
    return f"{year}-{place + 1:02}" if months == 1 else f"{year}-Q{place // months + 1}"


def _cohorts(counted: Tally, currency: str, *, today: int, over: int, since: int) -> dict[str, Any]:
    shown = cohorts(counted, today=today, since=since)
    whole_until = month_of(over + 1) - 1
    return {
        "cohorts": [_cohort(each, currency) for each in shown],
        "cohorts_average": [_rounded(share) for share in average_shares(shown, whole_until=whole_until)],
        "unfinished_month": period_name(month_of(today), 1) if whole_until < month_of(today) else None,
    }


def _cohort(each: Cohort, currency: str) -> dict[str, Any]:
    return {
        "cohort": period_name(each.month, 1),
        "customers": list(each.customers),
        "shares": [_rounded(count / each.customers[0]) for count in each.customers],
        "revenue": [float(to_major(minor, currency)) for minor in each.revenue_minor],
    }


def _second_order(counted: Tally, since: int) -> dict[str, Any]:
    found = second_order(counted, since_month=month_of(since))
    watched = min(CURVE_DAYS, found.watched_days)
    within = found.within(watched) or 0.0
    return {
        "customers": found.customers,
        "returned": found.returned,
        "watched_days": found.watched_days,
        "within": [{"days": days, "share": _rounded(found.within(days))} for days in MARKS],
        "median_days": found.day_reaching(0.5),
        "half_of_returning": {"days": found.day_reaching(within / 2), "of_days": watched} if within else None,
        "curve": [[days, _rounded(found.within(days))] for days in range(watched + 1)] if found.customers else [],
    }


def _flows(context: Context, name: str, months: int, *, today: int, over: int) -> list[dict[str, Any]]:
    """The last whole period and the one under way, as far back as segments were watched."""
    watched_from = ledger.audience_row(context.history, name)["backfilled_at"]
    if watched_from is None:
        return []
    current = month_of(today) // months * months
    found = [_flow(context, name, month, months, watched_from, today, over) for month in (current - months, current)]
    return [each for each in found if each]


def _flow(
    context: Context, name: str, month: int, months: int, watched_from: int, today: int, over: int
) -> dict[str, Any] | None:
    """What happened to the segments in one period; None where they were not watched yet."""
    audience, tags = context.settings.audiences[name], tags_of(context, name)
    after = min(first_day_of(month + months), today + 1)
    # The first import puts everybody in their segments at once: that is no movement.
    begin = max(midnight(first_day_of(month), audience.timezone), watched_from + 1)
    end = midnight(after, audience.timezone)
    if begin >= end:
        return None
    found = ladders(audience.playbook.segments, today)
    happened = movement(context.history, name, begin, end)
    return {
        "period": period_name(month, months),
        "state": "whole" if first_day_of(month + months) <= over + 1 else "unfinished",
        "from": date_of(local_day(begin, audience.timezone)).isoformat(),
        "to": date_of(after - 1).isoformat(),
        "segments": [_segment(segment.name, tags, happened) for segment in audience.playbook.segments],
        "ladders": [_ladder(ladder, tags, happened) for ladder in found],
    }


def _segment(segment: str, tags: Tags, happened: Movement) -> dict[str, Any]:
    bit = tags.bits[segment]
    beginning, joined, left = (of.get(bit, 0) for of in (happened.beginning, happened.joined, happened.left))
    return {
        "name": segment,
        "beginning": beginning,
        "joined": joined,
        "left": left,
        "ending": beginning + joined - left,
    }


def _ladder(ladder: tuple[str, ...], tags: Tags, happened: Movement) -> dict[str, Any]:
    matrix = moves(happened.before, happened.after, [tags.bits[segment] for segment in ladder])
    return {"rungs": [*ladder, None], "customers": matrix.tolist()}


def _rounded(share: float | None) -> float | None:
    """To the hundredth of a per cent: more would be noise."""
    return None if share is None else round(share, 4)
