"""Day by day: whoever is judged only when something can have changed stands where daily judging puts them."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from random import Random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from syncd.calendar import day_of, midnight
from syncd.lifecycle.columns import Batch
from syncd.rules import Playbook, SegmentSpec, When, judge, standings
from tests.unit.test_rules_agreement import BITS, case_of, columns
from tests.unit.test_rules_due import ZONES, figures_of, one


@settings(max_examples=15)
@given(st.integers(0, 2**48), st.booleans())
def test_they_are_what_judging_everybody_on_each_day_gives(seed: int, figures_move: bool) -> None:
    case, random = case_of(seed), Random(seed)
    zone, today = random.choice(ZONES), day_of(case.world.today)
    batch = replace(columns(case.world.people, case.world.exponent), zone=zone)
    playbook = Playbook.load(case.segments, currency="EUR")
    days = sorted({today + random.randint(-500, 100) for _ in range(30)})
    known = [figures_of(playbook, batch, today - ago) for ago in ((0, 200) if figures_move else (0,))]
    course = [When(day, midnight(day, zone), known[at // 4 % len(known)]) for at, day in enumerate(days)]
    for when, found in zip(course, standings(playbook, batch, BITS, course), strict=True):
        expected = judge(playbook, batch, when.day, when.figures, BITS, when.instant).segments
        assert found.tolist() == expected.tolist(), (seed, when.day - today)
        batch = replace(batch, was_in=expected)


def on_days(batch: Batch, playbook: Playbook, known_since: str, *days: str) -> list[bool]:
    course = [
        When(day_of(date.fromisoformat(day)), midnight(day_of(date.fromisoformat(day)), "UTC"), {}) for day in days
    ]
    since = np.array([day_of(date.fromisoformat(known_since))])
    return [bool(found[0]) for found in standings(playbook, batch, {"s": 0}, course, since)]


def test_nobody_is_in_a_segment_before_they_are_known_and_so_not_kept_in_one() -> None:
    playbook = Playbook.load({"s": SegmentSpec("orders(ever) <= 1", stay_while="orders(ever) <= 2")}, currency="EUR")
    batch = one("2026-03-10", "2026-03-20", signup="2026-03-15")
    asked = "2026-03-12", "2026-03-15", "2026-03-21"
    assert on_days(batch, playbook, "2026-03-15", *asked) == [False, True, True]
    assert on_days(batch, playbook, "2026-03-21", *asked) == [False, False, False]
