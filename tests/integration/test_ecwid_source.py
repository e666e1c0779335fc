"""Ecwid's own ways: lists that drift, polls of one call, refusals not to be repeated, amounts that are not told."""

from __future__ import annotations

import time
from threading import Timer
from types import SimpleNamespace
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

import pytest
import requests

from syncd.errors import ConnectionBlocked, TransientError, UserError
from syncd.model import OrderStatus
from syncd.sandbox.ecwid.documents import letters
from syncd.sandbox.faults import Fault
from syncd.sandbox.shop import Order, Product, Wish
from syncd.sources import connect
from syncd.sources._ecwid_api import MOST_ROWS
from syncd.sources._walk import Cursor

if TYPE_CHECKING:
    from collections.abc import Iterable

    from syncd.model import Page
    from syncd.sandbox.serve import Running
    from syncd.sandbox.shop import ShopState
    from syncd.sources.ecwid import Ecwid

DAY_SECONDS = 86_400


class Cafe:
    """The sandbox's Ecwid store, and connections to it."""

    def __init__(self, running: Running) -> None:
        self.world = running.world
        self.shop: ShopState = self.world.shops["cafe"]
        self._running = running

    def connect(self, store_id: int | None = None, token: str = "sandbox") -> Ecwid:  # noqa: S107
        settings = SimpleNamespace(
            platform="ecwid",
            base_url=self._running.urls["ecwid"],
            store_id=self.shop.store_id if store_id is None else store_id,
            token=SimpleNamespace(get=lambda: token),
        )
        return connect("cafe", settings, self.world.clock.now)  # type: ignore[arg-type, return-value]

    def log(self, ending: str = "") -> list[dict[str, str]]:
        """The queries of the calls so far whose path ends so."""
        requests.get(f"{self._running.urls['control']}/clock", timeout=10)
        return [
            {name: values[0] for name, values in parse_qs(each.query).items()}
            for each in self.world.log
            if each.path.endswith(ending)
        ]

    def fill(self, stamps: Iterable[int]) -> None:
        """Afterwards the store holds nothing but an order for each instant at which one was updated."""
        for order in list(self.shop.orders):
            self.shop.orders.remove(order.id)
        fixed = {"customer_id": None, "email": None, "total_minor": 10_00, "currency": "EUR"}
        orders = [
            Order(id=10**6 + n, number=n, placed_at=at, created_at=at, updated_at=at, **fixed)
            for n, at in enumerate(stamps)
        ]
        self.shop.load(list(self.shop.customers), orders)

    def names(self) -> set[str]:
        return {letters(order.id) for order in self.shop.orders}


@pytest.fixture
def cafe(sandbox: Running) -> Cafe:
    return Cafe(sandbox)


def order_ids(pages: Iterable[Page]) -> list[str]:
    return [order.id for page in pages for order in page.orders]


def test_a_store_without_its_number_is_refused(cafe: Cafe) -> None:
    with pytest.raises(UserError, match="store_id and token"):
        cafe.connect(store_id=0)


def test_another_stores_number_stops_the_connection(cafe: Cafe) -> None:
    with pytest.raises(ConnectionBlocked, match="no such store"):
        cafe.connect(store_id=7).profile()


def test_a_token_that_was_refused_is_not_sent_again(cafe: Cafe) -> None:
    source = cafe.connect(token="wrong")
    for _ in range(3):
        with pytest.raises(ConnectionBlocked, match="does not accept the token"):
            source.profile()
    assert len(cafe.log()) == 1


def test_a_poll_of_a_quiet_store_asks_for_no_list(cafe: Cafe) -> None:
    source = cafe.connect()
    cafe.world.clock.set(cafe.world.clock.now() + DAY_SECONDS)
    cursors = {page.resource: page.cursor for page in source.pull({})}
    lists = len(cafe.log("/orders")) + len(cafe.log("/customers"))
    calls = len(cafe.log())
    pages = list(source.pull(cursors))
    assert order_ids(pages) == []
    assert len(cafe.log("/orders")) + len(cafe.log("/customers")) == lists
    assert len(cafe.log()) - calls == 3


def test_pages_are_as_large_as_they_may_be(cafe: Cafe) -> None:
    list(cafe.connect().pull({}))
    pages = [query for query in cafe.log("/customers") + cafe.log("/orders") if "offset" in query]
    assert pages
    assert {query["limit"] for query in pages} == {"100"}
    assert all("updatedFrom" in query and "updatedTo" in query for query in pages)


