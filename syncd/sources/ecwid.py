"""Ecwid, over its REST API v3: customers, orders, what was deleted, carts and products, in closed windows of time.

It knows in which order a store is read, and how to go on where it stopped; the calls are `_ecwid_api`'s.
Source: docs.ecwid.com, REST API v3.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import pairwise
from math import ceil
from typing import TYPE_CHECKING, Any
from zlib import crc32

from msgspec import Struct

from syncd._hosts import Hosts
from syncd.errors import ConnectionBlocked, RecordError, UserError
from syncd.model import CART_DAYS, Page, Record, Rejected, ShopProfile
from syncd.sources import _ecwid_wire as wire
from syncd.sources._ahead import Each, ahead, at_once
from syncd.sources._budgets import Sleep
from syncd.sources._ecwid_api import CUSTOMERS, DELETED_CUSTOMERS, DELETED_ORDERS, MOST_ROWS, PAGE_ROWS, Api, List
from syncd.sources._ecwid_sight import Latest, latest_changes, obstacles, warnings
from syncd.sources._records import decode
from syncd.sources._walk import Cursor, Window, evenly

if TYPE_CHECKING:
    from syncd.settings.models import Shop

ORIGIN = "https://app.ecwid.com"
# A window of a backfill: a few pages, all of them in memory at once.
WINDOW_ROWS = 10 * PAGE_ROWS
# Ten calls a second, a second and a half for each answer: so many are on their way at once.
CALLS_AT_ONCE = 15
# So many windows it takes, because each begins with one call alone.
WINDOWS_AT_ONCE = 5
# Portions that wait for those before them, two windows of them.
PORTIONS_AHEAD = 20

# Of a product no more than is read: the rest is a thousand times as long.
PRODUCT_FIELDS = "id,name,updateTimestamp,defaultCategoryId,categoryIds"
# So often all customers are read, for nothing says that a new wish counts as a change of the customer.
WISHES_SECONDS = 86_400


class _Names(Struct, rename="camel"):
    store_name: str | None = None


class _Formats(Struct):
    currency: str
    timezone: str | None = None


class _General(Struct, rename="camel"):
    store_id: int


class _Profile(Struct, rename="camel"):
    general_info: _General
    formats_and_units: _Formats
    settings: _Names | None = None


class _Chunk(Struct, frozen=True):
    """Some rows of a window, and how far the window is delivered with them: to an instant, and to an id within it."""

    records: tuple[Any, ...]
    rejected: tuple[Rejected, ...]
    reached: int
    place: str = ""


def connect(name: str, shop: Shop, now: Callable[[], int], sleep: Sleep, hosts: Hosts) -> Ecwid:
    """The source of an Ecwid store; nothing is called yet.

    Raises: UserError where store or token are not configured.
    """
    connection = f"shops.{name}"
    if not (shop.store_id and shop.token):
        raise UserError(f"{connection}: give store_id and token")
    origin = shop.base_url or ORIGIN
    return Ecwid(Api(origin, connection, shop.store_id, shop.token.get, now, sleep, hosts), now)


def _is_quiet(latest: int | None, begin: Cursor) -> bool:
    """Whether the store says that nothing has changed since."""
    return latest is not None and latest < begin.at


class Ecwid:
    """A connection to one store. See `syncd.sources.Source`."""

    def __init__(self, api: Api, now: Callable[[], int]) -> None:
        self._api = api
        self._now = now
        self._currency = ""

    def profile(self) -> ShopProfile:
        store = decode(self._api.get("profile"), _Profile)
        self._currency = store.formats_and_units.currency
        title = (store.settings.store_name if store.settings else "") or ""
        timezone = store.formats_and_units.timezone or "UTC"
        return ShopProfile(f"ecwid:{store.general_info.store_id}", title, self._currency, timezone)

    def customers_shown(self) -> int | None:
        return self._api.count(CUSTOMERS, 0, self._now())

    def orders_shown(self, since: int | None = None) -> int | None:
        return self._api.count(self._orders(), since or 0, self._now())

    def pull(self, cursors: Mapping[str, str], since: int | None = None) -> Iterator[Page]:
        """Customers, orders, deletions, carts, products, wish lists.

        With `since`, orders that were *changed* since then are read: all that were placed later, and
        some that were placed earlier.
        """
        orders = self._orders()
        latest = latest_changes(self._api)
        begin = Cursor.read(cursors.get("customers"))
        for chunk, cursor, expected in self._changes(CUSTOMERS, begin, 0, latest.customers, latest.now):
            yield Page("customers", cursor, customers=chunk.records, rejected=chunk.rejected, expected=expected)
        begin = Cursor.read(cursors.get("orders"))
        for chunk, cursor, expected in self._changes(orders, begin, since or 0, latest.orders, latest.now):
            yield Page("orders", cursor, orders=chunk.records, rejected=chunk.rejected, expected=expected)
        yield from self._deletions(cursors, latest.now)
        yield from self._carts(Cursor.read(cursors.get("carts")), latest)
        yield from self._products(cursors.get("products", ""), latest)
        yield from self._wishes(Cursor.read(cursors.get("wishes")), latest.now)

    def parse(self, resource: str, raw: bytes) -> Record:
        record: Record | None = None
        if resource == "customers":
            record = wire.CUSTOMERS.parse(raw)
        elif resource == "orders":
            record = self._orders().reader.parse(raw)
        elif resource == "carts":
            record = self._abandoned().reader.parse(raw)
        elif resource == "products":
            record = self._catalogue(self._api.categories()).reader.parse(raw)
        if record is None:
            raise RecordError("record: not one that is kept")
        return record

    def obstacles(self) -> list[str]:
        return obstacles(self._api, self._now())

    def warnings(self) -> list[str]:
        return warnings(self._api, self._abandoned(), self._now())

    def _orders(self) -> List:
        """The list of orders; its reader must know in which currency the store sells."""
        return List("orders", wire.orders_in(self._known_currency()))

    def _abandoned(self) -> List:
        """The list of abandoned carts; hidden ones too, so that a cart that is hidden later is seen to be."""
        return List("carts", wire.carts_in(self._known_currency()), asks={"showHidden": "true"})

    def _catalogue(self, categories: Mapping[int, str]) -> List:
        """The list of products, of each no more than is read; `categories` are their names."""
        fields = {"sortBy": "UPDATED_TIME_ASC", "responseFields": f"total,count,items({PRODUCT_FIELDS})"}
        return List("products", wire.products_in(categories), asks=fields)

    def _known_currency(self) -> str:
        return self._currency or self.profile().currency

    def _changes(
        self, what: List, begin: Cursor | None, since: int, latest: int | None, now: int
    ) -> Iterator[tuple[_Chunk, str, int | None]]:
        """What changed since `begin` in portions, with the cursor behind each and the rows to expect in all.

        Nothing is asked where nothing changed since `begin` (`latest`), which is one call for all
        resources.
        """
        if begin and latest is not None and latest < begin.at:
            yield _Chunk((), (), begin.at), begin.write(), None
            return
        cursor = begin or Cursor(since)
        last = max(cursor.at, now)
        expected = self._api.count(what, cursor.at, last)
        # A list that shows nothing of what the store says has changed is asked again from the same place.
        hidden = not expected and latest is not None and latest > cursor.at
        for chunk in self._chunks(what, cursor, last, expected):
            cursor = cursor if hidden else cursor.moved_to(chunk.reached, now, chunk.place)
            yield chunk, cursor.write(), expected

    def _chunks(self, what: List, begin: Cursor, last: int, expected: int) -> Iterator[_Chunk]:
        """What changed from `begin` to `last`; a long stretch is cut into windows that are read side by side."""
        whole = Window(begin.at, last, expected)
        if expected <= WINDOW_ROWS:
            yield from self._window(what, whole, begin, map)
            return
        with at_once(CALLS_AT_ONCE) as each:
            chains = (self._window(what, window, begin, each) for window in self._plan(what, whole, each))
            yield from ahead(chains, WINDOWS_AT_ONCE, most=PORTIONS_AHEAD)

    def _plan(self, what: List, whole: Window, each: Each) -> Iterator[Window]:
        """Cuts `whole` into windows of about WINDOW_ROWS rows, earliest first.

        A look at a row here and there tells where in time they lie; else the years before the store opened would be
        searched, too. It need not be exact: how many rows a window has shows when it is read.
        """
        looks = ceil(whole.rows / MOST_ROWS)
        places = [*(whole.rows * n // looks for n in range(looks)), whole.rows - 1]
        found = [at for at in each(partial(self._api.updated_at, what, whole), places) if at is not None]
        # A second before, so that all that was changed in one second is in one window.
        marks = sorted(min(max(whole.first, at - 1), whole.last) for at in found) or [whole.first]
        yield Window(whole.first, marks[0], 0)
        for begin, end in pairwise([*dict.fromkeys(marks[:-1]), whole.last]):
            yield from evenly(Window(begin, end, whole.rows // looks), WINDOW_ROWS)

    def _window(self, what: List, window: Window, begin: Cursor, each: Each) -> Iterator[_Chunk]:
        """The rows of a window behind `begin`, by instant and id, in portions."""
        delivered = begin.at, begin.place
        for reached, rows in self._api.rows(what, window, each):
            new = [record for record in rows.records.values() if (record.updated_at, record.id) > delivered]
            new.sort(key=lambda record: (record.updated_at, record.id))
            for n in range(0, len(new) - PAGE_ROWS, PAGE_ROWS):
                part = tuple(new[n : n + PAGE_ROWS])
                yield _Chunk(part, (), part[-1].updated_at, part[-1].id)
            rest = len(new) % PAGE_ROWS or PAGE_ROWS
            yield _Chunk(tuple(new[-rest:]), tuple(rows.rejected.values()), reached)

    def _deletions(self, cursors: Mapping[str, str], now: int) -> Iterator[Page]:
        for resource, what in (("deleted_orders", DELETED_ORDERS), ("deleted_customers", DELETED_CUSTOMERS)):
            begin = Cursor.read(cursors.get(resource)) or Cursor(0)
            portions = [rows for _, rows in self._api.rows(what, Window(begin.at, max(begin.at, now), 0))]
            records = (record for rows in portions for record in rows.records.values())
            gone = tuple(dict.fromkeys(id_ for record in records for id_ in record.ids))
            rejected = tuple(each for rows in portions for each in rows.rejected.values())
            cursor = begin.moved_to(now, now).write()
            if what is DELETED_ORDERS:
                yield Page(resource, cursor, deleted_orders=gone, rejected=rejected)
            else:
                yield Page(resource, cursor, deleted_customers=gone, rejected=rejected)

    def _carts(self, begin: Cursor | None, latest: Latest) -> Iterator[Page]:
        """Abandoned carts, where the store has them and we may see them."""
        since = latest.now - CART_DAYS * 86_400
        try:
            for chunk, cursor, expected in self._changes(self._abandoned(), begin, since, latest.carts, latest.now):
                yield Page("carts", cursor, carts=chunk.records, rejected=chunk.rejected, expected=expected)
        except ConnectionBlocked:
            # `syncd check` tells it; all else, which came before, is worth having without.
            return

    def _products(self, cursor: str, latest: Latest) -> Iterator[Page]:
        """Products with the names of their categories, where we may see them.

        The cursor begins with what the categories are called: one that has another name now, or is gone, shows in no
        product, so then all of them are read again.
        """
        names, _, place = cursor.partition(" ")
        begin = Cursor.read(place)
        if begin and _is_quiet(latest.products, begin) and _is_quiet(latest.categories, begin):
            yield Page("products", cursor)
            return
        try:
            categories = self._api.categories()
            now_called = [f"{id_}:{crc32(name.encode()):x}" for id_, name in categories.items()]
            begin = begin if {*names.split(",")} - {""} <= {*now_called} else None
            # Where only categories moved, nothing is to be found, and the watermark goes on all the same.
            moved_at = None if begin and _is_quiet(latest.products, begin) else latest.products
            what = self._catalogue(categories)
            for chunk, place, expected in self._changes(what, begin, 0, moved_at, latest.now):
                products, cursor = chunk.records, f"{','.join(now_called)} {place}"
                yield Page("products", cursor, products=products, rejected=chunk.rejected, expected=expected)
        except ConnectionBlocked:
            # `syncd check` tells it; all else, which came before, is worth having without.
            return

    def _wishes(self, read: Cursor | None, now: int) -> Iterator[Page]:
        """Once a day every customer, as of now. The first time they were all read just before.

        Who cannot be read waits in quarantine already.
        """
        done = Cursor(now).write()
        if read is None or now < read.at + WISHES_SECONDS:
            yield Page("wishes", done if read is None else read.write())
            return
        for chunk in self._chunks(CUSTOMERS, Cursor(0), now, self._api.count(CUSTOMERS, 0, now)):
            yield Page("wishes", read.write(), customers=chunk.records)
        yield Page("wishes", done)
