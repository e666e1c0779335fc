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
    """A sandbox with made-up purchases; the addresses of its services."""
    size = ["--customers", str(customers), "--orders", str(orders)]
    with serving([*SYNCD, "sandbox", "--data", "synthetic", "--port", "0", *size]) as urls:
        yield urls


@contextmanager
def showing(purchases: Path) -> Iterator[dict[str, str]]:
    """A sandbox with the purchases of a CSV file."""
    with serving([*SYNCD, "sandbox", "--data", str(purchases), "--port", "0"]) as urls:
        yield urls


def configure(
    urls: dict[str, str], room: Path, *, poll_every: str = "2 minutes", audiences: bool = True, lifecycle: str = ""
) -> None:
    """`room` holds the configuration for this sandbox, on the machine's own clock.

    Without `audiences` it is of the shops alone; with `lifecycle` the rules are in that file, and any number of
    members enters a tag on one day.
    """
    text = _call(f"{urls['control']}/syncd.toml").decode()
    text = re.sub(r"^sandbox = .*$", f'poll_every = "{poll_every}"', text, flags=re.MULTILINE)
    if not audiences:
        text = text.partition("[audiences.")[0]
    if lifecycle:
        rules = text.index("[audiences.main.lifecycle")
        text = f'{text[:rules]}lifecycle = "{lifecycle}"\nmax_entries_per_day = 0\n'
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
