"""The calls to Shopify's REST Admin API: paths, links, counts, page sizes, refusals.

It knows how to ask and what a refusal means; in which order things are asked is `shopify`'s, what a
record means is `_shopify_wire`'s. Source: shopify.dev, REST Admin API, pagination, status codes, limits.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from threading import Lock
from typing import Any
from urllib.parse import parse_qs, urlsplit

from msgspec import Struct

from syncd._hosts import Hosts
from syncd.errors import RecordError, SyncdError, TransientError
from syncd.http import Http, OversizeError, Reply, SlowError, UnsentError
from syncd.sources import _shopify_wire as wire
from syncd.sources._ahead import Turn
from syncd.sources._budgets import LeakyBucket, Sleep
from syncd.sources._records import Batch, Reader, decode
from syncd.sources._shopify_refusals import refusal
from syncd.sources._shopify_token import Token
from syncd.sources._walk import iso, server_now

# Each version lives at least a year; an older one is served by the oldest that lives, which `syncd check` tells.
API_VERSION = "2026-07"
VERSION_HEADER = "x-shopify-api-version"
PAGE_ROWS = 250
# Down to a single record: then one that is too heavy by itself is found, and the others come.
FEWEST_ROWS = 1
# A page of giant orders was seen to take 82 seconds. Waiting that long would outlast the time that a stopped
# service has, and gain nothing: half of the page takes half of the time, so what is slower is asked for in halves.
PAGE_SECONDS = 60.0
# A shop that failed over a page gets a moment to recover.
BREATH_SECONDS = 1.0
# After so many good pages of a reduced size the next larger one is tried again; after more where that failed before.
PAGES_TO_RECOVER = 4
MOST_PAGES_TO_RECOVER = 256
_TOO_HEAVY = frozenset({500, 504})
_NEXT = re.compile(r'<([^<>]+)>;\s*rel="?next"?')


class List(Struct, frozen=True):
    """A resource that can be listed: its path, who reads it, what is always asked, and how it is bounded in time."""

    path: str
    reader: Reader[Any, Any, Any]
    asks: dict[str, str] = {}
    time: str = "updated_at"

    def between(self, first: int, last: int | None = None) -> dict[str, str]:
        """The parameters for what happened from `first` to `last`, both included (UTC seconds; 0: ever)."""
        bounds = {f"{self.time}_min": iso(first)} if first else {}
        return bounds if last is None else bounds | {f"{self.time}_max": iso(last)}


# Without status=any closed and cancelled orders are missing. Ascending, because an order that is edited
# during the walk then moves to the end and is seen again; descending it would be lost.
CUSTOMERS = List("customers", wire.CUSTOMERS, {"order": "updated_at asc"})
ORDERS = List("orders", wire.ORDERS, {"status": "any", "order": "updated_at asc"})
DESTROYED_ORDERS = List("events", wire.EVENTS, {"filter": "Order", "verb": "destroy"}, "created_at")
DESTROYED_CUSTOMERS = List("events", wire.EVENTS, {"filter": "Customer", "verb": "destroy"}, "created_at")


class Seen(Struct, frozen=True):
    """One page of a list: what it held, the shop's time (UTC seconds), and where the list goes on."""

    batch: Batch[Any, Any]
    now: int
    next: str | None

    @property
    def oldest(self) -> int:
        """The earliest instant of its records; 0 without any, and where one of them does not tell its own."""
        if self.batch.rejected:
            return 0
        return min((record.updated_at for record in self.batch.records), default=0)

    @property
    def newest(self) -> int:
        """The latest instant of its records; 0 without any."""
        return max((record.updated_at for record in self.batch.records), default=0)

    @property
    def rows(self) -> int:
        """How many records it showed, readable or not."""
        return len(self.batch.records) + len(self.batch.rejected)


class _Count(Struct):
    count: int


class Refused(TransientError):
    """The shop does not answer this question; a link has grown too old, most likely."""


class _TooHeavy(SyncdError):
    """The shop failed over a page of this size: a smaller one may succeed, the same one will not."""


