"""What every destination promises, asked of each module of `syncd.destinations` against its counterpart."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from syncd.destinations import connect, services
from syncd.errors import ConnectionBlocked, UserError
from syncd.model import Change, Event, MemberStatus

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from syncd.destinations import Destination
    from syncd.model import Outcome
    from syncd.sandbox.serve import Running


class MailchimpStage:
    """The sandbox's Mailchimp, seen from behind: people act in it, and it tells the truth."""

    def __init__(self, running: Running) -> None:
        self._world = running.world
        self._url = running.urls["mailchimp"]
        [self._audience] = self._world.audiences.values()

    def connect(self, key: str = "sandbox-us1") -> Destination:
        settings = SimpleNamespace(
            esp="mailchimp",
            list_id=self._audience.list_id,
            api_key=SimpleNamespace(get=lambda: key),
            base_url=self._url,
            currency="EUR",
            timezone="Europe/Madrid",
            tag_prefix="",
            birthday_field="",
        )
        return connect("main", settings, self._world.clock.now)  # type: ignore[arg-type]

    def calls(self) -> int:
        return len(self._world.log)

    def add(self, email: str, status: str, tags: Sequence[str] = (), fields: Mapping[str, Any] | None = None) -> None:
        self._audience.add_member(email, status, tags=tags, merge_fields=fields)

    def truth(self) -> dict[str, dict[str, Any]]:
        return {row["email"].lower(): row for row in self._audience.state()}

    def entries(self) -> list[tuple[str, str]]:
        return [(entry["email"], entry["trigger"]) for entry in self._audience.journeys()]

    def pass_time(self, seconds: int) -> None:
        self._world.clock.set(self._world.clock.now() + seconds)


STAGES = {"mailchimp": MailchimpStage}


@pytest.fixture(params=services())
def stage(request: pytest.FixtureRequest, sandbox: Running) -> MailchimpStage:
    assert request.param in STAGES, f"write a stage for {request.param}: its counterpart, seen from behind"
    return STAGES[request.param](sandbox)


def push(destination: Destination, *changes: Change, muted: bool = False) -> dict[str, Outcome]:
    outcomes = list(destination.push(changes, muted=muted))
    assert sorted(outcome.email for outcome in outcomes) == sorted(change.email for change in changes)
    return {outcome.email: outcome for outcome in outcomes}


def test_connecting_calls_nothing(stage: MailchimpStage) -> None:
    stage.connect()
    assert stage.calls() == 0


def test_a_service_that_does_not_exist_is_named_with_those_that_do() -> None:
    with pytest.raises(UserError, match="mailchimp"):
        connect("main", SimpleNamespace(esp="mailchamp"), lambda: 0)  # type: ignore[arg-type]


def test_a_wrong_key_blocks_the_connection_by_name(stage: MailchimpStage) -> None:
    with pytest.raises(ConnectionBlocked) as caught:
        stage.connect("wrong-us1").profile()
    assert caught.value.connection == "audiences.main"
    assert caught.value.hint
    assert "wrong-us1" not in f"{caught.value}{caught.value.hint}"


def test_the_fingerprint_stays_the_same_for_every_connection(stage: MailchimpStage) -> None:
    assert stage.connect().profile().fingerprint == stage.connect().profile().fingerprint != ""


def test_a_first_reading_gives_everybody_with_status_tags_and_fields(stage: MailchimpStage) -> None:
    for status in MemberStatus:
        stage.add(f"{status}@shop.example", status, tags=["vip", "other"])
    found = {m.email.lower(): m for page in stage.connect().members(None) for m in page.members}
    truth = stage.truth()
    assert found.keys() == truth.keys()
    for email, row in truth.items():
        member = found[email]
        set_fields = {name: value for name, value in member.fields.items() if value != ""}
        assert member.status == row["status"]
        # Tags of somebody who has not confirmed yet may show only afterwards.
        assert row["status"] == "pending" or sorted(member.tags) == sorted(row["tags"])
        assert set_fields == {k: v for k, v in row["merge_fields"].items() if not isinstance(v, dict)}


def test_one_member_is_what_the_listing_says(stage: MailchimpStage) -> None:
    destination = stage.connect()
    [first, *_] = [member for page in destination.members(None) for member in page.members]
    assert destination.member(first.email) == first
    assert destination.member("stranger@shop.example") is None


def test_a_poll_shows_our_own_writes_and_whatever_else_changed(stage: MailchimpStage) -> None:
    destination = stage.connect()
    cursor = [page.cursor for page in destination.members(None)][-1]
    stage.pass_time(60)
    stage.add("late@shop.example", "subscribed")
    found = {member.email for page in destination.members(cursor) for member in page.members}
    assert "late@shop.example" in found
    assert len(found) < len(stage.truth())


