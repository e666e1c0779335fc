"""However a connection or a command fails: no key and nobody's address is in what syncd says, logs, stores or asks for.

Each upstream repeats all that it knows of us in its refusals, as some really do.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import md5
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import select

from syncd.cli import group
from syncd.cli.errors import exit_code_of
from syncd.history.database import open_history
from syncd.history.schema import audiences, metadata, quarantine, shops
from syncd.logs import set_up
from syncd.sandbox.audience import Switches
from syncd.sandbox.faults import Fault
from syncd.sandbox.populate import LIST_ID
from syncd.settings import load
from syncd.steps.context import Context
from tests.integration.mailchimp_world import Town
from tests.traps.mailchimp_stage import Home, empty

ANN, BEA = "ann.needle@shop.example", "bea.needle+x@shop.example"
KEYS = ("shpat_0123456789abcdefNEEDLE", "secret_ecwid_NEEDLE_9876", "0a1b2c3d4e5f6071NEEDLE-us1")
WEBHOOK_KEYS = ("whsec_NEEDLE_acme", "whsec_NEEDLE_cafe")
# The keys as they are sent, people by what they are known by; and any other thing that was planted.
NEEDLES = (
    *KEYS,
    *WEBHOOK_KEYS,
    "c3luY2Q6MGExYjJjM2Q0ZTVmNjA3MU5FRURMRS11czE",
    ANN,
    BEA,
    *(md5(email.encode(), usedforsecurity=False).hexdigest() for email in (ANN, BEA)),
    "Needlewoman",
    "needle",
    "NEEDLE",
)
TOLD = f"the key {' '.join(KEYS)} of {ANN}, {BEA} Needlewoman"
PROBLEM = json.dumps(
    {"title": f"No {ANN}", "detail": TOLD, "errors": [{"field": "EMAIL", "message": TOLD}], "errorMessage": TOLD}
)
JSON = {"content-type": "application/json", "www-authenticate": TOLD, "retry-after": TOLD}
FAULTS: dict[str, dict[str, Any]] = {
    **{
        str(status): {"kind": "status", "status": status, "body": PROBLEM, "headers": JSON}
        for status in (400, 401, 402, 403, 404, 408, 409, 422, 423, 429, 500, 503)
    },
    "a page": {"kind": "status", "status": 403, "body": f"<h1>{TOLD}</h1>", "headers": {"content-type": "text/html"}},
    "redirect": {"kind": "redirect", "to": f"https://{KEYS[0]}:{KEYS[2]}@other.example/{ANN}?key={KEYS[1]}"},
    "reset": {"kind": "reset"},
    "truncated": {"kind": "truncate"},
    "another body": {"kind": "body", "body": PROBLEM},
    "no JSON": {"kind": "body", "body": TOLD},
}
PATHS = {
    "shopify": ("*/customers.json", "*/orders.json"),
    "ecwid": ("*/orders",),
    "mailchimp": (f"/3.0/lists/{LIST_ID}/members",),
}
FAILING = [(service, path, name) for service, paths in PATHS.items() for path in paths for name in FAULTS]
COMMANDS = (
    ("members", "nobody-knows"),
    ("preview", "spend(ever) > 'x'"),
    ("preview", "nothing(1 day)"),
    ("approve", "0000000000"),
    ("undo", "0000000000", "--yes"),
    ("quarantine", "list"),
    ("quarantine", "show", "4711"),
    ("quarantine", "retry", "4711"),
    ("explain", "nobody@elsewhere.example"),
    ("export", "nobody@elsewhere.example"),
    ("segments", "--as-of", "soon"),
    ("segments", "--audience", "none"),
    ("status",),
    ("status", "--json"),
    ("forecast", "--days", "-1"),
    ("suggest",),
    ("retention",),
    ("nonsense",),
)


@dataclass
class Watched:
    """A syncd whose keys and people are planted, and all that it has said."""

    home: Home
    heard: Callable[[], str]

    def run(self, *arguments: str) -> None:
        """A command, in this process: what it says is heard."""
        config = str(self.home.directory / "syncd.toml")
        try:
            group.main(["--config", config, "--verbose", *arguments], standalone_mode=False)
        except BaseException as err:
            exit_code_of(err)

    def found(self) -> list[str]:
        """The needles in what was said, in the errors that are stored, and in the addresses that were asked for."""
        with self.home.history.read() as db:
            stored = [tuple(row) for table in (shops, audiences) for row in db.execute(select(table))]
            stored += [tuple(row) for row in db.execute(select(quarantine.c.record_id, quarantine.c.reason))]
        asked = [f"{each.path}?{each.query}" for each in self.home.world.log]
        heard = self.heard()
        told = [needle for needle in NEEDLES if needle in heard or needle in str(stored)]
        # A member is asked for under the digest of the address: Mailchimp knows them by no other name.
        return told + [needle for needle in NEEDLES if len(needle) != 32 and needle in str(asked)]


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    directory = tmp_path_factory.mktemp("planted")
    # Where the configuration looks for it, so that the commands find it, too.
    with Town() as town, open_history(f"sqlite:///{directory}/syncd.db", create=True) as history:
        town.world.throttle.enforce = False
        empty(town, Switches())
        for shop, key in zip(town.world.shops.values(), KEYS, strict=False):
            shop.token = key
        town.world.mailchimp.keys = frozenset({KEYS[2]})
        home = Home(town.running, history, directory)
        path = home.directory / "syncd.toml"
        rewritten(home, path)
        for shop_name in home.shops:
            home.buys(ANN, shop=shop_name)
            home.buys(BEA, shop=shop_name)
        home.joins(ANN, merge_fields={"FNAME": "Ann", "LNAME": "Needlewoman"})
        home.backfill()
        yield home


def rewritten(home: Home, path: Path) -> None:
    """The configuration with the planted keys."""
    text = path.read_text("utf-8").replace("sandbox-us1", KEYS[2])
    for key, webhook_key in zip(KEYS, WEBHOOK_KEYS, strict=False):
        text = text.replace(f'webhook_secret = "{key}"', f'webhook_secret = "{webhook_key}"')
    path.write_text(text, "utf-8")
    clock, stop = home.context.clock, home.context.stop
    home.context = Context(load(path), home.history, clock, stop)


@pytest.fixture
def watched(planted: Home, capsys: pytest.CaptureFixture[str]) -> Watched:
    set_up("debug")
    return Watched(planted, lambda: "".join(capsys.readouterr()))


def test_no_way_of_failing_tells_a_key_or_an_address(watched: Watched) -> None:
    home = watched.home
    told, failed = [], 0
    for service, path, name in FAILING:
        home.later(3_700)
        for shop in home.shops:
            home.buys(ANN, shop=shop)
        home.world.faults.add(msgspec.convert({"service": service, "path": path, **FAULTS[name]}, Fault))
        cycle = home.sync()
        home.world.faults.clear()
        for err in cycle.errors:
            exit_code_of(err)
        failed += bool(cycle.errors)
        told += [(service, path, name, needle) for needle in watched.found()]
    assert told == []
    assert failed > len(FAILING) * 0.8


def test_no_failing_command_tells_a_key_or_an_address(watched: Watched) -> None:
    told = []
    for arguments in COMMANDS:
        watched.run(*arguments)
        sys.stderr.flush()
        told += [(arguments, needle) for needle in watched.found()]
    assert told == []


def test_no_key_is_stored_anywhere(planted: Home) -> None:
    with planted.history.read() as db:
        stored = "\n".join(str(tuple(row)) for table in metadata.sorted_tables for row in db.execute(select(table)))
    assert ANN in stored
    assert [key for key in (*KEYS, *WEBHOOK_KEYS) if key in stored] == []
