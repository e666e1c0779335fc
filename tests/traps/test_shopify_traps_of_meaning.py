"""Shopify's traps in meaning: whose an order is, when it was, and what it is worth, through the whole of syncd.

The numbers are those of the reference's list of traps.
"""

from __future__ import annotations

from collections import Counter
from urllib.parse import parse_qs

import pytest
from msgspec.structs import replace
from sqlalchemy import select

from syncd import views
from syncd.errors import UserError
from syncd.history.schema import orders
from syncd.sources._walk import OVERLAP_SECONDS
from tests.integration.house import DAY
from tests.traps.shop_stage import ANN, BOB, RULES, ZOE, at
from tests.traps.shopify_stage import Acme

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
    asked = parse_qs(new_york.calls("/orders.json")[-1].query)["updated_at_min"]
    assert asked == ["2027-11-07T06:10:00Z"]


def test_trap_16_an_imported_order_is_as_old_as_when_it_was_placed(acme: Acme) -> None:
    acme.configure(RULES + '[audiences.main.lifecycle.segments.recent]\nwhen = "orders(6 months) >= 1"\n')
    acme.order(ANN, 10_00, placed_at=at("2019-05-04T12:00:00+02:00"))
    acme.backfill()
    assert acme.fields(ANN)["LASTORDER"] == "2019-05-04"
    assert acme.tags(ANN) == {"buyer"}


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
