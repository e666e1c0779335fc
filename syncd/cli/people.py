"""Commands about what is stored of one person: export it, erase it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from syncd.cli.common import config_option, context_of, print_json, print_table, say

if TYPE_CHECKING:
    from syncd.steps.erase import Farewell, Found


@click.command()
@click.argument("email")
@config_option
def export(email: str, config: str | None) -> None:
    """Print all that is stored of EMAIL, as one JSON document (data access)."""
    from syncd import views

    print_json(views.export(context_of(config), email))


@click.command()
@click.argument("email")
@click.option("--confirm", is_flag=True, help="Do it: it cannot be undone.")
@click.option(
    "--esp",
    type=click.Choice(["archive", "delete", "keep"]),
    default="archive",
    help="What becomes of the contact: delete is for ever, the service never takes the address again.",
)
@config_option
def erase(email: str, confirm: bool, esp: Farewell, config: str | None) -> None:
    """Erase EMAIL: all that is stored, for good; nothing that is read later brings the person back."""
    from syncd.errors import UserError
    from syncd.history.writer import only_writer
    from syncd.steps import erase as step

    context = context_of(config)
    found = step.find(context, email)
    if not found:
        raise UserError(f"nothing is known of {email}", hint="check the spelling; names are not searched")
    _show(found)
    if not confirm:
        raise UserError("nothing was erased", hint="add --confirm to erase this: it cannot be undone")
    with only_writer(context.history):
        step.erase(context, email, esp)
    click.echo(f"Erased. {_FAREWELLS[esp]} Your own backups still hold the person until they are deleted.")


_FAREWELLS = {
    "keep": "The contacts stay, without our tags and fields.",
    "archive": "The contacts lost our tags and fields and are archived.",
    "delete": "The contacts are deleted for ever.",
}


def _show(found: Found) -> None:
    say(f"Stored of {', '.join(found.keys)}:")
    print_table(["table", "rows"], [[table, count] for table, count in found.rows.items() if count])
    for audience, statuses in found.contacts.items():
        if statuses:
            click.echo(f"In the audience {audience}: {', '.join(statuses)}.")
