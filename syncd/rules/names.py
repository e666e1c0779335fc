"""The one table of names of the rule language. A new function is one new entry.

Of each name it says what it takes, what it gives and how it is worked out: for a batch of customers
at once (`value`), or over the whole audience (`figure`). It knows neither syntax nor storage.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from syncd.calendar import date_of
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
    """What a name takes and gives (None: the kind of its arguments).

    It has one of three. `value(scope, *arguments)` is a column, and measured arguments are columns, too;
    `figure(values, *further arguments)` is one number for the whole audience, and so is
    `usual(values, *arguments)`, whose values are the lateness of its completed order gaps.
    `of_gaps`: the value needs the audience's typical gap; `of_buying`: it needs the audience's model of buying, tested
    for its argument (see `chances`); `needs`: the columns that it reads and not every batch has.

    `until(scope, *arguments)`: the first later instant at which a value of a customer can be another one if nothing
    happens, besides growing by `slope(scope, *arguments)` with each local day. None: that follows from the arguments.

    `of_now`: its facts are known only as they are now, also where a day that is over is asked about.
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
    of_now: bool = False

    @property
    def of_audience(self) -> bool:
        """Whether it is one number for everybody, handed in under its canonical text."""
        return bool(self.figure or self.usual)

    @property
    def of_month(self) -> bool:
        """Whether something of the audience that it needs is worked out once a month, for it alone."""
        return bool(self.usual or self.of_buying or "companions" in self.needs)


def mean(values: NDArray[np.float64]) -> float:
    """The mean, correctly rounded, so that the order of the customers cannot show."""
    return math.fsum(values.tolist()) / len(values)


def percentile(values: NDArray[np.float64], p: float) -> float:
    """The value below which p % of the values lie, interpolated linearly between neighbours."""
    place = (len(values) - 1) * p / 100
    below = math.floor(place)
    low, high = np.partition(values, [below, math.ceil(place)])[[below, math.ceil(place)]].tolist()
    return float(low + (high - low) * (place - below))


def _of_window(gives: Kind, value: Callable[..., Column], *needs: Need) -> Name:
    return Name(gives, (Takes.WINDOW,), value, needs=frozenset(needs), until=until.of_window)


def _fact(gives: Kind, value: Callable[[Scope], Column], *needs: Need) -> Name:
    return Name(gives, value=value, needs=frozenset(needs), until=until.never)


def _state(gives: Kind, value: Callable[[Scope], Column], *needs: Need) -> Name:
    return replace(_fact(gives, value, *needs), of_now=True)


def _age(day: Callable[[Scope], Column], *needs: Need) -> Name:
    return Name(
        Kind.AGE,
        value=lambda scope: scope.today - day(scope),
        needs=frozenset(needs),
        until=until.never,
        slope=lambda scope: np.array(1.0),
    )


NAMES: dict[str, Name] = {
    # Of each customer.
    "spend": _of_window(Kind.MONEY, lambda scope, window: scope.spend(window)),
    "orders": _of_window(Kind.NUMBER, lambda scope, window: scope.orders(window).astype(np.float64)),
    "average_order": _of_window(Kind.MONEY, lambda scope, window: scope.average_order(window)),
    "units": _of_window(Kind.NUMBER, lambda scope, window: scope.units(window).astype(np.float64), "items"),
    "bought": Name(
        Kind.BOOLEAN,
        (Takes.THING, Takes.WINDOW),
        lambda scope, thing, window: scope.bought(thing.sort, thing.text, window),
        needs=frozenset({"items"}),
        until=until.of_window,
    ),
    "first_order": _fact(Kind.DATE, lambda scope: scope.first_order()),
    "last_order": _fact(Kind.DATE, lambda scope: scope.last_order()),
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
    "anniversary": Name(Kind.DATE, value=lambda scope: scope.anniversary(), until=until.next_year),
    "last_product": _fact(Kind.TEXT, lambda scope: scope.last_product(), "items"),
    "matching_product": _state(Kind.TEXT, lambda scope: scope.matching_product(), "items", "companions"),
    "favourite_product": _fact(Kind.TEXT, lambda scope: scope.favourite_product(), "items"),
    "favourite_category": _fact(Kind.TEXT, lambda scope: scope.favourite_category(), "items"),
    "wishes": _state(Kind.NUMBER, lambda scope: scope.wishes(), "wishes"),
    "wished_product": _state(Kind.TEXT, lambda scope: scope.wished_product(), "wishes"),
    "cart_value": Name(
        Kind.MONEY,
        value=lambda scope: scope.cart_value(),
        needs=frozenset({"cart_at", "cart_minor"}),
        until=until.cart_ends,
        of_now=True,
    ),
    "since_cart": Name(
        Kind.ELAPSED,
        value=lambda scope: scope.since_cart(),
        needs=frozenset({"cart_at"}),
        until=until.cart_ends,
        of_now=True,
    ),
    "subscribed": _state(Kind.BOOLEAN, lambda scope: scope.batch.subscribed),
    "open_rate": _state(Kind.NUMBER, lambda scope: scope.column("open_rate"), "open_rate"),
    "click_rate": _state(Kind.NUMBER, lambda scope: scope.column("click_rate"), "click_rate"),
    # A click of a later day, as a replay of the past knows it, is not there before.
    "since_click": replace(
        _age(lambda scope: scope.click(), "clicked_day"),
        of_now=True,
        until=lambda scope: until.on_day(scope, scope.column("clicked_day")),
    ),
    "birthday": Name(
        Kind.DATE, value=lambda scope: scope.birthday(), needs=frozenset({"birthday"}), until=until.next_year
    ),
    "country": _state(Kind.TEXT, lambda scope: scope.column("country"), "country"),
    "city": _state(Kind.TEXT, lambda scope: scope.column("city"), "city"),
    "language": _state(Kind.TEXT, lambda scope: scope.column("language"), "language"),
    "wholesale": _state(Kind.BOOLEAN, lambda scope: scope.batch.wholesale),
    "shop_tag": Name(
        Kind.BOOLEAN,
        (Takes.TEXT,),
        lambda scope, text: scope.shop_tag(str(text)),
        needs=frozenset({"shop_tags"}),
        until=until.never,
        of_now=True,
    ),
    "in": Name(
        Kind.BOOLEAN,
        (Takes.SEGMENT,),
        lambda scope, segment: scope.inside[segment],
        until=lambda scope, segment: scope.until[segment],
    ),
    # Of the calendar, and of two values.
    "months_left": Name(
        Kind.NUMBER, value=lambda scope: np.array(13.0 - date_of(scope.today).month), until=until.next_month
    ),
    "min": Name(None, (Takes.MEASURE, Takes.MEASURE), lambda scope, one, other: np.minimum(one, other)),
    "max": Name(None, (Takes.MEASURE, Takes.MEASURE), lambda scope, one, other: np.maximum(one, other)),
    # Of the whole audience.
    "mean": Name(None, (Takes.MEASURE,), figure=mean),
    "percentile": Name(None, (Takes.MEASURE, Takes.PERCENT), figure=percentile),
    "usual": Name(Kind.NUMBER, (Takes.PERCENT,), usual=percentile),
}
