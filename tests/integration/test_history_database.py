"""How the database is opened, what it promises, and what is said when it cannot."""

from __future__ import annotations

import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError

from syncd.errors import SyncdError, TransientError, UserError
from syncd.history.database import STAGED_ROWS, History, among, open_history, put
from syncd.history.schema import consents, customers, refunds, shops
from tests.integration.history_records import NOW, customer, order, rows, take


def is_sqlite(history: History) -> bool:
    return history.engine.dialect.name == "sqlite"


def test_what_was_committed_is_seen_by_the_next_reader(history: History) -> None:
    with history.begin() as db:
        put(db, customers, ["email"], [("ana@example.com",)])
    assert rows(history, customers, "email") == [("ana@example.com",)]


def test_nothing_of_a_failed_transaction_stays(history: History) -> None:
    def fail() -> None:
        with history.begin() as db:
            put(db, customers, ["email"], [("ana@example.com",)])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert rows(history, customers) == []


def test_a_reader_changes_nothing(history: History) -> None:
    if is_sqlite(history):
        with history.read() as db:
            put(db, customers, ["email"], [("ana@example.com",)])
    else:
        with pytest.raises(SyncdError), history.read() as db:
            put(db, customers, ["email"], [("ana@example.com",)])
    assert rows(history, customers) == []


def test_a_reader_sees_one_state_while_others_write(history: History) -> None:
    count = text("SELECT count(*) FROM customers")
    with history.read() as db:
        before = db.execute(count).scalar()
        with history.begin() as other:
            put(other, customers, ["email"], [("ana@example.com",)])
        assert db.execute(count).scalar() == before == 0
    assert len(rows(history, customers)) == 1


def test_a_statement_of_nobody_is_refused(history: History) -> None:
    columns = [column.name for column in consents.c if column.name != "id"]
    with pytest.raises(IntegrityError), history.begin() as db:
        put(db, consents, columns, [(77, "acme", "c1", "granted", "", 1, 1)])


def test_errors_never_show_the_data(history: History) -> None:
    with pytest.raises(IntegrityError) as caught, history.begin() as db:
        put(db, shops, ["name", "platform"], [("secret-name", None)])
    assert "hidden" in str(caught.value)


def test_errors_never_show_the_data_of_many_rows(history: History) -> None:
    with pytest.raises(DBAPIError) as caught, history.begin() as db:
        put(db, shops, ["name", "platform"], [(f"secret-{at}", None) for at in range(STAGED_ROWS)])
    assert "secret" not in str(caught.value)
    if not is_sqlite(history):
        with pytest.raises(DBAPIError) as caught, history.begin() as db:
            put(db, shops, ["name", "platform"], [("secret-" * 70, "shopify")] * STAGED_ROWS, keep=None)
        assert "secret" not in str(caught.value)


def test_putting_rows_replaces_all_but_the_kept_columns(history: History) -> None:
    with history.begin() as db:
        put(db, shops, ["name", "platform", "error"], [("acme", "shopify", "old"), ("cafe", "ecwid", "old")])
        put(db, shops, ["name", "platform", "error"], [("acme", "other", "new")], keep=["error"])
        put(db, shops, ["name", "platform"], [("cafe", "other")], keep=None)
        put(db, shops, ["name", "platform"], [])
    assert rows(history, shops, "name", "platform", "error") == [("acme", "other", "old"), ("cafe", "ecwid", "old")]


def test_many_rows_are_put_like_a_few(history: History) -> None:
    odd = ["tab\tbed", "line\nbroken", "back\\slash", "\\N", "", '"quoted"', "ñ 😀", "NULL"]
    names = ["shop", "order_id", "id", "amount_minor", "goods_minor", "refunded_at", "moved"]
    many = [("acme", text_, str(n), n, -n, 2**40, n % 2 == 0) for n in range(STAGED_ROWS) for text_ in odd]
    with history.begin() as db:
        put(db, refunds, names, many)
        put(db, refunds, names, [(*row[:3], 7, 7, 7, True) for row in many], keep=names[4:])
        put(db, refunds, names, [(*row[:3], 8, 8, 8, False) for row in many], keep=None)
    assert {*rows(history, refunds, *names)} == {(*row[:3], 7, *row[4:]) for row in many}


def test_of_many_rows_with_the_same_key_the_last_counts(history: History) -> None:
    with history.begin() as db:
        put(db, shops, ["name", "platform"], [("acme", str(at)) for at in range(2 * STAGED_ROWS)])
    assert rows(history, shops, "name", "platform") == [("acme", str(2 * STAGED_ROWS - 1))]


