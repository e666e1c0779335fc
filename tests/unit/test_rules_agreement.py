"""The rules as shipped against the reference interpreter: random rules, random customers, nasty dates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from typing import Any

import numpy as np
import reference
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from syncd.calendar import day_of
from syncd.lifecycle.columns import NO_DAY, Batch
from syncd.rules import FieldSpec, Playbook, SegmentSpec, figure_of, figure_values, judge

SPANS = ("1 day", "7 days", "2 weeks", "30 days", "1 month", "3 months", "6 months", "1 year", "13 months", "2 years")
PERIODS = ("ever", "this year", "last year", "this month", "last month")
AMOUNTS = (1, 1000, 3333, 5000, 9999, 10000, 25000)
TODAYS = (
    date(2024, 2, 29),
    date(2025, 2, 28),
    date(2026, 3, 31),
    date(2026, 8, 31),
    date(2026, 12, 31),
    date(2027, 1, 1),
    date(2028, 3, 1),
    date(2026, 7, 15),
)
PLACES = ("", "ES", "FR", "San Juan")


def edges_of(today: date) -> list[date]:
    """The days around which a judgement changes: each end of each window, a day before and a day after."""
    starts = [reference.Length(int(count), unit.rstrip("s")).before(today) for count, unit in map(str.split, SPANS)]
    starts += [today, date(today.year, 1, 1), date(today.year - 1, 1, 1), today.replace(day=1)]
    return sorted({day + timedelta(days=shift) for day in starts for shift in (-1, 0, 1)})


@cache
def people(today: date) -> st.SearchStrategy[list[reference.Person]]:
    days = st.sampled_from(edges_of(today))
    person = st.fixed_dictionaries(
        {
            "signup": st.none() | days,
            "subscribed": st.booleans(),
            "wholesale": st.sampled_from([False, False, False, True]),
            "country": st.sampled_from(PLACES),
            "city": st.sampled_from(PLACES),
            "language": st.sampled_from(PLACES),
            "orders": st.lists(st.tuples(days, st.sampled_from(AMOUNTS)), max_size=5),
            "was_in": st.sets(st.sampled_from(["s-0", "s-1", "s-2"])),
        }
    )
    return st.lists(person, min_size=1, max_size=5)


def columns(people: Sequence[reference.Person], bits: dict[str, int], exponent: int) -> Batch:
    orders = [sorted(person["orders"], key=lambda order: order[0]) for person in people]
    flat = [order for history in orders for order in history]
    return Batch(
        customer=np.arange(len(people)),
        signup_day=np.array([NO_DAY if p["signup"] is None else day_of(p["signup"]) for p in people], np.int64),
        subscribed=np.array([p["subscribed"] for p in people], bool),
        wholesale=np.array([p["wholesale"] for p in people], bool),
        country=np.array([p["country"] for p in people], object),
        city=np.array([p["city"] for p in people], str),
        language=np.array([p["language"] for p in people], object),
        was_in=np.array([sum(1 << bits[name] for name in p["was_in"] if name in bits) for p in people], np.int64),
        starts=np.cumsum([0, *map(len, orders)]),
        order_day=np.array([day_of(day) for day, _ in flat], np.int64),
        order_minor=np.array([minor for _, minor in flat], np.int64),
        currency_exponent=exponent,
    )


# The grammar, kind by kind. `spaced` texts are parenthesised at random, so that precedence matters.

windows = st.sampled_from(SPANS + PERIODS)
comparisons = st.sampled_from(["==", "!=", "<", "<=", ">", ">="])
literals = st.sampled_from(["0", "1", "2", "3", "10", "33.33", "50", "99.99", "100", "250.00"])
lengths = st.sampled_from([span for span in SPANS if "month" not in span and "year" not in span])
calendar_lengths = st.sampled_from([span for span in SPANS if "month" in span or "year" in span])
ages = st.sampled_from(["since_first_order", "since_last_order", "since_signup"])


def joined(left: st.SearchStrategy[str], operators: Sequence[str], right: st.SearchStrategy[str]) -> Any:
    """`left operator right`, sometimes in parentheses."""
    text = st.builds("{} {} {}".format, left, st.sampled_from(operators), right)
    return text | text.map("({})".format)


def measured(name: str) -> st.SearchStrategy[str]:
    return windows.map(lambda window: f"{name}({window})")


def deepened(leaf: st.SearchStrategy[str], more: Any) -> st.SearchStrategy[str]:
    return st.recursive(leaf, more, max_leaves=4)


counts = deepened(
    measured("orders") | literals,
    lambda inner: joined(inner, "+-*/", inner) | inner.map("-{}".format) | inner.map("-({})".format),
)
amounts = deepened(
    measured("spend") | measured("average_order"),
    lambda inner: joined(inner, "+-", inner | literals) | joined(inner, "*/", literals) | inner.map("-({})".format),
)
spells = deepened(ages | lengths, lambda inner: joined(inner, "+-", inner) | joined(inner, "*", literals))
dates = st.sampled_from(["first_order", "last_order", "2026-02-28", "2026-08-31"]) | joined(
    st.sampled_from(["first_order", "last_order"]), "+-", ages | lengths
)
measures = measured("spend") | measured("orders") | measured("average_order") | ages
figures = measures.map("mean({})".format) | st.builds(
    "percentile({}, {})".format, measures, st.sampled_from(["0", "25", "50", "90", "99.5", "100"])
)
places = st.sampled_from(["country", "city", "language"])
quoted = st.sampled_from(['"ES"', '"FR"', '"San Juan"'])


def compared(left: st.SearchStrategy[str], right: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return (
        st.builds("{} {} {}".format, left, comparisons, right)
        | st.builds("{} {} {}".format, right, comparisons, left)
        | st.builds("{} between {} and {}".format, left, right, right)
    )


conditions = st.one_of(
    st.just("subscribed"),
    compared(counts, counts),
    compared(amounts, amounts | literals),
    compared(spells, spells),
    compared(ages, lengths),
    st.builds("{} {} {}".format, ages, comparisons, calendar_lengths),
    st.builds("{} {} {}".format, calendar_lengths, comparisons, ages),
    st.builds("{} between {} and {}".format, ages, lengths | calendar_lengths, calendar_lengths),
    compared(dates, dates),
    st.builds("{} {} {}".format, places, st.sampled_from(["==", "!="]), places | quoted),
    st.builds("{0} {1} mean({0})".format, measures, comparisons),
    compared(measured("orders"), measured("orders").map("percentile({}, 75)".format)),
)


@cache
def rules(known: tuple[str, ...]) -> st.SearchStrategy[str]:
    """Rules that may ask for the segments in `known`."""
    leaf = conditions | st.sampled_from([f"in({name})" for name in known]) if known else conditions
    return st.recursive(
        leaf,
        lambda inner: (
            st.builds("{} {} {}".format, inner, st.sampled_from(["and", "or"]), inner)
            | st.builds("({} {} {})".format, inner, st.sampled_from(["and", "or"]), inner)
            | inner.map("not {}".format)
            | inner.map("not ({})".format)
        ),
        max_leaves=8,
    )


@dataclass(frozen=True)
class Case:
    """A playbook and the people to judge by it."""

    world: reference.World
    segments: dict[str, SegmentSpec]
    fields: dict[str, FieldSpec]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    today = draw(st.sampled_from(TODAYS))
    segments: dict[str, SegmentSpec] = {}
    for name in ("s-0", "s-1", "s-2"):
        segments[name] = SegmentSpec(
            when=draw(rules(tuple(segments))), stay_while=draw(st.none() | rules(tuple(segments)))
        )
    world = reference.World(
        today=today,
        exponent=draw(st.sampled_from([0, 2, 3])),
        people=draw(people(today)),
        segments={name: (spec.when, spec.stay_while) for name, spec in segments.items()},
    )
    fields = {
        "MONEY": FieldSpec(draw(amounts)),
        "COUNT": FieldSpec(draw(counts)),
        "AGE": FieldSpec(draw(ages)),
        "DATE": FieldSpec(draw(st.sampled_from(["first_order", "last_order + 30 days"]))),
        "PLACE": FieldSpec(draw(places)),
    }
    return Case(world, segments, fields)


def judged(case: Case) -> tuple[list[set[str]], dict[str, list[Any]]]:
    """What syncd says: the segments of each person, and the fields. The figures come from two batches."""
    # Later segments first: the playbook has to find the order by itself.
    playbook = Playbook.load(dict(reversed(case.segments.items())), case.fields, currency="EUR")
    bits = {name: bit for bit, name in enumerate(reversed(case.segments), start=60)}
    today = day_of(case.world.today)
    cut = len(case.world.people) // 2
    halves = [columns(half, bits, case.world.exponent) for half in (case.world.people[:cut], case.world.people[cut:])]
    figures = {
        figure.text: figure_of(figure, [figure_values(figure, half, today) for half in halves])
        for figure in playbook.figures
    }
    judgement = judge(playbook, columns(case.world.people, bits, case.world.exponent), today, figures, bits)
    memberships = [{name for name, bit in bits.items() if bitset >> bit & 1} for bitset in judgement.segments.tolist()]
    return memberships, judgement.fields


@settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(cases())
def test_every_judgement_is_that_of_the_reference(case: Case) -> None:
    memberships, fields = judged(case)
    for number, person in enumerate(case.world.people):
        expected = {name for name in case.segments if reference.is_in(name, person, case.world)}
        assert memberships[number] == expected
        for name, spec in case.fields.items():
            exact = reference.value(spec.value, person, case.world)
            assert fields[name][number] == written(name, exact, case.world.exponent)


def written(name: str, exact: Any, exponent: int) -> Any:
    """A reference value as the design says that fields are written."""
    if exact is None:
        return ""
    match name:
        case "MONEY":
            return round(exact * 10**exponent) / 10**exponent
        case "COUNT":
            return round(exact * 10**6) / 10**6
        case "AGE":
            return exact.days
        case "DATE":
            return str(exact if isinstance(exact, date) else date(1970, 1, 1) + timedelta(days=int(exact)))
    return exact
