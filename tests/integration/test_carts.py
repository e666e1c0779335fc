"""A cart's whole way: left in a shop, known to syncd, shown to whoever asks, and gone once it was bought."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from syncd.cli import group
from syncd.history.carts import open_carts
from syncd.history.database import History
from syncd.history.people import customer_of
from syncd.history.quarantine import quarantined
from syncd.history.schema import carts
from syncd.money import to_major
from syncd.sandbox.serve import Running
from syncd.steps.pull import pull
from syncd.steps.quarantine import retry
from tests.integration.house import House

SHOPS = ["acme", "cafe"]


@pytest.fixture
def house(sandbox: Running, emptied_history: Callable[[str], History], tmp_path: Path) -> House:
    return House(sandbox, emptied_history("sqlite"), tmp_path)


def open_of(house: House, email: str) -> list[tuple[str, str]]:
    """(shop, value) of a person's open carts."""
    id_ = customer_of(house.history, email)
    assert id_ is not None
    found = open_carts(house.history, SHOPS, id_, house.world.clock.now())
    return [(cart.shop, str(to_major(cart.value_minor, cart.currency))) for cart in found]


def read(house: House, *shops: str, later: int = 60) -> None:
    house.later(later)
    for shop in shops:
        pull(house.context, shop)


def leave(house: House, shop: str, **payload: Any) -> str:
    """A cart of an existing customer; its token."""
    told = house.call("POST", f"/shops/{shop}/carts", payload)
    return str(told.get("token") or told["cartId"])


@pytest.mark.parametrize(("shop", "listed"), [("acme", True), ("acme", False), ("cafe", False)])
def test_a_cart_is_open_until_it_is_bought(house: House, shop: str, *, listed: bool) -> None:
    house.world.shops[shop].switches.completed_checkouts = listed
    house.call("POST", f"/shops/{shop}/customers", {"email": "ana@example.com"})
    read(house, shop)
    assert open_of(house, "ana@example.com") == []
    token = leave(house, shop, email="ana@example.com", amount="34.00")
    read(house, shop)
    assert open_of(house, "ana@example.com") == [(shop, "34.00")]
    leave(house, shop, token=token, amount="40.00")
    read(house, shop)
    assert open_of(house, "ana@example.com") == [(shop, "40.00")]
    leave(house, shop, token=token, recover=True)
    read(house, shop)
    assert open_of(house, "ana@example.com") == []
    read(house, shop, later=3_600)
    assert open_of(house, "ana@example.com") == []


@pytest.mark.parametrize("shop", SHOPS)
def test_a_deleted_customer_leaves_no_open_cart(house: House, shop: str) -> None:
    other = next(each for each in SHOPS if each != shop)
    house.call("POST", f"/shops/{other}/customers", {"email": "ana@example.com"})
    made = house.call("POST", f"/shops/{shop}/customers", {"email": "ana@example.com"})
    leave(house, shop, email="ana@example.com", amount="34.00")
    leave(house, other, email="ana@example.com", amount="5.00")
    read(house, *SHOPS)
    assert len(open_of(house, "ana@example.com")) == 2
    house.call("DELETE", f"/shops/{shop}/customers/{made['id']}")
    read(house, *SHOPS)
    assert open_of(house, "ana@example.com") == [(other, "5.00")]


@pytest.mark.parametrize("shop", SHOPS)
def test_a_merged_customers_cart_is_that_of_the_one_who_is_kept(house: House, shop: str) -> None:
    old, kept = (
        house.call("POST", f"/shops/{shop}/customers", {"email": f"{name}@example.com"})["id"]
        for name in ("old", "kept")
    )
    leave(house, shop, email="old@example.com", amount="34.00")
    read(house, shop)
    house.call("POST", f"/shops/{shop}/customers/{old}/merge", {"into": kept})
    read(house, shop)
    assert open_of(house, "kept@example.com") == [(shop, "34.00")]


def test_a_cart_that_could_not_be_read_is_taken_once_it_can_be(house: House) -> None:
    read(house, "acme")
    house.call("POST", "/shops/acme/customers", {"email": "ana@example.com"})
    leave(house, "acme", email="ana@example.com", amount="34.00", currency="USD")
    read(house, "acme")
    (kept,) = [one for one in quarantined(house.history) if one.resource == "carts"]
    assert "USD" in kept.reason
    house.configure(rates={"USD": 0.9})
    assert retry(house.context, [kept.id]) == (1, 0)
    assert open_of(house, "ana@example.com") == [("acme", "34.00")]


def test_explain_says_so_in_a_line(house: House) -> None:
    house.call("POST", "/shops/cafe/customers", {"email": "ana@example.com"})
    leave(house, "cafe", email="ana@example.com", amount="34.00")
    read(house, "cafe")
    config = house.directory / "syncd.toml"
    url = house.history.engine.url.render_as_string(False)
    config.write_text(config.read_text("utf-8").replace("sqlite:///syncd.db", url), "utf-8")
    told = CliRunner().invoke(group, ["--config", str(config), "explain", "ana@example.com"])
    assert "Open cart: €34.00 in cafe, since 22 November" in told.output, told.output


def test_no_cart_touches_who_is_in_the_audience(house: House) -> None:
    leave(house, "cafe", email="stranger@example.com", amount="34.00")
    house.backfill()
    assert "stranger@example.com" not in house.state()
    with house.history.read() as db:
        assert db.execute(carts.select()).fetchall()
    assert house.expected() == {
        segment: people for segment, people in house.tagged().items() if segment in house.expected()
    }
