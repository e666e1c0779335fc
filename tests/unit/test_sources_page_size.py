"""How many rows a page is asked for, after pages that were too heavy and pages that were not."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from syncd.sources._shopify_api import FEWEST_ROWS, MOST_PAGES_TO_RECOVER, PAGE_ROWS, PAGES_TO_RECOVER, PageSize


def pages_until_larger(size: PageSize) -> int:
    rows, pages = size.rows, 0
    while size.rows == rows:
        size.fine(rows)
        pages += 1
    return pages


def test_it_is_halved_down_to_a_single_record_and_comes_back() -> None:
    size, seen = PageSize(), []
    for _ in range(9):
        seen.append(size.rows)
        size.too_heavy(size.rows)
    assert seen == [250, 125, 62, 31, 15, 7, 3, 1, 1]
    assert [pages_until_larger(size) for _ in range(7)] == [PAGES_TO_RECOVER] * 7
    assert size.rows == PAGE_ROWS


def test_threads_that_failed_over_the_same_size_halve_it_once() -> None:
    size = PageSize()
    for _ in range(8):
        size.too_heavy(250)
    assert size.rows == 125


def test_a_late_answer_of_a_larger_page_makes_nothing_larger() -> None:
    size = PageSize()
    size.too_heavy(250)
    for _ in range(100):
        size.fine(250)
    assert size.rows == 125


def test_what_fails_again_is_tried_ever_more_rarely() -> None:
    size, waits = PageSize(), []
    size.too_heavy(250)
    for _ in range(8):
        waits.append(pages_until_larger(size))
        size.too_heavy(250)
    assert waits == [4, 8, 16, 32, 64, 128, 256, 256]
    assert waits[-1] == MOST_PAGES_TO_RECOVER


@given(st.lists(st.booleans()))
def test_it_always_asks_for_something_that_shopify_accepts(pages: list[bool]) -> None:
    size = PageSize()
    for good in pages:
        (size.fine if good else size.too_heavy)(size.rows)
        assert FEWEST_ROWS <= size.rows <= PAGE_ROWS
