"""`syncd demo`, in small: the whole way runs from outside, and everything it shows is there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def test_the_demo_runs_the_whole_way(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "syncd", "demo", "--customers", "150", "--days", "2"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    shown = done.stdout
    assert "Journeys started by it: 0" in shown
    assert shown.count("Nothing to do: audience main has what it shall have.") == 2
    for chapter in ("1. Shops", "2. The first import", "3. Who is where", "4. One customer", "5. The service, 2 days"):
        assert chapter in shown
    assert (tmp_path / "demo" / "syncd.toml").exists()
