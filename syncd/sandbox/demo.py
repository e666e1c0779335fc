"""`syncd demo`: the real commands against local counterparts, then the service through a fortnight in fast time.

It drives syncd only from outside, as an operator would: the commands, the configuration file, signals,
and the notify socket of a service manager. It looks into the sandbox's world for what happened there.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import requests

from syncd.errors import SyncdError
from syncd.sandbox.populate import build
from syncd.sandbox.serve import Running, start
from syncd.sandbox.simulate import schedule

if TYPE_CHECKING:
    from syncd.sandbox.world import World

Say = Callable[[str], object]

# How often the service polls in the demo's time; each step of the clock is one poll.
STEP = timedelta(hours=4)
CYCLE_SECONDS = 180.0
STOP_SECONDS = 10.0
LOCAL = ZoneInfo("Europe/Madrid")


def play(directory: Path, *, customers: int | None, days: int, seed: int, say: Say) -> None:
    """The whole way, told chapter by chapter through `say`; what it made stays in `directory`.

    Raises: SyncdError when a command does not end as it should.
    """
    began = time.monotonic()
    _clean(directory)
    say("Opening two local shops and a local Mailchimp …")
    world = build("cdnow", seed=seed, customers=customers)
    # The limits of the real services would take most of the time; `syncd sandbox` has them on.
    world.throttle.enforce = False
    for audience in world.audiences.values():
        audience.switches.batch_polls = 0
    with start(world) as sandbox:
        config = _configured(directory, sandbox)
        syncd = Commands(config, say)
        _chapter(say, 1, "Shops and audience", _counts(world))
        syncd("check")
        _chapter(say, 2, "The first import", "Planned, shown, approved (--yes), and pushed muted: no journey starts.")
        calls = len(world.log)
        syncd("backfill", "--yes")
        say(f"\n{_calls(world, calls)}\nJourneys started by it: {_journeys(world)}")
        _chapter(say, 3, "Who is where")
        syncd("segments")
        syncd("plan")
        _chapter(say, 4, "One customer explained")
        syncd("explain", _somebody(world))
        if days:
            _chapter(say, 5, f"The service, {days} days in fast time", "New orders arrive, tags move, journeys start.")
            _fortnight(world, sandbox, config, days, seed, say)
            syncd("status")
            syncd("plan")
    say(f"\nDone in {time.monotonic() - began:.0f} seconds. The configuration and the history are in {directory}/.")


class Commands:
    """The command line, as a person would use it: each call is shown, and its output passes through."""

    def __init__(self, config: Path, say: Say) -> None:
        self._environment = {**os.environ, "SYNCD_CONFIG": str(config)}
        self._say = say

    def __call__(self, *arguments: str) -> None:
        self._say(f"\n$ syncd {' '.join(arguments)}")
        sys.stdout.flush()
        # The arguments are ours.
        done = subprocess.run(  # noqa: S603
            [sys.executable, "-m", "syncd", *arguments], env=self._environment, check=False
        )
        if done.returncode:
            raise SyncdError(f"syncd {arguments[0]} ended with exit code {done.returncode}")

    @contextmanager
    def service(self, log: Path) -> Iterator[Service]:
        """`syncd run` in the background; at the end it is asked to stop, and must do so in order."""
        with TemporaryDirectory() as place, log.open("w") as lines:
            socket_path = Path(place) / "notify"
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
                manager.bind(str(socket_path))
                environment = {**self._environment, "NOTIFY_SOCKET": str(socket_path)}
                process = subprocess.Popen([sys.executable, "-m", "syncd", "run"], env=environment, stderr=lines)
                try:
                    yield Service(manager, process)
                finally:
                    process.send_signal(signal.SIGTERM)
                    code = process.wait(STOP_SECONDS)
        if code:
            raise SyncdError(f"the service ended with exit code {code}; its log is {log}")


class Service:
    """A running service, seen through the messages that it sends to its service manager."""

    def __init__(self, manager: socket.socket, process: subprocess.Popen[bytes]) -> None:
        self._manager = manager
        self._process = process

    def wait_for_cycle(self, instant: datetime) -> None:
        """Returns when a cycle that began at `instant` or later is through.

        Raises: SyncdError when none comes.
        """
        deadline = time.monotonic() + CYCLE_SECONDS
        self._manager.settimeout(1.0)
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                message = self._manager.recv(4096).decode()
            except TimeoutError:
                continue
            began = message.partition("STATUS=cycle of ")[2].partition(": ")[0]
            if began and datetime.fromisoformat(began) >= instant:
                return
        raise SyncdError("the service did not end its cycle; see service.log")


def _fortnight(world: World, sandbox: Running, config: Path, days: int, seed: int, say: Say) -> None:
    """The clock goes on hour by hour, orders arrive when their time has come, and each day is told in a line."""
    now = datetime.fromtimestamp(world.clock.now(), UTC)
    _post(sandbox, "/clock", {"now": now.isoformat()})
    arriving = iter(schedule(world, days, seed))
    coming = next(arriving, None)
    say(f"\n{'day':<12}{'orders':>8}{'tags added':>12}{'removed':>10}{'journeys':>10}")
    with Commands(config, say).service(config.parent / "service.log") as service:
        service.wait_for_cycle(now)
        for _ in range(days):
            before, started, orders = _tags(world), _journeys(world), 0
            for _ in range(timedelta(days=1) // STEP):
                now += STEP
                while coming and coming[0] <= now.timestamp():
                    _post(sandbox, "/clock", {"now": datetime.fromtimestamp(coming[0], UTC).isoformat()})
                    _post(sandbox, f"/shops/{coming[1]}/orders", coming[2])
                    orders, coming = orders + 1, next(arriving, None)
                _post(sandbox, "/clock", {"now": now.isoformat()})
                service.wait_for_cycle(now)
            after = _tags(world)
            say(
                f"{now.astimezone(LOCAL):%Y-%m-%d}  {orders:>8,}{(after - before).total():>12,}"
                f"{(before - after).total():>10,}{_journeys(world) - started:>10,}"
            )


def _clean(directory: Path) -> None:
    """The directory exists, without what an earlier demo left there."""
    directory.mkdir(parents=True, exist_ok=True)
    for name in ("syncd.toml", "syncd.db", "syncd.db-wal", "syncd.db-shm", "syncd.db.lock", "service.log"):
        (directory / name).unlink(missing_ok=True)


def _configured(directory: Path, sandbox: Running) -> Path:
    """The configuration that the sandbox offers, polling as often as the demo steps."""
    text = requests.get(f"{sandbox.urls['control']}/syncd.toml", timeout=30).text
    config = directory / "syncd.toml"
    config.write_text(text.replace("[syncd]\n", f'[syncd]\npoll_every = "{STEP.seconds} seconds"\n', 1), "utf-8")
    return config.absolute()


def _post(sandbox: Running, path: str, body: dict[str, object]) -> None:
    requests.post(f"{sandbox.urls['control']}{path}", json=body, timeout=30).raise_for_status()


def _chapter(say: Say, number: int, title: str, text: str = "") -> None:
    say(f"\n━━ {number}. {title} " + "━" * max(0, 70 - len(title)))
    if text:
        say(text)


def _counts(world: World) -> str:
    shops = "\n".join(
        f"{name}: {len(shop.customers):,} customers, {len(shop.orders):,} orders ({shop.platform})"
        for name, shop in world.shops.items()
    )
    members = sum(len(audience.members) for audience in world.audiences.values())
    return f"{shops}\nMailchimp: {members:,} contacts"


def _calls(world: World, since: int) -> str:
    """How many calls each service got since a request of the log."""
    made = Counter(request.service for request in world.log.since(since) if request.service != "control")
    return "Calls: " + ", ".join(f"{service} {count:,}" for service, count in sorted(made.items()))


def _journeys(world: World) -> int:
    """How many journeys a tag has started."""
    return sum(entry["trigger"] == "tag" for audience in world.audiences.values() for entry in audience.journeys())


def _tags(world: World) -> Counter[tuple[str, str]]:
    return Counter(
        (member["email"], tag)
        for audience in world.audiences.values()
        for member in audience.state()
        for tag in member["tags"]
        if tag.startswith("syncd:")
    )


def _somebody(world: World) -> str:
    """A subscriber with several tags, the same one for the same seed."""
    tagged = Counter(email for email, _ in _tags(world))
    return max(tagged, key=lambda email: (tagged[email], email))
