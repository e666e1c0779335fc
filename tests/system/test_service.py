"""`syncd run`: it tells its manager how it is, stops cleanly, reads its configuration again, and takes orders along."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
import requests

from syncd.history.database import open_history
from syncd.sandbox.populate import LIST_ID
from syncd.sandbox.serve import Running
from tests.system.conftest import Service, Syncd


def test_an_order_becomes_a_tag_within_one_poll(syncd: Syncd, sandbox: Running, run: Callable[[], Service]) -> None:
    syncd("backfill", "--yes")
    service = run()
    assert "READY=1" in service.message("READY=1")
    service.message("STATUS=cycle of")
    audience = sandbox.world.audiences[LIST_ID]
    someone = min(m["email"] for m in audience.state() if "syncd:first-time" in m["tags"])
    url = sandbox.urls["control"]
    requests.post(f"{url}/shops/acme/orders", json={"email": someone, "amount": "25.00"}, timeout=10).raise_for_status()
    later = datetime.fromtimestamp(sandbox.world.clock.now() + 120, UTC)
    requests.post(f"{url}/clock", json={"now": later.isoformat()}, timeout=10).raise_for_status()
    service.message(f"STATUS=cycle of {later.isoformat()}")
    (member,) = [m for m in audience.state() if m["email"] == someone]
    assert "syncd:repeat" in member["tags"]
    assert service.stop() == 0
    assert service.events()[-1] == "stopped"


def test_who_is_due_between_two_polls_is_judged_on_time_and_no_order_is_read(
    syncd: Syncd, config: Path, sandbox: Running, run: Callable[[], Service]
) -> None:
    text = config.read_text().replace('"orders(ever) >= 2"', '"orders(ever) >= 2"\nsettle = "60 minutes"')
    config.write_text(text.replace("[syncd]", '[syncd]\npoll_every = "3 hours"'))
    syncd("backfill", "--yes")
    service = run()
    service.message("STATUS=cycle of")
    audience = sandbox.world.audiences[LIST_ID]
    someone = min(m["email"] for m in audience.state() if "syncd:first-time" in m["tags"])

    def tags() -> set[str]:
        (member,) = [m for m in audience.state() if m["email"] == someone]
        return set(member["tags"])

    wait(sandbox, 170 * 60)
    url = f"{sandbox.urls['control']}/shops/acme/orders"
    requests.post(url, json={"email": someone, "amount": "25.00"}, timeout=10).raise_for_status()
    service.message(f"STATUS=cycle of {wait(sandbox, 10 * 60)}")
    assert "syncd:first-time" not in tags()
    assert "syncd:repeat" not in tags()
    before = len(sandbox.world.log)
    service.message(f"STATUS=cycle of {wait(sandbox, 51 * 60)}")
    assert "syncd:repeat" in tags()
    # The brake counts the shops' customers; nothing else is asked.
    assert not [each.path for each in sandbox.world.log.since(before) if "orders" in each.path]


def wait(sandbox: Running, seconds: int) -> str:
    """So much later it is then; returns the new time."""
    later = datetime.fromtimestamp(sandbox.world.clock.now() + seconds, UTC).isoformat()
    requests.post(f"{sandbox.urls['control']}/clock", json={"now": later}, timeout=10).raise_for_status()
    return later


def test_the_service_stops_within_ten_seconds_in_the_middle_of_its_work(
    syncd: Syncd, sandbox: Running, run: Callable[[], Service]
) -> None:
    syncd("backfill", "--yes")
    sandbox.world.throttle.latency = 0.1
    service = run()
    service.message("READY=1")
    time.sleep(0.3)
    began = time.monotonic()
    assert service.stop() == 0
    assert time.monotonic() - began < 10


def test_a_reload_takes_the_new_configuration_and_refuses_a_wrong_one(
    syncd: Syncd, config: Path, run: Callable[[], Service]
) -> None:
    syncd("backfill", "--yes")
    service = run()
    service.message("STATUS=cycle of")
    text = config.read_text()
    config.write_text(text.replace("orders(ever) >= 2", "nonsense("))
    service.process.send_signal(signal.SIGHUP)
    service.message("RELOADING=1")
    service.message("STATUS=cycle of")
    config.write_text(text.replace("orders(ever) >= 2", "orders(ever) >= 3"))
    service.process.send_signal(signal.SIGHUP)
    service.message("RELOADING=1")
    service.message("STATUS=cycle of")
    assert service.stop() == 0
    assert "the configuration stays as it was" in service.events()
    assert "configuration read again" in service.events()


def test_what_writes_is_refused_beside_a_service_and_says_what_to_do(
    syncd: Syncd, sandbox: Running, run: Callable[[], Service]
) -> None:
    syncd("backfill", "--yes")
    service = run()
    service.message("READY=1")
    someone = sandbox.world.audiences[LIST_ID].state()[0]["email"]
    commands = ("sync",), ("undo", "any"), ("verify", "--repair"), ("erase", someone, "--confirm")
    for each in commands:
        assert syncd(*each, code=2).stderr == (
            "syncd: another syncd is at work on this history\n"
            "  → stop the service first (systemctl stop syncd) and start it again afterwards; it syncs by itself\n"
        )
    assert service.stop() == 0


def test_no_secret_is_among_the_arguments_of_any_process_or_in_the_log(
    config: Path, sandbox: Running, run: Callable[[], Service], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    keys = {"acme": "shpat_NEEDLE", "cafe": "secret_NEEDLE", "main": "NEEDLE-us1"}
    for name in ("acme", "cafe"):
        sandbox.world.shops[name].token = keys[name]
    sandbox.world.mailchimp.keys = {keys["main"]}
    (tmp_path / "key").write_text(keys["main"])
    (tmp_path / "key").chmod(0o600)
    text = config.read_text().replace('"sandbox-us1"', '{ file = "key" }')
    for name in ("acme", "cafe"):
        monkeypatch.setenv(f"TOKEN_OF_{name}", keys[name])
        text = text.replace('token = "sandbox"', f'token = {{ env = "TOKEN_OF_{name}" }}', 1)
    config.write_text(text)
    open_history(f"sqlite:///{tmp_path / 'syncd.db'}", create=True).close()
    service = run()
    service.message("STATUS=cycle of")
    assert {"acme", "cafe"} <= {line.get("shop") for line in service.lines() if line["event"] == "pulled"}
    with_needles = [place.parent.name for place in Path("/proc").glob("[0-9]*/cmdline") if b"NEEDLE" in read(place)]
    assert with_needles == []
    assert "NEEDLE" not in service.log.read_text()


def read(place: Path) -> bytes:
    """What stands there; nothing where the process has ended meanwhile."""
    try:
        return place.read_bytes()
    except OSError:
        return b""


def test_the_service_refuses_a_history_that_is_not_there(syncd: Syncd) -> None:
    assert "backfill" in syncd("run", code=2).stderr


def test_a_dead_shop_does_not_stop_the_service(syncd: Syncd, sandbox: Running, run: Callable[[], Service]) -> None:
    syncd("backfill", "--yes")
    gone = [{"service": "ecwid", "path": "*", "kind": "status", "status": 402}]
    requests.post(f"{sandbox.urls['control']}/faults", json=gone, timeout=10).raise_for_status()
    service = run()
    assert "1 problems" in service.message("STATUS=cycle of")
    assert "blocked" in syncd("status").stdout
    assert service.stop() == 0
