"""What every kind of data is turned into before it fills the shops: buyers and their purchases."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING

from msgspec import Struct

from syncd.sandbox.fill.people import Person
from syncd.sandbox.shop import Line
from syncd.sandbox.texts import zone

if TYPE_CHECKING:
    from random import Random

TIMEZONE = "Europe/Madrid"
CURRENCY = "EUR"
# Shops sell from eight in the morning to ten at night: no clock change falls into it.
_OPEN, _CLOSE = 8 * 3600, 22 * 3600


class GivenBack(Struct, frozen=True):
    """A refund to come: so many days after the purchase, `amount_minor` or all of it."""

    days: int
    amount_minor: int | None = None
    outcome: str = "success"


class Purchase(Struct, frozen=True):
    """One order to be. `guest`: without an account; `imported_at`: when the shop got it from an
    older platform; `touched_at`: when it was edited last."""

    placed_at: int
    total_minor: int
    lines: tuple[Line, ...] = ()
    currency: str = CURRENCY
    presentment: str = ""
    shipping_minor: int = 0
    tax_minor: int = 0
    status: str = "paid"
    cancelled: bool = False
    test: bool = False
    guest: bool = False
    imported_at: int | None = None
    touched_at: int | None = None
    refund: GivenBack | None = None


class Buyer(Struct, frozen=True):
    """A person with their purchases, the oldest first. `twin_email`: the same address, spelt otherwise."""

    person: Person
    purchases: tuple[Purchase, ...]
    twin_email: str = ""


def today_of(start: int) -> date:
    """The shops' local date at `start` (UTC seconds)."""
    return datetime.fromtimestamp(start, zone(TIMEZONE)).date()


def moment(day: date, chance: Random) -> int:
    """An instant (UTC seconds) in the opening hours of the shops' local `day`."""
    midnight = datetime.combine(day, time(), zone(TIMEZONE))
    return int((midnight + timedelta(seconds=chance.randrange(_OPEN, _CLOSE))).timestamp())
