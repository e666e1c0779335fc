"""The calls to Ecwid's REST API v3: paths, offsets, refusals.

It knows how to ask and what a refusal means; in which order things are asked is `ecwid`'s, what a record
means is `_ecwid_wire`'s. Source: docs.ecwid.com, REST API: authorization, rate limits, error codes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain, cycle
from typing import Any

import msgspec
from msgspec import Struct

from syncd._hosts import Hosts
from syncd.errors import ConnectionBlocked, RecordError, SyncdError, TransientError
from syncd.http import Http, Reply
from syncd.model import Rejected
from syncd.sources import _ecwid_wire as wire
from syncd.sources._ahead import Each
from syncd.sources._budgets import Sleep, SlidingWindow
from syncd.sources._records import Reader
from syncd.sources._refusals import NotAllowed, NotInPlan, impostor
from syncd.sources._walk import Window, server_now

PAGE_ROWS = 100
FEWEST_ROWS = 2
# 600 calls a minute and token. The store counts when a call arrives, we when it leaves: two seconds more
# cover what the way of the first and of the last call may differ.
CALLS = 600
PER_SECONDS = 62.0
# A window with more rows is read in halves.
MOST_ROWS = 40 * PAGE_ROWS
# No store has a hundred million of anything: a number that only a broken answer names.
MOST_BELIEVED = 10**8
# How often a window that changes under our eyes is read anew before it is cut in two.
TRIES = 2
# A token that was refused is tried again after so long, in case it was made good over there. Not sooner: from 600
# calls with a bad token on, however slow, an address is blocked.
REFUSED_SECONDS = 12 * 3_600

# What a refusal means, by its code: the matter, what to do about it, and whether all else may still work.
_REFUSALS: dict[str, tuple[type[ConnectionBlocked], str, str]] = {
    "INVALID_API_TOKEN": (
        ConnectionBlocked,
        "Ecwid does not accept the token",
        "Put the app's secret token into the configuration.",
    ),
    "INSUFFICIENT_APP_SCOPE": (
        NotAllowed,
        "our token lacks a scope",
        "Give the app read_store_profile, read_orders and read_customers.",
    ),
    "NOT_AVAILABLE_ON_CURRENT_PLAN": (
        NotInPlan,
        "the store's plan does not include this",
        "Ecwid lets apps read the stores of paid plans only: the owner has to choose another plan.",
    ),
    "STORE_IS_SUSPENDED": (
        ConnectionBlocked,
        "Ecwid has suspended the store",
        "The owner has to ask Ecwid why; syncd goes on by itself afterwards.",
    ),
    "STORE_NOT_FOUND": (ConnectionBlocked, "there is no such store", "Check store_id in the configuration."),
}


class List(Struct, frozen=True):
    """A resource that can be listed: its path, who reads it, what is always asked, and how it is bounded in time."""

    path: str
    reader: Reader[Any, Any, Any]
    bounds: tuple[str, str] = ("updatedFrom", "updatedTo")
    asks: dict[str, str] = {}


CUSTOMERS = List("customers", wire.CUSTOMERS, asks={"sortBy": "UPDATED_DATE_ASC"})
DELETED_ORDERS = List("orders/deleted", wire.DELETED, ("from_date", "to_date"))
DELETED_CUSTOMERS = List("customers/deleted", wire.DELETED, ("from_date", "to_date"))


class Rows(Struct):
    """The records of a window by their ids, and those that could not be read."""

    records: dict[str, Any]
    rejected: dict[str, Rejected]


class _Page(Struct, frozen=True):
    total: int
    count: int
    rows: Rows

    @property
    def ids(self) -> set[str]:
        return self.rows.records.keys() | self.rows.rejected.keys()


class _Error(Struct, rename="camel"):
    error_code: str = ""


class _TooLong(SyncdError):
    """The store gave up over a page: half of it takes half of the time."""


class Api:
    """The calls to one store. All of them share one budget; several threads may call at once.

    Raises, in every method: TransientError, ConnectionBlocked (NotAllowed where a scope is missing).
    """

    def __init__(
        self,
        origin: str,
        connection: str,
        store_id: int,
        token: Callable[[], str],
        now: Callable[[], int],
        sleep: Sleep,
        hosts: Hosts | None = None,
    ) -> None:
        self.connection = connection
        self._base = f"/api/v3/{store_id}"
        self._token = token
        self._refused = ("", 0)
        self._page_rows = PAGE_ROWS
        self._now = now
        budget = SlidingWindow(CALLS, PER_SECONDS, sleep=sleep)
        # Ten calls a second that take a second each are more than one Http keeps connections.
        clients = [
            Http(
                origin,
                connection=connection,
                headers=self._credentials,
                budget=budget,
                classify=self._judge,
                sleep=sleep,
                hosts=hosts,
            )
            for _ in range(2)
        ]
        self._clients = cycle(clients)

    def get(self, path: str, params: Mapping[str, str] | None = None) -> Reply:
        """The answer to `GET path`, which begins behind the store's number."""
        try:
            return self._ask(path, params)
        except _TooLong as err:
            raise TransientError(str(err), status=408, hint=err.hint) from err

    def _ask(self, path: str, params: Mapping[str, str] | None) -> Reply:
        try:
            return next(self._clients).request("GET", f"{self._base}/{path}", params=params)
        except RecordError as err:
            raise TransientError(str(err), hint=err.hint) from err

    def server_now(self, reply: Reply) -> int:
        """The store's own time when it answered (UTC seconds)."""
        return server_now(reply, self._now(), self.connection)

    def count(self, what: List, first: int, last: int) -> int:
        """How many records a list has from `first` to `last`, both included (UTC seconds)."""
        params = self._asks(what, first, last) | {"limit": "1"}
        # As any page, for the one record on it may be unreadable.
        total: int = what.reader.read(self.get(what.path, params).body).page.total
        return self._believed(what, total)

    def categories(self) -> dict[int, str]:
        """The names of all categories of products by their numbers, hidden ones included."""
        names: dict[int, str] = {}
        while True:
            reply = self._page_reply("categories", {"hidden_categories": "true"}, len(names))
            # One that cannot be read has no name, and keeps the others theirs.
            batch = wire.CATEGORIES.read(reply.body)
            before = len(names)
            names |= {each.id: each.name for each in batch.records}
            if len(names) >= batch.page.total or len(names) == before:
                return names

    def updated_at(self, what: List, window: Window, offset: int) -> int | None:
        """When the record at this place of a list was updated (UTC seconds); None where there is none to be read."""
        asks = self._asks(what, window.first, window.last) | {"limit": "1", "offset": str(offset)}
        records = what.reader.read(self.get(what.path, asks).body).records
        return records[0].updated_at if records else None

    def rows(self, what: List, window: Window, each: Each = map) -> Iterator[tuple[int, Rows]]:
        """Everything in `window`, whatever happens meanwhile: in portions, each with the instant up to which it goes.

        Rows come newest first and by offset: one that is edited leaves the window, all behind it move up,
        and one of them is never shown. Then `total` has changed, or the last row of a page is not the
        first of the next, and the window is read anew; a busy one in halves, down to what one page shows.
        So is one with more rows than may be in memory at once. `each` asks for the pages behind the first.
        """
        halved = window.first < window.last
        for _ in range(TRIES):
            first = self._page(what, window, 0)
            if first.total > MOST_ROWS and halved:
                break
            rows = self._rows(what, window, first, each)
            if rows is not None:
                self._page_rows = min(PAGE_ROWS, 2 * self._page_rows)
                yield window.last, rows
                return
        if not halved:
            raise TransientError(f"{self.connection}: the list of {what.path} keeps changing while it is read")
        middle = (window.first + window.last) // 2
        # The earlier half first: what is edited meanwhile can only move on to the later one.
        yield from self.rows(what, Window(window.first, middle, 0), each)
        yield from self.rows(what, Window(middle + 1, window.last, 0), each)

    def _rows(self, what: List, window: Window, first: _Page, each: Each) -> Rows | None:
        """Everything in `window`, which begins with the page `first`; None where it changed meanwhile.

        The first page tells how many rows there are, and so where all others begin, in whatever order they are
        asked for. One row of each is asked for twice, to see that nothing moved.
        """
        if first.count < min(first.total, FEWEST_ROWS):
            return None
        step = max(1, first.count - 1)

        def part(offset: int) -> list[_Page]:
            return self._part(what, window, offset, offset + step + 1)

        following = each(part, range(step, first.total - 1, step))
        return _united(chain([first], chain.from_iterable(following)))

    def _part(self, what: List, window: Window, offset: int, end: int) -> list[_Page]:
        """The rows from `offset` to `end`: one page, or several where the store shows fewer rows at once by now."""
        pages = [self._page(what, window, offset)]
        while pages[-1].count >= FEWEST_ROWS and offset + pages[-1].count < min(end, pages[-1].total):
            offset += pages[-1].count - 1
            pages.append(self._page(what, window, offset))
        return pages

    def _page(self, what: List, window: Window, offset: int) -> _Page:
        batch = what.reader.read(self._page_reply(what.path, self._asks(what, window.first, window.last), offset).body)
        records = {record.id: record for record in batch.records}
        rejected = {each.record_id: each for each in batch.rejected}
        return _Page(self._believed(what, batch.page.total), batch.page.count, Rows(records, rejected))

    def _believed(self, what: List, total: int) -> int:
        """Raises: TransientError for a number by which nobody could plan a reading that ends."""
        if total > MOST_BELIEVED:
            raise TransientError(f"{self.connection}: the list of {what.path} promises more than there can be")
        return total

    def _page_reply(self, path: str, asks: dict[str, str], offset: int) -> Reply:
        while True:
            # Customers come by ten where no limit is named.
            rows = self._page_rows
            try:
                return self._ask(path, asks | {"limit": str(rows), "offset": str(offset)})
            except _TooLong as err:
                # Two at least: with one, no page would hold a row of the page before.
                if rows <= FEWEST_ROWS:
                    raise TransientError(str(err), status=408, hint=err.hint) from err
                self._page_rows = min(self._page_rows, max(FEWEST_ROWS, rows // 2))

    def _asks(self, what: List, first: int, last: int) -> dict[str, str]:
        return {**what.asks, what.bounds[0]: str(first), what.bounds[1]: str(last)}

    def _credentials(self) -> dict[str, str]:
        """Raises: ConnectionBlocked for a token that was refused before: asking on would get our address blocked."""
        token = self._token()
        refused, since = self._refused
        if token == refused and self._now() < since + REFUSED_SECONDS:
            raise self._refusal("INVALID_API_TOKEN")
        return {"Authorization": f"Bearer {token}"}

    def _judge(self, reply: Reply) -> SyncdError | None:
        code = _code(reply) if reply.status in (402, 403, 404) else ""
        if code == "INVALID_API_TOKEN":
            self._refused = (self._token(), self._now())
        if code in _REFUSALS:
            return self._refusal(code)
        if reply.status == 408:
            return _TooLong(f"{self.connection}: the store took too long", hint="syncd tries again in the next cycle.")
        return impostor(reply, self.connection)

    def _refusal(self, code: str) -> ConnectionBlocked:
        kind, fault, hint = _REFUSALS[code]
        return kind(f"{self.connection}: {fault}", connection=self.connection, hint=hint)


def _code(reply: Reply) -> str:
    try:
        return msgspec.json.decode(reply.body, type=_Error).error_code
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return ""


def _united(pages: Iterable[_Page]) -> Rows | None:
    """All rows of the pages of a list; None where it did not stand still, or not all of it was shown.

    It did if all tell the same total, and each shows the last row of the page before, and one that is new.
    """
    found, known, before, total = Rows({}, {}), set[str](), set[str](), None
    for page in pages:
        ids = page.ids
        if total is not None and (page.total != total or not ids & before or ids <= known):
            return None
        found.records |= page.rows.records
        found.rejected |= page.rows.rejected
        known |= ids
        before, total = ids, page.total
    return found
