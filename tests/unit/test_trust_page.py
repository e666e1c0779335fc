"""The page of promises names no test that does not exist, and every promise has its row."""

from __future__ import annotations

import ast
import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
PAGE = (TESTS.parent / "docs/trust.md").read_text("utf-8")


def test_every_test_that_the_page_names_exists() -> None:
    real = {
        node.name
        for file in TESTS.rglob("test_*.py")
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef)
    }
    named = {*re.findall(r"`(test_\w+)`", PAGE)}
    assert named - real == set()


def test_each_of_the_thirty_promises_has_one_row_with_its_proof() -> None:
    rows = re.findall(r"(?m)^\| (G\d+) \| .+ \| (.+) \| .+ \|$", PAGE)
    assert [number for number, _ in rows] == [f"G{n}" for n in range(1, 31)]
    assert [number for number, proof in rows if not re.search(r"`test_|\]\(", proof)] == []
