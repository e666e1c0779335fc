"""`syncd suggest` as a person uses it: tables with bars in a terminal, JSON, rules to paste."""

from __future__ import annotations

import json
import re
import shlex
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from syncd.sandbox.serve import Running
from syncd.views.words import LANGUAGES
from tests.system.conftest import Syncd, command, configured
from tests.system.test_retention import in_terminal

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def config(open_sandbox: Callable[..., Running], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The configuration of a syncd whose first import is through; here it is only asked."""
    file = configured(open_sandbox("synthetic", customers=80), tmp_path_factory.mktemp("suggest"))
    command(file)("backfill", "--yes")
    return file


@pytest.fixture
def syncd(config: Path) -> Syncd:
    return command(config)


@pytest.mark.parametrize("language", LANGUAGES)
def test_its_tables_fit_80_columns_and_nothing_is_cut(config: Path, language: str) -> None:
    lines = in_terminal([sys.executable, "-m", "syncd", "suggest", "--language", language], config).splitlines()
    rows = [line for line in lines if re.match(r"[→ ] \d +\d", line)]
    assert len(rows) >= 8
    assert max(map(len, rows)) <= 80
    assert max(len(line) for line in lines if re.search("(customers|clientes): ", line)) <= 80
    assert "…" not in "".join(lines)
    assert "█" in "".join(rows)


def test_it_ends_with_rules_to_paste_and_one_to_try(syncd: Syncd) -> None:
    said = syncd("suggest").stdout
    pasted = said.partition("each replaces the segment of its name:\n")[2].partition("Try one: ")[0]
    assert tomllib.loads(pasted) == tomllib.loads(json.loads(syncd("suggest", "--json").stdout)["toml"])
    assert {*tomllib.loads(pasted)["segments"]} == {"loyal", "vip", "at-risk", "lapsed"}
    program, *arguments = shlex.split(said.rpartition("Try one: ")[2])
    assert program == "syncd"
    assert "customers" in syncd(*arguments).stdout


def test_in_spanish_its_reasons_are_too_and_its_rules_stay(syncd: Syncd) -> None:
    said = syncd("suggest", "--language", "es").stdout
    assert said.startswith("¿Qué cifras convienen a la audiencia main, a 22 de noviembre de 2026?\n")
    reasons = [line for line in said.splitlines() if line.startswith("# ")]
    assert any("de sus clientes que más gasta" in line for line in reasons)
    pasted = said.partition("cada una sustituye al segmento")[2].partition("\n\n")[2].partition("Pruebe una: ")[0]
    assert tomllib.loads(pasted) == tomllib.loads(json.loads(syncd("suggest", "--json").stdout)["toml"])


def test_as_of_a_day_without_history_it_says_what_is_missing(syncd: Syncd) -> None:
    said = " ".join(syncd("suggest", "--as-of", "2010-01-01").stdout.split())
    assert "Your history is young: usual() needs 200 completed gaps between orders, and there are 0." in said
    assert "Too little history: needs 20 customers who have ordered." in said


def test_its_json_has_the_documented_shape(syncd: Syncd) -> None:
    shape = (ROOT / "docs/reference.md").read_text().partition("## Suggestions")[2].partition("```\n{")[2]
    written = re.findall(r'"(\w+)"[,:}\]]', shape.partition("```")[0])

    def keys(value: object) -> Iterator[str]:
        if isinstance(value, dict):
            for key, inner in value.items():
                yield key
                yield from keys(inner)
        elif isinstance(value, list):
            for inner in value:
                yield from keys(inner)

    document = json.loads(syncd("suggest", "--json").stdout)
    assert {*keys(document)} == {*written}
