"""The sandbox in a process of its own, for what needs services that behave as the real ones do."""

from __future__ import annotations

import json
import re
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.processes import SYNCD, serving


@contextmanager
def running(customers: int, orders: int) -> Iterator[dict[str, str]]:
    """A sandbox with made-up purchases, without limits at first; the addresses of its services."""
    size = ["--customers", str(customers), "--orders", str(orders)]
    with serving([*SYNCD, "sandbox", "--data", "synthetic", "--port", "0", *size]) as urls:
        yield urls


def configure(urls: dict[str, str], room: Path, poll_every: str = "2 minutes") -> None:
    """`room` holds the configuration for this sandbox, on the machine's own clock."""
    text = _call(f"{urls['control']}/syncd.toml").decode()
    text = re.sub(r"^sandbox = .*$", f'poll_every = "{poll_every}"', text, flags=re.MULTILINE)
    (room / "syncd.toml").write_text(text, "utf-8")


def ask(urls: dict[str, str], path: str) -> Any:
    """What the control API tells."""
    return json.loads(_call(urls["control"] + path))


def tell(urls: dict[str, str], path: str, body: dict[str, Any]) -> Any:
    """What the control API answers to a change."""
    return json.loads(_call(urls["control"] + path, json.dumps(body).encode()))


def _call(url: str, body: bytes | None = None) -> bytes:
    with urllib.request.urlopen(urllib.request.Request(url, body)) as answer:  # noqa: S310  # this machine
        return bytes(answer.read())
