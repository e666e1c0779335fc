"""To judge only those with news and those who are due is to judge everybody, day after day."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from random import Random
from threading import Event
from typing import Any

import msgspec
import numpy as np
import pytest

from syncd.calendar import date_of, day_of, local_day, midnight
from syncd.history import ledger
from syncd.history.database import History
from syncd.history.fields import canonical_fields
from syncd.history.members import store_members
from syncd.history.schema import standings
from syncd.history.shops import set_shop_state, shop_row
from syncd.lifecycle.columns import Batch
from syncd.model import Cart, Customer, Item, Order, Refund
from syncd.plan import Tags
from syncd.plan.want import Reach
from syncd.rules import SegmentSpec
from syncd.rules import judge as judge_rules
from syncd.settings import load
from syncd.steps.context import Context, Stopped
from syncd.steps.figures import Figures, columns_of, figures_on
from syncd.steps.judge import Judged, digest_of, judge, reaches, stood
from syncd.views import segments
from tests.integration.history_records import customer, member, order, rows, take
from tests.unit.random_rules import Author

DAYS = 400
FIRST_DAY = day_of(date(2027, 11, 20))  # 29 February and two ends of a year lie ahead
ZONES = ("Europe/Madrid", "America/Santiago", "Australia/Sydney", "Asia/Kathmandu")
PEOPLE = [f"{name}@example.com" for name in ("ana", "ben", "eva", "leo", "mia", "noa", "pau", "sol")]
RULES = (
    SegmentSpec("spend(6 months) >= 100 or orders(5 weeks) >= 2", stay_while="spend(7 months) >= 60"),
    SegmentSpec("spend(ever) > 150", settle=12 * 3_600),
    SegmentSpec("since_last_order >= 2 months and not in(s-0)"),
    SegmentSpec("lateness > 1.5 and since_last_order between 7 days and 1 year"),
    SegmentSpec("spend(this year) >= 80 and months_left <= 10"),
    SegmentSpec("since_cart >= 3 hours and since_cart < 2 days and cart_value >= 20"),
    SegmentSpec("birthday within this month or anniversary within 7 days"),
    SegmentSpec("subscribed and orders(ever) == 0 and since_signup >= 30 days"),
    SegmentSpec("min(since_last_order, since_click) >= 90 days", stay_while="orders(ever) < 9", settle=86_400),
    SegmentSpec("spend(last month) > average_order(1 year)"),
    SegmentSpec("spend(ever) > mean(spend(ever))", stay_while="spend(ever) > 0.8 * mean(spend(ever))"),
    SegmentSpec("orders(6 months) >= percentile(orders(6 months), 75) and spend(ever) < percentile(spend(ever), 90)"),
)


@dataclass
class Clock:
    """It stands still until it is set."""

    instant: int = 0

    def now(self) -> int:
        return self.instant

    def wait_until(self, instant: int, stop: Event) -> None:
        self.instant = max(self.instant, instant)


@dataclass
class World:
    """Random people of one shop, to whom something happens now and then."""

    history: History
    directory: Path
    segments: Sequence[SegmentSpec]
    random: Random
    clock: Clock = field(default_factory=Clock)
    orders: dict[str, Order] = field(default_factory=dict)
    read: list[tuple[Batch, list[int]]] | None = None

    def __post_init__(self) -> None:
        self.zone = self.random.choice(ZONES)
        (self.directory / "token").touch(0o600)
        path = self.directory / "syncd.toml"
        path.write_text(configuration(self.zone, self.segments))
        self.context = Context(load(path), self.history, self.clock)
        shop_row(self.history, "acme", platform="shopify")
        set_shop_state(self.history, "acme", pulled_at=midnight(FIRST_DAY, self.zone))

    def at(self, day: int) -> None:
        """Afterwards it is some time of a local day."""
        self.clock.instant = midnight(day, self.zone) + self.random.randrange(80_000)

    def tags(self) -> Tags:
        return ledger.tags_of(self.history, "main", self.context.settings.audiences["main"].playbook, "")

    def judged(self) -> Judged:
        return judge(self.context, "main", self.tags())

    def everybody(self) -> list[tuple[Batch, list[int]]]:
        """The facts of everybody; they are read anew only after something happened."""
        if self.read is None:
            today = self.context.today(self.context.settings.audiences["main"])
            self.read = [
                (batch, reaches(self.context, "main", stood(self.context, "main", batch)).tolist())
                for batch in columns_of(self.context, "main", today, None)
            ]
        return self.read

    def takes(self, *records: Order | Customer, **given: Any) -> None:
        take(self.history, *records, now=self.clock.instant, **given)

    # What happens, today if nothing else is said.

    def somebody_orders(self, days_ago: int = 0) -> None:
        email, paid = self.random.choice(PEOPLE), self.random.choice((1_000, 5_000, 9_999, 25_000))
        # The shop's clock may be ahead, and so be into the next day.
        placed_at = self.clock.instant - days_ago * 86_400 + self.random.choice((-3_600, 0, 40_000))
        one = order(
            str(len(self.orders)),
            email=email,
            customer_id=email,
            placed_at=placed_at,
            updated_at=self.clock.instant,
            paid_minor=paid,
            goods_minor=paid,
            items=(Item("7", self.random.choice(("Tea", "Cup")), 2, paid // 2, "t-1", "drinks"),),
        )
        self.orders[one.id] = one
        self.takes(one)

    def an_order_changes(self) -> None:
        """It is refunded in part or in full, or cancelled."""
        one = self.random.choice(list(self.orders.values()))
        part = self.random.choice((one.paid_minor, one.paid_minor // 2))
        refund = Refund("r", part, part, self.clock.instant)
        changed = self.random.choice(({"refunds": (refund,)}, {"cancelled": True}))
        self.takes(msgspec.structs.replace(one, updated_at=self.clock.instant, **changed))

    def an_order_is_deleted(self) -> None:
        self.takes(deleted_orders=(self.random.choice(list(self.orders)),))

    def somebody_is_deleted(self) -> None:
        self.takes(deleted_customers=(self.random.choice(PEOPLE),))

    def somebody_signs_up(self) -> None:
        email = self.random.choice(PEOPLE)
        now = self.clock.instant
        self.takes(customer(email, email, updated_at=now, created_at=now - self.random.randrange(40 * 86_400)))

    def a_cart_is_left(self) -> None:
        email, now = self.random.choice(PEOPLE), self.clock.instant
        begun_at = now - self.random.randrange(7_200)
        cart = Cart("c" + email, begun_at, now, "EUR", self.random.choice((500, 4_000)), email, email)
        self.takes(carts=(cart,))

    def a_member_changes(self) -> None:
        status, now = self.random.choice(("subscribed", "unsubscribed")), self.clock.instant
        one = member(
            self.random.choice(PEOPLE),
            status,
            changed_at=now,
            click_rate=self.random.random(),
            birthday=self.random.choice((None, 101, 229, 715)),
        )
        store_members(self.history, "main", [one], None, bits={}, field_names=[], now=now)

    def something_happens(self) -> None:
        happenings = (
            *[self.somebody_orders] * 5,
            *[self.an_order_changes, self.a_cart_is_left, self.a_member_changes, self.somebody_signs_up] * 2,
            self.an_order_is_deleted,
            self.somebody_is_deleted,
        )
        self.random.choice(happenings)()
        self.read = None


def configuration(zone: str, segments: Iterable[SegmentSpec]) -> str:
    text = f"""
