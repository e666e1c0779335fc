"""What a spreadsheet would carry out is text in every CSV file of ours; everything else stays as it is."""

from __future__ import annotations

import csv
import io
from itertools import product

import pytest

from syncd.cli.common import csv_cell, write_csv

SIGNS = ("=", "+", "-", "@", "＝", "＋", "－", "＠")
FORMULAS = ("{}1+1", "{}cmd|' /C calc'!A0", '{}HYPERLINK("http://evil.example";"x")', "{}SUM(A1:A9)@x.example")
BEFORE = ("\t", "\r", "\n", "\0", " ", "\u200b", "\ufeff", "\u202e", "\u00a0")
PAYLOADS = [
    *(formula.format(sign) for sign, formula in product(SIGNS, FORMULAS)),
    *(f"{before}{sign}1+1" for before, sign in product(BEFORE, SIGNS[:3])),
    "\tx",
    "\rx",
    "\nx",
    "\0x",
]


@pytest.mark.parametrize("payload", PAYLOADS)
def test_what_a_spreadsheet_takes_for_a_formula_is_text(payload: str) -> None:
    text = io.StringIO()
    csv.writer(text).writerow([csv_cell(payload), "next"])
    [[read, following]] = csv.reader(io.StringIO(text.getvalue(), newline=""))
    assert (read, following) == (f"'{payload}", "next")


def test_a_spreadsheet_that_parts_at_semicolons_finds_no_formula_behind_one() -> None:
    text = io.StringIO()
    write_csv(text, [["a;=1+1", 3]])
    assert next(csv.reader([text.getvalue()], delimiter=";"))[0].startswith("a;=1+1")
    assert list(csv.reader([text.getvalue()])) == [["a;=1+1", "3"]]


def test_there_are_sixty_of_them() -> None:
    assert len(set(PAYLOADS)) >= 60


@pytest.mark.parametrize("value", [-12.5, -3, 0, None, "ann@x.example", "loyal", "", "a=b", "1-2", "O'Hara", "'x"])
def test_numbers_and_plain_words_stay_as_they_are(value: object) -> None:
    assert csv_cell(value) == value
