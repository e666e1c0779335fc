"""What a rule can see while it is judged: one batch of customers, today, the audience's figures.

A metric of a window is measured once, however many rules ask for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from syncd.calendar import Span, Window, midnight
from syncd.lifecycle import buying, gaps, metrics
from syncd.lifecycle.columns import NO_DAY, Batch, Days, Instants

# One value a customer, or one for all: float64 with NaN for missing (dates as day numbers, money in
# major units), texts with "" for missing, booleans.
Column = NDArray[Any]
Flags = NDArray[np.bool_]

# Under this text the audience's typical order gap is handed in. No rule has it, so it collides with no figure.
TYPICAL_GAP = "typical gap"
# And under these the parameters of the audience's model of buying, and the local day to which they were fitted.
MODEL = ("model r", "model alpha", "model a", "model b")
MODEL_DAY = "model day"
# Off by so much on average when it was tested on the past, the model tells nobody's chance.
ERROR_MAX = 0.10


class Scope:
    """One batch at one instant of one local day. `inside` grows while the segments are judged in the order of
    their in(), and so does `until`, until when they stay as they are. `now`: an instant within `today`, in UTC
    seconds; its first one where none is given.
    """

    def __init__(
        self,
        batch: Batch,
        today: int,
        figures: Mapping[str, float | None],
        inside: Mapping[str, Flags] | None = None,
        now: int | None = None,
    ) -> None:
        self.batch = batch
        self.today = today
        self.now = midnight(today, batch.zone) if now is None else now
        self.inside: dict[str, Flags] = dict(inside or {})
        self.until: dict[str, Instants] = {}
        self.figures = figures
        self._unit: int = 10**batch.currency_exponent  # minor units in a major one
        self._metrics: dict[tuple[str, Window], NDArray[np.int64]] = {}
        self._behind: dict[int, NDArray[np.int64]] = {}
        self._order_gap: Column | None = None

    def orders(self, window: Window) -> NDArray[np.int64]:
        """How many orders each customer placed in the window."""
        return self._measured(metrics.orders, window)

    def spend(self, window: Window) -> Column:
        """What each customer spent in the window."""
        return self._measured(metrics.spend_minor, window) / self._unit

    def average_order(self, window: Window) -> Column:
        """What an order in the window was worth; missing where there is none."""
        # One division, so that the result is the number nearest to the true one.
        count = self.orders(window)
        return np.where(count, self._measured(metrics.spend_minor, window) / (count * self._unit), np.nan)

    def first_order(self) -> Column:
        """The day of the first order."""
        return _known(metrics.first_day(self.batch, self.today))

    def last_order(self) -> Column:
        """The day of the last order."""
        return _known(metrics.last_day(self.batch, self.today))

    def signup(self) -> Column:
        """The day of the signup."""
        return _known(metrics.signup_day(self.batch, self.today))

    def order_gap(self) -> Column:
        """The usual gap between two orders, in days; missing for who never ordered."""
        if self._order_gap is None:
            self._order_gap = gaps.order_gap(self.batch, self.today, self.figure(TYPICAL_GAP))
        return self._order_gap

    def buy_chance(self, within: Span) -> Column:
        """How likely each customer is to order within so many days, as it looked on the day of the month's fit or of
        their last order, whichever is later; in whole per cents. Missing for who never ordered, and for everybody
        where the model tells nothing.
        """
        parameters = buying.Parameters(*(self.figure(text) for text in MODEL))
        if not self.figure(f"buy_chance({within})") <= ERROR_MAX or np.isnan(parameters).any():
            return np.full(len(self.batch), np.nan)
        repeats, first, last = (one.astype(np.float64) for one in buying.past(self.batch, self.today))
        ages = np.maximum(self.figure(MODEL_DAY), last) - first
        chance = buying.chance_to_buy(parameters, repeats, last - first, ages, self.today - within.before(self.today))
        # Rules compare what people see: two decimals.
        return np.where(first == NO_DAY, np.nan, np.rint(chance * 100) / 100)

    def behind(self, day: int) -> NDArray[np.int64]:
        """For each customer the position just behind their last order on or before `day`."""
        if day not in self._behind:
            self._behind[day] = metrics.behind(self.batch, day)
        return self._behind[day]

    def figure(self, text: str) -> float:
        """The audience's figure of this canonical text; KeyError where it was not handed in."""
        value = self.figures[text]
        return np.nan if value is None else value

    def _measured(self, metric: Callable[[Batch, Window, int], NDArray[np.int64]], window: Window) -> NDArray[np.int64]:
        key = metric.__name__, window
        if key not in self._metrics:
            self._metrics[key] = metric(self.batch, window, self.today)
        return self._metrics[key]


def _known(days: Days) -> Column:
    """Days as a column of a rule."""
    return np.where(days == NO_DAY, np.nan, days.astype(np.float64))