def test_any_number_of_values_is_one_parameter(history: History) -> None:
    with history.begin() as db:
        put(db, customers, ["email"], [(f"{at}@example.com",) for at in range(3)])
        many = [f"{at}@example.com" for at in range(70_000)]
        found = db.execute(customers.select().where(among(db, customers.c.email, many))).all()
        none = db.execute(customers.select().where(among(db, customers.c.email, []))).all()
    assert (len(found), none) == (3, [])


def test_sqlite_runs_with_every_commit_on_the_disk(history: History) -> None:
    if not is_sqlite(history):
        pytest.skip("PostgreSQL does so by itself")
    with history.read() as db:
        values = {
            name: db.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "secure_delete", "busy_timeout")
        }
    assert values == {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "secure_delete": 1,
        "busy_timeout": 30_000,
    }


def test_a_new_file_is_its_owners_alone(tmp_path: Path) -> None:
    file = tmp_path / "syncd.db"
    with open_history(f"sqlite:///{file}", create=True) as history:
        take(history, order())
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert modes == {"syncd.db": 0o600, "syncd.db-wal": 0o600, "syncd.db-shm": 0o600}


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("syncd.db", "is no database URL"),
        ("mysql://user:hush@host/name", "does not speak"),
        ("nothing://user:hush@host/name", "does not speak"),
        ("postgresql://user:hush@host:port/name", "URL"),
        ("postgresql://user:hush@host..example/name", "URL"),
        (f"sqlite:////tmp/{'x' * 5_000}", "cannot be made"),
        ("sqlite://", "names no file"),
        ("sqlite:///:memory:", "names no file"),
        ("sqlite:////no/such/directory/syncd.db", "cannot be made"),
    ],
)
def test_a_database_that_cannot_be_used_is_the_users_to_mend(url: str, said: str) -> None:
    with pytest.raises(UserError, match=said) as caught:
        open_history(url, create=True)
    assert caught.value.hint
    assert "hush" not in str(caught.value) + caught.value.hint


def test_a_missing_file_is_not_made_unasked(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no database"):
        open_history(f"sqlite:///{tmp_path / 'syncd.db'}")
    assert list(tmp_path.iterdir()) == []


def test_another_kind_of_file_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("not a database " * 100)
    with pytest.raises(UserError, match="no SQLite file"):
        open_history(f"sqlite:///{file}", create=True)
    assert file.read_text() == "not a database " * 100


def test_a_server_that_is_away_may_come_back() -> None:
    with pytest.raises(TransientError, match="cannot be reached") as caught:
        open_history("postgresql+psycopg://user:hush@127.0.0.1:1/name")
    assert "hush" not in str(caught.value)


def test_an_option_that_postgresql_does_not_know_is_the_users_to_mend() -> None:
    with pytest.raises(UserError, match="has an option") as caught:
        open_history("postgresql+psycopg://user@127.0.0.1:1/name?wrong=hush")
    assert "hush" not in str(caught.value)


def test_a_missing_driver_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(UserError, match="driver") as caught:
        open_history("postgresql://user@host/name")
    assert "syncd[postgres]" in caught.value.hint


def test_a_full_disk_stops_a_page_whole_and_the_next_try_takes_it(tmp_path: Path) -> None:
    page = [order(str(at), email=f"{at}@example.com") for at in range(3_000)]
    with open_history(f"sqlite:///{tmp_path / 'syncd.db'}", create=True) as history:
        take(history, order("first"))
        pragma(history, "max_page_count = 120")
        with pytest.raises(TransientError, match="disk is full"):
            take(history, *page)
        assert rows(history, customers) == []
        pragma(history, "max_page_count = 100000")
        assert take(history, *page).orders_new == 3_000


def pragma(history: History, setting: str) -> None:
    """Sets it on the only connection that is in use."""
    with history.read() as db:
        db.exec_driver_sql(f"PRAGMA {setting}")


def test_a_locked_file_is_tried_again_later(tmp_path: Path) -> None:
    file = tmp_path / "syncd.db"
    with open_history(f"sqlite:///{file}", create=True) as history:
        pragma(history, "busy_timeout = 20")
        other = sqlite3.connect(file, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(TransientError, match="locked"):
            take(history, order())
        other.execute("ROLLBACK")
        other.close()
        assert take(history, order()).orders_new == 1


def test_a_lost_connection_is_tried_again_and_replaced(history_url: Callable[[str], str]) -> None:
    def die(history: History) -> None:
        with history.begin() as db:
            me = db.execute(text("SELECT pg_backend_pid()")).scalar()
            with history.begin() as other:
                other.execute(text("SELECT pg_terminate_backend(:me)"), {"me": me})
            db.execute(text("SELECT 1"))

    with open_history(history_url("postgresql")) as history:
        with pytest.raises(TransientError):
            die(history)
        assert take(history, customer(), now=NOW).customers_changed == 1


def test_importing_the_history_loads_no_database() -> None:
    code = "import sys, syncd.history; sys.exit('sqlalchemy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
