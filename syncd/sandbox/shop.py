"""One shop with its customers and orders, whatever its platform; what happens in it moves `updated_at`.

Pure state in minor units and UTC seconds. How a platform shows it is the platform's module.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from msgspec import Meta, Struct
from msgspec.structs import replace

from syncd.sandbox.records import Records

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from syncd.sandbox.carts import Cart
    from syncd.sandbox.world import Clock

    # Hears (kind, before, after): what an "order", a "customer" or a "cart" was and is, None where there was
    # or is none; "merge" has the customer who is gone and the one who stays.
    Watcher = Callable[[str, Any, Any], None]

# Shopify's are above 2^53: a client that passes ids through floating point loses them.
FIRST_IDS = {"shopify": 9_007_199_254_741_000, "ecwid": 100_000_000}
# When the shops began: 2015-01-01 in Madrid.
FOUNDED_AT = 1_420_066_800
# What an app may do unless a test says otherwise.
SCOPES = {
    "shopify": ("read_orders", "read_all_orders", "read_customers", "read_products"),
    "ecwid": ("read_store_profile", "read_orders", "read_customers", "read_catalog"),
}


class Product(Struct, frozen=True, gc=False):
    """A thing for sale; `price_minor` is the list price of one."""

    id: int
    title: str
    sku: str
    category: str
    price_minor: int
    created_at: int = FOUNDED_AT
    updated_at: int = FOUNDED_AT


class Wish(Struct, frozen=True, gc=False):
    """A product on somebody's wish list, and since when."""

    product_id: int
    at: int


class Line(Struct, frozen=True, gc=False):
    """One line of an order; `price_minor` is the price of one unit."""

    product: Product
    quantity: int
    price_minor: int


class Refund(Struct, frozen=True, gc=False):
    """Money promised back; it moved only when `outcome` is "success" (else "pending" or "failure")."""

    id: int
    at: int
    amount_minor: int
    outcome: str = "success"


class Order(Struct, frozen=True):
    """One order. `status` is Shopify's financial status; other platforms translate it.

    `total_minor` includes shipping and tax (prices include the tax), and leaves out what a gift card paid.
    `currency` is the money that the shop counted in at the time, `presentment` what the buyer saw ("" : the same).
    """

    id: int
    number: int
    placed_at: int
    created_at: int
    updated_at: int
    customer_id: int | None
    email: str | None
    total_minor: int
    currency: str
    status: str = "paid"
    shipping_minor: int = 0
    tax_minor: int = 0
    presentment: str = ""
    cancelled_at: int | None = None
    closed_at: int | None = None
    test: bool = False
    source: str = "web"
    lines: tuple[Line, ...] = ()
    refunds: tuple[Refund, ...] = ()
    cart_id: int | None = None
    gift_card_minor: int = 0
    utm: dict[str, str] = {}

    @property
    def refunded_minor(self) -> int:
        """The money that did move back."""
        return sum(refund.amount_minor for refund in self.refunds if refund.outcome == "success")


class Customer(Struct, frozen=True):
    """A person as the shop knows them. `consent` is Shopify's marketing state; `consent_at` since when."""

    id: int
    email: str | None
    created_at: int
    updated_at: int
    first_name: str = ""
    last_name: str = ""
    city: str = ""
    postcode: str = ""
    country: str = "ES"
    language: str = "es"
    consent: str = "not_subscribed"
    consent_at: int | None = None
    tags: tuple[str, ...] = ()
    # The wish list (Ecwid), the oldest first.
    favorites: tuple[Wish, ...] = ()

    @property
    def name(self) -> str:
        """First and last name."""
        return f"{self.first_name} {self.last_name}".strip()


class Tombstone(Struct, frozen=True, gc=False):
    """What was deleted, and when; `kind` is "Order" or "Customer"."""

    id: int
    kind: str
    subject_id: int
    created_at: int


class Subscription(Struct, frozen=True, gc=False):
    """An app's wish to be told: happenings of `topic` go to `url`."""

    id: int
    topic: str
    url: str
    created_at: int