@pytest.mark.parametrize("n_edited", [1, 5])
def test_orders_that_leave_the_window_while_it_is_read_hide_no_other(cafe: Cafe, n_edited: int) -> None:
    now = cafe.world.clock.now()
    cafe.fill(now - DAY_SECONDS - n for n in range(500))
    # The newest rows stand first: as they leave, all others move up under the reader.
    newest = sorted(cafe.shop.orders, key=lambda order: -order.placed_at)[:n_edited]
    cafe.world.faults.add(Fault(kind="delay", path="*/orders", after=3, count=1, seconds=0.4))

    def edit() -> None:
        cafe.world.clock.set(now + 60)
        for order in newest:
            cafe.shop.change_order(order.id, test=True)

    timer = Timer(0.2, edit)
    timer.start()
    pages = list(cafe.connect().pull({}))
    timer.join()
    cursors = {page.resource: page.cursor for page in pages}
    gone = {letters(order.id) for order in newest}
    assert cafe.names() - gone <= set(order_ids(pages))
    assert gone <= set(order_ids(cafe.connect().pull(cursors)))


def test_a_list_that_never_stands_still_is_left_to_the_next_cycle(cafe: Cafe) -> None:
    now = cafe.world.clock.now()
    cafe.fill(now - DAY_SECONDS - n for n in range(150))
    for n in range(400):
        body = f'{{"total": {150 + n}, "count": 1, "items": []}}'
        cafe.world.faults.add(Fault(kind="status", path="*/orders", status=200, body=body, count=1))
    with pytest.raises(TransientError, match="keeps changing"):
        list(cafe.connect().pull({}))
    assert len(cafe.log("/orders")) < 200


def test_many_orders_of_one_second_are_all_delivered_and_resumed(cafe: Cafe) -> None:
    at = cafe.world.clock.now() - DAY_SECONDS
    cafe.fill([at] * 450 + [at + 60] * 3)
    pages = [page for page in cafe.connect().pull({}) if page.resource == "orders"]
    assert set(order_ids(pages)) == cafe.names()
    for k in range(1, len(pages)):
        rest = order_ids(cafe.connect().pull({"orders": pages[k - 1].cursor}))
        before = order_ids(pages[:k])
        assert set(before) | set(rest) == cafe.names()
        assert len(before) + len(rest) - len(cafe.names()) <= 100


def test_a_long_history_is_read_in_windows_that_waste_few_calls(cafe: Cafe) -> None:
    now = cafe.world.clock.now()
    cafe.fill(now - DAY_SECONDS - 3_600 * n for n in range(4_000))
    assert set(order_ids(cafe.connect().pull({}))) == cafe.names()
    windows = {(query["updatedFrom"], query["updatedTo"]) for query in cafe.log("/orders")}
    assert len(cafe.log("/orders")) <= 1.05 * 40 + len(windows)


@pytest.mark.parametrize("seconds_apart", [60, 0])
def test_pages_are_read_side_by_side_even_of_what_was_changed_in_one_second(cafe: Cafe, seconds_apart: int) -> None:
    now = cafe.world.clock.now()
    cafe.fill(now - DAY_SECONDS - seconds_apart * n for n in range(2_000))
    # Long enough that a busy machine makes no difference.
    cafe.world.throttle.latency = 0.5
    began = time.monotonic()
    orders = next(n for n, page in enumerate(cafe.connect().pull({})) if page.resource == "deleted_orders")
    one_by_one = 0.5 * len(cafe.log("/orders"))
    assert orders >= 20
    assert time.monotonic() - began < one_by_one / 2


def test_a_rush_is_cut_down_to_what_may_be_in_memory_at_once(cafe: Cafe) -> None:
    began = cafe.world.clock.now() - 1_000 * DAY_SECONDS
    rush = [began + 50 * DAY_SECONDS + n % 3 * 60 for n in range(3 * 1_500)]
    cafe.fill([*(began + n * DAY_SECONDS for n in range(600)), *rush])
    assert set(order_ids(cafe.connect().pull({}))) == cafe.names()
    pages = [query for query in cafe.log("/orders") if int(query.get("offset", 0)) > 0 and query["limit"] == "100"]
    sizes = {(query["updatedFrom"], query["updatedTo"]): int(query["offset"]) for query in pages}
    assert max(sizes.values()) < MOST_ROWS
    windows = {(query["updatedFrom"], query["updatedTo"]) for query in cafe.log("/orders")}
    assert len(cafe.log("/orders")) <= 1.05 * 51 + len(windows)


def test_the_stores_wait_is_obeyed(cafe: Cafe) -> None:
    refusal = Fault(kind="status", path="*/profile", status=429, headers={"Retry-After": "1"}, count=1)
    cafe.world.faults.add(refusal)
    assert cafe.connect().profile().currency == "EUR"
    assert len(cafe.log("/profile")) == 2


