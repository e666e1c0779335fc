"""One writer at a time: a lock that the operating system or the database gives back when its holder dies."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sqlalchemy import text

from syncd.errors import UserError

if TYPE_CHECKING:
    from syncd.history.database import History

# Any number will do, as long as it is ours: "syncd" as bytes.
_ADVISORY_KEY = int.from_bytes(b"syncd", "big")


@contextmanager
def only_writer(history: History) -> Iterator[None]:
    """While this lasts, no other syncd writes to this history or to its audiences.

    Raises: UserError when another one does.
    """
    taken = _database_lock(history) if history.engine.dialect.name == "postgresql" else _file_lock(history)
    with taken:
        yield


@contextmanager
def _file_lock(history: History) -> Iterator[None]:
    descriptor = os.open(f"{history.engine.url.database}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as err:
            raise _busy() from err
        yield
    finally:
        os.close(descriptor)


@contextmanager
def _database_lock(history: History) -> Iterator[None]:
    with history.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        key = {"key": _ADVISORY_KEY}
        if not connection.execute(text("SELECT pg_try_advisory_lock(:key)"), key).scalar_one():
            raise _busy()
        try:
            yield
        finally:
            connection.execute(text("SELECT pg_advisory_unlock(:key)"), key)


def _busy() -> UserError:
    return UserError(
        "another syncd is at work on this history",
        hint="stop the service first (systemctl stop syncd), or let it do the work",
    )
