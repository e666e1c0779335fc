"""A dozen shapes of one accident: of each, nothing is written before a person has looked at it.

Every test is a whole syncd whose audience of 48 is so small that the limits are, too.
"""

from __future__ import annotations

import pytest

from syncd import pipeline, views
from syncd.errors import ConnectionBlocked, SyncdError, UnsafePlan
from syncd.history.shops import holdings
from syncd.sandbox.faults import Fault
from tests.integration.house import DAY, House
from tests.oracle import KNOWN_RULES

LIMITS = {"removals_min": 4, "removals_share": 0.0, "additions_min": 6, "additions_share": 0.0}


@pytest.fixture
def braked(house: House) -> House:
    """A live syncd with small limits, and nothing left to do."""
    house.configure(brake=LIMITS)
    house.sync_in_order()
    return house


def stopped(house: House) -> str:
    """What the next cycle says; it changes nobody, and nor does the one after it."""
    before, people = house.requests(), house.state()
    (error,) = house.sync().errors
    house.later(120)
    (again,) = house.sync().errors or [error]
    assert type(again) is type(error)
    assert house.writes(before) == []
    assert house.state() == people
    return said(error)


def said(error: SyncdError) -> str:
    assert isinstance(error, UnsafePlan | ConnectionBlocked)
    return "; ".join(error.reasons) if isinstance(error, UnsafePlan) else str(error)


def counting(house: House, count: int) -> None:
    """From now on acme counts so many customers."""
    kind = {"content-type": "application/json"}
    body = f'{{"count": {count}}}'
    house.world.faults.add(
        Fault(kind="body", service="shopify", path="*/customers/count.json", body=body, headers=kind)
    )


@pytest.mark.parametrize(
    ("shown", "reason"),
    [(0, "shop acme shows no customer, where 46 are known"), (9, "shop acme shows 9 customers, where 46 are known")],
    ids=["an empty shop", "a truncated list"],
)
def test_a_shop_that_shows_far_fewer_people_is_held(braked: House, shown: int, reason: str) -> None:
    counting(braked, shown)
    braked.order("cafe", braked.subscriber(), "9.00")
    assert stopped(braked) == reason


def test_a_list_of_orders_that_ends_too_early_takes_nothing_from_anybody(braked: House) -> None:
    kind = {"content-type": "application/json"}
    nothing = Fault(kind="body", service="shopify", path="*/orders.json", body='{"orders": []}', headers=kind)
    braked.world.faults.add(nothing)
    before, held = braked.requests(), holdings(braked.history, "acme")
    for _ in range(3):
        braked.later(120)
        braked.sync_in_order()
    assert braked.writes(before) == []
    assert holdings(braked.history, "acme") == held


def test_the_key_of_another_shop_brings_nothing_in(braked: House) -> None:
    braked.world.faults.add(Fault(kind="mutate", service="shopify", path="*/shop.json", field="shop.id", value="4711"))
    braked.configure(brake=LIMITS)
    held = holdings(braked.history, "acme")
    braked.order("acme", braked.subscriber(), "900.00")
    assert "this is the shop" in stopped(braked)
    assert holdings(braked.history, "acme") == held


def test_the_key_of_another_account_is_held(braked: House) -> None:
    braked.world.faults.add(
        Fault(kind="mutate", service="mailchimp", path="/3.0/", field="account_id", value='"another"')
    )
    braked.order("acme", braked.subscriber(), "900.00")
    assert stopped(braked) == "this is another account or audience than the one written to before"


def rules_of_a_day(house: House) -> tuple[str, list[str]]:
    """A rule that asks for days, and eight who all ordered eight days ago, late in the morning of Madrid."""
    house.configure(brake={"removals_min": 999, "additions_min": 999})
    people = sorted(email for email, member in house.state().items() if member["status"] == "subscribed")[:8]
    for email in people:
        house.order("acme", email, "20.00")
    rules = "[audiences.main.lifecycle.segments.quiet]\nwhen = 'since_last_order between 9 days and 10 days'\n"
    house.configure(rules, brake={"removals_min": 999, "additions_min": 999}, max_entries_per_day=0)
    for days in (0, 8):
        house.later(days * DAY)
        house.sync_in_order()
    return rules, people


def test_another_time_zone_that_moves_many_is_held(house: House) -> None:
    rules, _ = rules_of_a_day(house)
    house.later(3 * 3_600)
    house.sync_in_order()
    # Eleven hours behind: they ordered the day before, and today has begun as it has here.
    house.configure(rules, brake=LIMITS, timezone="Pacific/Pago_Pago")
    assert stopped(house) == "8 people would get the tag of quiet, the limit is 6"


