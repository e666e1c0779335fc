"""The sandbox's list webhooks: what is told to whom, in which form, how often, and how it is signed."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qsl

import pytest
import requests

from syncd.sandbox.audience.writes import FieldWrite
from syncd.sandbox.mailchimp.account import Account as Owner
from syncd.sandbox.mailchimp.operations import execute
from syncd.sandbox.populate import populate
from syncd.sandbox.serve import Running, start
from syncd.sandbox.webhooks import Sending
from syncd.sandbox.world import World
from tests.integration.mailchimp_server import KEY, LIST, NOW

ALL = {"subscribe": True, "unsubscribe": True, "profile": True, "cleaned": True, "upemail": True}
ANYBODY = {"user": True, "admin": True, "api": True}


class Receiver(ThreadingTCPServer):
    """Takes webhooks and answers with `status`; `looks` are the GETs, `taken` the POSTs as (headers, body)."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self) -> None:
        self.looks: list[dict[str, str]] = []
        self.taken: list[tuple[dict[str, str], bytes]] = []
        self.status = 200
        super().__init__(("127.0.0.1", 0), _Slot)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/hook"

    def wait(self, count: int) -> list[dict[str, str]]:
        """The forms of the first `count` messages, once they are there."""
        until = time.monotonic() + 10
        while len(self.taken) < count:
            assert time.monotonic() < until, f"{len(self.taken)} of {count} messages came"
            time.sleep(0.005)
        return [dict(parse_qsl(body.decode(), keep_blank_values=True)) for _, body in self.taken[:count]]


