"""What fields say of many customers: as numbers that tell at once who is told something else, and as values.

It knows columns and kinds; it neither reads facts nor knows how a service spells a value.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

from syncd.rules.kinds import Kind
from syncd.rules.scope import Column
from syncd.rules.showing import rounded, written

Hashes = NDArray[np.int64]

# Another number makes all hashes others: of a field that is spelled in another way than before.
SPELLING = 1


@dataclass(frozen=True, slots=True, eq=False)
class Saying:
    """What one field says of each customer of a batch: `column` as it is rounded for showing."""

    name: str
    kind: Kind
    column: Column

    def values(self, places: Any = slice(None)) -> list[Any]:
        """As the e-mail service takes them, "" where one is missing; of all, or of the customers at these places."""
        return ["" if value is None else value for value in written(self.column[places], self.kind)]


def saying(name: str, column: Column, kind: Kind, currency_exponent: int) -> Saying:
    """What a field says whose values are those of the column."""
    return Saying(name, kind, rounded(column, kind, currency_exponent))


def hashes(sayings: Iterable[Saying], customers: int) -> Hashes:
    """One number for all that the fields say of each customer, never below zero; 0 where they say nothing at all.

    In every process the same. Two customers, or two days, with the same number are told the same: that they are not
    happens to one pair in 2^63.
    """
    found, texts = np.zeros(customers, np.uint64), _Texts()
    for one in sayings:
        bits, exists = _bits(one, texts)
        seed = _hash(f"{SPELLING}\0{one.name}\0{one.kind.name}")
        # What is missing adds nothing. The name within, so that two fields cannot change places.
        found += np.where(exists, _mixed(_mixed(bits) ^ np.uint64(seed)), np.uint64(0))
    return (found >> np.uint64(1)).astype(np.int64)


def _bits(one: Saying, texts: _Texts) -> tuple[NDArray[np.uint64], NDArray[np.bool_]]:
    """64 bits for each value, and where there is one."""
    if one.kind is Kind.TEXT:
        values = one.column.tolist()
        bits = np.fromiter(map(texts.__getitem__, values), np.uint64, len(values))
        return bits, bits != 0
    numbers = one.column.astype(np.float64)
    return numbers.view(np.uint64), ~np.isnan(numbers)


class _Texts(dict[str, int]):
    """The hash of each text, worked out once: a batch has few, and many times each. 0 for an empty one."""

    def __missing__(self, text: str) -> int:
        self[text] = _hash(text) if text else 0
        return self[text]


def _hash(text: str) -> int:
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little")


def _mixed(bits: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Every bit of the result depends on every bit given. Source: the finaliser of SplitMix64 (Steele et al., 2014)."""
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))
