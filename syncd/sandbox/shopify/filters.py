"""Which records the filters of a list mean. Pure. Source: shopify.dev "Order", "Customer", "Event"."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from syncd.sandbox.shopify.query import BadQuery, ids_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from syncd.sandbox.shop import Order, ShopState

    Filters = Mapping[str, str]
    Test = Callable[[Any], bool]
    Wanted = Test | None
    Filter = Callable[[ShopState, Filters], Wanted]

MAX_IDS = 250
WINDOW_SECONDS = 60 * 86_400
# Shopify forgets what was deleted.
EVENTS_SECONDS = 365 * 86_400

_STATUS: dict[str, Callable[[Order], bool]] = {
    "open": lambda order: order.closed_at is None and order.cancelled_at is None,
    "closed": lambda order: order.closed_at is not None and order.cancelled_at is None,
    "cancelled": lambda order: order.cancelled_at is not None,
    "any": lambda order: True,
}
_FULFILLED: dict[str, Callable[[Order], bool]] = {
    "any": lambda order: True,
    "shipped": lambda order: order.closed_at is not None,
    "partial": lambda order: False,
    "unshipped": lambda order: order.closed_at is None,
    "unfulfilled": lambda order: order.closed_at is None,
}
_UNPAID = {"authorized", "partially_paid"}


def in_reach(shop: ShopState, order: Order) -> bool:
    """Whether the token may see the order: without read_all_orders those of 60 days."""
    return shop.switches.whole_history or order.created_at >= shop.now() - WINDOW_SECONDS


def orders_wanted(shop: ShopState, filters: Filters) -> Wanted:
    """The test that an order must pass; None where all do. Open ones, unless `status` says otherwise."""
    tests = [_one_of(_STATUS, "status", filters, "open"), _one_of(_FULFILLED, "fulfillment_status", filters, "any")]
    if (paid := filters.get("financial_status", "any")) != "any":
        states = set(paid.split(","))
        states |= _UNPAID if "unpaid" in states else set()
        tests.append(lambda order: order.status in states)
    if name := filters.get("name"):
        tests.append(lambda order: f"#{order.number}" == name or str(order.number) == name)
    if not shop.switches.whole_history:
        tests.append(lambda order: in_reach(shop, order))
    return _all([*tests, *_common_tests(shop, filters)])


def customers_wanted(shop: ShopState, filters: Filters) -> Wanted:
    """The test that a customer must pass; None where all do."""
    return _all(_common_tests(shop, filters))


def events_wanted(shop: ShopState, filters: Filters) -> Wanted:
    """The test that a deletion must pass: the sandbox keeps no other events."""
    kinds = set(filters["filter"].split(",")) if filters.get("filter") else None
    if filters.get("verb", "destroy") != "destroy":
        return lambda stone: False
    kept_from = shop.now() - EVENTS_SECONDS
    return lambda stone: stone.created_at >= kept_from and (kinds is None or stone.kind in kinds)


def _one_of(
    tests: Mapping[str, Callable[[Order], bool]], name: str, filters: Filters, usual: str
) -> Callable[[Order], bool] | None:
    word = filters.get(name, usual)
    if word not in tests:
        raise BadQuery(name, "is not included in the list")
    return None if word == "any" else tests[word]


def _common_tests(shop: ShopState, filters: Filters) -> list[Test]:
    tests: list[Test] = []
    if (ids := ids_of(filters)) is not None:
        if len(ids) > MAX_IDS:
            raise BadQuery("ids", f"must be at most {MAX_IDS}")
        tests.append(lambda record: record.id in ids)
    if lag := shop.switches.index_lag_seconds:
        visible, every = shop.now() - lag, shop.switches.index_lag_every
        tests.append(lambda record: record.updated_at <= visible or record.id % every != 0)
    return tests


def _all(tests: Sequence[Wanted]) -> Wanted:
    kept = [test for test in tests if test is not None]
    if len(kept) < 2:
        return kept[0] if kept else None
    return lambda record: all(test(record) for test in kept)
