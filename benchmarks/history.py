"""A made-up history, and the steps of a cycle over it. A program, so that each measurement has its own process.

    python -m benchmarks.history fill|judge|confirm|cycle ROOM [CUSTOMERS ORDERS_EACH [DATABASE]]

`fill` writes the database, by default a file in the directory ROOM; `judge` judges everybody by the shipped playbook,
also those whom it judged before; `confirm` takes the service to have what it shall have; `cycle` does what a cycle does
with the history, first with changed customers and then with nothing to do, and prints the CPU milliseconds of both.
"""

from __future__ import annotations

import gc
import json
import sys
from collections.abc import Callable, Iterator
from itertools import cycle
from pathlib import Path
from statistics import median
from time import process_time

import numpy as np

from syncd.cli import GARBAGE_OBJECTS
from syncd.clock import SystemClock
from syncd.history import ledger, packs
from syncd.history.articles import article_ids
from syncd.history.database import History, each, open_history, put
from syncd.history.people import mark_news
from syncd.history.schema import customers, identities, members, order_items, orders
from syncd.history.shops import set_shop_state, shop_row
from syncd.history.unpacked import mark
from syncd.logs import set_up
from syncd.pipeline import sync_due
from syncd.settings import load
from syncd.steps.context import Context
from syncd.steps.judge import judge
from syncd.steps.moments import ripen
from syncd.steps.planning import plan_stored

LIFECYCLE = Path(__file__).parents[1] / "config" / "lifecycle.toml"
CONFIG = """
[syncd]
database = "{database}"

[shops.acme]
platform = "shopify"
domain = "acme.myshopify.com"
token = {{ env = "PATH" }}

[audiences.main]
esp = "mailchimp"
list_id = "a1"
api_key = {{ env = "PATH" }}
shops = ["acme"]
currency = "EUR"
timezone = "Europe/Madrid"
lifecycle = "{lifecycle}"
"""
YEARS_SECONDS = 5 * 365 * 86_400
AT_ONCE = 50_000
CHANGED = 1_000
# Who changes ordered so long before the cycle.
AGO_SECONDS = 60
# Nobody is due for so long while nothing is to do.
SOON_SECONDS = 600
ROUNDS = 5
PRODUCTS = 500
LINES_PER_ORDER = 1.6


def opened(room: Path, *, create: bool = False) -> Context:
    """The history of the room, with the audience `main`."""
    settings = load(room / "syncd.toml")
    return Context(settings, open_history(settings.database, create=create), SystemClock())


def configure(room: Path, database: str = "sqlite:///syncd.db") -> None:
    """Afterwards the room has a configuration."""
    (room / "syncd.toml").write_text(CONFIG.format(lifecycle=LIFECYCLE, database=database), "utf-8")


def fill(context: Context, customers: int, orders_each: int) -> None:
    """The history holds so many customers, seven of ten of them subscribed, and their orders of five years: so many
    on average, and many customers with none.
    """
    random, now = np.random.default_rng(7), context.clock.now()
    for first in range(1, customers + 1, AT_ONCE):
        ids = np.arange(first, min(first + AT_ONCE, customers + 1))
        signed_up = now - random.integers(86_400, YEARS_SECONDS, len(ids))
        _put_people(context.history, ids.tolist(), signed_up.tolist())
        counts = random.geometric(1 / (orders_each + 1), len(ids)) - 1
        whose = np.repeat(ids, counts)
        placed = random.integers(np.repeat(signed_up, counts), now)
        lines = random.geometric(1 / LINES_PER_ORDER, len(whose))
        _put_orders(context.history, whose, placed, random.integers(100, 20_000, len(whose)), lines)
    packs.refresh(context.history)


def _put_people(history: History, ids: list[int], signed_up: list[int]) -> None:
    with history.begin() as db:
        people = [(id_, f"{id_}@example.com", at) for id_, at in zip(ids, signed_up, strict=True)]
        put(db, customers, ("id", "email", "signup_at"), people)
        known = [("acme", str(id_), id_, 1) for id_ in ids]
        put(db, identities, ("shop", "shop_customer_id", "customer_id", "updated_at"), known)
        listed = [("main", id_, str(id_), "subscribed", 1) for id_ in ids if id_ % 10 < 7]
        put(db, members, ("audience", "customer_id", "contact_id", "status", "changed_at"), listed)


def _put_orders(history: History, whose: np.ndarray, placed: np.ndarray, minor: np.ndarray, lines: np.ndarray) -> None:
    """Each with so many lines. Whose it was and its place among theirs make the id."""
    ids = [f"{customer}-{place}" for place, customer in enumerate(whose.tolist())]
    with history.begin() as db:
        sold = article_ids(db, "acme", [(str(at), "", f"Product {at}", "") for at in range(PRODUCTS)])
        of_lines = [(id_, line) for id_, count in zip(ids, lines.tolist(), strict=True) for line in range(count)]
        columns = (ids, whose.tolist(), placed.tolist(), minor.tolist())
        put(db, orders, ORDER, [_order(*row) for row in zip(*columns, strict=True)])
        items = [("acme", *of, article, 1, 1000) for of, article in zip(of_lines, cycle(sold.values()), strict=False)]
        put(db, order_items, ("shop", "order_id", "line", "article_id", "quantity", "price_minor"), items)
        mark(db, "acme", zip(whose.tolist(), placed.tolist(), strict=True))


