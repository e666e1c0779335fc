"""The shipped playbook over 400 days of made-up shops: nobody goes in and out, and nobody is on two rungs at once.

Everybody is judged at midnight, and in the evening by the news of the day; the audience's figures are those of
midnight, and what is worked out once a month stays for the month, as in a running syncd. The new shop begins too young
to know what is usual, and comes to know it.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from random import Random

import numpy as np
import pytest

from syncd.calendar import date_of, day_of, local_day, midnight
from syncd.lifecycle.columns import NO_DAY, NO_INSTANT, Batch, Items
from syncd.rules import Playbook, figures_over, judge, rhythm_of
from syncd.settings.document import read
from syncd.settings.lifecycle import read_playbook

LIFECYCLE = Path(__file__).parents[2] / "config" / "lifecycle.toml"
ZONE = "Europe/Madrid"
PEOPLE, DAYS = 100, 400
BEGIN = day_of(date(2026, 3, 1))
HOUR, DAY = 3_600, 86_400
PRODUCTS = ["Green tea", "Teapot", "Honey", "Kettle", "Mug"]
LADDERS = [
    ("non-buyer-15", "non-buyer-30", "non-buyer-45"),
    ("first-time", "second-order"),
    ("bought-14d", "bought-1m", "bought-3m", "bought-6m"),
    ("at-risk", "lapsed"),
    ("warm", "cold", "inactive"),
]


@dataclass
class Purchase:
    """An order, and from which day on how much of it is paid back."""

    day: int
    minor: int
    product: int
    back_on: int
    back_minor: int

    def net_minor(self, day: int) -> int:
        return self.minor - (self.back_minor if self.back_on <= day else 0)


@dataclass
class Person:
    """What one person does from the first day to the last; the lists are ascending days."""

    signup: int
    subscribed: bool
    wholesale: bool
    birthday: int
    purchases: list[Purchase]
    clicks: list[int]
    carts: list[int]
    wishes: list[int]  # on each of these days the wish list is filled or emptied

    def facts(self) -> set[int]:
        """The days on which there is something new of them."""
        back = {one.back_on for one in self.purchases}
        return {self.signup, *back, *(one.day for one in self.purchases), *self.clicks, *self.carts, *self.wishes}


def somebody(chance: Random, first: int) -> Person:
    """Someone with a rhythm of their own, from every other day to twice a year."""
    signup = chance.randint(first, BEGIN + DAYS)

    def days(gap: float) -> list[int]:
        found, at = [], float(signup)
        while (at := at + chance.expovariate(1 / gap) + 0.2) < BEGIN + DAYS:
            found.append(int(at))
        return found

    def purchase(day: int) -> Purchase:
        minor = round(4_000 * chance.lognormvariate(0, 0.7))
        returned = chance.random() < 0.12
        back = chance.choice([minor, minor // 2]) if returned else 0
        return Purchase(day, minor, chance.randrange(5), day + chance.randint(1, 20), back)

    return Person(
        signup=signup,
        subscribed=chance.random() < 0.9,
        wholesale=chance.random() < 0.03,
        birthday=chance.choice([0, 229, 100 * chance.randint(1, 12) + chance.randint(1, 28)]),
        purchases=[purchase(day) for day in days(chance.choice([2, 5, 10, 30, 90, 180, 10_000]))],
        clicks=days(chance.choice([10, 60, 200, 10_000])),
        carts=days(chance.choice([20, 100, 10_000])),
        wishes=days(chance.choice([40, 10_000])),
    )


@dataclass
class Shop:
    """People, judged from day to day. `changes`: of each person and segment the last one, as an instant."""

    playbook: Playbook
    people: list[Person]
    companions: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.bits = {segment.name: bit for bit, segment in enumerate(self.playbook.segments)}
        self.was_in = np.zeros(len(self.people), np.int64)
        self.facts = [sorted(person.facts()) for person in self.people]

    def days(self, chance: Random) -> Iterator[tuple[int, int]]:
        """(day, instant) of each judgement, `was_in` being what it says."""
        for today in range(BEGIN, BEGIN + DAYS):
            morning = self.columns(today - 1)
            if today == BEGIN or date_of(today).day == 1:
                monthly = rhythm_of(self.playbook.usual or (), lambda batch=morning: [batch], today)
                self.companions = {one: chance.choice(PRODUCTS) for one in PRODUCTS if chance.random() < 0.7}
            figures = figures_over(self.playbook.figures, [morning], today, monthly) | monthly
            dawn = midnight(today, ZONE)
            for now, batch in ((dawn, morning), (dawn + 18 * HOUR, self.columns(today))):
                asked = replace(batch, was_in=self.was_in, companions=self.companions)
                self.was_in = judge(self.playbook, asked, today, figures, self.bits, now).segments
                yield today, now

    def columns(self, day: int) -> Batch:
        """What is known at the end of a day."""
        there = [person.signup <= day for person in self.people]
        bought = [
            [(one, net) for one in person.purchases if one.day <= day and (net := one.net_minor(day)) > 0]
            for person in self.people
        ]
        orders = [each for every in bought for each in every]
        text, none = np.full(len(self.people), ""), np.zeros(len(orders), np.int64)
        titles = np.array(["", *PRODUCTS], object)
        product = np.array([one.product + 1 for one, _ in orders], np.int64)
        nets = np.array([net for _, net in orders], np.int64)
        clicked = [_latest(person.clicks, day) for person in self.people]
        carts = [_latest(person.carts, day) for person in self.people]
        return Batch(
            customer=np.arange(len(self.people)),
            signup_day=np.array([p.signup if known else NO_DAY for p, known in zip(self.people, there, strict=True)]),
            subscribed=np.array([p.subscribed and known for p, known in zip(self.people, there, strict=True)]),
            wholesale=np.array([p.wholesale and known for p, known in zip(self.people, there, strict=True)]),
            country=text,
            city=text,
            language=text,
            was_in=self.was_in,
            starts=np.cumsum([0, *map(len, bought)]),
            order_day=np.array([one.day for one, _ in orders], np.int64),
            order_minor=nets,
            currency_exponent=2,
            zone=ZONE,
            # A cart becomes an order, or is forgotten.
            cart_at=np.array([NO_INSTANT if at == NO_DAY else _noon(at) for at in carts]),
            cart_minor=np.full(len(self.people), 1_000),
            clicked_day=np.array(clicked, np.int64),
            birthday=np.array([person.birthday for person in self.people]),
            wishes=_objects([("Mug",) * (bisect(person.wishes, day) % 2) for person in self.people]),
            items=Items(np.arange(len(orders) + 1), product, product, none, none, none + 1, nets, titles),
            last_order_at=np.array([_noon(own[-1][0].day) if own else NO_INSTANT for own in bought]),
        )

    def has_news(self, person: int, since: int, until: int) -> bool:
        """Whether there was a fact of the person, or another month with other figures, between two instants."""
        first = midnight(day_of(date_of(local_day(until, ZONE)).replace(day=1)), ZONE)
        return since <= first <= until or any(since < _noon(day) <= until for day in self.facts[person])


def _latest(days: list[int], day: int) -> int:
    at = bisect(days, day)
    return days[at - 1] if at else NO_DAY


def _noon(day: int) -> int:
    return midnight(day, ZONE) + 12 * HOUR


def _objects(values: list[tuple[str, ...]]) -> np.ndarray:
    found = np.empty(len(values), object)
    found[:] = values
    return found


def shop(seed: int, first: int) -> tuple[Shop, Random]:
    chance = Random(seed)
    segments = {"segments": read(LIFECYCLE).data["segments"]}
    people = [somebody(chance, first) for _ in range(PEOPLE)]
    return Shop(read_playbook(segments, "EUR", "syncd:"), people), chance


@pytest.mark.parametrize(("seed", "before"), [(1, 500), (6, 120)], ids=["an old shop", "a new shop"])
def test_nobody_goes_in_and_out_within_a_day_without_news_and_ladders_are_exclusive(seed: int, before: int) -> None:
    town, chance = shop(seed, BEGIN - before)
    names = {bit: name for name, bit in town.bits.items()}
    ladders = [sum(1 << town.bits[name] for name in ladder) for ladder in LADDERS]
    changed_at: dict[tuple[int, int], int] = {}
    restless, entered = [], set()
    judgements = town.days(chance)
    next(judgements)  # who stands somewhere when syncd begins has not gone there
    was_in = town.was_in
    for today, now in judgements:
        crowded = [ladder for ladder in ladders if np.any(np.bitwise_count(town.was_in & ladder) > 1)]
        assert crowded == []
        for person in np.flatnonzero(town.was_in ^ was_in).tolist():
            differing = int(town.was_in[person] ^ was_in[person])
            for bit in (bit for bit in names if differing >> bit & 1):
                entered.add(names[bit])
                before_at = changed_at.get((person, bit), 0)
                # A day has 25 hours once a year.
                if now - before_at <= DAY + HOUR and not town.has_news(person, now - DAY - HOUR, now):
                    restless.append((date_of(today).isoformat(), person, names[bit]))
                changed_at[person, bit] = now
        was_in = town.was_in
    assert restless == []
    assert entered == town.bits.keys()
