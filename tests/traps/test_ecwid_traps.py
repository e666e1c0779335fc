"""Ecwid's traps, each through the whole of syncd: what the fields in the e-mail service say afterwards.

The numbers are those of the reference's list of traps. What a signature covers is asked with the webhooks.
"""

from __future__ import annotations

import json
from collections import Counter
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from threading import Event
from urllib.parse import parse_qs

import pytest
from sqlalchemy import select

from syncd.errors import ConnectionBlocked, TransientError
from syncd.history.schema import identities
from syncd.history.shops import cursors_of
from syncd.pipeline import REST_SECONDS
from syncd.sandbox.carts import begin
from syncd.sandbox.ecwid.answers import ERRORS
from syncd.sandbox.ecwid.limit import BAD_CALLS_PER_MINUTE
from syncd.sandbox.shop import Wish
from syncd.sources._ecwid_api import PAGE_ROWS, REFUSED_SECONDS
from syncd.sources._walk import OVERLAP_SECONDS
from tests.integration.house import DAY
from tests.traps.ecwid_stage import API, Cafe, after_pages, page_of
from tests.traps.mailchimp_stage import Impatient
from tests.traps.shop_stage import ANN, BOB, EVE, RULES, ZOE, at


def test_trap_24_customers_come_by_ten_where_no_limit_is_named_and_all_are_read(cafe: Cafe) -> None:
    emails = [f"p{n}@shop.example" for n in range(25)]
    for email in emails:
        cafe.person(email, city="Jaén")
    assert len(cafe.careless("customers")["items"]) == 10
    cafe.backfill()
    assert [cafe.fields(email).get("CITY") for email in emails] == ["Jaén"] * 25


@pytest.mark.parametrize("count", [350, 1_300])
def test_trap_24_rows_that_leave_the_list_between_two_pages_hide_no_other(cafe: Cafe, count: int) -> None:
    cafe.spread(count)
    newest = sorted(cafe.shop.orders, key=lambda order: order.placed_at)[-6:]
    pages = iter(range(4))

    def edit() -> None:
        # Each leaves the window at its head, and all behind it move up.
        if next(pages, None) is not None:
            cafe.later(1)
            cafe.shop.change_order(newest.pop().id, total_minor=3_00)

    with after_pages(edit):
        cafe.backfill()
    edited = 4
    cafe.cycle()
    assert cafe.figures(ANN) == (count, count + 2 * edited)


def test_trap_24_a_careless_client_misses_the_row_that_moved_up(cafe: Cafe) -> None:
    cafe.spread(150)
    until = cafe.now
    first = cafe.careless("orders", updatedTo=until)["items"]
    cafe.later(1)
    cafe.shop.change_order(max(cafe.shop.orders, key=lambda order: order.placed_at).id)
    second = cafe.careless("orders", updatedTo=until, offset=100)["items"]
    assert len({row["id"] for row in first + second}) == len(cafe.shop.orders) - 1


def test_trap_24_orders_that_arrive_between_two_pages_are_read_once(cafe: Cafe) -> None:
    cafe.spread(350)
    pages = iter(range(3))

    def arrive() -> None:
        if next(pages, None) is not None:
            cafe.order(ANN, 5_00)

    with after_pages(arrive):
        cafe.backfill()
    cafe.cycle()
    assert cafe.figures(ANN) == (353, 365)


def test_trap_24_a_partial_refund_without_its_amount_leaves_the_order_its_worth(cafe: Cafe) -> None:
    cafe.shop.switches.refund_amounts = False
    part, whole = cafe.order(ANN, 50_00), cafe.order(ANN, 30_00)
    cafe.backfill()
    assert cafe.figures(ANN) == (2, 80)
    cafe.later(600)
    cafe.shop.refund(part.id, 10_00)
    cafe.shop.refund(whole.id)
    rows = {row["paymentStatus"]: row["refundedAmount"] for row in cafe.careless("orders", email=ANN)["items"]}
    assert rows == {"PARTIALLY_REFUNDED": 0, "REFUNDED": 0}
    cafe.cycle()
    assert cafe.figures(ANN) == (1, 50)


