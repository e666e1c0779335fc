"""The tests are tested: bugs of many kinds are written into a copy of syncd, and the tests notice.

On every run that each bug still fits the code, and three bugs; `make chaos`: all of `seeded_bugs.toml`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
BUGS: list[dict[str, Any]] = tomllib.loads(Path(__file__).with_name("seeded_bugs.toml").read_text("utf-8"))["bug"]
# Of another kind each, and quick: a number, a rule of the brake, a state of the service.
ALWAYS = {"a window has one day too many", "an empty shop is no reason to wait", "who unsubscribed keeps the tags"}
TESTS_FAILED = 1


def named(bug: dict[str, Any]) -> str:
    return str(bug["name"])


def seeded(bug: dict[str, Any]) -> str:
    """The module with the bug in it."""
    text = (ROOT / "syncd" / bug["in"]).read_text("utf-8")
    assert text.count(bug["for"]) == 1, f"{bug['for']!r} is to be found once in {bug['in']}"
    return text.replace(bug["for"], bug["write"])


def is_caught(bug: dict[str, Any], directory: Path) -> bool:
    """Whether the tests that are named fail on a copy of the package with the bug."""
    shutil.copytree(ROOT / "syncd", directory / "syncd", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("tests", "config", "docs", "pyproject.toml"):
        (directory / name).symlink_to(ROOT / name)
    (directory / "syncd" / bug["in"]).write_text(seeded(bug), "utf-8")
    done = subprocess.run(
        # To start a server takes longer than the tests, and none of the bugs is of one database.
        [sys.executable, "-m", "pytest", "-x", "-p", "no:cacheprovider", "-k", "not postgresql", *bug["tests"]],
        cwd=directory,
        env={**os.environ, "PYTHONPATH": str(directory), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    # Anything else would say that the tests did not run.
    assert done.returncode in (0, TESTS_FAILED), done.stdout + done.stderr
    return done.returncode == TESTS_FAILED


def test_every_bug_fits_the_code_as_it_is() -> None:
    assert len(BUGS) >= 30
    assert len({named(bug) for bug in BUGS}) == len(BUGS)
    for bug in BUGS:
        compile(seeded(bug), bug["in"], "exec")
        for test in bug["tests"]:
            assert (ROOT / test.partition("::")[0]).is_file(), test


@pytest.mark.parametrize(
    "bug",
    [pytest.param(bug, marks=[] if named(bug) in ALWAYS else [pytest.mark.chaos]) for bug in BUGS],
    ids=named,
)
def test_a_bug_is_noticed(bug: dict[str, Any], tmp_path: Path) -> None:
    assert is_caught(bug, tmp_path)
