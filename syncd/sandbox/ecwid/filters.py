"""Which orders, customers and carts a search means. Pure.

Source: docs.ecwid.com "Search orders", "Search customers", "Search abandoned carts".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from syncd.sandbox.ecwid import documents as show
from syncd.sandbox.ecwid.query import BadParameter, amount, flag, instant, numbers, whole
from syncd.sandbox.texts import number

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from syncd.sandbox.carts import Cart
    from syncd.sandbox.shop import Customer, Order, Product, ShopState

    Filters = Mapping[str, str]
    Test = Callable[[Any], bool]

LAST = 2**62


def orders(shop: ShopState, filters: Filters) -> list[Order]:
    """The orders that the search means, the newest first: there is no way to sort them. Raises: BadParameter."""
    tests: list[Test] = [
        _status(filters.get("paymentStatus", "")),
        *_dates(filters, "created", "placed_at"),
        *_dates(filters, "updated", "updated_at"),
        *_totals(filters, "total", lambda order: number(order.total_minor, order.currency)),
        *_people(filters),
        *_order_words(shop, filters),
        *_lag(shop),
    ]
    found = [each for each in shop.orders if all(test(each) for test in tests)]
    return sorted(found, key=lambda each: (each.placed_at, each.id), reverse=True)


def customers(shop: ShopState, filters: Filters) -> list[Customer]:
    """The customers that the search means, by name unless `sortBy` says otherwise. Raises: BadParameter."""
    order = _sorts(shop).get(filters.get("sortBy", "NAME_ASC"))
    if order is None:
        raise BadParameter("Wrong value of parameter 'sortBy'")
    tests = [
        *_dates(filters, "created", "created_at"),
        *_dates(filters, "updated", "updated_at"),
        *_bounds(filters, "OrderCount", lambda each: _order_count(shop, each)),
        *_bounds(filters, "SalesValue", lambda each: _sales_value(shop, each)),
        *_customer_words(shop, filters),
        *_lag(shop),
    ]
    found = [each for each in shop.customers if all(test(each) for test in tests)]
    key, falling = order
    return sorted(found, key=lambda each: (key(each), each.id), reverse=falling)


def carts(shop: ShopState, filters: Filters) -> list[Cart]:
    """The carts that the search means, the newest first; hidden ones too, unless told not to. Raises: BadParameter."""
    tests = [
        *_dates(filters, "created", "created_at"),
        *_dates(filters, "updated", "updated_at"),
        *_totals(filters, "total", lambda cart: number(cart.total_minor, cart.currency)),
        *_lag(shop),
    ]
    if not flag(filters, "showHidden", default=True):
        tests.append(lambda cart: not cart.hidden)
    if filters.get("couponCode"):
        tests.append(lambda cart: False)
    if term := filters.get("customer", "").lower():
        tests.append(lambda cart: term in _about(shop, cart))
    found = [each for each in shop.carts if all(test(each) for test in tests)]
    return sorted(found, key=lambda each: (each.created_at, each.id), reverse=True)


def products(shop: ShopState, filters: Filters) -> list[Product]:
    """The products that the search means. Raises: BadParameter."""
    order = _PRODUCT_SORTS.get(filters.get("sortBy", "RELEVANCE"))
    if order is None:
        raise BadParameter("Wrong value of parameter 'sortBy'")
    tests = [*_dates(filters, "created", "created_at"), *_dates(filters, "updated", "updated_at"), *_lag(shop)]
    found = [each for each in shop.products if all(test(each) for test in tests)]
    key, falling = order
    return sorted(found, key=lambda each: (key(each), each.id), reverse=falling)


_PRODUCT_SORTS: dict[str, tuple[Callable[[Product], Any], bool]] = {
    "RELEVANCE": (lambda each: each.id, False),
    "NAME_ASC": (lambda each: each.title, False),
    "ADDED_TIME_ASC": (lambda each: each.created_at, False),
    "UPDATED_TIME_ASC": (lambda each: each.updated_at, False),
    "UPDATED_TIME_DESC": (lambda each: each.updated_at, True),
}


def _status(wanted: str) -> Test:
    """Unfinished orders show only where they are asked for."""
    if not wanted:
        return lambda each: each.status != "expired"
    statuses = set(wanted.split(","))
    if unknown := statuses - show.PAYMENT_STATUSES:
        raise BadParameter(f"Wrong value of parameter 'paymentStatus': {', '.join(sorted(unknown))}")
    return lambda each: show.status_of(each) in statuses


def _dates(filters: Filters, name: str, field: str) -> list[Test]:
    low, high = instant(filters, f"{name}From"), instant(filters, f"{name}To")
    if low is None and high is None:
        return []
    first, last = low or 0, LAST if high is None else high
    return [lambda each: first <= getattr(each, field) <= last]


def _totals(filters: Filters, name: str, value: Callable[[Any], float]) -> list[Test]:
    low, high = amount(filters, f"{name}From", 0.0), amount(filters, f"{name}To", float("inf"))
    return [] if (low, high) == (0.0, float("inf")) else [lambda each: low <= value(each) <= high]


def _bounds(filters: Filters, name: str, value: Callable[[Any], float]) -> list[Test]:
    low, high = whole(filters, f"min{name}", 0), whole(filters, f"max{name}", LAST)
    return [] if (low, high) == (0, LAST) else [lambda each: low <= value(each) <= high]


def _people(filters: Filters) -> list[Test]:
    """By the customer's number and by the address: both, or either with `customerIdOrEmail`."""
    tests: list[Test] = []
    if customer_id := whole(filters, "customerId", 0):
        tests.append(lambda each: each.customer_id == customer_id)
    if email := filters.get("email", "").lower():
        tests.append(lambda each: (each.email or "").lower() == email)
    if flag(filters, "customerIdOrEmail", default=False):
        return [lambda each: any(test(each) for test in tests)]
    return tests


