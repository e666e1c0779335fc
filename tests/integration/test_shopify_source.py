"""Shopify's own ways: tokens of a day, links, heavy pages, walks that end, versions, hidden orders."""

from __future__ import annotations

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import msgspec
import pytest
import requests

from syncd.errors import ConnectionBlocked, TransientError, UserError
from syncd.http import Http, Reply
from syncd.sandbox.faults import Fault
from syncd.sandbox.shop import Customer, Order
from syncd.sources import connect
from syncd.sources._shopify_api import Api
from syncd.sources._shopify_token import ClientCredentials, PermanentToken
from syncd.sources._walk import Cursor
from syncd.sources.shopify import Shopify

if TYPE_CHECKING:
    from syncd.model import Page
    from syncd.sandbox.serve import Running
    from syncd.sandbox.shop import ShopState

DAY_SECONDS = 86_400


def nap(seconds: float) -> None:
    """A sleep that nobody has to wait for."""
    time.sleep(seconds / 50)


class Acme:
    """The sandbox's Shopify shop, and connections to it."""

    def __init__(self, running: Running) -> None:
        self.world = running.world
        self.shop: ShopState = self.world.shops["acme"]
        self._running = running

    def connect(self, *, token: str | None = "sandbox", secret: str | None = None) -> Shopify:  # noqa: S107
        def kept(text: str | None) -> object:
            return SimpleNamespace(get=lambda: text) if text else None

        settings = SimpleNamespace(
            platform="shopify",
            domain="acme.myshopify.com",
            base_url=self._running.urls["shopify"],
            token=kept(token),
            client_id="app" if secret else None,
            client_secret=kept(secret),
        )
        return connect("acme", settings, self.world.clock.now, nap)  # type: ignore[arg-type, return-value]

    def log(self, ending: str = "") -> list[dict[str, str]]:
        """The queries of the calls so far whose path ends so."""
        requests.get(f"{self._running.urls['control']}/clock", timeout=10)
        return self.asked(ending)

    def asked(self, ending: str) -> list[dict[str, str]]:
        """The same when the servers have stopped."""
        return [
            {name: values[0] for name, values in parse_qs(each.query).items()}
            for each in self.world.log
            if each.path.endswith(ending)
        ]

    def fill(self, seconds: dict[int, int]) -> None:
        """Afterwards the shop holds nothing but so many orders for each second at which they were updated."""
        self.empty()
        fixed = {"customer_id": None, "email": "ada@example.com", "total_minor": 10_00, "currency": "EUR"}
        stamps = [at for at, count in seconds.items() for _ in range(count)]
        orders = (
            Order(id=10**15 + n, number=n, placed_at=at, created_at=at, updated_at=at, **fixed)
            for n, at in enumerate(stamps)
        )
        self.shop.load([], orders)

    def empty(self) -> None:
        """Afterwards the shop holds nothing."""
        for records in (self.shop.orders, self.shop.customers):
            for record in list(records):
                records.remove(record.id)


@pytest.fixture
def acme(sandbox: Running) -> Acme:
    return Acme(sandbox)


def order_ids(pages: list[Page]) -> list[str]:
    return [order.id for page in pages for order in page.orders]


def test_a_shop_without_any_credentials_is_refused(acme: Acme) -> None:
    with pytest.raises(UserError, match="token, or client_id and client_secret"):
        acme.connect(token=None)


def test_client_credentials_are_changed_for_a_token_once(acme: Acme) -> None:
    source = acme.connect(token=None, secret="sandbox")
    list(source.pull({}))
    source.profile()
    assert len(acme.log("/access_token")) == 1


def test_threads_that_need_a_token_share_one(acme: Acme) -> None:
    source = acme.connect(token=None, secret="sandbox")
    acme.world.throttle.latency = 0.05
    with ThreadPoolExecutor(6) as pool:
        profiles = list(pool.map(lambda _: source.profile(), range(6)))
    assert len(profiles) == 6
    assert len(acme.log("/access_token")) == 1


def test_a_token_that_ends_in_the_middle_is_renewed_once_and_nothing_is_lost(acme: Acme) -> None:
    source = acme.connect(token=None, secret="sandbox")
    pages = source.pull({})
    first = next(pages)
    acme.world.clock.set(acme.world.clock.now() + 2 * DAY_SECONDS)
    rest = list(pages)
    assert first.customers
    assert set(order_ids(rest)) == {str(order.id) for order in acme.shop.orders}
    assert len(acme.log("/access_token")) == 2


def test_a_token_that_was_never_accepted_is_not_asked_for_again(acme: Acme) -> None:
    acme.world.faults.add(Fault(kind="status", path="*/shop.json", status=401, body='{"errors": "no"}'))
    with pytest.raises(ConnectionBlocked):
        acme.connect(token=None, secret="sandbox").profile()
    assert len(acme.log("/access_token")) == 1
    assert len(acme.log("/shop.json")) == 1


