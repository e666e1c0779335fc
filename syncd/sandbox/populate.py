"""Fills a world: divides the buyers over the two shops, writes down their consent, and makes the audience."""

from __future__ import annotations

import gc
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from syncd.sandbox.audience import Audience
from syncd.sandbox.audience.writes import FieldWrite
from syncd.sandbox.dice import dice
from syncd.sandbox.fill import cdnow, csv_file, synthetic
from syncd.sandbox.fill.carts import leave_carts
from syncd.sandbox.fill.catalogue import catalogue
from syncd.sandbox.fill.dataset import CURRENCY, Buyer, Purchase
from syncd.sandbox.fill.people import Person, person
from syncd.sandbox.fill.wishes import make_wishes
from syncd.sandbox.shop import Customer, Order, Refund, ShopState
from syncd.sandbox.world import World

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

LIST_ID = "a1b2c3d4e5"
STORE_IDS = {"acme": 690_933_842, "cafe": 1003}
ONLY_ACME, ONLY_CAFE = 0.55, 0.35  # the rest buys in both
SUBSCRIBERS_SHARE = 0.15  # people in the audience who never bought, as a share of the buyers
FIRST_SUBSCRIBER = 1_000_000
# Of the contacts: who told their birthday, who opens mails at all, and who of these clicks, too.
BIRTHDAYS_SHARE, READERS_SHARE, CLICKERS_SHARE = 0.4, 0.75, 0.6
_DAY_SECONDS = 86_400
# Shopify's marketing state by what the person said.
_STATES = {"granted": "subscribed", "withdrawn": "unsubscribed", "refused": "not_subscribed", "never": "not_subscribed"}
# Status in the audience by consent, as (share, status); what is left over is not in the audience.
_STANDING: dict[str, tuple[tuple[float, str], ...]] = {
    "granted": ((0.88, "subscribed"), (0.03, "unsubscribed"), (0.02, "cleaned"), (0.02, "archived")),
    "withdrawn": ((0.50, "unsubscribed"),),
    "refused": (),
    "never": ((0.10, "transactional"),),
}


def build(
    data: str, *, seed: int = 1, start: int | None = None, customers: int | None = None, orders: int | None = None
) -> World:
    """A world full of `data`: "cdnow", "synthetic", or the path of a CSV file. Raises: UserError."""
    world = World(seed, start)
    products = catalogue(seed)
    with _undisturbed():
        match data:
            case "cdnow":
                buyers = cdnow.buyers(seed, world.clock.start, products, customers)
            case "synthetic":
                buyers = synthetic.buyers(seed, world.clock.start, products, customers, orders)
            case _:
                buyers = csv_file.buyers(seed, Path(data), customers)
        populate(world, buyers)
        for shop in world.shops.values():
            # A file of purchases brings products of its own.
            bought = {line.product.id: line.product for order in shop.orders for line in order.lines}
            shop.stock(bought.values())
            shop.stock(products)
            leave_carts(shop, seed, products)
            if shop.platform == "ecwid":
                make_wishes(shop, seed, products)
    return world


def populate(world: World, buyers: list[Buyer]) -> None:
    """Afterwards the shops `acme` and `cafe` and the audience hold what became of `buyers` until now."""
    clock = world.clock
    acme = ShopState("acme", "shopify", clock, title="Acme Records", store_id=STORE_IDS["acme"])
    cafe = ShopState("cafe", "ecwid", clock, title="Café Discos", store_id=STORE_IDS["cafe"])
    world.shops = {"acme": acme, "cafe": cafe}
    audience = Audience(LIST_ID, "Acme & Café", clock, timezone=acme.timezone, switches=world.mailchimp)
    audience.fields.create(FieldWrite(tag="BIRTHDAY", name="Birthday", type="birthday"))
    world.audiences[LIST_ID] = audience
    intake = {name: _Intake(shop, world.clock.start) for name, shop in world.shops.items()}
    for buyer in buyers:
        _settle(world, intake, buyer)
    for n in range(int(len(buyers) * SUBSCRIBERS_SHARE)):
        _settle_subscriber(world, intake, n)
    for each in intake.values():
        each.close()


def _settle(world: World, intake: dict[str, _Intake], buyer: Buyer) -> None:
    """The buyer becomes a customer of one shop or both, and perhaps a member of the audience."""
    chance = dice(world.seed, "place", buyer.person.number)
    draw = chance.random()
    names = ["acme"] if draw < ONLY_ACME else ["cafe"] if draw < ONLY_ACME + ONLY_CAFE else ["acme", "cafe"]
    joined = buyer.purchases[0].placed_at - 600 if buyer.purchases else _long_ago(world, chance)
    shares: dict[str, list[Purchase]] = {name: [] for name in names}
    for purchase in buyer.purchases:
        # Test orders and foreign money exist on Shopify only.
        special = purchase.test or purchase.currency != CURRENCY
        shares.setdefault("acme" if special else chance.choice(names), []).append(purchase)
    for name, purchases in shares.items():
        intake[name].take(buyer.person, purchases, joined, buyer.twin_email, chance)
    _join(world, buyer.person, joined, chance)


