"""Between reading and judging: who is gone from the shops leaves the audience, or goes on under a new address."""

from __future__ import annotations

from syncd.history import ledger
from syncd.history.departures import departures
from syncd.steps.context import Context
from syncd.steps.judge import stale_shops


def depart(context: Context, name: str) -> None:
    """It is stored what becomes of the contacts of those who are gone.

    Looked at are those of whom there is news and those who are leaving already; once a local day everybody, as for
    judging.
    """
    audience = context.settings.audiences[name]
    another_day = ledger.audience_row(context.history, name)["judged_day"] != context.today(audience)
    of = None
    if not another_day or stale_shops(context, audience):
        of = {*ledger.with_news(context.history, name), *ledger.leaving(context.history, name)}
        if not of:
            return
    found = departures(context.history, name, audience.shops, follow=audience.follow_shops, of=of)
    ledger.store_departures(context.history, name, found, context.clock.now())
