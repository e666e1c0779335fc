"""Rules of the whole language over one history, on both databases: tried out, explained, foreseen and judged."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from syncd import views
from syncd.calendar import day_of
from syncd.history import ledger
from syncd.history.carts import store as store_carts
from syncd.history.database import History
from syncd.history.members import store_members
from syncd.history.people import customer_of
from syncd.history.schema import carts, members
from syncd.model import Cart, Item, Order, Product, Refund
from syncd.sandbox.serve import Running
from syncd.steps.judge import judge
from syncd.views.explained import lines
from syncd.views.words import Words
from tests.integration.history_records import customer, member, order, take
from tests.integration.house import House

ANA, BEN = "ana@example.com", "ben@example.com"
# Each rule, and for whom of the two it holds on 22 November 2026, at nine in the morning.
WORDS = {
    "units(ever) == 4": {ANA},
    'bought(category "TABLEWARE", 1 month)': {ANA},
    'bought(product "tea", ever)': {ANA, BEN},
    'bought(sku "c-1", this year)': {ANA},
    'last_product == "Cup"': {ANA},
    'last_product == "Tea"': {BEN},
    'favourite_product == "Tea"': {BEN},  # Ana bought it as often as the cup, and the cup later
    'favourite_category == "Drinks"': {BEN},
    "wishes == 2": {ANA},
    'wished_product == "Pot"': {ANA},
    "cart_value == 20": {ANA},
    "since_cart >= 3 hours": {ANA},
    "since_cart > 3 hours": set(),
    "open_rate == 0.5 and click_rate == 0.25": {ANA},
    "since_click == 3 days": {ANA},
    "birthday within this month": {ANA},
    "birthday == 2026-11-30": {ANA},
    "anniversary within this year": {ANA},
    "last_order within 6 months": {ANA, BEN},
    'shop_tag("press")': {BEN},
    "wholesale": {BEN},
    "months_left == 2": {ANA, BEN},
    "max(spend(ever), 60) == 60": {BEN},
    "spend(ever) > mean(max(spend(ever), 60))": set(),
}


@pytest.fixture
def house(sandbox: Running, history: History, tmp_path: Path) -> House:
    rules = (
        f"[audiences.main.lifecycle.segments.s-{at}]\nwhen = '{rule}'\ndescribe = 'A word.'\n"
        for at, rule in enumerate(WORDS)
    )
    house = House(
        sandbox, history, tmp_path, {"currency": "EUR"}, "\n".join(rules) + '\n[audiences.main.rates]\nUSD = "0.5"\n'
    )
    take(
        history,
        customer("a", ANA, wishes=("9", "8")),
        customer("b", BEN, tags=("Press",), wholesale=True),
        customer("c", ANA, tags=("vip",)),
        bought("1", "a", "2025-03-01", TEA),
        bought("2", "c", "2026-10-30", TEA, CUP),
        bought("3", "a", "2026-11-20", CUP, currency="USD"),
        bought("4", "a", "2026-11-21", TEA, TEA, refunds=(Refund("r", 50_00, 40_00, at("2026-11-21")),)),
        bought("5", "b", "2026-06-01", TEA),
        bought("6", "b", "2026-11-21", CUP),
        products=(Product("9", "Pot", 1), Product("t", "Tea", 1, "Drinks"), Product("c", "Cup", 1, "Tableware")),
        deleted_orders=("6",),
    )
    store_members(history, "main", [member(ANA)], None, bits={}, field_names=[], now=1)
    begun = house.context.clock.now() - 3 * 3_600
    with history.begin() as db:
        db.execute(members.update().values(open_rate=0.5, click_rate=0.25, birthday=1130, clicked_at=at("2026-11-19")))
        store_carts(db, "acme", [Cart("k", begun, begun, "USD", 40_00, email=ANA)])
    return house


TEA = Item(product_id="t", title="Tea", quantity=1, price_minor=300)
CUP = Item(product_id="c", title="Cup", quantity=1, price_minor=900, sku="C-1", category="Old")


def at(day: str) -> int:
    """Noon."""
    return int(datetime.fromisoformat(f"{day}T12:00").replace(tzinfo=UTC).timestamp())


def bought(id_: str, customer_id: str, day: str, *items: Item, **given: object) -> Order:
    return order(id_, customer_id=customer_id, placed_at=at(day), items=items, **given)


def test_every_word_holds_for_whom_it_should(house: House) -> None:
    name, today, playbook = "main", day_of(house.today()), house.context.settings.audiences["main"].playbook
    tags = ledger.tags_of(house.history, name, playbook, "syncd:")
    judge(house.context, name, tags)
    found: dict[str, set[str]] = {rule: set() for rule in WORDS}
    for email in (ANA, BEN):
        assert customer_of(house.history, email)
        for one in views.explain(house.context, name, email, today)["segments"]:
            if one["in"]:
                found[one["when"]].add(email)
    assert found == WORDS
    tried = views.preview(house.context, name, " or ".join(f"({rule})" for rule in WORDS), today)
    assert [each["customers"] for each in tried["parts"]] == [len(people) for people in WORDS.values()]
    counted = views.segments(house.context, name, today)["segments"]
    assert {each["when"]: each["customers"] for each in counted} == {rule: len(who) for rule, who in WORDS.items()}
    foreseen = {
        each["name"]: each["customers_after"] for each in views.forecast(house.context, name, today)["segments"]
    }
    # The cart is three days old by then, December has no such birthday, and the year is not over.
    assert [foreseen[f"s-{at}"] for at, rule in enumerate(WORDS) if rule in CHANGING] == [1, 0, 1, 0]


@pytest.mark.parametrize(("hours", "shown"), [(0.5, "0.5 h"), (47.9, "47.9 h"), (48, "2 days")])
def test_the_age_of_a_cart_is_told_in_hours_and_then_in_days(house: House, hours: float, shown: str) -> None:
    begun = int(house.context.clock.now() - hours * 3_600)
    with house.history.begin() as db:
        store_carts(db, "acme", [Cart("k", begun, begun, "USD", 40_00, email=ANA)])
        db.execute(carts.update().values(updated_at=begun))
    document = views.explain(house.context, "main", ANA, day_of(house.today()))
    told = "\n".join(line.text for line in lines(document, Words("en", "explain")))
    assert f"since_cart >= 3 hours  {shown}" in told.replace("\N{NO-BREAK SPACE}", " ")


CHANGING = ("since_cart >= 3 hours", "birthday within this month", "birthday == 2026-11-30", "months_left == 2")