def test_what_was_prepared_exists_and_preparing_again_is_harmless(stage: MailchimpStage) -> None:
    destination = stage.connect()
    destination.prepare(["loyal", "lapsed"], {"SPEND6M": "number", "NEXT": "date"})
    first = destination.profile()
    assert {"loyal", "lapsed"} <= set(first.tags)
    assert {"SPEND6M": "number", "NEXT": "date"}.items() <= first.fields.items()
    stage.connect().prepare(["loyal"], {"SPEND6M": "number"})
    assert destination.profile() == first


@pytest.mark.parametrize("muted", [False, True])
@pytest.mark.parametrize("count", [1, 70])
def test_what_was_pushed_is_there_and_nothing_else_changed(stage: MailchimpStage, muted: bool, count: int) -> None:
    emails = [f"p{n}@shop.example" for n in range(count)]
    destination = stage.connect()
    destination.prepare(["loyal", "lapsed"], {"SPEND6M": "number", "OLD": "text"})
    for email in emails:
        stage.add(email, "subscribed", tags=["lapsed", "foreign"], fields={"OLD": "x", "FNAME": "Ann"})
    before = stage.truth()
    changes = [Change(e, add=("loyal",), remove=("lapsed",), fields={"SPEND6M": 12.5, "OLD": ""}) for e in emails]
    assert {outcome.result for outcome in push(destination, *changes, muted=muted).values()} == {"done"}
    after = stage.truth()
    for email in emails:
        assert sorted(after[email]["tags"]) == ["foreign", "loyal"]
        assert after[email]["merge_fields"] == {"FNAME": "Ann", "SPEND6M": 12.5}
    assert {e: row for e, row in after.items() if e not in emails} == {
        e: row for e, row in before.items() if e not in emails
    }


@pytest.mark.parametrize("count", [1, 70])
def test_muted_tags_and_events_start_nothing_and_live_ones_start_once(stage: MailchimpStage, count: int) -> None:
    emails = [f"p{n}@shop.example" for n in range(count)]
    destination = stage.connect()
    destination.prepare(["loyal", "lapsed"], {})
    for email in emails:
        stage.add(email, "subscribed")
    push(destination, *(Change(email, add=("loyal",), events=(Event("order", "1"),)) for email in emails), muted=True)
    assert stage.entries() == []
    push(destination, *(Change(email, add=("lapsed",)) for email in emails))
    assert sorted(stage.entries()) == sorted((email, "tag") for email in emails)


@pytest.mark.parametrize("count", [1, 70])
def test_what_was_told_of_a_member_is_found_again_by_its_episode(stage: MailchimpStage, count: int) -> None:
    emails = [f"p{n}@shop.example" for n in range(count)]
    destination = stage.connect()
    for email in emails:
        stage.add(email, "subscribed")
    events = [(Event("order", f"{email} 1", {"product": "Tea"}), Event("order", f"{email} 2")) for email in emails]
    outcomes = push(destination, *map(lambda email, two: Change(email, events=two), emails, events))
    assert {outcome.result for outcome in outcomes.values()} == {"done"}
    assert [destination.episodes(email) for email in emails] == [{f"{email} 1", f"{email} 2"} for email in emails]
    assert destination.episodes("stranger@shop.example") == set()


@pytest.mark.parametrize("muted", [False, True])
def test_the_status_of_a_member_is_never_ours_to_change(stage: MailchimpStage, muted: bool) -> None:
    for status in MemberStatus:
        stage.add(f"{status}@shop.example", status)
    destination = stage.connect()
    destination.prepare(["loyal"], {"NOTE": "text"})
    changes = [Change(f"{s}@shop.example", add=("loyal",), fields={"NOTE": "x"}, create=True) for s in MemberStatus]
    push(destination, *changes, muted=muted)
    assert {status: stage.truth()[f"{status}@shop.example"]["status"] for status in MemberStatus} == {
        status: status.value for status in MemberStatus
    }


@pytest.mark.parametrize("muted", [False, True])
def test_strangers_become_members_only_when_told(stage: MailchimpStage, muted: bool) -> None:
    destination = stage.connect()
    destination.prepare(["loyal"], {})
    told, untold = Change("told@shop.example", add=("loyal",), create=True), Change("not@shop.example", add=("loyal",))
    outcomes = push(destination, told, untold, muted=muted)
    assert outcomes[told.email].result == "done"
    assert (outcomes[untold.email].result, outcomes[untold.email].permanent) == ("refused", True)
    assert outcomes[untold.email].reason
    assert told.email in stage.truth()
    assert untold.email not in stage.truth()


