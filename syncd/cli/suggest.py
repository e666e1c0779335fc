"""`syncd suggest`: which numbers fit this shop, as tables with bars, JSON, and rules to paste."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

import click

from syncd.cli.common import Asked, about_audience, print_json

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

BAR_WIDTH = 10


@click.command()
@about_audience
def suggest(asked: Asked) -> None:
    """Suggest thresholds for loyal, VIP, at risk and lapsed from the shop's own history."""
    from syncd.views.suggest import suggest_thresholds

    document = suggest_thresholds(asked.context, asked.audience, asked.today)
    if asked.as_json:
        return print_json(document)
    return _print(document, among_others=len(asked.context.settings.audiences) > 1)


def _print(document: dict[str, Any], *, among_others: bool) -> None:
    from rich.console import Console

    console = Console(highlight=False, markup=False)
    if not console.is_terminal:
        console = Console(highlight=False, markup=False, width=80)
    console.print(f"Which numbers fit audience {document['audience']}, as of {document['as_of']}?", style="bold")
    console.print(_history(document))
    if document["too_young"]:
        console.print(f"Your history is young: {document['too_young']}. Until then take rules in plain days.")
    for segment in document["segments"]:
        _print_segment(console, segment)
    # Not wrapped, so that it can be copied.
    console.print("\nThe recommended ones for lifecycle.toml; each replaces the segment of its name:\n", style="bold")
    console.print(document["toml"], soft_wrap=True)
    rule = next(each["rule"] for each in document["segments"][-1]["candidates"] if each["recommended"])
    option = f" --audience {document['audience']}" if among_others else ""
    console.print(f"Try one: syncd preview {shlex.quote(rule)}{option}", soft_wrap=True)


def _history(document: dict[str, Any]) -> str:
    gap = document["typical_gap_days"]
    return (
        f"{document['orders']:,} orders of {document['buyers']:,} customers in {document['days_of_history']:,} days; "
        f"{document['completed_gaps']:,} gaps between two orders"
        + (f", typically {gap:.0f} days long." if gap else ".")
    )


def _print_segment(console: Console, segment: dict[str, Any]) -> None:
    from rich.text import Text

    now = segment["now"]
    stands = f"now {now['customers']:,} customers: {now['rule']}" if now else "no such segment now"
    # One text: what is printed by itself is wrapped as if it began a line.
    console.print()
    console.print(Text.assemble((segment["name"], "bold"), "  ", stands))
    if not segment["candidates"]:
        return console.print(f"Too little history: {segment['missing']}.")
    console.print(_table(segment["candidates"]))
    for at, each in enumerate(segment["candidates"], 1):
        console.print(f"{_mark(at, each)}  {each['rule']}", style="bold" if each["recommended"] else "", soft_wrap=True)
        console.print(_indented(each["why"]), style="dim")
    return console.print(_indented(f"→ recommended: {segment['criterion']}."), style="dim")


def _table(candidates: list[dict[str, Any]]) -> Table:
    from rich import box
    from rich.bar import Bar
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=0)
    for heading in _HEADINGS:
        table.add_column(heading, justify="right" if heading else "left", no_wrap=True)
    for at, each in enumerate(candidates, 1):
        bars = [
            Bar(1, 0, each[share], width=BAR_WIDTH, color="cyan")
            for share in ("share_of_buyers", "revenue_share_12_months")
        ]
        table.add_row(
            _mark(at, each),
            f"{each['customers']:,}",
            f"{each['share_of_buyers']:.1%}",
            bars[0],
            f"{each['revenue_share_12_months']:.1%}",
            bars[1],
            f"{each['revenue_share']:.1%}",
            f"{each['subscribed']:,}",
            "" if each["in_it_now"] is None else f"{each['in_it_now']:,}",
        )
    return table


_HEADINGS = (
    "",
    "\ncustomers",
    "of\nbuyers",
    "",
    "revenue\n12 months",
    "",
    "revenue\never",
    "sub-\nscribed",
    "in it\nnow",
)


def _mark(at: int, candidate: dict[str, Any]) -> str:
    return f"{'→' if candidate['recommended'] else ' '} {at}"


def _indented(text: str) -> str:
    from textwrap import fill

    return fill(text, width=78, initial_indent="     ", subsequent_indent="     ")
