"""Shopify's traps, each through the whole of syncd: what the fields in the e-mail service say afterwards.

The numbers are those of the reference's list of traps. Those of webhooks, carts and GraphQL are elsewhere.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from threading import Event
from time import sleep
from typing import Any
from urllib.parse import parse_qs

import pytest
import requests
from msgspec.structs import replace
from sqlalchemy import func, select

from syncd import views
from syncd.checks import findings
from syncd.errors import ConnectionBlocked, UserError
from syncd.history.database import open_history
from syncd.history.schema import orders, quarantine
from syncd.pipeline import pull_all
from syncd.sandbox.audience import Switches
from syncd.sandbox.faults import Fault
from syncd.sandbox.shop import Order
from syncd.settings import load
from syncd.sources._walk import OVERLAP_SECONDS
from syncd.steps.context import Context, Stopped
from tests.integration.house import DAY
from tests.integration.mailchimp_world import Town
from tests.traps.mailchimp_stage import NOBODY, Home, Impatient, empty

ANN, BOB, EVE, ZOE = (f"{name}@shop.example" for name in ("ann", "bob", "eve", "zoe"))
RULES = """
[audiences.main.lifecycle.segments.buyer]
when = "orders(ever) >= 1"
[audiences.main.lifecycle.fields.ORDERS]
value = "orders(ever)"
[audiences.main.lifecycle.fields.SPENT]
value = "spend(ever)"
[audiences.main.lifecycle.fields.LASTORDER]
value = "last_order"
"""


class Acme(Home):
    """A syncd between one Shopify shop and an audience, both empty at first."""

    @property
    def shop(self) -> Any:
        return self.world.shops["acme"]

    def order(self, email: str | None, minor: int = 20_00, **more: Any) -> Order:  # type: ignore[override]
        """An order of this moment, of the shop's customer with this address, or of a guest."""
        known = self.shop.customer_of(email) if email else None
        made: Order = self.shop.add_order(
            **{"email": email, "customer_id": known.id if known else None, "total_minor": minor, **more}
        )
        return made

    def person(self, email: str) -> int:
        """A customer of the shop who is in the audience, too; their id."""
        self.joins(email)
        made: int = self.shop.add_customer(email=email).id
        return made

    def figures(self, email: str) -> tuple[float, float]:
        """Orders and spend of a member, as the e-mail service has them."""
        fields = self.fields(email)
        return fields.get("ORDERS", 0), fields.get("SPENT", 0)

    def known_orders(self) -> int:
        """How many orders of the shop are in the history."""
        with self.history.read() as db:
            return int(db.execute(select(func.count()).where(orders.c.shop == "acme", ~orders.c.deleted)).scalar() or 0)

    def quarantined(self) -> list[str]:
        """Why records were set aside."""
        with self.history.read() as db:
            return [row[0] for row in db.execute(select(quarantine.c.reason))]

    def shopify(self, ending: str = "") -> list[Any]:
        """The calls to Shopify so far whose path ends so."""
        self.call("GET", "/clock")
        return [each for each in self.world.log if each.service == "shopify" and each.path.endswith(ending)]

    def spread(self, count: int, email: str = ANN, *, apart: int = 600) -> None:
        """So many orders of one person over 1.00, the last of them a day ago."""
        end = self.now - DAY
        for n in range(count):
            at = end - (count - n) * apart
            self.order(email, 1_00, placed_at=at, created_at=at, updated_at=at)

    def between_pages(self, act: Callable[[], object]) -> None:
        """Afterwards `act` happens after each page of orders that is read."""
        self.context.progress = lambda task, advance, expected: act() and None if task == "acme: orders" else None

    def warnings(self) -> list[str]:
        """What `syncd check` says of the shop beyond that all is well."""
        found = [finding for finding in findings(self.context.settings) if finding.mark != "ok"]
        return [f"{each.text} → {each.hint}" for each in found if each.text.startswith("shop acme")]

    def by_client_credentials(self) -> None:
        """Afterwards tokens are granted for client id and secret."""
        self._rewrite(r'(?m)^token = "(.*)"$', r'client_id = "app"\nclient_secret = "\1"')

    def configure(self, rules: str = "", **audience: object) -> None:
        """As the sandbox offers it, without the other shop."""
        super().configure(rules, **audience, shops=["acme"])
        self._rewrite(r"(?s)\[shops\.cafe\].*?\n(?=\[)", "")

    def _rewrite(self, pattern: str, text: str) -> None:
        path = self.directory / "syncd.toml"
        path.write_text(re.sub(pattern, text, path.read_text("utf-8")), "utf-8")
        self.context = Context(load(path), self.history, self.context.clock, Impatient())


