"""Commands of the first hour: init and check."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from syncd.cli.common import config_option, say, settings_of, write_text

# By language, the directory in the package from which the files are taken, and what to do next.
_SHIPPED = {
    "en": ("config", "Next: fill in your shop and audience in syncd.toml, then run `syncd check`."),
    "es": ("config/es", "Ahora: ponga su tienda y su audiencia en syncd.toml y ejecute `syncd check`."),
}


@click.command()
@click.option("--directory", type=click.Path(file_okay=False, path_type=Path), default=".", help="Where to write.")
@click.option("--language", type=click.Choice([*_SHIPPED]), default="en", help="Of names, tags and comments.")
@click.option("--force", is_flag=True, help="Replace files that exist.")
def init(directory: Path, language: str, force: bool) -> None:
    """Write a commented syncd.toml and lifecycle.toml to start from."""
    from importlib.resources import files

    from syncd.errors import UserError

    targets = {name: directory / name for name in ("syncd.toml", "lifecycle.toml")}
    existing = [str(path) for path in targets.values() if path.exists()]
    if existing and not force:
        raise UserError(f"{' and '.join(existing)} exists already", hint="add --force to replace it")
    place, next_step = _SHIPPED[language]
    for name, path in targets.items():
        write_text(path, (files("syncd") / place / name).read_text(encoding="utf-8"))
        click.echo(f"wrote {path}")
    click.echo(next_step)


@click.command()
@config_option
def check(config: str | None) -> None:
    """Check configuration, credentials and accounts, and say what to do about each problem."""
    from syncd.checks import failure, findings, next_step

    settings = settings_of(config)
    click.echo(f"ok       {settings.path}: the configuration can be read")
    found = []
    for finding in findings(settings):
        found.append(finding)
        say(_folded(f"{finding.mark:<8} {finding.text}", " " * 9))
        if finding.hint:
            say(_folded(f"         → {finding.hint}", " " * 11))
    if error := failure(found):
        raise error
    click.echo(next_step(settings))


def _folded(line: str, margin: str) -> str:
    """The line, folded at words on a terminal; whole elsewhere, so that it can be searched for."""
    import shutil
    import textwrap

    if not sys.stdout.isatty():
        return line
    width = max(60, min(shutil.get_terminal_size().columns, 120))
    return textwrap.fill(line, width, subsequent_indent=margin, break_long_words=False, drop_whitespace=True)
