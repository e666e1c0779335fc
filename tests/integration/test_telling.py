"""What the service is told of orders and carts is looked up for all of them together."""

from __future__ import annotations

from typing import Any

from sqlalchemy import event

from syncd.history import telling
from syncd.history.database import History
from syncd.history.telling import Told
from syncd.model import Cart, Item
from tests.integration.history_records import order, take

ON = {"thanks": "order", "again": "order", "left": "cart", "lapsed": "join"}


def details(history: History, told: list[Told]) -> tuple[dict[str, dict[str, str]], int]:
    """What is told of each episode, and how many statements that took."""
    statements: list[str] = []

    def note(*given: Any) -> None:
        statements.append(given[2])

    event.listen(history.engine, "before_cursor_execute", note)
    found = telling.details(history, told, ON)
    event.remove(history.engine, "before_cursor_execute", note)
    return found, len(statements)


def test_each_moment_of_an_order_or_cart_gets_what_is_known_of_it(history: History) -> None:
    lines = (Item("p1", "Black tea", 1, 2_000), Item("p2", "A pot", 1, 3_000))
    cart = Cart("1", 1_000, 1_000, "EUR", 1_250, email="ana@example.com")
    take(history, order("1", email="ana@example.com", items=lines), order("2", email="ana@example.com"), carts=(cart,))
    told = [
        Told("e1", "thanks", "acme/1"),
        Told("e2", "again", "acme/1"),
        Told("e3", "thanks", "acme/2"),
        Told("e4", "left", "acme/1"),
        Told("e5", "thanks", "cafe/1"),
        Told("e6", "lapsed", "7/1000"),
    ]
    assert details(history, told)[0] == {
        "e1": {"order": "50.00 EUR", "product": "Black tea"},
        "e2": {"order": "50.00 EUR", "product": "Black tea"},
        "e3": {"order": "50.00 EUR"},
        "e4": {"cart": "12.50 EUR"},
        "e5": {},
    }


def test_many_orders_are_looked_up_in_as_many_statements_as_one(history: History) -> None:
    take(history, *(order(str(n), email="ana@example.com", items=(Item("p", "Tea", 1, 1),)) for n in range(30)))
    one, few = details(history, [Told("e0", "thanks", "acme/0")])
    all_, many = details(history, [Told(f"e{n}", "thanks", f"acme/{n}") for n in range(30)])
    assert len(all_) == 30
    assert all_["e0"] == one["e0"]
    assert many == few
