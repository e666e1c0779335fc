"""Mailchimp's traps about tags and about reading the audience back: muted once, never twice, ours only."""

from __future__ import annotations

import pytest
import requests

from syncd import pipeline
from syncd.errors import UserError
from syncd.model import Change
from syncd.sandbox.audience import Switches
from syncd.sandbox.mailchimp.lists import TOO_MANY
from tests.integration.mailchimp_world import LIST, NOW, Town
from tests.traps.mailchimp_stage import CONFIGURATIONS, RULES, Home, plainly, wiretap

ANN, BOB = "ann@shop.example", "bob@shop.example"
# A whole first import of so many is tried where nothing is certain either way; a smaller one elsewhere.
THOROUGH = (CONFIGURATIONS["cautious"], CONFIGURATIONS["other"])


def test_trap_08_a_first_import_starts_nothing_and_the_first_live_change_starts_one(
    home: Home, switches: Switches
) -> None:
    emails = [f"p{n}@shop.example" for n in range(1000 if switches in THOROUGH else 40)]
    home.joins(*emails[:-5])
    for email in emails:
        home.buys(email)
    home.backfill()
    assert len(home.state()) == len(emails)
    assert all(member["tags"] == ["syncd:buyer"] for member in home.state().values())
    assert home.entries("tag", "event", "api") == []
    # What no call can mute is counted apart: who is new, and fields that had no value yet.
    assert len(home.entries("signup")) == (5 if switches.signups_start_journeys else 0)
    assert bool(home.entries("field")) is switches.first_value_is_a_change
    home.buys(emails[0])
    home.cycle()
    assert home.entries("tag", "event", "api") == [(emails[0], "syncd:regular")]


def test_trap_09_a_second_run_writes_nothing_and_moves_nobody(home: Home) -> None:
    home.joins(ANN, BOB, tags=["newsletter"], merge_fields={"FNAME": "Ann"})
    home.buys(ANN, "19.99")
    home.buys(ANN, "0.01")
    home.buys(BOB)
    home.backfill()
    home.cycle()
    before, stamps = home.requests(), home.stamps()
    for _ in range(3):
        home.cycle()
    assert home.writes(before) == []
    assert home.stamps() == stamps
    # Nor does a process that knows the audience only from the history.
    home.configure()
    assert home.is_quiet()


@plainly
def test_trap_10_501_to_add_and_1201_to_remove_take_three_calls_none_too_large(town: Town) -> None:
    adds = town.people(501)
    removes = [f"old{n}@shop.example" for n in range(1201)]
    town.destination.prepare(["loyal"], {})
    for email in removes:
        town.audience.add_member(email, "subscribed", tags=["loyal"], changed_at=NOW - 1000)
    town.mark()
    changes = [Change(e, add=("loyal",)) for e in adds] + [Change(e, remove=("loyal",)) for e in removes]
    assert {outcome.result for outcome in town.push(*changes).values()} == {"done"}
    sizes = [(len(body["members_to_add"]), len(body["members_to_remove"])) for _, _, body in town.wire.writes()]
    assert (len(sizes), sum(add for add, _ in sizes), sum(remove for _, remove in sizes)) == (3, 501, 1201)
    assert max(max(size) for size in sizes) <= 500
    segment = town.audience.segments.tag("loyal")
    assert segment
    url = f"{town.running.urls['mailchimp']}/3.0/lists/{LIST}/segments/{segment.id}"
    refused = requests.post(url, json={"members_to_add": adds}, auth=("any", "sandbox-us1"), timeout=10)
    assert (refused.status_code, refused.json()["detail"]) == (400, TOO_MANY)


def test_trap_18_foreign_tags_and_segments_are_left_alone(home: Home) -> None:
    saved = home.members.segments.create("syncd:regular", "saved", home.now, {"match": "any"})
    fuzzy = home.members.segments.create("syncd:buyer", "fuzzy", home.now)
    emails = [f"p{n}@shop.example" for n in range(30)]
    home.joins(*emails, tags=["newsletter", "VIP 2024"])
    with wiretap() as writes:
        home.backfill()
        for email in emails:
            home.buys(email)
        home.cycle()
        home.configure(RULES.replace("orders(ever) >= 1", "orders(ever) >= 3"))
        home.cycle()
    kept = {"newsletter", "VIP 2024".lower() if home.switches.lower_case_tags else "VIP 2024"}
    assert all({tag for tag in home.state()[email]["tags"] if "syncd" not in tag} == kept for email in emails)
    assert not any(home.tags(email) for email in emails)
    assert home.members.segments[saved.id].type == "saved"
    assert home.members.segments[fuzzy.id].type == "fuzzy"
    assert saved.subscribed == fuzzy.subscribed == 0
    assert writes
    assert not [body for _, _, body in writes if "sync_tags" in (body or {})]
    assert not [path for method, path, _ in writes if method in ("PATCH", "DELETE") and "/segments" in path]


