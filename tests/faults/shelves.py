"""Where the histories of scenes are kept, on either database: put away, and copied to be worked on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Generic, Protocol, TypeVar

import psycopg
from sqlalchemy import make_url, update

from syncd.history.database import History, open_history
from syncd.history.schema import audiences

K = TypeVar("K")


class Shelf(Protocol, Generic[K]):
    """Keeps histories as it likes; a `K` is what it gives for one."""

    def empty(self) -> K:
        """A history in which nothing is."""

    def put(self, history: History) -> K:
        """The history as it is at this moment; nobody has it open."""

    def taken(self, kept: K) -> _Open:
        """Within, a copy of what was kept."""


class _Open(Protocol):
    def __enter__(self) -> History: ...
    def __exit__(self, *_: object) -> None: ...


class Files:
    """SQLite: the bytes of the file. In memory, where there is some: what a power cut leaves is another matter.

    All copies are worked on in one place, one at a time: so the statements need not be compiled for each anew.
    """

    def __init__(self) -> None:
        memory = "/dev/shm"  # noqa: S108  # a directory of our own is made in it
        self._directory = TemporaryDirectory(prefix="syncd-faults-", dir=memory if os.access(memory, os.W_OK) else None)
        self._path = Path(self._directory.name) / "syncd.db"
        self._history = open_history(f"sqlite:///{self._path}", create=True)

    def empty(self) -> bytes:
        return self.put(self._history)

    def put(self, history: History) -> bytes:
        # The last connection to close moves everything into the one file.
        history.close()
        return self._path.read_bytes()

    @contextmanager
    def taken(self, kept: bytes) -> Iterator[History]:
        self.restore(kept)
        yield self._history
        self._history.close()

    def restore(self, kept: bytes) -> None:
        """Afterwards what was kept stands in the place of what is worked on."""
        self._history.close()
        for journal in self._path.parent.glob("syncd.db-*"):
            journal.unlink()
        self._path.write_bytes(kept)

    def close(self) -> None:
        """Afterwards nothing is left of any copy."""
        self._history.close()
        self._directory.cleanup()


class Databases:
    """PostgreSQL: the name of a database that is only copied from. `url` is any of the same server."""

    def __init__(self, url: str) -> None:
        self._url = make_url(url)
        self._numbers = count()

    def empty(self) -> str:
        return str(self._url.database)

    def put(self, history: History) -> str:
        history.close()
        return self._copy(str(history.engine.url.database))

    @contextmanager
    def taken(self, kept: str) -> Iterator[History]:
        name = self._copy(kept)
        with open_history(self._url.set(database=name).render_as_string(False)) as history:
            with history.begin() as db:
                # It is not taken for a copy, which writes to nobody.
                db.execute(update(audiences).values(place=""))
            yield history
        self._administer(f"DROP DATABASE {name} WITH (FORCE)")

    def _copy(self, of: str) -> str:
        name = f"scene_{next(self._numbers)}"
        self._administer(f"CREATE DATABASE {name} TEMPLATE {of}")
        return name

    def _administer(self, statement: str) -> None:
        address = self._url.set(drivername="postgresql", database="postgres").render_as_string(False)
        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute(statement)
