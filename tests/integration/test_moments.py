"""Moments: what happens to a person is told to the e-mail service once, in time, and only to whom it may be told."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import select

from syncd import pipeline
from syncd.cli import group
from syncd.errors import UnsafePlan
from syncd.history.database import History
from syncd.history.schema import writes as trail_of
from syncd.sandbox.audience.members import subscriber_hash
from syncd.sandbox.faults import Fault
from syncd.sandbox.populate import LIST_ID
from tests.integration.house import DAY
from tests.integration.mailchimp_world import Town
from tests.integration.moments_home import (
    ANN,
    BOB,
    CARTS,
    HOUR,
    JOINS,
    ORDERS,
    REGULARS,
    SEGMENTS,
    after_import,
    moments_of,
    on_both,
    tally,
    told,
)
from tests.traps.mailchimp_stage import Home, wiretap


@pytest.fixture(scope="module")
def town() -> Iterator[Town]:
    with Town() as town:
        town.world.throttle.enforce = False
        yield town


@pytest.fixture(params=["sqlite"])
def home(request: pytest.FixtureRequest, town: Town, emptied_history: Callable[[str], History], tmp_path: Path) -> Home:
    return after_import(town, emptied_history(request.param), tmp_path)


@on_both
def test_each_order_is_told_once_an_hour_after_it_and_a_first_import_tells_nothing(home: Home) -> None:
    assert told(home) == []
    for _ in range(2):
        home.buys(ANN)
        home.cycle()
        home.later(HOUR - 300)
        home.cycle()
        before = told(home)
        home.later(300)
        home.cycle()
        assert told(home) == [*before, (ANN, "thanks")]
        home.cycle()
    assert told(home) == [(ANN, "became regular"), (ANN, "thanks"), (ANN, "thanks")]


@on_both
def test_each_stay_in_a_segment_is_told_once_when_it_begins_and_when_it_ends(home: Home) -> None:
    for _ in range(2):
        home.later(31 * DAY)
        home.cycle()
        home.cycle()
        home.buys(BOB)
        home.cycle()
        home.cycle()
    assert [event for email, event in told(home) if email == BOB and "thanks" not in event] == [
        *("gone", "back again", "gone", "back again"),
    ]
    assert [event for email, event in told(home) if email == ANN] == ["gone"]


def test_the_service_is_told_what_a_mail_needs_and_nothing_personal(home: Home) -> None:
    home.configure(SEGMENTS + ORDERS.replace('"thanks"', '"thank you"'))
    home.buys(ANN, "1234.50", lines=[{"title": "Black tea", "price": "1234.50"}])
    home.cycle()
    home.later(HOUR)
    with wiretap() as writes:
        home.cycle()
    (told_of, body) = writes[-1][1:]
    assert told_of == f"/lists/{LIST_ID}/members/{subscriber_hash(ANN)}/events"
    assert body == {
        "name": "thank you",
        "properties": {"episode": body["properties"]["episode"], "order": "1234.50 EUR", "product": "Black tea"},
    }
    assert re.fullmatch("[0-9a-f]{24}", body["properties"]["episode"])
    with home.history.read() as db:
        trail = db.execute(select(trail_of.c.moments).where(trail_of.c.moments != "")).scalars().all()
    assert [json.loads(episodes) for episodes in trail] == [[body["properties"]["episode"]]]


def test_fields_and_tags_of_a_person_are_written_before_they_are_told_anything(home: Home) -> None:
    home.configure(SEGMENTS + JOINS + '[audiences.main.lifecycle.fields.ORDERS]\nvalue = "orders(ever)"\n')
    home.cycle()
    home.buys(ANN)
    with wiretap() as writes:
        home.cycle()
    paths = [(method, path.rpartition("/")[2]) for method, path, _ in writes]
    assert paths == [("PATCH", subscriber_hash(ANN)), ("POST", "tags"), ("POST", "events")]


@pytest.mark.parametrize("undo", ["refund", "cancel"])
def test_an_order_that_was_taken_back_before_its_time_is_never_told(home: Home, undo: str) -> None:
    order = home.buys(BOB)
    home.cycle()
    if undo == "refund":
        home.call("POST", "/shops/acme/refunds", {"order_id": order.id})
    else:
        home.call("POST", f"/shops/acme/orders/{order.id}", {"cancelled_at": home.now})
    home.later(HOUR)
    home.cycle()
    home.cycle()
    assert told(home) == []
    assert moments_of(home, BOB) == [("thanks", "dropped", "order-undone")]


@pytest.mark.parametrize("refunded", [False, True])
def test_an_order_is_told_only_when_its_shop_was_read_after_its_time(home: Home, refunded: bool) -> None:
    order = home.buys(BOB)
    home.cycle()
    home.world.faults.add(Fault(kind="status", service="shopify", status=503))
    if refunded:
        home.call("POST", "/shops/acme/refunds", {"order_id": order.id})
    home.later(HOUR)
    home.sync()
    assert told(home) == []
    home.world.faults.clear()
    home.cycle()
    assert told(home) == ([] if refunded else [(BOB, "thanks")])


def test_what_was_told_what_was_not_and_why_is_said_by_status_plan_and_explain(home: Home) -> None:
    order = home.buys(BOB)
    home.cycle()
    home.call("POST", "/shops/acme/refunds", {"order_id": order.id})
    home.later(HOUR)
    home.cycle()
    home.buys(BOB)
    home.cycle()
    home.later(HOUR)
    pipeline.pull_all(home.context, ["acme"])
    assert "Events to send: thanks 1." in says(home, "plan")
    home.cycle()
    said = says(home, "status")
    assert "main: moment thanks: 0 waiting; in the last 24 hours 1 sent, 1 dropped" in said
    assert "moment gone" not in said
    assert "thanks: dropped (the order was cancelled or refunded)" in says(home, "explain", BOB)
    assert "thanks: descartada (el pedido se canceló o se reembolsó)" in says(home, "explain", BOB, "--language", "es")


def says(home: Home, *command: str) -> str:
    """What a command prints that is given the same configuration and history."""
    config = home.directory / "asked.toml"
    url = home.history.engine.url.render_as_string(False)
    text = (home.directory / "syncd.toml").read_text("utf-8")
    config.write_text(text.replace("sqlite:///syncd.db", url), "utf-8")
    return CliRunner().invoke(group, ["--config", str(config), *command], catch_exceptions=False).output


def test_an_order_that_comes_too_late_is_dropped_and_counted(home: Home) -> None:
    home.buys(BOB, placed_at=home.now - 60)
    home.later(3 * DAY)
    home.cycle()
    assert (told(home), tally(home, "thanks")) == ([], (0, 0, 1))
    assert moments_of(home, BOB) == [("thanks", "dropped", "too-late")]


def test_after_an_outage_of_days_nobody_gets_old_news_and_fresh_news_are_told(home: Home) -> None:
    home.buys(ANN)
    home.cycle()
    home.strike("*", status=503, method="POST")
    home.later(HOUR)
    home.sync()
    home.later(3 * DAY)
    home.buys(BOB)
    home.sync()
    home.world.faults.clear()
    home.later(HOUR)
    for _ in range(3):
        home.cycle()
    assert [(email, event) for email, event in told(home) if event == "thanks"] == [(BOB, "thanks")]


def test_who_is_not_subscribed_when_it_is_due_is_not_told_later_either(home: Home) -> None:
    home.buys(BOB)
    home.cycle()
    home.acts(BOB, {"status": "unsubscribed"})
    home.later(HOUR)
    home.cycle()
    home.acts(BOB, {"status": "subscribed"})
    home.cycle()
    assert told(home) == []
    assert moments_of(home, BOB) == [("thanks", "dropped", "not-subscribed")]


def test_who_becomes_a_member_by_the_order_is_thanked_for_it(home: Home) -> None:
    field = '[audiences.main.lifecycle.fields.ORDERS]\nvalue = "orders(ever)"\n'
    home.configure(SEGMENTS + ORDERS + 'settle = "0 minutes"\n' + field)
    home.cycle()
    home.buys("new@shop.example")
    home.buys("silent@shop.example", consent="not_subscribed")
    home.cycle()
    home.cycle()
    home.acts("silent@shop.example", {"status": "subscribed"})
    home.cycle()
    assert told(home) == [("new@shop.example", "thanks")]


def test_the_control_group_of_a_segment_is_not_told_of_it(home: Home) -> None:
    rules = SEGMENTS.replace('>= 2"', '>= 2"\ncontrol = 99.9')
    home.configure(rules + JOINS + ORDERS)
    home.cycle()
    home.buys(ANN)
    home.cycle()
    home.later(HOUR)
    home.cycle()
    assert told(home) == [(ANN, "thanks")]
    assert ("regular", "dropped", "control-group") in moments_of(home, ANN)


def test_what_was_before_a_moment_came_into_use_is_never_told(home: Home) -> None:
    home.configure(SEGMENTS + JOINS)
    home.cycle()
    home.buys(ANN)
    home.cycle()
    home.configure(SEGMENTS + JOINS + ORDERS + REGULARS)
    home.cycle()
    home.later(2 * HOUR)
    home.cycle()
    home.later(HOUR)
    home.buys(BOB)
    home.cycle()
    home.later(HOUR)
    home.cycle()
    assert told(home) == [(ANN, "became regular"), (BOB, "thanks")]


def test_what_waits_under_a_moment_that_is_taken_out_is_dropped(home: Home) -> None:
    home.buys(BOB)
    home.cycle()
    home.configure(SEGMENTS + JOINS)
    home.cycle()
    home.configure(SEGMENTS + JOINS + ORDERS)
    home.later(HOUR)
    home.cycle()
    assert told(home) == []
    assert moments_of(home, BOB) == [("thanks", "dropped", "not-in-use")]


def test_another_tag_for_a_segment_is_no_new_stay_in_it(home: Home) -> None:
    home.configure(SEGMENTS.replace('>= 2"', '>= 2"\ntag = "fan"') + JOINS + 'settle = "0 minutes"')
    home.cycle()
    assert home.state()[BOB]["tags"] == ["syncd:fan"]
    home.buys(ANN)
    home.cycle()
    assert told(home) == [(ANN, "became regular")]


def test_who_leaves_again_before_it_is_due_is_not_told(home: Home) -> None:
    home.configure(SEGMENTS + JOINS.replace('"gone"\n', '"gone"\nsettle = "2 hours"\n'))
    home.cycle()
    home.later(31 * DAY)
    home.cycle()
    home.buys(ANN)
    home.cycle()
    home.later(3 * HOUR)
    home.cycle()
    assert {one for one in told(home) if one[1] == "gone"} == {(BOB, "gone")}
    assert ("gone", "dropped", "left-again") in moments_of(home, ANN)


# Carts.


def leaves(home: Home, email: str, **more: object) -> str:
    """Somebody leaves a cart; its token."""
    return str(home.call("POST", "/shops/acme/carts", {"email": email, "amount": "35.00", **more})["token"])


@on_both
def test_a_cart_is_told_once_when_its_owner_has_stayed_away(home: Home) -> None:
    token = leaves(home, ANN)
    home.cycle()
    home.later(2 * HOUR)
    leaves(home, ANN, token=token, amount="40.00")
    home.cycle()
    home.later(2 * HOUR)
    home.cycle()
    assert told(home) == []
    home.later(HOUR)
    with wiretap() as writes:
        home.cycle()
    assert writes[-1][2]["properties"]["cart"] == "40.00 EUR"
    leaves(home, ANN, token=token, amount="50.00")
    for _ in range(2):
        home.later(4 * HOUR)
        home.cycle()
    assert told(home) == [(ANN, "cart left")]


@pytest.mark.parametrize("bought", ["the cart", "something else"])
def test_a_cart_of_somebody_who_bought_is_not_told(home: Home, bought: str) -> None:
    home.configure(SEGMENTS + CARTS)
    home.cycle()
    token = leaves(home, ANN)
    home.cycle()
    home.later(HOUR)
    if bought == "the cart":
        leaves(home, ANN, token=token, recover=True)
    else:
        home.buys(ANN)
    home.cycle()
    home.later(3 * HOUR)
    home.cycle()
    assert told(home) == []
    assert moments_of(home, ANN) == [("cart", "dropped", "cart-over")]


# Plan, brake and budget.


def plan_of(home: Home) -> dict[str, Any]:
    """The plan as `syncd plan` shows it."""
    today = home.context.today(home.context.settings.audiences["main"])
    return pipeline.plan_only(home.context, "main", today, live=True)


def test_the_plan_shows_whom_a_change_of_the_rules_would_tell_and_the_cycle_tells_them(home: Home) -> None:
    home.configure(SEGMENTS.replace(">= 2", ">= 1") + JOINS)
    assert plan_of(home)["moments"] == [{"name": "regular", "announce": 1, "waiting": 0}]
    assert plan_of(home)["counts"]["event"] == 1
    home.cycle()
    assert told(home) == [(ANN, "became regular")]
    assert plan_of(home)["moments"] == []


def test_the_days_budget_lets_events_wait_and_the_plan_says_so(home: Home) -> None:
    home.configure(SEGMENTS + ORDERS, max_entries_per_day=1)
    home.cycle()
    home.buys(ANN, placed_at=home.now - 90)
    home.buys(BOB)
    home.cycle()
    home.later(HOUR)
    home.cycle()
    assert told(home) == [(ANN, "thanks")]
    assert plan_of(home)["moments"] == [{"name": "thanks", "announce": 0, "waiting": 1}]
    assert tally(home, "thanks") == (1, 1, 0)
    home.later(DAY)
    home.cycle()
    assert told(home) == [(ANN, "thanks"), (BOB, "thanks")]


def test_an_unusual_number_of_one_event_is_held_until_it_is_approved(home: Home) -> None:
    home.configure(SEGMENTS + ORDERS, brake={"additions_min": 1, "additions_share": 0.0})
    home.cycle()
    for someone in (ANN, BOB):
        home.buys(someone)
    home.later(60)
    home.sync()
    home.later(HOUR)
    (held,) = home.sync().errors
    assert "2 people would get the event of thanks, the limit is 1" in str(held)
    assert told(home) == []
    assert isinstance(held, UnsafePlan)
    pipeline.approve(home.context, held.plan_id)
    pipeline.send_approved(home.context, "main")
    home.cycle()
    assert sorted(told(home)) == [(ANN, "thanks"), (BOB, "thanks")]


# People who become somebody else.


def moves(home: Home, email: str, new: str) -> None:
    """The shop changes somebody's address."""
    customer = home.world.shops["acme"].customer_of(email)
    assert customer
    home.call("POST", f"/shops/acme/customers/{customer.id}", {"email": new})


