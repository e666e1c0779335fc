"""The one function that turns an error into what its reader needs: what is wrong, where, what to do next."""

from __future__ import annotations

import os
import sys
import traceback

import click

from syncd.cli.common import say
from syncd.errors import SyncdError, UserError


def exit_code_of(err: BaseException) -> int:
    """The error is explained on standard error; returns the exit code that goes with it."""
    if isinstance(err, click.exceptions.Exit):
        return err.exit_code
    if isinstance(err, click.ClickException):
        err.show()
        return 2
    if isinstance(err, click.Abort | KeyboardInterrupt):
        click.echo("stopped; what was done so far is kept", err=True)
        return 130
    if isinstance(err, BrokenPipeError):
        # The reader of our output went away (`syncd members … | head`).
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    if isinstance(err, SyncdError):
        explain(err)
        return err.exit_code
    if isinstance(err, SystemExit):
        return err.code if isinstance(err.code, int) else 1
    _our_bug(err)
    return 1


def explain(err: SyncdError) -> None:
    """The error with its problems and its hint, on standard error."""
    say(f"syncd: {err}", err=True)
    for problem in err.problems if isinstance(err, UserError) else ():
        say("  " + problem.replace("\n", "\n  "), err=True)
    if err.hint:
        say(f"  → {err.hint}", err=True)


def _our_bug(err: BaseException) -> None:
    # Values of variables and messages of foreign errors may hold personal data: only the place is told.
    frame = traceback.extract_tb(err.__traceback__)[-1]
    where = f"{frame.filename.rsplit('/syncd/', 1)[-1]}:{frame.lineno}"
    click.echo(f"syncd: a bug in syncd ({type(err).__name__} at {where}); please report it", err=True)
    if os.environ.get("SYNCD_DEBUG"):
        traceback.print_exception(err, file=sys.stderr)
    else:
        click.echo("  → SYNCD_DEBUG=1 shows the whole trace", err=True)
