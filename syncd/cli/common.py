"""What commands share: the configuration, the audience and the day that are meant, tables and JSON."""

from __future__ import annotations

import csv
import gc
import json
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TextIO
from unicodedata import category

import click

if TYPE_CHECKING:
    from syncd.settings import Settings
    from syncd.steps.context import Context

P = ParamSpec("P")

config_option = click.option(
    "--config", type=click.Path(dir_okay=False), help="The configuration file (or SYNCD_CONFIG)."
)
language_option = click.option(
    "--language", type=click.Choice(["en", "es"]), default="en", help="Of what is shown; JSON stays as it is."
)
json_option = click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
_audience_option = click.option("--audience", metavar="NAME", help="Which audience, where there is more than one.")
_as_of_option = click.option("--as-of", metavar="DATE", help="Judge as of this local date, for example 2026-11-22.")


@dataclass(frozen=True, slots=True)
class Asked:
    """What a command about an audience was asked: of which one, as of which local day, and whether for JSON.

    `live`: no day was named, so the present is meant.
    """

    context: Context
    audience: str
    today: int
    live: bool
    as_json: bool


def about_audience(command: Callable[Concatenate[Asked, P], None]) -> Callable[..., None]:
    """The command with the options that all of its kind have; it is given what was asked, its history open."""

    @_audience_option
    @_as_of_option
    @json_option
    @config_option
    @wraps(command)
    def opened(
        audience: str | None,
        as_of: str | None,
        as_json: bool,
        config: str | None,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> None:
        context = context_of(config)
        name = one_audience(context.settings, audience)
        command(Asked(context, name, _day_meant(context, name, as_of), as_of is None, as_json), *args, **kwargs)

    return opened


def settings_of(config: str | None) -> Settings:
    """The configuration that the command line names; log lines and memory are set up."""
    from syncd.logs import set_up
    from syncd.memory import share_one_heap
    from syncd.settings import load

    share_one_heap()
    options = click.get_current_context().find_root().obj
    set_up("info" if options["verbose"] or not sys.stderr.isatty() else "warning")
    path = config or options["config"]
    return load(Path(path) if path else None)


def context_of(config: str | None, *, create: bool = False) -> Context:
    """The configuration with its history open: made or brought up to date where `create`."""
    from syncd.clock import clock_for
    from syncd.history.database import open_history
    from syncd.steps.context import Context

    settings = settings_of(config)
    context = Context(settings, open_history(settings.database, create=create), clock_for(settings.sandbox))
    # What is there by now stays to the end, modules for the most part: no search for garbage goes through it again.
    gc.freeze()
    return context


def one_audience(settings: Settings, name: str | None) -> str:
    """The audience that is meant: the named one, or the only one.

    Raises: UserError where there is none of that name, or several to choose from.
    """
    from syncd.errors import UserError

    known = ", ".join(settings.audiences)
    if name is None and len(settings.audiences) == 1:
        return next(iter(settings.audiences))
    if name is None:
        raise UserError(f"which audience? There are: {known}", hint="add --audience NAME")
    if name not in settings.audiences:
        raise UserError(f"no audience {name!r}; there are: {known}")
    return name


def _day_meant(context: Context, audience: str, as_of: str | None) -> int:
    """The local day of `--as-of`, or today in the audience's time zone. Raises: UserError for no date."""
    if as_of is None:
        return context.today(context.settings.audiences[audience])
    return day_given("--as-of", as_of)


def day_given(option: str, text: str) -> int:
    """The local day that an option names. Raises: UserError for no date, or one too far off to be reckoned with."""
    from datetime import date

    from syncd.calendar import FIRST_DAY, LAST_DAY, day_of
    from syncd.errors import UserError

    try:
        day = day_of(date.fromisoformat(text))
    except ValueError as err:
        raise UserError(f"{option}: {text!r} is no date", hint="write it as 2026-11-22") from err
    if not FIRST_DAY <= day < LAST_DAY:
        raise UserError(f"{option}: {text} is too far off", hint="name a day between 1900 and 9000")
    return day


# Behind blanks or unseen signs a spreadsheet finds them, too, and in their full width.
_BEGINS_A_FORMULA = re.compile(r"[\s\0\u200b-\u200f\u202a-\u202e\u2060\ufeff]*[=+\-@＝＋－＠]|[\t\r\n\0]")


def csv_cell(value: object) -> object:
    """A value that no spreadsheet takes for a formula, whatever sign it begins with."""
    return f"'{value}" if isinstance(value, str) and _BEGINS_A_FORMULA.match(value) else value


def write_text(path: Path, text: str) -> None:
    """The file holds the text, its directory made for it. Raises: UserError where it cannot be written."""
    from syncd.effects import write_file
    from syncd.errors import UserError

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_file(path, text)
    except OSError as err:
        raise UserError(f"{path} cannot be written: {err.strerror}") from err


def write_csv(file: TextIO, rows: Iterable[Sequence[object]]) -> None:
    """The rows as CSV. Texts are in quotes, or a spreadsheet that parts at `;` finds a formula behind one."""
    csv.writer(file, quoting=csv.QUOTE_NONNUMERIC).writerows([csv_cell(cell) for cell in row] for row in rows)


def harmless(text: str, written: Callable[[str], str] = ascii) -> str:
    """One line with every sign that a terminal obeys or hides `written` out (`\\x1b`): what others wrote only shows.

    It may hold commands to the terminal, turn the line around (U+202E), or begin another.
    """
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() or category(sign) == "Zs" else written(sign)[1:-1] for sign in text)


def say(text: str, *, err: bool = False, **style: Any) -> None:
    """The lines of `text` on standard output, or standard error; nothing in them is obeyed."""
    shown = "\n".join(map(harmless, text.split("\n")))
    # Without a style this would end each text with the command to end one.
    click.echo(click.style(shown, **style) if style else shown, err=err)


def print_json(document: Any) -> None:
    """One JSON document on standard output, harmless to a terminal, too."""
    lines = json.dumps(document, ensure_ascii=False, indent=2).split("\n")
    click.echo("\n".join(harmless(line, json.dumps) for line in lines))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, wide: str = "") -> None:
    """A table as wide as the terminal, numbers to the right; plain text where there is no terminal.

    `wide` names the column that gives way when space is short.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    rows = [list(row) for row in rows]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for at, name in enumerate(columns):
        numeric = bool(rows) and all(isinstance(row[at], int | float) or row[at] == "" for row in rows)
        table.add_column(name, justify="right" if numeric else "left", no_wrap=name != wide, overflow="fold")
    for row in rows:
        # Text, not markup: a tag's name may hold brackets.
        table.add_row(*(Text(f"{cell:,}" if isinstance(cell, int) else harmless(str(cell))) for cell in row))
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=160)
    console.print(table)
