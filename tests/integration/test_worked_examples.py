"""Every line of docs/examples.md comes true, in every zone, to the second; and every shipped segment has one."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from syncd.history.database import History, open_history
from syncd.history.ledger import tags_of
from syncd.history.members import store_members
from syncd.history.schema import customers
from syncd.history.stays import stays
from syncd.model import Cart, Item, OrderStatus, Product, Refund
from syncd.settings import Settings, load
from syncd.steps.context import Context
from syncd.steps.judge import judge
from tests.integration.history_records import customer, member, order, take
from tests.integration.worked_examples import Event, Example, examples

CONFIG = Path(__file__).parents[2] / "config"
DAY = 86_400
# Clocks change there on 29 March and 25 October; on 5 April and 6 September, at midnight; on 5 April and 4 October.
ZONES = ["Europe/Madrid", "America/Santiago", "Australia/Sydney"]
EXAMPLES = examples()


class HandClock:
    """A clock that stands where it was put."""

    def __init__(self) -> None:
        self.at = 0

    def now(self) -> int:
        return self.at

    def wait_until(self, instant: int, stop: object) -> None:
        raise NotImplementedError


@dataclass
class Place:
    """A shop, the audience of the same name, and the history in which they are."""

    name: str
    history: History

    def page(self, at: int, resource: str) -> dict[str, Any]:
        return {"shop": self.name, "audiences": [self.name], "now": at, "resource": resource}

    def sell(self, email: str, at: int, minor: int, titles: Sequence[str] = (), **more: Any) -> None:
        """An order is in the history; of the same instant the newest state."""
        items = tuple(Item(title, title, 1, minor) for title in titles)
        given = {"customer_id": email, "email": email, "placed_at": at, "items": items, "cart_id": f"cart of {email}"}
        bought = order(f"{email} {at}", **given, paid_minor=minor, goods_minor=minor, **{"updated_at": at, **more})
        take(self.history, bought, **self.page(at, "orders"))


@dataclass
class Person:
    """Whom a line is about: what is known of them so far."""

    email: str
    example: Example
    place: Place
    zone: str
    shown: dict[str, Any] = field(default_factory=dict)  # in the shop
    listed: dict[str, Any] = field(default_factory=dict)  # in the audience
    last: tuple[int, int, list[str]] | None = None  # their last order: when, for how much, and what

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
                self.show(at)
                self.last = (at, int(amount) * 100, of[1:])
                self.place.sell(self.email, *self.last)
            case ["gets", amount, "back"]:
                self.give_back(at, int(amount) * 100)
            case ["leaves", "a", "cart", "of", amount]:
                self.show(at)
                cart = Cart(f"cart of {self.email}", at, at, "EUR", int(amount) * 100, self.email, self.email)
                take(self.place.history, carts=(cart,), **self.place.page(at, "carts"))
            case ["wishes", "for", title]:
                thing = Product(title, title, at)
                take(self.place.history, products=(thing,), **self.place.page(at, "products"))
                self.show(at, wishes=() if title == "nothing" else (title,))
            case words:
                raise AssertionError(f"nobody knows {' '.join(words)!r}")

    def show(self, at: int, **more: Any) -> None:
        """The shop's record of the person says this as well; it was made when they first came."""
        self.shown = {"created_at": at} | self.shown | more
        record = customer(self.email, self.email, updated_at=at, **self.shown)
        take(self.place.history, record, **self.place.page(at, "customers"))

    def join(self, at: int, **more: Any) -> None:
        """The audience's record of the person says this as well."""
        self.listed |= more
        listed = member(self.email, changed_at=at, **self.listed)
        store_members(self.place.history, self.place.name, [listed], None, bits={}, field_names=[], now=at)

    def give_back(self, at: int, minor: int) -> None:
        """The last order is refunded, in part or wholly."""
        assert self.last
        placed_at, paid_minor, titles = self.last
        status = OrderStatus.REFUNDED if minor == paid_minor else OrderStatus.PARTIALLY_REFUNDED
        refunds = (Refund("r", minor, minor, at),)
        self.place.sell(self.email, placed_at, paid_minor, titles, status=status, refunds=refunds, updated_at=at)


