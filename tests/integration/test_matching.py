"""What goes with a customer's last product, through the whole house: counted once a month, offered until bought."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from syncd import views
from syncd.calendar import day_of
from syncd.checks import findings
from syncd.history import companions, ledger
from syncd.history.database import History, open_history
from syncd.lifecycle.companions import Companion
from syncd.sandbox.serve import Running
from syncd.steps.figures import columns_of
from tests.integration.house import DAY, House

RULES = """
[audiences.main.lifecycle.segments.cross-sell]
when = "matching_product != last_product"
[audiences.main.lifecycle.fields.MATCHING]
value = "matching_product"
"""
TENT, LANTERN = "Tent for two", "Lantern"


@pytest.fixture
def database(history_url: Callable[[str], str]) -> str:
    return history_url("sqlite")


@pytest.fixture
def house(sandbox: Running, database: str, tmp_path: Path) -> Iterator[House]:
    """After its first import, and thirty orders of a tent with a lantern since."""
    with open_history(database) as history:
        house = House(sandbox, history, tmp_path, rules=RULES)
        house.backfill()
        for at in range(30):
            buys(house, f"camper-{at % 20}@example.com", TENT, LANTERN)
        yield house


def buys(house: House, email: str, *titles: str) -> None:
    lines = [{"title": title, "quantity": 1, "price": "10.00"} for title in titles]
    house.order("acme", email, f"{10 * len(titles)}.00", line_items=lines)


def in_a_month(house: House) -> None:
    house.later(31 * DAY)
    house.sync_in_order()


def matching(house: House, email: str) -> Any:
    return house.state()[email]["merge_fields"].get("MATCHING", "")


def checked(house: House, database: str) -> list[str]:
    """The lines of `syncd check` about products that go together."""
    found = findings(replace(house.context.settings, database=database))
    return [one.text for one in found if "matching" in one.text]


def test_a_product_is_offered_with_the_last_one_until_it_is_bought(house: House) -> None:
    email = min(email for email, member in house.state().items() if member["status"] == "subscribed")
    buys(house, email, TENT)
    house.sync_in_order()
    # Until the month is over it is as it was worked out.
    assert (matching(house, email), house.tagged().get("cross-sell")) == ("", None)
    in_a_month(house)
    assert matching(house, email) == LANTERN
    assert house.tagged()["cross-sell"] == {email}
    values = views.explain(house.context, "main", email, day_of(house.today()))["segments"][0]["values"]
    assert (values[0]["value"], values[0]["against"], values[0]["holds"]) == (LANTERN, [TENT], True)
    buys(house, email, LANTERN)
    house.sync_in_order()
    assert (matching(house, email), house.tagged().get("cross-sell")) == ("", None)


def test_check_tells_how_many_products_go_together(house: House, database: str) -> None:
    none = "no product is bought together with another often enough, so nobody has a matching product"
    assert checked(house, database) == [f"audience main: {none}"]
    in_a_month(house)
    many = "audience main: 2 products have a matching one, first of all "
    (line,) = checked(house, database)
    assert line.startswith((f"{many}{TENT} with {LANTERN}, 30 times, ", f"{many}{LANTERN} with {TENT}, 30 times, "))


def test_what_goes_together_stays_for_a_month(house: House) -> None:
    in_a_month(house)
    day, figures = ledger.frozen_rhythm(house.history, "main")
    assert (day, figures["matching_product"]) == (day_of(house.today()), 2)
    kept = companions.frozen(house.history, "main")
    assert [(one.product, one.companion, one.joint) for one in kept] == [(LANTERN, TENT, 30), (TENT, LANTERN, 30)]
    for _ in range(30):
        buys(house, "cook@example.com", "Pan", "Lid")
    house.later(28 * DAY)
    house.sync_in_order()
    assert companions.frozen(house.history, "main") == kept
    house.later(4 * DAY)
    house.sync_in_order()
    assert [one.product for one in companions.frozen(house.history, "main")] == [LANTERN, "Lid", "Pan", TENT]


def test_another_day_and_a_rule_of_ones_own_have_their_own_pairs(house: House) -> None:
    house.configure(RULES.replace("matching_product", "last_product"))
    in_a_month(house)
    assert companions.frozen(house.history, "main") == []
    before, today = day_of(house.today()) - 40, day_of(house.today())
    needs = frozenset({"items", "companions"})
    (then,) = columns_of(house.context, "main", before, None, needs)
    (now,) = columns_of(house.context, "main", today, None, needs)
    assert (then.companions, now.companions) == ({}, {LANTERN: TENT, TENT: LANTERN})


def test_pairs_are_kept_whole_and_forgotten_whole(history: History) -> None:
    long = "x" * 5_000
    found = [Companion("a", long, 20, 2.5, 1.25), Companion(long, "a", 20, 3.5, 1.5)]
    companions.freeze(history, "main", found)
    companions.freeze(history, "other", found[:1])
    assert companions.frozen(history, "main") == found
    companions.freeze(history, "main", [])
    assert companions.frozen(history, "main") == []
    assert companions.frozen(history, "other") == found[:1]
