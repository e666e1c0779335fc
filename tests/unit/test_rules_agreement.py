"""The rules as shipped against the reference interpreter: random rules, random customers, nasty dates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from syncd.calendar import day_of
from syncd.lifecycle.columns import NO_DAY, Batch
from syncd.rules import Enough, FieldSpec, Playbook, SegmentSpec, figure_of, figure_values, judge, rhythm_of
from tests.unit import reference
from tests.unit.random_rules import WINDOWS, Author

NAMES = ("s-0", "s-1", "s-2", "s-3")
# The highest bits, which are the first to break.
BITS = {name: bit for bit, name in enumerate(NAMES, start=59)}


@dataclass(frozen=True)
class Case:
    """A playbook and the people to judge by it."""

    world: reference.World
    segments: dict[str, SegmentSpec]
    fields: dict[str, FieldSpec]


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
    )


def judged(case: Case) -> tuple[list[set[str]], dict[str, list[Any]]]:
    """What syncd says: the segments of each person, and the fields. The figures come from two batches."""
    people, exponent, today = case.world.people, case.world.exponent, day_of(case.world.today)
    # Later segments first: the playbook has to find the order by itself.
    playbook = Playbook.load(dict(reversed(case.segments.items())), case.fields, currency="EUR")
    cut = len(people) // 2
    halves = [columns(half, exponent) for half in (people[:cut], people[cut:])]
    enough = Enough(case.world.enough_gaps, case.world.enough_days)
    rhythm = rhythm_of(playbook.usual or (), lambda: halves, today, enough)
    figures = rhythm | {
        figure.text: figure_of(figure, [figure_values(figure, half, today, rhythm) for half in halves])
        for figure in playbook.figures
    }
    judgement = judge(playbook, columns(people, exponent), today, figures, BITS)
    bitsets = judgement.segments.tolist()
    return [{name for name, bit in BITS.items() if bits >> bit & 1} for bits in bitsets], judgement.fields


@settings(max_examples=500, deadline=None)
@given(st.integers(0, 2**48))
def test_every_judgement_is_that_of_the_reference(seed: int) -> None:
    case = case_of(seed)
    memberships, fields = judged(case)
    for number, person in enumerate(case.world.people):
        expected = {name for name in case.segments if reference.is_in(name, person, case.world)}
        assert memberships[number] == expected, (case, person)
        for name, spec in case.fields.items():
            exact = reference.value(spec.value, person, case.world)
            assert fields[name][number] == written(name, exact, case.world.exponent), (case.world, spec, person)


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
