"""What is missing: how one customer would come into a segment, by orders or by waiting, and until when that is enough.

Nothing is calculated backwards. The rule itself is asked what more orders would make of it, so an answer
cannot differ from the judgement that follows. Figures of the audience stay as they are today.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice, product
from typing import NamedTuple

import numpy as np

from syncd.calendar import DAY_SECONDS, local_day
from syncd.lifecycle.columns import FOREVER, Batch
from syncd.rules.due import course
from syncd.rules.evaluation import value_of
from syncd.rules.judgement import in_force
from syncd.rules.kinds import Kind
from syncd.rules.playbook import Playbook
from syncd.rules.scope import Scope
from syncd.rules.tree import Call, Node, Operation

# So far ahead a change is looked for.
AHEAD_SECONDS = 400 * DAY_SECONDS
# Of a rule with more alternatives the first ones are looked at; nobody reads more.
MOST_WAYS = 16
# Nobody buys more than this to come into a segment.
MOST_ORDERS = 1_000
MOST_MINOR = 10**12


class Condition(NamedTuple):
    """A part of a rule that is no `and`, `or` or `not`; and whether it shall hold, or shall not.

    `written`: what of the rule it comes from; `between` is two conditions.
    """

    node: Node
    wanted: bool
    written: Node

    @classmethod
    def of(cls, node: Node, wanted: bool = True) -> Condition:
        """A condition as it is written."""
        return cls(node, wanted, node)

    def __str__(self) -> str:
        return str(self.written if self.wanted else Operation(self.written.span, Kind.BOOLEAN, "not", (self.written,)))


Way = tuple[Condition, ...]


class Purchase(NamedTuple):
    """So many orders, worth so much together in minor units; 0: whatever they are worth."""

    orders: int
    amount_minor: int = 0

    @property
    def amounts(self) -> list[int]:
        """What each is worth: the first what the others leave of it. No order that counts is worth less than 1."""
        return [max(1, self.amount_minor - self.orders + 1), *[1] * (self.orders - 1)]


NOTHING = Purchase(0)


@dataclass(frozen=True, slots=True)
class Missing:
    """One way into a segment: this purchase, made now, and then waiting until `from_at` if that is later.

    From `before_at` on the same purchase is enough no longer; None where it stays enough as far as can be
    seen. `unmet` is what is not fulfilled now, `beyond` what of it neither orders nor time will fulfil; the
    instants are those of all else. `from_at` is None where that never comes together. Units: UTC seconds.
    """

    purchase: Purchase
    from_at: int | None
    before_at: int | None
    unmet: Way
    beyond: Way


@dataclass(frozen=True, slots=True, eq=False)
class Person:
    """The only customer of `batch`, as they are now and would be later."""

    batch: Batch
    now: int
    figures: Mapping[str, float | None]

    def fulfils(self, way: Iterable[Condition], bought: Purchase = NOTHING) -> bool:
        """Whether all these conditions are as wanted if this is bought now."""
        batch = self._after(bought, self.now)
        scope = Scope(batch, local_day(self.now, batch.zone), self.figures, now=self.now)
        return all(bool(value_of(node, scope)[0]) == wanted for node, wanted, _ in way)

    def changes(self, condition: Condition) -> int | None:
        """When a condition begins or ceases to hold if nothing happens; None where it never does."""
        return self._first([condition], not self.fulfils([condition]))

    def first(self, way: Iterable[Condition], bought: Purchase) -> int | None:
        """From when on all these conditions are as wanted if this is bought now; None where never."""
        return self._first(way, True, bought)

    def too_late(self, way: Iterable[Condition], bought: Purchase) -> int | None:
        """From when on it is no longer enough to buy this; None where it always is."""
        return self._first(way, False, bought, anew=True)

    def _first(
        self, way: Iterable[Condition], fulfilled: bool, bought: Purchase = NOTHING, *, anew: bool = False
    ) -> int | None:
        return next((at for at, found in self.moments(way, bought, anew=anew) if found is fulfilled), None)

    def moments(
        self, way: Iterable[Condition], bought: Purchase = NOTHING, *, anew: bool = False
    ) -> Iterator[tuple[int, bool]]:
        """Now, and each later instant at which it may change: whether all these conditions are as wanted.

        What is bought is bought now; with `anew` at each of these instants instead of now.
        """
        way, now, end = tuple(way), self.now, self.now + AHEAD_SECONDS
        batch = self._after(bought, now)
        while now < end:
            scope = Scope(batch, local_day(now, batch.zone), self.figures, now=now)
            courses = [course(each.node, scope) for each in way]
            yield now, all(bool(np.ravel(c.value)[0]) == each.wanted for c, each in zip(courses, way, strict=True))
            now = min((int(np.ravel(c.until)[0]) for c in courses), default=FOREVER)
            batch = self._after(bought, now) if anew and now < end else batch

    def _after(self, bought: Purchase, at: int) -> Batch:
        """Their orders with these behind them; what was in these nobody knows."""
        batch, items = self.batch, self.batch.items
        if not bought.orders:
            return batch
        return replace(
            batch,
            starts=np.array([0, len(batch.order_day) + bought.orders]),
            order_day=np.append(batch.order_day, np.full(bought.orders, local_day(at, batch.zone))),
            order_minor=np.append(batch.order_minor, np.array(bought.amounts, np.int64)),
            last_order_at=None if batch.last_order_at is None else np.array([at]),
            items=items and replace(items, starts=np.append(items.starts, [items.starts[-1]] * bought.orders)),
        )


def rules_in_force(playbook: Playbook, scope: Scope, bits: Mapping[str, int]) -> dict[str, Node]:
    """For each segment the rule by which its only customer is in it or not, what in() asks for put in its place."""
    rules: dict[str, Node] = {}
    for segment in playbook.segments:
        rule, stay_while = in_force(segment, scope)
        if stay_while and scope.batch.was_in[0] >> bits[segment.name] & 1:
            rule = Operation(rule.span, Kind.BOOLEAN, "or", (rule, stay_while))
        rules[segment.name] = resolved(rule, rules)
    return rules


def resolved(node: Node, rules: Mapping[str, Node]) -> Node:
    """The same with the rule of a segment in the place of each in()."""
    match node:
        case Call(name="in", arguments=(segment,)):
            return rules[str(segment)]
        case Operation():
            return replace(node, operands=tuple(resolved(operand, rules) for operand in node.operands))
    return node


def ways_into(rule: Node, person: Person) -> list[Missing]:
    """The ways to fulfil a rule without in(), the easiest first; one that another makes needless is left out."""
    found: list[Missing] = []
    for missing in sorted((_missing(way, person) for way in _ways(rule, True)), key=_effort):
        if not any(_makes_needless(easier, missing) for easier in found):
            found.append(missing)
    reachable = [each for each in found if each.from_at is not None and not each.beyond]
    return reachable or found


def _effort(missing: Missing) -> tuple[bool, int, int, int]:
    never = missing.from_at is None
    return never, len(missing.beyond), missing.from_at or 0, missing.purchase.orders


def _makes_needless(easier: Missing, other: Missing) -> bool:
    """`37.20 € or 1 order` stays: the two are different things to ask for."""
    if easier.beyond != other.beyond or (easier.from_at is None) != (other.from_at is None):
        return False
    no_later = (easier.from_at or 0) <= (other.from_at or 0)
    no_more = all(mine <= theirs for mine, theirs in zip(easier.purchase, other.purchase, strict=True))
    an_amount_beside_an_order = not easier.purchase.amount_minor and other.purchase.amount_minor
    differs = easier.purchase.orders == other.purchase.orders == 1 and an_amount_beside_an_order
    return no_later and no_more and not differs


def _ways(node: Node, wanted: bool) -> list[Way]:
    """The alternatives by which a rule holds, or does not: each a choice of conditions that do it together."""
    match node:
        case Operation(operator="not"):
            return _ways(node.operands[0], not wanted)
        case Operation(operator="and" | "or"):
            parts = [_ways(operand, wanted) for operand in node.operands]
            return _joined(parts, (node.operator == "and") is wanted)
        case Operation(operator="between", operands=(value, low, high)):
            return _halves(node, wanted, (">=", value, low), ("<=", value, high))
        case Operation(operator="==", operands=(left, right)) if left.kind is not Kind.TEXT:
            return _halves(node, wanted, (">=", left, right), ("<=", left, right))
        case Operation(operator="!=", operands=(left, right)) if left.kind is not Kind.TEXT:
            return _halves(node, wanted, ("<", left, right), (">", left, right))
    return [(Condition.of(node, wanted),)]


def _joined(parts: Sequence[list[Way]], together: bool) -> list[Way]:
    """One of each part together, or any one of them."""
    if together:
        return [tuple(dict.fromkeys(sum(some, ()))) for some in islice(product(*parts), MOST_WAYS)]
    return [way for part in parts for way in part][:MOST_WAYS]


def _halves(written: Operation, wanted: bool, *comparisons: tuple[str, Node, Node]) -> list[Way]:
    """One comparison as two that a number can fall short of: only of `!=` one of them is enough."""
    parts: list[list[Way]] = [
        [(Condition(Operation(written.span, Kind.BOOLEAN, compares, (left, right)), wanted, written),)]
        for compares, left, right in comparisons
    ]
    return _joined(parts, (written.operator != "!=") is wanted)


def _missing(way: Way, person: Person) -> Missing:
    """1. What is unmet. 2. What of it orders fulfil, and how many. 3. What nothing fulfils is put aside.
    4. From when all else is fulfilled. 5. Until when these orders are enough.
    """
    unmet = tuple(each for each in way if not person.fulfils([each]))
    bought = _purchase(unmet, person)
    beyond: Way = ()
    from_at = person.first(way, bought)
    if from_at is None:
        beyond = tuple(each for each in unmet if person.first([each], bought) is None)
        way = tuple(each for each in way if each not in beyond)
        from_at = person.first(way, bought)
    ends = bought.orders and from_at == person.now
    return Missing(bought, from_at, person.too_late(way, bought) if ends else None, unmet, beyond)


def _purchase(unmet: Way, person: Person) -> Purchase:
    """The least that fulfils today what orders can fulfil of it."""
    needed = {each: orders for each in unmet if (orders := _orders_for(each, person))}
    if not needed:
        return NOTHING
    orders = max(needed.values())
    if person.fulfils(needed, Purchase(orders)):
        return Purchase(orders)
    amount = _least(lambda minor: person.fulfils(needed, Purchase(orders, minor)), MOST_MINOR)
    return Purchase(orders, amount or 0)


def _orders_for(condition: Condition, person: Person) -> int | None:
    """How many orders fulfil a condition today, be they worth little or much; None where none do."""

    def enough(orders: int) -> bool:
        bought = (Purchase(orders), Purchase(orders, MOST_MINOR))
        return any(person.fulfils([condition], each) for each in bought)

    return _least(enough, MOST_ORDERS)


def _least(enough: Callable[[int], bool], most: int) -> int | None:
    """A number from 1 to `most` that is enough where one less is not; None where none is found."""
    low, high = 0, 1
    while not enough(high):
        low, high = high, 2 * high
        if high > most:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high
