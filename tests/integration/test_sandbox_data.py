"""What the sandbox's data hold: the real purchases to the cent, made-up people, the same for the same seed."""

from __future__ import annotations

from collections import Counter
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from msgspec.structs import asdict

from syncd.errors import UserError
from syncd.sandbox.dice import dice
from syncd.sandbox.fill import cdnow
from syncd.sandbox.fill.catalogue import CATEGORIES, catalogue, lines
from syncd.sandbox.populate import LIST_ID, build
from syncd.sandbox.simulate import schedule
from syncd.sandbox.truth import truth
from syncd.sandbox.world import World

START = 1_795_341_600  # 22 November 2026
MADRID = ZoneInfo("Europe/Madrid")


@pytest.fixture(scope="module")
def real() -> World:
    return build("cdnow", start=START)


@pytest.fixture(scope="module")
def small() -> World:
    return build("synthetic", start=START)


def test_the_real_purchases_are_all_there(real: World) -> None:
    people = truth(real)
    orders = [order for found in people.values() for order in found]
    assert len(people) == 23_570
    assert len(orders) == 69_659
    assert sum(order.total_minor for order in orders) == 250_031_563
    assert sum(order.total_minor == 0 for order in orders) == 80


def test_each_person_has_exactly_their_own_purchases_on_the_shifted_days(real: World) -> None:
    raw: dict[int, Counter[tuple[date, int]]] = {}
    for customer, day, _, cents in cdnow.rows():
        raw.setdefault(customer, Counter())[day, cents] += 1
    shift = date(2026, 11, 21) - date(1998, 6, 30)
    found = {int(email.partition("@")[0].rpartition(".")[2]): orders for email, orders in truth(real).items()}
    assert found.keys() == raw.keys()
    for customer, orders in found.items():
        days = Counter(
            (datetime.fromtimestamp(order.placed_at, MADRID).date() - shift, order.total_minor) for order in orders
        )
        assert days == raw[customer]


def test_the_last_purchase_was_yesterday(real: World) -> None:
    last = max(order.placed_at for shop in real.shops.values() for order in shop.orders)
    assert datetime.fromtimestamp(last, MADRID).date() == date(2026, 11, 21)


def test_the_customers_are_divided_over_the_shops_as_promised(real: World) -> None:
    shops = Counter(frozenset(order.shop for order in orders) for orders in truth(real).values())
    assert real.shops["acme"].platform == "shopify"
    assert 0.53 < shops[frozenset({"acme"})] / 23_570 < 0.62
    assert 0.33 < shops[frozenset({"cafe"})] / 23_570 < 0.42
    assert shops[frozenset({"acme", "cafe"})] > 500  # of those known to both, who bought more than once
    accounts = Counter(customer.email for shop in real.shops.values() for customer in shop.customers)
    assert 0.09 < sum(count == 2 for count in accounts.values()) / 23_570 < 0.11


def test_consent_and_membership_are_mixed(real: World) -> None:
    members = {row["email"]: row for row in real.audiences[LIST_ID].state()}
    consents = {customer.email: customer.consent for shop in real.shops.values() for customer in shop.customers}
    buyers = set(truth(real))
    granted = {email for email in buyers if consents[email] == "subscribed"}
    assert 0.78 < len(granted) / len(buyers) < 0.82
    assert 0.04 < len(granted - members.keys()) / len(granted) < 0.06
    never_bought = members.keys() - buyers
    assert len(never_bought) == int(23_570 * 0.15)
    assert 0.4 < sum(email in consents for email in never_bought) / len(never_bought) < 0.6
    statuses = Counter(row["status"] for row in members.values())
    assert statuses.keys() >= {"subscribed", "unsubscribed", "cleaned", "archived", "transactional"}
    assert all(members[email]["status"] != "subscribed" for email in buyers - granted if email in members)
    assert any("newsletter" in row["tags"] for row in members.values())


def test_fewer_customers_are_the_first_ones(real: World) -> None:
    few = truth(build("cdnow", start=START, customers=100))
    every = truth(real)
    assert len(few) == 100
    assert all(
        [order.total_minor for order in orders] == [order.total_minor for order in every[email]]
        for email, orders in few.items()
    )


def test_lines_cost_exactly_what_the_order_costs_without_shipping(small: World) -> None:
    for shop in small.shops.values():
        for order in shop.orders:
            goods = sum(line.quantity * line.price_minor for line in order.lines)
            assert goods + order.shipping_minor == order.total_minor


