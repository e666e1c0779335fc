"""The results of a batch, which Mailchimp keeps at an address that it names: no key goes there, no bomb goes off.

Whatever comes instead of them, the changes are read back in the next cycle, and none is lost or made twice.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import tarfile
import zlib
from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from syncd.history.database import open_history
from syncd.sandbox.audience import Switches
from tests.integration.mailchimp_world import Town
from tests.traps.hostile import SECRETS, Siege, Stranger, complete, siege
from tests.traps.mailchimp_stage import Home, empty

# More changes than are worth a call each go by a batch.
PEOPLE = 25
RESULTS = "/batch-results/*"
BATCH = "/3.0/batches/*"


def packed(*files: tuple[str, bytes]) -> dict[str, Any]:
    """An archive of these files as the answer's body."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w:gz") as archive:
        for name, content in files:
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return raw(target.getvalue())


def raw(body: bytes) -> dict[str, Any]:
    return {"kind": "body", "body_base64": b64encode(body).decode()}


def header(size: int, kind: bytes = tarfile.REGTYPE) -> bytes:
    entry = tarfile.TarInfo("0.json")
    entry.type, entry.size = kind, size
    return entry.tobuf(tarfile.GNU_FORMAT)


def bomb() -> bytes:
    """Three hundred megabytes in files that are only passed over, in a third of a megabyte."""
    packer = zlib.compressobj(9, wbits=zlib.MAX_WBITS | 16)
    # After a full flush what follows stands for itself, so that it may be repeated.
    begin = packer.compress(header(60 << 20, b"Z")) + packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    again = packer.compress(header(60 << 20, b"Z")) + packer.flush(zlib.Z_FULL_FLUSH)
    return begin + block * 60 + (again + block * 60) * 4


def about_the_next(size: int) -> bytes:
    """A header about the next header: digits as far as it reaches."""
    return header(size, tarfile.XHDTYPE) + b"1" * size + bytes(-size % 512 + 1024)


UNHEARD_OF = json.dumps([{"status_code": 200, "operation_id": "nobody's", "response": "{}"}]).encode()
ARCHIVES: dict[str, dict[str, Any]] = {
    "files that climb out": packed(("../../../../../../evil.json", UNHEARD_OF), ("/evil.json", UNHEARD_OF)),
    "results of somebody else's": packed(("0.json", UNHEARD_OF)),
    "nothing in it": packed(("0.json", b"")),
    "a file that is too large": raw(gzip.compress(header(1 << 40) + bytes(1024))),
    "a bomb": raw(bomb()),
    "a header of a megabyte": raw(gzip.compress(about_the_next(1 << 20))),
    "no archive": raw(b"<Error><Code>AccessDenied</Code></Error>"),
    "no JSON": packed(("0.json", b"[" * 5_000)),
    "half of it": {"kind": "truncate"},
    "a portal's page": {"kind": "html200"},
    "a refusal": {"kind": "status", "status": 403},
    "a flood": {"kind": "flood", "size": 80 << 20},
}
# An archive that can be read, in which ours are missing: nobody knows what became of them, and nothing stops.
READABLE = {"files that climb out", "results of somebody else's", "nothing in it", "a header of a megabyte"}
ELSEWHERE = [
    "https://evil.example/x",
    "http://203.0.113.5/x",
    "https://169.254.169.254/latest/meta-data",
    "https://s3.amazonaws.com@evil.example/x",
    "file:///etc/passwd",
    "//evil.example/x",
    "",
]


@pytest.fixture(scope="module")
def besieged(history_url: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Siege]:
    with Town() as town, open_history(history_url("sqlite")) as history:
        town.world.throttle.enforce = False
        empty(town, Switches())
        home = Home(town.running, history, tmp_path_factory.mktemp("archives"))
        with siege(home, history_url("sqlite")) as found:
            everybody_buys(found)
            found.cycle()
            yield found


def everybody_buys(house: Siege) -> None:
    for n in range(PEOPLE):
        house.buys(f"person.{n}@shop.example", "3.00")


def struck(house: Siege, path: str, fault: dict[str, Any]) -> list[str]:
    """What is said when everybody has bought again and this path is faulty."""
    house.later(900)
    everybody_buys(house)
    cycle = house.struck("mailchimp", path, fault)
    assert house.hits, "the fault met nobody"
    assert set(cycle.pulled) == {"acme", "cafe"}
    return complete(cycle.errors)


@pytest.mark.parametrize("name", ARCHIVES)
def test_an_archive_that_is_none_of_ours_leaves_the_changes_to_be_read_back(besieged: Siege, name: str) -> None:
    before = sorted(os.listdir(".")), sorted(os.listdir(besieged.directory))
    said = struck(besieged, RESULTS, ARCHIVES[name])
    if name in READABLE:
        assert said == []
    else:
        assert len(said) == 1
        assert "results of a batch" in said[0] or "/batch-results/" in said[0]
    assert (sorted(os.listdir(".")), sorted(os.listdir(besieged.directory))) == before
    assert not Path("/evil.json").exists()
    besieged.recovers()


@pytest.mark.parametrize("url", ELSEWHERE)
def test_results_elsewhere_are_not_asked_for(besieged: Siege, url: str) -> None:
    fault = {"kind": "mutate", "field": "response_body_url", "value": json.dumps(url)}
    (said,) = struck(besieged, BATCH, fault)
    assert said == "audiences.main: Mailchimp names a place for its results that is not its own"
    assert besieged.said()["main"] == ("blocked", said.removeprefix("audiences.main: "))
    besieged.recovers()


def test_whoever_keeps_the_results_is_told_no_key(besieged: Siege) -> None:
    stranger = Stranger()
    here = json.dumps(f"http://127.0.0.1:{stranger.port}/results")
    try:
        # On this machine, as any keeper in a sandbox; elsewhere it would have to be Mailchimp's or Amazon's.
        struck(besieged, BATCH, {"kind": "mutate", "field": "response_body_url", "value": here})
        assert stranger.heard
        heard = b"".join(stranger.heard).decode().lower()
        assert "authorization" not in heard
        assert not any(secret.lower() in heard for secret in SECRETS)
    finally:
        stranger.close()
    besieged.recovers()


def test_a_keeper_that_sends_us_on_is_not_followed(besieged: Siege) -> None:
    stranger = Stranger()
    try:
        for place in stranger.places().values():
            struck(besieged, RESULTS, {"kind": "redirect", "to": place})
            besieged.later(3_700)
        assert stranger.heard == []
    finally:
        stranger.close()
    besieged.recovers()


def test_a_batch_that_never_ends_is_left_after_an_hour(besieged: Siege) -> None:
    (said,) = struck(besieged, BATCH, {"kind": "mutate", "field": "status", "value": '"started"'})
    assert "has not finished a batch within an hour" in said
    assert 3_600 < besieged.waited_seconds < 2 * 3_600 + 300
    besieged.recovers()