class _Slot(BaseHTTPRequestHandler):
    server: Receiver

    def do_GET(self) -> None:
        self.server.looks.append(dict(self.headers))
        self._answer()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.taken.append((dict(self.headers), body))
        self._answer()

    def _answer(self) -> None:
        self.send_response(self.server.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


class Account:
    """The running sandbox with one empty audience, seen from outside and from within."""

    def __init__(self, running: Running) -> None:
        self.running = running
        self.world = running.world
        self.audience = running.world.audiences["a1b2c3d4e5"]

    def call(self, method: str, path: str, body: Any = None) -> requests.Response:
        url = f"{self.running.urls['mailchimp']}/3.0{LIST}{path}"
        return requests.request(method, url, json=body, auth=("any", KEY), timeout=30)

    def webhook(self, url: str, events: Any = ALL, sources: Any = ANYBODY) -> dict[str, Any]:
        """A new webhook as it is answered."""
        answer = self.call("POST", "/webhooks", {"url": url, "events": events, "sources": sources})
        assert answer.status_code == 200, answer.text
        made: dict[str, Any] = answer.json()
        return made

    def act(self, email: str, /, **change: Any) -> None:
        """A person does something, or the marketer."""
        url = f"{self.running.urls['control']}/audiences/a1b2c3d4e5/members/{email}"
        answer = requests.post(url, json=change, timeout=30)
        assert answer.ok, answer.text

    def tried(self, attempts: int) -> None:
        """Returns once the first message was tried so often and its next try is set."""
        until = time.monotonic() + 10
        while not self.running.post.letters or self.running.post.letters[0].attempts < attempts:
            assert time.monotonic() < until
            time.sleep(0.005)

    def refusal(self, url: str) -> str:
        """Why there is no such webhook."""
        answer = self.call("POST", "/webhooks", {"url": url})
        assert (answer.status_code, answer.json()["title"]) == (400, "Invalid Resource")
        [error] = answer.json()["errors"]
        assert error["field"] == "url"
        return str(error["message"])


@pytest.fixture
def account() -> Iterator[Account]:
    world = World(start=NOW)
    world.clock.set(NOW)
    world.throttle.enforce = False
    populate(world, [])
    with start(world) as running:
        yield Account(running)


def test_an_address_is_looked_at_by_get_before_it_is_told_anything(account: Account, receiver: Receiver) -> None:
    account.webhook(receiver.url)
    assert [look["User-Agent"] for look in receiver.looks] == ["MailChimp.com WebHook Validator"]
    assert receiver.taken == []


@pytest.mark.parametrize("status", [400, 403, 404, 500])
def test_an_address_that_does_not_answer_well_is_refused_with_its_status(
    account: Account, receiver: Receiver, status: int
) -> None:
    receiver.status = status
    assert account.refusal(receiver.url).endswith(f"Please double check and try again. HTTP Code: {status}")
    assert account.call("GET", "/webhooks").json()["webhooks"] == []


def test_an_address_where_nobody_is_or_that_is_none_is_refused(account: Account) -> None:
    assert account.refusal("http://127.0.0.1:1/").endswith("HTTP Code: 0")
    assert account.refusal("ftp://shop.test/") == "Invalid URL"
    assert account.refusal("shop") == "Invalid URL"


def test_a_batch_makes_no_webhook_as_nobody_looks_at_its_address(account: Account, receiver: Receiver) -> None:
    operation = {"method": "POST", "path": f"{LIST}/webhooks", "body": json.dumps({"url": receiver.url})}
    url = f"{account.running.urls['mailchimp']}/3.0/batches"
    requests.post(url, json={"operations": [operation]}, auth=("any", KEY), timeout=30)
    assert account.call("GET", "/webhooks").json()["webhooks"] == receiver.looks == []


def test_two_addresses_that_differ_only_in_their_query_are_one(account: Account, receiver: Receiver) -> None:
    account.webhook(f"{receiver.url}?key=1")
    assert account.refusal(f"{receiver.url}?key=2") == "Sorry, you can't set up multiple WebHooks for one URL"
    account.webhook(f"{receiver.url}/other?key=1")


def test_a_new_address_is_looked_at_too_and_the_old_one_is_not(account: Account, receiver: Receiver) -> None:
    path = f"/webhooks/{account.webhook(receiver.url)['id']}"
    assert account.call("PATCH", path, {"url": receiver.url, "events": {"profile": False}}).status_code == 200
    assert len(receiver.looks) == 1
    receiver.status = 500
    assert account.call("PATCH", path, {"url": f"{receiver.url}/new"}).status_code == 400
    assert account.call("GET", path).json()["url"] == receiver.url


def test_the_list_of_webhooks_knows_no_pages(account: Account, receiver: Receiver) -> None:
    for number in range(12):
        account.webhook(f"{receiver.url}/{number}")
    listed = account.call("GET", "/webhooks").json()
    assert (len(listed["webhooks"]), listed["total_items"]) == (12, 12)


def test_a_subscriber_is_told_as_a_form_with_nested_names(account: Account, receiver: Receiver) -> None:
    account.webhook(receiver.url)
    account.audience.fields.create(FieldWrite(name="City", tag="CITY", type="text"))
    account.act("Ann@shop.test", status="subscribed", merge_fields={"FNAME": "Ann", "CITY": "Ulm & Köln"})
    told, profile = receiver.wait(2)
    assert (told["type"], told["fired_at"]) == ("subscribe", "2026-09-21 14:13:20")
    assert (told["data[email]"], told["data[list_id]"], told["data[email_type]"]) == (
        "Ann@shop.test",
        "a1b2c3d4e5",
        "html",
    )
    assert (told["data[merges][EMAIL]"], told["data[merges][FNAME]"]) == ("Ann@shop.test", "")
    assert (profile["type"], profile["data[merges][CITY]"]) == ("profile", "Ulm & Köln")
    headers = receiver.taken[0][0]
    assert (headers["Content-Type"], headers["User-Agent"]) == ("application/x-www-form-urlencoded", "MailChimp.com")
    assert "X-Mailchimp-Signature" not in headers


UNSUBSCRIBED = {"type": "unsubscribe", "data[action]": "unsub", "data[reason]": "manual", "data[campaign_id]": ""}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"status": "unsubscribed"}, UNSUBSCRIBED | {"data[email]": "a@shop.test"}),
        ({"status": "archived", "by": "admin"}, {"type": "unsubscribe", "data[action]": "archive"}),
        ({"status": "deleted", "by": "admin"}, {"type": "unsubscribe", "data[action]": "delete"}),
        ({"status": "cleaned"}, {"type": "cleaned", "data[reason]": "hard", "data[email]": "a@shop.test"}),
        (
            {"email": "b@shop.test"},
            {"type": "upemail", "data[old_email]": "a@shop.test", "data[new_email]": "b@shop.test"},
        ),
        ({"merge_fields": {"FNAME": "Ann"}}, {"type": "profile", "data[merges][FNAME]": "Ann"}),
    ],
)
def test_each_happening_has_its_message(
    account: Account, receiver: Receiver, change: dict[str, Any], told: dict[str, str]
) -> None:
    account.audience.add_member("a@shop.test", "subscribed")
    account.webhook(receiver.url)
    account.act("a@shop.test", **change)
    [message] = receiver.wait(1)
    assert told.items() <= message.items()