class Switches(Struct):
    """How the shop behaves where a real one may behave in several ways. `None` turns a limit off.

    `whole_history`: the token may read orders older than 60 days. `walk_limit`: how many records one
    walk shows. `heavy_above`: pages larger than this fail with 500. `index_lag_seconds`: how long a
    change stays invisible in lists, on Shopify of every `index_lag_every`th record. `child_lag_seconds`:
    how much later than the order itself its refunds show, without moving it. `plan` sets the rate limit,
    `other_calls` how many calls a second the app's other workers make, `retry_after` whether a 429 says
    how long to wait. `standing`: in which state the shop refuses everything. `renamed_to`: the host that
    all calls are sent on to. `installed`: without it no token is good; `token_seconds`: how long a
    granted one lives. `protected_data`: the app may see
    names, addresses and phone numbers. `refund_amounts`: Ecwid tells how much was refunded (for some
    payment methods it does not). `completed_checkouts`: Shopify goes on listing checkouts that
    became orders; `checkout_ids`: they have numbers, not only tokens; `checkout_days`: how old they are at most;
    `checkouts_sorted`: the list minds `order`. `products_listed`: Shopify's REST API has products (it calls them
    deprecated); `products_sorted`: their list minds `order`. `wishes_move_updated`: Ecwid counts a change of the
    wish list as one of the customer.
    `abandoned_carts`: Ecwid's plan includes them. `batch_polls`: how often an Ecwid batch is asked about until
    it is through; `batch_counts_each`: each of its requests counts as a call.
    """

    whole_history: bool = True
    walk_limit: int | None = 25_000
    count_limit: int | None = 25_000
    heavy_above: int | None = None
    index_lag_seconds: int = 0
    index_lag_every: Annotated[int, Meta(ge=1)] = 1
    child_lag_seconds: int = 0
    plan: Literal["basic", "advanced", "plus", "enterprise"] = "basic"
    other_calls: float = 0.0
    retry_after: bool = True
    standing: Literal["", "frozen", "forbidden", "closed", "locked", "rejected"] = ""
    renamed_to: str = ""
    installed: bool = True
    token_seconds: int = 86_399
    protected_data: bool = True
    refund_amounts: bool = True
    completed_checkouts: bool = False
    checkout_ids: bool = False
    checkout_days: int | None = 90
    checkouts_sorted: bool = False
    products_listed: bool = True
    products_sorted: bool = False
    wishes_move_updated: bool = False
    abandoned_carts: bool = True
    batch_polls: int = 1
    batch_counts_each: bool = True
    scopes: tuple[str, ...] = SCOPES["shopify"]


