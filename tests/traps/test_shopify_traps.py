"""Shopify's traps in reading: what is hidden, late, refused or moves while it is read, through the whole of syncd.

The numbers are those of the reference's list of traps. Those of webhooks, carts and GraphQL are elsewhere.
"""

from __future__ import annotations

import re
from collections import Counter
from threading import Event
from time import sleep
from urllib.parse import parse_qs

import pytest
import requests

from syncd.errors import ConnectionBlocked
from syncd.pipeline import pull_all
from syncd.sandbox.faults import Fault
from syncd.sources._walk import OVERLAP_SECONDS
from syncd.steps.context import Stopped
from tests.integration.house import DAY
from tests.traps.mailchimp_stage import NOBODY
from tests.traps.shop_stage import ANN, BOB, at
from tests.traps.shopify_stage import Acme


def test_trap_01_closed_and_cancelled_orders_are_read_too(acme: Acme) -> None:
    acme.order(ANN, 10_00)
    acme.order(ANN, 20_00, closed_at=acme.now)
    acme.order(ANN, 40_00, cancelled_at=acme.now)
    later = acme.order(ANN, 80_00)
    acme.backfill()
    assert acme.known_orders() == len(acme.shop.orders)
    assert acme.figures(ANN) == (3, 110)
    acme.later(60)
    acme.shop.change_order(later.id, cancelled_at=acme.now)
    acme.cycle()
    assert acme.figures(ANN) == (2, 30)


def test_trap_02_a_page_is_asked_for_by_its_link_and_nothing_beside_it(acme: Acme) -> None:
    acme.spread(600)
    acme.backfill()
    assert acme.figures(ANN) == (600, 600)
    calls = acme.calls("/orders.json")
    linked = [parse_qs(each.query).keys() for each in calls if "page_info" in each.query]
    assert len(linked) >= 2
    assert all(keys == {"page_info", "limit"} for keys in linked)
    assert {each.status for each in calls} == {200}


@pytest.mark.parametrize("count", [600, 2_600])
def test_trap_03_an_order_that_is_edited_while_the_list_is_read_is_not_lost(acme: Acme, count: int) -> None:
    acme.spread(count)
    unseen = sorted(acme.shop.orders, key=lambda order: -order.updated_at)

    def edit() -> None:
        acme.later(1)
        # One that comes late in the list, and the very first one, which was seen long ago.
        for order in (unseen.pop(), unseen.pop(0)):
            acme.shop.change_order(order.id, total_minor=3_00)

    acme.between_pages(edit)
    acme.backfill()
    acme.context.progress = lambda task, advance, expected: None
    acme.cycle()
    assert acme.figures(ANN) == (count, sum(each.total_minor for each in acme.shop.orders if each.email == ANN) / 100)
    assert acme.figures(ANN)[1] > count


def test_trap_03_a_walk_that_was_cut_off_goes_on_to_the_newest(acme: Acme) -> None:
    acme.spread(2_600)

    def cut_off() -> None:
        raise Stopped

    acme.between_pages(cut_off)
    with pytest.raises(Stopped):
        acme.backfill()
    assert 0 < acme.known_orders() < 2_600
    acme.context.stop.clear()
    acme.context.progress = lambda task, advance, expected: None
    acme.backfill()
    assert acme.figures(ANN) == (2_600, 2_600)


def test_trap_03_a_careless_client_that_walks_downwards_loses_it(acme: Acme) -> None:
    acme.spread(100)
    headers = {"X-Shopify-Access-Token": "sandbox"}
    url = f"{acme.sandbox.urls['shopify']}/admin/api/2026-07/orders.json?status=any&order=updated_at+desc&limit=50"
    first = requests.get(url, headers=headers, timeout=10)
    oldest = min(acme.shop.orders, key=lambda order: order.updated_at)
    acme.shop.change_order(oldest.id)
    rest = requests.get(first.links["next"]["url"], headers=headers, timeout=10)
    assert oldest.id not in {row["id"] for reply in (first, rest) for row in reply.json()["orders"]}


def test_trap_04_many_orders_of_one_second_and_one_more_after_the_poll(acme: Acme) -> None:
    at = acme.now - 120
    for _ in range(600):
        acme.order(ANN, 1_00, updated_at=at, placed_at=at)
    acme.backfill()
    assert acme.figures(ANN) == (600, 600)
    # Committed late: as old as what was read, and older than the newest.
    acme.order(ANN, 1_00, updated_at=at, placed_at=at)
    acme.order(ANN, 1_00, updated_at=at - 30, placed_at=at)
    acme.cycle()
    assert acme.figures(ANN) == (602, 602)