@pytest.mark.parametrize(("units", "minor"), [(1, 0), (1, 1177), (5, 7700), (3, 100), (99, 1), (4, 4), (7, 123456)])
def test_any_amount_divides_into_any_number_of_units(units: int, minor: int) -> None:
    made = lines(dice(1), catalogue(1), len(CATEGORIES) - 1, units, minor)
    assert sum(line.quantity for line in made) == units
    assert sum(line.quantity * line.price_minor for line in made) == minor
    assert all(line.quantity > 0 for line in made)


def _fingerprint(world: World) -> object:
    shops = [
        ([asdict(each) for each in shop.customers], [asdict(each) for each in shop.orders])
        for shop in world.shops.values()
    ]
    return shops, world.audiences[LIST_ID].state()


def test_the_same_seed_and_start_give_the_same_world(small: World) -> None:
    again = build("synthetic", start=START)
    assert _fingerprint(again) == _fingerprint(small)
    assert _fingerprint(build("synthetic", start=START, seed=2)) != _fingerprint(small)


def test_synthetic_data_have_as_many_customers_and_orders_as_asked_for() -> None:
    world = build("synthetic", start=START, customers=30, orders=500)
    assert sum(len(shop.orders) for shop in world.shops.values()) == 500
    assert len(truth(world)) <= 30 + 1


def test_nothing_happens_after_the_start(small: World) -> None:
    for shop in small.shops.values():
        assert max(order.updated_at for order in shop.orders) <= START
        assert max(customer.updated_at for customer in shop.customers) <= START
        assert all(order.created_at <= order.updated_at for order in shop.orders)


def test_ids_rise_with_the_time_of_creation(small: World) -> None:
    for shop in small.shops.values():
        orders = sorted(shop.orders, key=lambda order: order.id)
        assert [order.created_at for order in orders] == sorted(order.created_at for order in orders)


def test_a_csv_file_becomes_orders(tmp_path: Path) -> None:
    file = tmp_path / "orders.csv"
    file.write_text(
        "customer,email,placed_at,amount,currency,product,category\n"
        "1,Ana@example.com,2026-03-01,12.50,EUR,Tea,Drinks\n"
        "1,ana@example.com ,2026-03-01T23:30:00+01:00,7,,Mug,\n"
        "2,bea@example.com,2026-11-21 09:00:00,0.99,,,\n",
        encoding="utf-8",
    )
    world = build(str(file), start=START)
    people = truth(world)
    assert [order.total_minor for order in people["ana@example.com"]] == [1250, 700]
    assert {datetime.fromtimestamp(order.placed_at, MADRID).date() for order in people["ana@example.com"]} == {
        date(2026, 3, 1)
    }
    assert people["bea@example.com"][0].placed_at == int(datetime(2026, 11, 21, 9, tzinfo=MADRID).timestamp())


def test_every_bad_line_of_a_csv_file_is_named(tmp_path: Path) -> None:
    file = tmp_path / "orders.csv"
    file.write_text(
        "customer,email,placed_at,amount\n1,nobody,2026-03-01,1\n2,b@example.com,never,1\n3,c@example.com,2026-03-01,x\n",
        encoding="utf-8",
    )
    with pytest.raises(UserError) as caught:
        build(str(file), start=START)
    assert [problem.split(":")[0] for problem in caught.value.problems] == ["line 2", "line 3", "line 4"]


def test_a_file_without_the_columns_or_no_file_at_all_is_the_users_mistake(tmp_path: Path) -> None:
    file = tmp_path / "orders.csv"
    file.write_text("name,total\n", encoding="utf-8")
    with pytest.raises(UserError, match="lacks the columns customer, email, placed_at, amount"):
        build(str(file), start=START)
    with pytest.raises(UserError, match="cannot be read"):
        build(str(tmp_path / "none.csv"), start=START)


def test_the_simulation_repeats_itself_and_stays_within_its_days(small: World) -> None:
    coming = schedule(small, 14, 1)
    assert coming == schedule(small, 14, 1) != schedule(small, 14, 2)
    assert coming == sorted(coming, key=lambda each: each[:2])
    assert all(START < instant <= START + timedelta(days=14).total_seconds() for instant, _, _ in coming)
    assert {shop for _, shop, _ in coming} == {"acme", "cafe"}
    known = {customer.email for shop in small.shops.values() for customer in shop.customers}
    newcomers = [payload for _, _, payload in coming if payload["email"] not in known]
    assert 0 < len(newcomers) < len(coming) / 4
