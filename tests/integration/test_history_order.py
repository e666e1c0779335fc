"""Whatever the order and number of deliveries, and wherever the program dies, the history ends the same."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event

from syncd.history.database import History, open_history
from syncd.history.ingest import ingest
from syncd.history.schema import metadata
from syncd.history.shops import cursors_of, holdings
from syncd.model import Consent, ConsentState, Customer, Item, Order, OrderStatus, Page, Refund
from tests.integration.history_records import customer, meaning, news_of, order

EMAILS = ["ana@example.com", "Ben@example.com", "ben@example.com", "cleo@example.com"]
SHOPS = ["acme", "cafe"]


# What a shop can show or say: a state of a record, or that one is gone.
Shown = Order | Customer | tuple[str, str]
Delivery = tuple[str, Shown]


def deliveries() -> st.SearchStrategy[list[Delivery]]:
    """What two shops show of a few records over time; no two states of a record are equally new."""
    gone = st.sampled_from([("order", "1"), ("order", "2"), ("customer", "c1"), ("customer", "c3")])
    return st.lists(st.tuples(st.sampled_from(SHOPS), orders() | customers_() | gone), max_size=14, unique_by=_state)


def _state(delivery: Delivery) -> tuple[Any, ...]:
    shop, shown = delivery
    return (shop, *shown) if isinstance(shown, tuple) else (shop, type(shown), shown.id, shown.updated_at)


def orders() -> st.SearchStrategy[Order]:
    return st.builds(
        Order,
        id=st.sampled_from("12345"),
        placed_at=st.integers(0, 100),
        updated_at=st.integers(0, 6),
        status=st.sampled_from([OrderStatus.PAID, OrderStatus.PARTIALLY_REFUNDED]),
        currency=st.just("EUR"),
        paid_minor=st.integers(0, 9),
        goods_minor=st.just(1),
        customer_id=st.sampled_from([None, "c1", "c2", "c3"]),
        email=st.sampled_from(EMAILS),
        cancelled=st.booleans(),
        refunds=st.lists(st.sampled_from([Refund("r", 1, 1, 5), Refund("s", 2, 1, 5)]), max_size=2).map(tuple),
        items=st.lists(
            st.builds(Item, st.just("p"), st.sampled_from(["Shoes", "Socks"]), st.just(1), st.just(1)), max_size=2
        ).map(tuple),
    )


def customers_() -> st.SearchStrategy[Customer]:
    return st.builds(
        Customer,
        id=st.sampled_from(["c1", "c2"]),
        email=st.sampled_from([None, *EMAILS]),
        created_at=st.integers(0, 9),
        updated_at=st.integers(0, 6),
        # Who withdraws and whose shop falls silent is asked elsewhere: there the way matters.
        consent=st.just(Consent(ConsentState.GRANTED, 1)),
        city=st.sampled_from(["", "Lugo", "Vigo"]),
        wholesale=st.booleans(),
    )


def page_of(shown: Sequence[Shown], cursor: str = "") -> Page:
    gone = [one for one in shown if isinstance(one, tuple)]
    return Page(
        "everything",
        cursor,
        orders=tuple(one for one in shown if isinstance(one, Order)),
        customers=tuple(one for one in shown if isinstance(one, Customer)),
        deleted_orders=tuple(id_ for kind, id_ in gone if kind == "order"),
        deleted_customers=tuple(id_ for kind, id_ in gone if kind == "customer"),
    )


def deliver(history: History, shop: str, shown: Sequence[Shown], cursor: str = "") -> None:
    ingest(history, shop, page_of(shown, cursor), audiences=["main"], currencies=None, now=1)


def empty(history: History) -> None:
    with history.begin() as db:
        for table in reversed(metadata.sorted_tables):
            db.execute(table.delete())


def shuffled(seen: list[Delivery], chance: random.Random) -> Iterator[tuple[str, list[Shown]]]:
    """The same deliveries, each once or more often, in any order, in pages of any size."""
    again = seen + chance.choices(seen, k=chance.randrange(8))
    chance.shuffle(again)
    while again:
        size = chance.randint(1, 5)
        now, again = again[:size], again[size:]
        for shop in SHOPS:
            yield shop, [shown for where, shown in now if where == shop]


@given(deliveries(), st.randoms(use_true_random=False))
@settings(
    max_examples=40,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_any_order_and_repetition_of_the_same_deliveries_ends_in_the_same_history(
    history: History, seen: list[Delivery], chance: random.Random
) -> None:
    empty(history)
    for shop, shown in seen:
        deliver(history, shop, [shown])
    expected = meaning(history)
    empty(history)
    if seen:
        for shop, some in shuffled(seen, chance):
            deliver(history, shop, some)
    assert meaning(history) == expected


class Crash(BaseException):
    """The process ends here."""


def test_a_page_that_is_killed_at_any_statement_has_not_happened(history: History) -> None:
    deliver(history, "acme", [customer("c1"), order("1", customer_id="c1"), order("2", email="ben@example.com")], "1")
    page = [
        customer("c1", "new@example.com", consent="granted", updated_at=2_000),
        order("1", customer_id="c1", items=(Item("p", "Shoes", 1, 1),), refunds=(REFUND,), updated_at=2_000),
        ("order", "2"),
        ("customer", "c9"),
    ]
    before, crashed, statement = state_of(history), True, 0
    while crashed:
        statement += 1
        with crash_at(history, statement) as crash:
            with suppress(Crash):
                deliver(history, "acme", page, "2")
            crashed = crash()
        assert (state_of(history) == before) == crashed
    assert statement > 12
    assert cursors_of(history, "acme") == {"everything": "2"}
    assert news_of(history) == {"ana@example.com", "new@example.com", "ben@example.com"}


@contextmanager
def crash_at(history: History, number: int) -> Iterator[Callable[[], bool]]:
    """Inside, the process ends before the statement of this number; gives whether it came so far."""
    statements = count(1)
    ended = False

    def look(*_: Any) -> None:
        nonlocal ended
        ended = next(statements) == number
        if ended:
            raise Crash

    event.listen(history.engine, "before_cursor_execute", look)
    yield lambda: ended
    event.remove(history.engine, "before_cursor_execute", look)


REFUND = Refund("r", 1, 1, 1_500)


def state_of(history: History) -> tuple[Any, ...]:
    return meaning(history), cursors_of(history, "acme"), news_of(history)


_PULL = """
import sys
from tests.integration.history_records import order, take
from syncd.history.database import open_history

