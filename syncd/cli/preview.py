"""`syncd preview`: a rule tried out, as tables with bars or JSON."""

from __future__ import annotations

from collections.abc import Mapping
from textwrap import fill
from typing import Any

import click

from syncd.cli.common import Asked, about_audience, print_json, print_table

BAR_WIDTH = 36

Document = Mapping[str, Any]


@click.command()
@click.argument("rule")
@about_audience
def preview(asked: Asked, rule: str) -> None:
    """Try out RULE: how many it holds for, their share of revenue, the overlap with each segment, the last year."""
    from syncd import views

    document = views.preview(asked.context, asked.audience, rule, asked.today)
    if asked.as_json:
        return print_json(document)
    click.echo(
        _folded(
            f"{document['customers']:,} of {document['everybody']:,} customers ({document['share']:.1%}), "
            f"{document['subscribed']:,} of them subscribed; {document['revenue_share']:.1%} of all revenue"
        )
    )
    if len(document["parts"]) > 1:
        print_table(["part of the rule", "customers"], [[p["rule"], p["customers"]] for p in document["parts"]])
    print_table(
        ["segment", "also in it", "of the segment"],
        [[o["name"], o["customers"], f"{o['share']:.0%}"] for o in document["overlap"]],
    )
    _print_history(document["history"])
    for line in _sentences(document):
        click.echo(_folded(line))
    return None


def _folded(line: str) -> str:
    return fill(line, 80, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)


def _print_history(history: list[Document]) -> None:
    """How many the rule held for after each month, and how many joined in it."""
    from rich import box
    from rich.bar import Bar
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for heading in ("the last 12 months", "customers", "", "joined"):
        table.add_column(heading, justify="right" if heading in ("customers", "joined") else "left", no_wrap=True)
    most = max(1, *(each["customers"] for each in history))
    for at, each in enumerate(history):
        bar = Bar(most, 0, each["customers"], width=BAR_WIDTH, color="cyan")
        table.add_row(each["date"], f"{each['customers']:,}", bar, f"+{each['entries']:,}" if at else "")
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=80)
    console.print(table)


def _sentences(document: Document) -> list[str]:
    """What a tag on the rule would have meant in those months."""
    joined, subscribed, flaps = (document[key] for key in ("entries", "entries_subscribed", "flaps"))
    volume = f"each e-mail of a journey would have been sent about {subscribed / 12:,.0f} times a month"
    lines = [
        f"Day by day, people joined {joined:,} times, those who are subscribed now {subscribed:,} times: {volume}.",
        f"{flaps:,} people joined more than once." + (" A weaker stay_while would keep people in." if flaps else ""),
    ]
    if document["not_replayed"]:
        lines.append(f"Not replayed, because only known as of now: {', '.join(document['not_replayed'])}.")
    return lines
