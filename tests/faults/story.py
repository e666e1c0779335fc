"""A few days of two shops and an audience of sixty people: chapter by chapter what happens, and then syncd works.

Every kind of news is in it that a shop or the audience can have. Each chapter is a scene from which a run can begin.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from syncd.sandbox import happenings
from syncd.sandbox.audience import Switches
from syncd.sandbox.left_carts import keep_cart
from syncd.sandbox.populate import build
from syncd.sandbox.shop import Customer
from tests.conftest import START
from tests.faults.harness import Scene, Stage
from tests.faults.oracle import MEDDLED
from tests.faults.shelves import Shelf
from tests.integration.house import DAY
from tests.oracle import KNOWN_RULES

HOUR = 3_600
PEOPLE = 60
NEWCOMER, ASKED_NOT, MOVED = "new.comer@example.com", "asked.not@example.com", "moved.on@example.com"
RULES = (
    KNOWN_RULES
    + """
[audiences.main.lifecycle.moments.thanks]
on = "order"
event = "thanks"
settle = "2 hours"
[audiences.main.lifecycle.moments.repeat]
on = "join repeat"
event = "became regular"
[audiences.main.lifecycle.moments.lapsed]
on = "join lapsed"
event = "gone"
[audiences.main.lifecycle.moments.cart]
on = "cart"
event = "cart left"
settle = "2 hours"
"""
)

Happening = Callable[[Stage], None]


def beginning(shelf: Shelf[Any], people: int = PEOPLE) -> Scene:
    """Nothing was ever imported. The account makes life as hard as it can: journeys start at every chance."""
    world = build("synthetic", start=START, customers=people)
    world.clock.set(START)
    world.throttle.enforce = False
    vars(world.mailchimp).update(vars(strict()))
    return Scene(world, RULES, shelf, shelf.empty())


def strict() -> Switches:
    """A tag that is sent twice, an event that is told twice and a field that is set twice start a journey each time."""
    return Switches(journeys_reenter=True, present_tag_fires=True, first_value_is_a_change=True)


def buys(stage: Stage, shop: str, email: str, amount: str, **more: Any) -> int:
    """Somebody buys a minute ago."""
    placed_at = stage.world.clock.now() - 60
    body = {"email": email, "amount": amount, "placed_at": placed_at, **more}
    return happenings.place_order(stage.world.shops[shop], body).id


def first_import(stage: Stage) -> None:
    """Nothing happens: all is there."""


def orders(stage: Stage) -> None:
    """People buy, new ones too; somebody leaves a cart behind."""
    stage.later(HOUR)
    first, second, *_ = only_in(stage, "acme", "first-time")
    buys(stage, "acme", first, "35.00")
    buys(stage, "acme", second, "20.00", guest=True)
    buys(stage, "cafe", only_in(stage, "cafe", "repeat")[0], "180.00")
    buys(stage, "acme", NEWCOMER, "24.00", consent="subscribed")
    buys(stage, "cafe", ASKED_NOT, "24.00", consent=None)
    keep_cart(stage.world.shops["acme"], {"email": only_in(stage, "acme", "repeat")[0], "amount": "50.00"})


def afterwards(stage: Stage) -> None:
    """What was ordered is announced; some of the money goes back, and a cart is bought after all."""
    stage.later(3 * HOUR)
    acme = stage.world.shops["acme"]
    bought = [order for order in acme.orders if order.placed_at > START]
    acme.refund(bought[0].id)
    acme.refund(bought[1].id, 500)
    buys(stage, "cafe", only_in(stage, "cafe", "lapsed")[0], "12.00")


def people(stage: Stage) -> None:
    """People unsubscribe, withdraw their consent, move, are merged, erased and deleted; an order is deleted."""
    stage.later(HOUR)
    acme = stage.world.shops["acme"]
    known = only_in(stage, "acme", "repeat")
    stage.members.act(known[0], {"status": "unsubscribed"})
    acme.change_customer(customer(stage, known[1]).id, consent="unsubscribed", consent_at=stage.world.clock.now())
    acme.change_customer(customer(stage, known[2]).id, email=MOVED)
    acme.redact_customer(customer(stage, known[3]).id)
    acme.merge_customers(customer(stage, known[4]).id, customer(stage, known[5]).id)
    acme.delete_order(acme.orders_of[customer(stage, known[6]).id][-1])
    idle = [one for one in acme.customers if one.email and not acme.orders_of.get(one.id)]
    acme.delete_customer(idle[0].id)


def marketer(stage: Stage) -> None:
    """The marketer meddles with tags and fields, ours and theirs, and somebody moves in the audience."""
    stage.later(HOUR)
    first, second, third, fourth, *_ = only_in(stage, "cafe", "repeat")
    stage.members.act(first, {"tags": {"add": [MEDDLED], "remove": ["syncd:repeat"]}, "by": "admin"})
    stage.members.act(second, {"merge_fields": {"FNAME": "Zoe", "ORDERS": 99}, "by": "admin"})
    stage.members.act(third, {"status": "cleaned"})
    stage.members.act(fourth, {"email": "elsewhere@example.com"})
    buys(stage, "acme", first, "60.00")
    buys(stage, "cafe", MOVED, "60.00")


def next_day(stage: Stage) -> None:
    """A day passes; whoever asked not to be a member agrees now."""
    stage.later(DAY)
    buys(stage, "cafe", ASKED_NOT, "15.00", consent=True)


def next_month(stage: Stage) -> None:
    """A month passes: many move at once, by segments and batches, while others buy."""
    stage.later(31 * DAY)
    for number, email in enumerate(sorted(stage.tagged()["bought-3m"] | stage.tagged()["come-back"])[:8]):
        buys(stage, ("acme", "cafe")[number % 2], email, "70.00")


CHAPTERS: tuple[Happening, ...] = (first_import, orders, afterwards, people, marketer, next_day, next_month)


def customer(stage: Stage, email: str) -> Customer:
    """The person as acme has them."""
    found = stage.world.shops["acme"].customer_of(email)
    assert found
    return found


def only_in(stage: Stage, shop: str, tag: str) -> list[str]:
    """The subscribers with this tag of ours who are customers of this shop alone, and known there by one address."""
    here, other = stage.world.shops[shop], stage.world.shops[{"acme": "cafe", "cafe": "acme"}[shop]]
    return sorted(
        email
        for email in stage.tagged().get(tag, ())
        if here.customer_of(email)
        and not other.customer_of(email)
        and not any(order.email == email for order in other.orders)
        and not any(order.email == email and order.customer_id is None for order in here.orders)
    )