[syncd]
stale_after = "999 days"
[shops.acme]
platform = "shopify"
domain = "acme.myshopify.com"
token = {{ file = "token" }}
[audiences.main]
esp = "mailchimp"
list_id = "a1"
api_key = {{ file = "token" }}
shops = ["acme"]
currency = "EUR"
timezone = "{zone}"
[audiences.main.lifecycle.fields.SPEND]
value = "spend(3 months)"
"""
    for at, spec in enumerate(segments):
        text += f"[audiences.main.lifecycle.segments.s-{at}]\nwhen = {json.dumps(spec.when)}\n"
        text += f"stay_while = {json.dumps(spec.stay_while)}\n" if spec.stay_while else ""
        text += f'settle = "{spec.settle} seconds"\n' if spec.settle else ""
    return text


def random_rules(author: Author, count: int) -> list[SegmentSpec]:
    """Without figures of the audience: random ones have everybody judged whenever they move."""
    written = (author.rule(depth=1) for _ in iter(int, 1))
    still = (rule for rule in written if not re.search(r"mean|percentile|usual", rule))
    return [SegmentSpec(next(still), stay_while=next(still)) for _ in range(count)]


def audited(world: World, figures: Figures) -> None:
    """Everybody stands and is described as if all were judged now."""
    found = {row[0]: row[1:] for row in rows(world.history, standings, "customer_id", "segments", "wanted_fields")}
    playbook, today = world.context.settings.audiences["main"].playbook, local_day(world.clock.instant, world.zone)
    for batch, reached in world.everybody():
        stored = [found.get(id_, (0, "")) for id_ in batch.customer.tolist()]
        batch = replace(batch, was_in=np.array([segments for segments, _ in stored], np.int64))
        audit = judge_rules(playbook, batch, today, figures, world.tags().bits, world.clock.instant)
        assert audit.segments.tolist() == batch.was_in.tolist(), date_of(today)
        told = [
            canonical_fields({name: values[at] for name, values in audit.fields.items()}) for at in range(len(batch))
        ]
        assert [one for one, far in zip(told, reached, strict=True) if far == Reach.FULL] == [
            fields for (_, fields), far in zip(stored, reached, strict=True) if far == Reach.FULL
        ], date_of(today)


def test_judging_who_is_due_is_judging_everybody_over_400_days(history: History, tmp_path: Path) -> None:
    random = Random(history.engine.name)
    world = World(history, tmp_path, [*RULES, *random_rules(Author(len(history.engine.name)), 2)], random)
    world.at(FIRST_DAY)
    for _ in range(25):
        world.somebody_orders(days_ago=random.randrange(1, 500))
    judged, moved = 0, 0
    for day in range(FIRST_DAY, FIRST_DAY + DAYS):
        world.at(day)
        while random.random() < 0.15:
            world.something_happens()
        found = world.judged()
        judged, moved = judged + found.people, moved + found.joined + found.left
        audited(world, figures_on(world.context, "main", day))
    assert moved > 100
    assert judged < DAYS * len(PEOPLE) / 2


def a_world(history: History, directory: Path, *rules: SegmentSpec) -> World:
    """Everybody ordered once, eight weeks ago at the most, and was judged."""
    world = World(history, directory, rules, Random(1))
    for number, email in enumerate(PEOPLE):
        world.clock.instant = midnight(FIRST_DAY - 7 * number, world.zone) + 40_000
        world.takes(bought(email, world.clock.instant))
    world.clock.instant = midnight(FIRST_DAY, world.zone) + 50_000
    assert world.judged().people == len(PEOPLE)
    return world


def bought(email: str, placed_at: int, **more: Any) -> Order:
    given = {"paid_minor": 5_000, "goods_minor": 5_000, "updated_at": placed_at} | more
    return order(f"{email} {placed_at}", email=email, customer_id=email, placed_at=placed_at, **given)


def on(world: World, days: int) -> int:
    """How many are judged so many days later, early in the morning."""
    world.clock.instant = midnight(FIRST_DAY + days, world.zone) + 60
    return world.judged().people


def test_a_new_day_alone_judges_nobody_but_those_whom_it_moves(sqlite: History, tmp_path: Path) -> None:
    world = a_world(sqlite, tmp_path, SegmentSpec("orders(1 week) >= 1"))
    assert [on(world, days) for days in (1, 6, 7, 7, 8)] == [0, 0, 1, 0, 0]
    # The field SPEND loses an order after three months: on 6 February those of up to 6 November.
    assert [on(world, days) for days in (78, 400, 900)] == [len(PEOPLE) - 2, 2, 0]


def test_when_a_figure_moves_those_are_judged_whom_it_passes(sqlite: History, tmp_path: Path) -> None:
    world = a_world(sqlite, tmp_path, SegmentSpec("spend(ever) > mean(spend(ever))"))
    assert on(world, 1) == 0
    world.takes(bought(PEOPLE[0], world.clock.instant))
    # The figure is that of the day until it is over.
    assert world.judged().people == 1
    # It was 50 like everybody's spend, and is 56.25. Who has spent 100 by now is above both.
    assert on(world, 2) == len(PEOPLE) - 1
    assert on(world, 3) == 0
    world.takes(bought(PEOPLE[1], world.clock.instant))
    # From 56.25 to 62.50: between these is nobody, but there is news of one.
    assert [on(world, days) for days in (4, 5)] == [1, 0]


def test_the_figures_of_a_day_stay_when_a_rule_changes_and_not_when_orders_are_read_otherwise(
    sqlite: History, tmp_path: Path
) -> None:
    world = a_world(sqlite, tmp_path, SegmentSpec("spend(ever) > mean(spend(ever))"))
    world.takes(bought(PEOPLE[0], world.clock.instant))
    world.judged()
    changed = World(sqlite, tmp_path, [SegmentSpec("spend(ever) >= mean(spend(ever))")], Random(1), world.clock)
    assert changed.judged().people == len(PEOPLE)
    assert ledger.figures_of(sqlite, "main", FIRST_DAY) == {"mean(spend(ever))": 50.0}
    audience = changed.context.settings.audiences["main"]
    otherwise = audience.model_copy(update={"pending_counts": True})
    ledger.set_audience(sqlite, "main", rules_digest=digest_of(otherwise, changed.tags()))
    assert changed.judged().people == len(PEOPLE)
    assert ledger.figures_of(sqlite, "main", FIRST_DAY) == {"mean(spend(ever))": 56.25}


@pytest.mark.parametrize("rule", ["since_last_order > mean(since_last_order)", "spend(ever) / mean(spend(ever)) > 1"])
def test_everybody_is_judged_when_a_figure_moves_that_can_move_anybody(
    sqlite: History, tmp_path: Path, rule: str
) -> None:
    world = a_world(sqlite, tmp_path, SegmentSpec(rule))
    world.takes(bought(PEOPLE[0], world.clock.instant))
    assert on(world, 1) == len(PEOPLE)


def test_everybody_is_judged_when_the_rules_change_even_if_that_was_cut_off(sqlite: History, tmp_path: Path) -> None:
    world = a_world(sqlite, tmp_path, SegmentSpec("orders(1 week) >= 1"))
    assert world.judged().people == 0
    changed = World(sqlite, tmp_path, [SegmentSpec("orders(2 weeks) >= 1")], Random(1), world.clock)
    changed.context.stop.set()
    with pytest.raises(Stopped):
        changed.judged()
    changed.context.stop.clear()
    assert changed.judged().people == len(PEOPLE)
    assert changed.judged().people == 0


def test_an_order_that_came_while_a_shop_was_silent_counts_when_days_go_on(sqlite: History, tmp_path: Path) -> None:
    world = a_world(sqlite, tmp_path, SegmentSpec("orders(ever) >= 2"))
    heard = world.clock.instant
    world.clock.instant = heard + 1_000 * 86_400
    world.takes(bought(PEOPLE[0], world.clock.instant - 60))
    assert (world.judged().joined, world.judged().people) == (0, 0)
    set_shop_state(sqlite, "acme", pulled_at=world.clock.instant)
    assert world.judged().joined == 1


def test_an_order_dated_ahead_counts_on_its_day(sqlite: History, tmp_path: Path) -> None:
    world = a_world(sqlite, tmp_path, SegmentSpec("orders(ever) >= 2"))
    world.takes(bought(PEOPLE[0], midnight(FIRST_DAY + 2, world.zone) + 5))
    assert world.judged() == Judged(1, 0, 0)
    assert on(world, 1) == 0
    assert on(world, 2) == 1
    assert world.judged().people == 0


def test_who_left_the_shop_is_not_due_for_ever(sqlite: History, tmp_path: Path) -> None:
    world = a_world(sqlite, tmp_path, SegmentSpec("orders(1 week) >= 1"))
    world.takes(customer(PEOPLE[0], PEOPLE[0], updated_at=world.clock.instant, redacted=True))
    world.clock.instant = midnight(FIRST_DAY + 30, world.zone)
    world.judged()
    assert ledger.due(sqlite, "main", world.clock.instant) == []


def test_each_segment_tells_when_somebody_moves_next(sqlite: History, tmp_path: Path) -> None:
    world = a_world(sqlite, tmp_path, SegmentSpec("orders(1 week) >= 1"), SegmentSpec("orders(ever) >= 2"))
    shown = segments(world.context, "main", FIRST_DAY)["segments"]
    leaves = np.datetime64(midnight(FIRST_DAY + 7, world.zone), "s")
    assert {one["name"]: one["next_due"] for one in shown} == {"s-0": f"{leaves}Z", "s-1": None}
    assert ledger.next_due(sqlite, "main", world.clock.instant) == midnight(FIRST_DAY + 7, world.zone)
