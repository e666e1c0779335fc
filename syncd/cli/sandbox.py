"""The command `syncd sandbox`."""

from __future__ import annotations

import click


@click.command("sandbox")
@click.option("--data", default="cdnow", show_default=True, metavar="cdnow|synthetic|FILE", help="Whose purchases.")
@click.option("--customers", type=click.IntRange(min=1), help="Only so many customers.")
@click.option("--orders", type=click.IntRange(min=0), help="So many orders (synthetic data).")
@click.option("--port", type=click.IntRange(0, 65_532), default=8700, show_default=True, help="0 picks free ports.")
@click.option("--seed", type=int, default=1, show_default=True, help="Another seed, other people and faults.")
def command(data: str, customers: int | None, orders: int | None, port: int, seed: int) -> None:
    """Serve local counterparts of Shopify, Ecwid and Mailchimp.

    The control page is on the port itself, the services on the three ports behind it. FILE is CSV:
    customer,email,placed_at,amount[,currency,product,category]. Prints one line of JSON with the
    addresses when ready, and runs until it is interrupted.
    """
    import json

    from syncd.errors import UserError

    try:
        from syncd.sandbox.populate import build
        from syncd.sandbox.serve import run
    except ImportError as err:
        raise UserError("the sandbox is not installed", hint="install it: pip install 'syncd[sandbox]'") from err
    if orders is not None and data != "synthetic":
        raise UserError("--orders goes with --data synthetic")
    world = build(data, seed=seed, customers=customers, orders=orders)
    try:
        run(world, lambda urls: click.echo(json.dumps(urls)), port=port)
    except OSError as err:
        raise UserError(
            f"the ports {port} to {port + 3} cannot be opened: {err.strerror}", hint="choose another --port"
        ) from err
