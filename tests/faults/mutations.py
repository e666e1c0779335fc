"""What can be wrong with a record: one to three faults at any of its places, each as it would stand on the wire.

Pure. A record is a JSON object; what comes out are its bytes with the faults in it, which need not be JSON any
more. Brackets and quotes still close, or the neighbours could not be told from it by anybody.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from random import Random
from typing import Any

Place = tuple[str | int, ...]

# Written as they stand, wherever anything may stand.
ANYWHERE = (
    *("null", "true", "false", '""', "[]", "{}", "[[1]]", '{"a": {}}', '"x"', "7", "0", "-1", "-1.5", "0.5"),
    *("1e308", "-1e308", "1e999", "NaN", "Infinity", "-Infinity", "9" * 5_000),
    *(str(2**53 + 1), str(2**63), str(2**64), "01", "+1", "0x10", "1.", ".5", "nul", "'x'"),
    *("[" * 1_000 + "]" * 1_000, '{"a":' * 1_000 + "1" + "}" * 1_000, '"' + "x" * 1_000_000 + '"'),
    *('"\\ud800"', '"a\\ud800b"', '"\\u0000"', '"a\\u0000b"', '"\\u202eevil"', '"a\\u200bb"', '"\\ufeff"'),
    # Bytes that are no UTF-8, as Python escapes them.
    *('"\udcff\udcfe"', '"\udcc3"', '"\udced\udca0\udc80"', "\udcef\udcbb\udcbf1"),
    *('"\\n\\r\\t"', '"\\x00"', '"\x01"', '"\'; DROP TABLE orders; --"', '"<script>alert(1)</script>"', '"%s%n"'),
)
# For a place where something of the kind stood.
DATES = (
    *("2026-11-22T10:00:00", "0000-00-00", "0000-00-00T00:00:00Z", "9999-12-31T23:59:59Z", "9999-12-31T23:59:59-23:59"),
    *("2026-11-22T24:00:00Z", "2026-11-22T23:59:60Z", "2026-02-30T00:00:00Z", "2026-13-01T00:00:00Z", "1969-12-31"),
    *("0001-01-01T00:00:00+23:59", "2026-11-22T10:00:00+99:99", "22/11/2026", "20261122", "now"),
)
AMOUNTS = ("1,234.50", "1.234,50", "-0.00", "-1.00", "1e3", "1.005", "0.001", "NaN", "١٢", " 12.00 ", "€5", "9" * 400)
CURRENCIES = ("KWD", "JPY", "XXX", "ZZZ", "eur", "EU", "EURO", "", "€", "E\\u0000R", "\\ud800UR")
IDS = ("0", "-1", str(2**53 + 1), f'"{2**63 - 1}"', '"gid://shopify/Order/1"', '"007"', '"a b"', '"' + "x" * 400 + '"')
ADDRESSES = ("null", '["a@b.example"]', '"a@b.example\\nBcc: c@d.example"', '"@"', '"a@"', '"ÄÖ@bücher.example"')
WORDS = ('"MAYBE"', '"Paid"', '"unknown_to_us"', '"\\u202epaid"', '""')


def mutated(record: dict[str, Any], lots: Random) -> bytes:
    """The record with one to three faults."""
    places = list(_places(record))
    chosen = lots.sample(places, min(len(places), lots.randint(1, 3)))
    # Of two places, one within the other, the inner one goes: a fault in it would not be seen.
    outer = [place for place in chosen if not any(place[: len(each)] == each != place for each in chosen)]
    document = json.loads(json.dumps(record))
    marks: dict[str, str] = {}
    # From the back, so that what is left out of a list moves no other place.
    for n, place in enumerate(sorted(outer, key=str, reverse=True)):
        _spoil(document, place, f"\ue000{n}\ue000", marks, lots)
    if lots.random() < 0.2:
        document["x_nobody_knows"] = {"deep": [1, {"er": None}]}
    text = json.dumps(document, ensure_ascii=False)
    for mark, written in marks.items():
        text = text.replace(f'"{mark}"', written)
    raw = text.encode("utf-8", "surrogateescape")
    return b"\xef\xbb\xbf" + raw if lots.random() < 0.02 else raw


def _places(value: object, before: Place = ()) -> Iterator[Place]:
    items: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in items:
        yield (*before, key)
        yield from _places(each, (*before, key))


def _spoil(document: Any, place: Place, mark: str, marks: dict[str, str], lots: Random) -> None:
    around = document
    for step in place[:-1]:
        around = around[step]
    key, there = place[-1], around[place[-1]]
    if lots.random() < 0.1:
        del around[key]
        return
    around[key], written = mark, lots.choice(_faults_for(str(key), there))
    if isinstance(key, str) and lots.random() < 0.1:
        # Twice, and whoever reads it may take either.
        written = f"{json.dumps(there)}, {json.dumps(key)}: {written}"
    marks[mark] = written


def _faults_for(key: str, there: object) -> tuple[str, ...]:
    """What is put in the place of `there`: what is wrong anywhere, and mostly what is wrong for this sort of thing."""
    special: tuple[str, ...] = ()
    if key.endswith(("_at", "_timestamp", "Timestamp", "date", "updated", "registered", "last_changed")):
        special = (*(f'"{each}"' for each in DATES), "0", "-11676096000", "99999999999", "1e18")
    elif key in ("currency", "currency_code"):
        special = tuple(f'"{each}"' for each in CURRENCIES)
    elif "mail" in key:
        special = ADDRESSES
    elif key.lower().endswith(("id", "token")):
        special = IDS
    elif "status" in key.lower() or key in ("kind", "state"):
        special = WORDS
    elif isinstance(there, int | float) or (isinstance(there, str) and there.replace(".", "", 1).isdecimal()):
        special = (*(f'"{each}"' for each in AMOUNTS), *AMOUNTS[4:7])
    repeated = special * max(1, len(ANYWHERE) // max(1, len(special)))
    return (*ANYWHERE, *repeated)
