"""Only one installation writes to an audience: not a copy of its database, made for a trial or as a backup."""

from __future__ import annotations

from syncd.errors import UserError
from syncd.history import ledger
from syncd.history.place import move_in, place_of
from syncd.steps.context import Context


def only_here(context: Context, name: str) -> None:
    """The audience is written to from here: by whoever opens it first, and then by nobody else.

    Raises: UserError for a copy of the database, and for one that was moved until somebody says so.
    """
    here, known = place_of(context.history), ledger.audience_row(context.history, name)["place"]
    if not known:
        ledger.set_audience(context.history, name, place=here)
    elif known != here:
        raise UserError(f"audiences.{name}: {ELSEWHERE}", hint=IF_MOVED)


ELSEWHERE = "this database is a copy of the one that writes to it, or was moved; nothing is written"
IF_MOVED = "a copy for a trial needs an audience of its own; if you moved or restored it, run `syncd moved`"


def settle_here(context: Context) -> None:
    """From now on every audience is written to from here. What was known of them is read anew first."""
    for name in context.settings.audiences:
        ledger.audience_row(context.history, name)
        move_in(context.history, name)
