"""What the looking commands say of a day that is over: nothing that came later shows in it."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from syncd import views
from syncd.calendar import day_of
from syncd.history import ledger
from syncd.history.database import History
from syncd.history.shops import set_shop_state
from syncd.sandbox.serve import Running
from syncd.steps.judge import judge
from tests.integration.history_records import customer, order, take
from tests.integration.house import DAY, House

# Three days let somebody in, and five keep them.
RULES = """
[audiences.main.lifecycle.segments.fresh]
when = "orders(3 days) >= 1"
stay_while = "orders(5 days) >= 1"
"""
THEN = day_of(date(2026, 11, 22))


@pytest.fixture
def house(sandbox: Running, sqlite: History, tmp_path: Path) -> House:
    """Of the 22nd: Ana ordered two days ago, and Ben four, who is not in any more; judged."""
    house = House(sandbox, sqlite, tmp_path, rules=RULES)
    buy(house, "ana@example.com", 20)
    buy(house, "ben@example.com", 18)
    judged(house)
    return house


def buy(house: House, email: str, day: int) -> None:
    """Somebody orders at noon of a day in November."""
    at = int(datetime(2026, 11, day, 11, tzinfo=UTC).timestamp())
    take(house.history, customer(email, email), order(f"{email} {day}", email=email, customer_id=email, placed_at=at))


def judged(house: House) -> None:
    """Everybody is judged; no shop is without news."""
    playbook = house.context.settings.audiences["main"].playbook
    for shop in house.context.settings.shops:
        set_shop_state(house.history, shop, pulled_at=house.context.clock.now())
    judge(house.context, "main", ledger.tags_of(house.history, "main", playbook, "syncd:"))


def told(house: House, day: int) -> dict[str, Any]:
    """What every view says of a day."""
    of = house.context, "main"
    return {
        "segments": {one["name"]: one["customers"] for one in views.segments(*of, day)["segments"]},
        "members": views.members(*of, "fresh", day)["customers"],
        "ana": views.explain(*of, "ana@example.com", day)["segments"],
        "ben": views.explain(*of, "ben@example.com", day)["segments"],
        "preview": views.preview(*of, "in(fresh)", day),
        "forecast": views.forecast(*of, day, 9),
    }


def test_a_later_order_does_not_show_in_a_day_before_it(house: House) -> None:
    before = told(house, THEN)
    assert before["members"] == ["ana@example.com"]
    house.later(2 * DAY)
    buy(house, "ben@example.com", 24)
    judged(house)
    assert told(house, THEN + 2)["members"] == ["ana@example.com", "ben@example.com"]
    assert told(house, THEN) == before


def test_who_has_left_since_is_still_kept_on_a_day_before(house: House) -> None:
    house.later(2 * DAY)
    judged(house)
    before = told(house, THEN + 2)
    # Only what keeps her holds by now.
    assert before["members"] == ["ana@example.com"]
    house.later(9 * DAY)
    judged(house)
    assert told(house, THEN + 11)["members"] == []
    assert told(house, THEN + 2) == before
