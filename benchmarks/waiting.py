"""How long it takes from an order in the shop to its tag in the audience, by the service as it runs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from benchmarks import sandbox
from benchmarks.goals import Row
from benchmarks.processes import SYNCD, run, running

CUSTOMERS, ORDERS = 500, 2_000
TIMES = 5
POLL_SECONDS, MORE_SECONDS = 3, 5
MINOR, TAG = 90_000, "syncd:loyal"
LONGEST_SECONDS = 60.0
LOOK_SECONDS = 0.1


def rows(full: bool) -> Iterator[Row]:
    """The seconds for one order, the same in the short and in the full run."""
    with TemporaryDirectory() as room, sandbox.running(CUSTOMERS, ORDERS) as urls:
        sandbox.configure(urls, Path(room), poll_every=f"{POLL_SECONDS} seconds")
        run([*SYNCD, "backfill", "--yes"], cwd=Path(room))
        others = [email for email, tags in tagged(urls).items() if TAG not in tags]
        with running([*SYNCD, "run"], cwd=Path(room)):
            took = median(seconds_until_tagged(urls, email) for email in others[:TIMES])
    size = f"polled every {POLL_SECONDS} s"
    yield Row(work="from order to tag", size=size, unit="s", ours=took, limit=POLL_SECONDS + MORE_SECONDS, at_most=1)


def seconds_until_tagged(urls: dict[str, str], email: str) -> float:
    """The subscriber orders enough to be loyal; until the tag is there. Raises: TimeoutError."""
    began = time.monotonic()
    sandbox.tell(urls, "/shops/acme/orders", {"email": email, "amount": f"{MINOR / 100:.2f}"})
    while time.monotonic() < began + LONGEST_SECONDS:
        if TAG in tagged(urls)[email]:
            return time.monotonic() - began
        time.sleep(LOOK_SECONDS)
    raise TimeoutError(f"no tag within {LONGEST_SECONDS:.0f} seconds")


def tagged(urls: dict[str, str]) -> dict[str, list[str]]:
    """The tags of all subscribers by address."""
    (members,) = sandbox.ask(urls, "/state")["audiences"].values()
    return {member["email"]: member["tags"] for member in members if member["status"] == "subscribed"}
