"""The sandbox's post office: what goes out when something happens, how it is signed, and how unreliable it can be."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingTCPServer
from threading import Event, Thread
from typing import Any

import pytest
import requests
from jsonschema import Draft202012Validator

from syncd.sandbox.serve import Running
from syncd.sandbox.shopify.webhooks import TOPICS

SHARED = Path(__file__).parents[3] / "shared" / "fixtures"
API = "/admin/api/2026-07"


class Mailbox(ThreadingTCPServer):
    """An address that takes webhooks, with `status` for an answer; `open` lets the answers go."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self) -> None:
        self.taken: list[tuple[dict[str, str], bytes]] = []
        self.status = 200
        self.open = Event()
        self.open.set()
        super().__init__(("127.0.0.1", 0), _Slot)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/hooks"

    def wait(self, count: int) -> list[tuple[dict[str, str], bytes]]:
        """The first `count` messages, once they are there."""
        until = time.monotonic() + 10
        while len(self.taken) < count:
            assert time.monotonic() < until, f"{len(self.taken)} of {count} messages came"
            time.sleep(0.005)
        return self.taken[:count]

    def topics(self, count: int) -> list[str]:
        return [headers.get("x-shopify-topic") or json.loads(body)["eventType"] for headers, body in self.wait(count)]