def test_amounts_that_are_not_told_leave_the_status_to_speak(cafe: Cafe) -> None:
    cafe.shop.switches.refund_amounts = False
    part = cafe.shop.add_order(customer_id=None, email="a@example.com", total_minor=10_00)
    whole = cafe.shop.add_order(customer_id=None, email="b@example.com", total_minor=10_00)
    cafe.shop.refund(part.id, 4_00)
    cafe.shop.refund(whole.id)
    orders = {order.id: order for page in cafe.connect().pull({}) for order in page.orders}
    assert orders[letters(part.id)].refunds == ()
    assert orders[letters(whole.id)].status is OrderStatus.REFUNDED
    assert [refund.amount_minor for refund in orders[letters(whole.id)].refunds] == [10_00]


def test_a_cursor_from_the_future_waits_for_it(cafe: Cafe) -> None:
    ahead = Cursor(cafe.world.clock.now() + DAY_SECONDS).write()
    pages = list(cafe.connect().pull({"orders": ahead, "customers": ahead}))
    assert order_ids(pages) == []
    assert [page.cursor for page in pages if page.resource == "orders"] == [ahead]


def collected(pages: Iterable[Page], cursors: dict[str, str]) -> list[Page]:
    """The pages; `cursors` stand behind them afterwards."""
    found = list(pages)
    cursors |= {page.resource: page.cursor for page in found}
    return found


def test_a_category_that_is_called_otherwise_brings_all_products_once(cafe: Cafe) -> None:
    cursors: dict[str, str] = {}
    collected(cafe.connect().pull({}), cursors)
    cafe.world.clock.set(cafe.world.clock.now() + 3_600)
    cafe.shop.rename_category("Rock", "Rock and Roll")
    again = collected(cafe.connect().pull(cursors), cursors)
    categories = [product.category for page in again for product in page.products]
    assert len(categories) == len(cafe.shop.products)
    assert {"Rock", "Rock and Roll"} & set(categories) == {"Rock and Roll"}
    third = collected(cafe.connect().pull(cursors), cursors)
    assert [product for page in third for product in page.products] == []
    cafe.world.clock.set(cafe.world.clock.now() + 3_600)
    collected(cafe.connect().pull(cursors), cursors)
    before = len(cafe.log("/categories"))
    list(cafe.connect().pull(cursors))
    assert len(cafe.log("/categories")) == before


def test_a_pull_that_was_cut_off_within_the_products_goes_on_there(cafe: Cafe) -> None:
    cafe.shop.stock(Product(500_000 + n, f"Song {n}", "S", "Songs", 99, n + 1, n + 1) for n in range(900))
    cursors: dict[str, str] = {}
    some = 0
    for page in cafe.connect().pull({}):
        cursors[page.resource] = page.cursor
        some += len(page.products)
        if some >= 500:
            break
    rest = [product.id for page in cafe.connect().pull(cursors) for product in page.products]
    assert len(cafe.shop.products) - some <= len(rest) <= len(cafe.shop.products) - some + 100


def wishes_of(pages: Iterable[Page], customer_id: int) -> list[tuple[str, ...]]:
    return [each.wishes for page in pages for each in page.customers if each.id == str(customer_id)]


@pytest.mark.parametrize("moves", [True, False])
def test_a_wish_is_seen_at_once_where_it_changes_the_customer_and_within_a_day_where_it_does_not(
    cafe: Cafe, *, moves: bool
) -> None:
    cafe.shop.switches.wishes_move_updated = moves
    cursors: dict[str, str] = {}
    collected(cafe.connect().pull({}), cursors)
    cafe.world.clock.set(cafe.world.clock.now() + 3_600)
    customer = next(each for each in cafe.shop.customers if not each.favorites)
    one, other = list(cafe.shop.products)[:2]
    now = cafe.world.clock.now()
    cafe.shop.change_customer(customer.id, favorites=(Wish(one.id, now - 5), Wish(other.id, now)))
    wishes = (str(other.id), str(one.id))
    assert wishes_of(collected(cafe.connect().pull(cursors), cursors), customer.id) == [wishes] * moves
    cafe.world.clock.set(now + DAY_SECONDS)
    later = collected(cafe.connect().pull(cursors), cursors)
    assert set(wishes_of(later, customer.id)) == {wishes}
    assert sum(len(page.customers) for page in later if page.resource == "wishes") == len(cafe.shop.customers)
    # The day is over: until tomorrow nobody is read for a wish.
    calls = len(cafe.log("/customers"))
    assert [page.customers for page in cafe.connect().pull(cursors) if page.resource == "wishes"] == [()]
    assert len(cafe.log("/customers")) <= calls + 2


def test_a_category_that_cannot_be_read_keeps_the_others_theirs(cafe: Cafe) -> None:
    cafe.world.faults.add(Fault(kind="mutate", service="ecwid", path="*/categories", field="items.0.id", value="null"))
    categories = {product.category for page in cafe.connect().pull({}) for product in page.products}
    assert "" in categories
    assert len(categories) > 2