def test_a_wrong_secret_stops_the_connection_and_is_not_shown(acme: Acme) -> None:
    with pytest.raises(ConnectionBlocked, match="client_id and client_secret") as caught:
        acme.connect(token=None, secret="tell-nobody").profile()
    assert "tell-nobody" not in f"{caught.value} {caught.value.hint}"
    assert len(acme.log()) == 1


def test_with_a_link_nothing_but_the_page_size_is_sent(acme: Acme) -> None:
    acme.fill({acme.world.clock.now() - DAY_SECONDS: 600})
    list(acme.connect().pull({}))
    linked = [query for query in acme.log("/orders.json") if "page_info" in query]
    assert len(linked) >= 2
    assert all(query.keys() == {"page_info", "limit"} for query in linked)


@pytest.mark.parametrize(
    "link", ["https://evil.example/admin/orders.json?page_info=x", "http://127.0.0.1:9/o?page_info=x"]
)
def test_a_link_to_another_place_is_not_followed(acme: Acme, link: str) -> None:
    headers = {"Link": f'<{link}>; rel="next"'}
    body = '{"orders": []}'
    acme.world.faults.add(Fault(kind="status", path="*/orders.json", status=200, headers=headers, body=body))
    with pytest.raises(ConnectionBlocked, match="another place"):
        list(acme.connect().pull({}))
    assert len(acme.log("/orders.json")) == 1


def test_a_list_that_goes_round_in_a_circle_is_left(acme: Acme, sandbox: Running) -> None:
    url = f"{sandbox.urls['shopify']}/admin/api/2026-07/orders.json?page_info=again"
    acme.world.faults.add(
        Fault(
            kind="status",
            path="*/orders.json",
            status=200,
            headers={"Link": f'<{url}>; rel="next"'},
            body='{"orders": []}',
        )
    )
    with pytest.raises(TransientError, match="circle"):
        list(acme.connect().pull({}))


def test_a_page_that_is_too_heavy_is_halved_and_grows_again(acme: Acme) -> None:
    acme.fill({acme.world.clock.now() - DAY_SECONDS - n: 100 for n in range(15)})
    acme.shop.switches.heavy_above = 70
    source = acme.connect()
    assert len(set(order_ids(list(source.pull({}))))) == 1_500
    limits = [int(query["limit"]) for query in acme.log() if "limit" in query]
    assert limits[:4] == [250, 125, 62, 62]
    acme.shop.switches.heavy_above = None
    for _ in range(4):
        list(source.pull({}))
    assert int(acme.log("/orders.json")[-1]["limit"]) == 250


@pytest.mark.parametrize("counts", [(24_600, 500), (24_900, 300)])
def test_a_walk_begins_anew_before_the_shop_stops_showing_more(acme: Acme, counts: tuple[int, int]) -> None:
    at = acme.world.clock.now() - DAY_SECONDS
    acme.empty()
    stamps = [at] * counts[0] + [at + 1] * counts[1]
    people = enumerate(stamps, 1)
    acme.shop.load([Customer(id=n, email=f"c{n}@example.com", created_at=t, updated_at=t) for n, t in people], [])
    seen = {customer.id for page in acme.connect().pull({}) for customer in page.customers}
    assert len(seen) == sum(counts)


def test_a_long_list_that_begins_with_a_record_out_of_order_is_read_from_its_beginning(acme: Acme) -> None:
    at = acme.world.clock.now() - 30 * DAY_SECONDS
    acme.fill({at: 1} | {at + 3_600 * n: 50 for n in range(1, 90)})
    first = {"kind": "mutate", "path": "*/orders.json", "field": "orders.0.updated_at", "value": '"soon"', "count": 1}
    acme.world.faults.add(msgspec.convert(first, Fault))
    pages = list(acme.connect().pull({}))
    assert len(set(order_ids(pages))) == 1 + 50 * 89


def test_a_walk_cut_off_within_one_second_goes_on_where_it_was(acme: Acme) -> None:
    at = acme.world.clock.now() - DAY_SECONDS
    acme.fill({at: 1_500, at + 60: 3})
    pages = [page for page in acme.connect().pull({}) if page.resource == "orders"]
    cursor = pages[3].cursor
    assert Cursor.read(cursor) != Cursor(at)
    before, after = order_ids(pages[:4]), order_ids(list(acme.connect().pull({"orders": cursor})))
    assert set(before) | set(after) == set(order_ids(pages))
    assert len(before) + len(after) - len(set(before) | set(after)) <= 250


