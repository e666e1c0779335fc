"""Anything may happen, in any order: in the shops, in the audience, to the network and to the process.

A state machine draws lives. After each cycle nothing was done that never may be;
and when the faults are over, everything comes to what it should be, and to rest. On every run 8 lives of 25 steps;
`make chaos`: 200 of 50.
"""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from typing import Any, ClassVar, Literal

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from syncd.errors import UnsafePlan
from syncd.sandbox import happenings
from syncd.sandbox.audience import Problem
from syncd.sandbox.faults import Fault
from syncd.sandbox.shop import Customer, Order, ShopState
from syncd.steps.place import settle_here
from tests.faults.harness import Break, Manner, Scene, Stage
from tests.faults.oracle import OURS, Judge, journeys
from tests.faults.runs import CYCLES, Story, cycle, is_quiet
from tests.faults.shelves import Files
from tests.faults.story import buys
from tests.integration.house import DAY

HOUR = 3_600
SHOPS = st.sampled_from(["acme", "cafe"])
# Which of those that there are: the n-th, counted round and round.
PICKS = st.integers(0, 1_000)
BIG = """
[audiences.main.lifecycle.segments.big]
when = "spend(ever) >= {}"
"""


class Life(RuleBasedStateMachine):
    """One life of the shops, the audience and syncd between them."""

    scene: ClassVar[Scene]

    def __init__(self) -> None:
        super().__init__()
        self._stack = ExitStack()
        self.stage: Stage = self._stack.enter_context(self.scene.opened())
        self.judge = self._stack.enter_context(Judge(self.stage))
        self.judge.others.add("big")
        # What the rules say counts, whatever the marketer took off: so it can be told what shall be.
        self.stage.audience = {"enforce": True}
        self.rules = self.stage.rules
        self.limit = 100
        self.shelf: Files = self.scene.shelf  # type: ignore[assignment]
        self.backup: Any = None

    @initialize()
    def begins(self) -> None:
        """The first import is through, and a rule of its own in use."""
        self._use(self.limit)

    # The shops.

    def _shop(self, name: str) -> ShopState:
        return self.stage.world.shops[name]

    def _customer(self, pick: int) -> Customer:
        """A customer of acme with an address."""
        known = sorted((one for one in self._shop("acme").customers if one.email), key=lambda one: one.id)
        return known[pick % len(known)]

    def _order(self, shop: str, pick: int) -> Order:
        placed = sorted(self._shop(shop).orders, key=lambda one: (one.placed_at, one.id))
        # One of the newest, to which most happens.
        return placed[-1 - pick % 20]

    @rule(shop=SHOPS, pick=PICKS, euros=st.integers(5, 150), guest=st.booleans())
    def somebody_orders(self, shop: str, pick: int, euros: int, guest: bool) -> None:
        people = sorted({one.email for each in self.stage.world.shops.values() for one in each.customers if one.email})
        email = people[pick % len(people)]
        if not guest and not self._shop(shop).customer_of(email):
            # An account of their own, made after they were erased.
            self.judge.erased.discard(email)
        buys(self.stage, shop, email, f"{euros}.00", guest=guest)

    @rule(shop=SHOPS, pick=PICKS, agrees=st.booleans())
    def a_stranger_orders(self, shop: str, pick: int, agrees: bool) -> None:
        consent = agrees if shop == "cafe" else ("subscribed" if agrees else "not_subscribed")
        buys(self.stage, shop, f"stranger.{pick}@example.com", "20.00", consent=consent)
        self.judge.erased.discard(f"stranger.{pick}@example.com")

    @rule(shop=SHOPS, pick=PICKS, euros=st.integers(5, 150))
    def an_order_is_edited(self, shop: str, pick: int, euros: int) -> None:
        order = self._order(shop, pick)
        if not order.refunds:
            self._shop(shop).change_order(order.id, total_minor=euros * 100 + order.tax_minor + order.shipping_minor)

    @rule(pick=PICKS)
    def an_order_is_cancelled(self, pick: int) -> None:
        order = self._order("acme", pick)
        self._shop("acme").change_order(order.id, cancelled_at=self.stage.world.clock.now(), status="voided")

    @rule(shop=SHOPS, pick=PICKS, whole=st.booleans())
    def money_goes_back(self, shop: str, pick: int, whole: bool) -> None:
        order = self._order(shop, pick)
        left = order.total_minor - order.refunded_minor
        if left > 100 and order.status in ("paid", "partially_refunded") and order.currency == "EUR":
            self._shop(shop).refund(order.id, None if whole else left // 2)

    @rule(shop=SHOPS, pick=PICKS)
    def an_order_is_deleted(self, shop: str, pick: int) -> None:
        self._shop(shop).delete_order(self._order(shop, pick).id)

    @rule(pick=PICKS, into=PICKS)
    def customers_are_merged(self, pick: int, into: int) -> None:
        gone, kept = self._customer(pick), self._customer(into)
        if gone.id != kept.id:
            self._shop("acme").merge_customers(gone.id, kept.id)

    @rule(pick=PICKS, number=st.integers(0, 5))
    def somebody_moves(self, pick: int, number: int) -> None:
        new = f"moved.{number}@example.com"
        if not self._shop("acme").customer_of(new):
            self._shop("acme").change_customer(self._customer(pick).id, email=new)

    @rule(pick=PICKS)
    def somebody_is_erased(self, pick: int) -> None:
        customer = self._customer(pick)
        assert customer.email
        self.judge.erased.add(customer.email)
        self._shop("acme").redact_customer(customer.id)

    @rule(pick=PICKS, state=st.sampled_from(["subscribed", "unsubscribed"]))
    def somebody_says_whether_to_be_mailed(self, pick: int, state: str) -> None:
        happenings.edit_customer(self._shop("acme"), self._customer(pick).id, {"consent": state})

    # The audience.

    def _member(self, pick: int) -> str:
        known = sorted(email for email, member in self.stage.state().items() if member["status"] == "subscribed")
        return known[pick % len(known)] if known else ""

    def _acts(self, email: str, change: dict[str, Any]) -> None:
        if email:
            self.stage.later(1)
            try:
                self.stage.members.act(email, change)
            except Problem:
                return  # the service does not let them
            self.judge.look()

    @rule(pick=PICKS, status=st.sampled_from(["unsubscribed", "cleaned", "archived", "deleted"]))
    def a_contact_leaves(self, pick: int, status: str) -> None:
        self._acts(self._member(pick), {"status": status})

    @rule(number=st.integers(0, 3))
    def a_contact_signs_up(self, number: int) -> None:
        for status in ("pending", "subscribed"):
            self._acts(f"signed.up.{number}@example.com", {"status": status})

    @rule(pick=PICKS, adds=st.booleans())
    def the_marketer_tags(self, pick: int, adds: bool) -> None:
        self._acts(self._member(pick), {"tags": {"add" if adds else "remove": ["newsletter"]}, "by": "admin"})

    @rule(pick=PICKS)
    def the_marketer_takes_a_tag_of_ours(self, pick: int) -> None:
        email = self._member(pick)
        ours = [tag for tag in self.stage.state().get(email, {"tags": []})["tags"] if tag.startswith(OURS)]
        if ours:
            self._acts(email, {"tags": {"remove": ours[:1]}, "by": "admin"})

    # Time, rules, the network and the process.

    @rule(seconds=st.sampled_from([1, 60, HOUR, 5 * HOUR, DAY, 3 * DAY, 35 * DAY]))
    def time_passes(self, seconds: int) -> None:
        self.stage.later(seconds)

    @rule(limit=st.sampled_from([50, 100]))
    def a_rule_is_edited(self, limit: int) -> None:
        self._use(limit)

    def _use(self, limit: int) -> None:
        self.limit = limit
        self.stage.rules = self.rules + BIG.format(limit)
        self.stage.restart()

    @rule(
        kind=st.sampled_from(["reset", "status", "truncate", "html200", "empty"]),
        phase=st.sampled_from(["before", "after"]),
        service=st.sampled_from(["shopify", "ecwid", "mailchimp"]),
        status=st.sampled_from([429, 500, 503]),
        after=st.integers(0, 20),
        count=st.integers(1, 8),
    )
    def the_network_fails(
        self, kind: Any, phase: Literal["before", "after"], service: str, status: int, after: int, count: int
    ) -> None:
        self.stage.world.faults.add(
            Fault(kind=kind, phase=phase, service=service, status=status, after=after, count=count)
        )

    @rule()
    def the_network_is_well(self) -> None:
        self.stage.world.faults.clear()

    @rule()
    def the_process_starts_anew(self) -> None:
        self.stage.restart()

    @rule()
    def a_backup_is_made(self) -> None:
        self.backup = self.shelf.put(self.stage.history)
        self.stage.restart()

    @precondition(lambda self: self.backup is not None)
    @rule()
    def the_backup_is_restored(self) -> None:
        """And whoever does so says it: `syncd moved`."""
        self.shelf.restore(self.backup)
        self.stage.restart()
        settle_here(self.stage.context)

    @rule()
    def syncd_works(self) -> None:
        self._works(None)

    @rule(at=st.integers(1, 90), manner=st.sampled_from(["cut before", "cut after", "refused", "answer lost"]))
    def syncd_works_until_something_breaks(self, at: int, manner: Manner) -> None:
        self._works(Break(at, manner))
        self.stage.restart()

    def _works(self, broken: Break | None) -> None:
        """A cycle, after which nothing was done that never may be."""
        self.stage.later(120)
        before, tags = Counter(journeys(self.stage)), self._bears()
        with self.stage.watched(broken):
            for error in self.stage.work():
                if isinstance(error, UnsafePlan):
                    self.stage.approve(error.plan_id)
        for (email, by, value), times in (Counter(journeys(self.stage)) - before).items():
            # Two orders may be told at once: by their episodes, see below.
            assert by == "event" or times == 1, f"I6: {email} entered the journey of {by} {value} {times} times at once"
            assert by != "tag" or (email, value) not in tags, f"I6: {email} bore {value} already"
        told = Counter(each.properties["episode"] for one in self.stage.members.members for each in one.events)
        assert max(told.values(), default=1) == 1, "I6: an episode was told twice"
        assert self.judge.trespasses() == []
        self.judge.look()

    def _bears(self) -> set[tuple[str, str]]:
        return {(email, tag) for email, member in self.stage.state().items() for tag in member["tags"]}

    def teardown(self) -> None:
        """When all is well again everything comes to what it should be, and to rest."""
        with self._stack:
            self.stage.world.faults.clear()
            self.stage.restart()
            for _ in range(CYCLES):
                self._settles()
            # The mean of all buyers is worked out once a day.
            self.stage.later(DAY)
            for _ in range(CYCLES):
                self._settles()
            # What the erased bought in another shop or as guests is nobody's with us, and theirs to the oracle.
            assert [*self.judge.arrears(vip=not self.judge.erased), *self._big()] == []
            assert is_quiet(self.stage)

    def _settles(self) -> None:
        cycle(self.stage)
        if held := self.stage.held():
            self.stage.approve(held)

    def _big(self) -> list[str]:
        """Who bears the tag of the rule that is edited and should not, or the other way round."""
        spent = {email: sum(one.net_minor for one in each) for email, each in self.judge.bought().items()}
        return [
            f"I3: {email} {'bears' if f'{OURS}big' in member['tags'] else 'lacks'} big"
            for email, member in self.stage.state().items()
            if member["status"] == "subscribed" and email not in self.judge.strangers()
            if (f"{OURS}big" in member["tags"]) != (spent.get(email, 0) >= self.limit * 100)
        ]


@pytest.mark.parametrize(("lives", "steps"), [(8, 25), pytest.param(200, 50, marks=pytest.mark.chaos)])
def test_whatever_happens_nothing_forbidden_is_done_and_all_comes_right(story: Story, lives: int, steps: int) -> None:
    # What is about to happen in this chapter has happened, and syncd has not looked yet.
    Life.scene = story["orders"].scene
    run_state_machine_as_test(
        Life,
        settings=settings(
            max_examples=lives,
            stateful_step_count=steps,
            deadline=None,
            derandomize=True,
            # The steps are printed as drawn: to shorten them means to live again for an hour.
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
