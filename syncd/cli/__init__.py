"""The command line: click commands and how errors become sentences. No logic.

Each command lives in a module of its own that is loaded when it is asked for, and imports what it
needs only when it runs: `syncd --help` loads neither the database layer nor the HTTP client.
"""

from __future__ import annotations

import gc
import sys
from importlib import import_module

import click

from syncd import __version__

# In the order of a first day with syncd.
COMMANDS = {
    "init": "syncd.cli.begin:init",
    "check": "syncd.cli.begin:check",
    "backfill": "syncd.cli.work:backfill",
    "run": "syncd.cli.work:run",
    "sync": "syncd.cli.work:sync",
    "plan": "syncd.cli.work:plan",
    "approve": "syncd.cli.work:approve",
    "undo": "syncd.cli.undo:undo",
    "verify": "syncd.cli.verify:verify",
    "moved": "syncd.cli.work:moved",
    "segments": "syncd.cli.look:segments",
    "members": "syncd.cli.look:members",
    "explain": "syncd.cli.look:explain",
    "preview": "syncd.cli.preview:preview",
    "forecast": "syncd.cli.forecast:forecast",
    "suggest": "syncd.cli.suggest:suggest",
    "retention": "syncd.cli.retention:retention",
    "status": "syncd.cli.look:status",
    "quarantine": "syncd.cli.quarantine:quarantine",
    "export": "syncd.cli.people:export",
    "erase": "syncd.cli.people:erase",
    "sandbox": "syncd.cli.sandbox:command",
    "demo": "syncd.cli.demo:demo",
}

GARBAGE_OBJECTS = 20_000


class _Commands(click.Group):
    """A group that imports a command's module when the command is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if any("\ud800" <= sign <= "\udfff" for arg in args for sign in arg):
            raise click.UsageError("an argument holds bytes that are no UTF-8 text", ctx)
        return super().parse_args(ctx, args)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, attribute = COMMANDS[cmd_name].split(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        from difflib import get_close_matches

        if args and not args[0].startswith("-") and args[0] not in COMMANDS:
            near = get_close_matches(args[0], COMMANDS, 1)
            raise click.UsageError(f"no command {args[0]!r}" + (f"; did you mean {near[0]!r}?" if near else ""), ctx)
        return super().resolve_command(ctx, args)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="syncd")
@click.option("--config", type=click.Path(dir_okay=False), help="The configuration file (or SYNCD_CONFIG).")
@click.option("--verbose", is_flag=True, help="Log every step.")
@click.pass_context
def group(ctx: click.Context, config: str | None, verbose: bool) -> None:
    """Turn a shop's orders into the right tags on the right people in Mailchimp.

    A first day: init, check, backfill, run.
    """
    ctx.ensure_object(dict)
    ctx.obj["config"] = config
    ctx.obj["verbose"] = verbose


def main() -> None:
    """The console script: runs the command and ends with its exit code (DESIGN §9)."""
    from syncd.cli.errors import exit_code_of

    # Hardly anything here is a circle: to look for them after every few hundred objects took a tenth of the time.
    gc.set_threshold(GARBAGE_OBJECTS)
    try:
        code = group.main(standalone_mode=False)
    except BaseException as err:
        # The one place where every error becomes a sentence.
        code = exit_code_of(err)
    sys.stdout.flush()
    sys.exit(code if isinstance(code, int) else 0)
