"""Suggested thresholds, asked of a whole syncd: they are what a preview of each rule says."""

from __future__ import annotations

import re
import tomllib
from datetime import date
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from syncd.calendar import day_of
from syncd.history.database import History
from syncd.sandbox.serve import Running
from syncd.views import preview
from syncd.views.suggest import suggest_thresholds
from tests.integration.house import DAY, House

Document = dict[str, Any]


def told(house: House, as_of: date | None = None) -> Document:
    return suggest_thresholds(house.context, "main", day_of(as_of or house.today()))


def as_previewed(house: House, document: Document) -> None:
    """Every rule selects as many as it is told to; and those that are told to be in the segment now."""
    today = day_of(date.fromisoformat(document["as_of"]))
    for segment in document["segments"]:
        for each in segment["candidates"]:
            seen = preview(house.context, "main", each["rule"], today)
            assert (seen["customers"], seen["subscribed"]) == (each["customers"], each["subscribed"])
            assert each["revenue_share"] == pytest.approx(seen["revenue_share"], abs=1e-4)
            overlap = {one["name"]: one["customers"] for one in seen["overlap"]}
            assert each["in_it_now"] == overlap.get(segment["name"])


def enough_orders(house: House) -> None:
    """With the gaps of these there are more than 200."""
    for email in sorted(house.tagged()["repeat"])[:20]:
        house.order("acme", email, "10.00")
    house.later(DAY)
    house.sync_in_order()


def test_every_rule_selects_as_many_as_its_preview_says(sandbox: Running, history: History, tmp_path: Path) -> None:
    house = House(sandbox, history, tmp_path)
    house.backfill()
    young = told(house)
    as_previewed(house, young)
    assert young["too_young"].startswith("usual() needs 200 completed gaps")
    assert "usual" not in young["toml"]
    enough_orders(house)
    document = told(house)
    as_previewed(house, document)
    assert document["too_young"] == ""
    assert "usual(80)" in document["toml"]
    assert document["completed_gaps"] > 200 > young["completed_gaps"]


def test_what_was_suggested_can_be_used_and_holds(house: House) -> None:
    enough_orders(house)
    document = told(house)
    house.configure(document["toml"].replace("[segments.", "[audiences.main.lifecycle.segments."))
    again = told(house)
    assert tomllib.loads(again["toml"]) == tomllib.loads(document["toml"])
    for segment in again["segments"]:
        (chosen,) = (each for each in segment["candidates"] if each["recommended"])
        assert segment["now"]["customers"] == chosen["customers"] == chosen["in_it_now"]


def test_a_spanish_playbook_is_known_by_its_own_names(house: House) -> None:
    rules = (files("syncd") / "config/es/lifecycle.toml").read_text("utf-8")
    house.configure(re.sub(r"(?m)^\[(segments|fields|moments)\.", r"[audiences.main.lifecycle.\1.", rules))
    document = told(house)
    as_previewed(house, document)
    assert [each["name"] for each in document["segments"]] == ["leal", "vip", "en-riesgo", "perdido"]
    assert all(each["now"]["customers"] for each in document["segments"][1:])
    assert {*tomllib.loads(document["toml"])["segments"]} <= {"leal", "vip", "en-riesgo", "perdido"}


def test_as_of_a_day_before_the_first_order_there_is_little_to_say(house: House) -> None:
    document = told(house, date(2010, 1, 1))
    assert (document["buyers"], document["orders"], document["typical_gap_days"]) == (0, 0, None)
    assert [each["name"] for each in document["segments"] if each["missing"]] == ["loyal", "vip"]


def test_the_suggestions_are_not_kept(house: House) -> None:
    before = told(house)
    assert told(house, date(2026, 6, 30)) != before
    assert told(house) == before


def test_before_the_first_import_nothing_breaks(sandbox: Running, sqlite: History, tmp_path: Path) -> None:
    document = told(House(sandbox, sqlite, tmp_path))
    assert (document["customers"], document["segments"][0]["candidates"]) == (0, [])
