"""Mailchimp's traps on the wire: answers that only look like success, limits, batches, addresses and secrets."""

from __future__ import annotations

import json
import logging
from base64 import b64encode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from time import sleep

import pytest
import requests

from syncd import pipeline, views
from syncd.checks import findings
from syncd.destinations._mailchimp_gateway import DEADLINE_SECONDS, connect
from syncd.destinations.mailchimp import Mailchimp
from syncd.errors import ConnectionBlocked, TransientError
from syncd.model import Change
from syncd.sandbox.faults import Fault
from syncd.sandbox.mailchimp import MAX_CONNECTIONS
from tests.integration.mailchimp_world import LIST, NOW, Town
from tests.log_lines import caught_lines
from tests.traps.mailchimp_stage import Home, plainly, wiretap

ANN, BOB = "ann@shop.example", "bob@shop.example"
FORBIDDEN = json.dumps({"title": "Forbidden", "status": 403, "detail": "You don't have permission.", "instance": "1"})
# The service ends a call after so long, and until then it holds its connection.
SERVICE_SECONDS = 120


def regulars(home: Home, count: int = 40) -> list[str]:
    """So many subscribers who bought once: a first import of them takes a batch."""
    emails = [f"p{n}@shop.example" for n in range(count)]
    home.joins(*emails)
    for email in emails:
        home.buys(email)
    return emails


@pytest.mark.parametrize("status", [429, 502])
def test_trap_01_an_error_without_a_body_is_not_taken_for_success(home: Home, status: int) -> None:
    home.joins(ANN)
    home.backfill()
    home.buys(ANN)
    home.strike("*/tags", status=status, count=1)
    home.sync()
    home.cycle()
    assert home.tags(ANN) == {"buyer"}
    assert home.entries("tag") == [(ANN, "syncd:buyer")]


@plainly
def test_trap_02_a_403_from_the_network_is_waited_out(home: Home) -> None:
    home.joins(ANN)
    home.backfill()
    home.buys(ANN)
    home.strike("*", status=403, count=2, body="<html>Access Denied</html>")
    home.sync_in_order()
    assert home.waited_seconds >= 120
    assert home.tags(ANN) == {"buyer"}


@plainly
def test_trap_02_a_403_from_the_service_stops_the_audience_and_is_shown(home: Home) -> None:
    home.joins(ANN)
    home.backfill()
    home.buys(ANN)
    home.strike("*", status=403, count=1, body=FORBIDDEN, headers={"Content-Type": "application/problem+json"})
    [error] = home.sync().errors
    assert isinstance(error, ConnectionBlocked)
    assert error.hint
    before = home.requests()
    home.sync_in_order()
    assert not [call for call in home.world.log.since(before) if call.service == "mailchimp"]


def test_trap_03_every_failure_inside_a_success_reaches_its_person(town: Town) -> None:
    taken = [f"Person.{n}@Shop.example" for n in range(30)]
    for n, email in enumerate(taken):
        status = ("subscribed", "unsubscribed", "cleaned", "archived", "pending")[n % 5 if n < 10 else 0]
        town.audience.add_member(email, status, changed_at=NOW - 100)
    strangers = ["stranger1@shop.example", "stranger2@shop.example"]
    town.destination.prepare(["loyal"], {})
    outcomes = town.push(*(Change(email.lower(), add=("loyal",)) for email in [*taken, *strangers]))
    assert {outcomes[email.lower()].result for email in taken} == {"done"}
    assert all(town.tags(email) == ["loyal"] for email in taken)
    assert {(outcomes[email].result, outcomes[email].reason) for email in strangers} == {
        ("refused", "not in the audience")
    }


def test_trap_03_who_unsubscribes_while_a_segment_is_filled_keeps_no_tag(home: Home) -> None:
    emails = regulars(home)
    home.backfill()
    for email in emails:
        home.buys(email)

    def leave(task: str, advance: int, expected: int | None) -> None:
        if "judging" in task:
            home.members.act(emails[7], {"status": "unsubscribed"})

    home.context.progress = leave
    home.cycle()
    home.cycle()
    assert {email for email in emails if "regular" in home.tags(email)} == {*emails} - {emails[7]}
    assert home.tags(emails[7]) == set()
    assert home.state()[emails[7]]["status"] == "unsubscribed"