class ShopState:
    """A shop at this moment. Every method that changes something stamps it with the shop's clock."""

    def __init__(
        self,
        name: str,
        platform: str,
        clock: Clock,
        *,
        title: str = "",
        currency: str = "EUR",
        timezone: str = "Europe/Madrid",
        store_id: int = 1003,
    ) -> None:
        self.name = name
        self.platform = platform
        self.now = clock.now
        self.title = title or name.capitalize()
        self.currency = currency
        self.timezone = timezone
        self.store_id = store_id
        self.token = "sandbox"  # noqa: S105 (nothing real is behind it)
        # The tokens that were granted, each with its end (UTC seconds).
        self.granted: dict[str, int] = {}
        # Calls that other workers of the app have made and that no limit has counted yet.
        self.calls_elsewhere = 0
        self.switches = Switches(scopes=SCOPES[platform])
        self.orders: Records[Order] = Records(("created_at", "updated_at", "placed_at"))
        self.customers: Records[Customer] = Records(("created_at", "updated_at"))
        self.carts: Records[Cart] = Records(("created_at", "updated_at"))
        self.products: Records[Product] = Records(("created_at", "updated_at"))
        # What a category is called now, by the name under which it was made, and since when (UTC seconds).
        self.category_names: dict[str, str] = {}
        self.categories_at = FOUNDED_AT
        self.tombstones: Records[Tombstone] = Records(("created_at",))
        self.subscriptions: dict[int, Subscription] = {}
        self.watchers: list[Watcher] = []
        self.orders_of: dict[int, list[int]] = {}
        self._by_email: dict[str, int] = {}
        self._by_title: dict[str, int] = {}
        self._last_id = FIRST_IDS[platform]
        self._last_number = 1000

    def new_id(self) -> int:
        """A number that nothing else in this shop has."""
        self._last_id += 1
        return self._last_id

    def subscribe(self, topic: str, url: str) -> Subscription:
        """Afterwards an app is told of `topic` at `url`."""
        # Numbers of their own, so that the shop's records get the same ones with and without webhooks.
        number = max(self.subscriptions, default=4_759_305) + 1
        self.subscriptions[number] = Subscription(number, topic, url, self.now())
        return self.subscriptions[number]

    def tell(self, kind: str, before: Any, after: Any) -> None:
        """Afterwards every watcher knows what happened."""
        for watcher in self.watchers:
            watcher(kind, before, after)

    def load(self, customers: Iterable[Customer], orders: Iterable[Order]) -> None:
        """Afterwards these records are here too, as old as they say."""
        self.customers.load(customers)
        self.orders.load(orders)
        self._by_email = {each.email: each.id for each in self.customers if each.email}
        self.orders_of = {}
        self._last_number = 1000 + len(self.orders)
        for order in self.orders:
            if order.customer_id is not None:
                self.orders_of.setdefault(order.customer_id, []).append(order.id)

    def customer_of(self, email: str) -> Customer | None:
        """The customer with exactly this address."""
        return self.customers.get(self._by_email.get(email, -1))

    def product(self, title: str, category: str = "", sku: str = "", price_minor: int = 0) -> Product:
        """The product with this title; made where there is none."""
        if title not in self._by_title:
            now, number = self.now(), self.new_id()
            self.stock([Product(number, title, sku or title[:12].upper(), category, price_minor, now, now)])
        return self.products[self._by_title[title]]

    def stock(self, products: Iterable[Product]) -> None:
        """Afterwards these products are on sale."""
        for product in products:
            self.products.put(product)
            self._by_title[product.title] = product.id

    def change_product(self, product_id: int, **fields: Any) -> Product:
        """Afterwards the product has `fields`; orders keep what was bought. Raises: KeyError."""
        old = self.products[product_id]
        del self._by_title[old.title]
        self.stock([replace(old, **{"updated_at": self.now(), **fields})])
        return self.products[product_id]

    def rename_category(self, made_as: str, name: str) -> None:
        """Afterwards the category that was made under one name has another; no product changes by that (Ecwid)."""
        self.category_names[made_as] = name
        self.categories_at = self.now()

    def add_customer(self, **fields: Any) -> Customer:
        """A new customer with `fields` of Customer, as of now."""
        now = self.now()
        customer = Customer(**{"id": self.new_id(), "created_at": now, "updated_at": now, **fields})
        self._keep(customer)
        return customer

    def change_customer(self, customer_id: int, **fields: Any) -> Customer:
        """Afterwards the customer has `fields`. Raises: KeyError."""
        old = self.customers[customer_id]
        self._by_email.pop(old.email or "", None)
        stamp = {} if self._changes_wishes_only(old, fields) else {"updated_at": self.now()}
        customer = replace(old, **{**stamp, **fields})
        self._keep(customer)
        return customer

    def _changes_wishes_only(self, old: Customer, fields: dict[str, Any]) -> bool:
        """Whether the platform counts the change of a customer as none."""
        if self.switches.wishes_move_updated or "favorites" not in fields:
            return False
        return replace(old, **fields) == replace(old, favorites=fields["favorites"])

    def _keep(self, customer: Customer) -> None:
        before = self.customers.get(customer.id)
        self.customers.put(customer)
        if customer.email:
            self._by_email[customer.email] = customer.id
        self.tell("customer", before, customer)

    def delete_customer(self, customer_id: int) -> None:
        """Afterwards the customer is gone and a tombstone tells it. Raises: KeyError."""
        customer = self.customers[customer_id]
        self._by_email.pop(customer.email or "", None)
        self.customers.remove(customer_id)
        self._bury("Customer", customer_id)
        self.tell("customer", customer, None)

    def redact_customer(self, customer_id: int) -> Customer:
        """Afterwards nothing tells who the customer was: erased at the person's request. Raises: KeyError."""
        for order_id in self.orders_of.get(customer_id, ()):
            self.change_order(order_id, email=None)
        nobody: dict[str, Any] = dict.fromkeys(("first_name", "last_name", "city", "postcode"), "")
        return self.change_customer(customer_id, email=None, tags=(), consent="redacted", consent_at=None, **nobody)

    def merge_customers(self, customer_id: int, into: int) -> Customer:
        """Afterwards the orders of the first customer are the second one's, and the first is gone. Raises: KeyError."""
        kept = self.change_customer(into)
        for order_id in tuple(self.orders_of.get(customer_id, ())):
            self.change_order(order_id, customer_id=into)
        self.orders_of.setdefault(into, []).extend(self.orders_of.pop(customer_id, ()))
        for cart in [each for each in self.carts if each.customer_id == customer_id]:
            self.carts.put(replace(cart, customer_id=into, updated_at=self.now()))
        self.tell("merge", self.customers[customer_id], kept)
        self.delete_customer(customer_id)
        return kept

    def add_order(self, **fields: Any) -> Order:
        """A new order with `fields` of Order, as of now where they do not say otherwise."""
        now = self.now()
        self._last_number += 1
        stamps = {"placed_at": now, "created_at": now, "updated_at": now}
        order = Order(
            **{"id": self.new_id(), "number": self._last_number, "currency": self.currency, **stamps, **fields}
        )
        self.orders.put(order)
        if order.customer_id is not None:
            self.orders_of.setdefault(order.customer_id, []).append(order.id)
        self.tell("order", None, order)
        return order

    def change_order(self, order_id: int, **fields: Any) -> Order:
        """Afterwards the order has `fields`. Raises: KeyError."""
        before = self.orders[order_id]
        order = replace(before, **{"updated_at": self.now(), **fields})
        self.orders.put(order)
        self.tell("order", before, order)
        return order

    def refund(self, order_id: int, amount_minor: int | None = None, outcome: str = "success") -> Order:
        """Afterwards the order has one refund more, of what is left where no amount is given. Raises: KeyError."""
        order = self.orders[order_id]
        left = order.total_minor - order.refunded_minor
        refund = Refund(self.new_id(), self.now(), left if amount_minor is None else amount_minor, outcome)
        status = order.status
        if outcome == "success":
            status = "refunded" if refund.amount_minor >= left else "partially_refunded"
        return self.change_order(order_id, refunds=(*order.refunds, refund), status=status)

    def delete_order(self, order_id: int) -> None:
        """Afterwards the order is gone and a tombstone tells it. Raises: KeyError."""
        order = self.orders[order_id]
        self.orders.remove(order_id)
        if order.customer_id is not None:
            self.orders_of[order.customer_id].remove(order_id)
        self._bury("Order", order_id)
        self.tell("order", order, None)

    def _bury(self, kind: str, subject_id: int) -> None:
        self.tombstones.put(Tombstone(self.new_id(), kind, subject_id, self.now()))
