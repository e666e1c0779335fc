"""Which product goes with which: the one that is bought together with it more often than chance would have it.

It knows the lines of orders, and neither rules nor where its pairs are kept. A basket is an order of a retail
customer. Titles are counted, of the first hundred lines of a basket at most: larger ones are a reseller's, and
say little. Of a product the *confidence* in another is the share of its baskets that hold the other, too; the
*lift* is that share divided by the one of all baskets.

A pair counts from 20 joint baskets on, and where the lower bound of its lift is above 1. The bound is Chernoff's, as
Hoeffding showed it for draws without replacement (Probability Inequalities for Sums of Bounded Random Variables, 1963):
unlike Wilson's it holds for small counts and far in the tail. It has to, because among the pairs of 600 products
some are joined often by chance. The doubt is shared out between all pairs: were all products bought
independently, some pair would be found in one audience of twenty.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from syncd.lifecycle.columns import Batch, feed
from syncd.lifecycle.products import items_of

LINES_MAX: Final = 100
JOINT_MIN: Final = 20
DOUBT: Final = 0.05
# Enough to halve an interval until its ends are neighbours.
_HALVINGS: Final = 60
_WORD = re.compile(r"[^\W\d_]{3,}")

Codes = NDArray[np.int64]
Values = NDArray[np.float64]


class Companion(NamedTuple):
    """A product's best companion. `joint`: the baskets with both; `least_lift`: the lower bound of `lift`."""

    product: str
    companion: str
    joint: int
    lift: float
    least_lift: float


@dataclass(slots=True, eq=False)
class Shelf:
    """What is in all baskets until today. Every title has a number: the place of its first mention."""

    today: int
    numbers: dict[str, int] = field(default_factory=dict)
    ids: dict[str, set[str]] = field(default_factory=dict)  # under which a title was sold
    baskets: int = 0
    holding: Codes = field(default_factory=lambda: np.zeros(0, np.int64))  # how many baskets hold each title
    # The baskets with several titles, in stretches: the numbers in them one after the other, and how many each has.
    several: list[tuple[NDArray[np.int32], NDArray[np.int8]]] = field(default_factory=list)

    def add(self, batch: Batch) -> None:
        """Afterwards the baskets of this batch are on the shelf, too."""
        items = items_of(batch)
        order = np.repeat(np.arange(len(batch.order_day)), np.diff(items.starts))
        retail = ~np.repeat(batch.wholesale, np.diff(batch.starts)) & (batch.order_day <= self.today)
        early = np.arange(len(order)) - items.starts[order] < LINES_MAX
        lines = np.flatnonzero(retail[order] & early & (items.title > 0))
        texts = items.texts.tolist()
        for title, id_ in _sold(items.title[lines], items.product_id[lines], len(texts)):
            self.numbers.setdefault(texts[title], len(self.numbers))
            self.ids.setdefault(texts[title], set()).update({texts[id_]} - {""})
        many = len(self.numbers)
        number = np.array([self.numbers.get(text, 0) for text in texts], np.int64)
        # Each title once a basket, however many lines it has.
        order, held = np.divmod(_distinct(order[lines] * many + number[items.title[lines]]), many)
        counts = np.bincount(held, minlength=many)
        counts[: len(self.holding)] += self.holding
        sizes = np.diff(np.append(np.flatnonzero(np.diff(order, prepend=-1)), len(order)))
        self.holding = counts
        self.baskets += len(sizes)
        self.several.append((held[np.repeat(sizes, sizes) > 1].astype(np.int32), sizes[sizes > 1].astype(np.int8)))

    def companions(self) -> list[Companion]:
        """The best companion of each product that has one, by the product's title."""
        titles = np.array([*self.numbers], object)
        found: dict[str, Companion] = {}
        for pair in _beyond_chance(self, titles):
            if pair.product not in found and not _are_one(self, pair):
                found[pair.product] = pair
        return [found[product] for product in sorted(found)]


def companions(batches: Iterable[Batch], today: int) -> list[Companion]:
    """The best companion of each product that has one, by the product's title."""
    shelf = Shelf(today)
    feed(batches, shelf)
    return shelf.companions()


def _sold(title: Codes, id_: Codes, many: int) -> Iterator[tuple[int, int]]:
    """Under which ids each title was sold: every pair once, ascending."""
    # Nearly every title has one id only, so that few lines are left to be sorted.
    one = np.zeros(many, np.int64)
    one[title] = id_
    titles, others = np.flatnonzero(np.bincount(title)), id_ != one[title]
    pairs = _distinct(np.append(titles * many + one[titles], title[others] * many + id_[others]))
    yield from zip(*(part.tolist() for part in np.divmod(pairs, many)), strict=True)


