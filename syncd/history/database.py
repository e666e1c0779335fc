"""The database behind the history: opens SQLite or PostgreSQL so that what is committed stays committed.

It knows engines, transactions and migrations; of the tables only that they have to be there. All writing goes
through `History.begin`, the one commit seam.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from pathlib import Path
from sqlite3 import OperationalError
from typing import Any

import msgspec
from sqlalchemy import (
    ARRAY,
    URL,
    ColumnElement,
    Connection,
    Engine,
    ExceptionContext,
    Index,
    Table,
    Text,
    bindparam,
    create_engine,
    event,
    func,
    inspect,
    literal_column,
    make_url,
    select,
    text,
)
from sqlalchemy.exc import ArgumentError, NoSuchModuleError
from sqlalchemy.schema import CreateIndex, CreateTable
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_random

from syncd.effects import effect
from syncd.errors import TransientError, UserError
from syncd.history.faults import explained
from syncd.history.schema import metadata

MIGRATIONS = Path(__file__).with_name("migrations")
BUSY_SECONDS = 30
# Of SQLite's pages each connection holds so many. Four times as many spare 3 % of the CPU time of a long pull, for
# the system holds them as well.
CACHE_KIB = 4_096
# From so many rows on, PostgreSQL takes them several times as fast in a stream, by way of a table of its own.
STAGED_ROWS = 50

_WRITES = "syncd_writes"
_SETTING = "[syncd] database"


class History:
    """An open history, of the schema that this version knows."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._writer = engine.execution_options(**{_WRITES: True})
        # A reader sees one state of the database, however many questions it asks.
        one_state = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        self._reader = engine if is_sqlite(engine) else engine.execution_options(**one_state)
        # What stands before each transaction that writes: it raises where another syncd writes by now.
        self.fence: Callable[[Connection], None] | None = None

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """A transaction that writes: committed at the end, or nothing of it happened.

        Raises: TransientError when the database is locked, full or away; whatever the fence raises.
        """
        with explained(), ExitStack() as transaction:
            connection = transaction.enter_context(self._writer.begin())
            if self.fence:
                self.fence(connection)
            yield connection
            effect("commit", "history", transaction.close)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that sees one state of the database and changes nothing.

        Raises: TransientError when the database is locked or away.
        """
        with explained(), self._reader.connect() as connection:
            yield connection

    def close(self) -> None:
        """No connection is open any more."""
        self.engine.dispose()

    def __enter__(self) -> History:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_history(url: str, *, create: bool = False) -> History:
    """The history at `url`, its schema that of this version; `create` makes it or brings it up to date.

    Raises: UserError for a URL, directory or schema that cannot be used; TransientError for a
    database that is away.
    """
    history = connect(url, create=create)
    try:
        if create:
            migrate(history)
        check_schema(history)
    except BaseException:
        history.close()
        raise
    return history


def connect(url: str, *, create: bool = False) -> History:
    """The history at `url`, whatever is in it; `create` makes a file that is not there.

    Raises: UserError for a URL or directory that cannot be used.
    """
    parsed = _parse(url)
    if parsed.get_backend_name() == "sqlite":
        _provide_file(Path(parsed.database or ""), create)
    return History(_engine(parsed))


def migrate(history: History) -> None:
    """The schema is that of this version. One transaction: after a kill nothing has happened.

    Raises: UserError when the schema is of a newer version.
    """
    with history.read() as connection:
        found = _revision(connection)
    if found == newest_revision():
        return
    if found is not None:
        _refuse_newer(found)
    with history.begin() as connection:
        lock(connection, "schema")
        if _revision(connection) is None:
            _make_tables(connection)
        else:
            upgrade(connection)


def upgrade(connection: Connection) -> None:
    """All migrations that the database lacks have been made, one after the other."""
    from alembic import command
    from alembic.config import Config

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    command.upgrade(config, "head")


def _make_tables(connection: Connection) -> None:
    """In an empty database: what the migrations would make, without Alembic, which takes 11 MiB."""
    for table in metadata.sorted_tables:
        connection.execute(CreateTable(table))
        # Where two indexes serve, SQLite takes the one that was made last; it shall be the one of some rows only.
        for index in sorted(table.indexes, key=lambda index: (_is_partial(index), str(index.name))):
            connection.execute(CreateIndex(index))
    connection.execute(text(_VERSION_TABLE))
    connection.execute(text("INSERT INTO alembic_version VALUES (:revision)"), {"revision": newest_revision()})


def _is_partial(index: Index) -> bool:
    return index.dialect_options["sqlite"]["where"] is not None


# Source: Alembic, MigrationContext, the version table.
_VERSION_TABLE = """
CREATE TABLE alembic_version (
    version_num VARCHAR(32) NOT NULL,
    CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
)"""


def check_schema(history: History) -> None:
    """The schema is that of this version.

    Raises: UserError when it is older, newer, or not there.
    """
    with history.read() as connection:
        found = _revision(connection)
    if found == newest_revision():
        return
    if found is None:
        raise UserError("the database is empty", hint="run `syncd backfill` first: it makes the tables")
    _refuse_newer(found)
    raise UserError(
        f"the database is of an older version of syncd (schema {found}, needed {newest_revision()})",
        hint="make a backup, then run `syncd backfill`: it brings the database up to date",
    )


def revisions() -> list[str]:
    """The schema revisions that this version knows, oldest first: the numbers that the files begin with."""
    return sorted(file.name.partition("_")[0] for file in (MIGRATIONS / "versions").glob("[0-9]*.py"))


def newest_revision() -> str:
    """The schema revision of this version."""
    return revisions()[-1]


def is_sqlite(bind: Engine | Connection) -> bool:
    """Whether this is SQLite; otherwise it is PostgreSQL."""
    return bind.dialect.name == "sqlite"


_VALUE: ColumnElement[Any] = literal_column("value")


def among(connection: Connection, column: ColumnElement[Any], values: Collection[Any]) -> ColumnElement[bool]:
    """The condition that `column` is one of `values`, as one parameter however many they are."""
    if is_sqlite(connection):
        return column.in_(select(_VALUE).select_from(func.json_each(given(connection, values))))
    return column == func.any(bindparam(None, given(connection, values), type_=ARRAY(column.type)))


def among_given(sqlite: bool, column: ColumnElement[Any], name: str) -> ColumnElement[bool]:
    """The same in a statement that is made once: to make one may take longer than to carry it out. Its parameter
    `name` is `given` then.
    """
    if sqlite:
        return column.in_(select(_VALUE).select_from(func.json_each(bindparam(name, type_=Text))))
    return column == func.any(bindparam(name, type_=ARRAY(column.type)))


def given(connection: Connection, values: Collection[Any]) -> Any:
    """These values as one parameter of `among_given`."""
    return msgspec.json.encode(list(values)).decode() if is_sqlite(connection) else list(values)


def put(
    connection: Connection,
    table: Table,
    columns: Sequence[str],
    rows: Collection[tuple[Any, ...]],
    *,
    keep: Collection[str] | None = (),
    united: str = "",
) -> None:
    """Afterwards these rows are in `table`; of a row whose key existed, all `columns` but `keep` are replaced.

    With `keep=None` an existing row stays as it is; `united` says how both become one, as SQL does.
    Of rows with the same key the last replaces the others, too.
    Rows are plain tuples: a name for each of their values would double the time.
    """
    if not rows:
        return
    named, becomes = tuple(columns), united or _replaced(table, columns, keep)
    if is_sqlite(connection):
        connection.exec_driver_sql(_put_statement(table, named, becomes, _places("?", named)), list(rows))
    elif len(once := list(rows) if keep is None else _once(table, columns, rows)) < STAGED_ROWS:
        connection.exec_driver_sql(_put_statement(table, named, becomes, _places("%s", named)), once)
    else:
        # The other table is this connection's alone, and without the columns' own conditions.
        staged, names = f"staged_{table.name}", ", ".join(columns)
        like = f"ON COMMIT DELETE ROWS AS TABLE {table.name} WITH NO DATA"
        connection.exec_driver_sql(f"CREATE TEMPORARY TABLE IF NOT EXISTS {staged} {like}")
        connection.exec_driver_sql(f"{_COPY} {staged} ({names}) FROM STDIN", once)
        connection.exec_driver_sql(_put_statement(table, named, becomes, f"SELECT {names} FROM {staged}"))  # noqa: S608
        connection.exec_driver_sql(f"TRUNCATE {staged}")


def each(connection: Connection, statement: str, rows: Collection[tuple[Any, ...]]) -> None:
    """The statement, with `?` for each of its values, is carried out for each of these rows: as quick as `put`."""
    if rows:
        connection.exec_driver_sql(statement if is_sqlite(connection) else statement.replace("?", "%s"), list(rows))


def _places(sign: str, columns: Sequence[str]) -> str:
    return f"VALUES ({', '.join([sign] * len(columns))})"


def _once(table: Table, columns: Sequence[str], rows: Collection[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """The rows, of those with the same key the last: PostgreSQL replaces no row twice in one statement."""
    places = [columns.index(column.name) for column in table.primary_key if column.name in columns]
    return list({tuple([row[place] for place in places]): row for row in rows}.values()) if places else list(rows)


_COPY = "COPY"


@lru_cache(maxsize=200)
def _put_statement(table: Table, columns: tuple[str, ...], becomes: str, rows: str) -> str:
    keys = ", ".join(column.name for column in table.primary_key)
    conflict = f"({keys}) DO UPDATE SET {becomes}" if becomes else "DO NOTHING"
    # Names of our own tables and columns; every value is a parameter.
    return f"INSERT INTO {table.name} ({', '.join(columns)}) {rows} ON CONFLICT {conflict}"


def _replaced(table: Table, columns: Sequence[str], keep: Collection[str] | None) -> str:
    """What becomes of a row whose key existed; empty where it stays as it is."""
    kept = columns if keep is None else (*keep, *(column.name for column in table.primary_key))
    return ", ".join(f"{name} = excluded.{name}" for name in columns if name not in kept)


def _copy_rows(cursor: Any, statement: str, rows: Collection[tuple[Any, ...]], _: object) -> bool:
    """Whether it was a COPY: then its rows have gone in one stream."""
    if not statement.startswith(_COPY):
        return False
    with cursor.copy(statement) as stream:
        for row in rows:
            stream.write_row(row)
    return True


def _hide_rows(context: ExceptionContext) -> None:
    """Afterwards the error says what is wrong, without the row, which PostgreSQL would show: it is people's data."""
    original, raised = context.original_exception, context.sqlalchemy_exception
    if raised and (said := getattr(original, "diag", None)) and said.message_primary:
        original.args = (said.message_primary,)
        raised.args = (f"({type(original).__name__}) {said.message_primary}",)


