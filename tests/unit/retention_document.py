"""A retention document as `syncd retention --json` gives it, small and made up."""

from __future__ import annotations

import copy
from typing import Any

_PERIODS = [
    ("2026-Q1", "early", 0, 90, 90, 0, None, None),
    ("2026-Q2", "whole", 90, 80, 20, 40, 0.6667, 0.4444),
    ("2026-Q3", "whole", 80, 100, 10, 50, 1.125, 0.625),
    ("2026-Q4", "unfinished", 100, 30, 5, 20, None, None),
]


def a_document(**changes: Any) -> dict[str, Any]:
    """The document, with these parts of it replaced."""
    return copy.deepcopy(_DOCUMENT) | changes


def nobodys() -> dict[str, Any]:
    """That of an audience in which nobody has ordered."""
    second = {"customers": 0, "returned": 0, "watched_days": 0, "median_days": None, "half_of_returning": None}
    within = [{"days": days, "share": None} for days in (30, 60, 90, 180, 365)]
    return a_document(
        customers=0,
        periods=[],
        cohorts=[],
        cohorts_average=[],
        second_order=second | {"within": within, "curve": []},
        flows=[],
    )


_FLOW: dict[str, Any] = {
    "period": "2026-Q3",
    "state": "whole",
    "from": "2026-07-01",
    "to": "2026-09-30",
    "segments": [
        {"name": "loyal", "beginning": 10, "joined": 4, "left": 1, "ending": 13},
        {"name": "-odd", "beginning": 0, "joined": 0, "left": 0, "ending": 0},
    ],
    "ladders": [{"rungs": ["bought-14d", "bought-1m", None], "customers": [[1, 2, 3], [0, 0, 0], [4, 0, 0]]}],
}

_DOCUMENT: dict[str, Any] = {
    "audience": "main",
    "as_of": "2026-11-22",
    "since": "2026-01-01",
    "by": "quarter",
    "currency": "EUR",
    "customers": 1234,
    "wholesale_left_out": 3,
    "periods": [
        {
            "period": period,
            "state": state,
            "beginning": beginning,
            "ending": ending,
            "new": new,
            "retained": retained,
            "reactivated": ending - new - retained,
            "crr": crr,
            "retained_share": strict,
        }
        for period, state, beginning, ending, new, retained, crr, strict in _PERIODS
    ],
    "cohorts": [
        {
            "cohort": "2026-09",
            "customers": [40, 8, 4],
            "shares": [1.0, 0.2, 0.1],
            "revenue": [1000.5, 200.0, 90.0],
        },
        {"cohort": "2026-11", "customers": [10], "shares": [1.0], "revenue": [300.0]},
    ],
    "cohorts_average": [1.0, 0.2],
    "unfinished_month": "2026-11",
    "second_order": {
        "customers": 1234,
        "returned": 400,
        "watched_days": 120,
        "within": [
            {"days": days, "share": share}
            for days, share in ((30, 0.175), (60, 0.25), (90, 0.3), (180, None), (365, None))
        ],
        "median_days": None,
        "half_of_returning": {"days": 25, "of_days": 120},
        "curve": [[0, 0.0], [30, 0.175], [60, 0.25], [90, 0.3], [120, 0.33]],
    },
    "flows": [_FLOW],
}