ORDER = (
    *("shop", "id", "customer_id", "placed_at", "updated_at", "status", "cancelled", "test", "currency"),
    *("paid_minor", "goods_minor", "refunded_minor", "refunded_goods_minor", "digest"),
)


def _order(id_: str, customer: int, placed_at: int, minor: int) -> tuple[object, ...]:
    """A row of an order that was paid."""
    return ("acme", id_, customer, placed_at, 1, 1, False, False, "EUR", minor, minor, 0, 0, b"\0")


def judge_everybody(context: Context) -> None:
    """Everybody stands where the rules put them. As when a rule is written otherwise: figures of today stay, if any."""
    tags = ledger.tags_of(context.history, "main", context.settings.audiences["main"].playbook, "syncd:")
    read, _, _ = ledger.audience_row(context.history, "main")["rules_digest"].rpartition(" ")
    ledger.set_audience(context.history, "main", rules_digest=f"{read} otherwise")
    judge(context, "main", tags)


def confirm(context: Context) -> None:
    """The first import is done: the shop was pulled just now, the service is taken to have all it shall have, and
    whoever orders from now on is told of.
    """
    _confirm(context.history)
    with context.history.begin() as db:
        db.exec_driver_sql("UPDATE audiences SET backfilled_at = 1")
        each(db, "UPDATE moments_in_use SET since_at = ?", [(context.clock.now() - AGO_SECONDS,)])
    shop_row(context.history, "acme", platform="shopify")
    set_shop_state(context.history, "acme", pulled_at=context.clock.now())


def cycles(context: Context) -> dict[str, float]:
    """CPU milliseconds of a cycle over the history: with changed customers, and with nothing to do (medians)."""
    playbook = context.settings.audiences["main"].playbook
    tags = ledger.tags_of(context.history, "main", playbook, "syncd:")

    def work() -> None:
        judge(context, "main", tags)
        ripen(context, "main", tags)
        plan_stored(context, "main", tags)

    work()
    _confirm(context.history)
    changed = []
    for ids in _changing(context):
        with context.history.begin() as db:
            mark_news(db, ids, ["main"])
        changed.append(_milliseconds(work))
        _confirm(context.history)
    with context.history.begin() as db:
        # Among millions somebody is due in each second, and then there is something to do.
        soon = context.clock.now() + SOON_SECONDS
        each(db, "UPDATE standings SET next_due_at = NULL WHERE next_due_at <= ?", [(soon,)])
    sync_due(context)
    return {"changed": median(changed), "nothing": median(_milliseconds(lambda: sync_due(context)) for _ in range(50))}


def _confirm(history: History) -> None:
    """Afterwards the service is taken to have what it shall have."""
    with history.begin() as db:
        db.exec_driver_sql(
            "UPDATE standings SET known_tags = wanted_tags, known_fields = wanted_fields"
            " WHERE wanted_tags <> known_tags OR wanted_fields <> known_fields OR leaving <> ''"
        )


def _changing(context: Context) -> Iterator[list[int]]:
    """The customers who place an order more, anew in each round; they are spread over all."""
    with context.history.read() as db:
        customers = int(db.exec_driver_sql("SELECT max(id) FROM customers").scalar_one())
    for at in range(ROUNDS):
        ids = np.unique(np.linspace(1, customers - ROUNDS, CHANGED).astype(np.int64) + at)
        placed_at = context.clock.now() - AGO_SECONDS
        with context.history.begin() as db:
            put(db, orders, ORDER, [_order(f"n{at}-{id_}", id_, placed_at, 5000) for id_ in ids.tolist()])
            mark(db, "acme", [(id_, placed_at) for id_ in ids.tolist()])
        yield ids.tolist()


def _milliseconds(work: Callable[[], object]) -> float:
    began = process_time()
    work()
    return 1_000 * (process_time() - began)


def main(what: str, room: Path, customers: str = "", orders_each: str = "", *database: str) -> None:
    set_up("warning")
    # As the command line does.
    gc.set_threshold(GARBAGE_OBJECTS)
    if what == "fill":
        configure(room, *database)
    context = opened(room, create=what == "fill")
    gc.freeze()
    match what:
        case "fill":
            fill(context, int(customers), int(orders_each))
        case "judge":
            judge_everybody(context)
        case "confirm":
            confirm(context)
            # What is closed lies in one file, whose size is measured.
            context.history.close()
        case "cycle":
            sys.stdout.write(json.dumps(cycles(context)) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), *sys.argv[3:])
