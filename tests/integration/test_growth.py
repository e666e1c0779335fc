"""A cycle costs what has changed, not what there is: the same statements, rows and calls, however many customers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import pytest
from sqlalchemy import event

from syncd.history.database import open_history
from syncd.sandbox.populate import build
from syncd.sandbox.serve import start
from tests.conftest import START
from tests.integration.house import House

FEW, MANY = 60, 600
# Where ten times as many people are in a tree, it may be a level deeper.
MORE = 1.1


@dataclass
class Cost:
    """What a stretch of work cost: calls to the services, statements, and steps of SQLite's machine, which are more
    where more rows are looked at.
    """

    calls: int = 0
    statements: int = 0
    steps: int = 0


@contextmanager
def counted(house: House) -> Iterator[Cost]:
    """What is done in the meantime is counted."""
    cost, engine = Cost(), house.history.engine
    before = house.requests()

    def look(connection: object, *_: object) -> None:
        def more() -> None:
            cost.steps += 1

        # Each one: of many small statements only some would reach a hundred.
        connection.set_progress_handler(more, 1)  # type: ignore[attr-defined]

    def execute(*_: object) -> None:
        cost.statements += 1

    event.listen(engine, "checkout", look)
    event.listen(engine, "before_cursor_execute", execute)
    try:
        yield cost
    finally:
        event.remove(engine, "checkout", look)
        event.remove(engine, "before_cursor_execute", execute)
        cost.calls = house.requests() - before


@pytest.fixture(scope="module")
def few_and_many(
    history_url: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[House, House]]:
    """Two houses of which one has ten times as many customers. Their first import is read for the last time."""
    with ExitStack() as stack:
        houses = []
        for customers in (FEW, MANY):
            world = build("synthetic", start=START, customers=customers)
            world.clock.set(START)
            world.throttle.enforce = False
            history = stack.enter_context(open_history(history_url("sqlite")))
            house = House(stack.enter_context(start(world)), history, tmp_path_factory.mktemp("house"))
            house.backfill()
            for person in ("ann", "ben"):
                # The instant of the first import is read again until something happens later.
                house.later(3_600)
                order_of(house, person)
                house.sync_in_order()
            house.sync_in_order()
            houses.append(house)
        yield houses[0], houses[1]


def test_a_cycle_without_news_costs_the_same_among_ten_times_as_many(few_and_many: tuple[House, House]) -> None:
    few, many = (cost_of_a_cycle(house) for house in few_and_many)
    assert (many.calls, many.statements) == (few.calls, few.statements)
    assert many.steps <= MORE * few.steps


def test_a_cycle_with_one_order_costs_the_same_among_ten_times_as_many(few_and_many: tuple[House, House]) -> None:
    for house in few_and_many:
        house.later(3_600)
        order_of(house, "eva")
    few, many = (cost_of_a_cycle(house) for house in few_and_many)
    assert (many.calls, many.statements) == (few.calls, few.statements)
    assert many.steps <= MORE * few.steps


def test_a_page_with_nothing_new_in_it_is_not_written(few_and_many: tuple[House, House]) -> None:
    house, written = few_and_many[0], set()

    def execute(connection: object, cursor: object, statement: str, row: tuple[str, str], *_: object) -> None:
        if statement.startswith("INSERT INTO cursors"):
            written.add(row[1])

    event.listen(house.history.engine, "before_cursor_execute", execute)
    house.sync_in_order()
    assert written.isdisjoint({"products", "deleted_orders", "deleted_customers"})
    order_of(house, "cleo")
    house.sync_in_order()
    event.remove(house.history.engine, "before_cursor_execute", execute)
    assert "orders" in written


def order_of(house: House, person: str) -> None:
    house.order("acme", f"{person}@new.example.com", "20.00", consent=True)


def cost_of_a_cycle(house: House) -> Cost:
    with counted(house) as cost:
        house.sync_in_order()
    return cost
