"""`syncd preview`: a rule tried out, as tables with bars or JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from textwrap import fill
from typing import TYPE_CHECKING, Any

import click

from syncd.cli.common import Asked, about_audience, harmless, language_option, print_json

if TYPE_CHECKING:
    from rich.console import RenderableType

    from syncd.views.words import Words

BAR_WIDTH = 32

Document = Mapping[str, Any]


@click.command()
@click.argument("rule")
@language_option
@about_audience
def preview(asked: Asked, rule: str, language: str) -> None:
    """Try out RULE: how many it holds for, their share of revenue, the overlap with each segment, the last year."""
    from syncd import views
    from syncd.views.words import Words

    document, words = views.preview(asked.context, asked.audience, rule, asked.today), Words(language, "preview")
    if asked.as_json:
        return print_json(document)
    figures = {key: words.number(document[key]) for key in ("customers", "everybody", "subscribed")}
    shares = {key: words.share(document[key]) for key in ("share", "revenue_share")}
    click.echo(_folded(words("size", **figures, **shares)))
    if len(document["parts"]) > 1:
        parts = ((each["rule"], words.number(each["customers"])) for each in document["parts"])
        _print_table([words("part"), words("customers")], parts)
    overlap = (
        (each["name"], words.number(each["customers"]), words.share(each["share"], "0")) for each in document["overlap"]
    )
    _print_table([words("segment"), words("also-in-it"), words("of-the-segment")], overlap)
    _print_table([words("months"), words("customers"), "", words("joined")], _history(document["history"], words))
    for line in _sentences(document, words):
        click.echo(_folded(line))
    return None


def _history(history: Sequence[Document], words: Words) -> Iterable[Sequence[RenderableType]]:
    """How many the rule held for after each month, and how many joined in it; before the first nobody looked."""
    from rich.bar import Bar

    most = max(1, *(each["customers"] for each in history))
    for at, each in enumerate(history):
        joined = f"+{words.number(each['entries'])}" if at else ""
        bar = Bar(most, 0, each["customers"], width=BAR_WIDTH, color="cyan")
        yield words.short_day(each["date"]), words.number(each["customers"]), bar, joined


def _print_table(columns: Sequence[str], rows: Iterable[Sequence[RenderableType]]) -> None:
    """The first column gives way when space is short; what has a heading is otherwise a number."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for at, name in enumerate(columns):
        table.add_column(name, justify="right" if at and name else "left", no_wrap=at > 0, overflow="fold")
    for row in rows:
        # Text, not markup: a rule may hold brackets.
        table.add_row(*(Text(harmless(cell)) if isinstance(cell, str) else cell for cell in row))
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=80)
    console.print(table)


def _sentences(document: Document, words: Words) -> list[str]:
    """What a tag on the rule would have meant in those months."""
    joined, subscribed, flaps = (document[key] for key in ("entries", "entries_subscribed", "flaps"))
    told = {"joined": joined, "subscribed": subscribed, "monthly": round(subscribed / 12)}
    lines = [words("volume", **{key: words.number(count) for key, count in told.items()})]
    lines.append(words.count("flaps", flaps) + (f" {words('steadier')}" if flaps else ""))
    if document["not_replayed"]:
        lines.append(words("not-replayed", names=", ".join(document["not_replayed"])))
    return lines


def _folded(line: str) -> str:
    return fill(line, 80, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