class _Slot(BaseHTTPRequestHandler):
    server: Mailbox

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.taken.append(({name.lower(): value for name, value in self.headers.items()}, body))
        self.server.open.wait(10)
        self.send_response(self.server.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args: Any) -> None:
        """Nothing."""


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    with Mailbox() as box:
        thread = Thread(target=box.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield box
        box.open.set()
        box.shutdown()
        thread.join()


Call = Callable[..., Any]


@pytest.fixture
def call(sandbox: Running) -> Call:
    def call_(method: str, path: str, body: object = None, expect: int = 0) -> Any:
        reply = requests.request(method, f"{sandbox.urls['control']}{path}", json=body, timeout=10)
        assert reply.status_code == expect or (not expect and reply.ok), reply.text
        return reply.json() if reply.content else None

    return call_


def settled(call: Call) -> list[dict[str, Any]]:
    """Every message, once none waits for the thread."""
    until = time.monotonic() + 10
    while time.monotonic() < until:
        letters: list[dict[str, Any]] = call("GET", "/webhooks")["letters"]
        if all(each["state"] != "waiting" or each["attempts"] for each in letters):
            return letters
        time.sleep(0.01)
    raise AssertionError("the post does not settle")


def right(signature: str, message: bytes) -> bool:
    return signature == base64.b64encode(hmac.new(b"sandbox", message, hashlib.sha256).digest()).decode()


# --- what goes out


def test_a_message_of_shopify_is_signed_over_its_body_and_says_what_happened_where(
    sandbox: Running, mailbox: Mailbox, call: Call
) -> None:
    call("POST", "/shops/acme/webhooks", {"url": mailbox.url, "topics": ["orders/create", "orders/paid"]}, 201)
    order = call("POST", "/shops/acme/orders", {"email": "ann@example.com", "amount": "12.50"})
    (headers, body), (other, _) = mailbox.wait(2)
    assert right(headers["x-shopify-hmac-sha256"], body)
    assert json.loads(body)["id"] == order["id"]
    assert headers["x-shopify-shop-domain"] == "acme.myshopify.com"
    assert headers["x-shopify-topic"] == "orders/create"
    assert headers["x-shopify-triggered-at"] == "2026-11-22T10:00:00Z"
    assert headers["x-shopify-event-id"] == other["x-shopify-event-id"]
    assert headers["x-shopify-webhook-id"] != other["x-shopify-webhook-id"]


def test_a_message_of_ecwid_is_signed_over_time_and_id_alone(mailbox: Mailbox, call: Call) -> None:
    call("POST", "/shops/cafe/webhooks", {"url": mailbox.url}, 201)
    call("POST", "/shops/cafe/orders", {"email": "ann@example.com", "amount": "12.50"})
    assert mailbox.topics(2) == ["customer.created", "order.created"]
    call("POST", "/shops/cafe/carts", {"email": "ann@example.com", "amount": "20.00"})
    assert mailbox.topics(3)[2] == "unfinished_order.created"
    headers, body = mailbox.taken[1]
    event = json.loads(body)
    assert right(headers["x-ecwid-webhook-signature"], f"{event['eventCreated']}.{event['eventId']}".encode())
    assert event["storeId"] == 1003
    assert event["data"]["newPaymentStatus"] == "PAID"


def test_every_happening_has_its_topics(sandbox: Running, mailbox: Mailbox, call: Call) -> None:
    call("POST", "/shops/acme/webhooks", {"url": mailbox.url}, 201)

    def said(method: str, path: str, body: object = None) -> list[str]:
        before = len(settled(call))
        call(method, path, body)
        return [each["topic"] for each in settled(call)[before:]]

    assert said("POST", "/shops/acme/customers", {"email": "ann@example.com"}) == ["customers/create"]
    cart = {"email": "ann@example.com", "amount": "20.00"}
    assert said("POST", "/shops/acme/carts", cart) == ["checkouts/create"]
    token = max(sandbox.world.shops["acme"].carts, key=lambda each: each.id).token
    assert said("POST", "/shops/acme/carts", cart | {"token": token}) == ["checkouts/update"]
    ann = sandbox.world.shops["acme"].customer_of("ann@example.com")
    assert ann
    order = {"email": "ann@example.com", "amount": "20.00", "status": "pending"}
    assert said("POST", "/shops/acme/orders", order) == ["orders/create"]
    number = max(each.id for each in sandbox.world.shops["acme"].orders)
    paid = said("POST", f"/shops/acme/orders/{number}", {"status": "paid"})
    assert paid == ["orders/paid", "customers/purchasing_summary", "orders/updated"]
    assert said("POST", "/shops/acme/refunds", {"order_id": number, "amount": "5.00"}) == [
        "refunds/create",
        "orders/updated",
    ]
    cancelled = said("POST", f"/shops/acme/orders/{number}", {"cancelled_at": "2026-11-22T10:00:00Z"})
    assert cancelled == ["orders/cancelled", "orders/updated"]
    consent = said("POST", f"/shops/acme/customers/{ann.id}", {"consent": "subscribed"})
    assert consent == ["customers/update", "customers_email_marketing_consent/update"]
    assert said("DELETE", f"/shops/acme/orders/{number}") == ["orders/delete"]
    assert said("POST", f"/shops/acme/customers/{ann.id}/redact") == ["customers/update", "customers/redact"]
    call("POST", "/shops/acme/customers", {"email": "bob@example.com"})
    bob = sandbox.world.shops["acme"].customer_of("bob@example.com")
    assert bob
    merged = said("POST", f"/shops/acme/customers/{ann.id}/merge", {"into": bob.id})
    assert merged == ["customers/update", "customers/merge", "customers/delete"]
    assert {each["topic"] for each in settled(call)} == {*TOPICS, "customers/redact"}


def test_a_redaction_names_for_the_last_time_whom_the_shop_forgets(
    sandbox: Running, mailbox: Mailbox, call: Call
) -> None:
    order = call("POST", "/shops/acme/orders", {"email": "ann@example.com", "amount": "20.00"})
    ann = order["customer"]["id"]
    call("POST", "/shops/acme/webhooks", {"url": mailbox.url, "topics": ["customers/redact"]}, 201)
    call("POST", f"/shops/acme/customers/{ann}/redact")
    (_, body), *_ = mailbox.wait(1)
    said = json.loads(body)
    assert said["customer"] == {"id": ann, "email": "ann@example.com", "phone": ""}
    assert said["orders_to_redact"] == [order["id"]]


def test_what_the_law_demands_can_be_sent_without_anything_happening(
    sandbox: Running, mailbox: Mailbox, call: Call
) -> None:
    call("POST", "/shops/acme/webhooks", {"url": mailbox.url}, 201)
    someone = next(iter(sandbox.world.shops["acme"].customers)).id
    call("POST", "/shops/acme/demands", {"topic": "customers/data_request", "customer_id": someone}, 201)
    call("POST", "/shops/acme/demands", {"topic": "shop/redact"}, 201)
    assert mailbox.topics(2) == ["customers/data_request", "shop/redact"]
    call("POST", "/shops/acme/demands", {"topic": "orders/create"}, 400)
    call("POST", "/shops/acme/demands", {"topic": "customers/redact"}, 400)
    call("POST", "/shops/cafe/demands", {"topic": "shop/redact"}, 400)
    call("POST", "/shops/acme/webhooks", {"url": mailbox.url, "topics": ["orders/eaten"]}, 404)


def test_the_bodies_have_the_published_shapes(sandbox: Running, mailbox: Mailbox, call: Call) -> None:
    schemas = SHARED / "shopify-webhook-jsonschema-2026-07"
    if not schemas.is_dir():
        pytest.skip("the published schemas are not here")
    call("POST", "/shops/acme/webhooks", {"url": mailbox.url}, 201)
    call("POST", "/webhooks", {"hold": True})
    lines = [{"title": "Tea", "quantity": 2, "price": "9.00"}]
    order = {"email": "ann@example.com", "amount": "20.00", "shipping": "2.00", "line_items": lines}
    made = call("POST", "/shops/acme/orders", order)
    ann = made["customer"]["id"]
    call("POST", "/shops/acme/refunds", {"order_id": made["id"], "amount": "5.00"})
    call("POST", f"/shops/acme/orders/{made['id']}", {"cancelled_at": "2026-11-22T10:00:00Z"})
    call("POST", "/shops/acme/carts", {"email": "ann@example.com", "amount": "20.00"})
    token = max(sandbox.world.shops["acme"].carts, key=lambda each: each.id).token
    call("POST", "/shops/acme/carts", {"email": "ann@example.com", "amount": "21.00", "token": token})
    call("POST", f"/shops/acme/customers/{ann}", {"consent": "subscribed"})
    call("POST", "/shops/acme/demands", {"topic": "customers/data_request", "customer_id": ann})
    call("POST", "/shops/acme/demands", {"topic": "shop/redact"})
    call("POST", "/shops/acme/customers", {"email": "bob@example.com"})
    bob = sandbox.world.shops["acme"].customer_of("bob@example.com")
    assert bob
    call("POST", f"/shops/acme/customers/{bob.id}/merge", {"into": ann})
    call("POST", f"/shops/acme/customers/{ann}/redact")
    call("DELETE", f"/shops/acme/orders/{made['id']}")
    faults, seen = [], set()
    for letter in call("GET", "/webhooks")["letters"]:
        name = letter["topic"].replace("/", ".")
        schema = json.loads((schemas / f"{name}.json").read_text())
        example = json.loads((SHARED / "shopify-webhook-2026-07" / f"{name}.json").read_text())
        seen.add(letter["topic"])
        faults += [f"{name}: {path}: {fault}" for path, fault in misshapen(schema, letter["body"])]
        if set(letter["body"]) - set(example):
            faults.append(f"{name}: {set(letter['body']) - set(example)} are not published")
    assert sorted(set(faults)) == []
    assert seen == {*TOPICS, "customers/redact", "customers/data_request", "shop/redact"}


def misshapen(schema: dict[str, Any], body: object) -> Iterator[tuple[str, str]]:
    """What the schema finds. It was inferred: where its examples had no null, or empty lists only, it asks too much."""
    for error in Draft202012Validator(schema).iter_errors(body):
        if error.instance is not None and not (error.validator == "items" and error.validator_value is False):
            yield "/".join(map(str, error.absolute_path)), error.message


# --- how an app asks for it


def test_an_app_subscribes_lists_and_unsubscribes_over_rest(sandbox: Running, mailbox: Mailbox, call: Call) -> None:
    base, session = f"{sandbox.urls['shopify']}{API}/webhooks", requests.Session()
    session.headers["X-Shopify-Access-Token"] = "sandbox"
    wanted = {"webhook": {"topic": "orders/create", "address": mailbox.url, "format": "json"}}
    created = session.post(f"{base}.json", json=wanted, timeout=10)
    assert created.status_code == 201
    webhook = created.json()["webhook"]
    assert session.get(f"{base}.json", timeout=10).json() == {"webhooks": [webhook]}
    assert session.get(f"{base}/{webhook['id']}.json", timeout=10).json() == {"webhook": webhook}
    assert session.get(f"{base}/count.json", timeout=10).json() == {"count": 1}
    assert session.get(f"{base}.json?topic=orders/paid", timeout=10).json() == {"webhooks": []}
    call("POST", "/shops/acme/orders", {"email": "ann@example.com", "amount": "1.00"})
    assert mailbox.topics(1) == ["orders/create"]
    assert session.delete(f"{base}/{webhook['id']}.json", timeout=10).json() == {}
    assert session.delete(f"{base}/{webhook['id']}.json", timeout=10).status_code == 404
    session.close()


@pytest.mark.parametrize(
    ("wanted", "status", "fault"),
    [
        ({"webhook": {"topic": "orders/eaten", "address": "https://example.com"}}, 422, "topic"),
        ({"webhook": {"topic": "customers/redact", "address": "https://example.com"}}, 422, "topic"),
        ({"webhook": {"topic": "orders/create", "address": "http://example.com"}}, 422, "address"),
        ({"webhook": {"topic": "orders/create"}}, 422, "address"),
        ({"webhook": {"topic": "orders/paid", "address": "https://example.com"}}, 422, "address"),
        ({"topic": "orders/create"}, 400, "webhook"),
    ],
)
def test_a_subscription_that_cannot_be_is_refused(sandbox: Running, wanted: object, status: int, fault: str) -> None:
    sandbox.world.shops["acme"].subscribe("orders/paid", "https://example.com")
    reply = requests.post(
        f"{sandbox.urls['shopify']}{API}/webhooks.json",
        json=wanted,
        headers={"X-Shopify-Access-Token": "sandbox"},
        timeout=10,
    )
    assert reply.status_code == status
    assert fault in reply.json()["errors"]


def test_a_subscription_looks_as_published(sandbox: Running) -> None:
    if not SHARED.is_dir():
        pytest.skip("the published examples are not here")
    sandbox.world.shops["acme"].subscribe("orders/paid", "https://example.com")
    reply = requests.get(
        f"{sandbox.urls['shopify']}{API}/webhooks.json", headers={"X-Shopify-Access-Token": "sandbox"}, timeout=10
    )
    (ours,) = reply.json()["webhooks"]
    of_go = json.loads((SHARED / "shopify-go/webhook.json").read_text())["webhook"]
    of_node = json.loads((SHARED / "shopify-node/webhook.list.json").read_text())["webhooks"][0]
    assert set(ours) == set(of_go) >= set(of_node)
    assert {name: type(value) for name, value in ours.items()} == {name: type(value) for name, value in of_go.items()}


# --- how unreliable it is


def test_a_message_that_is_refused_comes_again_with_the_body_of_the_first_time(
    sandbox: Running, mailbox: Mailbox, call: Call
) -> None:
    mailbox.status = 503
    call("POST", "/shops/acme/webhooks", {"url": mailbox.url, "topics": ["orders/create"]}, 201)
    order = call("POST", "/shops/acme/orders", {"email": "ann@example.com", "amount": "12.50"})
    mailbox.wait(1)
    call("POST", f"/shops/acme/orders/{order['id']}", {"email": "other@example.com"})
    (letter,) = settled(call)
    assert (letter["attempts"], letter["status"], letter["state"]) == (1, 503, "waiting")
    mailbox.status = 200
    sandbox.world.clock.set(sandbox.world.clock.now() + 60)
    first, second = mailbox.wait(2)
    assert first == second
    (letter,) = settled(call)
    assert (letter["attempts"], letter["state"]) == (2, "delivered")


def test_an_address_of_shopify_that_never_answers_is_tried_nine_times_and_forgotten(
    sandbox: Running, mailbox: Mailbox, call: Call
) -> None:
    mailbox.status = 500
    call("POST", "/shops/acme/webhooks", {"url": mailbox.url, "topics": ["orders/create"]}, 201)
    call("POST", "/shops/acme/orders", {"email": "ann@example.com", "amount": "12.50"})
    began = sandbox.world.clock.now()
    for attempt in range(1, 10):
        mailbox.wait(attempt)
        (letter,) = settled(call)
        while letter["attempts"] < attempt:
            (letter,) = settled(call)
        if letter["state"] == "waiting":
            sandbox.world.clock.set(letter["due_at"])
    assert (letter["attempts"], letter["state"]) == (9, "given up")
    assert sandbox.world.clock.now() - began == 4 * 3_600
    assert not sandbox.world.shops["acme"].subscriptions


@pytest.mark.parametrize(("status", "state"), [(209, "delivered"), (203, "waiting"), (301, "waiting")])
def test_ecwid_takes_only_some_answers_for_yes(mailbox: Mailbox, call: Call, status: int, state: str) -> None:
    mailbox.status = status
    call("POST", "/shops/cafe/webhooks", {"url": mailbox.url, "topics": ["order.created"]}, 201)
    call("POST", "/shops/cafe/orders", {"email": "ann@example.com", "amount": "12.50"})
    mailbox.wait(1)
    assert [each["state"] for each in settled(call)] == [state]


def test_what_is_held_goes_out_together_and_in_any_order(mailbox: Mailbox, call: Call) -> None:
    call("POST", "/webhooks", {"hold": True, "shuffle": True})
    call("POST", "/shops/acme/webhooks", {"url": mailbox.url, "topics": ["orders/create"]}, 201)
    made = [call("POST", "/shops/acme/orders", {"email": "ann@example.com", "amount": "1.00"})["id"] for _ in range(8)]
    assert mailbox.taken == []
    call("POST", "/webhooks", {"hold": False})
    came = [json.loads(body)["id"] for _, body in mailbox.wait(8)]
    assert sorted(came) == made != came


def test_messages_get_lost_and_doubled_by_lot_and_the_same_each_time(mailbox: Mailbox, call: Call) -> None:
    call("POST", "/webhooks", {"drop": 0.5, "duplicate": 0.5})
    call("POST", "/shops/acme/webhooks", {"url": mailbox.url, "topics": ["orders/create"]}, 201)
    for _ in range(12):
        call("POST", "/shops/acme/orders", {"email": "ann@example.com", "amount": "1.00"})
    states = "".join(each["state"][0] for each in settled(call))
    assert states == "ddldddllllld"
    numbers = [headers["x-shopify-webhook-id"] for headers, _ in mailbox.taken]
    assert len(set(numbers)) == states.count("d") < len(numbers)


def test_a_late_message_waits_for_the_sandboxs_clock(sandbox: Running, mailbox: Mailbox, call: Call) -> None:
    call("POST", "/webhooks", {"delay_seconds": 86_400})
    call("POST", "/shops/acme/webhooks", {"url": mailbox.url, "topics": ["orders/create"]}, 201)
    call("POST", "/shops/acme/orders", {"email": "ann@example.com", "amount": "1.00"})
    time.sleep(0.1)
    assert mailbox.taken == []
    sandbox.world.clock.set(sandbox.world.clock.now() + 86_400)
    ((headers, _),) = mailbox.wait(1)
    assert headers["x-shopify-triggered-at"] == "2026-11-22T10:00:00Z"


def test_a_receiver_that_does_not_answer_keeps_the_sandbox_from_nothing(mailbox: Mailbox, call: Call) -> None:
    mailbox.open.clear()
    call("POST", "/shops/acme/webhooks", {"url": mailbox.url, "topics": ["orders/create"]}, 201)
    for _ in range(3):
        call("POST", "/shops/acme/orders", {"email": "ann@example.com", "amount": "1.00"})
    assert len(mailbox.wait(1)) == 1
    assert [each["state"] for each in call("GET", "/webhooks")["letters"]] == ["waiting"] * 3
    mailbox.open.set()
    mailbox.wait(3)


def test_a_world_without_subscribers_sends_and_keeps_nothing(call: Call) -> None:
    call("POST", "/shops/acme/orders", {"email": "ann@example.com", "amount": "1.00"})
    assert call("GET", "/webhooks")["letters"] == []
