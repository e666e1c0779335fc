"""Shopify, over its REST Admin API: customers, orders, what was deleted, carts and products, walked by `updated_at`.

It knows in which order a shop is read, and how to go on where it stopped; the calls are `_shopify_api`'s.
Source: shopify.dev, REST Admin API; where Shopify is silent, the reports of other connectors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from math import ceil
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from msgspec import Struct

from syncd._hosts import Hosts
from syncd.errors import ConnectionBlocked, RecordError, UserError
from syncd.http import Http
from syncd.model import CART_DAYS, Page, Record, ShopProfile
from syncd.sources._ahead import ahead
from syncd.sources._budgets import Sleep
from syncd.sources._records import decode
from syncd.sources._shopify_api import (
    API_VERSION,
    CUSTOMERS,
    DESTROYED_CUSTOMERS,
    DESTROYED_ORDERS,
    ORDERS,
    PAGE_ROWS,
    Api,
    List,
    Refused,
    Seen,
)
from syncd.sources._shopify_carts import CARTS
from syncd.sources._shopify_products import PRODUCTS
from syncd.sources._shopify_refusals import refusal
from syncd.sources._shopify_sight import Faces, obstacles, warnings
from syncd.sources._shopify_token import ClientCredentials, PermanentToken
from syncd.sources._walk import Cursor, Window, windows

if TYPE_CHECKING:
    from syncd.settings.models import Shop

# No walk shows more than 25,000 objects, and no count says more than 25,001. Source: usage/limits.
WALK_ROWS = 25_000
# 2006, when the platform began.
FIRST_SHOP = 1_136_073_600
# A window of a backfill: so long that its last, half-empty page costs little.
WINDOW_ROWS = 8 * PAGE_ROWS
# The bucket is only made full use of if as many calls are on their way as it lets through in the time
# that one answer takes.
LATENCY_SECONDS = 2
MOST_WORKERS = 8


class _Shop(Struct):
    id: int
    currency: str
    name: str | None = None
    iana_timezone: str | None = None


class _ShopPage(Struct):
    shop: _Shop


def connect(name: str, shop: Shop, now: Callable[[], int], sleep: Sleep, hosts: Hosts) -> Shopify:
    """The source of a Shopify shop; nothing is called yet.

    Raises: UserError where the credentials are not configured.
    """
    connection = f"shops.{name}"
    origin = shop.base_url or f"https://{shop.domain}"
    if shop.token:
        return Shopify(Api(origin, connection, PermanentToken(shop.token), now, sleep, hosts), now)
    if not (shop.client_id and shop.client_secret):
        raise UserError(f"{connection}: give either token, or client_id and client_secret")
    # One attempt, because the call that needs the token is made again anyway; that one knows of `hosts`, too.
    granting = Http(
        origin,
        connection=connection,
        headers=dict,
        classify=lambda reply: refusal(reply, connection, urlsplit(origin).hostname or ""),
        attempts=1,
        sleep=sleep,
    )
    token = ClientCredentials(granting, shop.client_id, shop.client_secret)
    return Shopify(Api(origin, connection, token, now, sleep, hosts), now)


class Shopify:
    """A connection to one shop. See `syncd.sources.Source`."""

    def __init__(self, api: Api, now: Callable[[], int]) -> None:
        self._api = api
        self._now = now

    def profile(self) -> ShopProfile:
        shop = decode(self._api.get(f"api/{API_VERSION}/shop"), _ShopPage).shop
        return ShopProfile(f"shopify:{shop.id}", shop.name or "", shop.currency, shop.iana_timezone or "UTC")

    def customers_shown(self) -> int | None:
        shown = self._api.count(CUSTOMERS, {})
        return shown if shown <= WALK_ROWS else None

    def orders_shown(self, since: int | None = None) -> int | None:
        shown = self._api.count(ORDERS, ORDERS.between(since or 0))
        if shown <= WALK_ROWS:
            return shown
        # Above that a count is not exact: the parts are counted one by one.
        return sum(window.rows for window in self._plan(ORDERS, since or FIRST_SHOP, self._now()))

    def pull(self, cursors: Mapping[str, str], since: int | None = None) -> Iterator[Page]:
        """Customers, orders, deletions, carts, products.

        With `since`, orders that were *changed* since then are read: all that were placed later, and
        some that were placed earlier.
        """
        begin = Cursor.read(cursors.get("customers")) or Cursor(0)
        faces = Faces(self._api)
        for seen, cursor, expected in self._changes(CUSTOMERS, begin):
            faces.look(seen.batch.records)
            customers, rejected = tuple(seen.batch.records), tuple(seen.batch.rejected)
            yield Page("customers", cursor, customers=customers, rejected=rejected, expected=expected)
        begin = Cursor.read(cursors.get("orders")) or Cursor(since or 0)
        for seen, cursor, expected in self._changes(ORDERS, begin):
            faces.look(seen.batch.records)
            orders, rejected = tuple(seen.batch.records), tuple(seen.batch.rejected)
            yield Page("orders", cursor, orders=orders, rejected=rejected, expected=expected)
        yield from self._deletions(cursors)
        begin = Cursor.read(cursors.get("carts")) or Cursor(self._now() - CART_DAYS * 86_400)
        for seen, cursor in self._unsorted(CARTS, begin, shows_late=True):
            carts, rejected = tuple(seen.batch.records), tuple(seen.batch.rejected)
            yield Page("carts", cursor, carts=carts, rejected=rejected)
        begin = Cursor.read(cursors.get("products")) or Cursor(0)
        for seen, cursor in self._unsorted(PRODUCTS, begin, shows_late=False):
            products, rejected = tuple(seen.batch.records), tuple(seen.batch.rejected)
            yield Page("products", cursor, products=products, rejected=rejected)

    def parse(self, resource: str, raw: bytes) -> Record:
        what = {"orders": ORDERS, "customers": CUSTOMERS, "carts": CARTS, "products": PRODUCTS}.get(resource)
        record: Record | None = what.reader.parse(raw) if what else None
        if record is None:
            raise RecordError("record: not one that is kept")
        return record

    def obstacles(self) -> list[str]:
        return obstacles(self._api)

    def warnings(self) -> list[str]:
        return warnings(self._api, self._now())

    def _changes(self, what: List, cursor: Cursor) -> Iterator[tuple[Seen, str, int | None]]:
        """Every page of what changed since `cursor`, with the cursor behind it and the rows to expect in all."""
        for seen in self._interrupted(what, cursor):
            cursor = cursor.moved_to(seen.newest, seen.now, seen.next or "")
            yield seen, cursor.write(), None
        pages, expected = self._since(what, cursor.at)
        for seen in pages:
            cursor = cursor.moved_to(seen.newest, seen.now, seen.next or "")
            yield seen, cursor.write(), expected

    def _interrupted(self, what: List, cursor: Cursor) -> Iterator[Seen]:
        """The rest of a walk that was cut off within a second: from its beginning much would come again."""
        if cursor.place:
            # Refused, the link is too old; nothing is lost without it.
            with suppress(Refused):
                yield from self._walk(what, self._api.follow(what, cursor.place), cursor.at)

    def _since(self, what: List, at: int) -> tuple[Iterator[Seen], int | None]:
        """The pages of what changed at `at` or later, and how many rows they should have where that was asked.

        A short list is one walk. A long one is cut into windows of time, which are walked side by side,
        for one walk alone spends its time waiting for answers.
        """
        first = self._api.begin(what, what.between(at))
        if first.next:
            plan = self._plan(what, max(at, first.oldest), first.now)
            expected = sum(window.rows for window in plan)
            if len(plan) > 1:
                return self._side_by_side(what, plan), expected
            return self._walk(what, first, at), expected
        return self._walk(what, first, at), None

    def _plan(self, what: List, first: int, last: int) -> list[Window]:
        def rows(begin: int, end: int) -> int:
            return self._api.count(what, what.between(begin, end))

        return list(windows(first, max(first, last), rows, most=WALK_ROWS, target=WINDOW_ROWS))

    def _side_by_side(self, what: List, plan: list[Window]) -> Iterator[Seen]:
        def walk(window: Window) -> Iterator[Seen]:
            # The last one stays open: what is edited meanwhile leaves its own window and appears there.
            last = None if window is plan[-1] else window.last
            yield from self._walk(what, self._api.begin(what, what.between(window.first, last)), window.first, last)

        workers = min(MOST_WORKERS, ceil(self._api.budget.rate * LATENCY_SECONDS))
        # While the pages of the first window come, those of the others wait, or the calls would not use up the rate.
        most = (workers - 1) * WINDOW_ROWS // PAGE_ROWS
        return ahead(map(walk, plan), workers, most=most, turn=self._api.turn)

    def _walk(self, what: List, seen: Seen, begun_at: int, last: int | None = None) -> Iterator[Seen]:
        """`seen` and every page behind it; begun anew at the watermark before the shop stops showing more."""
        yield seen
        walked = seen.rows
        while (following := seen.next) is not None:
            if walked + PAGE_ROWS > WALK_ROWS and seen.newest > begun_at:
                begun_at, walked = seen.newest, 0
                seen = self._api.begin(what, what.between(begun_at, last))
            else:
                seen = self._api.follow(what, following)
            walked += seen.rows
            yield seen

    def _deletions(self, cursors: Mapping[str, str]) -> Iterator[Page]:
        for resource, what in (("deleted_orders", DESTROYED_ORDERS), ("deleted_customers", DESTROYED_CUSTOMERS)):
            begin = Cursor.read(cursors.get(resource)) or Cursor(0)
            try:
                pages = list(self._walk(what, self._api.begin(what, what.between(begin.at)), begin.at))
            except (ConnectionBlocked, Refused):
                # `syncd check` tells it; orders and customers, which came before, are worth having without.
                continue
            gone = tuple(each.id for seen in pages for each in seen.batch.records)
            rejected = tuple(each for seen in pages for each in seen.batch.rejected)
            # The list's own order is not documented, so the cursor only moves when all of it was read.
            cursor = begin.moved_to(max(seen.newest for seen in pages), pages[0].now).write()
            if what is DESTROYED_ORDERS:
                yield Page(resource, cursor, deleted_orders=gone, rejected=rejected)
            else:
                yield Page(resource, cursor, deleted_customers=gone, rejected=rejected)

    def _unsorted(self, what: List, begin: Cursor, *, shows_late: bool) -> Iterator[tuple[Seen, str]]:
        """Every page of what changed since `begin`, where we may see it, with the cursor behind it.

        For a list whose own order is not documented: the cursor only moves with the last page. What `shows_late`
        is looked for from the newest that was seen. Else the cursor follows the clock, so that a mass edit of a
        hundred thousand records in one second is not read again and again.
        """
        newest = begin.at
        try:
            first = self._api.begin(what, what.between(begin.at))
            long = first.next is not None
            for seen in self._side_by_side(what, self._plan(what, begin.at, first.now)) if long else ():
                newest = max(newest, seen.newest)
                yield seen, begin.write()
            newest = max(newest, first.newest) if shows_late else first.now
            yield first, begin.moved_to(newest, first.now).write()
        except (ConnectionBlocked, Refused):
            # `syncd check` tells it; all else, which came before, is worth having without.
            return
