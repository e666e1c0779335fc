"""The page of traps names every trap and every test, and nothing that is not there."""

from __future__ import annotations

from itertools import combinations

import pytest

from syncd.sandbox.audience.switches import doubts
from tests.traps.mailchimp_stage import CONFIGURATIONS
from tests.traps.page import NUMBERS, OUT_OF_SCOPE, PAGE, SERVICES, rows, sentences, written


def test_the_page_says_what_there_is() -> None:
    page = PAGE.read_text("utf-8")
    assert written(page) == page, "run `python -m tests.traps.page`"


@pytest.mark.parametrize("service", SERVICES)
def test_every_trap_has_its_row_and_a_test(service: str) -> None:
    found = rows(PAGE.read_text("utf-8"), service)
    further = ["Further"] if service == "Mailchimp" else []
    assert list(found) == [*NUMBERS, *further]
    aside = OUT_OF_SCOPE.get(service, ())
    assert {number.lower() for number in found} - {*aside} == sentences(service).keys()
    assert all(found[number].startswith("out of scope") for number in aside)


def test_any_two_switches_meet_in_each_of_their_four_ways() -> None:
    for one, two in combinations(doubts(), 2):
        met = {(getattr(c, one.name), getattr(c, two.name)) for c in CONFIGURATIONS.values()}
        assert met == {(a, b) for a in (one.cautious, one.other) for b in (two.cautious, two.other)}
