"""`syncd forecast`: who will join and leave each segment if nobody orders, as a table or JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import fill
from typing import Any

import click

from syncd.cli.common import Asked, about_audience, print_json

# So many columns of numbers fit beside a long name in 80, and so many days may be in one of them.
MOST_BLOCKS = 5
LENGTHS = (7, 14, 28, 91)
# How the rows of a segment are called, what they count, and the sign before it.
ROWS = (("join", "join", "+"), ("leave", "leave", "−"), ("tagged", "entries", ""))

Document = Mapping[str, Any]


@click.command()
@click.option("--days", default=30, show_default=True, metavar="N", help="How many days to look ahead, at most 366.")
@about_audience
def forecast(asked: Asked, days: int) -> None:
    """Show who will join and leave each segment if nobody orders, and how many journeys that starts."""
    from syncd import views

    document = views.forecast(asked.context, asked.audience, asked.today, days)
    if asked.as_json:
        return print_json(document)
    listed = document["days"]
    click.echo(f"Audience {asked.audience}, {_long(listed[0])} to {_long(listed[-1])}, if nobody orders")
    _print_movements(document)
    for line in _sentences(document):
        click.echo(fill(line, 80, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False))
    return None


def _print_movements(document: Document) -> None:
    """Each segment that moves, by weeks, or by longer blocks where there are too many weeks."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from syncd.views.forecast import blocks

    days = document["days"]
    parts = blocks(days, next(length for length in LENGTHS if len(days) <= length * MOST_BLOCKS))
    rows = list(_rows(parts, document["segments"]))
    if not rows:
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("segment", overflow="fold")
    for heading in ("from", *(_short(part["from"]) for part in parts), "in all"):
        table.add_column(heading, justify="left" if heading == "from" else "right", no_wrap=True)
    for row in rows:
        # Text, not markup: a segment's name may hold brackets.
        table.add_row(*map(Text, row))
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=80)
    console.print(table)


def _rows(parts: Sequence[Document], segments: Sequence[Document]) -> list[list[str]]:
    rows = []
    for at, segment in enumerate(segments):
        title = segment["name"]
        for label, key, sign in ROWS:
            if segment[key]:
                counts = [*(part["segments"][at][key] for part in parts), segment[key]]
                rows.append([title, label, *(f"{sign}{count:,}" if count else "" for count in counts)])
                title = ""
    return rows


def _sentences(document: Document) -> list[str]:
    """What the table does not say by itself."""
    still = [one["name"] for one in document["segments"] if not one["join"] and not one["leave"] and not one["entries"]]
    lines = [f"Nobody joins or leaves {', '.join(still)}.", ""] if still else []
    lines += [*_volume(document), *_brake(document), *_budget(document)]
    if document["frozen"]:
        lines.append(f"Means, percentiles and what is usual stay here as they are on {document['as_of']}.")
    return lines


def _volume(document: Document) -> list[str]:
    total = sum(one["entries"] for one in document["segments"])
    if not total:
        return ["No member gets a tag, so no journey starts."]
    day = next(day for day in document["days"] if day["date"] == document["busiest_day"]["date"])
    most = sorted((-one["entries"], one["name"]) for one in day["segments"] if one["entries"])
    parts = ", ".join(f"{name} {-count:,}" for count, name in most[:3]) + (" …" if len(most) > 3 else "")
    return [
        f"Members get {total:,} tags; each starts the journeys that wait for it.",
        f"Busiest day: {_long(day)} with {document['busiest_day']['entries']:,} ({parts}).",
    ]


def _brake(document: Document) -> list[str]:
    held = [day for day in document["days"] if day["held"]]
    if not held:
        return []
    reasons = held[0]["held"]
    others = f" (and {len(reasons) - 1} more)" if len(reasons) > 1 else ""
    days = f" The same on {len(held) - 1} of the days after." if len(held) > 1 else ""
    return [f"Brake: the plan of {_long(held[0])} would wait for approval: {reasons[0]}{others}.{days}"]


def _budget(document: Document) -> list[str]:
    """How many wait at most for each tag whose entries take longer than a day."""
    peaks = []
    for at, segment in enumerate(document["segments"]):
        waiting = [day["segments"][at]["waiting"] for day in document["days"]]
        if most := max(waiting):
            peaks.append(
                (-most, f"{segment['name']} {most:,} on {_short(document['days'][waiting.index(most)]['date'])}")
            )
    if not peaks:
        return []
    listed = ", ".join(text for _, text in sorted(peaks))
    return [f"Budget: {document['max_entries_per_day']:,} a day get a tag (max_entries_per_day); waiting: {listed}."]


def _long(day: Document) -> str:
    return f"{_date(day['date']):%a} {_short(day['date'])} {day['date'][:4]}"


def _short(date: str) -> str:
    return f"{_date(date).day} {_date(date):%b}"


def _date(text: str) -> Any:
    from datetime import date

    return date.fromisoformat(text)
