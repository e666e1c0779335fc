"""The migrations make what `schema` describes, wholly or not at all, and leave a newer database alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import event, inspect, text

from syncd.errors import UserError
from syncd.history.database import (
    MIGRATIONS,
    History,
    check_schema,
    connect,
    migrate,
    newest_revision,
    open_history,
    revisions,
    upgrade,
)
from syncd.history.schema import metadata

# What a database says of itself, in its own words.
_CATALOG = {
    "sqlite": ["SELECT type, name, tbl_name, sql FROM sqlite_master"],
    "postgresql": [
        (
            "SELECT table_name, column_name, data_type, character_maximum_length, is_nullable, column_default"
            " FROM information_schema.columns WHERE table_schema = 'public'"
        ),
        "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'",
        (
            "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint"
            " WHERE connamespace = 'public'::regnamespace"
        ),
    ],
}


class Crash(BaseException):
    """The process ends here."""


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request: pytest.FixtureRequest, new_url: Callable[[str], str]) -> Iterator[History]:
    """A database without tables."""
    with connect(new_url(request.param), create=True) as history:
        yield history


@pytest.fixture(params=["sqlite", "postgresql"])
def own_history(request: pytest.FixtureRequest, history_url: Callable[[str], str]) -> Iterator[History]:
    """A history that no other test will see."""
    with open_history(history_url(request.param)) as history:
        yield history


def catalog(history: History) -> set[tuple[Any, ...]]:
    with history.read() as db:
        found = {tuple(row) for query in _CATALOG[db.dialect.name] for row in db.execute(text(query))}
    return {tuple(" ".join(str(word).split()) for word in row) for row in found}


def tables(history: History) -> set[str]:
    with history.read() as db:
        return set(inspect(db).get_table_names())


def migrations(history: History) -> None:
    """One after the other, as for a database of an older version."""
    with history.begin() as db:
        upgrade(db)


def crash_at(history: History, number: int) -> None:
    """From now on the process ends before the statement of this number, of those that change something."""
    count = 0

    def look(db: Any, cursor: Any, statement: str, *_: Any) -> None:
        nonlocal count
        changes = statement.lstrip().upper().startswith(("CREATE", "INSERT", "UPDATE"))
        count += changes
        if changes and count == number:
            raise Crash

    event.listen(history.engine, "before_cursor_execute", look)


def test_the_migrations_make_exactly_what_the_schema_describes(
    empty: History, history_url: Callable[[str], str]
) -> None:
    migrations(empty)
    with open_history(history_url(empty.engine.dialect.name)) as history:
        assert catalog(history) == catalog(empty)


def test_both_make_the_indexes_of_a_table_in_one_order(new_url: Callable[[str], str]) -> None:
    in_order = text("SELECT tbl_name, name FROM sqlite_master WHERE type = 'index' ORDER BY tbl_name, rowid")
    found = []
    for make in (migrate, migrations):
        with connect(new_url("sqlite"), create=True) as history:
            make(history)
            with history.read() as db:
                found.append([tuple(row) for row in db.execute(in_order)])
    assert found[0] == found[1]


def test_alembic_would_change_nothing(history: History) -> None:
    with history.read() as db:
        assert compare_metadata(MigrationContext.configure(db), metadata) == []


def test_a_revision_is_the_number_its_file_begins_with() -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    scripts = ScriptDirectory.from_config(config)
    assert [script.revision for script in scripts.walk_revisions()][::-1] == revisions()
    assert scripts.get_heads() == [newest_revision()]


def test_migrating_again_changes_nothing(history: History) -> None:
    before = catalog(history)
    migrate(history)
    assert catalog(history) == before


def test_an_empty_database_is_not_used(empty: History) -> None:
    with pytest.raises(UserError, match="empty") as caught:
        check_schema(empty)
    assert "syncd backfill" in caught.value.hint


def test_a_newer_database_is_refused_and_left_alone(own_history: History) -> None:
    history = own_history
    with history.begin() as db:
        db.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    before = catalog(history)
    for attempt in (check_schema, migrate):
        with pytest.raises(UserError, match="newer version of syncd"):
            attempt(history)
    assert catalog(history) == before
    with history.read() as db:
        assert db.execute(text("SELECT version_num FROM alembic_version")).scalar() == "9999"


def test_tables_whose_making_is_killed_at_any_statement_are_not_there(new_url: Callable[[str], str]) -> None:
    url, statement, crashed = new_url("sqlite"), 0, True
    while crashed:
        statement += 1
        with connect(url, create=True) as history:
            crash_at(history, statement)
            try:
                migrate(history)
                crashed = False
            except Crash:
                pass
        with connect(url) as history:
            assert bool(tables(history)) != crashed
    assert statement > len(metadata.tables)
    open_history(url).close()


@pytest.mark.parametrize("make", [migrate, migrations])
def test_tables_whose_making_is_killed_are_not_there(empty: History, make: Callable[[History], None]) -> None:
    crash_at(empty, 20)
    with pytest.raises(Crash):
        make(empty)
    assert tables(empty) == set()
    make(empty)
    assert tables(empty) == {*metadata.tables, "alembic_version"}


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_two_programs_that_migrate_at_once_make_one_schema(kind: str, new_url: Callable[[str], str]) -> None:
    url = new_url(kind)
    with ThreadPoolExecutor(2) as pool:
        for opened in list(pool.map(lambda _: open_history(url, create=True), range(2))):
            with opened as history:
                check_schema(history)
