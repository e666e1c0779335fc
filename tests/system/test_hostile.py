"""What a person sees when an upstream is broken or hostile: a sentence, the right exit code, and never a trace."""

from __future__ import annotations

import re
from typing import Any

import requests

from syncd.sandbox.populate import LIST_ID
from syncd.sandbox.serve import Running
from tests.system.conftest import Syncd

CASES: dict[str, tuple[dict[str, Any], str, str, str]] = {
    "a shop that answers with something else": (
        {"service": "shopify", "path": "*/orders.json", "kind": "body", "body": "[[]]"},
        "acme",
        "failing",
        "the answer is no page of records; it may have been cut off",
    ),
    "a shop with a bomb": (
        {"service": "ecwid", "path": "*/orders", "kind": "gzip_bomb", "size": 40 << 20},
        "cafe",
        "failing",
        "the answer to GET /api/v3/1003/orders is larger than 33,554,432 bytes",
    ),
    "a shop that leads elsewhere": (
        {"service": "ecwid", "path": "*", "kind": "redirect", "to": "https://evil.example/x"},
        "cafe",
        "blocked",
        "GET /api/v3/1003/profile is redirected to evil.example, and syncd does not follow",
    ),
    "an audience that leads elsewhere": (
        {"service": "mailchimp", "path": "*", "kind": "redirect", "to": "https://evil.example/x", "status": 308},
        "main",
        "blocked",
        f"GET /3.0/lists/{LIST_ID}/members is redirected to evil.example, and syncd does not follow",
    ),
    "an audience that answers with something else": (
        {"service": "mailchimp", "path": "*/members", "kind": "body", "body": '{"members": 7}'},
        "main",
        "failing",
        "Mailchimp's answer lacks what it should hold",
    ),
}


def test_a_broken_upstream_is_told_in_a_sentence_and_nothing_else_stops(syncd: Syncd, sandbox: Running) -> None:
    faults = f"{sandbox.urls['control']}/faults"
    syncd("backfill", "--yes")
    for name, (fault, connection, state, sentence) in CASES.items():
        requests.post(faults, json=[fault], timeout=10).raise_for_status()
        kind = "audiences" if connection == "main" else "shops"
        assert f"syncd: {kind}.{connection}: {sentence}\n" in syncd("sync", code=4).stderr, name
        shown = syncd("status").stdout
        assert f"\n{connection}: {sentence}\n" in shown, name
        states = dict(re.findall(r"(?m)^ *(acme|cafe|main) +(\w+) ", shown))
        assert states == {"acme": "ok", "cafe": "ok", "main": "ok", connection: state}, name
        requests.delete(faults, timeout=10).raise_for_status()
    syncd("sync")
