"""Two syncds on one history: whoever comes second is refused, and whoever was taken for dead writes nothing more."""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from syncd.errors import UserError
from syncd.history.database import History, is_sqlite, open_history
from syncd.history.schema import customers
from syncd.history.writer import only_writer
from syncd.sandbox.serve import Running
from tests.conftest import DATABASES
from tests.faults.story import strict
from tests.integration.house import House
from tests.system.conftest import Service, starting

# So short that a test can wait for its end.
LEASE_SECONDS = 2
PROGRAM = f"import syncd.cli, syncd.history.writer as w; w.LEASE_SECONDS = {LEASE_SECONDS}; syncd.cli.main()"
BUYERS = 30


@pytest.fixture(params=DATABASES)
def house(
    request: pytest.FixtureRequest, sandbox: Running, history_url: Callable[[str], str], tmp_path: Path
) -> Iterator[House]:
    """Imported, and at work as far as possible from the quick: the service answers slowly, and thirty people bought."""
    vars(sandbox.world.mailchimp).update(vars(strict()))
    with open_history(history_url(request.param)) as history:
        house = House(sandbox, history, tmp_path)
        house.backfill()
        sandbox.world.clock.set(sandbox.world.clock.now() + 60)
        for email in sorted(house.tagged()["repeat"] | house.tagged()["first-time"])[:BUYERS]:
            house.order("acme", email, "400.00")
        config = tmp_path / "syncd.toml"
        # The server trusts whoever reaches its socket, and a password would be refused in this place.
        url = history.engine.url._replace(password=None).render_as_string()
        config.write_text(config.read_text().replace("sqlite:///syncd.db", url))
        yield house


def forget_the_lock(history: History) -> None:
    """What must not happen, and does: a file is cleaned up, a server restarts."""
    if is_sqlite(history.engine):
        Path(f"{history.engine.url.database}.lock").unlink()
        return
    with history.engine.connect() as db:
        db.exec_driver_sql(
            "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        )


@pytest.mark.parametrize("kind", DATABASES)
def test_who_lost_the_lock_to_another_writes_nothing_more(kind: str, history_url: Callable[[str], str]) -> None:
    url = history_url(kind)
    with open_history(url) as first, open_history(url) as second:
        with only_writer(first):
            write(first, "ana@example.com")
            with pytest.raises(UserError, match="another syncd is at work"), only_writer(second):
                pass
            forget_the_lock(first)
            write(first, "still.alone@example.com")
            with only_writer(second):
                write(second, "eva@example.com")
                with pytest.raises(UserError, match="has taken over"):
                    write(first, "too.late@example.com")
            with pytest.raises(UserError, match="has taken over"):
                write(first, "too.late@example.com")
        with first.read() as db:
            found = db.execute(customers.select()).all()
    assert {row.email for row in found} == {"ana@example.com", "still.alone@example.com", "eva@example.com"}


def write(history: History, email: str) -> None:
    with history.begin() as db:
        db.execute(customers.insert().values(email=email))


def stopped_while_writing(house: House, service: Service) -> None:
    """It has sent its first change and is paused."""
    before = house.requests()
    deadline = time.monotonic() + 30
    while not house.writes(before):
        assert time.monotonic() < deadline, service.log.read_text()
        assert service.process.poll() is None, service.log.read_text()
        time.sleep(0.01)
    service.process.send_signal(signal.SIGSTOP)


def by_themselves(tagged: dict[str, set[str]]) -> dict[str, set[str]]:
    """Without the segment that asks for the mean of all, which is taken once a day."""
    return {name: people for name, people in tagged.items() if name != "vip"}


def test_a_service_that_wakes_up_after_another_took_over_writes_nothing(house: House, tmp_path: Path) -> None:
    house.world.throttle.latency = 0.05
    with starting(tmp_path / "syncd.toml", tmp_path, ("-c", PROGRAM)) as start:
        first = start()
        stopped_while_writing(house, first)
        if is_sqlite(house.history.engine):
            # The lock is the first one's as long as it lives.
            second = start()
            assert second.process.wait(20) == 2
            assert "another syncd is at work" in second.log.read_text()
            first.process.send_signal(signal.SIGCONT)
            first.message("STATUS=cycle of")
            assert first.stop() == 0
        else:
            time.sleep(LEASE_SECONDS + 1)
            second = start()
            second.message("STATUS=cycle of")
            before = house.requests()
            first.process.send_signal(signal.SIGCONT)
            assert first.process.wait(20) == 2
            assert "has taken over" in first.log.read_text()
            assert house.writes(before) == []
            assert second.stop() == 0
    assert by_themselves(house.tagged()) == by_themselves(house.expected())
    assert {times for _, times in Counter(house.journeys()).items()} == {1}
    house.later(600)
    before = house.requests()
    assert house.sync_in_order()
    assert house.writes(before) == []


def test_a_service_whose_database_restarted_goes_on(house: House, tmp_path: Path) -> None:
    if is_sqlite(house.history.engine):
        pytest.skip("there is no server")
    with starting(tmp_path / "syncd.toml", tmp_path, ("-c", PROGRAM)) as start:
        service = start()
        service.message("STATUS=cycle of")
        with house.history.engine.connect() as db:
            # What a restart does to all who are connected.
            db.exec_driver_sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        time.sleep(LEASE_SECONDS + 1)
        with pytest.raises(UserError, match="another syncd is at work"), only_writer(house.history):
            pass
        house.later(600)
        house.order("acme", house.subscriber(with_tag="first-time"), "20.00")
        service.message("STATUS=cycle of")
        assert service.stop() == 0
    assert by_themselves(house.tagged()) == by_themselves(house.expected())