@pytest.fixture
def acme(mailchimp_town: Town, emptied_url: Callable[[str], str], tmp_path: Path) -> Iterator[Acme]:
    empty(mailchimp_town, Switches())
    with open_history(emptied_url("sqlite")) as history:
        house = Acme(mailchimp_town.running, history, tmp_path, rules=RULES)
        house.person(ANN)
        yield house
    mailchimp_town.world.throttle.enforce = False


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
    calls = acme.shopify("/orders.json")
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
    pages = iter(range(100))

    def cut_off() -> None:
        if next(pages) == 4:
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
    acme.shop.switches.scopes = ("read_orders", "read_customers")
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


SPEND = {
    # financial_status      plain        cancelled  test
    "pending":             ((0, 0),      (0, 0),    (0, 0)),
    "authorized":          ((1, 100),    (0, 0),    (0, 0)),
    "partially_paid":      ((1, 100),    (0, 0),    (0, 0)),
    "paid":                ((1, 100),    (0, 0),    (0, 0)),
    "partially_refunded":  ((1, 70),     (0, 0),    (0, 0)),
    "refunded":            ((0, 0),      (0, 0),    (0, 0)),
    "voided":              ((0, 0),      (0, 0),    (0, 0)),
    "expired":             ((0, 0),      (0, 0),    (0, 0)),
}  # fmt: skip


def test_trap_09_every_state_of_an_order_counts_as_the_table_says(acme: Acme) -> None:
    given_back = {"partially_refunded": 30_00, "refunded": 100_00}
    expected = {}
    for state, cells in SPEND.items():
        for kind, cell in zip(("plain", "cancelled", "test"), cells, strict=True):
            email = f"{state}.{kind}@shop.example"
            acme.person(email)
            made = acme.order(email, 100_00, test=kind == "test")
            if state in given_back:
                acme.shop.refund(made.id, given_back[state])
            acme.shop.change_order(made.id, status=state, cancelled_at=acme.now if kind == "cancelled" else None)
            expected[email] = cell
    acme.backfill()
    assert {email: acme.figures(email) for email in expected} == expected


@pytest.mark.parametrize("outcome", ["pending", "failure"])
def test_trap_10_a_refund_counts_from_when_its_money_moved(acme: Acme, outcome: str) -> None:
    order = acme.order(ANN, 100_00)
    acme.shop.refund(order.id, 25_00, outcome)
    acme.backfill()
    assert acme.figures(ANN) == (1, 100)
    acme.later(3 * DAY)
    (refund,) = acme.shop.orders[order.id].refunds
    acme.shop.change_order(order.id, refunds=(replace(refund, outcome="success"),), status="partially_refunded")
    acme.cycle()
    assert acme.figures(ANN) == (1, 75)


def test_trap_11_what_the_buyer_saw_is_never_added_up(acme: Acme) -> None:
    order = acme.order(ANN, 100_00, presentment="GBP")
    acme.shop.refund(order.id, 50_00)
    acme.order(ANN, 10_00, presentment="USD")
    acme.backfill()
    assert acme.figures(ANN) == (2, 60)


def test_trap_11_orders_in_a_money_that_the_shop_counts_in_now_are_set_aside_or_converted(acme: Acme) -> None:
    acme.order(ANN, 10_00)
    acme.backfill()
    acme.later(600)
    acme.call("POST", "/shops/acme/profile", {"currency": "JPY"})
    new = acme.order(ANN, 1_000)
    assert new.currency == "JPY"
    acme.cycle()
    assert acme.figures(ANN) == (1, 10)
    (reason,) = acme.quarantined()
    assert "JPY" in reason
    (problem,) = acme.warnings()
    assert "sells in JPY" in problem
    acme.configure(rates={"JPY": 0.006})
    acme.later(600)
    acme.shop.change_order(new.id)
    acme.cycle()
    assert acme.figures(ANN) == (2, 16)
    assert acme.quarantined() == []