def test_trap_24_a_refund_with_its_amount_lowers_spend_only(cafe: Cafe) -> None:
    order = cafe.order(ANN, 50_00)
    cafe.backfill()
    cafe.later(600)
    cafe.shop.refund(order.id, 10_00)
    cafe.cycle()
    assert cafe.figures(ANN) == (1, 40)


def test_trap_24_only_a_yes_makes_a_member(cafe: Cafe) -> None:
    said = {BOB: "subscribed", EVE: "unsubscribed", ZOE: "not_subscribed"}
    for email, consent in said.items():
        cafe.shop.add_customer(email=email, consent=consent, consent_at=cafe.now)
        cafe.order(email)
    rows = {row["email"]: row["acceptMarketing"] for row in cafe.careless("customers")["items"]}
    assert {email: rows[email] for email in said} == {BOB: True, EVE: False, ZOE: None}
    cafe.backfill()
    assert cafe.state().keys() & said.keys() == {BOB}


def test_trap_24_a_bad_token_is_tried_once_and_after_half_a_day_again(cafe: Cafe) -> None:
    cafe.backfill()
    cafe.world.throttle.enforce = True
    cafe.shop.token = "another"
    before = len(cafe.calls())
    assert "does not accept the token" in cafe.stopped()
    # The cycle leaves a blocked shop alone for an hour, the connection its token for longer.
    for _ in range(10):
        cafe.later(REST_SECONDS + 1)
        cafe.sync()
    assert len(cafe.calls()) == before + 1
    # It was good all the time, only not over there.
    cafe.shop.token = "sandbox"
    cafe.order(ANN, 7_00)
    cafe.later(REFUSED_SECONDS)
    cafe.sync_in_order()
    assert cafe.figures(ANN) == (1, 7)
    assert Counter(each.status for each in cafe.calls()[before:])[429] == 0


def test_trap_24_a_token_that_dies_during_a_backfill_is_not_tried_by_all_workers_for_long(cafe: Cafe) -> None:
    cafe.spread(3_000)
    calls = iter(range(8))

    def revoke() -> None:
        if next(calls, None) is None:
            cafe.shop.token = "another"

    with after_pages(revoke), pytest.raises(ConnectionBlocked, match="does not accept the token"):
        cafe.backfill()
    refused = [each for each in cafe.calls() if each.status == 403]
    assert 1 <= len(refused) <= BAD_CALLS_PER_MINUTE


def test_trap_24_another_token_in_the_configuration_is_tried_at_once(cafe: Cafe) -> None:
    cafe.backfill()
    cafe.shop.token = "another"
    assert "does not accept the token" in cafe.stopped()
    cafe.order(ANN, 7_00)
    cafe.with_token("another")
    cafe.cycle()
    assert cafe.figures(ANN) == (1, 7)


def test_trap_24_unfinished_orders_count_once_they_are_finished(cafe: Cafe) -> None:
    order = cafe.order(ANN, 30_00, status="expired")
    cafe.backfill()
    assert cafe.known_orders() == len(cafe.shop.orders) - 1
    assert cafe.figures(ANN) == (0, 0)
    cafe.later(600)
    cafe.shop.change_order(order.id, status="paid")
    cafe.cycle()
    assert cafe.figures(ANN) == (1, 30)


def test_trap_24_an_order_counts_although_its_customers_record_does_not_move(cafe: Cafe) -> None:
    cafe.backfill()
    cafe.later(DAY)
    before = cafe.shop.customer_of(ANN).updated_at
    cafe.order(ANN, 9_00)
    cafe.cycle()
    assert cafe.shop.customer_of(ANN).updated_at == before
    assert cafe.figures(ANN) == (1, 9)


