"""Commands that move things: backfill, run, sync, plan, approve, moved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from syncd.cli.common import Asked, about_audience, config_option, context_of, day_given, print_json, print_table

if TYPE_CHECKING:
    from syncd.pipeline import Cycle


@click.command()
@click.option("--shop", "shops", multiple=True, metavar="NAME", help="Only this shop (may be repeated).")
@click.option("--since", metavar="DATE", help="Only orders since this date; later: read those once more.")
@click.option("--yes", is_flag=True, help="Do not ask: push what the plan shows (unattended use).")
@config_option
def backfill(shops: tuple[str, ...], since: str | None, yes: bool, config: str | None) -> None:
    """Import everything for the first time; plan, ask, and push it muted.

    No automation fires by it. It may be interrupted at any time: the next call goes on.
    """
    from syncd import pipeline
    from syncd.cli.progress import shown
    from syncd.history.writer import only_writer

    context = context_of(config, create=True)
    since_at = None if since is None else _begin(since, context.clock.now())
    wanted = _known_shops(context.settings.shops, shops)
    with only_writer(context.history):
        with shown(context):
            cycle = pipeline.pull_all(context, wanted, since_at)
        for name in pipeline.complete_audiences(context):
            with shown(context):
                held = pipeline.first_plan(context, name, cycle)
            if held:
                show_plan(held)
                if not (yes or _agreed(held)):
                    raise pipeline.unsafe(held)
                pipeline.approve(context, held["id"])
            with shown(context):
                pipeline.first_push(context, name, cycle)
    report(cycle)


def _begin(since: str, now: int) -> int:
    """The first instant of the day. Raises: UserError for one to come: reading would go on from there."""
    from syncd.calendar import DAY_SECONDS
    from syncd.errors import UserError

    begin = day_given("--since", since) * DAY_SECONDS
    if begin > now:
        raise UserError(f"--since: {since} has not come yet", hint="name the day from which on orders are wanted")
    # No shop is older than what its API can be asked for.
    return max(begin, 0)


def _agreed(held: Mapping[str, Any]) -> bool:
    import sys

    # Without a person at the other end there is nobody to ask: the plan stays held.
    return sys.stdin.isatty() and click.confirm(f"Push plan {held['id']} to audience {held['audience']}, muted?")


def _known_shops(known: Mapping[str, Any], asked: tuple[str, ...]) -> list[str]:
    from syncd.errors import UserError

    for shop in asked:
        if shop not in known:
            raise UserError(f"--shop: no shop {shop!r}; there are: {', '.join(known)}")
    return list(asked or known)


@click.command()
@config_option
def run(config: str | None) -> None:
    """Run the service: a cycle each poll interval, until it is stopped (SIGTERM); SIGHUP reloads."""
    from syncd.cli.common import settings_of
    from syncd.service import daemon

    daemon.run(lambda: settings_of(config))


@click.command()
@config_option
def sync(config: str | None) -> None:
    """Run one cycle: pull, judge, plan, push."""
    from syncd import pipeline
    from syncd.cli.progress import shown
    from syncd.history.writer import only_writer

    context = context_of(config)
    with only_writer(context.history), shown(context):
        cycle = pipeline.sync(context)
    report(cycle)


def report(cycle: Cycle) -> None:
    """What the cycle did, in a few lines; then its gravest error, as the command's own."""
    from syncd.cli.errors import explain

    for shop, pulled in cycle.pulled.items():
        poison = f", {pulled.quarantined:,} quarantined (see `syncd quarantine list`)" if pulled.quarantined else ""
        click.echo(
            f"{shop}: {pulled.orders_new:,} new orders, {pulled.orders_changed:,} changed, "
            f"{pulled.customers_changed:,} customers, {pulled.deleted:,} deleted{poison}"
        )
    for name, judged in cycle.judged.items():
        pushed = cycle.pushed.get(name)
        sent = f"; {pushed.done:,} members written, {pushed.refused:,} refused" if pushed else ""
        click.echo(f"{name}: {judged.people:,} people judged, {judged.joined:,} joined, {judged.left:,} left{sent}")
    if cycle.errors:
        # A blocked connection weighs more than a held plan, and that more than what passes by itself.
        *others, gravest = sorted(cycle.errors, key=lambda err: err.exit_code)
        for err in others:
            explain(err)
        raise gravest


@click.command()
@about_audience
def plan(asked: Asked) -> None:
    """Show what would change in the audience, without writing anything."""
    from syncd import pipeline

    summary = pipeline.plan_only(asked.context, asked.audience, asked.today, live=asked.live)
    if asked.as_json:
        print_json(summary)
    else:
        show_plan(summary)
        if summary["reasons"]:
            click.echo(f"To release it: syncd approve {summary['id']}")


def show_plan(summary: Mapping[str, Any]) -> None:
    counts = summary["counts"]
    if not any(counts.values()):
        click.echo(f"Nothing to do: audience {summary['audience']} has what it shall have.")
        return
    click.echo(f"Plan {summary['id']} for audience {summary['audience']}" + (", muted" if summary["muted"] else ""))
    if summary["segments"]:
        print_table(["segment", "add", "remove"], [[s["name"], s["add"], s["remove"]] for s in summary["segments"]])
    click.echo(
        f"{counts['tag_add']:,} tags to add, {counts['tag_remove']:,} to remove; fields of {counts['field_set']:,} "
        f"members to set; {counts['member_create']:,} members to create (all with consent)."
    )
    if counts["event"]:
        told = (f"{m['name']} {m['announce']:,}" for m in summary["moments"] if m["announce"])
        click.echo(f"Events to send: {', '.join(told)}.")
    later = summary["waiting"] | {m["name"]: m["waiting"] for m in summary["moments"] if m["waiting"]}
    for name, waiting in later.items():
        click.echo(f"{waiting:,} more enter {name} on the next days (max_entries_per_day).")
    if counts["member_create"] and (bill := summary["contacts"]):
        limit = f"; the limit is {bill['limit']:,} (contact_limit)" if bill["limit"] else ""
        click.echo(f"Contacts that Mailchimp bills: {bill['now']:,} now, {bill['after']:,} afterwards{limit}.")
    for reason in summary["reasons"]:
        click.echo(f"Held: {reason}.")


@click.command()
@click.argument("plan_id", metavar="PLAN")
@config_option
def approve(plan_id: str, config: str | None) -> None:
    """Release a held plan, and push it."""
    from syncd import pipeline
    from syncd.cli.progress import shown
    from syncd.errors import UserError
    from syncd.history.writer import only_writer

    context = context_of(config)
    released = pipeline.approve(context, plan_id)
    click.echo(f"Plan {plan_id} for audience {released['audience']} is released.")
    try:
        with only_writer(context.history), shown(context):
            cycle = pipeline.send_approved(context, released["audience"])
    except UserError:
        click.echo("The running service sends it in its next cycle.")
        return
    report(cycle)


@click.command()
@config_option
def moved(config: str | None) -> None:
    """Say that you moved this database here, or restored it: from now on it writes from here.

    A copy writes nothing by itself. Before the next plan all contacts are read anew.
    """
    from syncd.steps.place import settle_here

    context = context_of(config)
    settle_here(context)
    click.echo(f"From now on this database writes to {', '.join(context.settings.audiences)}.")
    click.echo("See that no other copy of it does: stop the service there.")