def _settle_subscriber(world: World, intake: dict[str, _Intake], n: int) -> None:
    """Somebody who subscribed and never bought; every other one has an account in a shop."""
    someone, chance = person(world.seed, FIRST_SUBSCRIBER + n, consent="granted")
    joined = _long_ago(world, chance)
    if n % 2:
        intake[chance.choice(("acme", "cafe"))].take(someone, [], joined, "", chance)
    _member(world, someone, "subscribed", joined, chance)


def _long_ago(world: World, chance: Random) -> int:
    return world.clock.start - _DAY_SECONDS - chance.randrange(540 * _DAY_SECONDS)


def _join(world: World, someone: Person, joined: int, chance: Random) -> None:
    draw = chance.random()
    for share, status in _STANDING[someone.consent]:
        if draw < share:
            _member(world, someone, status, joined, chance)
            return
        draw -= share


def _member(world: World, someone: Person, status: str, joined: int, chance: Random) -> None:
    tags = tuple(tag for tag, share in (("newsletter", 0.1), ("fair 2024", 0.01)) if chance.random() < share)
    changed = joined if status == "subscribed" else chance.randint(joined, world.clock.start)
    # Dice of their own, so that everything else stays as it is.
    habits = dice(world.seed, "habits", someone.number)
    birthday = f"{date(2000, 1, 1) + timedelta(days=habits.randrange(366)):%m/%d}"
    known = {"BIRTHDAY": birthday} if habits.random() < BIRTHDAYS_SHARE else {}
    opens = round(habits.random() ** 2, 4) if habits.random() < READERS_SHARE else 0.0
    world.audiences[LIST_ID].add_member(
        someone.email,
        status,
        tags=tags,
        merge_fields={"FNAME": someone.first_name, "LNAME": someone.last_name, **known},
        opted_in_at=joined,
        changed_at=changed,
        open_rate=opens,
        click_rate=round(opens * habits.random() ** 2, 4) if habits.random() < CLICKERS_SHARE else 0.0,
    )


class _Sale(Struct, frozen=True):
    """A purchase on its way into a shop, with the customer's record and the address typed."""

    purchase: Purchase
    customer_id: int | None
    email: str


class _Intake:
    """Collects what one shop gets; orders are numbered in the order in which their records were made."""

    def __init__(self, shop: ShopState, start: int) -> None:
        self.shop = shop
        self.start = start
        self.customers: list[Customer] = []
        self.sales: list[_Sale] = []

    def take(self, someone: Person, purchases: list[Purchase], joined: int, twin_email: str, chance: Random) -> None:
        """The person becomes a customer; with `twin_email` a second one, who has every other order."""
        ids = [self._customer(someone, email, joined, chance) for email in (someone.email, twin_email) if email]
        for n, purchase in enumerate(purchases):
            customer_id = None if purchase.guest else ids[n % len(ids)]
            self.sales.append(_Sale(purchase, customer_id, someone.email))

    def _customer(self, someone: Person, email: str, joined: int, chance: Random) -> int:
        said = {"granted": joined, "refused": joined, "never": None}
        when = said[someone.consent] if someone.consent in said else chance.randint(joined, self.start)
        customer = Customer(
            self.shop.new_id(),
            email,
            joined,
            max(joined, when or 0),
            someone.first_name,
            someone.last_name,
            someone.city,
            someone.postcode,
            someone.country,
            someone.language,
            _STATES[someone.consent],
            when,
        )
        self.customers.append(customer)
        return customer.id

    def close(self) -> None:
        """Afterwards everything taken is in the shop."""
        self.sales.sort(
            key=lambda sale: (sale.purchase.imported_at or sale.purchase.placed_at, sale.purchase.placed_at)
        )
        self.shop.load(self.customers, [self._order(n, sale) for n, sale in enumerate(self.sales)])

    def _order(self, n: int, sale: _Sale) -> Order:
        bought = sale.purchase
        created = bought.placed_at if bought.imported_at is None else bought.imported_at
        shipped = bought.placed_at + _DAY_SECONDS + bought.placed_at % _DAY_SECONDS
        cancelled_at = min(bought.placed_at + 3600, self.start) if bought.cancelled else None
        refunds, status = self._refunds(bought)
        closed_at = max(shipped, created) if shipped < self.start and not bought.cancelled else None
        return Order(
            self.shop.new_id(),
            1001 + n,
            bought.placed_at,
            created,
            max(created, closed_at or 0, cancelled_at or 0, bought.touched_at or 0, *(each.at for each in refunds)),
            sale.customer_id,
            sale.email,
            bought.total_minor,
            bought.currency,
            status,
            bought.shipping_minor,
            bought.tax_minor,
            bought.presentment,
            cancelled_at,
            closed_at,
            bought.test,
            "web",
            bought.lines,
            refunds,
        )

    def _refunds(self, bought: Purchase) -> tuple[tuple[Refund, ...], str]:
        back = bought.refund
        if back is None:
            return (), bought.status
        amount = bought.total_minor if back.amount_minor is None else min(back.amount_minor, bought.total_minor)
        at = min(bought.placed_at + back.days * _DAY_SECONDS, self.start)
        refund = Refund(self.shop.new_id(), at, amount, back.outcome)
        if back.outcome != "success":
            return (refund,), bought.status
        return (refund,), "refunded" if amount >= bought.total_minor else "partially_refunded"


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Without the garbage collector, which would look at all records again and again and find nothing."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
