"""The retention report as plain tables for spreadsheets and programs: one a file, in no particular language."""

from __future__ import annotations

from typing import Any

Cell = str | int | float | None
Rows = list[list[Cell]]


def csv_tables(document: dict[str, Any]) -> dict[str, Rows]:
    """The rows of each file by its name, the first of them the columns."""
    return {
        "periods.csv": _periods(document),
        "cohorts.csv": _cohorts(document),
        "second_order.csv": [["days", "share"], *document["second_order"]["curve"]],
        "segments.csv": _segments(document),
        "moves.csv": _moves(document),
    }


def _periods(document: dict[str, Any]) -> Rows:
    columns = ["period", "state", "beginning", "ending", "new", "retained", "reactivated", "crr", "retained_share"]
    return [[*columns], *([each[column] for column in columns] for each in document["periods"])]


def _cohorts(document: dict[str, Any]) -> Rows:
    rows: Rows = [["cohort", "months_later", "customers", "share", "revenue", "currency"]]
    for each in document["cohorts"]:
        for age, figures in enumerate(zip(each["customers"], each["shares"], each["revenue"], strict=True)):
            rows.append([each["cohort"], age, *figures, document["currency"]])
    return rows


def _segments(document: dict[str, Any]) -> Rows:
    rows: Rows = [["period", "from", "to", "segment", "beginning", "joined", "left", "ending"]]
    for flow in document["flows"]:
        for each in flow["segments"]:
            days = [flow["period"], flow["from"], flow["to"]]
            rows.append([*days, *(each[key] for key in ("name", "beginning", "joined", "left", "ending"))])
    return rows


def _moves(document: dict[str, Any]) -> Rows:
    """An empty segment stands for none of the ladder's."""
    rows: Rows = [["period", "from_segment", "to_segment", "customers"]]
    for flow in document["flows"]:
        for ladder in flow["ladders"]:
            for origin, counts in zip(ladder["rungs"], ladder["customers"], strict=True):
                for target, count in zip(ladder["rungs"], counts, strict=True):
                    rows.append([flow["period"], origin, target, count])
    return rows
