"""`syncd forecast` as a person uses it: a table that fits a terminal, and JSON."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from syncd.sandbox.serve import Running
from tests.system.conftest import Syncd, command, configured
from tests.system.test_retention import in_terminal

SEGMENTS = "[audiences.main.lifecycle"
# Everybody joins on one day: more than the day's limit, and more than the brake lets pass.
EVERYBODY_AT_ONCE = """
[audiences.main.lifecycle.segments.silent]
when = "since_first_order >= 0 days and orders(this month) == 0"
[audiences.main.lifecycle.segments.always]
when = "orders(ever) >= 1"
[audiences.main.lifecycle.segments.above]
when = "spend(ever) > mean(spend(ever))"
"""


@pytest.fixture(scope="module")
def config(open_sandbox: Callable[..., Running], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The configuration of a syncd whose first import is through; here it is only asked."""
    file = configured(open_sandbox("synthetic", customers=80), tmp_path_factory.mktemp("forecast"))
    command(file)("backfill", "--yes")
    return file


@pytest.fixture
def syncd(config: Path) -> Syncd:
    return command(config)


def changed(config: Path, rules: str, **audience: str) -> Syncd:
    """The same syncd with other rules and these lines in its audience."""
    text = config.read_text()
    keys = "".join(f"{key} = {value}\n" for key, value in audience.items())
    text = text[: text.index(SEGMENTS)].replace("[audiences.main]\n", f"[audiences.main]\n{keys}") + rules
    other = config.with_name("other.toml")
    other.write_text(text)
    return command(other)


def test_in_spanish_it_fits_80_columns_too(config: Path) -> None:
    said = in_terminal([sys.executable, "-m", "syncd", "forecast", "--days", "366", "--language", "es"], config)
    assert max(map(len, said.splitlines())) <= 80
    assert said.startswith("Audiencia main, del lun 23 nov 2026 al ")
    assert re.search(r" lapsed +entran +\+", said)
    assert "El día con más: " in said


@pytest.mark.parametrize(("days", "columns"), [(30, 5), (35, 5), (36, 3), (140, 5), (366, 5)])
def test_its_table_fits_80_columns_however_far_it_looks(config: Path, days: int, columns: int) -> None:
    said = in_terminal([sys.executable, "-m", "syncd", "forecast", "--days", str(days)], config)
    assert max(map(len, said.splitlines())) <= 80
    assert " bought-14d " in said
    assert said.startswith("Audience main, Mon 23 Nov 2026 to ")
    heading = next(line for line in said.splitlines() if line.startswith(" segment"))
    assert len(re.findall(r"\d+ [A-Z][a-z]{2}", heading)) == columns
    assert "Busiest day: " in said
    assert "@" not in said


def test_the_numbers_in_its_table_are_those_of_the_days(syncd: Syncd) -> None:
    document, said = json.loads(syncd("forecast", "--json").stdout), syncd("forecast").stdout
    row = next(line for line in said.splitlines() if line.startswith(" come-back"))
    weeks = [next(s["join"] for s in week["segments"] if s["name"] == "come-back") for week in document["weeks"]]
    assert [int(number) for number in re.findall(r"\+(\d+)", row)] == [*filter(None, weeks), sum(weeks)]
    assert len(document["days"]) == 30


def test_it_says_where_the_limit_and_the_brake_would_act(config: Path) -> None:
    limits = "{ additions_min = 3, additions_share = 0.0 }"
    said = changed(config, EVERYBODY_AT_ONCE, max_entries_per_day="5", brake=limits)("forecast").stdout
    said = " ".join(said.split())
    held = "the plan of Mon 23 Nov 2026 would wait for approval: 5 people would get the tag of silent, the limit is 3"
    assert f"Brake: {held} (and 2 more). The same on 10 of the days after." in said
    assert "Budget: 5 a day get a tag (max_entries_per_day); waiting: always 47 on 23 Nov, silent 33 on 23 Nov" in said
    assert "Means, percentiles and what is usual stay here as they are on 22 November 2026." in said


def test_in_spanish_it_says_where_the_limit_and_the_brake_would_act(config: Path) -> None:
    limits = "{ additions_min = 3, additions_share = 0.0 }"
    spanish = changed(config, EVERYBODY_AT_ONCE, max_entries_per_day="5", brake=limits)
    said = " ".join(spanish("forecast", "--language", "es").stdout.split())
    reason = "5 personas recibirían la etiqueta de silent y el límite es 3 (y 2 más)"
    assert f"Freno: el plan del lun 23 nov 2026 esperaría aprobación: {reason}." in said
    assert "en espera: always 47 el 23 nov, silent 33 el 23 nov" in said
    assert "se mantienen aquí como están el 22 de noviembre de 2026." in said


def test_where_nothing_moves_it_says_so(config: Path) -> None:
    rules = '[audiences.main.lifecycle.segments.always]\nwhen = "orders(ever) >= 1"\n'
    said = changed(config, rules, max_entries_per_day="0")("forecast").stdout
    assert "Nobody joins or leaves always." in said
    assert "No member gets a tag, so no journey starts." in said
    assert "Means" not in said


def test_its_json_has_the_documented_shape(syncd: Syncd) -> None:
    reference = (Path(__file__).parents[2] / "docs/reference.md").read_text()
    shape = reference.partition("## Forecast")[2].partition("```\n{")[2].partition("```")[0]

    def keys(value: object) -> Iterator[str]:
        if isinstance(value, dict):
            for key, inner in value.items():
                yield key
                yield from keys(inner)
        elif isinstance(value, list):
            for inner in value:
                yield from keys(inner)

    document = json.loads(syncd("forecast", "--json", "--as-of", "2026-10-05", "--days", "40").stdout)
    assert {*keys(document)} == {*re.findall(r'"([a-z_]+)"[,:}\]]', shape)}
    assert (document["as_of"], document["days"][0]["date"]) == ("2026-10-05", "2026-10-06")


def test_too_many_days_are_the_users_mistake(syncd: Syncd) -> None:
    assert "1 to 366 days" in syncd("forecast", "--days", "400", code=2).stderr