def lock(connection: Connection, what: str) -> None:
    """No other transaction that locks `what` runs until this one ends. On SQLite a writer is alone anyway."""
    if not is_sqlite(connection):
        connection.execute(text("SELECT pg_advisory_xact_lock(hashtext(:what))"), {"what": f"syncd {what}"})


def rewrite(history: History) -> None:
    """Afterwards the files of an SQLite database hold what its tables hold, and nothing that was deleted. Erasing
    a row blanks it where it stands, but not the copies that its page left when it was once split in two.

    What PostgreSQL keeps of deleted rows, and for how long, is the server's own business.
    Raises: TransientError while another program reads the database.
    """
    if not is_sqlite(history.engine):
        return
    with history.engine.connect() as connection:
        raw = connection.connection.driver_connection
        assert raw
        try:
            # Without a transaction: our connections begin none by themselves.
            raw.execute("VACUUM").close()
            (busy, *_) = raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        except OperationalError as err:
            raise TransientError("the database could not be written anew", hint=_READ_ELSEWHERE) from err
    if busy:
        raise TransientError("the database could not be written anew", hint=_READ_ELSEWHERE)


_READ_ELSEWHERE = "close what else has it open, and see that its disk has room for it twice; then run it again"


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
        backend = parsed.get_backend_name()
        # As it is when it is looked up, which fails where a label is empty or too long.
        (parsed.host or "").encode("idna")
    except (ArgumentError, NoSuchModuleError, ValueError) as err:
        # The text may hold a password: it is not repeated.
        raise _bad_url("is no database URL") from err
    if backend == "sqlite":
        if parsed.database in (None, "", ":memory:"):
            raise _bad_url("names no file")
        return parsed.set(drivername="sqlite")
    if backend == "postgresql":
        return parsed.set(drivername="postgresql+psycopg")
    raise _bad_url(f"names {backend}, which syncd does not speak")