def test_trap_06_an_order_that_shows_minutes_after_its_own_time_is_still_read(acme: Acme) -> None:
    acme.person(BOB)
    acme.backfill()
    acme.shop.switches.index_lag_seconds, acme.shop.switches.index_lag_every = OVERLAP_SECONDS - 60, 2
    late, prompt = 2**60, 2**60 + 1
    acme.order(ANN, 30_00, id=late)
    seen = []
    for n in range(5):
        acme.cycle()
        seen.append((acme.figures(ANN)[0], acme.figures(BOB)[0]))
        acme.order(BOB, 1_00, id=prompt + 2 * n)
    # Newer ones are read long before it shows.
    assert seen[:3] == [(0, 0), (0, 1), (0, 2)]
    assert seen[-1] == (1, 4)


def test_trap_07_a_refund_that_is_attached_later_without_moving_its_order_is_read(acme: Acme) -> None:
    order = acme.order(ANN, 50_00)
    acme.backfill()
    acme.shop.switches.child_lag_seconds = 90
    acme.later(600)
    acme.shop.refund(order.id, 20_00)
    touched_at = acme.shop.orders[order.id].updated_at
    acme.cycle()
    assert acme.figures(ANN) == (1, 50)
    acme.order(BOB, 1_00)
    acme.cycle()
    assert acme.shop.orders[order.id].updated_at == touched_at
    assert acme.figures(ANN) == (1, 30)


def test_trap_08_orders_hidden_after_60_days_are_told_and_read_once_they_show(acme: Acme) -> None:
    acme.shop.switches.whole_history = False
    acme.shop.switches.scopes = ("read_orders", "read_customers", "read_products")
    old = acme.now - 100 * DAY
    hidden = acme.order(ANN, 70_00, placed_at=old, created_at=old, updated_at=old)
    acme.order(ANN, 10_00)
    acme.backfill()
    assert acme.figures(ANN) == (1, 10)
    (warning,) = acme.warnings()
    assert "read_all_orders" in warning
    assert "60 days" in warning
    assert "syncd backfill --since" in warning
    # A refund of it says nothing either.
    acme.shop.refund(hidden.id, 5_00)
    acme.cycle()
    assert acme.figures(ANN) == (1, 10)
    acme.shop.switches = type(acme.shop.switches)()
    pull_all(acme.context, ["acme"], since=old - DAY)
    acme.cycle()
    assert acme.figures(ANN) == (2, 75)
    assert acme.warnings() == []


class Hurried(Event):
    """Lets twenty seconds pass in one."""

    def wait(self, timeout: float | None = None) -> bool:
        sleep((timeout or 0.0) / 20)
        return self.is_set()


@pytest.mark.parametrize("tells_how_long", [True, False])
def test_trap_17_a_bucket_that_others_have_filled_is_waited_for(acme: Acme, tells_how_long: bool) -> None:
    acme.shop.switches.plan = "enterprise"
    acme.shop.switches.retry_after = tells_how_long
    acme.spread(300)
    acme.backfill()
    acme.context.stop = Hurried()
    acme.world.throttle.enforce = True
    acme.call("POST", "/shops/acme/calls", {"count": 10_000})
    acme.order(ANN, 1_00)
    before = len(acme.calls())
    acme.cycle()
    assert acme.figures(ANN) == (301, 301)
    answers = Counter(each.status for each in acme.calls()[before:])
    assert 1 <= answers[429] <= 6


def test_trap_19_pages_that_are_too_heavy_come_in_halves_and_grow_again(acme: Acme) -> None:
    acme.spread(2_600)
    acme.shop.switches.heavy_above = 125
    acme.world.faults.add(Fault(kind="truncate", service="shopify", path="*/orders.json", after=6, count=2))
    acme.backfill()
    assert acme.figures(ANN) == (2_600, 2_600)
    acme.shop.switches.heavy_above = None
    for _ in range(10):
        acme.sync_in_order()
    assert parse_qs(acme.calls("/orders.json")[-1].query)["limit"] == ["250"]


def test_trap_20_a_token_that_ends_during_a_backfill_is_renewed_once_for_all(acme: Acme) -> None:
    acme.spread(4_500)
    acme.by_client_credentials()
    ends = iter([True])
    acme.between_pages(lambda: next(ends, False) and acme.shop.granted.clear())
    acme.backfill()
    assert acme.figures(ANN) == (4_500, 4_500)
    assert len(acme.calls("/access_token")) == 2


