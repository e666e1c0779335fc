"""Holding what is believed against the truth: `syncd verify`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from syncd.cli.common import config_option, context_of, json_option, print_json, print_table, say

if TYPE_CHECKING:
    from syncd.steps.verify import Report

DRIFT = 3


@click.command()
@click.option("--repair", is_flag=True, help="Mend what drifted, muted, and look again.")
@json_option
@config_option
def verify(repair: bool, as_json: bool, config: str | None) -> None:
    """Read the audiences back and compare them with what is believed; judge everybody anew; count the shops' rows.

    Ends with 3 where anything drifted and is not mended.
    """
    from contextlib import nullcontext

    from syncd import pipeline
    from syncd.cli.progress import shown
    from syncd.history.writer import only_writer

    context = context_of(config)
    with only_writer(context.history) if repair else nullcontext(), shown(context):
        report = pipeline.verify(context)
        if repair and report.findings:
            if not as_json:
                _show(report)
                click.echo("Mending.")
            pipeline.mend(context, report)
            report = pipeline.verify(context)
    if as_json:
        print_json(
            {
                "clean": not report.findings,
                "findings": [asdict(finding) for finding in report.findings],
                "notes": report.notes,
            }
        )
    else:
        _show(report)
    if report.findings:
        raise click.exceptions.Exit(DRIFT)


def _show(report: Report) -> None:
    if report.findings:
        rows = [[f.of, f.kind, f.subject, f.count, ", ".join(f.examples)] for f in report.findings]
        print_table(["of", "what", "which", "how many", "for example"], rows, wide="for example")
    else:
        click.echo("All is as believed.")
    for note in report.notes:
        say(note)
