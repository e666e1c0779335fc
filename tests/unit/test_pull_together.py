"""Pages that come fast go into the history in one transaction, and none is held back for long."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from syncd.errors import TransientError
from syncd.model import Page, Rejected
from syncd.steps.pull import TOGETHER_ROWS, together


def page(cursor: str, resource: str = "deleted_orders", rows: int = 1, *, rejected: bool = False) -> Page:
    faulty = (Rejected("1", "not an id", b"{}"),) if rejected else ()
    return Page(resource, cursor, deleted_orders=tuple(f"{cursor}-{n}" for n in range(rows)), rejected=faulty)


class Arriving:
    """Pages that come one after the other, with the seconds before each."""

    def __init__(self, *pages: tuple[float, Page], then: Exception | None = None) -> None:
        self._pages = pages
        self._then = then
        self._now = 0.0

    def __iter__(self) -> Iterator[Page]:
        for seconds, one in self._pages:
            self._now += seconds
            yield one
        if self._then:
            raise self._then

    def given(self) -> Iterator[Page]:
        return together(self, lambda: self._now)


def cursors(*pages: tuple[float, Page]) -> list[str]:
    return [one.cursor for one in Arriving(*pages).given()]


def test_what_comes_fast_is_one_page_with_the_cursor_of_the_last() -> None:
    first, rest = Arriving((0, page("a")), (0.1, page("b", rows=2)), (0.1, page("c"))).given()
    assert (first.cursor, first.deleted_orders) == ("a", ("a-0",))
    assert (rest.cursor, rest.deleted_orders) == ("c", ("b-0", "b-1", "c-0"))


def test_what_comes_slowly_is_not_held_back() -> None:
    assert cursors((0, page("a")), (2, page("b")), (2, page("c"))) == ["a", "b", "c"]
    assert cursors((0, page("a")), (0.6, page("b")), (0.6, page("c")), (0.1, page("d"))) == ["a", "c", "d"]


def test_a_transaction_holds_no_more_than_it_should() -> None:
    half = TOGETHER_ROWS // 2
    assert cursors((0, page("a")), *((0, page(str(n), rows=half)) for n in range(4))) == ["a", "1", "3"]


def test_each_resource_keeps_its_own_pages_and_cursor() -> None:
    given = cursors((0, page("a")), (0, page("b")), (0, page("c", "orders")), (0, page("d", "orders")))
    assert given == ["a", "b", "d"]


def test_a_page_with_what_could_not_be_read_stays_by_itself() -> None:
    given = cursors((0, page("a")), (0, page("b")), (0, page("c", rejected=True)), (0, page("d")))
    assert given == ["a", "b", "c", "d"]


def test_what_came_before_an_error_is_given_before_it_is_raised() -> None:
    given = Arriving((0, page("a")), (0, page("b")), then=TransientError("cut off")).given()
    assert [next(given).cursor, next(given).cursor] == ["a", "b"]
    with pytest.raises(TransientError):
        next(given)
