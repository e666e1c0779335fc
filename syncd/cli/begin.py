"""Commands of the first hour: init and check."""

from __future__ import annotations

from pathlib import Path

import click

from syncd.cli.common import config_option, settings_of


@click.command()
@click.option("--directory", type=click.Path(file_okay=False, path_type=Path), default=".", help="Where to write.")
@click.option("--force", is_flag=True, help="Replace files that exist.")
def init(directory: Path, force: bool) -> None:
    """Write a commented syncd.toml and lifecycle.toml to start from."""
    from importlib.resources import files

    from syncd.errors import UserError

    targets = {name: directory / name for name in ("syncd.toml", "lifecycle.toml")}
    existing = [str(path) for path in targets.values() if path.exists()]
    if existing and not force:
        raise UserError(f"{' and '.join(existing)} exists already", hint="add --force to replace it")
    directory.mkdir(parents=True, exist_ok=True)
    for name, path in targets.items():
        path.write_text((files("syncd") / "config" / name).read_text(encoding="utf-8"), encoding="utf-8")
        click.echo(f"wrote {path}")
    click.echo("Next: fill in your shop and audience in syncd.toml, then run `syncd check`.")


@click.command()
@config_option
def check(config: str | None) -> None:
    """Check configuration, credentials and accounts, and say what to do about each problem."""
    from syncd.checks import findings
    from syncd.errors import ConnectionBlocked

    settings = settings_of(config)
    click.echo(f"ok       {settings.path}: the configuration can be read")
    blocked = None
    for finding in findings(settings):
        click.echo(f"{finding.mark:<8} {finding.text}")
        if finding.hint:
            click.echo(f"         → {finding.hint}")
        if finding.mark == "blocked":
            blocked = blocked or finding
    if blocked:
        raise ConnectionBlocked(f"not everything can be reached: {blocked.text}", hint=blocked.hint)
    click.echo("Next: syncd backfill")
