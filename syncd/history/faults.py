"""What a database's own errors mean for syncd: which pass, which are the user's, which are our bugs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from syncd.errors import SyncdError, TransientError, UserError

if TYPE_CHECKING:
    from sqlalchemy.exc import DBAPIError

_SETTING = "[syncd] database"
_LATER = "it will be tried again"
_LOCKED = (TransientError, "the database is locked by another program", "close what else has the file open")
_BUSY = (TransientError, "the database was busy with another transaction", _LATER)

# By the primary result code of SQLite. What is not listed is our bug.
_SQLITE: dict[int, tuple[type[SyncdError], str, str]] = {
    5: _LOCKED,
    6: _LOCKED,
    8: (UserError, "the database cannot be written", "let syncd write the file and its directory"),
    10: (TransientError, "the disk under the database fails", "look at the system's log"),
    11: (UserError, "the database is damaged", "restore the last backup"),
    13: (TransientError, "the disk is full", "make room: nothing is lost, syncd goes on where it stopped"),
    14: (UserError, "the database cannot be opened", "let syncd read and write the file and its directory"),
    26: (UserError, "the database is no SQLite file", f"name another file in {_SETTING}"),
}
_BAD_ADDRESS = (
    UserError,
    f"{_SETTING} has an option that PostgreSQL does not know",
    "correct what stands behind the ?",
)
# By the class of the SQLSTATE of PostgreSQL; "" is a connection that was not made, or was lost.
_POSTGRES: dict[str, tuple[type[SyncdError], str, str]] = {
    "": (
        TransientError,
        "the database cannot be reached",
        f"look whether it runs, and at host, user, password and name in {_SETTING}",
    ),
    "08": (TransientError, "the connection to the database was lost", "look whether the database runs"),
    "25": (TransientError, "the database takes no writes now", "look whether it is a standby"),
    "28": (UserError, "the database refuses the login", f"look at user and password in {_SETTING}"),
    "3D": (UserError, "the database does not exist", f"create it, or name another one in {_SETTING}"),
    "40": _BUSY,
    "53": (TransientError, "the database is out of room or connections", "make room on its disk"),
    "55": _BUSY,
    "57": (TransientError, "the database is shutting down", _LATER),
}


@contextmanager
def explained() -> Iterator[None]:
    """A failure of the database inside is raised as an error of ours; our own bugs pass as they are.

    Raises: TransientError, UserError.
    """
    from sqlalchemy.exc import DBAPIError

    try:
        yield
    except DBAPIError as err:
        fault = _fault(err)
        if fault is None:
            raise
        kind, message, hint = fault
        raise kind(message, hint=hint) from err


def _fault(err: DBAPIError) -> tuple[type[SyncdError], str, str] | None:
    code = getattr(err.orig, "sqlite_errorcode", None)
    if code is not None:
        return _SQLITE.get(code & 0xFF)
    from sqlalchemy.exc import OperationalError

    state = getattr(err.orig, "sqlstate", "another driver's")
    if state is not None:
        return _POSTGRES.get(state[:2])
    # libpq has no code for a login that fails; every other error of the server has one.
    if isinstance(err, OperationalError):
        return _POSTGRES[""]
    # Before anything was asked it is about the address.
    return _BAD_ADDRESS if err.statement is None else None
