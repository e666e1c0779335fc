"""The columns of a batch that only some rules read: what was in the orders, carts, engagement, tags, wishes.

Each group of them is one query for a batch, and none at all where no rule reads it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from sqlalchemy import BigInteger, ColumnElement, Connection, Select, and_, cast, func, select

from syncd.calendar import local_days
from syncd.history.carts import that_wait
from syncd.history.database import among
from syncd.history.reading import Reading, Stretch, as_number, converted, currency_of, fetch, numbers
from syncd.history.schema import articles, carts, identities, members, order_items, orders, products
from syncd.lifecycle.columns import NO_DAY, NO_INSTANT, Items, Need

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Counted:
    """The counted orders of a batch, by customer and local day; `row` tells which row of `of_orders` each one is."""

    customer: Numbers
    day: Numbers
    minor: Numbers
    placed_at: Numbers
    row: Numbers

    def by_day(self) -> Counted:
        """The same, where clocks were put back past midnight and a later order lies on an earlier date."""
        if not np.any((np.diff(self.day) < 0) & (np.diff(self.customer) == 0)):
            return self
        at = np.lexsort((self.day, self.customer))
        return Counted(self.customer[at], self.day[at], self.minor[at], self.placed_at[at], self.row[at])


def of_orders(db: Connection, reading: Reading, stretch: Stretch) -> list[ColumnElement[bool]]:
    """The conditions of the orders that may count. A stretch may have other audiences' customers in between."""
    # As a plain condition SQLite would begin with the shop and read all of its orders for every stretch.
    of_shops = as_number((orders.c.shop.in_(reading.shops), 1)) == 1
    known = [] if reading.as_of_end is None else [orders.c.placed_at < reading.as_of_end]
    return [stretch.holds(db, orders.c.customer_id), of_shops, *known]


def order_of_orders(reading: Reading) -> list[ColumnElement[Any]]:
    """By what they are sorted. Only the lines need to tell orders of the same second apart."""
    ids = [orders.c.shop, orders.c.id] if "items" in reading.needs else []
    return [orders.c.customer_id, orders.c.placed_at, *ids]


def of_members(reading: Reading) -> list[ColumnElement[Any]]:
    """What is read together with the people, in the order of `_OF_MEMBERS`."""
    return [column for need, column in _OF_MEMBERS.items() if need in reading.needs]


_OF_MEMBERS: dict[Need, ColumnElement[Any]] = {
    "open_rate": members.c.open_rate,
    "click_rate": members.c.click_rate,
    "clicked_day": func.coalesce(members.c.clicked_at, NO_INSTANT),
    "birthday": func.coalesce(members.c.birthday, 0),
}


def read(
    db: Connection, reading: Reading, stretch: Stretch, counted: Counted, engagement: Sequence[Sequence[Any]]
) -> dict[str, Any]:
    """The columns that the reading needs, by name; `engagement` is what `of_members` asked for."""
    needs = reading.needs
    found: dict[str, Any] = {}
    for need, column in zip([need for need in _OF_MEMBERS if need in needs], engagement, strict=True):
        found[need] = _engagement(need, column, reading)
    if "items" in needs:
        found["items"] = _items(db, reading, stretch, counted)
    if needs & {"cart_at", "cart_minor"}:
        found["cart_at"], found["cart_minor"] = _carts(db, reading, stretch)
    if "shop_tags" in needs:
        found["shop_tags"] = _shop_tags(db, reading, stretch)
    if "wishes" in needs:
        found["wishes"] = _wishes(db, reading, stretch)
    if "last_order_at" in needs:
        found["last_order_at"] = _last_order_at(stretch, counted)
    return found


def _engagement(need: Need, column: Sequence[Any], reading: Reading) -> NDArray[Any]:
    if need in ("open_rate", "click_rate"):
        return np.array(column, np.float64)  # None becomes NaN
    values = np.array(column, np.int64)
    if need == "clicked_day":
        return np.where(values == NO_INSTANT, NO_DAY, local_days(values, reading.zone))
    return values


def _last_order_at(stretch: Stretch, counted: Counted) -> Numbers:
    newest = np.full(len(stretch.ids), NO_INSTANT, np.int64)
    np.maximum.at(newest, stretch.places(counted.customer), counted.placed_at)
    return newest


# What was in the orders.


def _items(db: Connection, reading: Reading, stretch: Stretch, counted: Counted) -> Items:
    row, quantity, price, *texts = _columns(fetch(db, _lines_of(db, reading, stretch)), 7)
    rows = np.array(row, np.int64)
    place = np.full(max(rows.max(initial=0), counted.row.max(initial=0)) + 1, -1)
    place[counted.row] = np.arange(len(counted.row))
    order = place[rows]
    # Lines of orders that do not count are left out; the others follow their orders.
    lines = np.argsort(order, kind="stable")[np.count_nonzero(order < 0) :]
    known: defaultdict[str, int] = defaultdict(None, {"": 0})
    known.default_factory = known.__len__  # each new text is one more
    product_id, title, category, sku = (np.fromiter(map(known.__getitem__, each), np.int64)[lines] for each in texts)
    return Items(
        starts=np.searchsorted(order[lines], np.arange(len(counted.row) + 1)),
        product_id=product_id,
        title=title,
        category=category,
        sku=sku,
        quantity=np.array(quantity, np.int64)[lines],
        price_minor=np.array(price, np.int64)[lines],
        texts=np.array(list(known), object),
    )


