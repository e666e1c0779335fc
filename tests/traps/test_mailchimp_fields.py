"""Mailchimp's traps about merge fields: budget, names, types, values, and what is hidden behind ten rows."""

from __future__ import annotations

import pytest

from syncd.errors import UserError
from syncd.sandbox.audience import Problem
from syncd.sandbox.audience.writes import FieldWrite
from tests.traps.mailchimp_stage import RULES, Home, plainly, wiretap

ANN, BOB = "ann@shop.example", "bob@shop.example"
OURS = {"ORDERS": "number", "SPENT": "number", "LASTORDER": "date", "CITY": "text"}


def make_field(home: Home, tag: str, kind: str = "text") -> None:
    home.members.fields.create(FieldWrite(name=tag, type=kind, tag=tag))  # type: ignore[arg-type]


def drop_field(home: Home, tag: str) -> None:
    [found] = [each for each in home.members.fields if each.tag == tag]
    home.members.fields.delete(str(found.merge_id))


def kinds(home: Home) -> dict[str, str]:
    return {each.tag: each.type for each in home.members.fields if each.tag in OURS}


def test_trap_11_what_stands_behind_the_tenth_row_is_seen(home: Home) -> None:
    for n in range(12):
        make_field(home, f"THEIRS{n}")
    for tag, kind in OURS.items():
        make_field(home, tag, kind)
    home.joins(BOB, tags=[f"theirs {n}" for n in range(12)])
    home.joins(ANN)
    home.buys(ANN)
    home.backfill()
    assert kinds(home) == OURS
    # Sixty newer tags hide ours in every listing, which shows fifty.
    home.acts(ANN, {"tags": {"add": [f"theirs {n}" for n in range(60)]}})
    assert home.is_quiet()
    home.buys(ANN)
    home.cycle()
    assert home.tags(ANN) == {"buyer", "regular"}
    assert len(home.state()[ANN]["tags"]) == 62
    assert home.is_quiet()


def test_trap_12_fields_that_do_not_exist_are_made_before_anybody_gets_a_value(home: Home) -> None:
    home.joins(ANN)
    home.buys(ANN, "12.50")
    with wiretap() as writes:
        home.backfill()
    assert kinds(home) == OURS
    first_value = next(n for n, (_, _, body) in enumerate(writes) if "merge_fields" in (body or {}))
    assert not [path for _, path, _ in writes[first_value:] if path.endswith("/merge-fields")]
    assert home.fields(ANN).items() >= {"ORDERS": 1, "SPENT": 12.5}.items()


def test_trap_12_a_field_that_is_deleted_meanwhile_is_made_again_with_everybodys_value(home: Home) -> None:
    emails = [f"p{n}@shop.example" for n in range(30)]
    home.joins(*emails, BOB)
    home.buys(BOB)
    home.backfill()
    home.later(3600)
    home.buys(emails[0])
    home.cycle()
    home.cycle()
    drop_field(home, "ORDERS")
    for email in emails:
        home.buys(email)
    home.cycle()
    assert kinds(home) == OURS
    assert home.fields(emails[0])["ORDERS"] == 2
    assert all(home.fields(email)["ORDERS"] == 1 for email in emails[1:])
    # Of Bob there is no news, but his value went with the field.
    home.cycle()
    assert home.fields(BOB)["ORDERS"] == 1
    assert home.is_quiet()


def test_trap_12_a_deleted_field_that_cannot_be_made_again_is_told(home: Home) -> None:
    home.joins(ANN)
    home.backfill()
    home.buys(ANN)
    home.cycle()
    drop_field(home, "ORDERS")
    make_field(home, "ORDERS", "date")
    for _ in range(7):
        home.buys(ANN)
        home.later(60)
        home.sync()
    # The other fields and the tags are not held up by it.
    assert home.tags(ANN) == {"buyer", "regular"}
    assert home.fields(ANN)["SPENT"] == 160
    home.configure()
    home.buys(ANN)
    home.later(60)
    [error] = home.sync().errors
    assert isinstance(error, UserError)
    assert "ORDERS exists as date" in error.problems[0]


