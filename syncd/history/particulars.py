"""The columns of a batch that only some rules read: what was in the orders, carts, engagement, tags, wishes.

Each group of them is one query for a batch, and none at all where no rule reads it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from sqlalchemy import ColumnElement, Connection, Select, func, select, text

from syncd.calendar import local_days
from syncd.history.bought import Bought
from syncd.history.carts import that_wait
from syncd.history.database import among
from syncd.history.items import Wording, items_of
from syncd.history.reading import Reading, Stretch, converted, currency_of, fetch, numbers
from syncd.history.schema import carts, customers, identities, members, products, standings
from syncd.lifecycle.columns import NO_DAY, NO_INSTANT, Need

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Counted:
    """The counted orders of a batch, by customer and local day, and what each is worth."""

    bought: Bought
    day: Numbers
    minor: Numbers

    @property
    def customer(self) -> Numbers:
        """Whose each order is."""
        return self.bought.customer


def of_people(needs: Collection[Need]) -> list[ColumnElement[Any]]:
    """What is read together with the people, in the order of `_OF_PEOPLE`."""
    return [column for need, column in _OF_PEOPLE.items() if need in needs]


_OF_PEOPLE: dict[Need, ColumnElement[Any]] = {
    "country": customers.c.country,
    "city": customers.c.city,
    "language": customers.c.language,
    "open_rate": members.c.open_rate,
    "click_rate": members.c.click_rate,
    "clicked_day": func.coalesce(members.c.clicked_at, NO_INSTANT),
    "birthday": func.coalesce(members.c.birthday, 0),
}


def read(
    db: Connection,
    reading: Reading,
    stretch: Stretch,
    wording: Wording,
    counted: Counted,
    of_people: Sequence[Sequence[Any]],
) -> dict[str, Any]:
    """The columns that the reading needs, by name; `of_people` is what that function asked for."""
    needs = reading.needs
    found: dict[str, Any] = {}
    for need, column in zip([need for need in _OF_PEOPLE if need in needs], of_people, strict=True):
        found[need] = _of_person(need, column, reading)
    if "was_in" in needs:
        found["was_in"] = _was_in(db, reading, stretch)
    if "items" in needs:
        found["items"] = items_of(db, counted.bought, wording)
    if needs & {"cart_at", "cart_minor"}:
        found["cart_at"], found["cart_minor"] = _carts(db, reading, stretch)
    if "shop_tags" in needs:
        found["shop_tags"] = _shop_tags(db, reading, stretch)
    if "wishes" in needs:
        found["wishes"] = _wishes(db, reading, stretch)
    if "last_order_at" in needs:
        found["last_order_at"] = _last_order_at(stretch, counted)
    return found


def _of_person(need: Need, column: Sequence[Any], reading: Reading) -> NDArray[Any]:
    if need in ("country", "city", "language"):
        return np.array(column, object)
    if need in ("open_rate", "click_rate"):
        return np.array(column, np.float64)  # None becomes NaN
    values = np.array(column, np.int64)
    if need == "clicked_day":
        return np.where(values == NO_INSTANT, NO_DAY, local_days(values, reading.zone))
    return values


def _was_in(db: Connection, reading: Reading, stretch: Stretch) -> Numbers:
    mine = (standings.c.audience == reading.audience, stretch.holds(db, standings.c.customer_id))
    customer, segments = numbers(db, select(standings.c.customer_id, standings.c.segments).where(*mine)).T
    places = stretch.places(customer)
    was_in = np.zeros(len(stretch.ids), np.int64)
    was_in[places[places >= 0]] = segments[places >= 0]
    return was_in


def _last_order_at(stretch: Stretch, counted: Counted) -> Numbers:
    newest = np.full(len(stretch.ids), NO_INSTANT, np.int64)
    np.maximum.at(newest, stretch.places(counted.customer), counted.bought.orders["placed_at"])
    return newest


# Carts.


def _carts(db: Connection, reading: Reading, stretch: Stretch) -> tuple[Numbers, Numbers]:
    """The last change and the value of each customer's newest cart that waits."""
    query = _waiting(reading.shops, reading.currencies).where(stretch.holds(db, carts.c.customer_id))
    if reading.as_of_end is not None:
        query = query.where(carts.c.updated_at < reading.as_of_end)
    customer, updated_at, minor, currency = numbers(db, query).T
    minor = np.where(currency < 0, -1, converted(minor.copy(), currency, reading))
    places = stretch.places(customer)
    mine = places >= 0
    changed_at = np.full(len(stretch.ids), NO_INSTANT, np.int64)
    value = np.full(len(stretch.ids), -1, np.int64)
    # Of several the last one stays.
    changed_at[places[mine]], value[places[mine]] = updated_at[mine], minor[mine]
    return changed_at, value


@lru_cache
def _waiting(shops: tuple[str, ...], currencies: tuple[str, ...]) -> Select[Any]:
    """Of each cart that waits whose it is, its last change and its value, the oldest first."""
    columns = (carts.c.customer_id, carts.c.updated_at, carts.c.value_minor, currency_of(currencies, carts.c.currency))
    return that_wait(select(*columns), shops).order_by(carts.c.customer_id, carts.c.updated_at, carts.c.id.desc())


# What the shops' records of a person say.


def _shop_tags(db: Connection, reading: Reading, stretch: Stretch) -> NDArray[Any]:
    tags: dict[int, tuple[str, ...]] = defaultdict(tuple)
    for customer, its_tags in fetch(db, _records(db, reading, stretch, "tags")):
        tags[customer] += tuple(its_tags.casefold().split("\n"))
    return _tuples(stretch, tags)


def _wishes(db: Connection, reading: Reading, stretch: Stretch) -> NDArray[Any]:
    """The titles of what is wished for; those of the record that changed last come first."""
    found = fetch(db, _records(db, reading, stretch, "wishes", identities.c.shop))
    # One wish, however many records of the person tell it.
    wished = dict.fromkeys((customer, shop, id_) for customer, listed, shop in found for id_ in listed.split("\n"))
    ids = among(db, products.c.id, sorted({id_ for _, _, id_ in wished}))
    known = select(products.c.shop, products.c.id, products.c.title).where(products.c.shop.in_(reading.shops), ids)
    titles = {(shop, id_): title for shop, id_, title in fetch(db, known)} if wished else {}
    wishes: dict[int, tuple[str, ...]] = defaultdict(tuple)
    for customer, shop, id_ in wished:
        wishes[customer] += (titles.get((shop, id_), ""),)
    return _tuples(stretch, wishes)


def _records(db: Connection, reading: Reading, stretch: Stretch, name: str, *more: ColumnElement[Any]) -> Select[Any]:
    """A text of each living record that has one, the record that changed last first."""
    return (
        select(identities.c.customer_id, identities.c[name], *more)
        .where(stretch.holds(db, identities.c.customer_id), identities.c.shop.in_(reading.shops), ~identities.c.deleted)
        # Spelled as in the index of those who have any.
        .where(text(f"identities.{name} <> ''"))
        .order_by(
            identities.c.customer_id, identities.c.updated_at.desc(), identities.c.shop, identities.c.shop_customer_id
        )
    )


def _tuples(stretch: Stretch, found: Mapping[int, tuple[str, ...]]) -> NDArray[Any]:
    """A column of what was found of each customer of the stretch; nothing of most."""
    column = np.empty(len(stretch.ids), object)
    column.fill(())
    places = stretch.places(np.fromiter(found, np.int64))
    for place, texts in zip(places.tolist(), found.values(), strict=True):
        if place >= 0:
            column[place] = texts
    return column
