"""The one table of names of the rule language. A new function is one new entry.

Of each name it says what it takes, what it gives and how it is worked out: for a batch of customers
at once (`value`), or over the whole audience (`figure`). It knows neither syntax nor storage.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from syncd.lifecycle.columns import Instants, Need
from syncd.rules import until
from syncd.rules.kinds import Kind
from syncd.rules.scope import Column, Scope


class Takes(Enum):
    """What may stand in the parentheses of a name; the text is how an error asks for it."""

    WINDOW = "a window such as `6 months`, `this year` or `ever`"
    LENGTH = "a length in days or weeks, such as `90 days`"
    MEASURE = "something measured of each customer, such as `spend(ever)`"
    PERCENT = "a number from 0 to 100"
    SEGMENT = "the name of a segment"
    THING = '`category`, `product` or `sku` and a text, such as `category "tea"`'
    TEXT = 'a text such as `"vip"`'


@dataclass(frozen=True, slots=True)
class Name:
    """What a name takes and gives (None: the kind of its argument).

    `value(scope, *arguments)` is a column; `figure(values, *further arguments)` is one number for the
    whole audience, and so is `usual(values, *arguments)`, whose values are the lateness of its completed
    order gaps. `of_gaps`: the value needs the audience's typical gap; `of_buying`: it needs the audience's model of
    buying, tested for its argument (see `chances`); `needs`: the columns of a batch that it
    reads and not every batch has. A name that has none of the three is part of the language and not available yet.

    `until(scope, *arguments)`: the first later instant at which a value of a customer can be another one if nothing
    happens, besides growing by `slope(scope, *arguments)` with each local day. An age grows by a day.
    """

    gives: Kind | None
    takes: tuple[Takes, ...] = ()
    value: Callable[..., Column] | None = None
    figure: Callable[..., float] | None = None
    usual: Callable[..., float] | None = None
    of_gaps: bool = False
    of_buying: bool = False
    needs: frozenset[Need] = frozenset()
    until: Callable[..., Instants] | None = None
    slope: Callable[..., Column] | None = None

    @property
    def of_audience(self) -> bool:
        """Whether it is one number for everybody, handed in under its canonical text."""
        return bool(self.figure or self.usual)


def mean(values: NDArray[np.float64]) -> float:
    """The mean, correctly rounded, so that the order of the customers cannot show."""
    return math.fsum(values.tolist()) / len(values)


def percentile(values: NDArray[np.float64], p: float) -> float:
    """The value below which p % of the values lie, interpolated linearly between neighbours."""
    place = (len(values) - 1) * p / 100
    below = math.floor(place)
    low, high = np.partition(values, [below, math.ceil(place)])[[below, math.ceil(place)]].tolist()
    return float(low + (high - low) * (place - below))


def _of_window(gives: Kind, value: Callable[..., Column] | None = None) -> Name:
    return Name(gives, (Takes.WINDOW,), value, until=until.of_window)


def _age(day: Callable[[Scope], Column]) -> Name:
    return Name(
        Kind.AGE, value=lambda scope: scope.today - day(scope), until=until.never, slope=lambda scope: np.array(1.0)
    )


NAMES: dict[str, Name] = {
    # Of each customer.
    "spend": _of_window(Kind.MONEY, lambda scope, window: scope.spend(window)),
    "orders": _of_window(Kind.NUMBER, lambda scope, window: scope.orders(window).astype(np.float64)),
    "average_order": _of_window(Kind.MONEY, lambda scope, window: scope.average_order(window)),
    "first_order": Name(Kind.DATE, value=lambda scope: scope.first_order(), until=until.never),
    "last_order": Name(Kind.DATE, value=lambda scope: scope.last_order(), until=until.never),
    "since_first_order": _age(lambda scope: scope.first_order()),
    "since_last_order": _age(lambda scope: scope.last_order()),
    "since_signup": _age(lambda scope: scope.signup()),
    "order_gap": Name(Kind.DAYS, value=lambda scope: scope.order_gap(), of_gaps=True, until=until.never),
    "lateness": Name(
        Kind.NUMBER,
        value=lambda scope: (scope.today - scope.last_order()) / scope.order_gap(),
        of_gaps=True,
        until=until.never,
        slope=lambda scope: 1 / scope.order_gap(),
    ),
    # A day of the calendar, so whole days after the last one.
    "next_order": Name(
        Kind.DATE,
        value=lambda scope: scope.last_order() + np.rint(scope.order_gap()),
        of_gaps=True,
        until=until.never,
    ),
    # Measured anew by facts and once a month, not with the days: else everybody's would move a little every day.
    "buy_chance": Name(
        Kind.NUMBER,
        (Takes.LENGTH,),
        lambda scope, within: scope.buy_chance(within),
        of_gaps=True,
        of_buying=True,
        until=until.never,
    ),
    "subscribed": Name(Kind.BOOLEAN, value=lambda scope: scope.batch.subscribed, until=until.never),
    "country": Name(Kind.TEXT, value=lambda scope: scope.batch.country, until=until.never),
    "city": Name(Kind.TEXT, value=lambda scope: scope.batch.city, until=until.never),
    "language": Name(Kind.TEXT, value=lambda scope: scope.batch.language, until=until.never),
    "in": Name(
        Kind.BOOLEAN,
        (Takes.SEGMENT,),
        lambda scope, segment: scope.inside[segment],
        until=lambda scope, segment: scope.until[segment],
    ),
    # Of the whole audience.
    "mean": Name(None, (Takes.MEASURE,), figure=mean),
    "percentile": Name(None, (Takes.MEASURE, Takes.PERCENT), figure=percentile),
    "usual": Name(Kind.NUMBER, (Takes.PERCENT,), usual=percentile),
    # Not available yet.
    "units": _of_window(Kind.NUMBER),
    "last_product": Name(Kind.TEXT),
    "favourite_product": Name(Kind.TEXT),
    "favourite_category": Name(Kind.TEXT),
    "bought": Name(Kind.BOOLEAN, (Takes.THING, Takes.WINDOW)),
    "open_rate": Name(Kind.NUMBER),
    "click_rate": Name(Kind.NUMBER),
    "shop_tag": Name(Kind.BOOLEAN, (Takes.TEXT,)),
    "birthday": Name(Kind.DATE),
    "cart_value": Name(Kind.MONEY),
    "since_cart": Name(Kind.AGE),
}
