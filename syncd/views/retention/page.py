"""The retention report as one page: headline figures, charts, and the tables behind them.

Complete in itself: no script, no font, no picture from elsewhere, and a policy that forbids them. Shows
sums only; every text is escaped.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator
from hashlib import sha256
from html import escape
from importlib.resources import files
from typing import Any, Final

from syncd.views.retention import charts, shown
from syncd.views.retention.drawing import draw
from syncd.views.retention.shown import Document, Table
from syncd.views.words import Words

WIDE, NARROW = 860, 340
# So many months of a cohort has the table, which scrolls where it has to.
MONTHS_SHOWN: Final = 24


def page(document: Document, words: Words) -> str:
    """The whole page as text."""
    style = (files("syncd.views.retention") / "page.css").read_text("utf-8")
    digest = b64encode(sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    title = f"{words('title')} · {document['audience']}"
    return "\n".join(
        [
            "<!doctype html>",
            f'<html lang="{words.language}">',
            "<head>",
            '<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="color-scheme" content="light dark">',
            '<meta name="robots" content="noindex">',
            f"<title>{escape(title)}</title>",
            f"<style>{style}</style>",
            "</head>",
            "<body>",
            *_body(document, words),
            "</body>",
            "</html>",
            "",
        ]
    )


def _body(document: Document, words: Words) -> Iterator[str]:
    yield f"<header><h1>{escape(words('title'))}</h1><p>{escape(shown.subtitle(document, words))}</p></header>"
    yield "<main>"
    yield from _tiles(document, words)
    yield "<ul class=headlines>" + "".join(f"<li>{escape(line)}" for line in shown.headlines(document, words)) + "</ul>"
    if document["customers"]:
        yield from _periods(document, words)
        yield from _cohorts(document, words)
        yield from _second_order(document, words)
    yield from _flows(document, words)
    yield "</main>"
    yield f"<footer>{escape(words('made-by'))}</footer>"


def _tiles(document: Document, words: Words) -> Iterator[str]:
    """The figures that matter most, large."""
    tiles = [*_rate_tiles(document, words), *_second_tiles(document, words)]
    if not tiles:
        return
    yield "<section class=tiles>"
    for figure, text, change in tiles:
        small = f"<small>{escape(change)}</small>" if change else ""
        yield f"<div><strong>{escape(figure)}</strong><span>{escape(text)}</span>{small}</div>"
    yield "</section>"


def _rate_tiles(document: Document, words: Words) -> Iterator[tuple[str, str, str]]:
    whole = shown.last_whole(document)
    for each in whole[:1]:
        for key, text in (("retained_share", "tile-stayed"), ("crr", "tile-crr")):
            change = _change(each[key] - whole[1][key], words) if len(whole) > 1 else ""
            yield words.share(each[key]), words(text, period=words.period(each["period"])), change


def _second_tiles(document: Document, words: Words) -> Iterator[tuple[str, str, str]]:
    if (share := shown.second_share(document)) is not None:
        yield words.share(share), words("tile-second", days=shown.SECOND_DAYS), ""
    if half := document["second_order"]["half_of_returning"]:
        yield words("days", n=half["days"]), words("tile-half"), ""


def _change(difference: float, words: Words) -> str:
    points = words.points(difference)
    if points == words.points(0):
        return words("points-same")
    return words("points-up" if difference > 0 else "points-down", points=points)


def _periods(document: Document, words: Words) -> Iterator[str]:
    yield f"<section><h2>{escape(words('periods'))}</h2>"
    if shown.last_whole(document):
        yield from _figure(charts.rates, document, words, words("periods-chart"))
    yield from _figure(charts.mix, document, words, words("periods-mix"))
    yield from _details(shown.periods_table(document, words), words)
    yield "</section>"


def _cohorts(document: Document, words: Words) -> Iterator[str]:
    if not document["cohorts"]:
        return
    table = shown.cohorts_table(document, words, ages=MONTHS_SHOWN, pattern="0.0")
    yield f"<section><h2>{escape(words('cohorts'))}</h2>"
    if len(document["cohorts"][0]["shares"]) > 1:
        yield from _figure(charts.cohorts, document, words, table.title)
    yield from _details(table, words)
    yield "</section>"


def _second_order(document: Document, words: Words) -> Iterator[str]:
    if not document["second_order"]["customers"]:
        return
    yield f"<section><h2>{escape(words('second-order'))}</h2>"
    yield from _figure(charts.second_order, document, words, words("second-chart"))
    yield from _details(shown.second_table(document, words), words)
    yield "</section>"


def _flows(document: Document, words: Words) -> Iterator[str]:
    yield f"<section><h2>{escape(words('flows'))}</h2>"
    flow = shown.flow_to_tell(document)
    if flow is None:
        yield f"<p>{escape(words('flows-none'))}</p></section>"
        return
    yield f"<p>{escape(shown.flow_title(flow, words))}</p>"
    yield from _figure(charts.segments, flow, words, words("flows-chart"))
    yield from _details(shown.segments_table(flow, words), words)
    for ladder, table in zip(flow["ladders"], shown.ladder_tables(flow, words), strict=True):
        yield f"<h3>{escape(' · '.join(filter(None, ladder['rungs'])))}</h3>"
        if any(map(any, ladder["customers"])):
            yield from _figure(charts.ladder, ladder, words, table.title)
        yield from _details(table, words)
    yield "</section>"


def _figure(
    chart: Callable[[Document, Words, int], dict[str, Any]], of: Document, words: Words, title: str
) -> Iterator[str]:
    """A chart for wide screens and one for narrow ones; a page shows one of them."""
    yield f"<figure><figcaption>{escape(title)}</figcaption>"
    for name, width in (("wide", WIDE), ("narrow", NARROW)):
        yield f"<div class={name}>{draw(chart(of, words, width), words, title)}</div>"
    yield "</figure>"


def _details(table: Table, words: Words) -> Iterator[str]:
    """The notes, and the table behind a chart to be opened."""
    yield from (f"<p class=note>{escape(note)}</p>" for note in table.notes)
    yield f"<details><summary>{escape(words('figures'))}</summary><div class=scroll><table>"
    yield f"<caption>{escape(table.title)}</caption>"
    yield f"<thead><tr>{_cells(table.columns, 'th scope=col')}</tr></thead><tbody>"
    for first, *others in table.rows:
        yield f"<tr><th scope=row>{escape(first)}</th>{_cells(others, 'td')}</tr>"
    yield "</tbody></table></div></details>"


def _cells(texts: Iterable[str], tag: str) -> str:
    return "".join(f"<{tag}>{escape(text)}</{tag.split()[0]}>" for text in texts)