class Play:
    """Lines that need the same shop, played: time goes from one instant to the next, and at each everybody is judged
    of whom there is news or who is due.
    """

    def __init__(self, settings: Settings, place: Place, zone: str, lines: dict[int, Example]) -> None:
        audience = settings.audiences["main"].model_copy(update={"shops": (place.name,), "timezone": zone})
        self.clock = HandClock()
        self.context = Context(replace(settings, audiences={place.name: audience}), place.history, self.clock)
        self.place, self.zone = place, zone
        self.tags = tags_of(place.history, place.name, audience.playbook, audience.tag_prefix)
        self.people = {n: Person(f"line.{n}@example.com", line, place, zone) for n, line in lines.items()}
        self.fill(next(iter(lines.values())).shop)
        self.run()

    def events(self) -> list[tuple[int, int, Event]]:
        """All that happens: when, in which line, and what."""
        found = [(event.at(self.zone), n, event) for n, one in self.people.items() for event in one.example.events]
        return sorted(found, key=lambda each: each[0])

    def fill(self, shop: str) -> None:
        """Others have bought in the shop, a year before."""
        begin = self.events()[0][0] - 365 * DAY
        match shop.split():
            case []:
                pass
            case [count, "others", "who", "spent", amount, "each"]:
                for n in range(int(count)):
                    self.place.sell(f"other.{n}@example.com", begin, int(amount) * 100)
            case [count, "others", "who", "bought", *titles]:
                for n in range(int(count)):
                    self.place.sell(f"both.{n}@example.com", begin, 1_000, " ".join(titles).split(" and "))
                    # What is in every basket goes with nothing.
                    self.place.sell(f"other.{n}@example.com", begin, 1_000, ["Honey"])
            case ["typical", "gap", "of", days, "days"]:
                # 200 gaps, whose geometric mean is the typical gap. 80 % of them are at most twice as long, 90 % at
                # most four times.
                for n, length in enumerate([0.5] * 90 + [1] * 50 + [2] * 30 + [4] * 30):
                    self.place.sell(f"other.{n}@example.com", begin, 1_000)
                    self.place.sell(f"other.{n}@example.com", begin + round(length * int(days)) * DAY, 1_000)
            case words:
                raise AssertionError(f"nobody knows {' '.join(words)!r}")

    def run(self) -> None:
        """Everything has happened, and everybody was judged in time."""
        events = self.events()
        for at in self.instants():
            self.clock.at = at
            while events and events[0][0] <= at:
                _, n, event = events.pop(0)
                self.people[n].happen(event)
            judge(self.context, self.place.name, self.tags)

    def instants(self) -> list[int]:
        """When something happens, when something shall change, the last second before each change, and a week after
        the last.
        """
        changes = {at for n in self.people for span in self.expected(n) for at in span if at is not None}
        found = sorted({at for at, *_ in self.events()} | changes | {at - 1 for at in changes})
        return [*found, found[-1] + 7 * DAY]

    def expected(self, n: int) -> list[tuple[int, int | None]]:
        """From when until when the person of a line is in its segment, as the line says."""
        example = self.people[n].example
        return [stay.span(self.zone, example.events) for stay in example.stays]

    def stays(self, n: int) -> list[tuple[int, int | None]]:
        """From when until when they really were."""
        person = self.people[n]
        with self.place.history.read() as db:
            ids = db.execute(select(customers.c.id).where(customers.c.email == person.email)).scalars().all()
            found = stays(db, self.place.name, ids)
        bit = self.tags.bits[person.example.segment]
        return [(stay.since_at, stay.until_at) for stay in found if stay.bit == bit]


def played(settings: Settings, history: History, zone: str) -> dict[int, Play]:
    """By the number of each line the play that it is part of: where others are needed, it has a shop of its own."""
    plain = {n: line for n, line in enumerate(EXAMPLES) if not line.shop}
    alone = [{n: line} for n, line in enumerate(EXAMPLES) if line.shop]
    plays = [Play(settings, Place(f"shop-{at}", history), zone, lines) for at, lines in enumerate([plain, *alone])]
    return {n: play for play in plays for n in play.people}


@pytest.fixture(scope="module")
def plays(history_url: Callable[[str], str]) -> Iterator[Callable[[str], dict[int, Play]]]:
    """All lines played in a zone; once, and only where they are asked for."""
    settings = replace(load(CONFIG / "syncd.toml"), stale_after=10**10)
    found: dict[str, dict[int, Play]] = {}
    with ExitStack() as stack:

        def of(zone: str) -> dict[int, Play]:
            if zone not in found:
                found[zone] = played(settings, stack.enter_context(open_history(history_url("sqlite"))), zone)
            return found[zone]

        yield of


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("number", range(len(EXAMPLES)), ids=lambda n: f"{n}-{EXAMPLES[n].segment}")
def test_a_person_joins_and_leaves_when_the_example_says(
    number: int, zone: str, plays: Callable[[str], dict[int, Play]]
) -> None:
    play = plays(zone)[number]
    assert play.stays(number) == play.expected(number)


def test_every_shipped_segment_has_an_example() -> None:
    shipped = tomllib.loads((CONFIG / "lifecycle.toml").read_text("utf-8"))["segments"]
    assert list(dict.fromkeys(example.segment for example in EXAMPLES)) == [*shipped]
