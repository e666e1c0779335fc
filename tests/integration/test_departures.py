"""E-mail changes, merges and erasures at a shop reach the contact in the audience, once, and mail nobody."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from sqlalchemy import event, select

from syncd import pipeline, views
from syncd.errors import UnsafePlan, UserError
from syncd.history.database import History
from syncd.history.schema import customers, standings
from syncd.sandbox.audience.members import Member
from syncd.sandbox.serve import Running
from syncd.sandbox.shop import Customer
from tests.integration.house import DAY, House

NEW = "new.address@example.com"


def in_one_shop(house: House, *, tag: str = "repeat") -> str:
    """The first subscriber with this tag who is a customer of acme and of no other shop."""
    return min(email for email in everyone_in_one_shop(house) if f"syncd:{tag}" in house.state()[email]["tags"])


def everyone_in_one_shop(house: House) -> list[str]:
    acme, cafe = (house.world.shops[name] for name in ("acme", "cafe"))
    return sorted(
        email
        for email, member in house.state().items()
        if member["status"] == "subscribed"
        and acme.customer_of(email)
        and not cafe.customer_of(email)
        and not any(order.email == email and order.customer_id is None for order in acme.orders)
        and not any(order.email == email for order in cafe.orders)
    )


def today(house: House) -> int:
    return house.context.today(house.context.settings.audiences["main"])


def customer_id(house: House, email: str) -> int:
    customer = house.world.shops["acme"].customer_of(email)
    assert customer
    return customer.id


def contact(house: House, email: str) -> Member:
    member = house.members.members.at(email)
    assert member
    return member


def change_address(house: House, email: str, new: str) -> None:
    house.call("POST", f"/shops/acme/customers/{customer_id(house, email)}", {"email": new})


def stripped(house: House) -> set[str]:
    with house.history.read() as db:
        query = select(customers.c.email).join(standings, standings.c.customer_id == customers.c.id)
        return set(db.execute(query.where(standings.c.leaving == "strip")).scalars())


def quiet(house: House) -> bool:
    """Whether a further cycle writes nothing."""
    before = house.requests()
    house.sync_in_order()
    return house.writes(before) == []


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_who_changes_the_address_in_the_shop_keeps_the_contact_with_all_that_it_has(
    sandbox: Running, emptied_history: Callable[[str], History], tmp_path: Path, database: str
) -> None:
    house = House(sandbox, emptied_history(database), tmp_path)
    house.backfill()
    someone = in_one_shop(house)
    house.members.act(someone, {"tags": {"add": ["the marketer's own"]}})
    before, tags, journeys = (
        contact(house, someone).contact_id,
        set(house.state()[someone]["tags"]),
        house.journeys(),
    )
    change_address(house, someone, NEW)
    at = house.requests()
    house.sync_in_order()
    assert len(house.writes(at)) == 1
    with pytest.raises(UserError, match=f"another address in the shop by now: {NEW}"):
        views.explain(house.context, "main", someone, today(house))
    assert someone not in house.state()
    assert (contact(house, NEW).contact_id, house.state()[NEW]["status"]) == (before, "subscribed")
    assert set(house.state()[NEW]["tags"]) == tags
    house.sync_in_order()
    assert house.tagged() == house.expected()
    assert house.journeys() == journeys
    assert quiet(house)


def test_an_address_that_changes_twice_between_two_cycles_takes_the_contact_to_the_last(house: House) -> None:
    someone = in_one_shop(house)
    before = contact(house, someone).contact_id
    change_address(house, someone, "in.between@example.com")
    house.later(60)
    house.context.source("acme")
    pipeline.pull_all(house.context, ["acme"])
    change_address(house, "in.between@example.com", NEW)
    house.later(60)
    house.sync_in_order()
    assert contact(house, NEW).contact_id == before
    assert {someone, "in.between@example.com"}.isdisjoint(house.state())


def test_an_address_that_changes_back_leaves_everything_as_it_was(house: House) -> None:
    someone = in_one_shop(house)
    before = contact(house, someone).contact_id
    for old, new in ((someone, NEW), (NEW, someone)):
        change_address(house, old, new)
        house.sync_in_order()
        house.later(60)
    assert contact(house, someone).contact_id == before
    house.sync_in_order()
    assert house.tagged() == house.expected()
    assert quiet(house)


def test_where_the_new_address_is_a_contact_already_the_old_one_is_archived_and_both_pasts_are_one(
    house: House,
) -> None:
    someone = in_one_shop(house)
    house.members.add_member(NEW, "subscribed")
    house.sync_in_order()
    change_address(house, someone, NEW)
    house.later(DAY)
    house.sync_in_order()
    assert house.state()[someone]["status"] == "archived"
    assert house.tags(someone) == set()
    assert house.state()[NEW]["status"] == "subscribed"
    house.sync_in_order()
    assert house.tagged() == house.expected()
    assert "repeat" in house.tags(NEW)
    assert quiet(house)


def test_a_new_address_that_bounced_or_was_archived_costs_nobody_their_contact(house: House) -> None:
    someone = in_one_shop(house)
    house.members.add_member(NEW, "cleaned")
    house.sync_in_order()
    change_address(house, someone, NEW)
    house.sync_in_order()
    assert house.state()[someone]["status"] == "subscribed"
    assert house.tags(someone) == set()
    assert quiet(house)


def test_who_unsubscribed_stays_so_under_the_new_address(house: House) -> None:
    someone = in_one_shop(house)
    house.members.act(someone, {"status": "unsubscribed"})
    house.sync_in_order()
    change_address(house, someone, NEW)
    house.call("POST", f"/shops/acme/customers/{customer_id(house, NEW)}", {"consent": True})
    house.sync_in_order()
    house.sync_in_order()
    assert house.state()[NEW]["status"] == "unsubscribed"
    assert someone not in house.state()
    assert quiet(house)


def test_who_objected_is_not_made_a_contact_under_a_new_address(house: House) -> None:
    someone = in_one_shop(house)
    house.members.act(someone, {"status": "unsubscribed"})
    house.sync_in_order()
    house.members.act(someone, {"status": "archived"})
    house.sync_in_order()
    change_address(house, someone, NEW)
    house.call("POST", f"/shops/acme/customers/{customer_id(house, NEW)}", {"consent": True})
    house.sync_in_order()
    assert NEW not in house.state()


def test_who_still_has_the_old_address_in_another_shop_keeps_both(house: House) -> None:
    someone = in_one_shop(house)
    house.order("cafe", someone, "12.00")
    house.sync_in_order()
    change_address(house, someone, NEW)
    house.sync_in_order()
    assert house.state()[someone]["status"] == "subscribed"
    assert "first-time" in house.tags(someone)


def test_merged_customers_go_on_as_one_contact(house: House) -> None:
    gone = in_one_shop(house)
    kept = "kept.customer@example.com"
    house.order("acme", kept, "10.00", consent=True)
    house.sync_in_order()
    house.sync_in_order()
    body = {"into": customer_id(house, kept)}
    house.call("POST", f"/shops/acme/customers/{customer_id(house, gone)}/merge", body)
    house.later(DAY)
    house.sync_in_order()
    assert house.state()[gone]["status"] == "archived"
    assert house.tags(gone) == set()
    house.sync_in_order()
    assert house.tagged() == house.expected()
    assert "repeat" in house.tags(kept)
    assert quiet(house)


def test_a_merge_into_somebody_who_is_no_contact_takes_the_contact_along(house: House) -> None:
    gone = in_one_shop(house)
    before = contact(house, gone).contact_id
    house.order("acme", NEW, "10.00")
    house.sync_in_order()
    body = {"into": customer_id(house, NEW)}
    house.call("POST", f"/shops/acme/customers/{customer_id(house, gone)}/merge", body)
    house.sync_in_order()
    assert contact(house, NEW).contact_id == before
    assert gone not in house.state()


def test_a_customer_without_any_address_by_now_is_no_stranger_who_never_bought(house: House) -> None:
    someone = in_one_shop(house)
    house.call("POST", f"/shops/acme/customers/{customer_id(house, someone)}", {"email": None})
    house.later(DAY)
    house.sync_in_order()
    assert (house.state()[someone]["status"], house.tags(someone)) == ("subscribed", set())
    assert quiet(house)


def test_a_customer_who_is_merely_deleted_stays_a_contact(house: House) -> None:
    someone = in_one_shop(house, tag="non-buyer")
    house.call("DELETE", f"/shops/acme/customers/{customer_id(house, someone)}")
    house.sync_in_order()
    assert house.state()[someone]["status"] == "subscribed"


def test_who_is_erased_at_the_shop_loses_what_is_ours_and_is_archived_in_the_same_cycle(house: House) -> None:
    someone = in_one_shop(house)
    assert any(house.state()[someone]["merge_fields"].values())
    house.call("POST", f"/shops/acme/customers/{customer_id(house, someone)}/redact")
    house.sync_in_order()
    state = house.state()[someone]
    assert (state["status"], house.tags(someone)) == ("archived", set())
    ours = {field.name for field in house.context.settings.audiences["main"].playbook.fields}
    assert not any(value for name, value in state["merge_fields"].items() if name in ours)
    assert house.journeys() == []
    assert quiet(house)
    house.later(DAY)
    house.sync_in_order()
    with pytest.raises(UserError, match="erased"):
        views.explain(house.context, "main", someone, today(house))
    listed = views.members(house.context, "main", "non-buyer", today(house))
    assert someone not in listed["customers"]


def test_an_erased_person_stays_erased_whatever_is_read_later(house: House) -> None:
    someone = in_one_shop(house)
    house.call("POST", f"/shops/acme/customers/{customer_id(house, someone)}/redact")
    house.sync_in_order()
    house.members.forget(contact(house, someone).hash)
    house.order("cafe", someone, "40.00", guest=True)
    for _ in range(3):
        house.later(DAY)
        house.sync()
    assert someone not in house.state()


def test_an_erased_person_who_signs_up_anew_is_one_like_any_other(house: House) -> None:
    someone = in_one_shop(house)
    house.call("POST", f"/shops/acme/customers/{customer_id(house, someone)}/redact")
    house.sync_in_order()
    house.later(DAY)
    house.members.act(someone, {"status": "subscribed"})
    house.sync_in_order()
    assert house.state()[someone]["status"] == "subscribed"
    house.later(40 * DAY)
    house.order("acme", someone, "15.00", consent=True)
    house.sync_in_order()
    house.later(DAY)
    house.sync_in_order()
    assert "first-time" in house.tags(someone)


def test_where_contacts_are_not_to_follow_the_shops_only_what_is_ours_goes(house: House) -> None:
    house.configure(follow_shops=False)
    moving, erased = in_one_shop(house), in_one_shop(house, tag="non-buyer")
    change_address(house, moving, NEW)
    house.call("POST", f"/shops/acme/customers/{customer_id(house, erased)}/redact")
    house.sync_in_order()
    for someone in (moving, erased):
        assert (house.state()[someone]["status"], house.tags(someone)) == ("subscribed", set())
    assert quiet(house)


@pytest.mark.parametrize("kind", ["reset", "html200", "status"])
@pytest.mark.parametrize("phase", ["before", "after"])
def test_a_rename_whose_answer_was_lost_is_looked_at_and_done_once(house: House, kind: str, phase: str) -> None:
    someone = in_one_shop(house)
    before = contact(house, someone).contact_id
    fault = {"service": "mailchimp", "method": "PATCH", "path": "*/members/*", "kind": kind, "phase": phase, "count": 1}
    house.call("POST", "/faults", [fault])
    change_address(house, someone, NEW)
    house.sync()
    house.sync_in_order()
    house.sync_in_order()
    assert contact(house, NEW).contact_id == before
    assert someone not in house.state()
    assert quiet(house)


@pytest.mark.parametrize("phase", ["before", "after"])
def test_an_archiving_whose_answer_was_lost_is_done_again_without_harm(house: House, phase: str) -> None:
    someone = in_one_shop(house)
    fault = {"service": "mailchimp", "method": "DELETE", "path": "*", "kind": "reset", "phase": phase, "count": 1}
    house.call("POST", "/faults", [fault])
    house.call("POST", f"/shops/acme/customers/{customer_id(house, someone)}/redact")
    house.sync_in_order()
    assert house.state()[someone]["status"] == "archived"
    assert quiet(house)


def test_a_crowd_of_address_changes_is_held_like_any_accident(house: House) -> None:
    house.configure(brake={"removals_min": 2, "removals_share": 0.0})
    for n in range(3):
        change_address(house, in_one_shop(house), f"moved.{n}@example.com")
        house.later(1)
    before = house.requests()
    errors = house.sync().errors
    assert [type(error) for error in errors] == [UnsafePlan]
    assert "3 contacts would be renamed or archived, the limit is 2" in str(errors[0])
    assert house.writes(before) == []
    assert isinstance(errors[0], UnsafePlan)
    pipeline.approve(house.context, errors[0].plan_id)
    house.sync_in_order()
    assert sum(email.startswith("moved.") for email in house.state()) == 3


def test_a_crowd_is_renamed_in_a_batch(house: House) -> None:
    house.configure(brake={"removals_min": 1_000})
    moving = everyone_in_one_shop(house)
    assert len(moving) > 20
    for n, email in enumerate(moving):
        change_address(house, email, f"moved.{n}@example.com")
    house.sync_in_order()
    assert set(moving).isdisjoint(house.state())
    house.sync_in_order()
    assert house.tagged() == house.expected()
    assert quiet(house)


def test_a_contact_that_moved_in_the_audience_is_not_made_anew_under_the_old_address(house: House) -> None:
    someone = in_one_shop(house)
    house.members.act(someone, {"email": NEW})
    house.later(DAY)
    house.sync_in_order()
    house.later(DAY)
    house.sync_in_order()
    assert someone not in house.state()
    assert quiet(house)


def test_a_subscriber_of_no_shop_who_moved_in_the_audience_leaves_nothing_behind(house: House) -> None:
    house.members.add_member("only.here@example.com", "subscribed")
    house.later(40 * DAY)
    house.sync_in_order()
    assert "non-buyer" in house.tags("only.here@example.com")
    house.members.act("only.here@example.com", {"email": NEW})
    house.sync_in_order()
    house.sync_in_order()
    assert "only.here@example.com" not in house.state()
    assert "non-buyer" in house.tags(NEW)
    assert quiet(house)


def test_a_quiet_cycle_does_not_look_at_those_who_moved_long_ago(house: House) -> None:
    change_address(house, in_one_shop(house), NEW)
    for _ in range(3):
        house.later(3_600)
        house.members.act(max(house.state()), {"merge_fields": {"FNAME": f"{house.requests()}"}})
        house.sync_in_order()
    house.later(60)
    house.sync_in_order()
    said: list[str] = []

    def listen(*given: object) -> None:
        said.append(str(given[2]))

    event.listen(house.history.engine, "before_cursor_execute", listen)
    house.sync_in_order()
    event.remove(house.history.engine, "before_cursor_execute", listen)
    assert said
    assert not [statement for statement in said if "former_customers" in statement]


class Walk:
    """Things that happen to people at random, in the shops and in the audience."""

    def __init__(self, house: House, seed: int) -> None:
        self.house, self.random = house, Random(seed)
        self.acme, self.cafe = (house.world.shops[name] for name in ("acme", "cafe"))
        self.erased: set[str] = set()

    def happen(self) -> None:
        """One thing."""
        self.random.choice(
            [
                self.move,
                self.move,
                self.swap,
                self.merge,
                self.redact,
                self.delete,
                self.order,
                self.unsubscribe,
                self.rename,
            ]
        )()
        self.house.later(self.random.randrange(1, 4 * 3_600))

    def _customers(self) -> list[Customer]:
        return [customer for customer in self.acme.customers if customer.email]

    def move(self) -> None:
        """Somebody gets another address, now and then that of a contact."""
        free = f"walker.{self.random.randrange(10**6)}@example.com"
        taken = self.random.choice(sorted(self.house.state()))
        new = taken if self.random.random() < 0.2 and not self.acme.customer_of(taken) else free
        self.acme.change_customer(self.random.choice(self._customers()).id, email=new)

    def swap(self) -> None:
        """Two people exchange their addresses."""
        one, other = self.random.sample(self._customers(), 2)
        self.acme.change_customer(one.id, email="between@example.com")
        self.acme.change_customer(other.id, email=one.email)
        self.acme.change_customer(one.id, email=other.email)

    def merge(self) -> None:
        gone, kept = self.random.sample(self._customers(), 2)
        self.acme.merge_customers(gone.id, kept.id)

    def redact(self) -> None:
        customer = self.random.choice(self._customers())
        assert customer.email
        self.erased.add(customer.email)
        self.acme.redact_customer(customer.id)

    def delete(self) -> None:
        idle = [one for one in self._customers() if not self.acme.orders_of.get(one.id)]
        if idle:
            self.acme.delete_customer(self.random.choice(idle).id)

    def order(self) -> None:
        shop = self.random.choice(["acme", "cafe"])
        people = {one.email for one in (*self.acme.customers, *self.cafe.customers) if one.email}
        email, guest = self.random.choice(sorted(people)), self.random.random() < 0.3
        if not guest and not self.house.world.shops[shop].customer_of(email):
            # An account of their own, made after they were erased.
            self.erased.discard(email)
        self.house.order(shop, email, "19.90", guest=guest)

    def unsubscribe(self) -> None:
        self.house.members.act(self._subscriber(), {"status": "unsubscribed"})

    def rename(self) -> None:
        """A contact changes their address in the e-mail service."""
        new = f"renamed.{self.random.randrange(10**6)}@example.com"
        self.house.members.act(self._subscriber(), {"email": new})

    def _subscriber(self) -> str:
        return self.random.choice(sorted(e for e, m in self.house.state().items() if m["status"] == "subscribed"))


@pytest.mark.parametrize("seed", range(5))
def test_whatever_happens_to_people_contacts_are_kept_nobody_is_mailed_and_it_comes_to_rest(
    house: House, seed: int
) -> None:
    house.configure(brake={"removals_min": 1_000, "known_customers": 10_000})
    walk = Walk(house, seed)
    asked = {member.contact_id: member.status for member in house.members.members}
    for _ in range(40):
        walk.happen()
        if walk.random.random() < 0.4:
            # Who objects between two cycles is the audience's own news, and no doing of ours.
            asked |= {member.contact_id: member.status for member in house.members.members}
            house.sync_in_order()
            for member in house.members.members:
                before = asked.get(member.contact_id, member.status)
                assert member.status in (before, "archived"), "no status is written but by archiving"
    for _ in range(3):
        house.later(DAY)
        house.sync_in_order()
    assert quiet(house)
    # Who is known by another address now is nobody under the old one, though the contact had to stay.
    assert house.tagged() == house.expected(walk.erased | stripped(house))
