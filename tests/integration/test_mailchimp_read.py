"""Reading a Mailchimp audience: nobody skipped, nobody invented, everything that a profile needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from syncd.errors import ConnectionBlocked, TransientError, UserError
from syncd.model import Member, MemberStatus
from syncd.sandbox.faults import Fault
from tests.integration.mailchimp_world import LIST, NOW, Town

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def running() -> Iterator[Town]:
    with Town() as town:
        yield town


@pytest.fixture
def town(running: Town) -> Town:
    running.fresh()
    return running


def add(town: Town, count: int, changed_at: int, prefix: str = "p", status: str = "subscribed") -> list[str]:
    emails = [f"{prefix}{n}@shop.example" for n in range(count)]
    for email in emails:
        town.audience.add_member(email, status, changed_at=changed_at)
    return emails


def read(town: Town, cursor: str | None = None) -> tuple[list[str], str]:
    """The addresses, in the order read, and the last cursor."""
    pages = list(town.destination.members(cursor))
    return [member.email for page in pages for member in page.members], pages[-1].cursor


# Members


def test_a_member_is_read_as_it_is(town: Town) -> None:
    town.audience.add_member(
        "Ann@Shop.example",
        "unsubscribed",
        tags=["VIP", "loyal"],
        merge_fields={"FNAME": "Ann", "SPEND6M": 37.2, "ADDRESS": {"addr1": "Calle 1", "city": "Madrid"}},
        changed_at=NOW - 5,
        opted_in_at=NOW - 99,
    )
    [page, _] = town.destination.members(None)
    [ann] = page.members
    assert (ann.email, ann.status, ann.changed_at, ann.opted_in_at) == (
        "Ann@Shop.example",
        MemberStatus.UNSUBSCRIBED,
        NOW - 5,
        NOW - 99,
    )
    assert sorted(ann.tags) == ["VIP", "loyal"]
    assert {tag: value for tag, value in ann.fields.items() if value != ""} == {"FNAME": "Ann", "SPEND6M": 37.2}
    assert ann.open_rate == 0
    assert page.expected == 1
    assert town.destination.member(" ann@shop.EXAMPLE ") == ann


@pytest.mark.parametrize(
    ("value", "birthday"),
    [
        ("11/22", 1122),
        ("02/29", 229),
        ("02/30", None),
        ("13/01", None),
        ("00/10", None),
        ("1/2", None),
        ("2000-11-22", None),
        ("", None),
        (1122, None),
        ({"addr1": "Calle 1", "city": "Madrid"}, None),
    ],
)
def test_a_birthday_is_month_and_day_and_nothing_else(town: Town, value: Any, birthday: int | None) -> None:
    town.connect(birthday_field="BORN")
    town.audience.add_member("ann@shop.example", "subscribed", merge_fields={"BORN": value, "BIRTHDAY": "01/01"})
    [page, _] = town.destination.members(None)
    assert [member.birthday for member in page.members] == [birthday]
    again = town.destination.member("ann@shop.example")
    assert again
    assert again.birthday == birthday


def test_somebody_who_never_was_a_member_is_none(town: Town) -> None:
    assert town.destination.member("stranger@shop.example") is None


def test_all_tags_of_a_member_with_sixty_are_read(town: Town) -> None:
    tags = [f"tag{n}" for n in range(60)]
    town.audience.add_member("ann@shop.example", "subscribed", tags=tags, changed_at=NOW - 5)
    [page, _] = town.destination.members(None)
    assert sorted(page.members[0].tags) == sorted(tags)
    member = town.destination.member("ann@shop.example")
    assert member
    assert sorted(member.tags) == sorted(tags)


@pytest.mark.parametrize("status", list(MemberStatus))
@pytest.mark.parametrize("listed", [False, True])
def test_members_of_every_status_are_read(town: Town, status: MemberStatus, listed: bool) -> None:
    town.audience.switches.archived_in_listing = listed
    [email] = add(town, 1, NOW - 5, status=status)
    members = [member for page in town.destination.members(None) for member in page.members]
    assert {(member.email, member.status) for member in members} == {(email, status)}


def test_a_status_that_we_do_not_know_gives_no_right_to_mail(town: Town) -> None:
    body = '{"contact_id": "1", "email_address": "a@b.example", "status": "dormant", "last_changed": ""}'
    fault(town, "status", "*/members/*", status=200, headers={"Content-Type": "application/json"}, body=body)
    assert town.destination.member("a@b.example") == Member("1", "a@b.example", MemberStatus.UNSUBSCRIBED, 0)


def test_addresses_that_people_had_deleted_are_left_out(town: Town) -> None:
    town.audience.add_member("0f@forgotten.mailchimp.com", "unsubscribed", changed_at=NOW - 5)
    assert read(town)[0] == []


def test_an_empty_audience_gives_a_cursor_too(town: Town) -> None:
    found, cursor = read(town)
    assert (found, read(town, cursor)) == ([], ([], cursor))


def test_a_first_reading_takes_one_call_per_thousand_members(town: Town) -> None:
    emails = [add(town, 700, NOW - 5000 + n, f"s{n}-") for n in range(5)]
    town.mark()
    found, _ = read(town)
    assert set(found) == {email for second in emails for email in second}
    assert town.attempts.count <= 8


def test_more_members_than_a_page_in_one_second_are_all_read(town: Town) -> None:
    before, same, after = add(town, 3, NOW - 20, "a"), add(town, 2500, NOW - 10, "b"), add(town, 3, NOW - 5, "c")
    found, _ = read(town)
    assert set(found) == {*before, *same, *after}


@pytest.mark.parametrize("seconds", [1, 2, 3, 40])
def test_members_who_change_while_we_read_are_neither_skipped_nor_lost(town: Town, seconds: int) -> None:
    emails = [email for s in range(seconds) for email in add(town, 3000 // seconds, NOW - 500 + s, f"s{s}-")]
    reading = town.destination.members(None)
    found = [member.email for member in next(reading).members]
    for n, email in enumerate(found[:90]):
        town.world.clock.set(NOW + n // 10)
        town.audience.act(email, {"tags": {"add": ["new"]}})
    pages = list(reading)
    found += [member.email for page in pages for member in page.members]
    assert set(found) == set(emails)
    seen_anew = {member.email for page in pages for member in page.members if "new" in member.tags}
    assert seen_anew == set(found[:90])


def test_a_poll_reads_what_changed_and_nobody_of_the_same_second_is_missed(town: Town) -> None:
    add(town, 5, NOW - 100, "old")
    first, second = add(town, 2, NOW, "x"), None
    _, cursor = read(town)
    second = add(town, 3, NOW, "y")
    found, cursor = read(town, cursor)
    assert {*second} <= set(found) <= {*first, *second}
    town.world.clock.set(NOW + 60)
    town.audience.act(first[0], {"status": "unsubscribed"})
    assert set(read(town, cursor)[0]) - {first[0]} <= {first[1], *second}


def test_a_poll_reads_archived_members_too(town: Town) -> None:
    [ann] = add(town, 1, NOW - 100)
    _, cursor = read(town)
    town.audience.archive(town.audience.get(ann).hash)
    assert read(town, cursor)[0] == [ann]


def test_a_quiet_poll_takes_two_calls(town: Town) -> None:
    add(town, 50, NOW - 100)
    _, cursor = read(town)
    town.mark()
    read(town, cursor)
    assert town.attempts.count == 2


def test_our_clock_plays_no_part_in_the_cursor(town: Town) -> None:
    # The service's clock stands years away from this machine's.
    town.world.clock.set(1_400_000_000)
    [ann] = add(town, 1, 1_400_000_000)
    _, cursor = read(town)
    [bob] = add(town, 1, 1_400_000_000, "later")
    assert set(read(town, cursor)[0]) == {ann, bob}


def test_each_cursor_continues_after_a_kill_without_losing_anybody(town: Town) -> None:
    emails = [email for s in range(4) for email in add(town, 600, NOW - 500 + s, f"s{s}-")]
    emails += add(town, 1200, NOW - 400, "archived", "archived")
    cursor, found = None, set[str]()
    for _ in range(30):
        # Killed after each page.
        page = next(iter(town.destination.members(cursor)))
        found |= {member.email for member in page.members}
        if cursor == page.cursor:
            break
        cursor = page.cursor
    found |= {member.email for page in town.destination.members(cursor) for member in page.members}
    assert found == set(emails)


# Profile


def test_a_profile_names_account_list_and_everything_that_exists(town: Town) -> None:
    town.audience.double_optin = True
    town.destination.prepare([f"tag{n}" for n in range(15)], {f"F{n}": "number" for n in range(12)})
    town.audience.segments.create("a saved one", "saved", NOW)
    add(town, 3, NOW - 9)
    add(town, 2, NOW - 9, "u", "unsubscribed")
    add(town, 2, NOW - 9, "c", "cleaned")
    profile = town.destination.profile()
    assert profile.fingerprint.endswith(f"/{LIST}")
    assert len(profile.fingerprint) > len(LIST) + 5
    assert (profile.title, profile.double_optin, profile.contacts, profile.field_limit) == ("Sandbox", True, 5, 30)
    assert {"FNAME": "text", "F0": "number", "F11": "number"}.items() <= profile.fields.items()
    assert sorted(profile.tags) == sorted(f"tag{n}" for n in range(15))
    assert profile.timezone


def test_a_list_that_does_not_exist_blocks_the_connection(town: Town) -> None:
    town.world.audiences["other"] = town.world.audiences.pop(LIST)
    for call in (town.destination.profile, lambda: read(town), lambda: town.destination.prepare(["loyal"], {})):
        with pytest.raises(ConnectionBlocked, match="no audience with this list_id"):
            call()


def test_a_wrong_key_blocks_the_connection(town: Town) -> None:
    town.audience.switches.keys.clear()
    town.audience.switches.keys.add("other-us1")
    with pytest.raises(ConnectionBlocked, match="credentials") as caught:
        town.destination.profile()
    assert caught.value.connection == "audiences.main"


def test_a_key_of_somebody_who_may_only_read_is_refused_at_once(town: Town) -> None:
    body = '{"account_id": "1", "role": "viewer"}'
    fault(town, "status", "/3.0/", status=200, headers={"Content-Type": "application/json"}, body=body)
    with pytest.raises(ConnectionBlocked, match="may not change contacts"):
        town.destination.profile()


# Preparation


def test_preparing_makes_what_is_missing_and_is_silent_the_second_time(town: Town) -> None:
    for _ in range(2):
        town.destination.prepare(["loyal", "Loyal", "VIP"], {"SPEND6M": "number", "NEXT": "date", "NOTE": "text"})
        town.mark()
        town.destination.prepare(["vip"], {"spend6m": "number"})
        assert not town.wire.writes()
    assert [tag.name for tag in town.audience.segments.tags()] == ["loyal", "VIP"]
    kinds = {each.tag: (each.type, each.public) for each in town.audience.fields}
    assert [kinds[tag] for tag in ("SPEND6M", "NEXT", "NOTE")] == [("number", False), ("date", False), ("text", False)]


def test_three_fields_where_one_fits_are_refused_before_anything_is_made(town: Town) -> None:
    town.destination.prepare([], {f"F{n}": "number" for n in range(25)})
    town.mark()
    with pytest.raises(UserError) as caught:
        town.destination.prepare(["loyal"], {"A": "number", "B": "number", "C": "number", "F0": "number"})
    assert "room for 1" in caught.value.problems[0]
    assert not town.wire.writes()


def test_a_premium_account_may_have_eighty_fields(town: Town) -> None:
    town.audience.switches.merge_field_limit = 80
    town.connect(field_limit=80)
    town.destination.prepare([], {f"F{n}": "number" for n in range(76)})
    assert town.destination.profile().field_limit == 80


def test_every_misfit_is_told_at_once_and_nothing_made(town: Town) -> None:
    with pytest.raises(UserError) as caught:
        town.destination.prepare(
            ["loyal"], {"FNAME": "number", "MUCH_TOO_LONG": "text", "BAD-ONE": "date", "OK": "text"}
        )
    assert [problem.split()[0].rstrip(":") for problem in caught.value.problems] == [
        "FNAME",
        "MUCH_TOO_LONG",
        "BAD-ONE",
    ]
    assert not town.wire.writes()


def test_a_field_whose_creation_lost_its_answer_is_there(town: Town) -> None:
    fault(town, "status", "*/merge-fields", method="POST", phase="after", status=429, count=1)
    town.destination.prepare([], {"SPEND6M": "number"})
    assert sum(each.tag == "SPEND6M" for each in town.audience.fields) == 1


def test_a_tag_that_mailchimp_does_not_take_is_the_users_mistake(town: Town) -> None:
    fault(
        town, "status", "*/segments", method="POST", status=400, body='{"title": "Bad Request", "detail": "Too long"}'
    )
    with pytest.raises(UserError, match="does not take a tag or merge field: Too long"):
        town.destination.prepare(["x" * 200], {})


# What goes wrong on the way


def fault(town: Town, kind: str, path: str, **more: object) -> None:
    town.world.faults.add(Fault(kind=kind, service="mailchimp", path=path, **more))  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["truncate", "html200", "empty", "reset"])
def test_a_spoilt_page_is_fetched_again(town: Town, kind: str) -> None:
    emails = add(town, 20, NOW - 9)
    fault(town, kind, "*/members", count=2, phase="after")
    assert set(read(town)[0]) == set(emails)


@pytest.mark.parametrize("body", ["{}", "[]", "null", '{"members": null, "total_items": 0}', '{"members": [{}]}', "7"])
def test_a_page_without_what_it_should_hold_is_transient(town: Town, body: str) -> None:
    fault(town, "status", "*/members", status=200, headers={"Content-Type": "application/json"}, body=body)
    with pytest.raises(TransientError):
        read(town)


def test_an_intermittent_400_on_a_page_does_not_skip_it(town: Town) -> None:
    add(town, 20, NOW - 9)
    fault(town, "status", "*/members", status=400, count=3)
    assert len(read(town)[0]) == 20
