"""The control API: what it shows, what it makes happen, and how it refuses."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
import requests
from click.testing import CliRunner

from syncd.cli.sandbox import command
from syncd.sandbox.ecwid.documents import letters
from syncd.sandbox.populate import LIST_ID, build
from syncd.sandbox.serve import Running, start
from syncd.sandbox.simulate import schedule

START = 1_795_341_600


class Control:
    """The control API of one sandbox."""

    def __init__(self, running: Running) -> None:
        self.running = running
        self.world = running.world
        self.base = running.urls["control"]

    def call(self, method: str, path: str, body: Any = None) -> requests.Response:
        return requests.request(method, self.base + path, json=body, timeout=10)

    def post(self, path: str, body: Any) -> Any:
        answer = self.call("POST", path, body)
        assert answer.ok, answer.text
        return answer.json()

    def shopify(self, path: str) -> requests.Response:
        url = f"{self.running.urls['shopify']}/admin/api/2026-07/{path}"
        return requests.get(url, headers={"X-Shopify-Access-Token": "sandbox"}, timeout=10)


@pytest.fixture
def control(sandbox: Running) -> Control:
    return Control(sandbox)


@pytest.fixture(scope="module")
def reading(open_sandbox: Callable[..., Running]) -> Control:
    return Control(open_sandbox())


def test_the_page_shows_addresses_and_contents(reading: Control) -> None:
    page = reading.call("GET", "/")
    assert page.headers["content-type"].startswith("text/html")
    assert all(url in page.text for url in reading.running.urls.values())
    assert "2026-11-22 10:00:00 UTC" in page.text


def test_the_configuration_names_the_counterparts_and_holds_the_rules(reading: Control) -> None:
    config = tomllib.loads(reading.call("GET", "/syncd.toml").text)
    assert config["syncd"]["sandbox"] == reading.base
    assert config["shops"]["acme"]["base_url"] == reading.running.urls["shopify"]
    assert config["shops"]["cafe"]["store_id"] == 1003
    audience = config["audiences"]["main"]
    assert audience["list_id"] == LIST_ID
    assert audience["shops"] == ["acme", "cafe"]
    assert audience["lifecycle"]["segments"]["loyal"]["when"]
    assert set(audience["lifecycle"]) >= {"segments"}


def test_the_state_lists_members_with_tags_and_fields(reading: Control) -> None:
    members = reading.call("GET", "/state").json()["audiences"][LIST_ID]
    assert len(members) > 20
    assert set(members[0]) == {"email", "status", "tags", "merge_fields"}
    assert members[0]["merge_fields"]["FNAME"]


def test_requests_to_the_counterparts_are_logged_and_those_to_the_control_are_not(control: Control) -> None:
    control.shopify("orders.json?limit=1")
    control.shopify("nothing.json")
    seen = control.call("GET", "/requests").json()
    assert [(each["n"], each["service"], each["method"], each["status"]) for each in seen] == [
        (1, "shopify", "GET", 200),
        (2, "shopify", "GET", 404),
    ]
    assert seen[0]["path"] == "/admin/api/2026-07/orders.json"
    assert seen[0]["query"] == "limit=1"
    assert seen[0]["at"] == "2026-11-22T10:00:00+00:00"
    assert len(control.call("GET", "/requests?since=1").json()) == 1
    assert control.call("GET", "/requests?since=x").status_code == 400


def test_the_clock_stands_where_it_was_set_and_everything_follows_it(control: Control) -> None:
    assert control.post("/clock", {"now": "2026-12-24T18:00:00+01:00"}) == {"now": "2026-12-24T17:00:00+00:00"}
    assert control.call("GET", "/clock").json() == {"now": "2026-12-24T17:00:00+00:00"}
    order = control.post("/shops/acme/orders", {"email": "late@example.com", "total_price": "1.00"})
    assert order["updated_at"] == order["processed_at"] == "2026-12-24T18:00:00+01:00"
    assert control.shopify("shop.json").headers["Date"] == "Thu, 24 Dec 2026 17:00:00 GMT"


@pytest.mark.parametrize("body", [{}, {"now": None}, {"now": "soon"}, []])
def test_a_time_that_is_none_is_refused(control: Control, body: object) -> None:
    answer = control.call("POST", "/clock", body)
    assert answer.status_code == 400
    assert answer.json()["error"]
    assert control.world.clock.now() == START


def test_a_shopify_order_takes_shopifys_fields_and_shows_in_the_api(control: Control) -> None:
    order = control.post(
        "/shops/acme/orders",
        {
            "email": "new@example.com",
            "processed_at": "2026-11-01T12:00:00+01:00",
            "financial_status": "pending",
            "line_items": [
                {"title": "Blue (Jazz)", "quantity": 2, "price": "6.15", "sku": "B1", "product_type": "Jazz"}
            ],
            "customer": {"first_name": "Nia", "email_marketing_consent": {"state": "subscribed"}},
            "note": "left at the door",
        },
    )
    shown = control.shopify(f"orders/{order['id']}.json").json()["order"]
    assert shown == order
    assert (shown["total_price"], shown["financial_status"]) == ("12.30", "pending")
    assert shown["processed_at"] == "2026-11-01T12:00:00+01:00"
    assert shown["created_at"] == "2026-11-22T11:00:00+01:00"
    customer = control.shopify(f"customers/{shown['customer']['id']}.json").json()["customer"]
    assert customer["first_name"] == "Nia"
    assert customer["email_marketing_consent"]["state"] == "subscribed"


def test_an_ecwid_order_takes_ecwids_fields(control: Control) -> None:
    order = control.post(
        "/shops/cafe/orders",
        {"email": "new@example.com", "total": 9.99, "paymentStatus": "AWAITING_PAYMENT", "acceptMarketing": False},
    )
    assert (order["total"], order["paymentStatus"], order["acceptMarketing"]) == (9.99, "AWAITING_PAYMENT", False)
    url = f"{control.running.urls['ecwid']}/api/v3/1003/orders/{order['id']}"
    assert requests.get(url, headers={"Authorization": "Bearer sandbox"}, timeout=10).json() == order


def test_email_and_amount_are_enough_and_the_same_address_is_the_same_customer(control: Control) -> None:
    first, second = (control.post("/shops/acme/orders", {"email": "x@example.com", "amount": 5}) for _ in range(2))
    assert first["customer"]["id"] == second["customer"]["id"]
    assert first["id"] != second["id"]
    guest = control.post("/shops/acme/orders", {"email": "x@example.com", "amount": 5, "guest": True})
    assert guest["customer"] is None


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ({}, "email"),
        ({"email": "x@example.com"}, "amount"),
        ({"email": "x@example.com", "amount": "many"}, "amount"),
        ({"email": "x@example.com", "amount": 1, "status": "eaten"}, "eaten"),
        ({"email": "x@example.com", "amount": 1, "placed_at": "soon"}, "soon"),
        ({"email": "x@example.com", "amount": 1, "line_items": 3}, "array"),
        ({"email": "x@example.com", "amount": 1, "consent": "maybe"}, "maybe"),
        ({"email": "x@example.com", "amount": 1, "currency": "XXY"}, "XXY"),
    ],
)
def test_an_order_that_makes_no_sense_is_refused_and_leaves_nothing(
    control: Control, body: dict[str, Any], word: str
) -> None:
    shop = control.world.shops["acme"]
    before = len(shop.orders), len(shop.customers)
    answer = control.call("POST", "/shops/acme/orders", body)
    assert answer.status_code == 400
    assert word in answer.json()["error"]
    assert (len(shop.orders), len(shop.customers)) == before


def test_text_that_is_no_json_and_places_that_do_not_exist_are_refused_as_json(control: Control) -> None:
    broken = requests.post(control.base + "/shops/acme/orders", data=b"{", timeout=10)
    assert broken.status_code == 400
    assert broken.json()["error"]
    for path in ("/shops/none/orders", "/nowhere", "/audiences/none/members/a@example.com"):
        answer = control.call("POST", path, {"status": "subscribed"})
        assert (answer.status_code, list(answer.json())) == (404, ["error"])


def test_a_refund_lowers_the_order_until_nothing_is_left(control: Control) -> None:
    order = control.post("/shops/acme/orders", {"email": "x@example.com", "amount": "10.00"})
    part = control.post("/shops/acme/refunds", {"order_id": order["id"], "amount": "4.00"})
    assert (part["financial_status"], part["current_total_price"]) == ("partially_refunded", "6.00")
    too_much = control.call("POST", "/shops/acme/refunds", {"order_id": order["id"], "amount": "6.01"})
    assert too_much.status_code == 400
    rest = control.post("/shops/acme/refunds", {"order_id": order["id"]})
    assert (rest["financial_status"], rest["current_total_price"]) == ("refunded", "0.00")


def test_a_failed_refund_leaves_the_order_paid(control: Control) -> None:
    order = control.post("/shops/acme/orders", {"email": "x@example.com", "amount": 10})
    after = control.post("/shops/acme/refunds", {"order_id": order["id"], "amount": 4, "status": "failure"})
    assert after["financial_status"] == "paid"
    assert after["refunds"][0]["transactions"][0]["status"] == "failure"


def test_an_ecwid_order_is_refunded_by_its_public_id(control: Control) -> None:
    order = control.post("/shops/cafe/orders", {"email": "x@example.com", "amount": 10})
    after = control.post("/shops/cafe/refunds", {"order_id": order["id"]})
    assert (after["paymentStatus"], after["refundedAmount"]) == ("REFUNDED", 10.0)
    missing = control.call("POST", "/shops/cafe/refunds", {"order_id": "ZZZZZZ"})
    assert missing.status_code == 404


def test_an_order_is_edited_cancelled_and_deleted(control: Control) -> None:
    order = control.post("/shops/acme/orders", {"email": "x@example.com", "amount": 10})
    control.world.clock.set(START + 60)
    path = f"/shops/acme/orders/{order['id']}"
    edited = control.post(path, {"total_price": "8.00", "cancelled_at": "2026-11-22T10:01:00Z"})
    assert (edited["total_price"], edited["cancelled_at"]) == ("8.00", "2026-11-22T11:01:00+01:00")
    assert edited["updated_at"] == "2026-11-22T11:01:00+01:00"
    assert control.call("DELETE", path).status_code == 204
    assert control.call("DELETE", path).status_code == 404
    assert control.shopify("events.json?filter=Order").json()["events"][0]["subject_id"] == order["id"]


def test_a_customer_is_made_changed_renamed_and_deleted(control: Control) -> None:
    made = control.post("/shops/acme/customers", {"email": "c@example.com", "tags": "wholesale, friend"})
    assert made["tags"] == "wholesale, friend"
    assert made["email_marketing_consent"]["state"] == "not_subscribed"
    consents = {"email": "c@example.com", "email_marketing_consent": {"state": "subscribed"}}
    assert control.post("/shops/acme/customers", consents)["id"] == made["id"]
    renamed = control.post(f"/shops/acme/customers/{made['id']}", {"email": "d@example.com"})
    assert (renamed["email"], renamed["email_marketing_consent"]["state"]) == ("d@example.com", "subscribed")
    assert control.call("DELETE", f"/shops/acme/customers/{made['id']}").status_code == 204
    assert control.shopify(f"customers/{made['id']}.json").status_code == 404


def test_merged_customers_share_their_orders(control: Control) -> None:
    gone, kept = (
        control.post("/shops/acme/orders", {"email": email, "amount": 10})
        for email in ("a@example.com", "b@example.com")
    )
    merged = control.post(f"/shops/acme/customers/{gone['customer']['id']}/merge", {"into": kept["customer"]["id"]})
    assert (merged["email"], merged["orders_count"]) == ("b@example.com", 2)
    moved = control.shopify(f"orders/{gone['id']}.json").json()["order"]
    assert moved["customer"]["id"] == kept["customer"]["id"]


def test_ecwid_customers_take_ecwids_fields(control: Control) -> None:
    made = control.post(
        "/shops/cafe/customers", {"email": "c@example.com", "name": "Cara Sol", "acceptMarketing": True, "lang": "ca"}
    )
    assert (made["name"], made["acceptMarketing"], made["lang"]) == ("Cara Sol", True, "ca")
    assert letters(made["id"])


def test_people_act_in_the_audience(control: Control) -> None:
    path = f"/audiences/{LIST_ID}/members/fan@example.com"
    assert control.post(path, {"status": "subscribed", "tags": ["friend"]})["tags"] == ["friend"]
    assert control.post(path, {"status": "unsubscribed"})["status"] == "unsubscribed"
    assert (
        control.call("POST", f"/audiences/{LIST_ID}/members/no@example.com", {"status": "cleaned"}).status_code == 404
    )


def test_the_throttle_is_changed_in_part(control: Control) -> None:
    assert control.post("/throttle", {"latency": 0.05}) == {"enforce": False, "latency": 0.05, "per_row": 0.0}
    answer = control.shopify("shop.json")
    assert answer.elapsed.total_seconds() >= 0.05
    assert control.call("POST", "/throttle", {"latency": "slow"}).status_code == 400
    assert control.call("GET", "/throttle").json() == {"enforce": False, "latency": 0.05, "per_row": 0.0}


def test_switches_change_how_a_shop_behaves(control: Control) -> None:
    assert control.post("/shops/acme/switches", {"walk_limit": 10})["walk_limit"] == 10
    assert "Link" not in control.shopify("orders.json?status=any&limit=10").headers
    assert control.call("POST", "/shops/acme/switches", {"walk_limit": "many"}).status_code == 400


def test_everything_that_the_simulation_plans_can_be_posted(control: Control) -> None:
    for _, shop, payload in schedule(control.world, 2, 1):
        order = control.post(f"/shops/{shop}/orders", payload)
        assert order["email"] == payload["email"]


@pytest.fixture
def process() -> Iterator[subprocess.Popen[str]]:
    arguments = [sys.executable, "-m", "syncd", "sandbox", "--data", "synthetic", "--customers", "5", "--port", "0"]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        yield running
        running.kill()


def test_the_command_prints_one_line_serves_and_ends_quietly(process: subprocess.Popen[str]) -> None:
    assert process.stdout
    urls = json.loads(process.stdout.readline())
    assert set(urls) == {"control", "shopify", "ecwid", "mailchimp"}
    assert requests.get(urls["control"] + "/clock", timeout=10).status_code == 200
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=10)
    assert (process.returncode, out, err) == (0, "", "")


def test_answers_on_an_open_connection_do_not_wait_for_acknowledgements(reading: Control) -> None:
    took = []
    with requests.Session() as session:
        for _ in range(50):
            began = time.monotonic()
            session.get(reading.base + "/clock", timeout=10)
            took.append(time.monotonic() - began)
    # A new connection is acknowledged at once; an older one, without the option, after 40 ms.
    assert sorted(took[-20:])[10] < 0.03


def test_the_ports_follow_each_other(open_sandbox: Callable[..., Running]) -> None:
    taken = int(open_sandbox().urls["control"].rpartition(":")[2])
    result = CliRunner().invoke(command, ["--data", "synthetic", "--port", str(taken)])
    assert f"the ports {taken} to {taken + 3} cannot be opened" in str(result.exception)


def test_no_port_stays_open_where_one_of_them_is_taken() -> None:
    with behind_a_free_port() as taken:
        with pytest.raises(OSError, match="in use"):
            start(build("synthetic", customers=1), port=taken - 1)
        with socket.create_server(("127.0.0.1", taken - 1)):
            pass


@contextmanager
def behind_a_free_port() -> Iterator[int]:
    """A port that is taken, and the one before it is not."""
    while True:
        with socket.create_server(("127.0.0.1", 0)) as server:
            taken: int = server.getsockname()[1]
            with suppress(OSError), socket.create_server(("127.0.0.1", taken - 1)):
                break
    with socket.create_server(("127.0.0.1", taken)):
        yield taken


def test_a_number_of_orders_goes_only_with_synthetic_data() -> None:
    result = CliRunner().invoke(command, ["--orders", "5"])
    assert "--orders goes with --data synthetic" in str(result.exception)
