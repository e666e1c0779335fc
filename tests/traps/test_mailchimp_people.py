"""Mailchimp's traps about people: who may be written to, who may be created, and what is never changed."""

from __future__ import annotations

import json

import pytest

from syncd import views
from syncd.model import Change
from syncd.sandbox.audience.problems import in_compliance_state
from syncd.sandbox.shop import Order
from tests.integration.mailchimp_world import NOW, Town
from tests.traps.mailchimp_stage import Home, plainly, wiretap

ANN, BOB, EVE = "ann@shop.example", "bob@shop.example", "eve@shop.example"
NEW = "ann.new@shop.example"
STATUSES = ("subscribed", "unsubscribed", "cleaned", "pending", "transactional", "archived")


def test_trap_04_no_run_of_syncs_changes_a_status_or_an_opt_in(home: Home) -> None:
    people = [f"{status}{n}@shop.example" for status in STATUSES for n in range(2)]
    for email in people:
        home.joins(email, status=email.partition("@")[0][:-1], opted_in_at=home.now - 200_000)
        home.buys(email)
    before = {email: stamp[:2] for email, stamp in home.stamps().items()}
    with wiretap() as writes:
        home.backfill()
        for email in people[::2]:
            home.buys(email)
        home.cycle()
        home.cycle()
    assert {email: stamp[:2] for email, stamp in home.stamps().items()} == before
    assert writes
    assert not any("status" in (body or {}) for _, _, body in writes)


@pytest.mark.parametrize("why", ["forgotten", "in a compliance state"])
def test_trap_05_who_left_for_good_is_remembered_and_not_called_for_again(home: Home, why: str) -> None:
    home.joins(BOB)
    home.buys(BOB)
    home.backfill()
    if why == "forgotten":
        home.joins(ANN)
        home.members.forget(home.members.get(ANN).hash)
    else:
        refusal = in_compliance_state(ANN, older=home.switches.older_compliance_wording).document("")
        home.strike("*/members/*", method="PUT", status=400, body=json.dumps(refusal))
    home.buys(ANN)
    home.cycle()
    assert ANN not in home.state()
    before = home.requests()
    for _ in range(3):
        home.buys(ANN)
        home.cycle()
    assert home.writes(before) == []


def test_trap_06_a_double_opt_in_audience_asks_its_new_members_first(home: Home) -> None:
    home.members.double_optin = True
    home.buys(ANN)
    home.backfill()
    home.buys(BOB)
    home.cycle()
    assert {email: member["status"] for email, member in home.state().items()} == {ANN: "pending", BOB: "pending"}
    assert home.is_quiet()
    home.acts(ANN, {"status": "subscribed"})
    home.cycle()
    assert home.tags(ANN) == {"buyer"}


def test_trap_07_nobody_becomes_a_member_without_consent(home: Home) -> None:
    home.joins(BOB)
    home.buys(BOB)
    home.buys(EVE, consent="not_subscribed")
    home.backfill()
    home.buys(ANN, consent="not_subscribed")
    home.cycle()
    assert set(home.state()) == {BOB}
    assert home.is_quiet()


def test_trap_07_a_member_who_is_gone_when_the_tag_is_sent_is_not_made_anew(home: Home) -> None:
    home.joins(ANN, BOB)
    home.buys(BOB)
    home.backfill()
    home.buys(ANN)

    def leave(task: str, advance: int, expected: int | None) -> None:
        if "judging" in task and ANN in home.state():
            home.members.forget(home.members.get(ANN).hash)

    home.context.progress = leave
    home.cycle()
    assert ANN not in home.state()
    home.cycle()
    home.buys(ANN)
    home.cycle()
    assert ANN not in home.state()


def test_trap_17_one_address_in_many_spellings_is_one_member_and_one_tag(home: Home) -> None:
    home.configure(home.rules.replace("segments.buyer]", 'segments.buyer]\ntag = "VIP"'), tag_prefix="", adopt=["vip"])
    home.joins("Ann@Shop.Example", tags=["vip"])
    home.joins(BOB)
    home.buys(" ANN@shop.example ")
    home.buys("Ann@Shop.Example")
    home.buys(BOB)
    home.backfill()
    home.cycle()
    state = home.state()
    assert set(state) == {"Ann@Shop.Example", BOB}
    assert sorted(state["Ann@Shop.Example"]["tags"]) == ["regular", "vip"]
    assert state["Ann@Shop.Example"]["merge_fields"]["ORDERS"] == 2
    assert [tag.name for tag in home.members.segments.tags("vip")] == ["vip"]
    assert home.is_quiet()


