"""The rules as shipped against the reference interpreter: random rules, random customers, nasty dates."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from syncd.calendar import day_of
from syncd.lifecycle.columns import NO_DAY, NO_INSTANT, Batch, Items
from syncd.rules import Enough, FieldSpec, Playbook, SegmentSpec, figure_of, figure_values, judge, rhythm_of
from tests.unit import reference
from tests.unit.random_rules import WINDOWS, Author

# So many cases make 20,000 rules, in blocks that can be run side by side.
BLOCKS, CASES = 8, 205
NAMES = ("s-0", "s-1", "s-2", "s-3")
# The highest bits, which are the first to break.
TEXTS = ("product", "title", "category", "sku")
BITS = {name: bit for bit, name in enumerate(NAMES, start=59)}


@dataclass(frozen=True)
class Case:
    """A playbook and the people to judge by it."""

    world: reference.World
    segments: dict[str, SegmentSpec]
    fields: dict[str, FieldSpec]

    @property
    def rules(self) -> list[str]:
        """All of them as written."""
        of_segments = (rule for one in self.segments.values() for rule in (one.when, one.stay_while, one.fallback))
        return [*filter(None, of_segments), *(field.value for field in self.fields.values())]


def case_of(seed: int) -> Case:
    author = Author(seed)
    today = author.today()
    segments: dict[str, SegmentSpec] = {}
    for name in NAMES:
        known = tuple(segments)
        when, stay_while = author.rule(known), author.one_of((None, author.rule(known)))
        fallback = f"orders({author.one_of(WINDOWS)}) > 0" if "usual" in f"{when} {stay_while}" else None
        segments[name] = SegmentSpec(when, stay_while=stay_while, fallback=author.one_of((None, fallback)))
    world = reference.World(
        today=today,
        exponent=author.one_of((0, 2, 2, 3)),
        people=author.people(today, NAMES),
        segments={name: (spec.when, spec.stay_while, spec.fallback) for name, spec in segments.items()},
        enough_gaps=author.one_of((0, 0, 3)),
        enough_days=author.one_of((0, 0, 30)),
        now=author.instant(today),
    )
    values = {
        "MONEY": f"spend(ever) * 0 + {author.amount()}",
        "NUMBER": author.number(),
        "AGE": author.one_of(("since_first_order", "since_last_order", "since_signup")),
        "GAP": author.one_of(("order_gap * 2", "order_gap + 1 day", "order_gap")),
        "DATE": author.one_of(("first_order", "last_order + 30 days", "next_order")),
        "TEXT": author.place(),
    }
    return Case(world, segments, {name: FieldSpec(value) for name, value in values.items()})


def columns(people: Sequence[reference.Person], exponent: int) -> Batch:
    orders = [sorted(person["orders"], key=lambda order: order[0]) for person in people]
    flat = [order for history in orders for order in history]
    signups = [NO_DAY if person["signup"] is None else day_of(person["signup"]) for person in people]
    was_in = [sum(1 << BITS[name] for name in person["was_in"]) for person in people]
    return Batch(
        customer=np.arange(len(people)),
        signup_day=np.array(signups, np.int64),
        subscribed=np.array([person["subscribed"] for person in people], bool),
        wholesale=np.array([person["wholesale"] for person in people], bool),
        # Texts come as objects or as numpy's own.
        country=np.array([person["country"] for person in people], object),
        city=np.array([person["city"] for person in people], str),
        language=np.array([person["language"] for person in people], object),
        was_in=np.array(was_in, np.int64),
        starts=np.cumsum([0, *map(len, orders)]),
        order_day=np.array([day_of(day) for day, _ in flat], np.int64),
        order_minor=np.array([minor for _, minor in flat], np.int64),
        currency_exponent=exponent,
        **(particulars(people) if all("lines" in person for person in people) else {}),
    )


def particulars(people: Sequence[reference.Person]) -> dict[str, Any]:
    """The columns that only some rules read."""
    carts = [person["cart"] or (NO_INSTANT, None) for person in people]
    clicks = [NO_DAY if person["clicked"] is None else day_of(person["clicked"]) for person in people]
    birthdays = [
        0 if person["birthday"] is None else 100 * person["birthday"][0] + person["birthday"][1] for person in people
    ]
    return {
        "cart_at": np.array([at for at, _ in carts], np.int64),
        "cart_minor": np.array([-1 if minor is None else minor for _, minor in carts], np.int64),
        "open_rate": np.array([person["open_rate"] for person in people], np.float64),
        "click_rate": np.array([person["click_rate"] for person in people], np.float64),
        "clicked_day": np.array(clicks, np.int64),
        "birthday": np.array(birthdays, np.int64),
        "shop_tags": tuples(tuple(tag.casefold() for tag in person["tags"]) for person in people),
        "wishes": tuples(tuple(person["wishes"]) for person in people),
        "items": items(people),
        "companions": reference.COMPANIONS,
    }


def items(people: Sequence[reference.Person]) -> Items:
    sales = [sorted(zip(one["orders"], one["lines"], strict=True), key=lambda sale: sale[0][0]) for one in people]
    baskets = [lines for history in sales for _, lines in history]
    every = [line for lines in baskets for line in lines]
    texts = ["", *sorted({str(line[key]) for line in every for key in TEXTS} - {""}, reverse=True)]
    codes = {key: np.array([texts.index(line[key]) for line in every], np.int64) for key in TEXTS}
    return Items(
        starts=np.cumsum([0, *map(len, baskets)]),
        product_id=codes["product"],
        title=codes["title"],
        category=codes["category"],
        sku=codes["sku"],
        quantity=np.array([line["quantity"] for line in every], np.int64),
        price_minor=np.array([line["price"] for line in every], np.int64),
        texts=np.array(texts, object),
    )


def tuples(rows: Iterable[tuple[str, ...]]) -> NDArray[Any]:
    return np.fromiter(rows, object)


def monthly(batches: Sequence[Batch], playbook: Playbook, today: int, enough: Enough) -> dict[str, float | None]:
    """The figures that are worked out once a month; the model of buying is that of the reference."""
    model = {f"model {name}": value for name, value in reference.MODEL.items()} | {
        "model day": day_of(reference.MODEL_DAY)
    }
    errors = {f"buy_chance({length})": error for length, error in reference.MODEL_ERRORS.items()}
    return rhythm_of(playbook.usual or (), lambda: batches, today, enough) | model | errors


def judged(case: Case) -> tuple[list[set[str]], dict[str, list[Any]]]:
    """What syncd says: the segments of each person, and the fields. The figures come from two batches."""
    people, exponent, today = case.world.people, case.world.exponent, day_of(case.world.today)
    # Later segments first: the playbook has to find the order by itself.
    playbook = Playbook.load(dict(reversed(case.segments.items())), case.fields, currency="EUR")
    cut = len(people) // 2
    halves = [columns(half, exponent) for half in (people[:cut], people[cut:])]
    enough = Enough(case.world.enough_gaps, case.world.enough_days)
    rhythm = monthly(halves, playbook, today, enough)
    figures = rhythm | {
        figure.text: figure_of(figure, [figure_values(figure, half, today, rhythm) for half in halves])
        for figure in playbook.figures
    }
    judgement = judge(playbook, columns(people, exponent), today, figures, BITS, case.world.now)
    bitsets = judgement.segments.tolist()
    return [{name for name, bit in BITS.items() if bits >> bit & 1} for bits in bitsets], judgement.fields


@pytest.mark.parametrize("block", range(BLOCKS))
def test_20000_random_rules_are_judged_as_the_reference_judges_them(block: int) -> None:
    rules = 0
    for seed in range(block * CASES, (block + 1) * CASES):
        case = case_of(seed)
        memberships, fields = judged(case)
        for number, person in enumerate(case.world.people):
            expected = {name for name in case.segments if reference.is_in(name, person, case.world)}
            assert memberships[number] == expected, (seed, case, person)
            for name, spec in case.fields.items():
                exact = reference.value(spec.value, person, case.world)
                shown = written(name, exact, case.world.exponent)
                assert fields[name][number] == shown, (seed, case.world, spec, person)
        rules += len(case.rules)
    assert rules >= 20_000 / BLOCKS


def written(name: str, exact: Any, exponent: int) -> Any:
    """A reference value as the design says that fields are written."""
    if exact is None:
        return ""
    match name:
        case "MONEY":
            return round(exact * 10**exponent) / 10**exponent
        case "NUMBER":
            return round(exact * 10**6) / 10**6
        case "AGE":
            return exact.days
        case "GAP":
            return round(exact)
        case "DATE":
            return str(exact if isinstance(exact, date) else date(1970, 1, 1) + timedelta(days=exact))
    return exact


def test_random_rules_are_neither_always_true_nor_always_false() -> None:
    held = [name in memberships for seed in range(100) for memberships in judged(case_of(seed))[0] for name in NAMES]
    assert 0.3 < sum(held) / len(held) < 0.7