def _bad_url(fault: str) -> UserError:
    return UserError(
        f"{_SETTING} {fault}",
        hint="write sqlite:///syncd.db, or postgresql+psycopg://USER@HOST/DATABASE",
    )


def _provide_file(path: Path, create: bool) -> None:
    """The database file exists and only its owner may read it; that it exists already is fine."""
    try:
        if path.exists():
            return
        if not create:
            raise UserError(f"there is no database {path}", hint="run `syncd backfill` first: it makes it")
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except OSError as err:
        if not isinstance(err, FileExistsError):
            raise UserError(
                f"the database {path} cannot be made: {err.strerror}",
                hint=f"make the directory and let syncd write there, or name another one in {_SETTING}",
            ) from err


def _engine(url: URL) -> Engine:
    if url.get_backend_name() == "sqlite":
        # Errors never show parameters: they are people's data.
        engine = create_engine(url, hide_parameters=True, connect_args={"timeout": BUSY_SECONDS})
        event.listen(engine, "do_connect", _open_what_is_there)
        event.listen(engine, "connect", _configure_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    arguments = {
        "connect_timeout": 10,
        "application_name": "syncd",
        "options": f"-c lock_timeout={BUSY_SECONDS}s -c timezone=UTC",
    }
    try:
        engine = create_engine(url, hide_parameters=True, pool_pre_ping=True, connect_args=arguments)
    except ImportError as err:
        raise UserError(
            "the driver for PostgreSQL is not installed", hint="install it: pip install 'syncd[postgres]'"
        ) from err
    event.listen(engine, "do_executemany", _copy_rows)
    event.listen(engine, "handle_error", _hide_rows)
    return engine


def _open_what_is_there(dialect: object, record: object, arguments: list[Any], options: dict[str, Any]) -> None:
    """A file that is gone is not made anew: an empty history would look like shops that lost everybody."""
    arguments[0] = f"{Path(arguments[0]).absolute().as_uri()}?mode=rw"
    options["uri"] = True


_PRAGMAS = (
    # NORMAL would lose the last commits with the power: a confirmed tag would be sent again.
    "synchronous = FULL",
    "foreign_keys = ON",
    # Erased is erased, in the file as well.
    "secure_delete = ON",
    f"cache_size = -{CACHE_KIB}",
    # Sixteen times the usual, 64 MiB: a page that is written several times within a few cycles goes into the file once.
    "wal_autocheckpoint = 16000",
)


def _configure_sqlite(connection: Any, _: object) -> None:
    # The driver's own transactions begin too late and end too early: `_begin_sqlite` begins ours.
    connection.isolation_level = None
    _use_wal(connection)
    for pragma in _PRAGMAS:
        connection.execute(f"PRAGMA {pragma}").close()


@retry(
    retry=retry_if_exception_type(OperationalError),
    wait=wait_random(0.01, 0.1),
    stop=stop_after_delay(10),
    reraise=True,
)
def _use_wal(connection: Any) -> None:
    """The file keeps its journal beside it. While somebody else writes for the first time, SQLite refuses the
    change at once, without the waiting that it does for everything else.
    """
    connection.execute("PRAGMA journal_mode = WAL").close()


def _begin_sqlite(connection: Connection) -> None:
    # A transaction that reads first and writes then could fail in the middle; so writers queue at the start.
    writes = connection.get_execution_options().get(_WRITES)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _revision(connection: Connection) -> str | None:
    """The schema revision found in the database, None in an empty one."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def _refuse_newer(found: str) -> None:
    if found not in revisions():
        raise UserError(
            f"the database was made by a newer version of syncd (schema {found}, known up to {newest_revision()})",
            hint="install that version again; going back needs a backup from before the upgrade",
        )
