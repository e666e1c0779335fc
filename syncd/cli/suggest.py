"""`syncd suggest`: which numbers fit this shop, as tables with bars, JSON, and rules to paste."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

import click

from syncd.cli.common import Asked, about_audience, harmless, language_option, print_json

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from syncd.views.words import Words

BAR_WIDTH = 10


@click.command()
@language_option
@about_audience
def suggest(asked: Asked, language: str) -> None:
    """Suggest thresholds for loyal, VIP, at risk and lapsed from the shop's own history."""
    from syncd.views.suggest import suggest_thresholds
    from syncd.views.words import Words

    if asked.as_json:
        return print_json(suggest_thresholds(asked.context, asked.audience, asked.today))
    document = suggest_thresholds(asked.context, asked.audience, asked.today, language)
    among_others = len(asked.context.settings.audiences) > 1
    return _print(document, Words(language, "suggest"), among_others=among_others)


def _print(document: dict[str, Any], words: Words, *, among_others: bool) -> None:
    from rich.console import Console

    console = Console(highlight=False, markup=False)
    if not console.is_terminal:
        console = Console(highlight=False, markup=False, width=80)
    title = words("title", audience=document["audience"], as_of=words.day(document["as_of"]))
    console.print(title, style="bold")
    console.print(_history(document, words))
    if document["too_young"]:
        console.print(words("young", reason=document["too_young"]))
    for segment in document["segments"]:
        _print_segment(console, segment, words)
    # Not wrapped, so that it can be copied.
    console.print(f"\n{words('recommended')}\n", style="bold")
    console.print(document["toml"], soft_wrap=True)
    rule = next(each["rule"] for each in document["segments"][-1]["candidates"] if each["recommended"])
    option = f" --audience {document['audience']}" if among_others else ""
    console.print(words("try", command=f"syncd preview {shlex.quote(rule)}{option}"), soft_wrap=True)


def _history(document: dict[str, Any], words: Words) -> str:
    keys = ("orders", "buyers", "days_of_history", "completed_gaps")
    text = words("history", **{key: words.number(document[key]) for key in keys})
    gap = document["typical_gap_days"]
    return text + (words("typical", days=words.number(round(gap))) if gap else ".")


def _print_segment(console: Console, segment: dict[str, Any], words: Words) -> None:
    from rich.text import Text

    now = segment["now"]
    stands = words("now", n=words.number(now["customers"]), rule=now["rule"]) if now else words("not-now")
    # One text: what is printed by itself is wrapped as if it began a line.
    console.print()
    console.print(Text.assemble((segment["name"], "bold"), "  ", harmless(stands)))
    if not segment["candidates"]:
        return console.print(words("too-little", missing=segment["missing"]))
    console.print(_table(segment["candidates"], words))
    for at, each in enumerate(segment["candidates"], 1):
        console.print(f"{_mark(at, each)}  {each['rule']}", style="bold" if each["recommended"] else "", soft_wrap=True)
        console.print(_indented(each["why"]), style="dim")
    return console.print(_indented(words("criterion", criterion=segment["criterion"])), style="dim")


def _table(candidates: list[dict[str, Any]], words: Words) -> Table:
    from rich import box
    from rich.bar import Bar
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=0)
    for heading in (key and words(key) for key in _HEADINGS):
        table.add_column(heading, justify="right" if heading else "left", no_wrap=True)
    for at, each in enumerate(candidates, 1):
        bars = [
            Bar(1, 0, each[share], width=BAR_WIDTH, color="cyan")
            for share in ("share_of_buyers", "revenue_share_12_months")
        ]
        table.add_row(
            _mark(at, each),
            words.number(each["customers"]),
            words.share(each["share_of_buyers"]),
            bars[0],
            words.share(each["revenue_share_12_months"]),
            bars[1],
            words.share(each["revenue_share"]),
            words.number(each["subscribed"]),
            "" if each["in_it_now"] is None else words.number(each["in_it_now"]),
        )
    return table


_HEADINGS = (
    "",
    "head-customers",
    "head-of-buyers",
    "",
    "head-revenue-year",
    "",
    "head-revenue-ever",
    "head-subscribed",
    "head-in-it-now",
)


def _mark(at: int, candidate: dict[str, Any]) -> str:
    return f"{'→' if candidate['recommended'] else ' '} {at}"


def _indented(text: str) -> str:
    from textwrap import fill

    return fill(text, width=78, initial_indent="     ", subsequent_indent="     ")
