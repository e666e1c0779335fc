"""Mailchimp's traps about people: who may be written to, who may be created, and what is never changed."""

from __future__ import annotations

import json

import pytest

from syncd import views
from syncd.sandbox.audience.problems import in_compliance_state
from tests.traps.mailchimp_stage import Home, wiretap

ANN, BOB, EVE = "ann@shop.example", "bob@shop.example", "eve@shop.example"
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
    home.buys("ann@shop.example", shop="cafe")
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
