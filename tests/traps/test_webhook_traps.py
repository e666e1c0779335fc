"""Trap 23: what webhooks do wrong, each of it against the receiver in front of a whole syncd.

The same through the service as a process: tests/system/test_webhooks.py. The receiver by itself, with slow,
broken and oversized requests: tests/integration/test_webhook_receiver.py.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Event
from typing import Any

import pytest
import requests

from syncd import pipeline
from syncd.history.database import open_history
from syncd.pipeline import Cycle
from syncd.sandbox.serve import Running
from syncd.service.hints import Hints
from syncd.service.webhooks import BODY_BYTES, Receiver, receiving
from tests.integration.house import DAY, House

ANN = "ann.newcomer@example.com"
Letter = dict[str, Any]


@dataclass
class Listening:
    """A syncd that listens to both shops of the sandbox."""

    house: House
    receiver: Receiver
    hints: Hints
    redacted: list[tuple[str, str]] = field(default_factory=list)

    def follow(self) -> list[str]:
        """The shops that are looked at because of the waiting hints: one round of the service's loop."""
        shops = self.hints.take()
        cycle = pipeline.sync(self.house.context, shops) if shops else Cycle()
        assert cycle.errors == []
        return sorted(cycle.pulled)

    def post(self, shop: str, body: bytes, headers: dict[str, str]) -> int:
        url = f"http://{self.receiver.address}/webhooks/{shop}"
        return requests.post(url, data=body, headers=headers, timeout=10).status_code

    def sending(self, **how: object) -> None:
        self.house.call("POST", "/webhooks", how)

    def letters(self) -> list[Letter]:
        found: list[Letter] = self.house.call("GET", "/webhooks")["letters"]
        return found

    def arrived(self) -> list[Letter]:
        """Every message so far, once none is on its way any more."""
        until = time.monotonic() + 10
        while any(each["state"] == "waiting" and not each["attempts"] for each in self.letters()):
            assert time.monotonic() < until
            time.sleep(0.005)
        return self.letters()

    def carry(self, letter: Letter, **other: str) -> int:
        """Brings a message that the sandbox holds back, with other headers where they are named."""
        body = json.dumps(letter["body"]).encode()
        known = {"topic": letter["topic"], "webhook-id": letter["webhook_id"], "event-id": letter["event_id"]}
        headers = {"hmac-sha256": sign(body), "shop-domain": "acme.myshopify.com", **known, **other}
        return self.post("acme", body, {f"X-Shopify-{name}": value for name, value in headers.items()})

    def as_it_shall_be(self) -> bool:
        """Whether everybody bears the tags that the shops' real orders give them, on the next day at the latest."""
        self.house.later(DAY)  # what is compared with everybody's mean moves once a day
        self.house.sync_in_order()
        return self.house.tagged() == self.house.expected()


def sign(message: bytes) -> str:
    return base64.b64encode(hmac.new(b"sandbox", message, hashlib.sha256).digest()).decode()


@pytest.fixture
def listening(sandbox: Running, history_url: Callable[[str], str], tmp_path: Path) -> Iterator[Listening]:
    with open_history(history_url("sqlite")) as history:
        house = House(sandbox, history, tmp_path)
        hints, redacted = Hints(Event()), list[tuple[str, str]]()
        settings = replace(house.context.settings, listen="127.0.0.1:0")
        with receiving(settings, hints, lambda *demand: redacted.append(demand)) as receiver:
            assert receiver
            for shop in ("acme", "cafe"):
                house.call("POST", f"/shops/{shop}/webhooks", {"url": f"http://{receiver.address}/webhooks/{shop}"})
            yield Listening(house, receiver, hints, redacted)


@pytest.fixture
def live(listening: Listening) -> Listening:
    """The same after its first import."""
    listening.house.backfill()
    return listening