def test_trap_24_a_quiet_store_costs_one_call_and_two_for_deletions(cafe: Cafe) -> None:
    cafe.backfill()
    cafe.later(DAY)
    cafe.sync_in_order()
    before = len(cafe.calls())
    cafe.cycle()
    paths = [each.path.removeprefix(API) for each in cafe.calls()[before:]]
    assert paths == ["/latest-stats", "/orders/deleted", "/customers/deleted"]


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("NOT_AVAILABLE_ON_CURRENT_PLAN", "plan does not include this"),
        ("STORE_IS_SUSPENDED", "suspended the store"),
        ("INVALID_API_TOKEN", "does not accept the token"),
        ("INSUFFICIENT_APP_SCOPE", "lacks a scope"),
        ("STORE_NOT_FOUND", "no such store"),
    ],
)
def test_trap_24_a_refusal_stops_the_store_with_its_reason_and_costs_nobody_anything(
    cafe: Cafe, code: str, says: str
) -> None:
    cafe.order(ANN)
    cafe.backfill()
    body = f'{{"errorMessage": "x", "errorCode": "{code}"}}'
    cafe.fails("/latest-stats", status=ERRORS[code][0], body=body)
    assert says in cafe.stopped()
    calls = len(cafe.calls())
    cafe.later(60)
    cafe.sync()
    assert len(cafe.calls()) == calls
    assert cafe.figures(ANN) == (1, 20)
    assert cafe.tags(ANN) == {"buyer"}


@pytest.mark.parametrize("status", [404, 408, 409, 500])
def test_trap_24_any_other_error_is_tried_again_in_the_next_cycle(cafe: Cafe, status: int) -> None:
    cafe.backfill()
    cafe.order(ANN)
    cafe.fails("/orders", status=status, body='{"errorMessage": "x"}', headers={"Retry-After": "0"})
    cafe.stopped()
    cafe.world.faults.clear()
    cafe.cycle()
    assert cafe.figures(ANN) == (1, 20)


def test_trap_24_a_plan_without_carts_costs_nothing_else_and_is_told(cafe: Cafe) -> None:
    cafe.shop.switches.abandoned_carts = False
    begin(cafe.shop, email=ANN, total_minor=34_00)
    cafe.order(ANN)
    assert cafe.backfill().errors == []
    assert cafe.figures(ANN) == (1, 20)
    assert "carts" not in cursors_of(cafe.history, "cafe")
    assert any("plan has no abandoned carts" in text for text in cafe.warnings())


def test_trap_24_a_wish_list_a_gift_card_and_a_campaign_confuse_nothing(cafe: Cafe) -> None:
    cafe.shop.change_customer(cafe.shop.customer_of(ANN).id, favorites=(Wish(1, cafe.now), Wish(2, cafe.now)))
    cafe.order(ANN, 20_00, gift_card_minor=30_00, utm={"source": "newsletter", "mcCid": "c1"})
    row = cafe.careless("orders", email=ANN)["items"][0]
    assert (row["giftCardRedemption"], row["totalBeforeGiftCardRedemption"]) == (30, 50)
    assert row["usdTotal"] != row["total"]
    cafe.backfill()
    # What the customer paid.
    assert cafe.figures(ANN) == (1, 20)


def test_trap_03_orders_that_are_edited_while_they_are_read_are_not_lost(cafe: Cafe) -> None:
    cafe.spread(1_300)
    oldest_first = sorted(cafe.shop.orders, key=lambda order: order.placed_at)

    def edit() -> None:
        if oldest_first:
            cafe.later(1)
            cafe.shop.change_order(oldest_first.pop(0).id, total_minor=3_00)
            del oldest_first[:100]

    with after_pages(edit):
        cafe.backfill()
    cafe.cycle()
    mine = [order for order in cafe.shop.orders if order.email == ANN]
    assert cafe.figures(ANN) == (1_300, sum(order.total_minor for order in mine) / 100)


def test_trap_04_many_orders_of_one_second_and_one_more_after_the_poll(cafe: Cafe) -> None:
    at_ = cafe.now - 120
    for _ in range(250):
        cafe.order(ANN, 1_00, updated_at=at_, placed_at=at_)
    cafe.backfill()
    assert cafe.figures(ANN) == (250, 250)
    # Committed late: as old as what was read, and older than the newest.
    cafe.order(ANN, 1_00, updated_at=at_, placed_at=at_)
    cafe.order(ANN, 1_00, updated_at=at_ - 30, placed_at=at_)
    cafe.cycle()
    assert cafe.figures(ANN) == (252, 252)