def test_trap_13_fields_beyond_the_budget_are_told_before_anything_is_written(home: Home) -> None:
    limit = home.switches.merge_field_limit
    while len(home.members.fields) < limit - 1:
        make_field(home, f"THEIRS{len(home.members.fields)}")
    home.joins(ANN)
    home.buys(ANN)
    before = home.requests()
    with pytest.raises(UserError) as caught:
        home.backfill()
    assert f"4 new merge fields are wanted and there is room for 1, as the audience has {limit - 1} of {limit}" in str(
        caught.value.problems
    )
    assert home.writes(before) == []
    assert home.state()[ANN]["tags"] == []


@plainly
def test_trap_13_a_name_that_would_be_cut_is_refused_in_the_configuration(home: Home) -> None:
    with pytest.raises(UserError) as caught:
        home.configure(RULES + '[audiences.main.lifecycle.fields.LASTORDERED]\nvalue = "last_order"\n')
    assert "has up to 10 characters" in caught.value.problems[0]


def test_trap_14_values_are_numbers_dates_and_texts_and_the_marketers_own_stay(home: Home) -> None:
    make_field(home, "BIRTHDAY", "birthday")
    address = {"addr1": "Calle 1", "addr2": "", "city": "Madrid", "state": "M", "zip": "28013", "country": "ES"}
    own = {"FNAME": "Ann", "BIRTHDAY": "02/29", "ADDRESS": address}
    home.joins(ANN, BOB, merge_fields=own)
    leap_day = "2024-02-29T12:00:00+00:00"
    order = home.buys(ANN, "12.30", placed_at=leap_day)
    home.buys(BOB, "100.00")
    with wiretap() as writes:
        home.backfill()
        home.call("POST", "/shops/acme/refunds", {"order_id": order.id})
        home.later(3600)
        home.cycle()
    sent = [body["merge_fields"] for _, _, body in writes if "merge_fields" in (body or {})]
    assert {"ORDERS": 1, "SPENT": 12.3, "LASTORDER": "2024-02-29"} in [
        {tag: value for tag, value in fields.items() if tag != "CITY"} for fields in sent
    ]
    assert {type(value) for fields in sent for value in fields.values()} <= {int, float, str}
    assert not {"FNAME", "BIRTHDAY", "ADDRESS"} & {tag for fields in sent for tag in fields}
    assert {tag: home.fields(ANN)[tag] for tag in own} == own
    # The order was given back: what has no value any more is cleared.
    assert "LASTORDER" not in home.fields(ANN)
    assert home.is_quiet()


@plainly
@pytest.mark.parametrize("value", [True, None, ["a"]])
def test_trap_14_the_service_refuses_what_we_never_send(home: Home, value: object) -> None:
    with pytest.raises(Problem) as caught:
        home.members.fields.check({"FNAME": value})
    assert caught.value.errors[0][0] == "merge_fields.FNAME"


def test_trap_14_a_text_longer_than_the_service_keeps_is_cut_once_and_not_written_for_ever(home: Home) -> None:
    home.joins(ANN)
    home.buys(ANN)
    home.call("POST", "/shops/acme/customers", {"email": ANN, "city": "Llanfairpwllgwyngyll — ß " * 20})
    home.backfill()
    home.cycle()
    assert home.fields(ANN)["CITY"].startswith("Llanfairpwllgwyngyll — ß Llanfairpwllgwyngyll")
    assert len(home.fields(ANN)["CITY"].encode()) <= 255
    assert home.is_quiet()


def test_trap_15_one_value_that_is_not_taken_holds_up_nothing_else(home: Home) -> None:
    emails = [f"p{n}@shop.example" for n in range(30)]
    home.joins(*emails)
    home.backfill()
    home.buys(emails[0])
    home.cycle()
    # The marketer makes a list of cities of it, in the middle of the service's life.
    drop_field(home, "CITY")
    make_field(home, "CITY", "dropdown")
    for email in emails:
        home.call("POST", "/shops/acme/customers", {"email": email, "city": "Madrid", "consent": "subscribed"})
        home.buys(email)
    home.cycle()
    assert all("CITY" not in home.fields(email) for email in emails)
    assert home.fields(emails[0])["ORDERS"] == 2
    assert all(home.fields(email)["ORDERS"] == 1 for email in emails[1:])
    # It stays so: nobody is given up because of one field, and nobody is called for in every cycle.
    for _ in range(6):
        home.cycle()
    assert home.is_quiet()
    for email in emails:
        home.buys(email)
    home.cycle()
    assert all(home.tags(email) == {"buyer", "regular"} for email in emails)
