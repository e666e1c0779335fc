"""Taking back a run: `syncd undo`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from syncd.cli.common import config_option, context_of, print_table

if TYPE_CHECKING:
    from syncd.history.undoing import Run, Undo
    from syncd.steps.context import Context


@click.command()
@click.argument("run", required=False)
@click.option("--yes", is_flag=True, help="Do not ask.")
@config_option
def undo(run: str | None, yes: bool, config: str | None) -> None:
    """Take back the tags and fields that RUN wrote, muted; without RUN, list the last runs.

    Only what RUN wrote itself and nobody changed since. Mails that were sent stay sent.
    """
    from syncd import pipeline
    from syncd.cli.progress import shown
    from syncd.cli.work import report, show_plan
    from syncd.errors import UnsafePlan
    from syncd.history.writer import only_writer

    context = context_of(config)
    if run is None:
        return _list(context)
    with only_writer(context.history):
        with shown(context):
            plan, undo_, of = pipeline.undo_plan(context, run)
        if not plan.steps:
            return click.echo(f"Nothing that {run} wrote is left to take back.")
        show_plan(plan.summary())
        _warn(undo_, of)
        if not (yes or (sys.stdin.isatty() and click.confirm(f"Take back what {run} wrote?"))):
            raise UnsafePlan(f"{of.audience}: nothing was taken back", hint=f"if it is right: syncd undo {run} --yes")
        with shown(context):
            cycle = pipeline.send_undo(context, plan, undo_)
    report(cycle)
    return None


def _warn(undo: Undo, of: Run) -> None:
    """What stays as it is, and what comes next."""
    if of.created or of.moved:
        click.echo(f"Contacts that were created ({of.created:,}), renamed or archived ({of.moved:,}) stay so.")
    click.echo(f"What cannot be unsent: journeys and e-mails that began by it, and {of.events:,} events.")
    if undo.changed_since:
        click.echo(
            f"With {undo.changed_since:,} people something stays: it was changed since, or they are not subscribed."
        )
    if again := sum(one.again for one in undo.back):
        click.echo(
            f"The rules still want it for {again:,} people: correct lifecycle.toml, or the next plan is held, so that"
            " nothing is written to and fro."
        )


def _list(context: Context) -> None:
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from syncd.history.undoing import runs

    def when(run: Run) -> str:
        audience = context.settings.audiences.get(run.audience)
        zone = ZoneInfo(audience.timezone if audience else "UTC")
        return f"{datetime.fromtimestamp(run.made_at, zone):%Y-%m-%d %H:%M}"

    def note(run: Run) -> str:
        notes = ["muted" if run.muted else "", f"took back {run.undoes}" if run.undoes else ""]
        return ", ".join(filter(None, [*notes, f"taken back by {run.undone_by}" if run.undone_by else ""]))

    rows = [
        [
            one.id,
            one.audience,
            when(one),
            one.people,
            one.added,
            one.removed,
            one.fields,
            one.created,
            one.events,
            note(one),
        ]
        for one in runs(context.history)
    ]
    if not rows:
        return click.echo("Nothing was written yet.")
    columns = ["run", "audience", "when", "people", "tags added", "removed", "fields", "created", "events", ""]
    return print_table(columns, rows)
