"""Watermarks never skip, and windows cover everything."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.errors import TransientError
from syncd.http import Reply
from syncd.sources._walk import OVERLAP_SECONDS, Cursor, Window, iso, server_now, windows

NOW = 1_800_000_000


def test_a_cursor_stays_behind_the_shops_own_clock():
    assert Cursor(0).moved_to(NOW - 3_600, NOW) == Cursor(NOW - 3_600)
    assert Cursor(0).moved_to(NOW - 1, NOW) == Cursor(NOW - OVERLAP_SECONDS)
    assert Cursor(0).moved_to(NOW + 10**8, NOW) == Cursor(NOW - OVERLAP_SECONDS)


def test_a_cursor_never_moves_back():
    assert Cursor(NOW).moved_to(0, NOW) == Cursor(NOW)


def test_a_cursor_survives_being_written():
    assert Cursor.read(Cursor(NOW).write()) == Cursor(NOW)


@pytest.mark.parametrize("text", [None, "", "{", "[]", '{"at": "yesterday"}', '{"at": null}'])
def test_without_a_usable_cursor_everything_is_read(text):
    assert Cursor.read(text) is None


@pytest.mark.parametrize("headers", [{}, {"date": "soon"}, {"date": "Mon, 99 Foo 2026 00:00:00 GMT"}])
def test_a_server_that_tells_no_time_has_ours(headers):
    assert server_now(Reply(200, headers, b""), NOW, "shops.acme") == NOW


@pytest.mark.parametrize("zone", ["GMT", "+0000", "-0000"])
def test_a_servers_time_counts(zone):
    here = 1772355600 + 40_000
    assert server_now(Reply(200, {"date": f"Sun, 01 Mar 2026 09:00:00 {zone}"}, b""), here, "shops.acme") == 1772355600
    assert iso(1772355600) == "2026-03-01T09:00:00Z"


@pytest.mark.parametrize("year", [1999, 2099, 9999])
def test_clocks_that_are_days_apart_stop_the_shop_before_a_cursor_follows_one_of_them(year):
    with pytest.raises(
        TransientError, match=r"^shops\.acme: the shop's clock and this machine's are more than two days"
    ):
        server_now(Reply(200, {"date": f"Sun, 01 Mar {year} 09:00:00 GMT"}, b""), 1772355600, "shops.acme")


@given(
    st.lists(st.integers(0, 10_000), max_size=300),
    st.integers(0, 5_000),
    st.integers(0, 5_000),
    st.integers(1, 40),
    st.booleans(),
)
def test_windows_cover_the_stretch_and_share_their_edges(rows, first, length, target, saturates):
    last, most = first + length, 50

    def count(begin, end):
        exact = sum(begin <= row <= end for row in rows)
        return min(exact, most) if saturates else exact

    cut = list(windows(first, last, count, most=most, target=target))
    assert (cut[0].first, cut[-1].last) == (first, last)
    assert all(before.last == after.first for before, after in pairwise(cut))
    assert all(window.first < window.last for window in cut) or length == 0
    assert sum(window.rows for window in cut) >= min(most, count(first, last)) - len(cut)


def test_many_rows_in_one_second_end_the_cutting():
    assert list(windows(10, 11, lambda *_: 10**6, most=50, target=10)) == [Window(10, 11, 10**6)]
