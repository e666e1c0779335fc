"""Commands about what is stored of one person: export it, erase it."""

from __future__ import annotations

import click

from syncd.cli.common import config_option, context_of, print_json


@click.command()
@click.argument("email")
@config_option
def export(email: str, config: str | None) -> None:
    """Print all that is stored of EMAIL, as one JSON document (data access)."""
    from syncd import views

    print_json(views.export(context_of(config), email))
