"""What happens next in the shops: orders that people would place in the coming days, for the demo.

It only says what will happen; to make it happen, post each payload to the control API at its instant.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from syncd.sandbox.dice import dice
from syncd.sandbox.fill.catalogue import CATEGORIES, catalogue, lines
from syncd.sandbox.fill.dataset import moment, today_of
from syncd.sandbox.fill.people import Person, person
from syncd.sandbox.texts import decimal_text

if TYPE_CHECKING:
    from random import Random

    from syncd.sandbox.shop import Customer, Line, Product, ShopState
    from syncd.sandbox.world import World

Happening = tuple[int, str, dict[str, Any]]  # UTC seconds, the shop, the order as its platform writes it

FIRST_NEWCOMER = 2_000_000
NEWCOMERS_SHARE = 0.08
_DAY_SECONDS = 86_400
# A shop's pace is that of its last 90 days; three orders a day at least.
_PACE_DAYS, _PACE_MIN = 90, 3.0
# How fast people lose interest: the likelihood of an order falls to 1/e in so many days.
_INTEREST_DAYS = 75.0


class _Crowd(Struct, frozen=True):
    """Who may order in a shop, each as likely as their weight, and how many orders a day come in."""

    shop: ShopState
    customers: list[Customer]
    weights: list[float]
    pace: float


def schedule(world: World, days: int, seed: int) -> list[Happening]:
    """The orders from now on for `days` days, in order of time. The same seed gives the same orders."""
    now = world.clock.now()
    chance = dice(seed, "simulate")
    products = catalogue(world.seed)
    crowds = [_crowd(shop, now) for shop in world.shops.values()]
    made: list[Happening] = []
    for n in range(days + 1):
        day = today_of(now) + timedelta(days=n)
        for crowd in crowds:
            count = int(crowd.pace * (0.7 + 0.6 * chance.random()) + chance.random())
            made += [
                (moment(day, chance), crowd.shop.name, _order(crowd, seed, chance, products)) for _ in range(count)
            ]
    end = now + days * _DAY_SECONDS
    return sorted((each for each in made if now < each[0] <= end), key=lambda each: each[:2])


def _crowd(shop: ShopState, now: int) -> _Crowd:
    customers = [each for each in shop.customers if each.email]
    last = {
        each.id: max((shop.orders[n].placed_at for n in shop.orders_of.get(each.id, ())), default=each.created_at)
        for each in customers
    }
    weights = [2.718 ** (-(now - last[each.id]) / _DAY_SECONDS / _INTEREST_DAYS) + 1e-3 for each in customers]
    start, stop = shop.orders.between("placed_at", now - _PACE_DAYS * _DAY_SECONDS, now)
    return _Crowd(shop, customers, weights, max((stop - start) / _PACE_DAYS, _PACE_MIN))


def _order(crowd: _Crowd, seed: int, chance: Random, products: list[Product]) -> dict[str, Any]:
    units = 1 + int(5 * chance.random() ** 2)
    goods = sum(chance.randrange(900, 1_900) for _ in range(units))
    bought = lines(chance, products, chance.randrange(len(CATEGORIES)), units, goods)
    newcomer = None
    if not crowd.customers or chance.random() < NEWCOMERS_SHARE:
        newcomer, _ = person(seed, FIRST_NEWCOMER + chance.randrange(FIRST_NEWCOMER))
    email = newcomer.email if newcomer else chance.choices(crowd.customers, crowd.weights)[0].email
    write = _shopify if crowd.shop.platform == "shopify" else _ecwid
    return {"email": email, **write(newcomer, bought, goods, crowd.shop.currency)}


def _shopify(newcomer: Person | None, bought: tuple[Line, ...], goods: int, currency: str) -> dict[str, Any]:
    items = [
        {
            "title": line.product.title,
            "sku": line.product.sku,
            "quantity": line.quantity,
            "price": decimal_text(line.price_minor, currency),
        }
        for line in bought
    ]
    body: dict[str, Any] = {"total_price": decimal_text(goods, currency), "line_items": items}
    if newcomer:
        state = "subscribed" if newcomer.consent == "granted" else "not_subscribed"
        body["customer"] = {
            "first_name": newcomer.first_name,
            "last_name": newcomer.last_name,
            "email_marketing_consent": {"state": state},
        }
    return body


def _ecwid(newcomer: Person | None, bought: tuple[Line, ...], goods: int, currency: str) -> dict[str, Any]:
    items = [
        {
            "name": line.product.title,
            "sku": line.product.sku,
            "quantity": line.quantity,
            "price": float(decimal_text(line.price_minor, currency)),
        }
        for line in bought
    ]
    body: dict[str, Any] = {"total": float(decimal_text(goods, currency)), "items": items}
    if newcomer:
        body["billingPerson"] = {"firstName": newcomer.first_name, "lastName": newcomer.last_name}
        body["acceptMarketing"] = True if newcomer.consent == "granted" else None
    return body
