"""What is missing: how one customer would come into a segment, by orders or by waiting, and until when that is enough.

Nothing is calculated backwards. The rule itself is asked what more orders would make of it, so an answer
cannot differ from the judgement that follows. Figures of the audience stay as they are today.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice, product
from typing import NamedTuple

import numpy as np

from syncd.calendar import DAY_SECONDS, local_day
from syncd.lifecycle.columns import FOREVER, Batch
from syncd.rules.due import course
from syncd.rules.evaluation import value_of
from syncd.rules.judgement import in_force
from syncd.rules.kinds import Kind
from syncd.rules.names import NAMES
from syncd.rules.playbook import Playbook
from syncd.rules.scope import Scope
from syncd.rules.tree import Call, Node, Operation, calls

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
ONE_ORDER = Purchase(1)


@dataclass(frozen=True, slots=True)
class Missing:
    """One way into a segment: this purchase, made now, and then waiting until `from_at` if that is later.

    From `before_at` on the same purchase is enough no longer; None where it stays enough as far as can be
    seen. `unmet` is what is not fulfilled now; of it `beyond` is what neither orders nor time will fulfil, and
    `depends` what only the right product may. The instants are those of all else; `from_at` is None where that
    never comes together. Units: UTC seconds.
    """

    purchase: Purchase
    from_at: int | None
    before_at: int | None
    unmet: Way
    beyond: Way
    depends: Way


class Span(NamedTuple):
    """How long a condition stays as it is."""

    begin: int
    until: int
    holds: bool


@dataclass(frozen=True, slots=True, eq=False)
class Person:
    """The only customer of `batch`, as they are now and would be later. What was found out is remembered."""

    batch: Batch
    now: int
    figures: Mapping[str, float | None]
    _courses: dict[tuple[Node, Purchase, bool], list[Span]] = field(default_factory=dict)
    _orders: dict[Condition, int | None] = field(default_factory=dict)

    def fulfils(self, way: Iterable[Condition], bought: Purchase = NOTHING) -> bool:
        """Whether all these conditions are as wanted if this is bought now."""
        scope = self._scope(self.now, bought, self.now)
        return all(bool(value_of(node, scope)[0]) == wanted for node, wanted, _ in way)

    def orders_for(self, condition: Condition) -> int | None:
        """How many orders fulfil a condition now, be they worth little or much; None where none do."""
        if condition not in self._orders:
            self._orders[condition] = _least(
                lambda orders: any(self.fulfils([condition], Purchase(orders, each)) for each in (0, MOST_MINOR)),
                MOST_ORDERS,
            )
        return self._orders[condition]

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
        """The first instant from now on at which it is so that all these conditions are as wanted, or is not so.

        What is bought is bought now; with `anew` at that instant.
        """
        way, now = tuple(way), self.now
        while now < self.now + AHEAD_SECONDS:
            spans = [self._span(node, now, bought, anew) for node, _, _ in way]
            if all(span.holds == each.wanted for span, each in zip(spans, way, strict=True)) is fulfilled:
                return now
            now = min((span.until for span in spans), default=FOREVER)
        return None

    def _span(self, node: Node, at: int, bought: Purchase, anew: bool) -> Span:
        """How a condition stands at an instant, and until when."""
        known = self._courses.setdefault((node, bought, anew), [])
        while not known or known[-1].until <= at:
            begin = known[-1].until if known else self.now
            found = course(node, self._scope(begin, bought, begin if anew else self.now))
            known.append(Span(begin, int(np.ravel(found.until)[0]), bool(np.ravel(found.value)[0])))
        return next(span for span in reversed(known) if span.begin <= at)

    def _scope(self, at: int, bought: Purchase, bought_at: int) -> Scope:
        return Scope(self._after(bought, bought_at), local_day(at, self.batch.zone), self.figures, now=at)

    def _after(self, bought: Purchase, at: int) -> Batch:
        """Their orders with these among them; what was in these nobody knows."""
        batch, items, day = self.batch, self.batch.items, local_day(at, self.batch.zone)
        if not bought.orders:
            return batch
        place = int(np.searchsorted(batch.order_day, day, side="right"))
        if items is not None:
            items = replace(items, starts=np.insert(items.starts, place, [items.starts[place]] * bought.orders))
        return replace(
            batch,
            starts=np.array([0, len(batch.order_day) + bought.orders]),
            order_day=np.insert(batch.order_day, place, [day] * bought.orders),
            order_minor=np.insert(batch.order_minor, place, bought.amounts),
            last_order_at=None if batch.last_order_at is None else np.maximum(batch.last_order_at, at),
            items=items,
        )


def rules_in_force(playbook: Playbook, scope: Scope, bits: Mapping[str, int]) -> dict[str, Node]:
    """For each segment the rule by which its only customer is in it or not, what in() asks for put in its place."""
    rules: dict[str, Node] = {}
    for segment in playbook.segments:
        rule, stay_while = in_force(segment, scope)
        if stay_while and scope.column("was_in")[0] >> bits[segment.name] & 1:
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


def _effort(missing: Missing) -> tuple[bool, int, int, int, int]:
    lacking = len(missing.beyond), len(missing.depends)
    return missing.from_at is None, *lacking, missing.from_at or 0, missing.purchase.orders


def _makes_needless(easier: Missing, other: Missing) -> bool:
    """`37.20 € or 1 order` stays: the two are different things to ask for."""
    lacks, other_lacks = ((each.beyond, each.depends, each.from_at is None) for each in (easier, other))
    if lacks != other_lacks:
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
    """1. What is unmet. 2. What fulfils it, and from when on. 3. What nothing fulfils is put aside, and what only the
    right product does. 4. Until when these orders are enough.
    """
    unmet = tuple(each for each in way if not person.fulfils([each]))
    bought, from_at = _reached(way, unmet, person)
    beyond: Way = ()
    if from_at is None:
        beyond = tuple(each for each in unmet if _reached((each,), (each,), person)[1] is None)
        way = tuple(each for each in way if each not in beyond)
        bought, from_at = _reached(way, tuple(each for each in unmet if each not in beyond), person)
    depends = tuple(each for each in beyond if _depends_on_products(each))
    if depends and not bought.orders:
        bought, from_at = ONE_ORDER, person.first(way, ONE_ORDER)
    ends = bought.orders and from_at == person.now
    before_at = person.too_late(way, bought) if ends else None
    return Missing(bought, from_at, before_at, unmet, tuple(each for each in beyond if each not in depends), depends)


def _reached(way: Way, unmet: Way, person: Person) -> tuple[Purchase, int | None]:
    """What has to be bought now, and from when on all of it is fulfilled then; None where it never is."""
    bought = _purchase(unmet, person)
    from_at = person.first(way, bought)
    # Some time only runs from an order on.
    if from_at is None and not bought.orders and (after_one := person.first(way, ONE_ORDER)) is not None:
        return ONE_ORDER, after_one
    return bought, from_at


def _depends_on_products(condition: Condition) -> bool:
    """Whether it may be fulfilled by the right product; what nobody knows beforehand."""
    return condition.wanted and any("items" in NAMES[call.name].needs for call in calls(condition.node))


def _purchase(unmet: Way, person: Person) -> Purchase:
    """The least that fulfils today what orders can fulfil of it."""
    needed = {each: orders for each in unmet if (orders := person.orders_for(each))}
    if not needed:
        return NOTHING
    orders = max(needed.values())
    if person.fulfils(needed, Purchase(orders)):
        return Purchase(orders)
    amount = _least(lambda minor: person.fulfils(needed, Purchase(orders, minor)), MOST_MINOR)
    return Purchase(orders, amount or 0)


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
