"""The way of an order through the whole house: right tags, once, muted at first, and only for people who consented."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import select

from syncd import pipeline, views
from syncd.errors import ConnectionBlocked, UnsafePlan, UserError
from syncd.history import outbox
from syncd.history.database import History
from syncd.history.quarantine import quarantined
from syncd.history.schema import customers, members
from syncd.history.shops import holdings
from syncd.history.writer import only_writer
from syncd.model import Rejected
from syncd.sandbox.audience.members import subscriber_hash
from syncd.sandbox.populate import LIST_ID
from syncd.sandbox.serve import Running
from syncd.settings import load
from syncd.steps.context import Stopped
from syncd.steps.quarantine import retry
from tests.integration.history_records import take
from tests.integration.house import DAY, House

NEWCOMER = "new.person@example.com"


def test_after_a_backfill_everybody_bears_the_right_tags_on_both_databases(
    sandbox: Running, history: History, tmp_path: Path
) -> None:
    house = House(sandbox, history, tmp_path)
    house.backfill()
    assert house.tagged() == house.expected()
    before = house.requests()
    house.sync_in_order()
    assert house.writes(before) == []


def test_after_weeks_of_orders_and_refunds_everybody_bears_the_right_tags_on_both_databases(
    sandbox: Running, history: History, tmp_path: Path
) -> None:
    house = House(sandbox, history, tmp_path)
    house.backfill()
    for day in range(40):
        house.later(DAY)
        if day % 5 == 0:
            order = house.order("acme", house.subscriber(), "120.50")
            house.order("cafe", f"new.{day}@example.com", "31.00", consent=True)
            if day % 10 == 0:
                house.call("POST", "/shops/acme/refunds", {"order_id": order["id"]})
        house.sync_in_order()
        # What was created by this cycle is read back, and judged as a subscriber, by the next.
        house.sync_in_order()
        assert house.tagged() == house.expected(), day
    before = house.requests()
    house.sync_in_order()
    assert house.writes(before) == []


def test_a_backfill_starts_no_journey_and_the_first_live_tag_starts_one(house: House) -> None:
    assert house.journeys() == []
    someone = house.subscriber(with_tag="first-time")
    house.order("acme", someone, "20.00")
    house.sync_in_order()
    assert (someone, "syncd:repeat") in house.journeys()
    assert {email for email, _ in house.journeys()} == {someone}


def test_the_fields_say_what_the_rules_say(house: House) -> None:
    someone = house.subscriber(with_tag="first-time")
    before = house.state()[someone]["merge_fields"]
    house.order("acme", someone, "20.25")
    house.sync_in_order()
    after = house.state()[someone]["merge_fields"]
    assert after["ORDERS"] == before["ORDERS"] + 1
    assert after["SPEND6M"] == round(before["SPEND6M"] + 20.25, 2)
    assert after["LASTORDER"] == house.today().isoformat()
    assert after["FIRSTORD"] == before["FIRSTORD"]


def test_an_unsubscribe_takes_our_tags_away_in_the_same_cycle_and_for_good(house: House) -> None:
    someone = house.subscriber()
    house.call("POST", f"/audiences/{LIST_ID}/members/{someone}", {"status": "unsubscribed"})
    house.order("acme", someone, "500.00")
    house.sync_in_order()
    assert house.tags(someone) == set()
    assert house.state()[someone]["status"] == "unsubscribed"
    house.later(DAY)
    house.order("acme", someone, "500.00")
    house.sync_in_order()
    assert house.tags(someone) == set()


@pytest.mark.parametrize("moves", [False, True])
def test_what_people_open_and_click_is_known_within_a_week_whether_or_not_it_counts_as_a_change(
    house: House, moves: bool
) -> None:
    house.members.switches.engagement_moves_last_changed = moves
    someone = house.subscriber()
    # The last second of all changes is read again each time: it shall be somebody else's.
    house.later(3_600)
    house.members.act(max(house.state()), {"merge_fields": {"FNAME": "Zoe"}})
    house.sync_in_order()
    house.members.act(someone, {"open_rate": 0.75, "click_rate": 0.5})
    house.later(3_600)
    house.sync_in_order()
    assert (_rates(house, someone) == (0.75, 0.5)) is moves
    house.later(7 * DAY)
    house.sync_in_order()
    assert _rates(house, someone) == (0.75, 0.5)


def _rates(house: House, email: str) -> tuple[float, float]:
    query = select(members.c.open_rate, members.c.click_rate).join(customers, customers.c.id == members.c.customer_id)
    with house.history.read() as db:
        row = db.execute(query.where(customers.c.email == email)).one()
    return row.open_rate, row.click_rate


def test_everybody_is_read_once_a_week_and_otherwise_only_who_changed(house: House) -> None:
    def read() -> int:
        before = house.requests()
        house.sync_in_order()
        return sum(
            "since_last_changed" not in r.query for r in house.world.log.since(before) if r.path.endswith("/members")
        )

    assert [read() for _ in range(2)] == [0, 0]
    house.later(7 * DAY)
    assert read() > 0
    assert read() == 0


def test_only_who_consented_becomes_a_member(house: House) -> None:
    for email, consent in ((NEWCOMER, "subscribed"), ("asked.not@example.com", "not_subscribed")):
        house.order("acme", email, "40.00", consent=consent)
    house.sync_in_order()
    assert house.state()[NEWCOMER]["status"] == "subscribed"
    assert "first-time" in house.tags(NEWCOMER)
    assert "asked.not@example.com" not in house.state()


def test_a_double_opt_in_audience_asks_the_newcomer_first(house: House) -> None:
    house.members.double_optin = True
    house.order("acme", NEWCOMER, "40.00", consent="subscribed")
    house.sync_in_order()
    assert house.state()[NEWCOMER]["status"] == "pending"
    before = house.requests()
    house.sync_in_order()
    assert house.writes(before) == []


def test_nobody_is_created_where_the_audience_forbids_it(sandbox: Running, sqlite: History, tmp_path: Path) -> None:
    house = House(sandbox, sqlite, tmp_path, {"create": "never"})
    known = set(house.state())
    house.backfill()
    house.order("acme", NEWCOMER, "40.00", consent="subscribed")
    house.sync_in_order()
    assert set(house.state()) == known


def test_foreign_tags_and_fields_stay_as_they_are(house: House) -> None:
    someone = house.subscriber()
    house.call("POST", f"/audiences/{LIST_ID}/members/{someone}", {"tags": {"add": ["newsletter", "vip 2024"]}})
    foreign = {e: [t for t in m["tags"] if not t.startswith("syncd:")] for e, m in house.state().items()}
    names = {e: m["merge_fields"].get("FNAME") for e, m in house.state().items()}
    house.order("acme", someone, "700.00")
    house.later(40 * DAY)
    house.sync_in_order()
    assert {e: [t for t in m["tags"] if not t.startswith("syncd:")] for e, m in house.state().items()} == foreign
    assert {e: m["merge_fields"].get("FNAME") for e, m in house.state().items()} == names


def test_what_a_record_in_quarantine_holds_is_dropped_after_a_while_and_its_reason_stays(house: House) -> None:
    rejected = Rejected("9", "no date", b'{"phone": "+34 600 55 66 77"}')
    now = house.world.clock.now()
    take(house.history, rejected=(rejected,), now=now)
    (one,) = [one for one in quarantined(house.history, "acme") if one.record_id == "9"]
    house.later(29 * DAY)
    house.sync_in_order()
    assert "+34 600" in views.quarantined_raw(house.context, one.id)
    house.later(2 * DAY)
    house.sync_in_order()
    with pytest.raises(UserError, match="was dropped: it was seen last on 2026-11-22"):
        views.quarantined_raw(house.context, one.id)
    assert retry(house.context, [one.id]) == (0, 1)
    (left,) = [one for one in views.quarantined(house.context, "acme") if one["record_id"] == "9"]
    assert (left["reason"], left["content_kept"], left["attempts"]) == ("no date", False, 1)
    # Shown once more, it is kept once more.
    take(house.history, rejected=(rejected,), now=house.world.clock.now())
    house.sync_in_order()
    assert "+34 600" in views.quarantined_raw(house.context, one.id)


def test_a_live_plan_that_looks_like_an_accident_is_held_until_it_is_approved(house: House) -> None:
    house.configure(ONE_RULE, brake=STRICT)
    before = house.requests()
    tags = house.tagged()
    (held,) = house.sync().errors
    assert isinstance(held, UnsafePlan)
    assert held.exit_code == 3
    assert house.writes(before) == []
    assert house.tagged() == tags
    # It stays held, under the same name, until somebody decides.
    (again,) = house.sync().errors
    assert isinstance(again, UnsafePlan)
    assert again.plan_id == held.plan_id
    assert views.status(house.context)["audiences"][0]["held_plan"] == held.plan_id
    assert pipeline.plan_only(house.context, "main", 0, live=True)["id"] == held.plan_id
    pipeline.approve(house.context, held.plan_id)
    pipeline.send_approved(house.context, "main")
    assert set(house.tagged()) == {"repeat"}
    house.sync_in_order()


STRICT = {"removals_min": 3, "removals_share": 0.0}
ONE_RULE = '[audiences.main.lifecycle.segments.repeat]\nwhen = "orders(ever) >= 2"\n'


def test_a_held_plan_is_forgotten_when_what_caused_it_is_over(house: House) -> None:
    house.configure(ONE_RULE, brake=STRICT)
    assert isinstance(house.sync().errors[0], UnsafePlan)
    house.configure()
    house.sync_in_order()
    assert outbox.held_plan(house.history, "main") is None


def test_a_shop_that_suddenly_shows_nobody_holds_the_plan(house: House) -> None:
    house.order("acme", house.subscriber(), "900.00")
    nobody = {"service": "shopify", "path": "*/customers/count.json", "kind": "status", "status": 200}
    house.call("POST", "/faults", [{**nobody, "body": '{"count": 0}', "headers": {"content-type": "application/json"}}])
    before = house.requests()
    (held,) = house.sync().errors
    assert "shows no customer" in str(held)
    assert house.writes(before) == []


def test_another_account_behind_the_same_name_holds_the_plan(house: House) -> None:
    from syncd.history import ledger

    ledger.set_audience(house.history, "main", fingerprint="another/account")
    house.order("acme", house.subscriber(), "900.00")
    (held,) = house.sync().errors
    assert "another account" in str(held)


def test_another_shop_behind_the_same_name_is_not_read(house: House) -> None:
    from syncd.history.shops import set_shop_state

    set_shop_state(house.history, "acme", fingerprint="shopify:another")
    house.configure()
    before = holdings(house.history, "acme")
    house.order("acme", house.subscriber(), "900.00")
    (blocked,) = house.sync().errors
    assert isinstance(blocked, ConnectionBlocked)
    assert holdings(house.history, "acme") == before


def test_a_shop_under_a_second_name_is_not_read_as_its_orders_would_count_twice(house: House) -> None:
    path = house.directory / "syncd.toml"
    text = path.read_text()
    acme = text[text.index("[shops.acme]") : text.index("[shops.cafe]")]
    # As a shop that was renamed keeps its old address.
    twin = acme.replace("[shops.acme]", "[shops.twin]").replace("acme.myshopify.com", "old-name.myshopify.com")
    path.write_text(text.replace("[shops.cafe]", f"{twin}[shops.cafe]").replace('"acme", ', '"acme", "twin", '))
    house.context.settings = load(path)
    house.order("acme", someone := house.subscriber(with_tag="first-time"), "20.00")
    (blocked,) = house.sync().errors
    assert "which is read as acme already" in str(blocked)
    assert holdings(house.history, "twin").orders == 0
    assert house.state()[someone]["merge_fields"]["ORDERS"] == 2


def test_no_more_people_enter_a_tag_than_the_day_has_room_for_and_the_rest_follows(house: House) -> None:
    house.configure(max_entries_per_day=2)
    people = sorted(e for e in house.tagged()["lapsed"])[:5]
    for email in people:
        house.order("acme", email, "10.00")
    house.sync_in_order()
    house.sync_in_order()
    assert len(house.tagged().get("bought-14d", set()) & set(people)) == 2
    (status,) = views.status(house.context)["audiences"]
    told = (status["max_entries_per_day"], status["entered_today"]["bought-14d"], status["dripping"]["bought-14d"])
    assert told == (2, 2, 3)
    house.later(DAY)
    house.sync_in_order()
    assert len(house.tagged()["bought-14d"] & set(people)) == 4


def test_a_push_that_is_cut_off_goes_on_and_repeats_nothing(sandbox: Running, sqlite: History, tmp_path: Path) -> None:
    house = House(sandbox, sqlite, tmp_path)
    cycle = pipeline.pull_all(house.context, ["acme", "cafe"])
    held = pipeline.first_plan(house.context, "main", cycle)
    assert held is not None
    pipeline.approve(house.context, held["id"])
    house.context.progress = lambda task, advance, expected: house.context.stop.set() if "pushing" in task else None
    with pytest.raises(Stopped):
        pipeline.first_push(house.context, "main", cycle)
    assert outbox.outbox_size(sqlite, "main") > 0
    house.configure()
    pipeline.first_push(house.context, "main", cycle)
    assert house.tagged() == house.expected()
    assert house.journeys() == []


@pytest.mark.parametrize("kind", ["reset", "empty", "html200"])
def test_a_tag_whose_answer_was_lost_is_read_again_and_starts_one_journey(house: House, kind: str) -> None:
    someone = house.subscriber(with_tag="first-time")
    house.order("acme", someone, "20.00")
    lost = {"service": "mailchimp", "path": "*/tags", "kind": kind, "phase": "after", "count": 1}
    house.call("POST", "/faults", [lost])
    house.sync()
    house.sync_in_order()
    # The mean of all buyers is worked out once a day.
    house.later(DAY)
    house.sync_in_order()
    assert house.tagged() == house.expected()
    journeys = house.journeys()
    assert len(journeys) == len(set(journeys))
    assert (someone, "syncd:repeat") in journeys


def test_whom_the_service_refuses_for_now_keeps_nobody_waiting_and_is_tried_again_the_next_day(house: House) -> None:
    house.members.switches.overlisted = frozenset({NEWCOMER})
    house.order("acme", NEWCOMER, "20.00", consent=True)
    for n in range(8):
        someone = f"somebody.else.{n}@example.com"
        house.members.add_member(someone, "subscribed")
        house.order("acme", someone, "15.00")
        house.sync_in_order()
        assert "first-time" in house.tags(someone)
    tries = [write for write in house.writes() if subscriber_hash(NEWCOMER) in write]
    assert len(tries) == outbox.MAX_REFUSALS
    house.members.switches.overlisted = frozenset()
    house.later(DAY)
    house.sync_in_order()
    assert house.state()[NEWCOMER]["status"] == "subscribed"


def test_a_dead_key_stops_its_shop_and_the_rest_goes_on(house: House) -> None:
    house.call("POST", "/faults", [{"service": "ecwid", "path": "*", "kind": "status", "status": 403, "body": DEAD}])
    someone = house.subscriber(with_tag="first-time")
    house.order("acme", someone, "20.00")
    (blocked,) = house.sync().errors
    assert isinstance(blocked, ConnectionBlocked)
    assert "repeat" in house.tags(someone)
    shops = {shop["name"]: shop["state"] for shop in views.status(house.context)["shops"]}
    assert shops == {"acme": "ok", "cafe": "blocked"}
    # The service leaves a dead key alone for a while.
    before = house.requests()
    house.sync_in_order()
    assert not [r for r in house.world.log.since(before) if r.service == "ecwid"]


DEAD = '{"errorMessage": "no", "errorCode": "INVALID_API_TOKEN"}'


def test_days_without_news_from_a_shop_lapse_nobody(house: House) -> None:
    lapsed = house.tagged()["lapsed"]
    house.call("POST", "/faults", [{"service": "shopify", "path": "*", "kind": "status", "status": 402}])
    for _ in range(3):
        house.later(100 * DAY)
        cycle = house.sync()
        assert cycle.errors
        assert house.tagged()["lapsed"] == lapsed
    house.call("DELETE", "/faults")
    house.context.rests_until.clear()
    house.sync()
    assert house.expected()["lapsed"] > lapsed


def test_a_malformed_order_is_quarantined_and_taken_when_it_is_right(house: House) -> None:
    someone = house.subscriber(with_tag="first-time")
    order = house.order("acme", someone, "20.00", currency="JPY")
    house.order("acme", someone, "30.00")
    cycle = house.sync_in_order()
    assert cycle.pulled["acme"].quarantined == 1
    (row,) = [r for r in views.quarantined(house.context, "acme") if str(order["id"]) == r["record_id"]]
    assert "JPY" in row["reason"]
    assert "repeat" in house.tags(someone)
    house.configure(rates={"JPY": 0.006})
    from syncd.steps.quarantine import retry

    assert retry(house.context, [row["id"]]) == (1, 0)
    house.sync_in_order()
    assert house.state()[someone]["merge_fields"]["ORDERS"] == 3


def test_a_first_import_is_asked_for_before_anything_is_written(
    sandbox: Running, sqlite: History, tmp_path: Path
) -> None:
    house = House(sandbox, sqlite, tmp_path)
    (error,) = house.sync().errors
    assert isinstance(error, UserError)
    assert "backfill" in error.hint
    assert house.writes() == []


def test_a_plan_shown_is_the_plan_that_is_carried_out(house: House) -> None:
    house.order("acme", house.subscriber(with_tag="first-time"), "20.00")
    pipeline.pull_all(house.context, ["acme"])
    today = house.context.today(house.context.settings.audiences["main"])
    shown = pipeline.plan_only(house.context, "main", today, live=True)
    before = house.requests()
    assert pipeline.plan_only(house.context, "main", today, live=True) == shown
    assert house.writes(before) == []
    done = house.sync_in_order().plans["main"].summary()
    assert done == shown
    assert not any(pipeline.plan_only(house.context, "main", today, live=True)["counts"].values())


def test_a_tag_of_the_marketer_is_only_taken_over_when_it_is_adopted(
    sandbox: Running, sqlite: History, tmp_path: Path
) -> None:
    house = House(sandbox, sqlite, tmp_path, {"tag_prefix": ""})
    someone = min(house.state())
    house.call("POST", f"/audiences/{LIST_ID}/members/{someone}", {"tags": {"add": ["Repeat"]}})
    with pytest.raises(UserError, match="the tags repeat exist already"):
        house.backfill()
    assert house.writes() == []
    house.configure(tag_prefix="", adopt=["repeat"])
    house.backfill()
    house.sync_in_order()


def test_an_unsubscribe_between_plan_and_approval_is_seen_before_anything_is_sent(
    sandbox: Running, sqlite: History, tmp_path: Path
) -> None:
    house = House(sandbox, sqlite, tmp_path)
    cycle = pipeline.pull_all(house.context, ["acme", "cafe"])
    held = pipeline.first_plan(house.context, "main", cycle)
    assert held is not None
    someone = min(e for e, m in house.state().items() if m["status"] == "subscribed")
    house.later(60)
    house.call("POST", f"/audiences/{LIST_ID}/members/{someone}", {"status": "unsubscribed"})
    pipeline.approve(house.context, held["id"])
    pipeline.send_approved(house.context, "main")
    assert house.tags(someone) == set()
    assert house.state()[someone]["merge_fields"].get("ORDERS") is None


def test_orders_that_a_shop_did_not_show_at_first_are_read_with_since(
    sandbox: Running, sqlite: History, tmp_path: Path
) -> None:
    house = House(sandbox, sqlite, tmp_path)
    newest = house.world.clock.now() - 30 * DAY
    before = pipeline.pull_all(house.context, ["acme"], newest).pulled["acme"].orders_new
    assert pipeline.pull_all(house.context, ["acme"]).pulled["acme"].orders_new == 0
    assert pipeline.pull_all(house.context, ["acme"], 1).pulled["acme"].orders_new > before


def test_only_one_syncd_writes_at_a_time(history: History) -> None:
    with only_writer(history), pytest.raises(UserError, match="another syncd"), only_writer(history):
        pass
    with only_writer(history):
        pass


def test_a_service_that_is_down_loses_nothing_and_sends_the_final_state_once(house: House) -> None:
    someone = house.subscriber(with_tag="first-time")
    known = holdings(house.history, "acme").orders
    down = {"service": "mailchimp", "path": "*", "kind": "status", "status": 402}
    house.call("POST", "/faults", [down])
    for _ in range(3):
        house.order("acme", someone, "20.00")
        (error,) = house.sync().errors
        assert isinstance(error, ConnectionBlocked)
        house.later(DAY)
    # The shops were read all the time.
    assert holdings(house.history, "acme").orders == known + 3
    house.call("DELETE", "/faults")
    before = house.requests()
    house.sync_in_order()
    theirs = [write for write in house.writes(before) if subscriber_hash(someone) in write]
    assert sorted(write.rpartition("/")[2] for write in theirs) == [subscriber_hash(someone), "tags"]
    assert house.tagged() == house.expected()
    assert len(house.journeys()) == len(set(house.journeys()))
    assert house.state()[someone]["merge_fields"]["ORDERS"] == 4