@plainly
def test_trap_20_eight_workers_and_a_stalled_call_stay_within_ten_connections(town: Town) -> None:
    people, begun = town.people(40), len(town.world.log)
    town.world.faults.add(Fault(kind="hang", service="mailchimp", path="*/members/*", count=1, seconds=0.2))
    with enforced(town), ThreadPoolExecutor(8) as workers:
        assert all(workers.map(town.destination.member, people))
    assert not [call for call in town.world.log.since(begun) if call.status == 429]
    # Given up earlier, a call would hold a connection there that we no longer count.
    assert DEADLINE_SECONDS > SERVICE_SECONDS


@plainly
def test_trap_20_connections_that_others_hold_are_waited_for(town: Town) -> None:
    [ann] = town.people(1)
    town.world.faults.add(Fault(kind="delay", service="mailchimp", path="*/ping", seconds=1.5))
    url, pauses, begun = town.running.urls["mailchimp"], list[float](), len(town.world.log)

    def ping(_: int) -> int:
        return requests.get(f"{url}/3.0/ping", auth=("any", "sandbox-us1"), timeout=30).status_code

    with enforced(town), ThreadPoolExecutor(MAX_CONNECTIONS) as others:
        theirs = [others.submit(ping, n) for n in range(MAX_CONNECTIONS)]
        while town.world.faults.report()[0][1] < MAX_CONNECTIONS:
            sleep(0.005)

        def until_they_are_done(seconds: float) -> None:
            pauses.append(seconds)
            wait(theirs)

        gateway = connect(lambda: "sandbox-us1", url, "audiences.main", sleep=until_they_are_done)
        assert Mailchimp(gateway, LIST, now=town.world.clock.now).member(ann)
    assert {each.result() for each in theirs} == {200}
    assert [call.status for call in town.world.log.since(begun)].count(429) == len(pauses) == 1
    assert pauses[0] >= float(town.world.mailchimp.retry_after or 0)


def test_trap_21_a_first_import_survives_results_that_come_late(home: Home) -> None:
    home.switches.result_refusals += 2
    emails = regulars(home)
    home.backfill()
    assert all(home.tags(email) == {"buyer"} for email in emails)
    assert home.entries("tag") == []


def test_trap_21_a_batch_of_somebody_else_without_names_disturbs_nobody(home: Home) -> None:
    emails = regulars(home)
    foreign = {"operations": [{"method": "GET", "path": "/ping"}]}
    url = f"{home.sandbox.urls['mailchimp']}/3.0/batches"
    requests.post(url, json=foreign, auth=("any", "sandbox-us1"), timeout=10).raise_for_status()
    home.backfill()
    assert all(home.tags(email) == {"buyer"} for email in emails)


def test_trap_21_an_address_of_results_that_ran_out_is_asked_for_anew(home: Home) -> None:
    emails = regulars(home)
    home.switches.result_url_seconds = -1
    with pytest.raises(TransientError, match="results of a batch"):
        home.backfill()
    home.switches.result_url_seconds = 600
    before = home.requests()
    pipeline.send_approved(home.context, "main")
    assert all(home.tags(email) == {"buyer"} for email in emails)
    # Everything was done the first time, and syncd found that out by reading.
    assert home.writes(before) == []


def test_trap_21_of_a_batch_that_was_forgotten_only_what_is_not_there_is_sent_again(home: Home) -> None:
    emails = regulars(home)
    home.switches.batch_kept_seconds = 0
    home.strike(f"*/members/{home.members.get(emails[3]).hash}/tags", status=500)
    with pytest.raises(TransientError, match="not confirmed yet"):
        home.backfill()
    home.switches.batch_kept_seconds = 86_400
    home.members.tags.remove(home.members.get(emails[3]), ["syncd:buyer"])
    home.world.faults.clear()
    with wiretap() as writes:
        pipeline.send_approved(home.context, "main")
    assert all(home.tags(email) == {"buyer"} for email in emails)
    assert [path for _, path, _ in writes] == [f"/lists/{LIST}/members/{home.members.get(emails[3]).hash}/tags"]
    assert home.entries("tag") == []


