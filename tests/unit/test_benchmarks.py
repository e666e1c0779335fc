"""What the benchmark counts as reached, and how it shows it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from benchmarks.goals import Row, document, figure, summary, table
from benchmarks.picture import curves


def row(**values: Any) -> Row:
    return Row(**{"work": "pull", "size": "100k", "unit": "s", "ours": 10.0, "limit": 20.0, "at_most": 1.0} | values)


def test_the_ratio_is_to_the_peer_where_there_is_one() -> None:
    assert row(peer=40.0, limit=5.0).ratio == 0.25


def test_the_ratio_is_to_the_limit_where_there_is_no_peer() -> None:
    assert row().ratio == 0.5


@pytest.mark.parametrize(("ours", "reached"), [(19.9, True), (20.0, True), (20.1, False)])
def test_a_goal_that_is_a_most_is_reached_up_to_it(ours: float, reached: bool) -> None:
    assert row(ours=ours).reached is reached


@pytest.mark.parametrize(("ours", "reached"), [(18.9, False), (19.0, True), (25.0, True)])
def test_a_goal_that_is_a_least_is_reached_from_it_on(ours: float, reached: bool) -> None:
    assert row(ours=ours, at_most=None, at_least=0.95).reached is reached


@pytest.mark.parametrize(("ours", "reached"), [(0.0, True), (1.0, False)])
def test_none_at_all_is_reached_by_none_at_all(ours: float, reached: bool) -> None:
    assert row(ours=ours, limit=0.0, at_most=0.0).reached is reached


@pytest.mark.parametrize(
    ("value", "shown"), [(None, ""), (0.187, "0.19 s"), (12.34, "12.3 s"), (1234.5, "1,234 s"), (3.0, "3 s")]
)
def test_a_figure_shows_the_digits_that_count(value: float | None, shown: str) -> None:
    assert figure(value, "s") == shown


def test_the_clock_stands_beside_the_work_where_it_was_looked_at() -> None:
    cells = [line.split("|") for line in table([row(wall_seconds=7.5), row()]).splitlines()]
    assert [line[4].strip() for line in cells] == ["wall", "-" * len(cells[0][4]), "7.50 s", ""]


def test_the_table_has_a_line_for_each_row_and_says_which_goal_is_missed() -> None:
    lines = table([row(), row(ours=30.0)]).splitlines()
    assert len({len(line) for line in lines}) == 1
    assert [line.rstrip(" |").rsplit("| ", 1)[1] for line in lines[2:]] == ["reached", "MISSED"]


def test_the_last_line_counts_the_goals_reached() -> None:
    assert summary([row(), row(ours=30.0), row(ours=1.0)]) == "2 of 3 goals reached"


def test_a_row_without_a_goal_tells_its_ratio_and_cannot_be_missed() -> None:
    only_told = row(ours=30.0, at_most=None)
    assert [cell.strip() for cell in table([only_told]).splitlines()[2].split("|")[-4:]] == ["1.50", "", "", ""]
    assert only_told.reached
    assert summary([row(), only_told]) == "1 of 1 goals reached"


def test_the_document_holds_the_machine_and_what_the_table_shows() -> None:
    told = json.loads(json.dumps(document([row()], {"cores": 2})))
    assert told["machine"] == {"cores": 2}
    assert told["rows"][0]["ratio"] == 0.5
    assert told["rows"][0]["reached"] is True


def test_the_picture_has_each_size_of_a_curve_once():
    growth = {"work": "growth: memory", "unit": "MiB"}
    rows = [
        growth | {"size": "10k → 100k", "limit": 90.0, "ours": 120.0},
        growth | {"size": "100k → 1M", "limit": 120.0, "ours": 130.0},
        {"work": "push", "unit": "calls", "size": "12 members", "limit": 1.0, "ours": 1.0},
    ]

    assert [(point["curve"], point["customers"], point["cost"]) for point in curves(rows)] == [
        ("memory (MiB)", 10_000, 90.0),
        ("memory (MiB)", 100_000, 120.0),
        ("memory (MiB)", 1_000_000, 130.0),
    ]