def test_trap_12_orders_belong_to_an_address_however_it_is_written_and_whatever_id_it_has(acme: Acme) -> None:
    acme.order(ANN, 1_00)
    acme.order("  Ann@Shop.EXAMPLE ", 2_00)
    twin = acme.shop.add_customer(email="ANN@shop.example")
    acme.order("ANN@shop.example", 4_00, customer_id=twin.id)
    acme.order("ann@shop.example\u200b", 8_00)
    acme.order(None, 16_00)
    acme.order("", 32_00)
    acme.backfill()
    assert acme.figures(ANN) == (4, 15)
    assert acme.known_orders() == len(acme.shop.orders)
    assert acme.quarantined() == []


def test_trap_13_orders_follow_a_customer_to_a_new_address(acme: Acme) -> None:
    id_ = acme.shop.customer_of(ANN).id
    acme.order(ANN, 10_00)
    acme.backfill()
    acme.later(600)
    acme.shop.change_customer(id_, email=ZOE)
    acme.cycle()
    acme.order(ZOE, 5_00)
    acme.cycle()
    explained = views.explain(acme.context, "main", ZOE, acme.context.today(acme.context.settings.audiences["main"]))
    assert explained["metrics"]["orders(ever)"] == 2
    with pytest.raises(UserError):
        views.explain(acme.context, "main", ANN, acme.context.today(acme.context.settings.audiences["main"]))


def test_trap_14_a_merge_unites_the_orders_under_the_customer_who_is_kept(acme: Acme) -> None:
    gone = acme.shop.customer_of(ANN).id
    kept = acme.person(BOB)
    acme.order(ANN, 10_00)
    acme.order(BOB, 20_00)
    acme.backfill()
    # A merge that fails touches both, and changes nothing.
    acme.later(600)
    for id_ in (gone, kept):
        acme.shop.change_customer(id_)
    acme.cycle()
    assert (acme.figures(ANN), acme.figures(BOB)) == ((1, 10), (1, 20))
    acme.later(600)
    acme.shop.merge_customers(gone, kept)
    acme.cycle()
    assert acme.figures(BOB) == (2, 30)
    with acme.history.read() as db:
        owners = Counter(row[0] for row in db.execute(select(orders.c.shop_customer_id).where(orders.c.shop == "acme")))
    assert owners[str(kept)] == 2
    assert str(gone) not in owners


YEAR_RULES = """
[audiences.main.lifecycle.segments.big]
when = "spend(this year) >= 100"
[audiences.main.lifecycle.segments.busy]
when = "orders(7 days) >= 2"
[audiences.main.lifecycle.fields.LASTORDER]
value = "last_order"
"""


@pytest.fixture
def new_york(acme: Acme) -> Acme:
    """Shop and audience in New York."""
    acme.call("POST", "/shops/acme/profile", {"timezone": "America/New_York"})
    acme.configure(YEAR_RULES, timezone="America/New_York")
    return acme


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp())


def test_trap_15_a_year_begins_at_the_shops_midnight(new_york: Acme) -> None:
    new_york.person(BOB)
    new_york.world.clock.set(at("2027-01-02T12:00:00-05:00"))
    for email, when in ((ANN, "2026-12-31T23:59:59-05:00"), (BOB, "2027-01-01T00:00:00-05:00")):
        new_york.order(email, 100_00, placed_at=at(when))
    new_york.backfill()
    assert (new_york.tags(ANN), new_york.tags(BOB)) == (set(), {"big"})
    assert new_york.fields(ANN)["LASTORDER"] == "2026-12-31"
    assert new_york.fields(BOB)["LASTORDER"] == "2027-01-01"


@pytest.mark.parametrize(
    ("evening", "morning", "last", "today"),
    [
        # The clock goes forward on 14 March 2027, and back on 7 November 2027.
        ("2027-03-13T23:30:00-05:00", "2027-03-14T23:30:00-04:00", "2027-03-14", "2027-03-20T12:00:00-04:00"),
        ("2027-11-06T23:30:00-04:00", "2027-11-07T23:30:00-05:00", "2027-11-07", "2027-11-13T12:00:00-05:00"),
    ],
)
def test_trap_15_days_are_the_shops_own_across_a_change_of_the_clock(
    new_york: Acme, evening: str, morning: str, last: str, today: str
) -> None:
    new_york.person(BOB)
    new_york.world.clock.set(at(today))
    for email, first in ((ANN, evening), (BOB, morning)):
        new_york.order(email, 10_00, placed_at=at(first))
        new_york.order(email, 10_00, placed_at=at(morning))
    new_york.backfill()
    # Seven dates, today included, begin on the day of the change.
    assert new_york.fields(ANN)["LASTORDER"] == last
    assert (new_york.tags(ANN), new_york.tags(BOB) - {"big"}) == (set(), {"busy"})