def test_trap_21_a_crash_between_submitting_a_batch_and_noting_it_repeats_nothing(home: Home) -> None:
    emails = regulars(home)
    home.strike("*/batches", "reset", method="POST", phase="after", count=1)
    with pytest.raises(TransientError):
        home.backfill()
    # A new process: it knows only what was committed.
    home.configure()
    before = home.requests()
    pipeline.send_approved(home.context, "main")
    assert home.writes(before) == []
    assert all(home.tags(email) == {"buyer"} for email in emails)


@plainly
@pytest.mark.parametrize(
    "email",
    [
        "server+a@server.example",
        "o'hara/and/sons@shop.example",
        "a#b?c=d&e@shop.example",
        "100%25@shop.example",
        "ünïcode@shop.example",
        "a.b+c@us1.example",
    ],
)
def test_trap_24_an_address_with_odd_letters_reaches_its_member(town: Town, email: str) -> None:
    town.destination.prepare(["loyal", "lapsed"], {"NOTE": "text"})
    before = set(town.audience.members.by_hash)
    create = Change(email, create=True, fields={"NOTE": "x"}, add=("loyal",))
    assert town.push(create)[email].result == "done"
    assert town.push(Change(email, add=("lapsed",), remove=("loyal",)), muted=True)[email].result == "done"
    [key] = set(town.audience.members.by_hash) - before
    assert town.audience.get(key).email == email
    assert (town.tags(email), town.values(email)) == (["lapsed"], {"NOTE": "x"})
    member = town.destination.member(email)
    assert member
    assert member.email == email


@plainly
def test_trap_24_odd_addresses_come_through_from_the_shop(home: Home) -> None:
    emails = ["server+a@server.example", "o'hara/and/sons@shop.example", "a#b@shop.example", "ünïcode@shop.example"]
    for email in emails:
        home.buys(email)
    home.backfill()
    home.cycle()
    assert {email: home.tags(email) for email in home.state()} == {email: {"buyer"} for email in emails}
    assert home.is_quiet()


SECRET = "0123456789abcdef0123456789abcdef-us1"


@plainly
@pytest.mark.parametrize("status", [401, 403, 404, 418, 500])
def test_trap_further_neither_the_key_nor_an_address_is_in_an_error(
    home: Home, status: int, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    home.switches.keys = {SECRET}
    home.configure(api_key=SECRET)
    home.joins(ANN)
    home.backfill()
    home.buys(ANN)
    home.strike("*", status=status, headers={"X-Request-Id": "4f2a-77"})
    with caught_lines() as lines:
        errors = home.sync().errors
    home.world.faults.clear()
    told = [
        text for err in errors for text in (str(err), repr(err), err.hint, str(err.__cause__), str(err.__context__))
    ]
    told += [str(lines), caplog.text, *capfd.readouterr(), json.dumps(views.status(home.context))]
    assert errors
    basic = b64encode(f"syncd:{SECRET}".encode()).decode()
    assert not [text for text in told for secret in (SECRET, basic, ANN) if secret in text]
    assert status == 403 or any("4f2a-77" in text for text in told)


@plainly
def test_trap_further_a_key_of_another_data_centre_is_told_at_the_start(home: Home) -> None:
    home.configure(api_key="0123456789abcdef-us2")
    before = home.requests()
    found = [finding for finding in findings(home.context.settings) if finding.text.startswith("audience main")]
    assert [finding.mark for finding in found] == ["blocked"]
    with pytest.raises(ConnectionBlocked, match="credentials"):
        home.backfill()
    assert home.writes(before) == []


@plainly
def test_trap_further_a_wrong_clock_of_ours_skips_nobody(town: Town) -> None:
    # The service's clock is years behind this machine's and jumps back a little.
    town.world.clock.set(1_400_000_000)
    town.audience.add_member(ANN, "subscribed", changed_at=1_400_000_000)
    [*_, last] = town.destination.members(None)
    town.audience.add_member(BOB, "subscribed", changed_at=1_399_999_999)
    assert BOB in {member.email for page in town.destination.members(last.cursor) for member in page.members}


@contextmanager
def enforced(town: Town) -> Iterator[None]:
    """Within, the service's limit of connections applies."""
    town.world.throttle.enforce = True
    try:
        yield
    finally:
        town.world.throttle.enforce = False
