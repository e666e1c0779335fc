"""Every line of docs/examples.md comes true, in every zone, to the second; and every shipped segment has one."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from syncd.history.database import History, open_history
from syncd.history.ledger import tags_of
from syncd.history.members import store_members
from syncd.history.schema import customers, memberships
from syncd.model import Cart, Item, OrderStatus, Product, Refund
from syncd.settings import Settings, load
from syncd.steps.context import Context
from syncd.steps.judge import judge
from tests.integration.history_records import customer, member, order, take
from tests.integration.worked_examples import Event, Example, examples, last_instant

CONFIG = Path(__file__).parents[2] / "config"
DAY = 86_400
# Who bought, when, for how much in minor units, and what.
Sale = tuple[str, int, int, tuple[str, ...]]
# Clocks change there on: 29 March and 25 October; 5 April and 6 September, at midnight; never, and days begin at a
# quarter to; 5 April and 4 October.
ZONES = ["Europe/Madrid", "America/Santiago", "Asia/Kathmandu", "Australia/Sydney"]
EXAMPLES = examples()


class HandClock:
    """A clock that stands where it was put."""

    def __init__(self) -> None:
        self.at = 0

    def now(self) -> int:
        return self.at

    def wait_until(self, instant: int, stop: object) -> None:
        raise NotImplementedError


class Play:
    """One line, played: a shop and an audience of its own, in which time goes from one instant to the next."""

    def __init__(self, settings: Settings, history: History, name: str, example: Example, zone: str) -> None:
        audience = settings.audiences["main"].model_copy(update={"shops": (name,), "timezone": zone})
        self.clock = HandClock()
        self.context = Context(replace(settings, audiences={name: audience}), history, self.clock)
        self.name, self.example, self.zone, self.history = name, example, zone, history
        self.email = f"person.{name}@example.com"
        self.tags = tags_of(history, name, audience.playbook, audience.tag_prefix)
        self.paid_minor = 0
        self.listed: dict[str, Any] = {}
        if others := self.others():
            self.sell(*others)

    def others(self) -> list[Sale]:
        """What others bought in the shop, from a year before."""
        begin = min(event.at(self.zone) for event in self.example.events) - 365 * DAY
        match self.example.shop.split():
            case []:
                return []
            case [count, "others", "who", "spent", amount, "each"]:
                return [(f"other.{n}", begin, int(amount) * 100, ()) for n in range(int(count))]
            case [count, "others", "who", "bought", *titles]:
                both = tuple(" ".join(titles).split(" and "))
                # Besides them as many bought something else: what everybody buys goes with nothing.
                return [
                    (f"other.{n}.{title}", begin, 1_000, bought)
                    for n in range(int(count))
                    for title, bought in (("both", both), ("else", ("Honey",)))
                ]
            case ["typical", "gap", "of", days, "days"]:
                # 200 gaps, as many halves as doubles: their geometric mean is the typical gap. 80 % of them are at
                # most twice as long, 90 % at most four times.
                lengths = [0.5] * 90 + [1] * 50 + [2] * 30 + [4] * 30
                gaps = enumerate(round(length * int(days)) * DAY for length in lengths)
                return [(f"other.{n}", at, 1_000, ()) for n, gap in gaps for at in (begin, begin + gap)]
        raise AssertionError(f"nobody knows {self.example.shop!r}")

    def sell(self, *sales: Sale) -> None:
        """These orders are in the history."""
        orders = []
        for who, at, minor, titles in sales:
            email = f"{who}.{self.name}@example.com"
            given = {"customer_id": email, "email": email, "placed_at": at, "updated_at": at, "cart_id": "cart"}
            items = tuple(Item(title, title, 1, minor) for title in titles)
            orders.append(order(f"{email} {at}", **given, paid_minor=minor, goods_minor=minor, items=items))
        latest = max(at for _, at, *_ in sales)
        take(self.history, *orders, **self.page(latest, "orders"))

    def page(self, at: int, resource: str) -> dict[str, object]:
        return {"shop": self.name, "audiences": [self.name], "now": at, "resource": resource}

    def happen(self, event: Event) -> None:
        """The event is in the history."""
        at = event.at(self.zone)
        match event.what.split():
            case ["subscribes"]:
                self.join(at, opted_in_at=at)
            case ["clicks"]:
                self.join(at, click_rate=self.listed.get("click_rate", 0.0) + 0.1)
            case ["tells", "the", "birthday", day]:
                self.join(at, birthday=int(day.replace("-", "")))
            case ["buys", "for", "wholesale"]:
                self.show(at, wholesale=True)
            case ["buys", amount, *of]:
                self.paid_minor = int(amount) * 100
                self.show(at)
                self.sell(("person", at, self.paid_minor, tuple(of[1:])))
            case ["gets", amount, "back"]:
                self.give_back(at, int(amount) * 100)
            case ["leaves", "a", "cart", "of", amount]:
                cart = Cart("cart", at, at, "EUR", int(amount) * 100, self.email, self.email)
                self.show(at)
                take(self.history, carts=(cart,), **self.page(at, "carts"))
            case ["wishes", "for", title]:
                take(self.history, products=(Product(title, title, at),), **self.page(at, "products"))
                self.show(at, wishes=() if title == "nothing" else (title,))
            case words:
                raise AssertionError(f"nobody knows {' '.join(words)!r}")

    def show(self, at: int, **given: object) -> None:
        """The shop's record of the person is this one."""
        record = customer(self.email, self.email, created_at=at, updated_at=at, **given)
        take(self.history, record, **self.page(at, "customers"))

    def join(self, at: int, **more: Any) -> None:
        """The person is in the audience, which shows this of them as well."""
        self.listed |= more
        listed = member(self.email, changed_at=at, **self.listed)
        store_members(self.history, self.name, [listed], None, bits={}, field_names=[], now=at)

    def give_back(self, at: int, minor: int) -> None:
        """The last order is refunded, in part or wholly."""
        bought = [event for event in self.example.events if event.what.startswith("buys") and event.at(self.zone) < at]
        placed_at = bought[-1].at(self.zone)
        status = OrderStatus.REFUNDED if minor == self.paid_minor else OrderStatus.PARTIALLY_REFUNDED
        given = {"customer_id": self.email, "email": self.email, "placed_at": placed_at, "updated_at": at}
        refunded = order(
            f"{self.email} {placed_at}",
            **given,
            paid_minor=self.paid_minor,
            goods_minor=self.paid_minor,
            status=status,
            refunds=(Refund("r", minor, minor, at),),
        )
        take(self.history, refunded, **self.page(at, "orders"))

    def run(self) -> None:
        """Everything has happened, and everybody was judged at each of the instants."""
        events = list(self.example.events)
        for at in self.instants():
            self.clock.at = at
            while events and events[0].at(self.zone) <= at:
                self.happen(events.pop(0))
            judge(self.context, self.name, self.tags)

    def instants(self) -> list[int]:
        """When something happens, when something shall change, and the last second before each change."""
        spans = [stay.span(self.zone, self.example.events) for stay in self.example.stays]
        changes = [at for span in spans for at in span if at is not None]
        happening = [event.at(self.zone) for event in self.example.events]
        return sorted({*happening, *changes, *(at - 1 for at in changes), last_instant(self.example, self.zone)})

    def stays(self) -> list[tuple[int, int | None]]:
        """From when until when the person was in the segment of the line."""
        query = (
            select(memberships.c.since_at, memberships.c.until_at)
            .join(customers, customers.c.id == memberships.c.customer_id)
            .where(customers.c.email == self.email, memberships.c.bit == self.tags.bits[self.example.segment])
            .order_by(memberships.c.since_at)
        )
        with self.history.read() as db:
            return [(row.since_at, row.until_at) for row in db.execute(query)]


@pytest.fixture(scope="module")
def settings() -> Settings:
    return replace(load(CONFIG / "syncd.toml"), stale_after=10**10)


@pytest.fixture(scope="module")
def histories(history_url: Callable[[str], str]) -> Iterator[dict[str, History]]:
    """One a zone, for all lines."""
    with ExitStack() as stack:
        yield {zone: stack.enter_context(open_history(history_url("sqlite"))) for zone in ZONES}


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("number", range(len(EXAMPLES)), ids=lambda n: f"{EXAMPLES[n].segment}-{n}")
def test_a_person_joins_and_leaves_when_the_example_says(
    number: int, zone: str, settings: Settings, histories: dict[str, History]
) -> None:
    example = EXAMPLES[number]
    play = Play(settings, histories[zone], f"line-{number}", example, zone)
    play.run()
    assert play.stays() == [stay.span(zone, example.events) for stay in example.stays]


def test_every_shipped_segment_has_an_example() -> None:
    shipped = tomllib.loads((CONFIG / "lifecycle.toml").read_text("utf-8"))["segments"]
    assert list(dict.fromkeys(example.segment for example in EXAMPLES)) == [*shipped]
