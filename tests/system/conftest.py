"""The command line as a subprocess, against a small sandbox."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from syncd.sandbox.serve import Running

Syncd = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def config(sandbox: Running, tmp_path: Path) -> Path:
    """The configuration that the sandbox offers."""
    path = tmp_path / "syncd.toml"
    path.write_bytes(requests.get(f"{sandbox.urls['control']}/syncd.toml", timeout=10).content)
    return path


@pytest.fixture
def syncd(config: Path) -> Syncd:
    """Runs a command and expects its exit code."""

    def run(*arguments: str, code: int = 0, stdin: str = "") -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "syncd", *arguments],
            env={**os.environ, "SYNCD_CONFIG": str(config)},
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done

    return run
