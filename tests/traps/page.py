"""docs/traps.md against the tests: which test is in which row, and what the switches are.

The page's own words stay; the columns of tests and the table of switches are written from what is there.
`python -m tests.traps.page` does it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from syncd.sandbox.audience.switches import doubts

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs/traps.md"
SERVICES = ("Mailchimp", "The shops")
NUMBERS = [f"{n:02}" for n in range(1, 26)]
# Only GraphQL and bulk exports have these, and syncd uses neither.
OUT_OF_SCOPE = {"The shops": ("05", "18", "21")}
_TEST = re.compile(r"(?m)^test_trap_(\d\d|further)_(\w+)$")
_ROW = re.compile(r"(?m)^\| (\d\d|Further) \| (.*?) \| ?(.*?) ?\|$")


def sentences(service: str) -> dict[str, list[str]]:
    """{number: what its tests say, in order} of one service."""
    found: dict[str, set[str]] = {}
    for file in sorted(HERE.glob("test_*.py")):
        if file.name.startswith("test_mailchimp_") is (service == "Mailchimp"):
            for number, words in _TEST.findall("\n".join(_functions(file))):
                found.setdefault(number, set()).add(words.replace("_", " "))
    return {number: sorted(said) for number, said in found.items()}


def _functions(file: Path) -> list[str]:
    return [node.name for node in ast.walk(ast.parse(file.read_text("utf-8"))) if isinstance(node, ast.FunctionDef)]


def written(page: str) -> str:
    """The page as it should be."""
    for service in SERVICES:
        said = sentences(service)

        def row(match: re.Match[str], said: dict[str, list[str]] = said) -> str:
            tests = said.get(match[1].lower())
            return f"| {match[1]} | {match[2]} | {'<br>'.join(tests) if tests else match[3]} |"

        section = _section(page, service)
        page = page.replace(section, _ROW.sub(row, section))
    section = _section(page, "What nobody knows for certain")
    head, rule, _ = section.partition("|---|---|---|---|\n")
    return page.replace(section, head + rule + "".join(_switches()))


def rows(page: str, service: str) -> dict[str, str]:
    """{number: what stands in the column of tests} of one service."""
    return {number: tests for number, _, tests in _ROW.findall(_section(page, service))}


def _section(page: str, heading: str) -> str:
    return page.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def _switches() -> Iterator[str]:
    for doubt in doubts():
        yield f"| `{doubt.name}` | {_shown(doubt.cautious)} | {_shown(doubt.other)} | {doubt.source} |\n"


def _shown(value: Any) -> str:
    match value:
        case frozenset():
            return ", ".join(sorted(value))
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
    return value or "none"


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text("utf-8")), "utf-8")