@on_both
def test_an_episode_goes_on_under_a_new_address_and_what_waits_is_told_there(home: Home) -> None:
    home.configure(SEGMENTS + JOINS + ORDERS)
    home.later(31 * DAY)
    home.cycle()
    home.cycle()
    assert sorted(told(home)) == [(ANN, "gone"), (BOB, "gone")]
    home.buys(BOB)
    home.cycle()
    moves(home, ANN, "anna@shop.example")
    moves(home, BOB, "robert@shop.example")
    home.cycle()
    home.later(HOUR)
    home.cycle()
    home.cycle()
    assert told(home)[2:] == [(BOB, "back again"), ("robert@shop.example", "thanks")]
    home.buys("anna@shop.example")
    home.cycle()
    assert ("anna@shop.example", "back again") in told(home)


def test_a_stay_that_has_to_settle_is_told_under_the_new_address(home: Home) -> None:
    home.configure(SEGMENTS + JOINS.replace('"gone"\n', '"gone"\nsettle = "2 hours"\n'))
    home.cycle()
    home.later(31 * DAY)
    home.cycle()
    moves(home, ANN, "anna@shop.example")
    home.cycle()
    home.later(2 * HOUR)
    home.cycle()
    assert sorted(told(home)) == [("anna@shop.example", "gone"), (BOB, "gone")]


def test_who_is_merged_with_another_contact_is_told_once_and_only_there(home: Home) -> None:
    home.later(31 * DAY)
    home.cycle()
    home.buys(BOB)
    home.cycle()
    ann, bob = (home.world.shops["acme"].customer_of(email) for email in (ANN, BOB))
    assert ann
    assert bob
    home.call("POST", f"/shops/acme/customers/{bob.id}/merge", {"into": ann.id})
    home.cycle()
    home.later(HOUR)
    home.cycle()
    home.cycle()
    assert [(email, event) for email, event in told(home) if event == "thanks"] == [(ANN, "thanks")]
    assert Counter(event for _, event in told(home))["gone"] == 2


def test_who_was_erased_is_told_nothing_more(home: Home) -> None:
    home.buys(BOB)
    home.cycle()
    bob = home.world.shops["acme"].customer_of(BOB)
    assert bob
    home.call("POST", f"/shops/acme/customers/{bob.id}/redact", {})
    home.later(HOUR)
    home.cycle()
    home.cycle()
    assert told(home) == []
    assert home.state()[BOB]["status"] == "archived"