def test_a_webhook_has_its_shop_looked_at_now_and_no_other(live: Listening) -> None:
    someone = live.house.subscriber(with_tag="first-time")
    for shop in ("acme", "cafe"):
        live.house.order(shop, someone, "25.00")
        assert {each["state"] for each in live.arrived()} == {"delivered"}
        assert live.follow() == [shop]
    assert "repeat" in live.house.tags(someone)
    assert live.as_it_shall_be()


def test_trap_23_a_wrong_signature_is_refused_and_moves_nothing(listening: Listening) -> None:
    listening.sending(secret="not the app's")
    listening.house.order("acme", ANN, "25.00")
    listening.house.order("cafe", ANN, "25.00")
    assert {each["status"] for each in listening.arrived()} == {401}
    assert listening.follow() == []


def test_trap_23_a_webhook_of_another_shop_with_the_same_app_is_refused(listening: Listening) -> None:
    listening.sending(hold=True)
    listening.house.order("acme", ANN, "25.00")
    assert listening.carry(listening.letters()[0], **{"shop-domain": "other.myshopify.com"}) == 401
    assert listening.follow() == []


def test_trap_23_one_event_told_often_is_one_look(live: Listening) -> None:
    live.sending(duplicate=1.0)
    live.house.order("acme", ANN, "25.00")
    letters = [each for each in live.arrived() if each["topic"].startswith("orders/")]
    assert [each["topic"] for each in letters] == ["orders/create", "orders/paid"]
    assert live.follow() == ["acme"]
    # The same event over another subscription, and the same delivery once more under another event's name.
    assert live.carry(letters[0], **{"webhook-id": "another"}) == 200
    assert live.carry(letters[1], **{"event-id": "another"}) == 200
    assert live.follow() == []


def test_trap_23_a_late_body_from_before_the_last_poll_changes_nothing(live: Listening) -> None:
    house = live.house
    someone = house.subscriber(with_tag="first-time")
    live.sending(hold=True)
    order = house.order("acme", someone, "900.00")
    house.call("POST", "/shops/acme/refunds", {"order_id": order["id"]})
    house.later(3_600)
    house.sync_in_order()
    assert "free-shipping" not in house.tags(someone)
    before = house.requests()
    live.sending(hold=False)
    told = [each["body"].get("financial_status") for each in live.arrived()]
    assert told[0] == "paid"  # what it still says of an order that was paid back long ago
    assert live.follow() == ["acme"]
    assert house.writes(before) == []
    assert live.as_it_shall_be()


def test_trap_23_an_update_may_come_before_its_creation(live: Listening) -> None:
    house = live.house
    someone = house.subscriber(with_tag="first-time")
    live.sending(hold=True)
    order = house.order("acme", someone, "25.00", status="pending")
    house.call("POST", f"/shops/acme/orders/{order['id']}", {"financial_status": "paid"})
    letters = {each["topic"]: each for each in live.letters()}
    assert live.carry(letters["orders/updated"]) == 200
    assert live.follow() == ["acme"]
    assert "repeat" in house.tags(someone)
    before = house.requests()
    assert live.carry(letters["orders/create"]) == 200
    assert live.follow() == ["acme"]
    assert house.writes(before) == []
    assert live.as_it_shall_be()


def test_trap_23_a_customer_without_tags_and_consent_in_the_body_keeps_both(live: Listening) -> None:
    house = live.house
    order = house.order("acme", ANN, "25.00", customer={"email_marketing_consent": {"state": "subscribed"}})
    customer = order["customer"]["id"]
    house.call("POST", f"/shops/acme/customers/{customer}", {"tags": "vip"})
    live.arrived()
    live.follow()
    house.sync_in_order()
    assert house.state()[ANN]["status"] == "subscribed"
    before, tags = house.requests(), house.tags(ANN)
    house.call("POST", f"/shops/acme/customers/{customer}", {"first_name": "Ann"})
    (letter,) = [each for each in live.arrived() if each["topic"] == "customers/update"][-1:]
    assert not {"tags", "email_marketing_consent", "orders_count", "total_spent"} & set(letter["body"])
    assert live.follow() == ["acme"]
    assert house.writes(before) == []
    assert (house.state()[ANN]["status"], house.tags(ANN)) == ("subscribed", tags)


