"""What is believed is held against the truth: drift is found, told and mended, and a person's own change respected."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import text, update

from syncd import pipeline, views
from syncd.errors import TransientError
from syncd.history.database import History
from syncd.history.people import customer_of
from syncd.history.schema import members, packs, standings
from syncd.sandbox.serve import Running
from syncd.steps.verify import Report
from syncd.views.explained import lines
from syncd.views.words import Words
from tests.integration.house import DAY, House


def found(report: Report) -> dict[tuple[str, str], int]:
    return {(one.kind, one.subject): one.count for one in report.findings}


def lose(house: House, email: str, tag: str = "syncd:repeat") -> None:
    """The service loses a tag, and does not say that the contact changed."""
    member = house.members.members.at(email)
    assert member
    changed_at = member.changed_at
    house.members.act(email, {"tags": {"remove": [tag]}})
    house.members.members.change(member, changed_at=changed_at)


def test_where_nothing_drifted_all_is_clean_on_both_databases(
    sandbox: Running, history: History, tmp_path: Path
) -> None:
    house = House(sandbox, history, tmp_path)
    house.backfill()
    house.sync_in_order()
    house.order("acme", house.subscriber(), "10.00")
    house.sync_in_order()
    house.sync_in_order()
    at = house.requests()
    report = pipeline.verify(house.context)
    assert (report.findings, report.notes) == ([], [])
    assert house.writes(at) == []


def test_all_that_drifts_at_the_service_is_found_told_by_customer_and_mended_muted(
    sandbox: Running, history: History, tmp_path: Path
) -> None:
    house = House(sandbox, history, tmp_path)
    house.backfill()
    house.sync_in_order()
    house.later(60)
    someone = house.subscriber()
    other = max(email for email in house.tagged()["repeat"] if email != someone)
    lose(house, someone)
    drifted = house.members.members.at(other)
    assert drifted
    before = drifted.changed_at
    house.members.act(other, {"tags": {"add": ["syncd:first-time"]}, "merge_fields": {"ORDERS": 77}})
    house.members.members.change(drifted, changed_at=before)
    expected, journeys = house.expected(), house.journeys()
    report = pipeline.verify(house.context)
    assert found(report) == {
        ("tag is missing", "syncd:repeat"): 1,
        ("tag should not be there", "syncd:first-time"): 1,
        ("field differs", "ORDERS"): 1,
    }
    assert report.findings[0].examples == [f"customer {customer_of(history, other)}"]
    pipeline.mend(house.context, report)
    assert pipeline.verify(house.context).findings == []
    assert house.tagged() == expected
    assert house.state()[other]["merge_fields"]["ORDERS"] != 77
    assert house.journeys() == journeys


def test_what_is_derived_and_wrong_is_found_and_mended(house: House) -> None:
    house.sync_in_order()
    someone = customer_of(house.history, house.subscriber())
    with house.history.begin() as db:
        db.execute(update(standings).where(standings.c.customer_id == someone).values(segments=0))
        db.execute(packs.delete().where(packs.c.customer_id == someone))
    report = pipeline.verify(house.context)
    assert found(report)["orders packed wrongly", ""] == found(report)["stays on record differ", ""] == 1
    pipeline.mend(house.context, report)
    assert pipeline.verify(house.context).findings == []
    house.sync_in_order()
    assert house.tagged() == house.expected()


def test_who_changed_since_the_last_reading_is_no_drift(house: House) -> None:
    house.later(60)
    house.members.act(house.subscriber(), {"status": "unsubscribed"})
    report = pipeline.verify(house.context)
    assert report.findings == []
    assert "1 contacts changed since they were read" in report.notes[0]


def test_a_contact_that_is_not_there_any_more_is_found_and_none_is_made_anew(house: House) -> None:
    someone = house.subscriber()
    member = house.members.members.at(someone)
    assert member
    house.members.forget(member.hash)
    report = pipeline.verify(house.context)
    assert found(report) == {("contact is not there", ""): 1}
    pipeline.mend(house.context, report)
    assert pipeline.verify(house.context).findings == []
    house.order("acme", someone, "20.00", consent=True)
    at = house.requests()
    house.sync_in_order()
    assert house.writes(at) == []


def test_a_contact_that_the_reading_missed_is_found_told_without_the_address_and_read_by_mending(house: House) -> None:
    someone = house.subscriber()
    id_ = customer_of(house.history, someone)
    with house.history.begin() as db:
        db.execute(members.delete().where(members.c.customer_id == id_))
        db.execute(text("UPDATE audiences SET members_read_at = members_read_at + 7200"))
    report = pipeline.verify(house.context)
    assert found(report) == {("contact is not known", ""): 1}
    assert report.findings[0].examples == [f"{someone[0]}…@{someone.partition('@')[2]}"]
    pipeline.mend(house.context, report)
    assert pipeline.verify(house.context).findings == []


def test_a_tag_that_somebody_took_off_stays_off_until_the_person_joins_anew(house: House) -> None:
    someone = house.subscriber()
    house.sync_in_order()
    house.later(60)
    house.members.act(someone, {"tags": {"remove": ["syncd:repeat"]}})
    for _ in range(3):
        house.sync_in_order()
        house.later(DAY)
    assert "repeat" not in house.tags(someone)
    report = pipeline.verify(house.context)
    assert report.findings == []
    assert "1 tags that somebody took off stay off" in "".join(report.notes)
    pipeline.mend(house.context, report)
    assert "repeat" not in house.tags(someone)
    told = views.explain(house.context, "main", someone, house.context.today(house.context.settings.audiences["main"]))
    assert {entry["name"]: entry["tag_off"] for entry in told["segments"] if entry["in"]}["repeat"] == "hand"
    said = " ".join(line.text.strip() for line in lines(told, Words("en", "explain")))
    assert "without its tag: somebody took it off in Mailchimp" in said


ORDERED = "[audiences.main.lifecycle.segments.recent]\nwhen = 'orders(10 days) >= 1'\n"


def test_the_next_stay_in_the_segment_has_its_tag_like_any_other(house: House) -> None:
    someone = house.subscriber()
    house.configure(ORDERED, brake={"removals_min": 999})
    house.order("acme", someone, "9.00")
    for _ in range(2):
        house.sync_in_order()
        house.later(60)
    house.members.act(someone, {"tags": {"remove": ["syncd:recent"]}})
    house.sync_in_order()
    assert house.tags(someone) == set()
    house.later(30 * DAY)
    house.sync_in_order()
    house.order("acme", someone, "9.00")
    house.later(60)
    house.sync_in_order()
    assert house.tags(someone) == {"recent"}


def test_where_the_rules_are_to_be_enforced_a_tag_that_was_taken_off_is_put_back(house: House) -> None:
    house.configure(enforce=True)
    someone = house.subscriber()
    house.sync_in_order()
    house.later(60)
    house.members.act(someone, {"tags": {"remove": ["syncd:repeat"]}})
    house.sync_in_order()
    assert "repeat" in house.tags(someone)


def test_what_the_service_lost_is_not_put_back_live_but_by_mending(house: House) -> None:
    someone = house.subscriber()
    house.sync_in_order()
    house.later(8 * DAY)
    lose(house, someone)
    journeys = house.journeys()
    house.sync_in_order()  # everybody is read once a week
    assert "repeat" not in house.tags(someone)
    report = pipeline.verify(house.context)
    assert found(report) == {("tag lost by the service", "syncd:repeat"): 1}
    pipeline.mend(house.context, report)
    assert "repeat" in house.tags(someone)
    assert pipeline.verify(house.context).findings == []
    assert [entry for entry in house.journeys() if entry not in journeys and entry[0] == someone] == []


def test_a_pull_that_silently_saw_too_little_is_an_error_once_a_day_and_shows_until_it_is_mended(house: House) -> None:
    with house.history.begin() as db:
        db.execute(text("DELETE FROM orders WHERE shop = 'acme' AND id IN (SELECT id FROM orders LIMIT 60)"))
    house.later(DAY)
    (error,) = house.sync().errors
    assert isinstance(error, TransientError)
    assert "acme: the shop shows" in str(error)
    assert house.sync().errors == []
    shop = views.status(house.context)["shops"][0]
    assert (shop["state"], "are known" in shop["error"]) == ("incomplete", True)
    assert ("rows lacking", shop["error"]) in found(pipeline.verify(house.context))
    pipeline.pull_all(house.context, ["acme"], since=1)
    house.later(DAY)
    assert house.sync().errors == []
    assert views.status(house.context)["shops"][0]["state"] == "ok"
