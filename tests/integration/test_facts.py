"""What the complete language asks about: each fact from its shop or the e-mail service to a tag, in one cycle."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from syncd.history.database import History
from syncd.history.people import customer_of
from syncd.history.schema import news, products
from syncd.sandbox.serve import Running
from tests.integration.history_records import rows
from tests.integration.house import DAY, House
from tests.log_lines import caught_lines

RULES = """
[audiences.main.lifecycle.segments.rock]
when = 'bought(category "rock and roll", ever)'
describe = "Bought rock."
[audiences.main.lifecycle.segments.wishes]
when = 'wished_product == "Blue Harbour"'
describe = "Wishes for the Blue Harbour."
[audiences.main.lifecycle.segments.birthday]
when = "birthday within this month"
describe = "Has a birthday this month."
[audiences.main.lifecycle.segments.clicked]
when = "since_click <= 7 days and click_rate >= 0.5"
describe = "Clicked lately."
[audiences.main.lifecycle.segments.cart]
when = "cart_value >= 30"
describe = "Left a cart."
[audiences.main.lifecycle.segments.gold]
when = 'shop_tag("gold")'
describe = "Gold in a shop."
"""
ANA = "ana@example.com"


@pytest.fixture
def house(sandbox: Running, emptied_history: Callable[[str], History], tmp_path: Path) -> House:
    """A syncd whose first import is through, and Ana, a subscriber who has bought once in each shop."""
    house = House(sandbox, emptied_history("sqlite"), tmp_path, rules=RULES)
    house.call("POST", "/audiences/a1b2c3d4e5/members/" + ANA, {"status": "subscribed"})
    for shop in ("acme", "cafe"):
        lines = [{"title": "Red River", "name": "Red River", "price": "10.00", "category": "Jazz"}]
        house.order(shop, ANA, "10.00", lines=lines)
    house.backfill()
    house.later(DAY)
    house.sync_in_order()
    return house


def after(house: House) -> set[str]:
    """Ana's tags one cycle later."""
    house.later(60)
    house.sync_in_order()
    return house.tags(ANA)


@pytest.mark.parametrize("shop", ["acme", "cafe"])
def test_a_product_that_becomes_of_another_kind_tags_its_buyers(house: House, shop: str) -> None:
    assert house.tags(ANA) == set()
    house.call("POST", f"/shops/{shop}/products", {"title": "Red River", "category": "Rock and Roll"})
    assert after(house) == {"rock"}
    house.call("POST", f"/shops/{shop}/products", {"title": "Red River", "category": "Jazz"})
    assert after(house) == set()


def test_a_category_that_is_called_otherwise_tags_the_buyers_of_all_its_products(house: House) -> None:
    house.call("POST", "/shops/cafe/categories", {"made_as": "Jazz", "name": "Rock and Roll"})
    assert after(house) == {"rock"}


def test_a_wish_is_known_by_the_title_of_the_product_and_follows_it(house: House) -> None:
    house.world.shops["cafe"].switches.wishes_move_updated = True
    house.call("POST", "/shops/cafe/products", {"title": "Grey Harbour"})
    house.call("POST", "/shops/cafe/customers", {"email": ANA, "wishes": ["Grey Harbour", "Red River"]})
    assert after(house) == set()
    house.call("POST", "/shops/cafe/products", {"title": "Grey Harbour", "new_title": "Blue Harbour"})
    assert after(house) == {"wishes"}
    house.call("POST", "/shops/cafe/customers", {"email": ANA, "wishes": ["Red River"]})
    assert after(house) == set()


def test_a_birthday_and_a_click_come_with_the_member(house: House) -> None:
    today = datetime.fromtimestamp(house.world.clock.now(), UTC)
    house.call("POST", f"/audiences/a1b2c3d4e5/members/{ANA}", {"birthday": f"{today:%m/%d}", "click_rate": 0.5})
    assert after(house) == {"birthday", "clicked"}
    house.call("POST", f"/audiences/a1b2c3d4e5/members/{ANA}", {"birthday": ""})
    assert after(house) == {"clicked"}


def test_nobodys_birthday_is_ever_written(house: House) -> None:
    assert not any("BIRTHDAY" in member["merge_fields"] for email, member in house.state().items() if email == ANA)
    before = {email: member["merge_fields"].get("BIRTHDAY") for email, member in house.state().items()}
    house.order("acme", ANA, "99.00")
    after(house)
    assert {email: member["merge_fields"].get("BIRTHDAY") for email, member in house.state().items()} == before
    assert any(before.values())


@pytest.mark.parametrize("shop", ["acme", "cafe"])
def test_a_cart_tags_its_owner_in_the_cycle_in_which_it_is_read(house: House, shop: str) -> None:
    left = house.call("POST", f"/shops/{shop}/carts", {"email": ANA, "amount": "34.00"})
    assert after(house) == {"cart"}
    token = left.get("token") or left["cartId"]
    house.call("POST", f"/shops/{shop}/carts", {"token": token, "recover": True})
    assert after(house) == set()


def test_a_tag_of_the_shop_is_news(house: House) -> None:
    house.call("POST", "/shops/acme/customers", {"email": ANA, "tags": ["gold"]})
    assert after(house) == {"gold"}
    house.call("POST", "/shops/acme/customers", {"email": ANA, "tags": []})
    assert after(house) == set()


def test_an_idle_cycle_asks_for_little_and_judges_nobody(house: House) -> None:
    after(house)
    house.later(DAY // 2)
    house.sync_in_order()
    house.later(600)
    house.sync_in_order()
    before = house.requests()
    house.later(600)
    house.sync_in_order()
    asked = [each.service for each in house.world.log.since(before) if each.service != "control"]
    assert {service: asked.count(service) for service in ("shopify", "ecwid")} == {"shopify": 6, "ecwid": 3}
    assert rows(house.history, news) == []


def test_a_shop_that_shows_no_products_is_told_once_and_goes_on(house: House) -> None:
    house.world.shops["acme"].switches.products_listed = False
    with house.history.begin() as db:
        db.execute(products.delete().where(products.c.shop == "acme"))
    house.order("acme", ANA, "10.00")
    with caught_lines() as lines:
        for _ in range(2):
            after(house)
    told = [line["event"] for line in lines]
    assert told.count("the shop shows no products; `syncd check` tells why") == 1
    assert customer_of(house.history, ANA)
