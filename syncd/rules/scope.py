"""What a rule can see while it is judged: one batch of customers, today, the audience's figures.

A metric of a window is measured once, however many rules ask for it.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from syncd.calendar import DAY_SECONDS, Span, Window, date_of, in_year, local_days, midnight, window_days, yearly_day
from syncd.lifecycle import buying, gaps, metrics, products
from syncd.lifecycle.columns import NO_DAY, Batch, Days, Instants, Need
from syncd.model import CART_DAYS

# One value a customer, or one for all: float64 with NaN for missing (dates as day numbers, money in
# major units), texts with "" for missing, booleans.
Column = NDArray[Any]
Flags = NDArray[np.bool_]
T = TypeVar("T")

# Under this text the audience's typical order gap is handed in. No rule has it, so it collides with no figure.
TYPICAL_GAP = "typical gap"
# And under these the parameters of the audience's model of buying, and the local day to which they were fitted.
MODEL = ("model r", "model alpha", "model a", "model b")
MODEL_DAY = "model day"
# Off by so much on average when it was tested on the past, the model tells nobody's chance.
ERROR_MAX = 0.10
# So long after its last change a cart is open.
CART_SECONDS = CART_DAYS * DAY_SECONDS


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
        self._found: dict[Hashable, Any] = {}

    def orders(self, window: Window) -> NDArray[np.int64]:
        """How many orders each customer placed in the window."""
        begin, end = self._within(window)
        return end - begin

    def units(self, window: Window) -> NDArray[np.int64]:
        """How many pieces each customer bought in the window."""
        return self._total("units", lambda: products.units(self.batch), window)

    def spend(self, window: Window) -> Column:
        """What each customer spent in the window."""
        return self._total("spend", lambda: self.batch.order_minor, window) / self._unit

    def average_order(self, window: Window) -> Column:
        """What an order in the window was worth; missing where there is none."""
        # One division, so that the result is the number nearest to the true one.
        count, minor = self.orders(window), self._total("spend", lambda: self.batch.order_minor, window)
        return np.where(count, minor / (count * self._unit), np.nan)

    def first_order(self) -> Column:
        """The day of the first order."""
        return _known(self._first_day())

    def last_order(self) -> Column:
        """The day of the last order."""
        return self.once("last order", lambda: _known(metrics.last_day(self.batch, self.today)))

    def signup(self) -> Column:
        """The day of the signup."""
        return _known(metrics.signup_day(self.batch, self.today))

    def order_gap(self) -> Column:
        """The usual gap between two orders, in days; missing for who never ordered."""
        return self.once("order gap", lambda: gaps.order_gap(self.batch, self.today, self.figure(TYPICAL_GAP)))

    def bought(self, sort: str, text: str, window: Window) -> Flags:
        """Whether each customer bought this category, product or sku in the window."""
        return self._total(("bought", sort, text), lambda: products.orders_with(self.batch, sort, text), window) > 0

    def last_product(self) -> Column:
        """What of the last order was worth most."""
        return products.items_of(self.batch).texts[self._last_title()]

    def matching_product(self) -> Column:
        """What is bought together with the last product, where the customer never bought it."""
        assert self.batch.companions is not None, "the batch was read without companions"
        texts, last = products.items_of(self.batch).texts, self._last_title()
        titles = np.flatnonzero(np.bincount(last))
        offered, codes = np.full(len(texts), "", object), np.zeros(len(texts), np.int64)
        offered[titles] = [self.batch.companions.get(title, "") for title in texts[titles].tolist()]
        code_of = dict(zip(texts.tolist(), range(len(texts)), strict=True))
        codes[titles] = [code_of.get(title, 0) for title in offered[titles].tolist()]
        return np.where(products.bought_title(self.batch, codes[last], self.today), "", offered[last])

    def favourite_product(self) -> Column:
        """What is in most orders."""
        items = products.items_of(self.batch)
        return items.texts[products.favourite(self.batch, items.title, self.today)]

    def favourite_category(self) -> Column:
        """Of what there is something in most orders."""
        items = products.items_of(self.batch)
        return items.texts[products.favourite(self.batch, items.category, self.today)]

    def wishes(self) -> Column:
        """How many products are on each wish list."""
        return np.fromiter(map(len, self.column("wishes")), np.float64, len(self.batch))

    def wished_product(self) -> Column:
        """The latest wish whose title is known."""
        found, wishes = np.full(len(self.batch), "", object), self.column("wishes")
        for at in np.flatnonzero(wishes.astype(bool)).tolist():
            found[at] = next(filter(None, wishes[at]), "")
        return found

    def shop_tag(self, text: str) -> Flags:
        """Who has this tag in a shop."""
        wanted = text.casefold()
        return np.array([wanted in tags for tags in self.column("shop_tags").tolist()], bool)

    def click(self) -> Column:
        """The day of the last click that was seen."""
        days = self.column("clicked_day")
        return _known(np.where(days <= self.today, days, NO_DAY))

    def birthday(self) -> Column:
        """The day of this year's birthday."""
        month, day = np.divmod(self.column("birthday"), 100)
        return np.where(month > 0, in_year(np.maximum(month, 1), day, date_of(self.today).year), np.nan)

    def anniversary(self) -> Column:
        """The day of this year on which the first order's date returns; missing in the year of the first order."""
        first, year = self._first_day(), date_of(self.today).year
        returns = yearly_day(np.where(first == NO_DAY, self.today, first), year)
        return np.where((first != NO_DAY) & (first < returns), returns, np.nan)

    def cart_value(self) -> Column:
        """What is in the newest open cart; missing where there is none, or no rate for its currency."""
        minor = self.column("cart_minor")
        return np.where(self.has_cart() & (minor >= 0), minor / self._unit, np.nan)

    def since_cart(self) -> Column:
        """The time since the newest open cart was changed, in days."""
        # The nearest number to the true one, as that of `3 hours` is: so they compare exactly, to the second.
        return np.where(self.has_cart(), (self.now - self.column("cart_at")) / DAY_SECONDS, np.nan)

    def has_cart(self) -> Flags:
        """Who has an open cart: begun, and not so old that its shop has given it up."""
        changed_at = self.column("cart_at")
        has: Flags = (changed_at <= self.now) & (changed_at > self.now - CART_SECONDS)
        return has

    def settled(self, seconds: int) -> Flags:
        """Whose newest order is at least so old; also who has not ordered yet."""
        placed_at = self.column("last_order_at")
        # On a day before that order it is not there, and of the one before it no instant is known.
        not_yet = local_days(placed_at, self.batch.zone) > self.today
        found: Flags = (placed_at + seconds <= self.now) | not_yet
        return found

    def column(self, need: Need) -> Column:
        """A column that only some batches have."""
        found: Column | None = getattr(self.batch, need)
        assert found is not None, f"the batch was read without {need}"
        return found

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
        return self.once(("behind", day), lambda: metrics.behind(self.batch, day))

    def figure(self, text: str) -> float:
        """The audience's figure of this canonical text; KeyError where it was not handed in."""
        value = self.figures[text]
        return np.nan if value is None else value

    def _within(self, window: Window) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """For each customer the positions of their first order in the window, and just behind their last one."""
        first, last = window_days(window, self.today)
        return self.behind(first - 1), self.behind(last)

    def _total(self, what: Hashable, values: Callable[[], NDArray[Any]], window: Window) -> NDArray[np.int64]:
        """Of one value an order, the sum over each customer's orders in the window."""
        so_far = self.once(("so far", what), lambda: metrics.running(values()))
        begin, end = self._within(window)
        return so_far[end] - so_far[begin]

    def _first_day(self) -> Days:
        return self.once("first day", lambda: metrics.first_day(self.batch, self.today))

    def _last_title(self) -> NDArray[np.int64]:
        return self.once("last title", lambda: products.last_title(self.batch, self.today))

    def once(self, key: Hashable, work_out: Callable[[], T]) -> T:
        """What is found under the key, worked out the first time."""
        try:
            found: T = self._found[key]
        except KeyError:
            found = self._found[key] = work_out()
        return found


def _known(days: Days) -> Column:
    """Days as a column of a rule."""
    return np.where(days == NO_DAY, np.nan, days.astype(np.float64))