def _lines_of(db: Connection, reading: Reading, stretch: Stretch) -> Select[Any]:
    """The lines, each with the number of its order among the rows of `of_orders`."""
    number = (func.row_number().over(order_by=order_of_orders(reading)) - 1).label("number")
    sold = select(number, orders.c.shop, orders.c.id).where(*of_orders(db, reading, stretch)).subquery()
    of_order = and_(order_items.c.shop == sold.c.shop, order_items.c.order_id == sold.c.id)
    of_product = and_(products.c.shop == articles.c.shop, products.c.id == articles.c.product_id)
    # What the shop says of a product now; a line says what it was when it was sold.
    category = func.coalesce(func.nullif(products.c.category, ""), articles.c.category)
    return (
        select(
            *(sold.c.number, order_items.c.quantity, order_items.c.price_minor, articles.c.product_id),
            *(articles.c.title, category, articles.c.sku),
        )
        .select_from(sold)
        .join(order_items, of_order)
        .join(articles, articles.c.id == order_items.c.article_id)
        .outerjoin(products, of_product)
        .order_by(sold.c.number, order_items.c.line)
    )


# Carts.


def _carts(db: Connection, reading: Reading, stretch: Stretch) -> tuple[Numbers, Numbers]:
    """The last change and the value of each customer's newest cart that waits."""
    columns = [carts.c.customer_id, carts.c.updated_at, carts.c.value_minor, currency_of(reading, carts.c.currency)]
    query = that_wait(select(*(cast(column, BigInteger) for column in columns)), reading.shops)
    query = query.where(stretch.holds(db, carts.c.customer_id))
    if reading.as_of_end is not None:
        query = query.where(carts.c.updated_at < reading.as_of_end)
    oldest_first = query.order_by(carts.c.customer_id, carts.c.updated_at, carts.c.id.desc())
    customer, updated_at, minor, currency = numbers(db, oldest_first).T
    minor = np.where(currency < 0, -1, converted(minor.copy(), currency, reading))
    places = stretch.places(customer)
    mine = places >= 0
    changed_at = np.full(len(stretch.ids), NO_INSTANT, np.int64)
    value = np.full(len(stretch.ids), -1, np.int64)
    # Of several the last one stays.
    changed_at[places[mine]], value[places[mine]] = updated_at[mine], minor[mine]
    return changed_at, value


# What the shops' records of a person say.


def _shop_tags(db: Connection, reading: Reading, stretch: Stretch) -> NDArray[Any]:
    tags: dict[int, tuple[str, ...]] = defaultdict(tuple)
    for customer, text in fetch(db, _records(db, reading, stretch, identities.c.tags)):
        tags[customer] += tuple(text.casefold().split("\n"))
    return _tuples(tags[id_] for id_ in stretch.ids.tolist())


def _wishes(db: Connection, reading: Reading, stretch: Stretch) -> NDArray[Any]:
    """The titles of what is wished for; those of the record that changed last come first."""
    found = fetch(db, _records(db, reading, stretch, identities.c.wishes, identities.c.shop))
    # One wish, however many records of the person tell it.
    wished = dict.fromkeys((customer, shop, id_) for customer, text, shop in found for id_ in text.split("\n"))
    ids = among(db, products.c.id, sorted({id_ for _, _, id_ in wished}))
    known = select(products.c.shop, products.c.id, products.c.title).where(products.c.shop.in_(reading.shops), ids)
    titles = {(shop, id_): title for shop, id_, title in fetch(db, known)} if wished else {}
    wishes: dict[int, tuple[str, ...]] = defaultdict(tuple)
    for customer, shop, id_ in wished:
        wishes[customer] += (titles.get((shop, id_), ""),)
    return _tuples(wishes[id_] for id_ in stretch.ids.tolist())


def _records(
    db: Connection, reading: Reading, stretch: Stretch, text: ColumnElement[Any], *more: ColumnElement[Any]
) -> Select[Any]:
    """A text of each living record that has one, the record that changed last first."""
    return (
        select(identities.c.customer_id, text, *more)
        .where(stretch.holds(db, identities.c.customer_id), identities.c.shop.in_(reading.shops), ~identities.c.deleted)
        .where(text != "")
        .order_by(
            identities.c.customer_id, identities.c.updated_at.desc(), identities.c.shop, identities.c.shop_customer_id
        )
    )


def _columns(rows: list[Any], width: int) -> list[Sequence[Any]]:
    """The rows as columns, also where there is none."""
    return list(zip(*rows, strict=True)) if rows else [()] * width


def _tuples(found: Iterable[tuple[str, ...]]) -> NDArray[Any]:
    """A column whose values are tuples."""
    return np.fromiter(found, object)
