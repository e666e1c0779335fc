"""Pages of a list that moves while it is read are only taken for the whole list if they hold all that stayed in it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from syncd.sources._ecwid_api import Rows, _Page, _united


def page_of(rows: list[int], offset: int, size: int) -> _Page:
    shown = rows[offset : offset + size]
    return _Page(len(rows), len(shown), Rows({str(row): row for row in shown}, {}))


@given(
    st.integers(2, 60), st.integers(2, 12), st.integers(0, 4), st.integers(0, 4), st.lists(st.booleans(), min_size=60)
)
def test_what_stayed_in_the_list_is_found_in_whatever_order_its_pages_are_read(total, size, gone, late, moved):
    before = list(range(total))
    # The newest stand first. Some of them leave the list, and others come to it late, as the oldest.
    after = [*before[gone:], *range(1_000, 1_000 + late)]
    seen = [after if each else before for each in moved]
    first = page_of(seen[0], 0, size)
    offsets = range(size - 1, first.total - 1, size - 1)
    found = _united([first, *(page_of(seen[n], offset, size) for n, offset in enumerate(offsets, 1))])
    assert found is None or {str(row) for row in before[gone:]} <= found.records.keys()


@given(st.integers(1, 60), st.integers(2, 12))
def test_a_list_that_stands_still_is_taken(total, size):
    rows = list(range(total))
    found = _united(page_of(rows, offset, size) for offset in range(0, max(1, total - 1), size - 1))
    assert found is not None
    assert [*found.records.values()] == rows


def test_a_list_that_shows_the_same_page_wherever_it_is_asked_is_not_taken():
    page = _Page(30, 10, page_of(list(range(10)), 0, 10).rows)
    assert _united([page, page, page]) is None
