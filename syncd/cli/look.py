"""Commands that look and change nothing: segments, members, explain, status."""

from __future__ import annotations

import sys
from typing import Any

import click

from syncd.cli.common import (
    Asked,
    about_audience,
    config_option,
    context_of,
    json_option,
    language_option,
    print_json,
    print_table,
    say,
    write_csv,
)


@click.command()
@about_audience
def segments(asked: Asked) -> None:
    """Show each segment: its rule, how many are in it, who joined and left in the last 24 hours."""
    from syncd import views

    document = views.segments(asked.context, asked.audience, asked.today)
    if asked.as_json:
        return print_json(document)
    click.echo(f"Audience {asked.audience} as of {document['as_of']}")
    rows = [
        [s["name"], s["customers"], s["members"], f"+{s['joined']:,}", f"−{s['left']:,}", " ".join(s["when"].split())]
        for s in document["segments"]
    ]
    return print_table(["segment", "customers", "tagged", "joined", "left", "rule"], rows, wide="rule")


@click.command()
@click.argument("segment")
@click.option("--csv", "as_csv", is_flag=True, help="One line a customer: e-mail and whether tagged.")
@about_audience
def members(asked: Asked, segment: str, as_csv: bool) -> None:
    """List who is in SEGMENT."""
    from syncd import views

    document = views.members(asked.context, asked.audience, segment, asked.today)
    if asked.as_json:
        return print_json(document)
    if as_csv:
        tagged = set(document["members"])
        rows = ([email, "yes" if email in tagged else "no"] for email in document["customers"])
        return write_csv(sys.stdout, [["email", "tagged"], *rows])
    for email in document["customers"]:
        say(email)
    return None


@click.command()
@click.argument("email")
@language_option
@about_audience
def explain(asked: Asked, email: str, language: str) -> None:
    """Explain EMAIL: the figures, the orders, each segment with the values behind it, what is missing and when."""
    from syncd import views
    from syncd.views.explained import lines
    from syncd.views.words import Words

    document = views.explain(asked.context, asked.audience, email, asked.today)
    if asked.as_json:
        return print_json(document)
    for line in lines(document, Words(language, "explain")):
        say(line.text, **_TONES.get(line.tone, {}))
    return None


_TONES: dict[str, dict[str, Any]] = {
    "title": {"bold": True},
    "name": {"bold": True},
    "held": {"fg": "green"},
    "way": {"fg": "cyan"},
    "aside": {"dim": True},
}


@click.command()
@json_option
@config_option
def status(as_json: bool, config: str | None) -> None:
    """Show the health of each shop and audience: lag, held plans, what waits."""
    from syncd import views

    context = context_of(config)
    document = views.status(context)
    if as_json:
        return print_json(document)
    print_table(
        ["shop", "state", "behind", "orders", "customers", "quarantined"],
        [
            [s["name"], s["state"], _ago(s["lag_seconds"]), s["orders"], s["customers"], s["quarantined"]]
            for s in document["shops"]
        ],
    )
    print_table(
        ["audience", "state", "waiting", "held plan", "last push"],
        [
            [a["name"], a["state"], a["outbox"], a["held_plan"] or "", (a["last_push"] or "never")[:19]]
            for a in document["audiences"]
        ],
    )
    for entry in [*document["shops"], *document["audiences"]]:
        if entry["error"]:
            say(f"{entry['name']}: {entry['error']}")
    for entry in document["audiences"]:
        for segment, waiting in entry["dripping"].items():
            today, most = entry["entered_today"].get(segment, 0), entry["max_entries_per_day"]
            click.echo(
                f"{entry['name']}: {today:,} entered {segment} today, {waiting:,} more on the next days, {most:,} a day"
                " (max_entries_per_day)"
            )
        for moment in entry["moments"]:
            waiting, sent, dropped = (moment[state] for state in ("waiting", "sent", "dropped"))
            if waiting or sent or dropped:
                click.echo(
                    f"{entry['name']}: moment {moment['name']}: {waiting:,} waiting; in the last 24 hours "
                    f"{sent:,} sent, {dropped:,} dropped"
                )
    return None


def _ago(seconds: int | None) -> str:
    if seconds is None:
        return "never pulled"
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
