"""Orders with items, and customers, from a shop into a database: syncd, dlt, and the script of ten minutes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.goals import Row
from benchmarks.processes import PEERS_PYTHON, ROOT, SYNCD, Spent, medians, run, say, serving

SMALL, COMMON, LARGE = 10_000, 100_000, 1_000_000
RUNS = 3
# The share of dlt's CPU seconds, the memory, and by how much it may grow from the small to the large shop.
SHARE, MOST_MIB, GROWTH = 0.25, 100, 1.25

CONFIG = """
[syncd]
database = "{database}"

[shops.acme]
platform = "shopify"
base_url = "{shopify}"
domain = "acme.myshopify.com"
token = "sandbox"
"""


def rows(full: bool) -> Iterator[Row]:
    """The CPU seconds beside both, and the memory over the sizes."""
    with serving(shop(COMMON)) as urls:
        ours, floor = medians(RUNS, lambda: ours_once(urls)), medians(RUNS, lambda: floor_once(urls))
        say(f"  ours {ours}, floor {floor}")
        whole, slim = dlt_once(urls), dlt_once(urls, "slim")
        say(f"  dlt {whole}, slim {slim}")
    size, cpu, memory = "100k orders", "pull and store", "pull and store, peak memory"
    for work, dlt in ((cpu, whole), (f"{cpu}, our fields only", slim)):
        figures = {"ours": ours.cpu_seconds, "peer": dlt.cpu_seconds, "limit": floor.cpu_seconds}
        figures["wall_seconds"] = ours.wall_seconds
        yield Row(work=work, size=size, unit="CPU s", **figures, at_most=SHARE)
    yield Row(work=memory, size=size, unit="MiB", ours=ours.peak_mib, limit=MOST_MIB, at_most=1)
    with serving(shop(SMALL)) as urls:
        small = ours_once(urls).peak_mib
    yield Row(work=memory, size="10k → 100k", unit="MiB", ours=ours.peak_mib, limit=small, at_most=GROWTH)
    if full:
        with serving(shop(LARGE)) as urls:
            large = ours_once(urls).peak_mib
        yield Row(work=memory, size="10k → 1M", unit="MiB", ours=large, limit=small, at_most=GROWTH)


def ours_once(urls: dict[str, str], database: str = "sqlite:///syncd.db") -> Spent:
    """`syncd backfill` of a shop that no audience uses: it pulls and stores, and nothing else."""
    with TemporaryDirectory() as room:
        Path(room, "syncd.toml").write_text(CONFIG.format(database=database, **urls), "utf-8")
        return run([*SYNCD, "backfill"], cwd=Path(room))


def floor_once(urls: dict[str, str]) -> Spent:
    """The script."""
    with TemporaryDirectory() as room:
        return run([SYNCD[0], "-m", "benchmarks.peers.floor", urls["shopify"], f"{room}/shop.db"])


def dlt_once(urls: dict[str, str], *fields: str) -> Spent:
    """dlt. It tells its makers of each run unless it is told not to."""
    script, quiet = str(ROOT / "benchmarks/peers/dlt_pull.py"), {"RUNTIME__DLTHUB_TELEMETRY": "false"}
    with TemporaryDirectory() as room:
        return run([PEERS_PYTHON, script, urls["shopify"], room, *fields], cwd=Path(room), env=quiet)


def shop(orders: int) -> list[str]:
    """The command for the server of ready pages."""
    return [SYNCD[0], "-m", "benchmarks.server", str(orders)]