def test_trap_19_a_tag_that_the_marketer_deleted_is_found_again_under_its_new_number(home: Home) -> None:
    emails = [f"p{n}@shop.example" for n in range(30)]
    home.joins(*emails, BOB)
    home.buys(BOB)
    home.buys(BOB)
    home.backfill()
    home.members.segments.create("syncd:regular", "saved", home.now, {"match": "any"})
    for name in ("syncd:buyer", "syncd:regular"):
        segment = home.members.segments.tag(name)
        assert segment
        home.members.tags.delete_segment(str(segment.id))
    for email in emails:
        home.buys(email)
    home.cycle()
    assert all(home.tags(email) == {"buyer"} for email in emails)
    assert [segment.type for segment in home.members.segments if segment.name == "syncd:buyer"] == ["static"]


def test_trap_22_nobody_of_the_second_of_a_poll_is_missed(home: Home) -> None:
    emails = [f"p{n}@shop.example" for n in range(5)]
    home.joins(*emails)
    for email in emails:
        home.buys(email)
    home.backfill()
    home.cycle()
    home.later(60)
    # Two unsubscribe before the poll and three after it, all in the same second.
    for email in emails[:2]:
        home.members.act(email, {"status": "unsubscribed"})
    home.sync_in_order()
    for email in emails[2:]:
        home.members.act(email, {"status": "unsubscribed"})
    home.cycle()
    assert not any(home.tags(email) for email in emails)
    assert home.is_quiet()


def test_trap_22_our_own_writes_do_not_come_back_as_news(home: Home) -> None:
    home.joins(ANN, BOB)
    home.backfill()
    home.buys(ANN)
    home.cycle()
    for _ in range(3):
        before = home.requests()
        home.cycle()
        assert home.writes(before) == []
        reads = [call for call in home.world.log.since(before) if call.service == "mailchimp"]
        # The two listings; nobody is read one by one.
        assert len(reads) == 2


@plainly
@pytest.mark.parametrize("seconds", [1, 3])
def test_trap_23_members_who_change_between_two_pages_are_neither_lost_nor_doubled(town: Town, seconds: int) -> None:
    emails = [f"p{n}@shop.example" for n in range(1500)]
    for n, email in enumerate(emails):
        town.audience.add_member(email, "subscribed", changed_at=NOW - 100 + n * seconds // len(emails))
    reading = town.destination.members(None)
    first = [member.email for member in next(reading).members]
    for email in first[:60]:
        town.audience.act(email, {"tags": {"add": ["new"]}})
    rest = [member for page in reading for member in page.members]
    assert {*first, *(member.email for member in rest)} == {*emails}
    again = [member.email for member in rest if member.email in {*first}]
    # Only who changed comes once more, and then as changed.
    assert sorted(again) == sorted(first[:60])
    assert {member.email for member in rest if "new" in member.tags} == {*first[:60]}


def test_trap_further_a_tag_that_there_is_no_room_for_is_told_before_anybody_is_tagged(home: Home) -> None:
    limit = home.switches.tag_limit = min(home.switches.tag_limit, 20)
    home.joins(ANN, tags=[f"theirs {n}" for n in range(limit - 1)])
    home.buys(ANN)
    with pytest.raises(UserError, match=f"does not take a tag or merge field: .* maximum of {limit} tags"):
        home.backfill()
    assert home.tags(ANN) == set()
    assert home.fields(ANN) == {}


@plainly
@pytest.mark.parametrize("forecast", [3, 4])
def test_trap_further_the_bill_counts_buyers_who_never_subscribed(home: Home, forecast: int) -> None:
    home.joins("s@shop.example")
    home.joins("u@shop.example", status="unsubscribed")
    home.joins("t@shop.example", status="transactional")
    for status in ("cleaned", "archived", "pending"):
        home.joins(f"{status}@shop.example", status=status)
    profile = home.context.destination("main").profile()
    # Where it does not bill them, the forecast is too high by so many, which errs on the safe side.
    assert profile.contacts - home.members.billed() == ("transactional" not in home.switches.billed)
    home.configure(contact_limit=forecast)
    home.buys(ANN)
    cycle = pipeline.pull_all(home.context, ["acme"])
    held = pipeline.first_plan(home.context, "main", cycle)
    assert held
    assert any("would have 4 contacts" in reason for reason in held["reasons"]) is (forecast == 3)