class PageSize:
    """How many rows to ask for: halved when a page proves too heavy, doubled again after some good ones.

    What failed after it had been doubled is left alone for twice as long. Shared by threads.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._halved = 0
        self._good = 0
        self._needed = PAGES_TO_RECOVER
        self._has_grown = False

    @property
    def rows(self) -> int:
        """For the next page."""
        return max(FEWEST_ROWS, PAGE_ROWS >> self._halved)

    def too_heavy(self, rows: int) -> None:
        """Afterwards fewer than `rows` are asked for. Threads that failed over the same size halve it once."""
        with self._lock:
            if rows == self.rows > FEWEST_ROWS:
                self._halved += 1
                self._good = 0
                if self._has_grown:
                    self._needed = min(2 * self._needed, MOST_PAGES_TO_RECOVER)

    def fine(self, rows: int) -> None:
        """A page of `rows` came."""
        with self._lock:
            if rows != self.rows or not self._halved:
                return
            self._good += 1
            if self._good >= self._needed:
                self._halved -= 1
                self._good = 0
                self._has_grown = True


class Api:
    """The calls to one shop. All of them share one budget; several threads may call at once.

    Raises, in every method: TransientError, ConnectionBlocked (NotAllowed where a scope is missing).
    """

    def __init__(
        self,
        origin: str,
        connection: str,
        token: Token,
        now: Callable[[], int],
        sleep: Sleep,
        hosts: Hosts | None = None,
        *,
        page_seconds: float = PAGE_SECONDS,
    ) -> None:
        self.connection = connection
        self.budget = LeakyBucket(sleep=sleep)
        self.turn = Turn()
        # The version that answered last: not the one asked for, once that is no longer served.
        self.version = API_VERSION
        self._token = token
        self._host = urlsplit(origin).hostname or ""
        self._now = now
        self._sleep = sleep
        self._size = PageSize()
        self._http = Http(
            origin,
            connection=connection,
            headers=token.headers,
            budget=self.budget,
            classify=self._judge,
            sleep=sleep,
            hosts=hosts,
        )
        self._pages = Http(
            origin,
            connection=connection,
            headers=token.headers,
            budget=self.budget,
            classify=self._judge_page,
            deadline=page_seconds,
            repeat_slow=False,
            sleep=sleep,
            hosts=hosts,
            turn=self.turn,
        )

    def get(self, path: str, params: Mapping[str, str] | None = None, *, http: Http | None = None) -> Reply:
        """The answer to `GET path`, which begins behind `/admin/`."""
        try:
            return (http or self._http).request("GET", f"/admin/{path}.json", params=params)
        except RecordError as err:
            raise Refused(str(err), status=int(err.code), hint=err.hint) from err

    def count(self, what: List, bounds: Mapping[str, str]) -> int:
        """How many records a list has; not exact above 25,000."""
        asks = {name: value for name, value in what.asks.items() if name == "status"}
        reply = self.get(f"api/{API_VERSION}/{what.path}/count", {**asks, **bounds})
        return decode(reply, _Count).count

    def begin(self, what: List, bounds: Mapping[str, str]) -> Seen:
        """The first page of a list."""
        return self._page(what, {**what.asks, **bounds})

    def follow(self, what: List, page_info: str) -> Seen:
        """The page that an earlier one named. Any filter beside page_info is an error: the link holds them."""
        seen = self._page(what, {"page_info": page_info})
        if seen.next == page_info:
            raise TransientError(f"{self.connection}: the list of {what.path} goes round in a circle")
        return seen

    def server_now(self, reply: Reply) -> int:
        """The shop's own time when it answered (UTC seconds)."""
        return server_now(reply, self._now(), self.connection)

    def _page(self, what: List, params: dict[str, str]) -> Seen:
        """One page of a list, of as many rows as the shop can bear."""
        while True:
            rows = self._size.rows
            try:
                path = f"api/{API_VERSION}/{what.path}"
                reply = self.get(path, {**params, "limit": str(rows)}, http=self._pages)
            except (_TooHeavy, SlowError, OversizeError):
                self._size.too_heavy(rows)
                if rows <= FEWEST_ROWS:
                    raise
                self._sleep(BREATH_SECONDS)
            except TransientError as err:
                # Broken off again and again: perhaps over its size, so that the next cycle asks for less.
                if err.status is None and not isinstance(err, UnsentError):
                    self._size.too_heavy(rows)
                raise
            else:
                self._size.fine(rows)
                with self.turn():
                    batch = what.reader.read(reply.body)
                return Seen(batch, self.server_now(reply), self._next(reply))

    def _next(self, reply: Reply) -> str | None:
        """The page_info of the next page.

        Raises: ConnectionBlocked where the link leads to another place, TransientError where it names no page.
        """
        link = _NEXT.search(reply.headers.get("link", ""))
        if not link:
            return None
        query = self._pages.path_of(link[1]).partition("?")[2]
        page_info = parse_qs(query).get("page_info", [""])[0]
        if not page_info:
            raise TransientError(f"{self.connection}: the list goes on, but the shop does not say where")
        return page_info

    def _judge_page(self, reply: Reply) -> SyncdError | None:
        if reply.status in _TOO_HEAVY and self._size.rows > FEWEST_ROWS:
            return _TooHeavy("the page is too heavy")
        return self._judge(reply)

    def _judge(self, reply: Reply) -> SyncdError | None:
        self.version = reply.headers.get(VERSION_HEADER, self.version)
        return refusal(reply, self.connection, self._host) or self._token.judge(reply)