def _distinct(values: Codes) -> Codes:
    """Each value once, ascending. They stand in order almost: that is when this sort is fast."""
    values = np.sort(values, kind="stable")
    return values[np.flatnonzero(np.diff(values, prepend=-1))]


def _beyond_chance(shelf: Shelf, titles: NDArray[np.object_]) -> Iterator[Companion]:
    """The pairs that are bought together more often than by chance, the surest first."""
    frequent = np.flatnonzero(shelf.holding >= JOINT_MIN)
    codes, joint = _pairs(shelf, frequent)
    one, other = np.divmod(codes[joint >= JOINT_MIN], max(1, len(frequent)))
    joint = np.tile(joint[joint >= JOINT_MIN], 2)
    product, companion = frequent[np.append(one, other)], frequent[np.append(other, one)]
    by_chance = shelf.holding[companion] / max(1, shelf.baskets)
    doubt = DOUBT / max(1, len(frequent) * (len(frequent) - 1))
    lift = joint / shelf.holding[product] / by_chance
    least = least_share(joint, shelf.holding[product], doubt) / by_chance
    sure = np.flatnonzero(least > 1)
    alphabet = np.argsort(np.argsort(titles))
    for at in sure[np.lexsort((alphabet[companion[sure]], -joint[sure], -least[sure]))].tolist():
        yield Companion(titles[product[at]], titles[companion[at]], int(joint[at]), float(lift[at]), float(least[at]))


def _pairs(shelf: Shelf, frequent: Codes) -> tuple[Codes, Codes]:
    """Every two of the `frequent` titles that stand in one basket, as one number, and in how many they do."""
    place = np.full(len(shelf.holding), -1)
    place[frequent] = np.arange(len(frequent))
    codes, counts = np.zeros((2, 0), np.int64)
    for held, sizes in shelf.several:
        found = np.concatenate([codes, *_pairs_of(place[held], sizes, len(frequent))])
        weights = np.append(counts, np.ones(len(found) - len(codes), np.int64))
        codes, which = np.unique(found, return_inverse=True)
        counts = np.zeros(len(codes), np.int64)
        np.add.at(counts, which, weights)
    return codes, counts


def _pairs_of(place: Codes, sizes: NDArray[np.int8], many: int) -> Iterator[Codes]:
    """The pairs of one stretch of baskets; all baskets of one size at once."""
    basket = np.repeat(np.arange(len(sizes)), sizes)[place >= 0]
    place, left = place[place >= 0], np.bincount(basket, minlength=len(sizes))
    starts = np.cumsum(left) - left
    for size in np.unique(left[left > 1]).tolist():
        rows = place[starts[left == size][:, None] + np.arange(size)]
        one, other = np.triu_indices(size, 1)
        yield (rows[:, one] * many + rows[:, other]).ravel()


def _are_one(shelf: Shelf, pair: Companion) -> bool:
    """Whether the two are one product, or of one series."""
    ids, others = shelf.ids[pair.product], shelf.ids[pair.companion]
    return not ids.isdisjoint(others) or same_series(pair.product, pair.companion)


def same_series(one: str, other: str) -> bool:
    """Whether two titles share most of their words: more than half, counted in both. Numbers and words of one or two
    letters do not count, so that sizes and amounts make no difference and no likeness.
    """
    words, others = _words(one), _words(other)
    return 4 * len(words & others) > len(words) + len(others)


def _words(title: str) -> frozenset[str]:
    return frozenset(_WORD.findall(title.casefold()))


def least_share(joint: Codes, of: Codes, doubt: float) -> Values:
    """The smallest true share under which `joint` or more of `of` baskets are not rarer than `doubt`."""
    found = joint / of
    low, high = np.zeros(len(found)), found.copy()
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        possible = of * _divergence(found, middle) <= -math.log(doubt)
        low, high = np.where(possible, low, middle), np.where(possible, middle, high)
    return low


def _divergence(found: Values, true: Values) -> Values:
    """How much a share speaks against a true share, per draw (Kullback and Leibler)."""
    rest = 1 - found
    return found * np.log(found / true) + np.where(rest > 0, rest * np.log(np.where(rest > 0, rest, 1) / (1 - true)), 0)