def test_trap_06_an_order_that_shows_minutes_after_its_own_time_is_still_read(cafe: Cafe) -> None:
    cafe.backfill()
    cafe.shop.switches.index_lag_seconds = OVERLAP_SECONDS - 60
    cafe.order(ANN, 30_00)
    seen = []
    for _ in range(5):
        cafe.cycle()
        cafe.order(BOB, 1_00)
        seen.append(cafe.figures(ANN))
    assert seen[0] == (0, 0)
    assert seen[-1] == (1, 30)


def test_trap_12_orders_belong_to_an_address_however_it_is_written_and_whatever_id_it_has(cafe: Cafe) -> None:
    cafe.order(ANN, 1_00)
    cafe.order("  Ann@Shop.EXAMPLE ", 2_00)
    twin = cafe.shop.add_customer(email="ANN@shop.example")
    cafe.order("ANN@shop.example", 4_00, customer_id=twin.id)
    cafe.order("ann@shop.example\u200b", 8_00)
    cafe.order(None, 16_00)
    cafe.order("", 32_00)
    cafe.backfill()
    assert cafe.figures(ANN) == (4, 15)
    assert cafe.known_orders() == len(cafe.shop.orders)
    assert cafe.quarantined() == []


def test_trap_12_customer_number_zero_is_nobody(cafe: Cafe) -> None:
    cafe.order(BOB, customer_id=0)
    cafe.order(EVE, customer_id=0)
    cafe.backfill()
    with cafe.history.read() as db:
        assert "0" not in set(db.execute(select(identities.c.shop_customer_id)).scalars())


YEAR_RULES = """
[audiences.main.lifecycle.segments.big]
when = "spend(this year) >= 100"
[audiences.main.lifecycle.fields.LASTORDER]
value = "last_order"
"""


def test_trap_15_a_year_begins_at_the_audiences_midnight_although_all_dates_are_utc(cafe: Cafe) -> None:
    cafe.configure(YEAR_RULES, timezone="America/New_York")
    cafe.person(BOB)
    cafe.world.clock.set(at("2027-01-02T12:00:00-05:00"))
    for email, when in ((ANN, "2026-12-31T23:59:59-05:00"), (BOB, "2027-01-01T00:00:00-05:00")):
        cafe.order(email, 100_00, placed_at=at(when))
    cafe.backfill()
    assert (cafe.tags(ANN), cafe.tags(BOB)) == (set(), {"big"})
    assert cafe.fields(ANN)["LASTORDER"] == "2026-12-31"
    assert cafe.fields(BOB)["LASTORDER"] == "2027-01-01"


@pytest.mark.parametrize("hours", [-5, 4])
def test_trap_15_stats_are_compared_as_instants_not_as_they_are_written(cafe: Cafe, hours: int) -> None:
    cafe.backfill()
    cafe.later(2 * DAY)
    cafe.sync_in_order()
    cafe.order(ANN)
    stats = cafe.careless("latest-stats")
    shifted = {name: in_zone(text, hours) for name, text in stats.items()}
    cafe.fails("/latest-stats", status=200, body=json.dumps(shifted))
    cafe.cycle()
    assert cafe.figures(ANN) == (1, 20)


def in_zone(text: str, hours: int) -> str:
    """The same instant, written with another offset."""
    when = datetime.fromisoformat(text.replace(" +", "+")).astimezone(timezone(timedelta(hours=hours)))
    return when.strftime("%Y-%m-%d %H:%M:%S %z")


def test_trap_16_an_imported_order_is_as_old_as_when_it_was_placed(cafe: Cafe) -> None:
    cafe.configure(RULES + '[audiences.main.lifecycle.segments.recent]\nwhen = "orders(6 months) >= 1"\n')
    cafe.order(ANN, 10_00, placed_at=at("2019-05-04T12:00:00+02:00"))
    cafe.backfill()
    assert cafe.fields(ANN)["LASTORDER"] == "2019-05-04"
    assert cafe.tags(ANN) == {"buyer"}


