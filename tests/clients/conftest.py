"""The packages of the Node client, exactly as locked."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from hashlib import sha256
from pathlib import Path

import pytest

NODE = Path(__file__).parent / "node"
FILES = ("package.json", "package-lock.json", "play.js")
INSTALL_SECONDS = 180


@pytest.fixture(scope="session")
def node_modules(request: pytest.FixtureRequest) -> Path:
    """A folder with the script and its packages, kept for the next run. Without node or npm the test is skipped."""
    if not (shutil.which("node") and shutil.which("npm")):
        pytest.skip("the life of Mailchimp's Node client needs node and npm on this machine")
    kept = request.config.cache.mkdir("node-clients")
    digest = sha256(b"".join((NODE / name).read_bytes() for name in FILES)).hexdigest()[:16]
    folder = kept / digest
    if not folder.exists():
        # Two runs at a time may both install; the folder appears at once and whole.
        made = _installed(Path(tempfile.mkdtemp(dir=kept)))
        try:
            made.rename(folder)
        except OSError:
            shutil.rmtree(made)
    return folder


def _installed(folder: Path) -> Path:
    for name in FILES:
        shutil.copy(NODE / name, folder)
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    done = subprocess.run(
        command,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=INSTALL_SECONDS,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stderr
    return folder