def test_trap_25_who_cannot_be_mailed_does_not_count_as_reached(home: Home) -> None:
    for status in ("archived", "unsubscribed", "cleaned", "subscribed"):
        home.joins(f"{status}@shop.example", tags=["syncd:buyer"], status=status)
        home.buys(f"{status}@shop.example")
    home.backfill()
    home.cycle()
    today = home.context.today(home.context.settings.audiences["main"])
    [buyers] = [row for row in views.segments(home.context, "main", today)["segments"] if row["name"] == "buyer"]
    # The fifth never was in the audience.
    assert (buyers["customers"], buyers["members"]) == (5, 1)
    assert home.is_quiet()


def test_trap_25_nothing_is_archived_or_deleted_by_a_sync(home: Home) -> None:
    for status in STATUSES:
        home.joins(f"{status}@shop.example", status=status)
        home.buys(f"{status}@shop.example")
    with wiretap() as writes:
        home.backfill()
        home.cycle()
    assert writes
    assert not [path for method, path, _ in writes if method == "DELETE" or "actions" in path]


def moves(home: Home, order: Order, email: str) -> None:
    """The person behind the order changes their address in the shop."""
    home.later(60)
    home.call("POST", f"/shops/acme/customers/{order.customer_id}", {"email": email})


def test_trap_16_a_new_address_in_the_shop_renames_the_contact_in_the_same_cycle(home: Home) -> None:
    home.joins(ANN, tags=["newsletter"], merge_fields={"FNAME": "Ann"}, opted_in_at=home.now - 900_000)
    order = home.buys(ANN)
    home.backfill()
    home.cycle()
    before, contact = home.state()[ANN], home.members.get(ANN).contact_id
    moves(home, order, NEW)
    home.cycle()
    assert home.state() == {NEW: before | {"email": NEW}}
    assert home.members.get(NEW).contact_id == contact
    assert home.entries("tag", "signup") == []
    assert home.is_quiet()
    home.buys(NEW)
    home.cycle()
    assert home.tags(NEW) == {"buyer", "regular"}


def test_trap_16_a_rename_to_a_member_unites_the_tags_there_and_archives_the_old_contact(home: Home) -> None:
    home.joins(ANN, NEW, BOB)
    order = home.buys(ANN)
    home.buys(NEW)
    home.backfill()
    home.cycle()
    assert home.tags(NEW) == {"buyer"}
    moves(home, order, NEW)
    home.cycle()
    home.cycle()
    state = home.state()
    assert (state[ANN]["status"], state[NEW]["status"]) == ("archived", "subscribed")
    assert home.tags(NEW) == {"buyer", "regular"}
    assert home.fields(NEW)["ORDERS"] == 2
    assert home.is_quiet()


def test_trap_16_who_moves_after_leaving_is_not_brought_back(home: Home) -> None:
    home.joins(ANN)
    order = home.buys(ANN)
    home.backfill()
    home.acts(ANN, {"status": "unsubscribed"})
    home.cycle()
    moves(home, order, NEW)
    home.cycle()
    home.cycle()
    assert "subscribed" not in {member["status"] for member in home.state().values()}
    assert not any(home.tags(email) for email in home.state())
    assert home.is_quiet()


@plainly
@pytest.mark.parametrize("status", STATUSES)
def test_trap_25_archiving_again_is_no_failure_and_nothing_more_than_archiving(town: Town, status: str) -> None:
    town.audience.add_member(ANN, status, changed_at=NOW - 100, tags=["newsletter"])
    for _ in range(2):
        outcome = town.push(Change(ANN, archive=True))[ANN]
        assert (outcome.result, outcome.reason) == ("done", "")
    kept = status if status in ("cleaned", "pending") else "archived"
    assert town.audience.get(ANN).status == kept
    assert town.push(Change("stranger@shop.example", archive=True))["stranger@shop.example"].result == "done"
