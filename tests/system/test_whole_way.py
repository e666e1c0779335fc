"""The whole way over all of CDNOW: every person in every segment, held against the raw purchases."""

from __future__ import annotations

import json
import lzma
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import requests

from syncd.sandbox.fill.people import person
from syncd.sandbox.populate import LIST_ID, build
from syncd.sandbox.serve import Running, start
from tests.oracle import Purchase, everybody_shipped

SEED = 1
ALL_CUSTOMERS, ALL_PURCHASES, WORTH_NOTHING, COUNTED_CUSTOMERS = 23_570, 69_659, 80, 23_502


# Segments that CDNOW says nothing of.
OF_OTHER_FACTS = {
    *("cart-abandoned", "wish-list", "cross-sell", "birthday", "warm", "cold", "inactive", "wholesale"),
}


# Segments whose people are listed, too: each listing judges everybody.
LISTED = {"non-buyer-30", "bought-3m", "loyal", "vip", "top-spender", "at-risk", "lapsed"}


def local_date(instant: int) -> date:
    return datetime.fromtimestamp(instant, UTC).astimezone(ZoneInfo("Europe/Madrid")).date()


class House:
    """The command line against a sandbox full of CDNOW."""

    def __init__(self, sandbox: Running, directory: Path) -> None:
        self.sandbox = sandbox
        self.world = sandbox.world
        self.config = directory / "syncd.toml"
        self.config.write_bytes(requests.get(f"{sandbox.urls['control']}/syncd.toml", timeout=30).content)

    def syncd(self, *arguments: str, code: int = 0) -> str:
        environment = {**os.environ, "SYNCD_CONFIG": str(self.config)}
        done = subprocess.run(
            [sys.executable, "-m", "syncd", *arguments], env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    def json(self, *arguments: str) -> dict[str, object]:
        found: dict[str, object] = json.loads(self.syncd(*arguments, "--json"))
        return found

    def today(self) -> date:
        return local_date(self.world.clock.now())

    def signups(self) -> dict[str, date]:
        """When each person signed up: in a shop, else in the audience."""
        joined = {each.email: each.opted_in_at for each in self.world.audiences[LIST_ID].members}
        created: dict[str, int] = {}
        for customer in (each for shop in self.world.shops.values() for each in shop.customers):
            email = str(customer.email).strip().lower()
            created[email] = min(created.get(email, customer.created_at), customer.created_at)
        return {email: local_date(at) for email, at in (joined | created).items() if at is not None}

    def writes(self, since: int = 0) -> list[str]:
        return [
            f"{request.method} {request.path}"
            for request in self.world.log.since(since)
            if request.service == "mailchimp" and request.method != "GET"
        ]


def raw_purchases(yesterday: date) -> dict[str, list[Purchase]]:
    """The raw file, by address, with its last day moved to yesterday."""
    packed = (files("syncd.sandbox") / "data" / "cdnow_master.txt.xz").read_bytes()
    rows = [line.split() for line in lzma.decompress(packed).decode().splitlines() if line.split()[:1] > ["0"]]
    rows = [row for row in rows if row[0].isdigit()]
    days = [datetime.strptime(row[1], "%Y%m%d").date() for row in rows]  # noqa: DTZ007 -- a date has no zone
    shift = yesterday - max(days)
    found: dict[str, list[Purchase]] = {}
    emails = {number: person(SEED, int(number))[0].email for number in {row[0] for row in rows}}
    for row, day in zip(rows, days, strict=True):
        found.setdefault(emails[row[0]], []).append((day + shift, round(float(row[3]) * 100)))
    return found


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    world = build("cdnow", seed=SEED)
    world.throttle.enforce = False
    world.clock.set(world.clock.start)
    with start(world) as sandbox:
        house = House(sandbox, tmp_path_factory.mktemp("house"))
        house.syncd("backfill", "--yes")
        yield house


def test_the_members_of_each_shipped_segment_equal_an_independent_computation(house: House) -> None:
    today = house.today()
    raw = raw_purchases(today - timedelta(days=1))
    assert (len(raw), sum(map(len, raw.values()))) == (ALL_CUSTOMERS, ALL_PURCHASES)
    counted = {email: kept for email, bought in raw.items() if (kept := [p for p in bought if p[1] > 0])}
    assert sum(map(len, counted.values())) == ALL_PURCHASES - WORTH_NOTHING
    assert len(counted) == COUNTED_CUSTOMERS
    state = house.world.audiences[LIST_ID].state()
    subscribers = {member["email"] for member in state if member["status"] == "subscribed"}
    expected = everybody_shipped(counted, house.signups(), subscribers, today)
    shown = {s["name"]: s for s in house.json("segments")["segments"]}  # type: ignore[index, union-attr]
    assert set(expected) <= set(shown)
    for name in set(shown) - OF_OTHER_FACTS:
        people, segment = expected.get(name, set()), shown[name]
        tagged = {m["email"] for m in state if f"syncd:{name}" in m["tags"]}
        assert tagged == people & subscribers, name
        assert (segment["customers"], segment["members"]) == (len(people), len(tagged)), name
        if name in LISTED:
            document = house.json("members", name)
            assert set(document["customers"]) == people, name  # type: ignore[call-overload]
            assert set(document["members"]) == tagged, name  # type: ignore[call-overload]


def test_a_backfill_starts_no_journey(house: House) -> None:
    assert house.world.audiences[LIST_ID].journeys() == []


def test_after_a_backfill_there_is_nothing_to_do_and_a_cycle_writes_nothing(house: House) -> None:
    assert not any(house.json("plan")["counts"].values())  # type: ignore[attr-defined]
    before = len(house.world.log)
    house.syncd("sync")
    assert house.writes(before) == []


def test_no_request_ever_writes_the_status_of_a_member(house: House) -> None:
    assert not [path for path in house.writes() if "status" in path]
