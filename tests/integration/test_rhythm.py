"""Each customer's own rhythm through the whole house: figures kept for a month, the fallback, what comes next."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from syncd import views
from syncd.calendar import day_of
from syncd.checks import findings
from syncd.history import ledger
from syncd.history.database import History, open_history
from syncd.rules import parse_rule
from syncd.rules.scope import MODEL, MODEL_DAY
from syncd.sandbox.serve import Running
from syncd.steps.figures import figures_for
from tests.integration.house import DAY, House

RULES = """
[audiences.main.lifecycle.segments.late]
when = "lateness > usual(80)"
fallback = "since_last_order >= 90 days"
[audiences.main.lifecycle.segments.gone]
when = "lateness > usual(90)"
[audiences.main.lifecycle.segments.known]
when = "lateness >= 0"
[audiences.main.lifecycle.fields.NEXT]
value = "next_order"
[audiences.main.lifecycle.fields.PBUY90]
value = "buy_chance(90 days)"
"""
FIRST_DAY = day_of(date(2026, 11, 22))
TOO_FEW = "usual() needs 200 completed gaps between orders, and there are 191"


@pytest.fixture
def database(history_url: Callable[[str], str]) -> str:
    return history_url("sqlite")


@pytest.fixture
def house(sandbox: Running, database: str, tmp_path: Path) -> Iterator[House]:
    """After its first import, with 191 completed gaps."""
    with open_history(database) as history:
        house = House(sandbox, history, tmp_path, rules=RULES)
        house.backfill()
        yield house


def rhythm(house: House) -> tuple[int | None, dict[str, float | None]]:
    return ledger.frozen_rhythm(house.history, "main")


def explained(house: House, email: str, day: date | None = None) -> dict[str, Any]:
    return views.explain(house.context, "main", email, day_of(day or house.today()))


def late(document: dict[str, Any]) -> dict[str, Any]:
    """What is explained of the segment `late`."""
    return next(one for one in document["segments"] if one["name"] == "late")


def more_orders(house: House) -> None:
    """Some people order once more: with their gaps there are more than 200."""
    for email in sorted(house.tagged()["known"] - house.tagged()["late"]):
        house.order("acme", email, "10.00")


def after_a_month(house: House) -> None:
    more_orders(house)
    house.later(30 * DAY)
    house.sync_in_order()


def reported(house: House, database: str) -> list[tuple[str, str, str]]:
    """The lines of `syncd check` about order gaps."""
    found = findings(replace(house.context.settings, database=database))
    return [(one.mark, one.text, one.hint) for one in found if "usual" in one.text]


def test_figures_of_order_gaps_stay_for_a_month(house: House) -> None:
    before = rhythm(house)
    assert before[0] == FIRST_DAY
    assert before[1]["completed gaps"] == 191
    more_orders(house)
    for days in (1, 28):
        house.later(days * DAY)
        # As after a restart: nothing but the history knows of the figures.
        house.configure(RULES)
        house.sync_in_order()
        assert rhythm(house) == before
    house.later(DAY)
    house.sync_in_order()
    day, figures = rhythm(house)
    assert day == FIRST_DAY + 30
    assert (figures["completed gaps"] or 0) >= 200


def test_who_is_late_is_told_by_the_fallback_until_usual_is_known(house: House) -> None:
    by_days = house.tagged()["late"]
    assert "gone" not in house.tagged()
    for email in sorted(by_days)[:3]:
        document = explained(house, email)
        assert (late(document)["fallback"], late(document)["in"]) == (TOO_FEW, True)
        assert document["metrics"]["since_last_order"] >= 90
    after_a_month(house)
    usual = rhythm(house)[1]["usual(80)"]
    assert usual is not None
    by_rhythm = house.tagged()["late"]
    assert by_days - by_rhythm
    for email in [*sorted(by_days - by_rhythm)[:3], *sorted(by_rhythm)[:3]]:
        document = explained(house, email)
        assert (late(document)["fallback"], late(document)["in"]) == (None, email in by_rhythm)
        assert (document["metrics"]["lateness"] > round(usual, 6)) == (email in by_rhythm)


def test_a_condition_on_lateness_is_explained_in_days(house: House) -> None:
    after_a_month(house)
    document = explained(house, max(house.tagged()["late"]))
    metrics = document["metrics"]
    (value,) = late(document)["values"]
    assert value["expression"] == "lateness > usual(80)"
    assert value["value"] == metrics["lateness"]
    assert value["against"] == [round(rhythm(house)[1]["usual(80)"] or 0, 6)]
    gap, since = metrics["order_gap"], metrics["since_last_order"]
    assert value["note"] == f"usual gap {gap} days, last order {since} days ago"
    assert metrics["lateness"] == pytest.approx(since / gap, abs=since / gap / gap)
    assert metrics["next_order"] == str(date.fromisoformat(metrics["last_order"]) + timedelta(gap))


def test_the_next_order_is_a_date_in_the_service(house: House) -> None:
    email = house.subscriber(with_tag="late")
    assert house.state()[email]["merge_fields"]["NEXT"] == explained(house, email)["metrics"]["next_order"]


def test_a_change_by_lateness_comes_on_the_day_foretold(house: House) -> None:
    after_a_month(house)
    today = day_of(house.today())
    # While the figures are frozen, nothing but time moves anybody.
    late_today, late_then = (
        set(views.members(house.context, "main", "late", day)["customers"]) for day in (today, today + 27)
    )
    email = min(late_then - late_today)
    day = date.fromisoformat(late(explained(house, email))["next_change"])
    assert house.today() < day < house.today() + timedelta(28)
    house.later((day - house.today()).days * DAY - DAY)
    house.sync_in_order()
    assert not late(explained(house, email))["in"]
    house.later(DAY)
    house.sync_in_order()
    assert late(explained(house, email))["in"]


def test_a_new_rule_gets_its_figure_of_the_day_of_the_others(house: House) -> None:
    after_a_month(house)
    day, before = rhythm(house)
    free = parse_rule("lateness > usual(95)")
    expected = figures_for(house.context, "main", [free], day_of(house.today()))["usual(95)"]
    house.later(3 * DAY)
    more_orders(house)
    house.configure(RULES.replace("usual(90)", "usual(95)"))
    house.sync_in_order()
    again, after = rhythm(house)
    assert after["usual(95)"] == expected
    assert (day, before) == (again, {text: value for text, value in after.items() if text != "usual(95)"})
    assert (after["usual(95)"] or 0) > (before["usual(90)"] or 0) > (before["usual(80)"] or 0)


def test_another_day_has_figures_of_its_own_which_are_not_kept(house: House) -> None:
    before = rhythm(house)
    earlier = house.today() - timedelta(400)
    email = next(one for one in sorted(house.state()) if explained(house, one, earlier)["metrics"]["order_gap"])
    reason = late(explained(house, email, earlier))["fallback"]
    assert reason.startswith("usual() needs 200 completed gaps between orders, and there are ")
    assert reason != TOO_FEW
    more_orders(house)
    house.sync_in_order()
    assert late(explained(house, email))["fallback"] == TOO_FEW
    assert late(explained(house, email, house.today() + timedelta(1)))["fallback"] is None
    assert rhythm(house) == before


def test_a_free_rule_may_ask_for_what_no_segment_asks_for(house: House) -> None:
    after_a_month(house)
    before = rhythm(house)
    wide, narrow, odd = (
        views.preview(house.context, "main", rule, day_of(house.today()))["customers"]
        for rule in ("lateness > usual(50)", "lateness > usual(99)", "lateness > 2 * mean(lateness)")
    )
    assert wide > narrow
    assert wide > odd > 0
    assert rhythm(house) == before


def test_the_check_says_why_a_fallback_is_in_force_and_what_is_usual(house: House, database: str) -> None:
    assert reported(house, database) == [
        (
            "warning",
            f"audience main: {TOO_FEW}: late goes by its fallback, no fallback for gone",
            "Give gone a `fallback` in the lifecycle file.",
        )
    ]
    house.configure(
        RULES.replace("[audiences.main.lifecycle.segments.gone]", "").replace('when = "lateness > usual(90)"', "")
    )
    assert [(mark, hint) for mark, _, hint in reported(house, database)] == [
        ("warning", "Nothing to do: it comes with time.")
    ]
    house.configure(
        RULES[RULES.index("[audiences.main.lifecycle.fields") :]
        + '[audiences.main.lifecycle.fields.USUAL]\nvalue = "usual(90)"\n'
    )
    assert reported(house, database) == [
        ("ok", "audience main: usually 70 days between two orders (worked out on 2026-11-22, once a month)", "")
    ]
    house.configure(RULES)
    after_a_month(house)
    ((mark, text, _),) = reported(house, database)
    figures = rhythm(house)[1]
    assert mark == "ok"
    assert text == (
        f"audience main: usually {figures['typical gap']:.0f} days between two orders; "
        f"usual(80) is {figures['usual(80)']:.2f}; usual(90) is {figures['usual(90)']:.2f} "
        "(worked out on 2026-12-22, once a month)"
    )


def test_figures_of_a_day_and_of_a_month_do_not_get_in_each_others_way(history: History) -> None:
    ledger.freeze_rhythm(history, "main", 100, {"usual(90)": 4.5, "usual(80)": None})
    ledger.freeze_figures(history, "main", 100, {"mean(spend(ever))": 80.0})
    ledger.freeze_figures(history, "main", 101, {"mean(spend(ever))": 90.0})
    assert ledger.figures_of(history, "main", 101) == {"mean(spend(ever))": 90.0}
    assert ledger.figures_of(history, "main", 100) == {}
    assert ledger.frozen_rhythm(history, "main") == (100, {"usual(90)": 4.5, "usual(80)": None})
    assert ledger.frozen_rhythm(history, "other") == (None, {})
    ledger.freeze_rhythm(history, "main", 130, {"usual(95)": 7.5})
    assert ledger.frozen_rhythm(history, "main") == (130, {"usual(95)": 7.5})
    assert ledger.figures_of(history, "main", 101) == {"mean(spend(ever))": 90.0}


def test_without_rules_about_rhythm_nothing_is_worked_out(sandbox: Running, sqlite: History, tmp_path: Path) -> None:
    house = House(sandbox, sqlite, tmp_path)
    house.backfill()
    assert rhythm(house) == (None, {})
    assert "lateness" not in explained(house, house.subscriber())["metrics"]


def told_of_chances(house: House, database: str) -> list[tuple[str, str]]:
    """The lines of `syncd check` about the chance to buy."""
    found = findings(replace(house.context.settings, database=database))
    return [(one.mark, one.text) for one in found if "buy_chance" in one.text]


def test_why_there_is_no_chance_to_buy_is_checked(house: House, database: str) -> None:
    few = "buy_chance(90 days) needs 200 completed gaps between orders, and there are 191"
    assert told_of_chances(house, database) == [("warning", f"audience main: {few}")]
    after_a_month(house)
    ((mark, text),) = told_of_chances(house, database)
    assert mark == "warning"
    assert "hardly anybody seems to leave this audience for good" in text
    assert all(member["merge_fields"].get("PBUY90", "") == "" for member in house.state().values())


def test_a_chance_to_buy_moves_by_orders_and_not_by_days(house: House, database: str) -> None:
    fitted = dict(zip(MODEL, (0.6, 60.0, 0.8, 1.2), strict=True)) | {MODEL_DAY: FIRST_DAY}
    tested = {"buy_chance(90 days)": 0.031, "completed gaps": 400}
    ledger.freeze_rhythm(house.history, "main", FIRST_DAY, rhythm(house)[1] | fitted | tested)
    # Nobody was judged by these yet.
    ledger.set_audience(house.history, "main", rules_digest="")
    ((mark, text),) = told_of_chances(house, database)
    assert (mark, text) == (
        "ok",
        "audience main: buy_chance(90 days) would have been wrong by 3.1 percentage points lately",
    )
    house.later(DAY)
    house.sync_in_order()
    told = {email: member["merge_fields"].get("PBUY90", "") for email, member in house.state().items()}
    assert len(set(told.values())) > 5
    for days in (1, 9):
        house.later(days * DAY)
        house.sync_in_order()
        assert {email: member["merge_fields"].get("PBUY90", "") for email, member in house.state().items()} == told
    email = min((email for email in told if told[email] != ""), key=lambda email: float(told[email]))
    house.order("acme", email, "10.00")
    house.sync_in_order()
    assert float(house.state()[email]["merge_fields"]["PBUY90"]) > float(told[email])