def test_a_link_that_is_too_old_costs_nothing_but_time(acme: Acme) -> None:
    at = acme.world.clock.now() - DAY_SECONDS
    acme.fill({at: 300})
    pages = list(acme.connect().pull({"orders": Cursor(at, "worn-out").write()}))
    assert len(set(order_ids(pages))) == 300


@pytest.mark.parametrize("status", [403, 404, 400])
def test_without_events_everything_else_is_read_and_it_is_told(acme: Acme, status: int) -> None:
    acme.world.faults.add(Fault(kind="status", path="*/events.json", status=status, body='{"errors": "no"}'))
    pages = list(acme.connect().pull({}))
    assert {page.resource for page in pages} == {"customers", "orders", "carts", "products"}
    (warning,) = acme.connect().warnings()
    assert "shows us no events" in warning


def test_orders_that_are_hidden_after_60_days_are_told(acme: Acme) -> None:
    acme.shop.switches.scopes = ("read_orders", "read_customers", "read_products")
    acme.shop.switches.whole_history = False
    (warning,) = acme.connect().warnings()
    assert "60 days" in warning
    assert "read_all_orders" in warning


def test_without_the_old_list_of_products_all_else_is_read_and_it_is_told(acme: Acme) -> None:
    acme.shop.switches.products_listed = False
    assert {page.resource for page in acme.connect().pull({})} == {
        *("customers", "orders", "deleted_orders", "deleted_customers", "carts")
    }
    (warning,) = acme.connect().warnings()
    assert warning.startswith("Shopify shows us no products, so no rule knows a product's category")


def test_of_a_product_nothing_is_asked_for_that_is_not_read(acme: Acme) -> None:
    list(acme.connect().pull({}))
    (asked,) = [each for each in acme.world.log if each.path.endswith("/products.json")]
    assert "fields=id%2Ctitle%2Cproduct_type%2Cupdated_at" in asked.query


def test_who_may_write_orders_may_read_them(acme: Acme) -> None:
    acme.shop.switches.scopes = ("read_orders", "write_orders", "read_all_orders", "read_customers", "read_products")
    assert acme.connect().warnings() == []


def test_hidden_addresses_are_told(acme: Acme) -> None:
    for customer in list(acme.shop.customers):
        acme.shop.change_customer(customer.id, email=None)
    (obstacle,) = acme.connect().obstacles()
    assert "protected customer data" in obstacle


def test_another_version_than_ours_is_told(acme: Acme) -> None:
    acme.world.clock.set(1_900_000_000)
    (warning,) = acme.connect().warnings()
    assert warning.startswith("Shopify answers with version 20")


def test_above_what_shopify_counts_the_number_of_customers_is_unknown(acme: Acme) -> None:
    acme.shop.switches.count_limit = 25_000
    at = acme.world.clock.now() - DAY_SECONDS
    acme.shop.load([Customer(id=n, email=None, created_at=at, updated_at=at) for n in range(1, 25_003)], [])
    assert acme.connect().customers_shown() is None


def test_a_page_of_a_guest_network_is_no_refusal(acme: Acme) -> None:
    headers = {"Content-Type": "text/html"}
    acme.world.faults.add(Fault(kind="status", path="*/shop.json", status=403, headers=headers, count=1))
    assert acme.connect().profile().currency == "EUR"


def test_a_shop_that_does_not_exist_stops_the_connection(acme: Acme) -> None:
    acme.world.faults.add(Fault(kind="status", path="*/shop.json", status=404, body='{"errors": "Not Found"}'))
    with pytest.raises(ConnectionBlocked, match="no such shop"):
        acme.connect().profile()


@pytest.mark.parametrize("credentials", [{}, {"token": None, "secret": "sandbox"}])
def test_a_renamed_shop_is_told_with_its_new_name_and_nothing_goes_there(
    acme: Acme, credentials: dict[str, str | None]
) -> None:
    acme.shop.switches.renamed_to = "acme-madrid.myshopify.com"
    source = acme.connect(**credentials)  # type: ignore[arg-type]
    with pytest.raises(ConnectionBlocked, match=r"renamed to acme-madrid\.myshopify\.com") as caught:
        list(source.pull({}))
    assert 'domain = "acme-madrid.myshopify.com"' in caught.value.hint
    assert len(acme.log()) == 1


@pytest.mark.parametrize("place", ["evil.example", "acme.myshopify.com.evil.example", "127.0.0.1:9"])
def test_a_place_that_is_no_shop_is_not_advised(acme: Acme, place: str) -> None:
    acme.shop.switches.renamed_to = place
    with pytest.raises(ConnectionBlocked, match="sends us on to another place") as caught:
        acme.connect().profile()
    assert place not in f"{caught.value} {caught.value.hint}"
    assert len(acme.log()) == 1