def _order_words(shop: ShopState, filters: Filters) -> list[Test]:
    tests: list[Test] = []
    if ids := filters.get("ids"):
        wanted = set(ids.split(","))
        tests.append(lambda each: show.letters(each.id) in wanted or str(each.id) in wanted)
    if order_id := whole(filters, "orderNumber", 0):
        tests.append(lambda each: each.id == order_id)
    if text := filters.get("vendorOrderNumber"):
        tests.append(lambda each: show.letters(each.id) == text)
    if state := filters.get("fulfillmentStatus"):
        tests.append(lambda each: show.fulfillment_of(each) in state.split(","))
    if products := numbers(filters, "productId"):
        tests.append(lambda each: any(line.product.id in products for line in each.lines))
    if terms := [term for name in ("keywords", "customer") if (term := filters.get(name, "").lower())]:
        tests.append(lambda each: all(term in _about(shop, each) for term in terms))
    if filters.get("acceptMarketing"):
        accepts = flag(filters, "acceptMarketing", default=False)
        tests.append(lambda each: show.accepts_of(shop, each.customer_id) is accepts)
    if any(filters.get(name) for name in ("couponCode", "paymentReference", "subscriptionId", "subscriptionIds")):
        tests.append(lambda each: False)
    return tests


def _customer_words(shop: ShopState, filters: Filters) -> list[Test]:
    tests: list[Test] = []
    if term := filters.get("keyword", "").lower():
        tests.append(lambda each: term in f"{each.name} {each.email}".lower())
    if name := filters.get("name", "").lower():
        tests.append(lambda each: name in each.name.lower())
    if email := filters.get("email", "").lower():
        exact = flag(filters, "useExactEmailMatch", default=False)
        tests.append(lambda each: email == (each.email or "").lower() if exact else email in (each.email or "").lower())
    if groups := numbers(filters, "customerGroup") | numbers(filters, "customerGroupIds"):
        tests.append(lambda each: show.group_of(each)[0] in groups)
    if filters.get("acceptMarketing"):
        accepts = flag(filters, "acceptMarketing", default=False)
        tests.append(lambda each: show.ACCEPTS.get(each.consent) is accepts)
    if products := numbers(filters, "purchasedProductIds"):
        tests.append(lambda each: bool(products & _products_of(shop, each)))
    for parameter, field in (("city", "city"), ("postalCode", "postcode"), ("lang", "language")):
        if value := filters.get(parameter):
            tests.append(lambda each, field=field, value=value: getattr(each, field) == value)  # type: ignore[misc]
    return tests


def _sorts(shop: ShopState) -> dict[str, tuple[Callable[[Customer], Any], bool]]:
    """Each word of `sortBy` with its key, and whether the largest comes first."""
    keys: dict[str, Callable[[Customer], Any]] = {
        "NAME": lambda each: each.name,
        "EMAIL": lambda each: each.email or "",
        "ORDER_COUNT": lambda each: _order_count(shop, each),
        "SALES_VALUE": lambda each: _sales_value(shop, each),
        "REGISTERED_DATE": lambda each: each.created_at,
        "UPDATED_DATE": lambda each: each.updated_at,
        "FIRST_ORDER_DATE": lambda each: min(_order_dates(shop, each), default=0),
        "LAST_ORDER_DATE": lambda each: max(_order_dates(shop, each), default=0),
    }
    return {f"{name}_{way}": (key, way == "DESC") for name, key in keys.items() for way in ("ASC", "DESC")}


def _order_count(shop: ShopState, customer: Customer) -> int:
    return len(shop.orders_of.get(customer.id, ()))


def _sales_value(shop: ShopState, customer: Customer) -> float:
    return number(sum(shop.orders[each].total_minor for each in shop.orders_of.get(customer.id, ())), shop.currency)


def _order_dates(shop: ShopState, customer: Customer) -> list[int]:
    return [shop.orders[each].placed_at for each in shop.orders_of.get(customer.id, ())]


def _products_of(shop: ShopState, customer: Customer) -> set[int]:
    return {line.product.id for each in shop.orders_of.get(customer.id, ()) for line in shop.orders[each].lines}


def _about(shop: ShopState, record: Order | Cart) -> str:
    """What a search for words looks at."""
    customer = shop.customers.get(record.customer_id) if record.customer_id is not None else None
    return f"{record.email or ''} {customer.name if customer else ''}".lower()


def _lag(shop: ShopState) -> list[Test]:
    if not shop.switches.index_lag_seconds:
        return []
    visible = shop.now() - shop.switches.index_lag_seconds
    return [lambda each: each.updated_at <= visible]
