"""What all counterparts do to their answers: compress them, and take their time."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
import requests

if TYPE_CHECKING:
    from syncd.sandbox.serve import Running

LISTS = {
    "shopify": ("/admin/api/2026-07/orders.json?status=any&limit=250", {"X-Shopify-Access-Token": "sandbox"}),
    "ecwid": ("/api/v3/1003/orders", {"Authorization": "Bearer sandbox"}),
}


def ask(sandbox: Running, service: str, **headers: str) -> requests.Response:
    path, key = LISTS[service]
    return requests.get(f"{sandbox.urls[service]}{path}", headers={**key, **headers}, timeout=10)


@pytest.mark.parametrize("service", LISTS)
def test_a_long_answer_is_compressed_for_whoever_accepts_it(sandbox: Running, service: str) -> None:
    packed = ask(sandbox, service, **{"Accept-Encoding": "gzip"})
    plain = ask(sandbox, service, **{"Accept-Encoding": "identity"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert int(packed.headers["Content-Length"]) < len(plain.content) == int(plain.headers["Content-Length"])
    assert "Content-Encoding" not in plain.headers
    assert packed.json() == plain.json()


@pytest.mark.parametrize("service", LISTS)
def test_a_page_takes_longer_the_more_records_it_lists(sandbox: Running, service: str) -> None:
    rows = len(next(iter(v for v in ask(sandbox, service).json().values() if isinstance(v, list))))
    assert rows > 20
    throttle = {"latency": 0.05, "per_row": 0.01}
    reply = requests.post(f"{sandbox.urls['control']}/throttle", json=throttle, timeout=10)
    assert reply.json() == {"enforce": False, **throttle}
    began = time.monotonic()
    ask(sandbox, service)
    assert time.monotonic() - began >= 0.05 + rows * 0.01
