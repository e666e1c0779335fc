"""Webhooks and the service as a process: trap 23 where it matters that hints, polls and signals share one loop."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import json
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest
import requests

from syncd.history.database import open_history
from syncd.sandbox.populate import LIST_ID
from syncd.sandbox.serve import Running
from syncd.service.daemon import REST_SECONDS
from tests.system.conftest import Service, command, configured, starting


@pytest.fixture(scope="module")
def sandbox(open_sandbox: Callable[..., Running]) -> Running:
    """One for all tests here: starting the service takes longer than any of them."""
    return open_sandbox(customers=60, seed=23)


@pytest.fixture(scope="module")
def config(sandbox: Running, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = configured(sandbox, tmp_path_factory.mktemp("webhooks"))
    path.write_text(path.read_text().replace("[syncd]", '[syncd]\nlisten = "127.0.0.1:0"'))
    return path


@pytest.fixture(scope="module")
def listening(config: Path, sandbox: Running) -> Iterator[Service]:
    """The service after its first cycle, told of everything by both shops."""
    command(config)("backfill", "--yes")
    with starting(config, config.parent) as start:
        service = start()
        service.message("STATUS=cycle of")
        for shop in ("acme", "cafe"):
            control(sandbox, f"/shops/{shop}/webhooks", {"url": f"http://{address(service)}/webhooks/{shop}"})
        yield service


def address(service: Service) -> str:
    return str(next(line["address"] for line in service.lines() if line["event"] == "listening"))


def control(sandbox: Running, path: str, body: object) -> None:
    requests.post(f"{sandbox.urls['control']}{path}", json=body, timeout=10).raise_for_status()


def pulls(sandbox: Running, since: int = 0) -> int:
    """How often acme was looked at."""
    return sum(each.path.endswith("/customers.json") for each in sandbox.world.log.since(since))


def poll(sandbox: Running, service: Service) -> None:
    """Afterwards the poll interval is over, and the poll through."""
    later = datetime.fromtimestamp(sandbox.world.clock.now() + 120, UTC).isoformat()
    control(sandbox, "/clock", {"now": later})
    service.message(f"STATUS=cycle of {later}")


def tags(sandbox: Running, email: str) -> set[str]:
    (member,) = [each for each in sandbox.world.audiences[LIST_ID].state() if each["email"] == email]
    return set(member["tags"])


def hint(place: str, number: int, signed_with: str = "sandbox", body: bytes = b"{}", topic: str = "") -> int:
    digest = base64.b64encode(hmac.new(signed_with.encode(), body, hashlib.sha256).digest()).decode()
    connection = http.client.HTTPConnection(place, timeout=30)
    headers = {
        "X-Shopify-Hmac-Sha256": digest,
        "X-Shopify-Shop-Domain": "acme.myshopify.com",
        "X-Shopify-Event-Id": str(number),
        "X-Shopify-Topic": topic,
    }
    connection.request("POST", "/webhooks/acme", body, headers)
    status = connection.getresponse().status
    connection.close()
    return status


def test_an_order_becomes_a_tag_before_the_next_poll_and_the_poll_comes_all_the_same(
    listening: Service, sandbox: Running
) -> None:
    audience = sandbox.world.audiences[LIST_ID]
    someone = min(each["email"] for each in audience.state() if "syncd:first-time" in each["tags"])
    before = len(sandbox.world.log)
    control(sandbox, "/shops/acme/orders", {"email": someone, "amount": "25.00"})
    listening.message("STATUS=cycle of")
    assert "syncd:repeat" in tags(sandbox, someone)
    assert not any(each.service == "ecwid" and "orders" in each.path for each in sandbox.world.log.since(before))
    before = len(sandbox.world.log)
    poll(sandbox, listening)
    asked = {each.service for each in sandbox.world.log.since(before)}
    assert {"shopify", "ecwid", "mailchimp"} <= asked
    assert someone not in listening.log.read_text()


def test_who_the_shop_must_forget_is_archived_though_the_shop_itself_still_shows_them(
    listening: Service, sandbox: Running
) -> None:
    acme = sandbox.world.shops["acme"]
    audience = sandbox.world.audiences[LIST_ID]
    customer = next(
        one
        for one in acme.customers
        if one.email and (member := audience.members.at(one.email)) and member.status == "subscribed"
    )
    body = json.dumps(
        {"shop_domain": "acme.myshopify.com", "customer": {"id": customer.id}, "orders_to_redact": []}
    ).encode()
    assert hint(address(listening), 30_000, body=body, topic="customers/redact") == 200
    listening.message("STATUS=cycle of")
    (member,) = [each for each in audience.state() if each["email"] == customer.email]
    assert (member["status"], [tag for tag in member["tags"] if tag.startswith("syncd:")]) == ("archived", [])


def test_trap_23_ten_thousand_hints_are_a_few_looks(listening: Service, sandbox: Running) -> None:
    place, before = address(listening), len(sandbox.world.log)
    began = time.monotonic()
    with ThreadPoolExecutor(8) as pool:
        statuses = set(pool.map(lambda number: hint(place, number), range(10_000)))
    assert statuses == {200}
    # What is still waiting is followed once.
    time.sleep(REST_SECONDS)
    assert 1 <= pulls(sandbox, before) <= (time.monotonic() - began) / REST_SECONDS + 1


def test_trap_23_forged_and_slow_senders_keep_nothing_from_its_poll(listening: Service, sandbox: Running) -> None:
    place, before = address(listening), len(sandbox.world.log)
    host, _, port = place.rpartition(":")
    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(lambda number: hint(place, number, "forged"), range(200))) == {401}
    with ExitStack() as stack:
        for _ in range(40):
            slow = stack.enter_context(socket.create_connection((host, int(port))))
            slow.sendall(b"POST /webhooks/acme HTTP/1.1\r\nContent-Length: 9\r\n\r\n")
        assert pulls(sandbox, before) == 0
        poll(sandbox, listening)
        assert pulls(sandbox, before) == 1
    assert listening.events().count("webhook with a wrong signature") == 1


def test_a_hint_of_a_shop_that_is_blocked_lets_it_rest(listening: Service, sandbox: Running) -> None:
    control(sandbox, "/faults", [{"service": "shopify", "path": "*", "kind": "status", "status": 402}])
    poll(sandbox, listening)
    requests.delete(f"{sandbox.urls['control']}/faults", timeout=10).raise_for_status()
    before = len(sandbox.world.log)
    assert hint(address(listening), 20_000) == 200
    listening.message("STATUS=cycle of")
    assert sandbox.world.log.since(before) == []
    listening.reload()  # which ends the rest
    assert pulls(sandbox, before) == 1


def test_a_reload_gives_and_takes_addresses_but_the_one_to_listen_on_needs_a_restart(
    listening: Service, config: Path
) -> None:
    text = config.read_text()
    config.write_text(text.replace("127.0.0.1:0", "127.0.0.1:1"))
    listening.reload()
    assert "the configuration stays as it was" in listening.events()
    config.write_text(text.replace('webhook_secret = "sandbox"\n', "", 1))
    listening.reload()
    assert hint(address(listening), 20_001) == 404
    config.write_text(text)
    listening.reload()
    assert hint(address(listening), 20_001) == 200


def test_an_address_that_is_taken_ends_another_service_with_a_sentence(
    listening: Service, config: Path, sandbox: Running, tmp_path: Path
) -> None:
    other = configured(sandbox, tmp_path)
    other.write_text(other.read_text().replace("[syncd]", f'[syncd]\nlisten = "{address(listening)}"'))
    open_history(f"sqlite:///{tmp_path}/syncd.db", create=True).close()
    assert f"cannot listen on {address(listening)}" in command(other)("run", code=2).stderr


def test_the_service_stops_in_order_while_somebody_is_sending(listening: Service) -> None:
    host, _, port = address(listening).rpartition(":")
    with socket.create_connection((host, int(port))) as slow:
        slow.sendall(b"POST /webhooks/acme HTTP/1.1\r\n")
        assert listening.stop() == 0
    assert listening.events()[-1] == "stopped"


def test_check_says_what_to_register_where(config: Path) -> None:
    text = config.read_text()
    config.write_text(text.replace('webhook_secret = "sandbox"\n', "", 1))
    said = command(config)("check").stdout
    assert "warning  shop acme: no webhooks" in said
    assert "ok       shop cafe: have it send webhooks to https://YOUR-PROXY/webhooks/cafe (127.0.0.1:0 here)" in said
    assert "order.created, order.updated, order.deleted, customer.created" in said
    config.write_text(text.replace('listen = "127.0.0.1:0"', ""))
    assert "send webhooks" not in command(config)("check").stdout
