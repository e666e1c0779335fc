"""Where Mailchimp's traps are set: one sandbox for all of them, empty for each, its doubts decided either way.

The rules are few and the people are those that a test names, so that a whole first import takes a fraction of
a second, and every trap can be tried under every configuration of the switches.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from itertools import combinations, count
from math import comb
from threading import Event
from typing import Any

import pytest

from syncd.sandbox import happenings
from syncd.sandbox.audience import Switches
from syncd.sandbox.audience.switches import doubts
from syncd.sandbox.faults import Fault
from syncd.sandbox.fill.catalogue import catalogue
from syncd.sandbox.populate import LIST_ID
from syncd.sandbox.shop import ShopState
from syncd.sandbox.witness import Exchange, listening
from tests.integration.house import DAY, House
from tests.integration.mailchimp_world import NOW, Town

NOBODY = "nobody@shop.example"
RULES = """
[audiences.main.lifecycle.segments.buyer]
when = "orders(ever) >= 1"
[audiences.main.lifecycle.segments.regular]
when = "orders(ever) >= 2"
[audiences.main.lifecycle.fields.ORDERS]
value = "orders(ever)"
[audiences.main.lifecycle.fields.SPENT]
value = "spend(ever)"
[audiences.main.lifecycle.fields.LASTORDER]
value = "last_order"
[audiences.main.lifecycle.fields.CITY]
value = "city"
"""


def configurations() -> dict[str, Switches]:
    """All cautious, all other, and rows in which every two switches meet in each of their four ways.

    Each switch has the other value in more than half of the mixed rows, no two in the same ones. So any two
    share a row, each has a row that the other has not, and in the cautious row both are cautious.
    """
    known = doubts()
    rows = next(n for n in count(3) if comb(n, n // 2 + 1) >= len(known))
    table = {"cautious": set[str](), "other": {doubt.name for doubt in known}}
    for row in range(rows):
        places = combinations(range(rows), rows // 2 + 1)
        table[f"mixed{row + 1}"] = {doubt.name for doubt, chosen in zip(known, places, strict=False) if row in chosen}
    return {name: Switches(**{d.name: d.other for d in known if d.name in others}) for name, others in table.items()}


CONFIGURATIONS = configurations()
# For traps that no two switches can make worse together.
plainly = pytest.mark.parametrize("switches", ["cautious", "other"], indirect=True)


class Impatient(Event):
    """Lets nobody wait, and adds up for how long they would have."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds = 0.0

    def wait(self, timeout: float | None = None) -> bool:
        self.seconds += timeout or 0.0
        return self.is_set()


@dataclass
class Home(House):
    """A syncd between empty shops and an empty audience, which fill as a test says. It never waits."""

    rules: str = RULES
    shops: tuple[str, ...] = ("acme", "cafe")

    @property
    def switches(self) -> Switches:
        return self.world.mailchimp

    @property
    def waited_seconds(self) -> float:
        assert isinstance(self.context.stop, Impatient)
        return self.context.stop.seconds

    def configure(self, rules: str = "", **audience: object) -> None:
        super().configure(rules or self.rules, shops=list(self.shops), **audience)
        for shop in {*self.context.settings.shops} - {*self.shops}:
            del self.context.settings.shops[shop]
        self.context.stop = Impatient()
        # The sandbox's own, without a call for each look at it.
        self.context.clock = self.world.clock

    def buys(self, email: str, amount: str = "20.00", *, shop: str = "acme", **more: Any) -> Any:
        """Somebody who agreed to mail buys."""
        consent = {"consent": "subscribed" if shop == "acme" else True}
        return happenings.place_order(
            self.world.shops[shop], {"email": email, "amount": amount, "placed_at": self.now - 60, **consent, **more}
        )

    def joins(self, *emails: str, status: str = "subscribed", **details: Any) -> None:
        """These have been in the audience for long."""
        for email in emails:
            self.members.add_member(email, status, changed_at=self.now - 100_000, **details)

    def acts(self, email: str, change: dict[str, Any]) -> None:
        """Somebody changes something in the e-mail service, a minute later."""
        self.later(60)
        self.call("POST", f"/audiences/{LIST_ID}/members/{email}", change)

    def cycle(self) -> None:
        """A minute later, one cycle in which nothing went wrong."""
        self.later(60)
        self.sync_in_order()

    def strike(self, path: str, kind: str = "status", **more: Any) -> None:
        """Afterwards calls to the e-mail service on this path fail so."""
        self.world.faults.add(Fault(kind=kind, service="mailchimp", path=path, **more))  # type: ignore[arg-type]

    def is_quiet(self) -> bool:
        """Whether one more cycle writes nothing."""
        before = self.requests()
        self.cycle()
        return self.writes(before) == []

    @property
    def now(self) -> int:
        return self.world.clock.now()

    def stamps(self) -> dict[str, tuple[str, int | None, int]]:
        """Status, opt-in and last change of every member."""
        return {one.email: (one.status, one.opted_in_at, one.changed_at) for one in self.members.members}

    def entries(self, *triggers: str) -> list[tuple[str, str]]:
        """Who entered a journey by one of these triggers, and by what."""
        return [(e["email"], e["value"]) for e in self.members.journeys() if e["trigger"] in triggers]

    def fields(self, email: str) -> dict[str, Any]:
        """The fields of a member that are set."""
        found: dict[str, Any] = self.state()[email]["merge_fields"]
        return found


def empty(town: Town, switches: Switches) -> None:
    """Afterwards shops and audience hold nothing, nothing fails, and the account behaves as `switches` say."""
    town.fresh()
    vars(town.world.mailchimp).update(deepcopy(vars(switches)))
    for shop in town.world.shops.values():
        fresh = ShopState(shop.name, shop.platform, town.world.clock, title=shop.title, store_id=shop.store_id)
        fresh.stock(catalogue(town.world.seed))
        vars(shop).update(vars(fresh))
        # Shops without a single record are a matter of their own. This person never agreed to anything.
        happenings.place_order(shop, {"email": NOBODY, "amount": "5.00", "placed_at": NOW - 900 * DAY})


@contextmanager
def wiretap() -> Iterator[list[tuple[str, str, Any]]]:
    """Within, every write to the e-mail service is kept as (method, path, body), those inside batches unwrapped."""
    writes: list[tuple[str, str, Any]] = []

    def hear(exchange: Exchange) -> None:
        if exchange.service != "mailchimp" or exchange.method == "GET":
            return
        body = json.loads(exchange.body) if exchange.body else None
        if exchange.path == "/3.0/batches":
            writes.extend((each["method"], each["path"], json.loads(each["body"])) for each in body["operations"])
        else:
            writes.append((exchange.method, exchange.path.removeprefix("/3.0"), body))

    with listening(hear):
        yield writes
