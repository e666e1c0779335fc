"""The command `syncd demo`."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.option("--directory", type=click.Path(file_okay=False, path_type=Path), default="demo", help="Where it works.")
@click.option("--customers", type=click.IntRange(min=50), help="Only so many customers, for a quick look.")
@click.option("--days", type=click.IntRange(0, 60), default=14, show_default=True, help="How long the service runs.")
@click.option("--seed", type=int, default=1, show_default=True, help="Another seed, other names and orders.")
def demo(directory: Path, customers: int | None, days: int, seed: int) -> None:
    """Show the whole way on 69,659 real purchases: local shops in, a local Mailchimp out."""
    from syncd.errors import UserError

    try:
        from syncd.sandbox.demo import play
    except ImportError as err:
        raise UserError("the sandbox is not installed", hint="install it: pip install 'syncd[sandbox]'") from err
    play(directory, customers=customers, days=days, seed=seed, say=click.echo)
