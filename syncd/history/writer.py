"""One writer at a time, on two grounds.

A lock keeps a second one out as long as the first lives: the operating system or the database gives it back when
its holder dies. It can be lost all the same, when the database restarts, or takes a holder that was paused for
dead. So each holder counts up a token, and writes nothing more, nowhere, once the token is another's.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from threading import Event, Thread
from typing import TYPE_CHECKING, TypeVar

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from syncd.effects import Kind, standing_between
from syncd.errors import TransientError, UserError
from syncd.history.database import is_sqlite
from syncd.history.faults import explained

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

    from syncd.history.database import History

T = TypeVar("T")

# PostgreSQL takes a holder for dead who says nothing for so long. It is renewed several times as often.
LEASE_SECONDS = 60
# Any number will do, as long as it is ours: "syncd" as bytes.
_ADVISORY_KEY = int.from_bytes(b"syncd", "big")
# It goes on while a machine sleeps, where there is such a clock.
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


@contextmanager
def only_writer(history: History) -> Iterator[None]:
    """While this lasts, no other syncd writes to this history or to its audiences.

    Within, `History.begin` raises UserError once another one has taken over.
    Raises: UserError when another one does.
    """
    with _file_lock(history) if is_sqlite(history.engine) else _session_lock(history) as token:
        history.fence = partial(_refuse_another, token)
        try:
            yield
        finally:
            history.fence = None


@contextmanager
def _file_lock(history: History) -> Iterator[int]:
    descriptor = os.open(f"{history.engine.url.database}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as err:
            raise _busy() from err
        yield _next_token(history)
    finally:
        os.close(descriptor)


@contextmanager
def _session_lock(history: History) -> Iterator[int]:
    with explained():
        connection = _session(history.engine)
    try:
        with explained():
            free = _locked(connection)
        if not free:
            raise _busy()
        lease = _Lease(history.engine, connection, _next_token(history))
    except BaseException:
        connection.close()
        raise
    with lease.kept(), standing_between(lease):
        yield lease.token


def _next_token(history: History) -> int:
    """A token that nobody had before. It waits for what the last holder is still writing."""
    with history.begin() as db:
        return int(db.execute(_COUNT_UP).scalar_one())


_COUNT_UP = text(
    "INSERT INTO leases (id, token) VALUES (1, 1)"
    " ON CONFLICT (id) DO UPDATE SET token = leases.token + 1 RETURNING token"
)
_TOKEN = "SELECT token FROM leases"  # noqa: S105  # no secret
# Nobody counts it up before this transaction ends, which the server sees to where its holder is paused within.
_HELD_TOKEN = "SELECT token, set_config('idle_in_transaction_session_timeout', %s, true) FROM leases FOR SHARE"  # noqa: S105


def _refuse_another(token: int, connection: Connection) -> None:
    """Raises: UserError where the token is another's."""
    if is_sqlite(connection):
        found = connection.exec_driver_sql(_TOKEN).scalar()
    else:
        found = connection.exec_driver_sql(_HELD_TOKEN, (f"{LEASE_SECONDS}s",)).scalar()
    if found != token:
        raise _taken_over()


class _Lease:
    """The lock of a session in PostgreSQL, renewed by a thread; stands between us and whom we write to."""

    def __init__(self, engine: Engine, connection: Connection, token: int) -> None:
        self.token = token
        self._engine = engine
        self._connection = connection
        self._over = Event()
        self._lost = False
        self._until = _clock() + LEASE_SECONDS

    def __call__(self, kind: Kind, name: str, act: Callable[[], T]) -> T:
        """Nothing is sent where another may be sending already.

        Raises: UserError where another is; TransientError where that is not known.
        """
        if self._lost:
            raise _taken_over()
        if kind == "request" and _clock() > self._until:
            raise TransientError("the database has not been reached for too long", hint="it is tried again")
        return act()

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Within, the lease is renewed; at the end it is given back."""
        thread = Thread(target=self._keep, name="lease", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()
            self._connection.close()

    def _keep(self) -> None:
        while not (self._lost or self._over.wait(LEASE_SECONDS / 4)):
            began = _clock()
            if self._renewed():
                self._until = began + LEASE_SECONDS

    def _renewed(self) -> bool:
        """Whether the lock is ours, by a new session where the old one is gone."""
        try:
            self._connection.exec_driver_sql("SELECT 1")
        except DBAPIError:
            return self._taken_again()
        return True

    def _taken_again(self) -> bool:
        try:
            connection = _session(self._engine)
        except DBAPIError:
            # The database is away.
            return False
        try:
            ours = _locked(connection)
            self._lost = connection.exec_driver_sql(_TOKEN).scalar() != self.token
        except DBAPIError:
            ours = False
        if not ours:
            connection.close()
            return False
        self._connection.close()
        self._connection = connection
        return not self._lost


def _session(engine: Engine) -> Connection:
    """A session of its own, which ends when nothing is heard of us."""
    connection = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
    connection.detach()
    connection.exec_driver_sql("SELECT set_config('idle_session_timeout', %s, false)", (f"{LEASE_SECONDS}s",))
    return connection


def _locked(connection: Connection) -> bool:
    """Whether the session has the lock."""
    return bool(connection.exec_driver_sql("SELECT pg_try_advisory_lock(%s)", (_ADVISORY_KEY,)).scalar())


def _clock() -> float:
    return time.clock_gettime(_CLOCK)


def _busy() -> UserError:
    return UserError(
        "another syncd is at work on this history",
        hint="stop the service first (systemctl stop syncd) and start it again afterwards; it syncs by itself",
    )


def _taken_over() -> UserError:
    return UserError(
        "another syncd has taken over this history", hint="one service is enough: look where the other one runs"
    )