def test_a_change_in_other_letters_reaches_the_same_member(stage: MailchimpStage) -> None:
    stage.add("Foo@X.example", "subscribed", tags=["VIP"])
    destination = stage.connect()
    push(destination, Change("foo@x.example", add=("loyal",), remove=("vip",)))
    assert stage.truth()["foo@x.example"]["tags"] == ["loyal"]


@pytest.mark.parametrize("muted", [False, True])
@pytest.mark.parametrize("count", [1, 70])
def test_a_contact_with_a_new_address_is_the_same_contact(stage: MailchimpStage, muted: bool, count: int) -> None:
    for n in range(count):
        stage.add(f"old{n}@shop.example", "subscribed", tags=["loyal", "their own"], fields={"FNAME": "Ada"})
    destination = stage.connect()
    before = {n: destination.member(f"old{n}@shop.example") for n in range(count)}
    changes = [Change(f"old{n}@shop.example", rename_to=f"new{n}@shop.example") for n in range(count)]
    outcomes = push(destination, *changes, muted=muted)
    assert {outcome.result for outcome in outcomes.values()} == {"done"}
    for n in range(count):
        assert destination.member(f"old{n}@shop.example") is None
        old, new = before[n], destination.member(f"new{n}@shop.example")
        assert old
        assert new
        assert (new.contact_id, new.status, set(new.tags)) == (old.contact_id, old.status, set(old.tags))
        assert new.fields == old.fields
    assert stage.entries() == []


def test_a_contact_cannot_take_the_address_of_another_and_both_stay(stage: MailchimpStage) -> None:
    stage.add("old@shop.example", "subscribed")
    stage.add("taken@shop.example", "subscribed")
    [outcome] = push(stage.connect(), Change("old@shop.example", rename_to="taken@shop.example")).values()
    assert (outcome.result, outcome.permanent) == ("refused", False)
    assert "@" not in outcome.reason
    assert [stage.truth()[f"{name}@shop.example"]["status"] for name in ("old", "taken")] == ["subscribed"] * 2


def test_a_stranger_who_shall_be_renamed_or_archived_is_not_made_a_member(stage: MailchimpStage) -> None:
    renamed, archived = Change("a@shop.example", rename_to="b@shop.example"), Change("c@shop.example", archive=True)
    before = stage.truth()
    outcomes = push(stage.connect(), renamed, archived)
    assert (outcomes[renamed.email].result, outcomes[archived.email].result) == ("refused", "done")
    assert stage.truth() == before


@pytest.mark.parametrize("muted", [False, True])
@pytest.mark.parametrize("count", [1, 70])
def test_who_is_archived_has_lost_what_is_ours_before_and_archiving_twice_is_once(
    stage: MailchimpStage, muted: bool, count: int
) -> None:
    emails = [f"p{n}@shop.example" for n in range(count)]
    for email in emails:
        stage.add(email, "subscribed", tags=["loyal", "their own"], fields={"SPEND": 12})
    changes = [Change(email, remove=("loyal",), fields={"SPEND": ""}, archive=True) for email in emails]
    for _ in range(2):
        outcomes = push(stage.connect(), *changes, muted=muted)
        assert {outcome.result for outcome in outcomes.values()} == {"done"}
        for email in emails:
            row = stage.truth()[email]
            assert (row["status"], row["tags"], row["merge_fields"]) == ("archived", ["their own"], {})


def test_after_settling_nothing_is_under_way(stage: MailchimpStage) -> None:
    emails = [f"p{n}@shop.example" for n in range(70)]
    for email in emails:
        stage.add(email, "subscribed")
    pushing = stage.connect().push([Change(email, add=("loyal",)) for email in emails], muted=True)
    next(iter(pushing))
    stage.connect().settle()
    assert all(stage.truth()[email]["tags"] == ["loyal"] for email in emails)


def test_who_is_forgotten_is_gone_for_good_and_forgetting_nobody_is_no_fault(stage: MailchimpStage) -> None:
    stage.add("ana@example.com", "subscribed")
    destination = stage.connect()
    destination.forget("Ana@example.com")
    destination.forget("ana@example.com")
    destination.forget("nobody@example.com")
    assert destination.member("ana@example.com") is None
    created = push(destination, Change("ana@example.com", create=True))["ana@example.com"]
    assert (created.result, created.permanent) == ("refused", True)