@pytest.mark.parametrize(
    ("standing", "says"),
    [
        ("frozen", "has frozen the shop"),
        ("forbidden", "has made the shop unavailable"),
        ("closed", "no such shop"),
        ("locked", "has locked the shop"),
        ("rejected", "turned the call away"),
    ],
)
@pytest.mark.parametrize("credentials", [{}, {"token": None, "secret": "sandbox"}])
def test_a_shop_in_trouble_stops_its_connection_at_the_first_call_and_says_why(
    acme: Acme, standing: Any, says: str, credentials: dict[str, str | None]
) -> None:
    acme.shop.switches.standing = standing
    with pytest.raises(ConnectionBlocked, match=says) as caught:
        acme.connect(**credentials).profile()  # type: ignore[arg-type]
    assert caught.value.hint
    assert len(acme.log()) == 1


def test_a_token_that_is_revoked_in_a_parallel_backfill_is_replaced_once_by_all_threads(acme: Acme) -> None:
    at = acme.world.clock.now() - 100 * DAY_SECONDS
    acme.fill({at + 600 * n: 1 for n in range(4_500)})
    acme.world.throttle.latency = 0.1
    source = acme.connect(token=None, secret="sandbox")
    pages = source.pull({})
    first = next(page for page in pages if page.orders)
    acme.shop.granted.clear()
    rest = list(pages)
    assert len(set(order_ids([first, *rest]))) == 4_500
    assert len(acme.log("/access_token")) == 2


def test_threads_that_are_refused_at_the_same_time_fetch_one_token(acme: Acme, sandbox: Running) -> None:
    http = Http(sandbox.urls["shopify"], connection="shops.acme", headers=dict, attempts=1)
    token = ClientCredentials(http, "app", SimpleNamespace(get=lambda: "sandbox"))
    together = Barrier(6)

    def call(_: int) -> dict[str, str]:
        token.headers()
        token.judge(Reply(200, {}, b"{}"))
        together.wait()
        assert isinstance(token.judge(Reply(401, {}, b"{}")), TransientError)
        return token.headers()

    with ThreadPoolExecutor(6) as pool:
        used = [each["X-Shopify-Access-Token"] for each in pool.map(call, range(6))]
    assert len(set(used)) == 1
    assert len(acme.log("/access_token")) == 2


def test_an_app_that_is_removed_in_the_middle_stops_the_connection_without_a_loop(acme: Acme) -> None:
    acme.fill({acme.world.clock.now() - DAY_SECONDS: 600})
    pages = acme.connect(token=None, secret="sandbox").pull({})
    next(pages)
    acme.shop.switches.installed = False
    with pytest.raises(ConnectionBlocked, match="client_id and client_secret"):
        list(pages)
    assert len(acme.log("/access_token")) == 2


def test_a_page_that_takes_too_long_is_asked_for_in_halves_and_not_again_as_it_was(
    acme: Acme, sandbox: Running
) -> None:
    acme.fill({acme.world.clock.now() - DAY_SECONDS: 200})
    acme.world.faults.add(Fault(kind="hang", path="*/orders.json", seconds=2, count=2))
    now = acme.world.clock.now
    token = PermanentToken(SimpleNamespace(get=lambda: "sandbox"))
    impatient = Shopify(Api(sandbox.urls["shopify"], "shops.acme", token, now, nap, page_seconds=0.7), now)
    assert len(set(order_ids(list(impatient.pull({}))))) == 200
    sandbox.stop()
    assert Counter(int(query["limit"]) for query in acme.asked("/orders.json")) == {250: 1, 125: 1, 62: 4}


def test_addresses_that_are_hidden_from_one_day_to_the_next_take_nobodys_orders_away(acme: Acme) -> None:
    cursors = {page.resource: page.cursor for page in acme.connect().pull({})}
    acme.shop.switches.protected_data = False
    acme.shop.change_customer(next(iter(acme.shop.customers)).id)
    with pytest.raises(ConnectionBlocked, match="hides every customer's e-mail address"):
        list(acme.connect().pull(cursors))


def test_a_customer_without_address_among_others_who_have_one_is_read(acme: Acme) -> None:
    cursors = {page.resource: page.cursor for page in acme.connect().pull({})}
    acme.world.clock.set(acme.world.clock.now() + DAY_SECONDS)
    acme.shop.add_order(customer_id=None, email=None, total_minor=500)
    walk_in = acme.shop.add_customer(email=None)
    read = {customer.id for page in acme.connect().pull(cursors) for customer in page.customers}
    assert str(walk_in.id) in read


def test_an_order_that_is_too_heavy_by_itself_hides_no_others_before_it(acme: Acme) -> None:
    at = acme.world.clock.now() - DAY_SECONDS
    acme.fill({at: 40})
    acme.shop.switches.heavy_above = 1
    assert len(set(order_ids(list(acme.connect().pull({}))))) == 40
