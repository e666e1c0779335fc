"""Until when a value stays as it is if nothing happens: what the calendar does to each name of the language.

Each function answers for a batch at once, in UTC seconds: the first later instant at which the value
can be another one, FOREVER where it never can. Too early an answer costs one judgement more; too late
a one would leave somebody where they no longer belong.
"""

from __future__ import annotations

from datetime import date

import numpy as np

from syncd.calendar import Span, Window, date_of, day_of, midnight, midnights, window_days
from syncd.lifecycle.columns import FOREVER, Instants
from syncd.rules.scope import CART_SECONDS, Column, Flags, Scope


def never(scope: Scope, *arguments: object) -> Instants:
    """Facts of the past stay as they are."""
    return np.array(FOREVER, np.int64)


def tomorrow(scope: Scope, *arguments: object) -> Instants:
    """What cannot be foreseen is looked at on the next day."""
    return np.array(midnight(scope.today + 1, scope.batch.zone), np.int64)


def next_month(scope: Scope, *arguments: object) -> Instants:
    """The first of next month."""
    return np.array(midnight(_next_month(scope.today), scope.batch.zone), np.int64)


def next_year(scope: Scope, *arguments: object) -> Instants:
    """New Year."""
    return np.array(midnight(_next_year(scope.today), scope.batch.zone), np.int64)


def of_window(scope: Scope, *arguments: object) -> Instants:
    """When an order leaves the window that is the last argument, or one enters it: earlier, nothing in it changes.

    Into `last year` and `last month` the orders of the period under way enter when that is over.
    """
    window = arguments[-1]
    match window:
        case Span():
            return _first_to_leave(scope, window)
        case "this year" | "last year":
            return np.where(_ordered(scope, window), next_year(scope), FOREVER)
        case "this month" | "last month":
            return np.where(_ordered(scope, window), next_month(scope), FOREVER)
    return never(scope)


def on_day(scope: Scope, days: Column) -> Instants:
    """The first instant of each of these local days; FOREVER where one is missing or begun."""
    lies_ahead = days > scope.today  # false where it is missing
    ahead = np.where(lies_ahead, days, 0).astype(np.int64)
    return np.where(lies_ahead, midnights(ahead, scope.batch.zone), FOREVER)


def cart_ends(scope: Scope) -> Instants:
    """When the open cart is too old to be one."""
    return np.where(scope.has_cart(), scope.column("cart_at") + CART_SECONDS, FOREVER)


def _first_to_leave(scope: Scope, window: Span) -> Instants:
    """When the oldest order in the window leaves it."""
    batch = scope.batch
    oldest = scope.behind(window.before(scope.today))
    within = oldest < scope.behind(scope.today)
    days = np.zeros(len(batch), np.int64)
    days[within] = window.after(batch.order_day[oldest[within]])
    return np.where(within, midnights(days, batch.zone), FOREVER)


def _ordered(scope: Scope, window: Window) -> Flags:
    """Who ordered in the period, or after it."""
    first, _ = window_days(window, scope.today)
    return scope.behind(first - 1) < scope.behind(scope.today)


def _next_month(today: int) -> int:
    when = date_of(today)
    return day_of(date(when.year + when.month // 12, when.month % 12 + 1, 1))


def _next_year(today: int) -> int:
    return day_of(date(date_of(today).year + 1, 1, 1))
