"""What an Ecwid store tells about itself at once: what changed when, and what it does not show us.

It knows which calls tell it. Source: docs.ecwid.com, REST API: store statistics, authorization.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from syncd.sources import _ecwid_wire as wire
from syncd.sources._ecwid_api import CUSTOMERS, DELETED_ORDERS, Api, List
from syncd.sources._records import decode
from syncd.sources._refusals import NotAllowed, NotInPlan
from syncd.sources._walk import OVERLAP_SECONDS, told_at, wrong_clock


class _Stats(Struct, rename="camel"):
    """When each kind of record changed last."""

    orders_updated: str | None = None
    customers_updated: str | None = None
    abandoned_sales_updated: str | None = None
    products_updated: str | None = None
    categories_updated: str | None = None


class Latest(Struct, frozen=True):
    """When each changed last, where the store tells, and its present time (UTC seconds)."""

    orders: int | None
    customers: int | None
    carts: int | None
    products: int | None
    categories: int | None
    now: int


def latest_changes(api: Api) -> Latest:
    """What the store says now. One call, which spares the lists that did not change theirs."""
    reply = api.get("latest-stats")
    stats = decode(reply, _Stats)
    return Latest(
        orders=wire.changed_at(stats.orders_updated),
        customers=wire.changed_at(stats.customers_updated),
        carts=wire.changed_at(stats.abandoned_sales_updated),
        products=wire.changed_at(stats.products_updated),
        categories=wire.changed_at(stats.categories_updated),
        now=api.server_now(reply),
    )


def obstacles(api: Api, now: int) -> list[str]:
    """Each thing for which nothing can be read: what is the matter → what to do."""
    needed = {"read_customers": CUSTOMERS, "read_orders": DELETED_ORDERS}
    missing = [scope for scope, what in needed.items() if not _may_read(api, what, now)]
    if not missing:
        return []
    lacks = f"the scope{'s' * (len(missing) > 1)} {' and '.join(missing)}"
    return [f"the token lacks {lacks}, without which nothing is read → Give the app what it lacks."]


def warnings(api: Api, carts: List, now: int) -> list[str]:
    """Each thing that works but loses data, in the same words; `now` is this machine's time (UTC seconds)."""
    return [*_about_carts(api, carts, now), *_about_products(api), *_about_time(api, now)]


def _about_carts(api: Api, carts: List, now: int) -> Iterator[str]:
    try:
        api.count(carts, now, now)
    except NotInPlan:
        yield "the store's plan has no abandoned carts, so nothing is known of carts → All else works without."
    except NotAllowed:
        # For want of read_orders, which is an obstacle.
        return


def _about_products(api: Api) -> Iterator[str]:
    try:
        api.categories()
    except NotAllowed:
        yield (
            "the token lacks the scope read_catalog, so no rule knows a product's category, nor what is on wish lists"
            " → Give the app what it lacks."
        )


def _may_read(api: Api, what: List, now: int) -> bool:
    try:
        api.count(what, now, now)
    except NotAllowed:
        return False
    return True


def _about_time(api: Api, now: int) -> Iterator[str]:
    skew = (told_at(api.get("latest-stats")) or now) - now
    if abs(skew) > OVERLAP_SECONDS:
        yield wrong_clock(skew)