def test_trap_23_a_body_of_ecwid_with_a_forged_entity_is_never_believed(live: Listening) -> None:
    house = live.house
    live.sending(hold=True)
    someone = house.subscriber()
    house.order("cafe", someone, "25.00")
    (letter,) = [each for each in live.letters() if each["topic"] == "order.created"]
    event = letter["body"]
    signature = sign(f"{event['eventCreated']}.{event['eventId']}".encode())
    other = next(iter(house.world.shops["cafe"].orders)).id
    forged = event | {"eventType": "order.deleted", "entityId": other, "storeId": 1, "data": {"orderId": "../profile"}}
    before = house.requests()
    assert live.post("cafe", json.dumps(forged).encode(), {"X-Ecwid-Webhook-Signature": signature}) == 200
    assert live.follow() == ["cafe"]
    assert not any(str(other) in f"{each.path}?{each.query}" for each in house.world.log.since(before))
    # The true one is known by now.
    assert live.post("cafe", json.dumps(event).encode(), {"X-Ecwid-Webhook-Signature": signature}) == 200
    assert live.follow() == []
    assert live.as_it_shall_be()


@pytest.mark.parametrize("shop", ["acme", "cafe"])
def test_trap_23_what_no_webhook_told_the_poll_finds(live: Listening, shop: str) -> None:
    house = live.house
    live.sending(drop=1.0)
    someone = house.subscriber(with_tag="first-time")
    house.order(shop, someone, "25.00")
    assert {each["state"] for each in live.arrived()} == {"lost"}
    assert live.follow() == []
    house.later(120)
    house.sync_in_order()
    assert "repeat" in house.tags(someone)
    assert live.as_it_shall_be()


def test_trap_23_any_unreliability_at_once_ends_in_the_right_tags(live: Listening) -> None:
    house = live.house
    live.sending(hold=True, shuffle=True, drop=0.3, duplicate=0.5)
    people = sorted(email for email, member in house.state().items() if member["status"] == "subscribed")[:6]
    made = [house.order(shop, email, "180.00") for email in people for shop in ("acme", "cafe")]
    for order in made[::4]:
        house.call("POST", "/shops/acme/refunds", {"order_id": order["id"]})
    house.call("DELETE", f"/shops/acme/orders/{made[2]['id']}")
    house.call("DELETE", f"/shops/cafe/orders/{made[3]['id']}")
    house.later(60)
    live.sending(hold=False)
    live.arrived()
    assert live.follow() == ["acme", "cafe"]
    house.later(120)
    house.sync_in_order()
    assert live.as_it_shall_be()


def test_trap_23_a_body_without_end_is_refused_and_moves_nothing(listening: Listening) -> None:
    body = b" " * (BODY_BYTES + 1)
    headers = {"X-Shopify-Hmac-Sha256": sign(body), "X-Shopify-Shop-Domain": "acme.myshopify.com"}
    assert listening.post("acme", body, headers) == 413
    assert listening.follow() == []


def test_a_hint_does_not_wake_a_shop_that_rests(listening: Listening) -> None:
    house = listening.house
    house.context.rests_until["shops.acme"] = house.world.clock.now() + 3_600
    house.order("acme", ANN, "25.00")
    listening.arrived()
    before = house.requests()
    assert listening.follow() == []
    assert house.requests() == before


def test_a_demand_to_forget_reaches_those_who_can_and_is_a_hint(live: Listening) -> None:
    house = live.house
    order = house.order("acme", ANN, "25.00")
    live.arrived()
    live.follow()
    house.call("POST", f"/shops/acme/customers/{order['customer']['id']}/redact")
    assert live.arrived()[-1]["state"] == "delivered"
    assert live.redacted == [("acme", str(order["customer"]["id"]))]
    assert live.follow() == ["acme"]
