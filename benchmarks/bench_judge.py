"""How fast everybody is judged by the shipped playbook, over made-up customers; ratios are what counts.

    python benchmarks/bench_judge.py [CUSTOMERS ...]

Prints for each size the CPU seconds, those of them that the due times take, what a customer costs against the
first size (it should stay near 1), and how often one plain pass over the same orders would fit into the time.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np

from syncd.calendar import midnight
from syncd.lifecycle.columns import NO_DAY, NO_INSTANT, Batch, Items
from syncd.rules import Playbook, due_times, figure_of, figure_values, judge, rhythm_of
from syncd.settings.lifecycle import read_playbook

LIFECYCLE = Path(__file__).parents[1] / "config" / "lifecycle.toml"
TODAY = 20_000  # a local day number, in 2024
BATCH = 50_000
ORDERS_PER_CUSTOMER = 11
PRODUCTS = 500

Seconds = defaultdict[str, float]


def batches(customers: int) -> Iterator[Batch]:
    """Customers in batches, as the history would hand them over; the same ones at every call."""
    random = np.random.default_rng(7)
    for first in range(0, customers, BATCH):
        yield batch(random, np.arange(first, min(first + BATCH, customers)))


def batch(random: np.random.Generator, ids: np.ndarray) -> Batch:
    """Customers with few orders mostly and many seldom, spread over five years."""
    count = len(ids)
    starts = np.concatenate([[0], np.cumsum(random.geometric(1 / (ORDERS_PER_CUSTOMER + 1), count) - 1)])
    owner = np.repeat(np.arange(count), np.diff(starts))
    days = random.integers(TODAY - 5 * 365, TODAY + 1, starts[-1])
    text = np.full(count, "ES")
    return Batch(
        customer=ids,
        signup_day=random.integers(TODAY - 5 * 365, TODAY, count),
        subscribed=random.random(count) < 0.7,
        wholesale=random.random(count) < 0.01,
        country=text,
        city=text,
        language=text,
        was_in=np.zeros(count, np.int64),
        starts=starts,
        order_day=days[np.lexsort((days, owner))],
        order_minor=random.integers(100, 20_000, starts[-1]),
        currency_exponent=2,
        **particulars(random, count, starts[-1]),
    )


def particulars(random: np.random.Generator, count: int, orders: int) -> dict[str, Any]:
    """The columns that only some rules read: one customer in fifty has a cart, every order has a line or two."""
    starts = np.concatenate([[0], np.cumsum(random.integers(1, 3, orders))])
    titles, categories = (
        random.integers(1, PRODUCTS + 1, starts[-1]),
        random.integers(PRODUCTS + 1, PRODUCTS + 21, starts[-1]),
    )
    texts = np.array(
        ["", *(f"Product {at}" for at in range(PRODUCTS)), *(f"Category {at}" for at in range(20))], object
    )
    clicked = random.integers(TODAY - 365, TODAY, count)
    return {
        "cart_at": np.where(random.random(count) < 0.02, midnight(TODAY, "UTC") - 10_000, NO_INSTANT),
        "cart_minor": random.integers(100, 20_000, count),
        "open_rate": random.random(count),
        "click_rate": random.random(count),
        "clicked_day": np.where(random.random(count) < 0.3, clicked, NO_DAY),
        "birthday": 100 * random.integers(1, 13, count) + random.integers(1, 29, count),
        "shop_tags": np.fromiter([("vip",), ()] * (count // 2) + [()] * (count % 2), object),
        "wishes": np.fromiter([("Product 1",), ()] * (count // 2) + [()] * (count % 2), object),
        "items": Items(
            starts=starts,
            product_id=titles,
            title=titles,
            category=categories,
            sku=titles,
            quantity=np.ones(starts[-1], np.int64),
            price_minor=random.integers(100, 10_000, starts[-1]),
            texts=np.array(texts, object),
        ),
        "last_order_at": np.full(count, midnight(TODAY, "UTC") - 100_000),
        "companions": {f"Product {at}": f"Product {at + 1}" for at in range(0, PRODUCTS - 1, 2)},
    }


@contextmanager
def watched(seconds: Seconds, what: str) -> Iterator[None]:
    """Afterwards the CPU time spent within has been added to `seconds[what]`."""
    began = process_time()
    yield
    seconds[what] += process_time() - began


def measure(playbook: Playbook, customers: int) -> Seconds:
    """CPU seconds for the audience's figures, for judging everybody, for their due times, and for one running total of
    all orders.
    """
    seconds: Seconds = defaultdict(float)
    bits = {segment.name: bit for bit, segment in enumerate(playbook.segments)}
    values: dict[str, list[np.ndarray]] = {figure.text: [] for figure in playbook.figures}
    for each in batches(customers):
        with watched(seconds, "figures"):
            for figure in playbook.figures:
                values[figure.text].append(figure_values(figure, each, TODAY))
    figures = {figure.text: figure_of(figure, values[figure.text]) for figure in playbook.figures}
    if playbook.usual is not None:
        with watched(seconds, "rhythm"):
            figures |= rhythm_of(playbook.usual, lambda: timed(batches(customers), seconds), TODAY)
        seconds["rhythm"] -= seconds["making"]
    for each in batches(customers):
        with watched(seconds, "judging"):
            judgement = judge(playbook, each, TODAY, figures, bits)
        with watched(seconds, "due"):
            due_times(playbook, judgement)
        with watched(seconds, "plain"):
            np.cumsum(each.order_minor)
    return seconds


def timed(made: Iterator[Batch], seconds: Seconds) -> Iterator[Batch]:
    """The batches; what it took to make them has been added to `seconds["making"]`."""
    while True:
        with watched(seconds, "making"):
            each = next(made, None)
        if each is None:
            return
        yield each


def main(sizes: list[int]) -> None:
    playbook = read_playbook(LIFECYCLE, "EUR", "syncd:")
    measure(playbook, 1_000)  # imports and caches are not what is measured
    first = 0.0
    sys.stdout.write(
        f"{'customers':>12} {'CPU s':>8} {'due':>8} {'µs each':>8} {'against first':>14} {'plain passes':>13}\n"
    )
    for size in sizes:
        seconds = measure(playbook, size)
        total = seconds["figures"] + seconds["rhythm"] + seconds["judging"] + seconds["due"]
        first = first or total / size
        sys.stdout.write(
            f"{size:>12,} {total:>8.2f} {seconds['due']:>8.2f} {total / size * 1e6:>8.2f} {total / size / first:>14.2f}"
            f" {total / seconds['plain']:>13.0f}\n"
        )


if __name__ == "__main__":
    main([int(size) for size in sys.argv[1:]] or [10_000, 100_000, 1_000_000])
