"""Draws how the costs grow, from what `make bench-full` wrote: python -m benchmarks.picture bench.json growth.svg"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import vl_convert

from benchmarks.judging import MILLION

UNITS = {"k": 1_000, "M": MILLION}


def curves(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A point for each size of each curve: what it is of, how many customers, what it costs."""
    points = {}
    for row in rows:
        growth, _, curve = row["work"].partition("growth: ")
        if curve and not growth:
            title = f"{curve} ({row['unit']})"
            for size, cost in zip(row["size"].split(" → "), (row["limit"], row["ours"]), strict=True):
                points[title, size] = {"curve": title, "customers": int(size[:-1]) * UNITS[size[-1]], "cost": cost}
    return [*points.values()]


def drawing(points: list[dict[str, Any]]) -> dict[str, Any]:
    """A small chart for each curve, side by side; all over the same sizes, each cost from zero."""
    customers = {"field": "customers", "type": "quantitative", "scale": {"type": "log"}, "title": "customers"}
    cost = {"field": "cost", "type": "quantitative", "scale": {"zero": True}, "title": None}
    label = {"mark": {"type": "text", "dy": -10}, "encoding": {"text": {"field": "cost", "format": ",.3~r"}}}
    return {
        "background": "white",
        "data": {"values": points},
        "facet": {"field": "curve", "type": "nominal", "title": None, "sort": None},
        "columns": 3,
        "spec": {
            "width": 220,
            "height": 130,
            "encoding": {"x": customers | {"axis": {"format": "~s", "tickCount": 4}}, "y": cost},
            "layer": [{"mark": {"type": "line", "point": True}}, label],
        },
        "resolve": {"scale": {"y": "independent"}},
    }


if __name__ == "__main__":
    measured = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    Path(sys.argv[2]).write_text(vl_convert.vegalite_to_svg(drawing(curves(measured["rows"]))), "utf-8")
