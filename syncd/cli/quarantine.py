"""Records that could not be read: list them, look at one, try again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from syncd.cli.common import config_option, context_of, json_option, print_json, print_table, say

# What a database's own number may be.
_NUMBER = click.IntRange(1, 2**63 - 1)


@click.group()
def quarantine() -> None:
    """Show and retry the records that could not be read."""


@quarantine.command("list")
@click.option("--shop", metavar="NAME", help="Only of this shop.")
@json_option
@config_option
def list_(shop: str | None, as_json: bool, config: str | None) -> None:
    """List the quarantined records with their reasons."""
    from syncd import views

    rows = views.quarantined(context_of(config), shop)
    if as_json:
        return print_json(rows)
    if not rows:
        return click.echo("Nothing is quarantined.")
    return print_table(
        ["id", "shop", "resource", "record", "since", "tries", "reason"],
        [
            [str(r["id"]), r["shop"], r["resource"], r["record_id"], r["first_seen"][:10], r["attempts"], _reason(r)]
            for r in rows
        ],
        wide="reason",
    )


def _reason(row: Mapping[str, Any]) -> str:
    return str(row["reason"]) + ("" if row["content_kept"] else " (its content was dropped: see keep_raw)")


@quarantine.command()
@click.argument("number", type=_NUMBER)
@config_option
def show(number: int, config: str | None) -> None:
    """Print the record NUMBER as the shop sent it (it may hold personal data)."""
    from syncd import views

    say(views.quarantined_raw(context_of(config), number))


@quarantine.command()
@click.argument("numbers", type=_NUMBER, nargs=-1)
@config_option
def retry(numbers: tuple[int, ...], config: str | None) -> None:
    """Read the records NUMBERS again (all without any), after an upgrade or a change of the configuration."""
    from syncd.history.writer import only_writer
    from syncd.steps.quarantine import retry as again

    context = context_of(config)
    with only_writer(context.history):
        read, left = again(context, numbers)
    click.echo(f"{read:,} read, {left:,} stay in quarantine")
