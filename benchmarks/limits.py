"""Pulling both shops against their real rate limits, when every answer takes a second.

The orders are spread evenly over time. Of thousands that changed in one second only one page at a time can be read,
whoever reads them: that would measure the shop's latency.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from math import ceil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import parse_qs

from msgspec import Struct

from benchmarks import sandbox
from benchmarks.goals import Row
from benchmarks.processes import SYNCD, run

SIZE, FULL_SIZE = (10_000, 60_000), (40_000, 200_000)
LATENCY_SECONDS = 1.0
FIRST, SPAN = datetime(2023, 1, 1, tzinfo=UTC), timedelta(days=1_000)
SHARE, MORE_PAGES = 0.95, 1.05

Call = dict[str, Any]


class Platform(Struct, frozen=True):
    """How a platform shows lists, and how many calls a second it allows in the long run."""

    shop: str
    page: int
    rate: float
    # A page that begins a window has none of these in its query, or a zero.
    follows: str

    def begins(self, query: dict[str, list[str]]) -> bool:
        """Whether the call asks for the first page of a window."""
        return query.get("limit") == [str(self.page)] and query.get(self.follows, ["0"]) == ["0"]


PLATFORMS = {"shopify": Platform("acme", 250, 2.0, "page_info"), "ecwid": Platform("cafe", 100, 10.0, "offset")}


def rows(full: bool) -> Iterator[Row]:
    """For each platform the share of the allowed rate, the calls against the fewest, and the refusals."""
    customers, orders = FULL_SIZE if full else SIZE
    with TemporaryDirectory() as room, sandbox.showing(purchases(Path(room), customers, orders)) as urls:
        sandbox.configure(urls, Path(room), audiences=False)
        sandbox.tell(urls, "/throttle", {"latency": LATENCY_SECONDS})
        run([*SYNCD, "backfill"], cwd=Path(room))
        calls = sandbox.ask(urls, "/requests?since=0")
        held = {shop["name"]: shop for shop in run([*SYNCD, "status", "--json"], cwd=Path(room)).told["shops"]}
    for name, platform in PLATFORMS.items():
        shop, theirs = held[platform.shop], [call for call in calls if call["service"] == name]
        size = f"{shop['orders']:,} orders"
        work = f"pull from {name.capitalize()}, 1 s latency"
        share = {"ours": rate_of(theirs), "limit": platform.rate, "at_least": SHARE}
        yield Row(work=work, size=size, unit="calls/s", **share)
        lists = [call for call in theirs if kind_of(call)]
        windows = sum(platform.begins(parse_qs(call["query"])) for call in lists)
        pages = sum(ceil(shop[kind] / platform.page) for kind in ("orders", "customers"))
        fewest = MORE_PAGES * pages + windows
        yield Row(work=f"{work}, calls", size=size, unit="calls", ours=len(lists), limit=fewest, at_most=1)
        refused = sum(call["status"] == 429 for call in theirs)
        yield Row(work=f"{work}, refusals", size=size, unit="× 429", ours=refused, limit=0, at_most=0)


def purchases(room: Path, customers: int, orders: int) -> Path:
    """A file of so many orders, one after the other over three years."""
    lines = ["customer,email,placed_at,amount"]
    for number in range(orders):
        at = FIRST + number * SPAN / orders
        who = number * 7_919 % customers
        lines.append(f"{who},person.{who}@example.com,{at:%Y-%m-%dT%H:%M:%SZ},{10 + number % 90}.00")
    file = room / "purchases.csv"
    file.write_text("\n".join(lines), "utf-8")
    return file


def kind_of(call: Call) -> str:
    """Which list the call reads or counts: orders or customers; "" for any other call."""
    path = call["path"].removesuffix(".json").removesuffix("/count")
    return next((kind for kind in ("orders", "customers") if path.endswith(f"/{kind}")), "")


def rate_of(calls: list[Call]) -> float:
    """Calls a second while orders came. What was saved up before is in it: a full bucket is there to be used."""
    at = [datetime.fromisoformat(call["at"]).timestamp() for call in calls if kind_of(call) == "orders"]
    return len(at) / max(1.0, max(at) - min(at))
