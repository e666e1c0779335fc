"""The charts of the retention page, each as Vega-Lite describes it: the figures, and how they shall look.

Each is for a width in pixels; the page shows the one that fits its screen.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from syncd.views.retention.drawing import BLUE, GREEN, INK, ORANGE, Spec
from syncd.views.retention.shown import Document
from syncd.views.words import Words

# From one rung of a ladder to the next; the last is for none of them.
RUNGS: Final = [BLUE, "var(--teal)", GREEN, "var(--yellow)", ORANGE, "var(--red)", "var(--purple)", "var(--pink)"]
# From this share of the strongest cell's colour on, its text is written in the opposite one.
LEGIBLE: Final = 0.67

_PERCENT: Final = {"format": ".0%", "title": None, "tickCount": 5}


def rates(document: Document, words: Words, width: int) -> Spec:
    """CRR and the share retained, from period to period."""
    names = {"crr": words("crr-short"), "retained_share": words("retained-share")}
    values = [
        {
            "period": words.period(each["period"]),
            "rate": each[key],
            "key": key,
            "series": name,
            "say": f"{words.period(each['period'])}: {name} {words.share(each[key])}",
            "label": words.share(each[key], "0"),
        }
        for each in document["periods"]
        if each["crr"] is not None
        for key, name in names.items()
    ]
    colour = {"field": "series", "scale": {"domain": [*names.values()], "range": [ORANGE, BLUE]}}
    rate = {"field": "rate", "type": "quantitative", "scale": {"domainMin": 0}, "axis": _PERCENT}
    return {
        "width": width,
        "height": 260,
        "data": {"values": values},
        "encoding": {"x": _periods_axis(), "y": rate, "color": colour, "description": {"field": "say"}},
        "layer": [
            {"mark": {"type": "line", "strokeWidth": 2.5, "aria": False}},
            {"mark": {"type": "point", "filled": True, "size": 70, "opacity": 1}},
            # The common rate lies above the strict one: their labels stand on different sides.
            *(_labels(dy=-12, only="crr"), _labels(dy=18, only="retained_share")) * (len(values) <= width // 30),
        ],
    }


def _periods_axis() -> Spec:
    axis = {"title": None, "labelAngle": 0, "labelOverlap": "parity", "labelSeparation": 20, "grid": False}
    return {"field": "period", "type": "ordinal", "sort": None, "axis": axis}


def _labels(*, dy: int, dx: int = 0, only: str = "") -> Spec:
    """The label of each mark near it, in the colour of texts; `only` of the marks with this key."""
    mark = {"type": "text", "dy": dy, "dx": dx, "fontSize": 12, "aria": False}
    chosen: Spec = {"transform": [{"filter": {"field": "key", "equal": only}}]} if only else {}
    return chosen | {"mark": mark, "encoding": {"text": {"field": "label"}, "color": {"value": INK}}}


def _names_axis(names: Sequence[str]) -> Spec:
    return {"title": None, "grid": False, "labelColor": INK} | _room(names)


def _room(labels: Sequence[str]) -> Spec:
    """Room for the labels in whatever font the page is shown: the library measures with one of its own."""
    room = 8 * max(map(len, labels), default=0) + 10
    return {"minExtent": room, "maxExtent": room}


def mix(document: Document, words: Words, width: int) -> Spec:
    """Who the active customers are at the end of each period."""
    names = {key: words(key) for key in ("retained", "reactivated", "new")}
    values = [
        {
            "period": words.period(each["period"]) + ("…" if each["state"] == "unfinished" else ""),
            "customers": each[key],
            "series": name,
            "place": place,
            "say": f"{words.period(each['period'])}: {name} {words.number(each[key])}",
        }
        for each in document["periods"]
        for place, (key, name) in enumerate(names.items())
    ]
    most = max((each["ending"] for each in document["periods"]), default=0)
    axis = {"title": None, "tickCount": 5, "format": ",d"} | _room([words.number(most)])
    count = {"field": "customers", "type": "quantitative", "axis": axis}
    return {
        "width": width,
        "height": 220,
        "data": {"values": values},
        "mark": "bar",
        "encoding": {
            "x": _periods_axis(),
            "y": count,
            "color": {"field": "series", "scale": {"domain": [*names.values()], "range": [BLUE, GREEN, ORANGE]}},
            "order": {"field": "place"},
            "description": {"field": "say"},
        },
    }


def cohorts(document: Document, words: Words, width: int) -> Spec:
    """The heat map: a row for each cohort, a column for each month after the first; as many as find room."""
    ages = max(1, min((width - 120) // 34, *[len(each["shares"]) - 1 for each in document["cohorts"][:1]]))
    values = [
        _heat_cell(each, age, words, document)
        for each in document["cohorts"]
        for age in range(1, min(ages + 1, len(each["shares"])))
    ]
    strongest = max((value["share"] for value in values), default=1.0) or 1.0
    rows = [words.period(each["cohort"]) for each in document["cohorts"]]
    above = {"orient": "top", "labelAngle": 0, "grid": False, "title": words("months-later")}
    return {
        "width": width,
        "height": 26 * len(rows) + 50,
        "data": {"values": values},
        "encoding": {
            "x": {"field": "age", "type": "ordinal", "axis": above, "scale": {"domain": [*range(1, ages + 1)]}},
            "y": {
                "field": "cohort",
                "type": "ordinal",
                "sort": None,
                "axis": _names_axis(rows),
                "scale": {"domain": rows},
            },
        },
        "layer": [_glow(strongest), _in_cells(strongest)],
    }


def _glow(strongest: float) -> Spec:
    """The cells, the stronger the more of a cohort bought."""
    scale = {"domain": [0, strongest], "range": [0.05, 1]}
    opacity = {"field": "share", "type": "quantitative", "legend": None, "scale": scale}
    return {
        "mark": {"type": "rect", "color": "var(--heat)", "cornerRadius": 3, "stroke": "var(--paper)", "strokeWidth": 2},
        "encoding": {"fillOpacity": opacity, "description": {"field": "say"}},
    }


def _in_cells(strongest: float) -> Spec:
    """The figures in the cells, legible on weak ones and on strong ones."""
    strong = {"test": f"datum.share > {strongest * LEGIBLE}", "value": "var(--on-heat)"}
    return {
        "mark": {"type": "text", "fontSize": 11, "aria": False},
        "encoding": {"text": {"field": "label"}, "color": {"condition": strong, "value": INK}},
    }


def _heat_cell(each: Document, age: int, words: Words, document: Document) -> Spec:
    share = each["shares"][age]
    coming = document["unfinished_month"] and age == len(each["shares"]) - 1
    return {
        "cohort": words.period(each["cohort"]),
        "age": age,
        "share": share,
        "label": words.share(share, "0").rstrip("%\u00a0") + ("…" if coming else ""),
        "say": words(
            "cell",
            cohort=words.period(each["cohort"]),
            age=age,
            count=words.number(each["customers"][age]),
            size=words.number(each["customers"][0]),
            share=words.share(share),
            revenue=words.money(each["revenue"][age], document["currency"]),
        ),
    }


def second_order(document: Document, words: Words, width: int) -> Spec:
    """How many have ordered again, day by day since their first order."""
    second = document["second_order"]
    curve = [{"days": days, "share": share} for days, share in second["curve"]]
    marks = [
        {
            "days": each["days"],
            "share": each["share"],
            "label": words.share(each["share"], "0"),
            "say": words("point", share=words.share(each["share"]), days=each["days"]),
        }
        for each in second["within"]
        if each["share"] is not None
    ]
    days = {"values": [0, *(each["days"] for each in second["within"])], "title": words("days-since"), "grid": False}
    last = second["curve"][-1][0] if curve else 0
    x = {"field": "days", "type": "quantitative", "axis": days, "scale": {"domain": [0, max(last, 30)], "nice": False}}
    y = {"field": "share", "type": "quantitative", "axis": _PERCENT}
    line = {"type": "area", "interpolate": "step-after", "color": BLUE, "fillOpacity": 0.15, "aria": False}
    return {
        "width": width,
        "height": 260,
        "encoding": {"x": x, "y": y},
        "layer": [
            {"data": {"values": curve}, "mark": line | {"line": {"color": BLUE, "strokeWidth": 2.5}}},
            {
                "data": {"values": marks},
                "mark": {"type": "point", "filled": True, "size": 70, "opacity": 1, "color": BLUE},
                "encoding": {"description": {"field": "say"}},
            },
            {"data": {"values": marks}} | _labels(dy=-12, dx=-10),
        ],
    }


def segments(flow: Document, words: Words, width: int) -> Spec:
    """Who joined each segment, to the right, and who left it, to the left."""
    values = [
        {
            "segment": each["name"],
            "moved": sign * each[key],
            "series": words(key),
            "say": f"{each['name']}: {words(key)} {words.number(each[key])}",
        }
        for each in flow["segments"]
        for key, sign in (("joined", 1), ("left", -1))
    ]
    moved = {"title": None, "tickCount": 5, "labelExpr": "format(abs(datum.value), ',d')"}
    names = _names_axis([each["name"] for each in flow["segments"]])
    sides = {"domain": [words("joined"), words("left")], "range": [BLUE, ORANGE]}
    return {
        "width": width,
        "height": 24 * len(flow["segments"]) + 60,
        "data": {"values": values},
        "mark": {"type": "bar", "height": {"band": 0.7}},
        "encoding": {
            "y": {"field": "segment", "type": "ordinal", "sort": None, "axis": names},
            "x": {"field": "moved", "type": "quantitative", "axis": moved},
            "color": {
                "field": "series",
                "scale": sides,
            },
            "description": {"field": "say"},
        },
    }


def ladder(moved: Document, words: Words, width: int) -> Spec:
    """Of those who were in each segment, which share was where at the end."""
    names = [words.segment(rung) for rung in moved["rungs"]]
    rows = [name for name, counts in zip(names, moved["customers"], strict=True) if any(counts)]
    quarters = _PERCENT | {"values": [0, 0.25, 0.5, 0.75, 1]}
    colours = [RUNGS[at % len(RUNGS)] for at in range(len(names) - 1)]
    return {
        "width": width,
        "height": 34 * len(rows) + 70,
        "data": {"values": list(_moves(moved, words))},
        "mark": {"type": "bar", "stroke": "var(--paper)", "strokeWidth": 1},
        "encoding": {
            "y": {"field": "origin", "type": "ordinal", "axis": _names_axis(rows), "scale": {"domain": rows}},
            "x": {"field": "customers", "type": "quantitative", "stack": "normalize", "axis": quarters},
            "color": {
                "field": "target",
                "scale": {"domain": names, "range": [*colours, "var(--grey)"]},
                "legend": {"columns": max(1, width // 130)},
            },
            "order": {"field": "place"},
            "description": {"field": "say"},
        },
    }


def _moves(moved: Document, words: Words) -> Iterator[Spec]:
    names = [words.segment(rung) for rung in moved["rungs"]]
    for origin, counts in zip(names, moved["customers"], strict=True):
        for place, (target, count) in enumerate(zip(names, counts, strict=True)):
            if count:
                of, share = words.number(sum(counts)), words.share(count / sum(counts))
                said = words("move", count=words.number(count), size=of, origin=origin, target=target, share=share)
                yield {"origin": origin, "target": target, "place": place, "customers": count, "say": said}
