"""`syncd forecast`: who will join and leave each segment if nobody orders, as a table or JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import fill
from typing import TYPE_CHECKING, Any

import click

from syncd.cli.common import Asked, about_audience, language_option, print_json

if TYPE_CHECKING:
    from syncd.views.words import Words

# So many columns of numbers fit beside a long name in 80, and so many days may be in one of them.
MOST_BLOCKS = 5
LENGTHS = (7, 14, 28, 91)
# How the rows of a segment are called, what they count, and the sign before it.
ROWS = (("join", "join", "+"), ("leave", "leave", "−"), ("tagged", "entries", ""))

Document = Mapping[str, Any]


@click.command()
@click.option("--days", default=30, show_default=True, metavar="N", help="How many days to look ahead, at most 366.")
@language_option
@about_audience
def forecast(asked: Asked, days: int, language: str) -> None:
    """Show who will join and leave each segment if nobody orders, and how many journeys that starts."""
    from syncd import views
    from syncd.views.words import Words

    document = views.forecast(asked.context, asked.audience, asked.today, days)
    if asked.as_json:
        return print_json(document)
    words = Words(language, "forecast")
    begin, end = (words.weekday(document["days"][at]["date"]) for at in (0, -1))
    click.echo(words("title", audience=asked.audience, begin=begin, end=end))
    _print_movements(document, words)
    for line in _sentences(document, words):
        click.echo(fill(line, 80, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False))
    return None


def _print_movements(document: Document, words: Words) -> None:
    """Each segment that moves, by weeks, or by longer blocks where there are too many weeks."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from syncd.views.forecast import blocks

    days = document["days"]
    parts = blocks(days, next(length for length in LENGTHS if len(days) <= length * MOST_BLOCKS))
    rows = list(_rows(parts, document["segments"], words))
    if not rows:
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column(words("segment"), overflow="fold")
    table.add_column(words("from"), no_wrap=True)
    for heading in (*(_short(part["from"], words) for part in parts), words("in-all")):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        # Text, not markup: a segment's name may hold brackets.
        table.add_row(*map(Text, row))
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=80)
    console.print(table)


def _rows(parts: Sequence[Document], segments: Sequence[Document], words: Words) -> list[list[str]]:
    rows = []
    for at, segment in enumerate(segments):
        title = segment["name"]
        for label, key, sign in ROWS:
            if segment[key]:
                counts = [*(part["segments"][at][key] for part in parts), segment[key]]
                rows.append([title, words(label), *(f"{sign}{words.number(n)}" if n else "" for n in counts)])
                title = ""
    return rows


def _sentences(document: Document, words: Words) -> list[str]:
    """What the table does not say by itself."""
    still = [one["name"] for one in document["segments"] if not one["join"] and not one["leave"] and not one["entries"]]
    lines = [words("still", segments=", ".join(still)), ""] if still else []
    lines += [*_volume(document, words), *_brake(document, words), *_budget(document, words)]
    if document["frozen"]:
        lines.append(words("frozen", as_of=words.day(document["as_of"])))
    return lines


def _volume(document: Document, words: Words) -> list[str]:
    total = sum(one["entries"] for one in document["segments"])
    if not total:
        return [words("no-tags")]
    busiest = document["busiest_day"]
    day = next(day for day in document["days"] if day["date"] == busiest["date"])
    most = sorted((-one["entries"], one["name"]) for one in day["segments"] if one["entries"])
    parts = ", ".join(f"{name} {words.number(-n)}" for n, name in most[:3]) + (" …" if len(most) > 3 else "")
    return [
        words.count("tags", total),
        words("busiest", day=words.weekday(day["date"]), n=words.number(busiest["entries"]), parts=parts),
    ]


def _brake(document: Document, words: Words) -> list[str]:
    held = [day for day in document["days"] if day["exceeds"]]
    if not held:
        return []
    first, *others = held[0]["exceeds"]
    return [
        words(
            "brake",
            day=words.weekday(held[0]["date"]),
            reason=_reason(first, words),
            others=words("brake-others", n=len(others)) if others else "",
            more_days=words("brake-days", n=len(held) - 1) if len(held) > 1 else "",
        )
    ]


def _reason(exceeded: Document, words: Words) -> str:
    n, limit = words.number(exceeded["number"]), words.number(exceeded["limit"])
    return words("too-many-added", n=n, segment=exceeded["segment"], limit=limit)


def _budget(document: Document, words: Words) -> list[str]:
    """How many wait at most for each tag whose entries take longer than a day."""
    peaks = []
    for at, segment in enumerate(document["segments"]):
        waiting = [day["segments"][at]["waiting"] for day in document["days"]]
        if most := max(waiting):
            day = _short(document["days"][waiting.index(most)]["date"], words)
            peaks.append((-most, words("waiting", segment=segment["name"], n=words.number(most), day=day)))
    if not peaks:
        return []
    listed = ", ".join(text for _, text in sorted(peaks))
    return [words("budget", n=words.number(document["max_entries_per_day"]), listed=listed)]


def _short(date: str, words: Words) -> str:
    return words.short_day(date, as_of=date)