def test_an_edited_rule_that_moves_many_is_held(braked: House) -> None:
    braked.configure(KNOWN_RULES.replace("orders(ever) == 1", "orders(ever) >= 1"), brake=LIMITS)
    assert "people would get the tag of first-time, the limit is 6" in stopped(braked)


def test_a_tag_under_another_name_for_everybody_is_held(braked: House) -> None:
    braked.configure(brake=LIMITS, tag_prefix="shop:")
    assert "people would get the tag of repeat, the limit is 6" in stopped(braked)


def test_amounts_a_hundred_times_too_high_are_held(braked: House) -> None:
    acme = braked.world.shops["acme"]
    braked.later(60)
    for order in list(acme.orders):
        acme.change_order(order.id, total_minor=order.total_minor * 100, lines=(), tax_minor=0, shipping_minor=0)
    assert "people would get the tag of loyal, the limit is 6" in stopped(braked)


@pytest.mark.parametrize("what", ["cancelled", "deleted"])
def test_a_year_of_orders_gone_at_once_is_held(braked: House, what: str) -> None:
    acme = braked.world.shops["acme"]
    braked.later(60)
    for order in list(acme.orders):
        if what == "cancelled":
            acme.change_order(order.id, cancelled_at=braked.world.clock.now(), status="voided")
        else:
            acme.delete_order(order.id)
    assert "tags would be removed, the limit is 4" in stopped(braked)


def test_a_shop_that_left_the_configuration_is_held(braked: House) -> None:
    braked.configure(brake=LIMITS, shops=["cafe"])
    assert "tags would be removed, the limit is 4" in stopped(braked)


def test_a_clock_that_is_a_year_ahead_is_held(braked: House) -> None:
    braked.later(365 * DAY)
    assert "tags would be removed" in stopped(braked)


def test_orders_imported_into_the_shop_by_the_hundred_are_held(braked: House) -> None:
    acme = braked.world.shops["acme"]
    braked.later(60)
    for number, customer in enumerate(customer for customer in list(acme.customers) if customer.email):
        placed_at = braked.world.clock.now() - (number % 20 + 1) * DAY
        acme.add_order(customer_id=customer.id, email=customer.email, total_minor=9_900, placed_at=placed_at)
    assert "people would get the tag of bought-14d, the limit is 6" in stopped(braked)


def test_a_shop_that_says_that_everybody_agreed_to_mails_is_held(braked: House) -> None:
    acme, now = braked.world.shops["acme"], braked.world.clock.now()
    braked.later(60)
    for n in range(9):
        email = f"never.asked.{n}@example.com"
        acme.add_customer(email=email, consent="subscribed", consent_at=now)
        braked.order("acme", email, "10.00")
    assert "9 members would be created, the limit is 6" in stopped(braked)


def test_the_bill_is_foretold_before_anybody_is_created(braked: House) -> None:
    braked.configure(brake=LIMITS, contact_limit=49)
    for n in range(2):
        braked.order("acme", f"one.more.{n}@example.com", "10.00", consent="subscribed")
    assert stopped(braked) == "the audience would have 50 contacts, its limit is 49"
    shown = pipeline.plan_only(braked.context, "main", 0, live=True)
    assert shown["contacts"] == {"now": 48, "after": 50, "limit": 49}


def test_everything_touched_and_nothing_changed_writes_nothing(braked: House) -> None:
    braked.later(60)
    for shop in braked.world.shops.values():
        for order in list(shop.orders):
            shop.change_order(order.id)
        for customer in list(shop.customers):
            shop.change_customer(customer.id)
    before = braked.requests()
    braked.sync_in_order()
    assert braked.writes(before) == []


def test_what_was_held_and_is_approved_is_written_and_asked_no_more(braked: House) -> None:
    braked.configure(KNOWN_RULES.replace("orders(ever) == 1", "orders(ever) >= 1"), brake=LIMITS)
    (error,) = braked.sync().errors
    assert isinstance(error, UnsafePlan)
    pipeline.approve(braked.context, error.plan_id)
    pipeline.send_approved(braked.context, "main")
    before = braked.requests()
    braked.sync_in_order()
    assert braked.writes(before) == []


def test_a_plan_whose_account_cannot_be_asked_for_stays_held(braked: House) -> None:
    braked.world.faults.add(
        Fault(kind="mutate", service="mailchimp", path="/3.0/", field="account_id", value='"another"')
    )
    braked.order("acme", braked.subscriber(), "900.00")
    (error,) = braked.sync().errors
    assert isinstance(error, UnsafePlan)
    braked.world.faults.clear()
    braked.world.faults.add(Fault(kind="status", service="mailchimp", path="/3.0/", status=402))
    before = braked.requests()
    with pytest.raises(ConnectionBlocked):
        pipeline.approve(braked.context, error.plan_id)
    assert views.status(braked.context)["audiences"][0]["held_plan"] == error.plan_id
    assert braked.writes(before) == []