@pytest.mark.parametrize("headers", [{"Retry-After": "1"}, {}])
def test_trap_17_a_limit_that_others_have_used_up_is_waited_for(cafe: Cafe, headers: dict[str, str]) -> None:
    cafe.spread(350)
    cafe.backfill()
    cafe.order(ANN, 1_00)
    cafe.fails("/orders", status=429, headers=headers, count=1)
    cafe.context.stop = Event()
    before = len(cafe.calls("/orders"))
    cafe.cycle()
    assert cafe.figures(ANN) == (351, 351)
    assert [each.status for each in cafe.calls("/orders")[before:]].count(429) == 1


@pytest.mark.parametrize("kind", ["truncate", "reset", "empty", "html200"])
def test_trap_19_a_page_that_arrives_in_part_or_not_at_all_is_no_page(cafe: Cafe, kind: str) -> None:
    cafe.spread(350)
    cafe.fails("/orders", kind, after=2, count=2)
    for _ in range(3):
        # What is no page ends the cycle, what is no answer is asked for again at once.
        with suppress(TransientError):
            cafe.context.stop = Impatient()
            cafe.backfill()
    assert cafe.figures(ANN) == (350, 350)
    assert cafe.quarantined() == []


def test_trap_19_a_store_that_takes_too_long_over_a_page_is_asked_for_less_and_later_for_all(cafe: Cafe) -> None:
    cafe.spread(350)
    cafe.shop.switches.heavy_above = 30
    cafe.backfill()
    assert cafe.figures(ANN) == (350, 350)
    assert Counter(each.status for each in cafe.calls("/orders"))[408] <= 4
    cafe.shop.switches.heavy_above = None
    for _ in range(3):
        cafe.order(ANN, 1_00)
        cafe.cycle()
    asked = parse_qs([each for each in cafe.calls("/orders") if "offset" in each.query][-1].query)
    assert asked["limit"] == [str(PAGE_ROWS)]


def test_trap_22_what_is_deleted_counts_no_more(cafe: Cafe) -> None:
    gone = cafe.order(ANN, 10_00)
    cafe.order(ANN, 20_00)
    cafe.backfill()
    assert cafe.figures(ANN) == (2, 30)
    cafe.later(600)
    cafe.shop.delete_order(gone.id)
    cafe.cycle()
    assert cafe.figures(ANN) == (1, 20)


def test_trap_22_an_order_that_is_deleted_before_it_was_read_never_counts(cafe: Cafe) -> None:
    cafe.backfill()
    cafe.later(600)
    cafe.shop.delete_order(cafe.order(ANN, 10_00).id)
    cafe.order(ANN, 20_00)
    cafe.cycle()
    assert cafe.figures(ANN) == (1, 20)


def test_trap_25_ids_may_be_words_or_large_numbers(cafe: Cafe) -> None:
    odd = {"id": "2026-0001", "orderNumber": 2**60 + 1, "internalId": 2**60 + 1, "customerId": 2**60 + 1}
    row = cafe.careless("orders")["items"][0] | odd | {"email": ANN, "total": 7, "createTimestamp": cafe.now - 60}
    twin = row | {"id": 2**60 + 1, "customerId": 2**60 + 2}
    body = page_of(row | {"updateTimestamp": cafe.now - 60}, twin | {"updateTimestamp": cafe.now - 60})
    cafe.fails("/orders", status=200, body=body)
    cafe.backfill()
    assert cafe.figures(ANN) == (2, 14)


@pytest.mark.parametrize("written", ["43", "4.3e1", "42.999999999999996"])
def test_trap_25_an_amount_is_the_same_however_it_is_written(cafe: Cafe, written: str) -> None:
    cafe.order(ANN, 43_00)
    row = cafe.careless("orders", email=ANN)
    cafe.fails("/orders", status=200, body=page_of(*row["items"]).replace('"total": 43.0', f'"total": {written}'))
    cafe.backfill()
    assert cafe.figures(ANN) == (1, 43)


def test_trap_25_money_without_decimals_is_not_a_hundredth_of_itself(cafe: Cafe) -> None:
    cafe.shop.delete_order(next(iter(cafe.shop.orders)).id)
    cafe.call("POST", "/shops/cafe/profile", {"currency": "JPY"})
    cafe.configure(RULES, currency="JPY")
    cafe.order(ANN, 1_500)
    cafe.backfill()
    assert cafe.figures(ANN) == (1, 1_500)