def test_trap_20_a_secret_that_is_wrong_stops_the_shop_without_a_loop(acme: Acme) -> None:
    acme.spread(600)
    acme.by_client_credentials()
    acme.backfill()
    acme.shop.granted.clear()
    acme.shop.token = "another secret"
    asked = len(acme.calls("/access_token"))
    acme.later(60)
    (error,) = acme.sync().errors
    assert isinstance(error, ConnectionBlocked)
    assert "client_id and client_secret" in str(error)
    calls = len(acme.calls())
    acme.later(60)
    acme.sync()
    assert len(acme.calls("/access_token")) == asked + 1
    assert len(acme.calls()) == calls


def test_trap_25_ids_that_no_float_can_tell_apart_are_different_orders(acme: Acme) -> None:
    ids = [2**53 + 1 + n for n in range(4)]
    assert len(set(map(float, ids))) < 4
    for id_ in ids:
        acme.order(ANN, 1_00, id=id_)
    acme.backfill()
    assert acme.figures(ANN) == (4, 4)


@pytest.mark.parametrize("written", ["43.00", "43.0", "43", "43.000"])
def test_trap_25_an_amount_is_the_same_however_it_is_written(acme: Acme, written: str) -> None:
    order = acme.order(ANN, 43_00)
    url = f"{acme.sandbox.urls['shopify']}/admin/api/2026-07/orders.json?status=any&ids={order.id}"
    shown = requests.get(url, headers={"X-Shopify-Access-Token": "sandbox"}, timeout=10).text
    body = shown.replace('"43.00"', f'"{written}"')
    acme.world.faults.add(Fault(kind="status", service="shopify", path="*/orders.json", status=200, body=body))
    acme.backfill()
    assert acme.figures(ANN) == (1, 43)


def test_trap_25_money_without_decimals_is_not_a_hundredth_of_itself(acme: Acme) -> None:
    acme.call("POST", "/shops/acme/profile", {"currency": "JPY"})
    acme.configure(rates={"JPY": 0.006})
    acme.order(ANN, 5_000)
    acme.backfill()
    assert acme.figures(ANN) == (1, 30)


def test_trap_25_an_answer_in_another_version_is_told(acme: Acme) -> None:
    acme.backfill()
    acme.world.clock.set(at("2029-01-15T00:00:00+00:00"))
    acme.order(ANN, 7_00)
    acme.sync()
    (warning,) = acme.warnings()
    assert re.match(r"shop acme: Shopify answers with version 2028-01 instead of \d{4}-\d\d → Update syncd", warning)


def test_trap_25_a_renamed_shop_is_told_with_what_to_write_and_nothing_is_sent_there(acme: Acme) -> None:
    acme.order(ANN, 10_00)
    acme.backfill()
    acme.shop.switches.renamed_to = "acme-madrid.myshopify.com"
    acme.later(60)
    (error,) = acme.sync().errors
    assert isinstance(error, ConnectionBlocked)
    assert "renamed to acme-madrid.myshopify.com" in str(error)
    assert 'domain = "acme-madrid.myshopify.com"' in error.hint
    (finding,) = acme.warnings()
    assert "renamed to acme-madrid.myshopify.com" in finding
    acme.shop.switches.renamed_to = ""
    acme.later(DAY)
    acme.order(ANN, 10_00)
    acme.cycle()
    assert acme.figures(ANN) == (2, 20)


def test_trap_25_addresses_that_are_hidden_overnight_stop_the_shop_and_cost_nobody_anything(acme: Acme) -> None:
    for n in range(6):
        acme.order(ANN if n else None, 10_00)
        acme.person(f"person{n}@shop.example")
    acme.backfill()
    before = {email: member["tags"] for email, member in acme.state().items()}
    acme.shop.switches.protected_data = False
    acme.later(600)
    for customer in list(acme.shop.customers):
        acme.shop.change_customer(customer.id)
    for order in list(acme.shop.orders):
        acme.shop.change_order(order.id)
    (error,) = acme.sync().errors
    assert isinstance(error, ConnectionBlocked)
    assert "hides every customer's e-mail address" in str(error)
    assert "protected customer data" in error.hint
    assert {email: member["tags"] for email, member in acme.state().items()} == before
    assert acme.figures(ANN) == (5, 50)
    (warning,) = acme.warnings()
    assert "protected customer data" in warning
    acme.shop.switches.protected_data = True
    acme.later(DAY)
    acme.cycle()
    assert acme.figures(ANN) == (5, 50)
    assert NOBODY not in before
