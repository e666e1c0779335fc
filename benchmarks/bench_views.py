"""How long it takes to judge everybody, then only some, and to look at them, over a made-up audience in SQLite.

    python benchmarks/bench_views.py [CUSTOMERS]

By the playbook as shipped. Prints the CPU seconds of each, and the largest memory so far.
"""

from __future__ import annotations

import resource
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time

import numpy as np

from syncd.calendar import local_day
from syncd.clock import clock_for
from syncd.history import ledger
from syncd.history.database import History, open_history
from syncd.history.shops import set_shop_state, shop_row
from syncd.settings import load
from syncd.steps.context import Context
from syncd.steps.judge import judge
from syncd.views import forecast, preview
from syncd.views.suggest import suggest_thresholds

SYNCD = """
[syncd]
database = "sqlite:///{directory}/syncd.db"

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
LIFECYCLE = Path(__file__).parents[1] / "config" / "lifecycle.toml"
ORDERS_PER_CUSTOMER = 4
DAY_SECONDS = 86_400
ROWS_AT_ONCE = 100_000


def fill(history: History, customers: int, now: int) -> None:
    """The history holds these customers, seven of ten of them subscribed, and their orders of five years."""
    random = np.random.default_rng(7)
    with history.begin() as db:
        for first in range(0, customers, ROWS_AT_ONCE):
            ids = range(first + 1, min(first + ROWS_AT_ONCE, customers) + 1)
            signups = (now - random.integers(0, 5 * 365 * DAY_SECONDS, len(ids))).tolist()
            db.exec_driver_sql(
                "INSERT INTO customers (id, email, signup_at) VALUES (?, ?, ?)",
                [(id_, f"{id_}@example.com", at) for id_, at in zip(ids, signups, strict=True)],
            )
            db.exec_driver_sql(
                "INSERT INTO identities (shop, shop_customer_id, customer_id, updated_at) VALUES ('acme', ?, ?, 1)",
                [(str(id_), id_) for id_ in ids],
            )
            db.exec_driver_sql(
                "INSERT INTO members (audience, customer_id, contact_id, status, changed_at)"
                " VALUES ('main', ?, ?, 'subscribed', 1)",
                [(id_, str(id_)) for id_ in ids if id_ % 10 < 7],
            )
            db.exec_driver_sql(
                "INSERT INTO orders (shop, id, customer_id, placed_at, updated_at, status, cancelled, test, currency,"
                " paid_minor, goods_minor, refunded_minor, refunded_goods_minor, digest)"
                " VALUES ('acme', ?, ?, ?, 1, 1, 0, 0, 'EUR', ?, ?, 0, 0, X'00')",
                list(_orders(random, ids, signups, now)),
            )


def _orders(
    random: np.random.Generator, ids: range, signups: list[int], now: int
) -> Iterator[tuple[str, int, int, int, int]]:
    counts = (random.geometric(1 / (ORDERS_PER_CUSTOMER + 1), len(ids)) - 1).tolist()
    for id_, signup, count in zip(ids, signups, counts, strict=True):
        for at, minor in zip(random.integers(signup, now, count), random.integers(100, 20_000, count), strict=True):
            yield f"{id_}-{at}-{minor}", id_, int(at), int(minor), int(minor)


def make_due(history: History, people: int) -> None:
    """So many customers, spread over all, are due."""
    with history.begin() as db:
        db.exec_driver_sql(
            "UPDATE standings SET next_due_at = 1 WHERE customer_id % (SELECT max(customer_id) / ? FROM standings) = 0",
            (people,),
        )


def timed(what: str, work: Callable[[], object]) -> None:
    """The work is done, and how long it took is printed."""
    began = process_time()
    work()
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    sys.stdout.write(f"{what:<60} {process_time() - began:>8.3f} s {megabytes:>6,} MB\n")
    sys.stdout.flush()


def main(customers: int) -> None:
    with TemporaryDirectory() as directory:
        path = Path(directory, "syncd.toml")
        path.write_text(SYNCD.format(directory=directory, lifecycle=LIFECYCLE), "utf-8")
        settings = load(path)
        context = Context(settings, open_history(settings.database, create=True), clock_for(settings.sandbox))
        today = local_day(context.clock.now(), "Europe/Madrid")
        shop_row(context.history, "acme", platform="shopify")
        set_shop_state(context.history, "acme", pulled_at=context.clock.now())
        timed(f"fill with {customers:,} customers", lambda: fill(context.history, customers, context.clock.now()))
        tags = ledger.tags_of(context.history, "main", settings.audiences["main"].playbook, "syncd:")
        timed("judge everybody", lambda: judge(context, "main", tags))
        timed("nothing to do", lambda: judge(context, "main", tags))
        make_due(context.history, 1_000)
        timed("judge 1,000 who are due", lambda: judge(context, "main", tags))
        timed("forecast of 30 days", lambda: forecast(context, "main", today))
        timed("suggest", lambda: suggest_thresholds(context, "main", today))
        for rule in ("spend(6 months) >= 250 or orders(5 weeks) >= 5", "in(lapsed)", "spend(ever) > mean(spend(ever))"):
            timed(f"preview {rule}", lambda rule=rule: preview(context, "main", rule, today))  # type: ignore[misc]


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else 100_000)
