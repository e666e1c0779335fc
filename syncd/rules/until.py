"""Until when a value stays as it is if nothing happens: what the calendar does to each name of the language.

Each function answers for a batch at once, in UTC seconds: the first later instant at which the value
can be another one, FOREVER where it never can. Too early an answer costs one judgement more; too late
a one would leave somebody where they no longer belong.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from syncd.calendar import Span, Window, first_of, midnight, midnights, window_days
from syncd.lifecycle.columns import FOREVER, Instants
from syncd.rules.scope import CART_SECONDS, Column, Flags, Scope


def never(scope: Scope, *arguments: object) -> Instants:
    """Facts of the past stay as they are."""
    return np.array(FOREVER, np.int64)


def tomorrow(scope: Scope, *arguments: object) -> Instants:
    """What cannot be foreseen is looked at on the next day."""
    return scope.once("tomorrow", lambda: np.array(midnight(scope.today + 1, scope.batch.zone), np.int64))


def next_month(scope: Scope, *arguments: object) -> Instants:
    """The first of next month."""
    return _next(scope, "M")


def next_year(scope: Scope, *arguments: object) -> Instants:
    """New Year."""
    return _next(scope, "Y")


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
    days = np.asarray(days)
    lies_ahead = days > scope.today  # false where it is missing
    begins = np.full(lies_ahead.shape, FOREVER, np.int64)
    begins[lies_ahead] = midnights(days[lies_ahead].astype(np.int64), scope.batch.zone)
    return begins


def settles(scope: Scope, seconds: int) -> Instants:
    """When the newest order is old enough."""
    return np.where(scope.settled(seconds), FOREVER, scope.column("last_order_at") + seconds)


def cart_ends(scope: Scope) -> Instants:
    """When the open cart is too old to be one; or begins, in a shop whose clock is ahead."""
    changed_at = scope.column("cart_at")
    return np.where(changed_at > scope.now, changed_at, np.where(scope.has_cart(), changed_at + CART_SECONDS, FOREVER))


def date_in_window(scope: Scope, dates: Column, window: Window) -> Instants:
    """When each of these dates comes to lie within the window of the day, or lies there no more."""
    days = np.where(np.isnan(dates), scope.today, dates).astype(np.int64)
    match window:
        case Span():
            begins, ends = days, window.after(days)
        case "this month" | "last month":
            begins, ends = (first_of(days, "M", later) for later in _LATER[window])
        case "this year" | "last year":
            begins, ends = (first_of(days, "Y", later) for later in _LATER[window])
        case _:
            return never(scope)
    return on_day(scope, np.where(begins > scope.today, begins, ends))


# How many periods after that of a date the window is the one that the date lies in, and how many after it no more.
_LATER = {"this month": (0, 1), "last month": (1, 2), "this year": (0, 1), "last year": (1, 2)}


def _first_to_leave(scope: Scope, window: Span) -> Instants:
    """When the oldest order in the window leaves it."""
    batch = scope.batch
    oldest = scope.behind(window.before(scope.today))
    within = oldest < scope.behind(scope.today)
    leaves = np.full(len(batch), FOREVER, np.int64)
    leaves[within] = midnights(window.after(batch.order_day[oldest[within]]), batch.zone)
    return leaves


def _ordered(scope: Scope, window: Window) -> Flags:
    """Who ordered in the period, or after it."""
    first, _ = window_days(window, scope.today)
    return scope.behind(first - 1) < scope.behind(scope.today)


def _next(scope: Scope, unit: Literal["M", "Y"]) -> Instants:
    return midnights(first_of(np.array(scope.today), unit, 1), scope.batch.zone)