def test_nothing_tells_of_a_tag_a_pending_member_or_a_member_that_was_there_before(
    account: Account, receiver: Receiver
) -> None:
    account.webhook(receiver.url)
    account.audience.add_member("a@shop.test", "subscribed")
    account.act("a@shop.test", tags=["loyal"])
    account.act("b@shop.test", status="pending")
    account.act("b@shop.test", status="subscribed")
    [message] = receiver.wait(1)
    assert (message["type"], message["data[email]"]) == ("subscribe", "b@shop.test")
    assert account.running.post.letters[1:] == []


@pytest.mark.parametrize("echo", [False, True])
def test_our_own_changes_come_back_only_where_the_source_api_is_wanted(
    account: Account, receiver: Receiver, echo: bool
) -> None:
    account.webhook(receiver.url, ALL, {"user": True, "admin": False, "api": echo})
    body = {"email_address": "api@shop.test", "status": "subscribed", "merge_fields": {"FNAME": "Ann"}}
    assert account.call("POST", "/members", body).status_code == 200
    account.act("admin@shop.test", status="subscribed", by="admin")
    account.act("user@shop.test", status="subscribed")
    wanted = ["api@shop.test", "user@shop.test"] if echo else ["user@shop.test"]
    assert [each["data[email]"] for each in receiver.wait(len(wanted))] == wanted


def test_only_wanted_events_are_told_and_none_once_the_webhook_is_deleted(account: Account, receiver: Receiver) -> None:
    made = account.webhook(receiver.url, {"unsubscribe": True})
    account.act("a@shop.test", status="subscribed")
    account.act("a@shop.test", status="unsubscribed")
    assert [each["type"] for each in receiver.wait(1)] == ["unsubscribe"]
    assert account.call("DELETE", f"/webhooks/{made['id']}").status_code == 204
    account.act("b@shop.test", status="subscribed")
    account.act("b@shop.test", status="unsubscribed")
    assert len(account.running.post.letters) == 1


def test_what_was_not_taken_comes_again_and_what_was_may_come_twice(account: Account, receiver: Receiver) -> None:
    account.webhook(receiver.url)
    receiver.status = 500
    account.act("a@shop.test", status="subscribed")
    account.tried(1)
    receiver.status = 200
    account.world.clock.set(NOW + 60)
    first, second = receiver.wait(2)
    assert first == second
    account.running.post.set(Sending(duplicate=1.0))
    account.act("b@shop.test", status="subscribed")
    assert [each["data[email]"] for each in receiver.wait(4)[2:]] == ["b@shop.test"] * 2


def test_after_an_hour_and_a_quarter_the_service_gives_up(account: Account, receiver: Receiver) -> None:
    account.webhook(receiver.url)
    receiver.status = 500
    account.act("a@shop.test", status="subscribed")
    for tries, minutes in enumerate((0, 1, 3, 7, 15, 35, 75), start=1):
        account.world.clock.set(NOW + 60 * minutes)
        account.tried(tries)
    account.world.clock.set(NOW + 86_400)
    account.act("b@shop.test", status="subscribed")
    emails = [each["data[email]"] for each in receiver.wait(8)]
    assert emails == ["a@shop.test"] * 7 + ["b@shop.test"]
    assert account.running.post.letters[0].state == "given up"


def test_a_signature_comes_only_where_switched_with_a_secret_that_is_told_once(
    account: Account, receiver: Receiver
) -> None:
    account.world.mailchimp.webhooks_are_signed = True
    # Not over HTTP: the published schema does not have the secret yet.
    body = json.dumps({"url": receiver.url, "events": ALL, "sources": ANYBODY})
    made = execute(Owner(account.world), "POST", f"{LIST}/webhooks", {}, body, visits={receiver.url: 200})
    assert made
    account.act("a@shop.test", status="subscribed")
    receiver.wait(1)
    headers, body = receiver.taken[0]
    at, _, signature = headers["X-Mailchimp-Signature"].partition(",v1=")
    signed = at.removeprefix("t=").encode() + b"." + body
    assert signature == hmac.new(made["signing_secret"].encode(), signed, hashlib.sha256).hexdigest()
    assert "signing_secret" not in account.call("GET", f"/webhooks/{made['id']}").json()
