"""`syncd retention`: whether customers come back, as tables, JSON, CSV files or one page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from syncd.cli.common import Asked, about_audience, day_given, language_option, print_json, write_csv, write_text

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from syncd.views.retention.shown import Table

# As many months as fit beside each other in 80 columns.
MONTHS_SHOWN = 12
BAR_WIDTH = 40


@click.command()
@click.option("--by", type=click.Choice(["month", "quarter"]), default="quarter", help="The length of a period.")
@click.option("--since", metavar="DATE", help="Begin with the period of this date; two years back unless given.")
@click.option("--csv", "csv_dir", type=click.Path(file_okay=False), metavar="DIR", help="Write CSV files into DIR.")
@click.option(
    "--html", "html_file", type=click.Path(dir_okay=False), metavar="FILE", help="Write one page with charts."
)
@language_option
@about_audience
def retention(
    asked: Asked,
    by: Any,
    since: str | None,
    csv_dir: str | None,
    html_file: str | None,
    language: str,
) -> None:
    """Show whether customers come back: CRR and the share retained, cohorts, second orders, moves between segments."""
    if asked.as_json + (csv_dir is not None) + (html_file is not None) > 1:
        raise click.UsageError("--json, --csv and --html exclude each other")
    from syncd.views.retention import csv_tables, report
    from syncd.views.words import Words

    begin = None if since is None else day_given("--since", since)
    document = report(asked.context, asked.audience, by=by, since=begin, today=asked.today)
    if asked.as_json:
        return print_json(document)
    if csv_dir is not None:
        return _write_csv(Path(csv_dir), csv_tables(document))
    if html_file is not None:
        from syncd.views.retention.page import page

        return _write(Path(html_file), page(document, Words(language, "retention")))
    return _print(document, Words(language, "retention"))


def _write_csv(directory: Path, files: dict[str, list[list[Any]]]) -> None:
    from io import StringIO

    for name, rows in files.items():
        text = StringIO()
        write_csv(text, rows)
        _write(directory / name, text.getvalue())


def _write(path: Path, text: str) -> None:
    """The file is there and says so."""
    write_text(path, text)
    click.echo(str(path))


def _print(document: dict[str, Any], words: Any) -> None:
    from rich.console import Console
    from rich.table import Table as Drawn
    from rich.text import Text

    from syncd.views.retention import shown

    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=100)
    console.print(words("title"), style="bold")
    console.print(shown.subtitle(document, words), style="dim", markup=False)
    console.print()
    sentences = Drawn.grid(padding=(0, 1))
    for line in shown.headlines(document, words):
        sentences.add_row("•", Text(line))
    console.print(sentences)
    for table in _tables(document, words):
        _print_table(console, table)


def _tables(document: dict[str, Any], words: Any) -> list[Table]:
    """What there is to show."""
    from syncd.views.retention import shown

    found = []
    if document["customers"]:
        found.append(shown.periods_table(document, words))
        found.append(shown.cohorts_table(document, words, ages=MONTHS_SHOWN, pattern="0"))
        found.append(_with_bars(shown.second_table(document, words), document))
    if flow := shown.flow_to_tell(document):
        found.append(shown.segments_table(flow, words))
        found += shown.ladder_tables(flow, words)
    return found


def _with_bars(table: Table, document: dict[str, Any]) -> Table:
    """Each share with a bar behind it."""
    from dataclasses import replace

    shares = [each["share"] or 0.0 for each in document["second_order"]["within"]]
    rows = [[*row, "█" * round(share * BAR_WIDTH)] for row, share in zip(table.rows, shares, strict=True)]
    return replace(table, columns=[*table.columns, ""], rows=rows)


def _print_table(console: Console, table: Table) -> None:
    from rich import box
    from rich.table import Table as Drawn

    widths = _widths(table, console.width)
    fits = sum(widths) + 2 * len(widths) <= console.width
    drawn = Drawn(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, int(fits), 0, 0))
    for at, (name, width) in enumerate(zip(table.columns, widths, strict=True)):
        drawn.add_column(name, justify="right" if at and name else "left", width=width)
    for at, row in enumerate(table.rows):
        drawn.add_row(*(_cell(text, table.heat[at][column] if table.heat else 0.0) for column, text in enumerate(row)))
    console.print()
    console.print(table.title, style="bold", markup=False)
    console.print(drawn)
    for note in table.notes:
        console.print(note, style="dim", markup=False)


def _widths(table: Table, room: int) -> list[int]:
    """Headings are on one line where there is room, else broken between their words."""
    cells = [max((len(row[at]) for row in table.rows), default=0) for at in range(len(table.columns))]
    whole = [max(len(name), width) for name, width in zip(table.columns, cells, strict=True)]
    if sum(whole) + 2 * len(whole) <= room:
        return whole
    return [max([width, *map(len, name.split())]) for name, width in zip(table.columns, cells, strict=True)]


def _cell(text: str, heat: float) -> RenderableType:
    """A cell that glows as strongly as its value."""
    from rich.text import Text

    if not heat:
        return Text(text)
    level = round(20 + heat * 100)
    return Text(text, style=f"white on rgb(0,{level},{round(level * 1.4)})")