def test_trap_15_times_are_compared_as_instants_not_as_they_are_written(new_york: Acme) -> None:
    first, then = at("2027-11-07T01:50:00-04:00"), at("2027-11-07T01:10:00-05:00")
    assert first < then
    new_york.world.clock.set(first)
    order = new_york.order(ANN, 10_00)
    new_york.backfill()
    new_york.world.clock.set(then)
    new_york.shop.change_order(order.id, total_minor=200_00)
    new_york.order(ANN, 10_00)
    new_york.cycle()
    assert new_york.tags(ANN) == {"big", "busy"}
    # Once it is old enough, the next read begins at the latest order, whatever its offset makes of it.
    for _ in range(2):
        new_york.later(2 * OVERLAP_SECONDS)
        new_york.cycle()
    asked = parse_qs(new_york.shopify("/orders.json")[-1].query)["updated_at_min"]
    assert asked == ["2027-11-07T06:10:00Z"]


def test_trap_16_an_imported_order_is_as_old_as_when_it_was_placed(acme: Acme) -> None:
    acme.configure(RULES + '[audiences.main.lifecycle.segments.recent]\nwhen = "orders(6 months) >= 1"\n')
    acme.order(ANN, 10_00, placed_at=at("2019-05-04T12:00:00+02:00"))
    acme.backfill()
    assert acme.fields(ANN)["LASTORDER"] == "2019-05-04"
    assert acme.tags(ANN) == {"buyer"}


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
    before = len(acme.shopify())
    acme.cycle()
    assert acme.figures(ANN) == (301, 301)
    answers = Counter(each.status for each in acme.shopify()[before:])
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
    assert parse_qs(acme.shopify("/orders.json")[-1].query)["limit"] == ["250"]


def test_trap_20_a_token_that_ends_during_a_backfill_is_renewed_once_for_all(acme: Acme) -> None:
    acme.spread(4_500)
    acme.by_client_credentials()
    ends = iter([True])
    acme.between_pages(lambda: next(ends, False) and acme.shop.granted.clear())
    acme.backfill()
    assert acme.figures(ANN) == (4_500, 4_500)
    assert len(acme.shopify("/access_token")) == 2


def test_trap_20_a_secret_that_is_wrong_stops_the_shop_without_a_loop(acme: Acme) -> None:
    acme.spread(600)
    acme.by_client_credentials()
    acme.backfill()
    acme.shop.granted.clear()
    acme.shop.token = "another secret"
    asked = len(acme.shopify("/access_token"))
    acme.later(60)
    (error,) = acme.sync().errors
    assert isinstance(error, ConnectionBlocked)
    assert "client_id and client_secret" in str(error)
    calls = len(acme.shopify())
    acme.later(60)
    acme.sync()
    assert len(acme.shopify("/access_token")) == asked + 1
    assert len(acme.shopify()) == calls


def test_trap_22_what_is_deleted_counts_no_more(acme: Acme) -> None:
    gone = acme.order(ANN, 10_00)
    acme.order(ANN, 20_00)
    nobody_yet = acme.person(BOB)
    acme.backfill()
    acme.later(600)
    acme.shop.delete_order(gone.id)
    acme.shop.delete_customer(nobody_yet)
    acme.cycle()
    assert acme.figures(ANN) == (1, 20)
    assert acme.known_orders() == len(acme.shop.orders)


def test_trap_22_an_order_that_is_deleted_before_it_was_read_never_counts(acme: Acme) -> None:
    acme.backfill()
    acme.later(600)
    acme.shop.delete_order(acme.order(ANN, 10_00).id)
    acme.cycle()
    assert acme.figures(ANN) == (0, 0)


def test_trap_22_a_redacted_person_has_no_orders_any_more(acme: Acme) -> None:
    acme.order(ANN, 10_00)
    acme.backfill()
    assert acme.tags(ANN) == {"buyer"}
    acme.later(600)
    acme.shop.redact_customer(acme.shop.customer_of(ANN).id)
    acme.cycle()
    acme.cycle()
    assert ANN not in acme.state() or acme.tags(ANN) == set()
    with pytest.raises(UserError):
        views.explain(acme.context, "main", ANN, acme.context.today(acme.context.settings.audiences["main"]))


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
