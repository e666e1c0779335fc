"""Ten thousand members change at once: how many calls it takes, over how many connections.

The fewest calls that keep the semantics put 500 members into a tag with each; a new tag has to be made once.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

from benchmarks import sandbox
from benchmarks.goals import Row
from benchmarks.processes import SYNCD, run
from syncd.destinations._mailchimp_segments import calls_for

CUSTOMERS = 15_000
MORE_CALLS, CONNECTIONS = 1.05, 8
LOOK_SECONDS = 0.05
# Nobody at first; then everybody gets one tag of their own, and many two or three.
BEFORE = {"nobody": "orders(ever) >= 1000"}
AFTER = BEFORE | {
    "reader": "subscribed",
    "long-known": "subscribed and since_signup >= 400 days",
    "buyer": "subscribed and orders(ever) >= 1",
}
HELD = 3  # the exit code of a plan that waits for approval


def rows(full: bool) -> Iterator[Row]:
    """Calls that write, and connections, the same in the short and in the full run."""
    with TemporaryDirectory() as directory, sandbox.running(CUSTOMERS, CUSTOMERS) as urls:
        room = Path(directory)
        sandbox.configure(urls, room, lifecycle="lifecycle.toml")
        write_rules(room, BEFORE)
        run([*SYNCD, "backfill", "--yes"], cwd=room)
        write_rules(room, AFTER)
        run([*SYNCD, "sync"], cwd=room, codes=(0, HELD))
        plan = run([*SYNCD, "plan", "--json"], cwd=room).told
        before = len(sandbox.ask(urls, "/requests?since=0"))
        with connections_to(urls["mailchimp"]) as most:
            run([*SYNCD, "approve", plan["id"]], cwd=room)
        calls = [call for call in sandbox.ask(urls, f"/requests?since={before}") if call["service"] == "mailchimp"]
    written = sum(call["method"] != "GET" for call in calls)
    added = [segment["add"] for segment in plan["segments"] if segment["add"]]
    fewest = sum(calls_for(segment["add"], segment["remove"]) for segment in plan["segments"]) + len(added)
    size = f"{max(added):,} members, {sum(added):,} tags"
    yield Row(work="push, calls that write", size=size, unit="calls", ours=written, limit=fewest, at_most=MORE_CALLS)
    yield Row(work="push, connections", size=size, unit="open", ours=max(most), limit=CONNECTIONS, at_most=1)


def write_rules(room: Path, segments: dict[str, str]) -> None:
    """The lifecycle of the room consists of these segments."""
    text = "\n".join(f"[segments.{name}]\nwhen = {rule!r}\n" for name, rule in segments.items())
    (room / "lifecycle.toml").write_text(text, "utf-8")


@contextmanager
def connections_to(url: str) -> Iterator[list[int]]:
    """How many connections to the server are open, looked at again and again."""
    seen, end = [0], threading.Event()
    there = f":{urlsplit(url).port:04X}"

    def watch() -> None:
        while not end.wait(LOOK_SECONDS):
            lines = [line.split() for line in Path("/proc/net/tcp").read_text("ascii").splitlines()[1:]]
            seen.append(sum(line[2].endswith(there) and line[3] == "01" for line in lines))

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        yield seen
    finally:
        end.set()
        watching.join()
