"""Between reading and judging: who is gone from the shops leaves the audience, or goes on under a new address."""

from __future__ import annotations

from syncd.history import ledger
from syncd.history.departures import departures
from syncd.history.people import mark_news
from syncd.steps.context import Context


def depart(context: Context, name: str) -> int:
    """It is stored what becomes of the contacts of those who are gone; returns how many are leaving.

    Whoever was leaving and is not any more is judged again.
    """
    audience, row = context.settings.audiences[name], ledger.audience_row(context.history, name)
    everybody = row["judged_day"] != context.today(audience)
    news = None if everybody else ledger.with_news(context.history, name)
    leaving = departures(context.history, name, audience.shops, follow=audience.follow_shops, of=news)
    back = ledger.store_departures(context.history, name, leaving, context.clock.now())
    if back:
        with context.history.begin() as db:
            mark_news(db, back, [name])
    return len(leaving)
