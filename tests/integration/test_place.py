"""A copy of the database writes to nobody until somebody says that it is the one; and then it repeats nothing."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url

from syncd import pipeline, views
from syncd.checks import findings
from syncd.errors import UserError
from syncd.history.database import History, open_history
from syncd.history.place import place_of
from syncd.history.shops import holdings
from syncd.steps.erase import erase
from syncd.steps.place import settle_here
from tests.integration.house import DAY, House
from tests.oracle import KNOWN_RULES

THANKS = '[audiences.main.lifecycle.moments.thanks]\non = "order"\nevent = "thanks"\nsettle = "2 hours"\n'
HOUR = 3_600


def file_of(house: House) -> Path:
    return Path(str(house.history.engine.url.database))


def continued_with(house: House, file: Path) -> House:
    """The same house with another file for its history."""
    history = open_history(f"sqlite:///{file}")
    return House(house.sandbox, history, house.directory, house.audience, house.rules)


def events(house: House) -> list[tuple[str, str]]:
    """Who was told of what."""
    return [(member.email, event.name) for member in house.members.members for event in member.events]


@pytest.fixture
def sqlite(history_url: Callable[[str], str]) -> Iterator[History]:
    """A history of its own: its file is moved and copied."""
    with open_history(history_url("sqlite")) as opened:
        yield opened


@pytest.fixture
def copied(house: House, tmp_path: Path) -> House:
    """The same syncd on a copy of its database."""
    house.history.close()
    shutil.copy2(file_of(house), tmp_path / "copy.db")
    return continued_with(house, tmp_path / "copy.db")


def test_a_copy_of_the_database_reads_the_shops_and_writes_to_nobody(copied: House) -> None:
    someone = copied.subscriber(with_tag="first-time")
    orders = holdings(copied.history, "acme").orders
    copied.order("acme", someone, "20.00")
    before = copied.requests()
    (error,) = copied.sync().errors
    assert isinstance(error, UserError)
    assert "is a copy of the one that writes to it" in str(error)
    assert copied.writes(before) == []
    assert holdings(copied.history, "acme").orders == orders + 1
    (audience,) = views.status(copied.context)["audiences"]
    assert (audience["state"], "copy" in audience["error"]) == ("waiting", True)


def test_check_says_that_it_is_a_copy_and_what_to_do(copied: House, tmp_path: Path) -> None:
    text = (tmp_path / "syncd.toml").read_text()
    (tmp_path / "syncd.toml").write_text(_database(text, tmp_path / "copy.db"))
    from syncd.settings import load

    (found,) = [found for found in findings(load(tmp_path / "syncd.toml")) if "copy" in found.text]
    assert (found.mark, "run `syncd moved`" in found.hint) == ("blocked", True)


def _database(text: str, file: Path) -> str:
    lines = (f'database = "sqlite:///{file}"' if each.startswith("database") else each for each in text.splitlines())
    return "\n".join(lines)


def test_nothing_else_writes_from_a_copy(copied: House) -> None:
    before = copied.requests()
    with pytest.raises(UserError, match="copy"):
        erase(copied.context, copied.subscriber(), "archive")
    with pytest.raises(UserError, match="copy"):
        pipeline.send_approved(copied.context, "main")
    assert copied.writes(before) == []


def test_whoever_moved_says_so_and_all_goes_on(copied: House) -> None:
    someone = copied.subscriber(with_tag="first-time")
    copied.order("acme", someone, "20.00")
    assert copied.sync().errors
    settle_here(copied.context)
    copied.sync_in_order()
    assert "repeat" in copied.tags(someone)
    copied.later(DAY)
    copied.sync_in_order()
    assert copied.tagged() == copied.expected()


def test_another_name_in_the_same_place_is_no_copy(house: House) -> None:
    house.history.close()
    renamed = file_of(house).rename(file_of(house).with_name("renamed.db"))
    assert continued_with(house, renamed).sync_in_order().errors == []


@pytest.mark.parametrize("days", [1, 30])
def test_an_old_backup_sends_nothing_again(house: House, tmp_path: Path, days: int) -> None:
    house.rules = KNOWN_RULES + THANKS
    house.configure(house.rules)
    house.sync_in_order()
    house.history.close()
    shutil.copy2(file_of(house), tmp_path / "backup.db")
    someone, other, *_ = sorted(house.tagged()["first-time"])
    house.later(HOUR)
    house.order("acme", someone, "20.00")
    house.order("cafe", other, "30.00")
    for seconds in (60, 3 * HOUR, days * DAY):
        house.later(seconds)
        house.sync_in_order()
    told, journeys = events(house), house.journeys()
    assert len(told) == 2

    house.history.close()
    restored = continued_with(house, tmp_path / "backup.db")
    settle_here(restored.context)
    before = restored.requests()
    for seconds in (60, 3 * HOUR):
        restored.later(seconds)
        restored.sync_in_order()
    assert events(restored) == told
    assert restored.journeys() == journeys
    assert restored.writes(before) == []
    assert restored.tagged() == restored.expected()


def test_what_waits_in_a_backup_and_was_told_since_is_not_told_again(house: House, tmp_path: Path) -> None:
    house.rules = KNOWN_RULES + THANKS
    house.configure(house.rules)
    house.sync_in_order()
    house.later(HOUR)
    house.order("acme", house.subscriber(), "20.00")
    house.sync_in_order()
    house.history.close()
    shutil.copy2(file_of(house), tmp_path / "backup.db")
    house.later(3 * HOUR)
    house.sync_in_order()
    told = events(house)
    assert len(told) == 1

    house.history.close()
    restored = continued_with(house, tmp_path / "backup.db")
    settle_here(restored.context)
    restored.later(60)
    restored.sync_in_order()
    assert events(restored) == told


def test_a_database_of_postgresql_is_the_same_from_anywhere_and_its_copy_is_another(
    history_url: Callable[[str], str], new_url: Callable[..., str]
) -> None:
    url = history_url("postgresql")
    with open_history(url) as history:
        place = place_of(history)
    with open_history(url) as history:
        assert place_of(history) == place
    with open_history(new_url("postgresql", str(make_url(url).database))) as copy:
        assert place_of(copy) != place


def test_whoever_may_use_a_database_of_postgresql_may_know_which_it_is(history_url: Callable[[str], str]) -> None:
    url = make_url(history_url("postgresql"))
    address = url.set(drivername="postgresql").render_as_string(False)
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute("CREATE ROLE nobody_special")
        connection.execute("SET ROLE nobody_special")
        assert connection.execute("SELECT system_identifier FROM pg_control_system()").fetchone()
        connection.execute("RESET ROLE")
        connection.execute("DROP ROLE nobody_special")