with open_history(sys.argv[1], create=True) as history:
    for page in range(10_000):
        take(history, *(order(f"{page}-{at}") for at in range(10)), cursor=str(page))
        print(page, flush=True)
"""


def test_a_killed_program_leaves_rows_and_cursor_of_the_same_page(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'syncd.db'}"
    pulling = subprocess.Popen(
        [sys.executable, "-c", _PULL, url], stdout=subprocess.PIPE, cwd=Path(__file__).parents[2], text=True
    )
    assert pulling.stdout
    with pulling, pulling.stdout as said:
        told = [said.readline() for _ in range(30)][-1]
        pulling.kill()
    with open_history(url) as history:
        last = int(cursors_of(history, "acme")["orders"])
        assert last >= int(told)
        assert holdings(history, "acme").orders == 10 * (last + 1)


def test_two_shops_that_are_read_at_once_share_their_people(history: History) -> None:
    def pull(shop: str) -> None:
        chance = random.Random(shop)
        for page in range(8):
            people = chance.sample(range(40), 20)
            shown = [customer(f"{shop}{at}", f"{at}@example.com", updated_at=page, city=shop) for at in people]
            bought = [order(f"{page}-{at}", customer_id=f"{shop}{at}") for at in people]
            deliver(history, shop, [*shown, *bought], str(page))

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(pull, SHOPS))
    at_once = meaning(history)
    empty(history)
    for shop in SHOPS:
        pull(shop)
    assert at_once == meaning(history)
    assert len(at_once["orders"]) == 2 * 8 * 20
