"""The receiver of webhooks on a real port: what becomes a hint, what is refused, what it cannot be made to do."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event

import pytest
import requests

from syncd.errors import TransientError, UserError
from syncd.service import webhooks
from syncd.service.hints import Hints
from syncd.service.webhooks import Receiver, receiving
from syncd.settings import load
from tests.log_lines import caught_lines

SECRET = "the-app's-secret"
CONFIGURATION = f"""
[syncd]
listen = "127.0.0.1:0"

[shops.acme]
platform = "shopify"
base_url = "http://127.0.0.1:1"
domain = "acme.myshopify.com"
client_id = "id"
client_secret = "{SECRET}"

[shops.cafe]
platform = "ecwid"
base_url = "http://127.0.0.1:1"
store_id = 1003
token = "t"
webhook_secret = "{SECRET}"

[shops.mute]
platform = "ecwid"
base_url = "http://127.0.0.1:1"
store_id = 1004
token = "t"
"""


def sign(message: bytes, secret: str = SECRET) -> str:
    return base64.b64encode(hmac.new(secret.encode(), message, hashlib.sha256).digest()).decode()


def shopify(body: bytes, event: str = "e-1", topic: str = "orders/create") -> dict[str, str]:
    return {
        "X-Shopify-Topic": topic,
        "X-Shopify-Hmac-Sha256": sign(body),
        "X-Shopify-Shop-Domain": "acme.myshopify.com",
        "X-Shopify-Webhook-Id": f"w-{event}",
        "X-Shopify-Event-Id": event,
    }


class Door:
    """The receiver, and what its hints woke."""

    def __init__(self, receiver: Receiver, hints: Hints, woken: Event, redacted: list[tuple[str, str]]) -> None:
        self.receiver, self.hints, self.woken, self.redacted = receiver, hints, woken, redacted
        host, _, port = receiver.address.rpartition(":")
        self.place = (host, int(port))

    def post(self, path: str, body: bytes = b"{}", headers: dict[str, str] | None = None, method: str = "POST") -> int:
        reply = requests.request(
            method, f"http://{self.receiver.address}{path}", data=body, headers=headers, timeout=10
        )
        assert reply.content == b""
        return reply.status_code

    def raw(self, text: bytes) -> bytes:
        """Everything that comes back for these bytes."""
        with socket.create_connection(self.place, timeout=10) as connection:
            connection.sendall(text)
            answer = b""
            while part := connection.recv(4096):
                answer += part
            return answer


Open = Callable[..., Door]


@pytest.fixture
def open_door(tmp_path: Path) -> Iterator[Open]:
    with contextlib.ExitStack() as stack:

        def open_(text: str = CONFIGURATION, fail: type[Exception] | None = None) -> Door:
            (tmp_path / "syncd.toml").write_text(text)
            woken, redacted = Event(), list[tuple[str, str]]()

            def on_redact(shop: str, customer: str) -> None:
                if fail:
                    raise fail("the history is locked")
                redacted.append((shop, customer))

            hints = Hints(woken)
            receiver = stack.enter_context(receiving(load(tmp_path / "syncd.toml"), hints, on_redact))
            assert receiver
            return Door(receiver, hints, woken, redacted)

        yield open_


@pytest.fixture
def door(open_door: Open) -> Door:
    return open_door()


# --- what becomes a hint


def test_a_signed_webhook_of_shopify_becomes_a_hint(door: Door) -> None:
    assert door.post("/webhooks/acme", b'{"id": 1}', shopify(b'{"id": 1}')) == 200
    assert door.woken.is_set()
    assert door.hints.take() == {"acme"}
    assert door.hints.take() == set()


def test_a_signed_webhook_of_ecwid_becomes_a_hint(door: Door) -> None:
    body = json.dumps({"eventId": "80aece08", "eventCreated": 1234567, "storeId": 1003, "entityId": 103878161}).encode()
    assert door.post("/webhooks/cafe", body, {"X-Ecwid-Webhook-Signature": sign(b"1234567.80aece08")}) == 200
    assert door.hints.take() == {"cafe"}


def test_the_name_of_the_shop_may_be_written_in_capitals(door: Door) -> None:
    headers = shopify(b"{}") | {"X-Shopify-Shop-Domain": "ACME.myshopify.com"}
    assert door.post("/webhooks/acme", b"{}", headers) == 200


def test_a_body_need_be_nothing_but_what_was_signed(door: Door) -> None:
    body = b"\x00\xff not json"
    assert door.post("/webhooks/acme", body, shopify(body)) == 200


def test_a_secret_of_its_own_goes_before_the_one_of_the_app(open_door: Open) -> None:
    door = open_door(
        CONFIGURATION.replace('client_id = "id"', 'client_id = "id"\nwebhook_secret = "shown in the shop"')
    )
    assert door.post("/webhooks/acme", b"{}", shopify(b"{}")) == 401
    assert (
        door.post("/webhooks/acme", b"{}", shopify(b"{}") | {"X-Shopify-Hmac-Sha256": sign(b"{}", "shown in the shop")})
        == 200
    )


def test_a_new_secret_is_taken_up_without_a_restart(open_door: Open, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("old\n")
    file.chmod(0o600)
    door = open_door(CONFIGURATION.replace(f'client_secret = "{SECRET}"', f'client_secret = {{ file = "{file}" }}'))
    assert door.post("/webhooks/acme", b"{}", shopify(b"{}")) == 401
    file.write_text(f"{SECRET}\n")
    assert door.post("/webhooks/acme", b"{}", shopify(b"{}")) == 200


@pytest.mark.parametrize("topic", ["customers/redact", "customers/data_request", "shop/redact"])
def test_the_demands_of_the_law_are_taken_and_are_hints(door: Door, topic: str) -> None:
    body = b'{"shop_id": 1, "customer": {"id": 9007199254741993, "email": "a@example.com"}, "orders_to_redact": [1]}'
    assert door.post("/webhooks/acme", body, shopify(body, topic=topic)) == 200
    assert door.hints.take() == {"acme"}
    assert door.redacted == ([("acme", "9007199254741993")] if topic == "customers/redact" else [])


def test_whom_to_forget_is_heard_again_where_it_failed_and_however_often_it_is_said(open_door: Open) -> None:
    body = b'{"customer": {"id": 7}, "orders_to_redact": []}'
    headers = shopify(body, topic="customers/redact")
    failing = open_door(fail=TransientError)
    assert failing.post("/webhooks/acme", body, headers) == 500
    assert failing.hints.take() == set()
    door = open_door()
    assert [door.post("/webhooks/acme", body, headers) for _ in range(2)] == [200, 200]
    assert door.redacted == [("acme", "7")] * 2


@pytest.mark.parametrize(
    "body",
    [b'{"customer": null}', b'{"id": 1, "customer": {"id": 7}}', b'{"customer": {"id": 7}, "orders_requested": [1]}'],
    ids=["nobody", "an order", "a data request"],
)
def test_a_body_that_demands_nothing_is_not_taken_for_a_demand(door: Door, body: bytes) -> None:
    """Whoever overheard an order could send it again under another topic, which is not signed."""
    with caught_lines() as lines:
        assert door.post("/webhooks/acme", body, shopify(body, topic="customers/redact")) == 500
    assert [(line["event"], line["level"]) for line in lines] == [("webhook failed", "error")]
    assert door.redacted == []


# --- what is refused


def test_what_has_no_address_is_not_found(door: Door) -> None:
    for path in ("/", "/webhooks", "/webhooks/", "/webhooks/nobody", "/webhooks/acme/", "/webhooks/../webhooks/acme"):
        assert door.raw(f"POST {path} HTTP/1.1\r\nContent-Length: 2\r\n\r\n{{}}".encode()).startswith(b"HTTP/1.0 404 ")
    assert door.post("/webhooks/mute") == 404


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_only_posting_is_for_webhooks(door: Door, method: str) -> None:
    assert door.post("/webhooks/acme", b"", method=method) == 405
    assert door.post("/elsewhere", b"", method=method) == 404


def test_a_body_that_is_too_large_is_refused_before_it_is_read(door: Door) -> None:
    for length in (str(webhooks.BODY_BYTES + 1), "9" * 5_000):
        answer = door.raw(f"POST /webhooks/acme HTTP/1.1\r\nContent-Length: {length}\r\n\r\n".encode())
        assert answer.startswith(b"HTTP/1.0 413 ")
    whole = b" " * webhooks.BODY_BYTES
    assert door.post("/webhooks/acme", whole, shopify(whole)) == 200


@pytest.mark.parametrize("header", ["", "Content-Length: -1", "Content-Length: x", "Transfer-Encoding: chunked"])
def test_a_body_without_a_length_is_refused(door: Door, header: str) -> None:
    answer = door.raw(
        f"POST /webhooks/acme HTTP/1.1\r\n{header}\r\n\r\n".encode().replace(b"\r\n\r\n\r\n", b"\r\n\r\n")
    )
    assert answer.startswith(b"HTTP/1.0 411 ")


@pytest.mark.parametrize(
    "text",
    [b"\x16\x03\x01\x02\x00\x01\r\n\r\n", b"BREW /webhooks/acme HTTP/1.1\r\n\r\n", b"GET " + b"/" * 70_000, b"x\r\n"],
)
def test_what_is_no_webhook_at_all_gets_a_bare_status_and_nothing_of_itself_back(door: Door, text: bytes) -> None:
    answer = door.raw(text)
    assert answer == b"" or answer.startswith((b"HTTP/1.0 4", b"HTTP/1.0 5"))
    assert not answer.partition(b"\r\n\r\n")[2]
    assert b"BREW" not in answer


NOT_MEANT = {
    "the oldest HTTP": b"POST /webhooks/acme",
    "an HTTP to come": b"POST /webhooks/acme HTTP/9.9",
    "another protocol": b"PRI * HTTP/2.0",
    "a way out of the directory": b"POST /webhooks/../../etc/passwd HTTP/1.1\r\nContent-Length: 0",
    "the name in other letters": b"POST /webhooks/%61cme HTTP/1.1\r\nContent-Length: 0",
    "a NUL in the name": b"POST /webhooks/ac\0me HTTP/1.1\r\nContent-Length: 0",
    "somewhere else": b"POST http://evil.example/webhooks/acme HTTP/1.1\r\nContent-Length: 0",
    "a proxy": b"CONNECT evil.example:443 HTTP/1.1",
    "an echo": b"TRACE /webhooks/acme HTTP/1.1",
    "a name of Python's": b"__class__ /webhooks/acme HTTP/1.1",
    "two lengths": b"POST /webhooks/acme HTTP/1.1\r\nContent-Length: 0\r\nContent-Length: 500",
    "a length and chunks": b"POST /webhooks/acme HTTP/1.1\r\nContent-Length: 0\r\nTransfer-Encoding: chunked",
    "a length in other digits": "POST /webhooks/acme HTTP/1.1\r\nContent-Length: ²".encode("latin-1"),
    "a folded length": b"POST /webhooks/acme HTTP/1.1\r\nContent-Length: 0\r\n 5",
    "a header without a name": b"POST /webhooks/acme HTTP/1.1\r\n\0: \xff",
    "a strange signature": b"POST /webhooks/acme HTTP/1.1\r\nContent-Length: 0\r\nX-Shopify-Hmac-Sha256: \xff\0",
}


def test_whatever_a_request_is_made_of_it_wakes_nobody_and_the_next_one_is_served(door: Door) -> None:
    served = {name: door.raw(head + b"\r\n\r\n") for name, head in NOT_MEANT.items()}
    assert [
        name for name, answer in served.items() if answer and not answer.startswith((b"HTTP/1.0 4", b"HTTP/1.0 5"))
    ] == []
    assert not door.woken.is_set()
    assert door.post("/webhooks/acme", b"{}", shopify(b"{}")) == 200


@pytest.mark.parametrize(
    ("event", "signed", "status"),
    [
        (b'{"eventId": "1", "eventId": "2", "eventCreated": 1}', b"1.1", 401),
        (b'{"eventId": "1", "eventId": "2", "eventCreated": 1}', b"1.2", 200),
        (b'{"eventId": "\\u0000", "eventCreated": 1}', b"1.\0", 200),
        (b'{"eventId": "\\ud800", "eventCreated": 1}', b"1.", 401),
        (b'{"eventId": "a", "eventCreated": ' + b"9" * 5_000 + b"}", b"1.a", 401),
        (b'{"eventId": "a", "eventCreated": 1, "x": ' + b"[" * 10_000 + b"]" * 10_000 + b"}", b"1.a", 401),
    ],
)
def test_only_what_was_signed_counts_of_a_strange_event_of_ecwid(
    door: Door, event: bytes, signed: bytes, status: int
) -> None:
    assert door.post("/webhooks/cafe", event, {"X-Ecwid-Webhook-Signature": sign(signed)}) == status


def test_endless_headers_end_at_the_budget(door: Door) -> None:
    with socket.create_connection(door.place, timeout=10) as connection:
        try:
            connection.sendall(b"POST /webhooks/acme HTTP/1.1\r\n" + b"X: y\r\n" * 1_000_000)
        except OSError:
            return  # it was closed before everything was sent
        assert connection.recv(100).startswith(b"HTTP/1.0 431 ")


def test_enormous_headers_end_at_the_budget_too(door: Door) -> None:
    lines = [f"{name}: {value}" for name, value in shopify(b"{}").items()]
    head = "\r\n".join(["POST /webhooks/acme HTTP/1.1", "Content-Length: 2", *lines, *[f"X: {'y' * 60_000}"] * 20])
    with contextlib.suppress(OSError):  # it may be closed before everything was sent
        assert b" 200 " not in door.raw(f"{head}\r\n\r\n{{}}".encode())
    assert door.hints.take() == set()


@pytest.mark.parametrize(
    "body",
    [b"", b"null", b"[]", b"{}", b'{"eventId": 1, "eventCreated": "x"}', b"[" * 100_000, b"\xff", b'{"x":' * 100_000],
)
def test_an_unreadable_body_of_ecwid_is_a_wrong_signature(door: Door, body: bytes) -> None:
    assert door.post("/webhooks/cafe", body, {"X-Ecwid-Webhook-Signature": sign(b"1.1")}) == 401


def test_a_missing_secret_asks_the_sender_to_come_again(open_door: Open) -> None:
    door = open_door(
        CONFIGURATION.replace(f'client_secret = "{SECRET}"', 'client_secret = { env = "NOT_SET_ANYWHERE" }')
    )
    assert door.post("/webhooks/acme", b"{}", shopify(b"{}")) == 500


def test_an_address_that_is_taken_is_said_before_the_service_starts(door: Door, open_door: Open) -> None:
    with pytest.raises(UserError, match="cannot listen on"):
        open_door(CONFIGURATION.replace("127.0.0.1:0", door.receiver.address))


# --- what it cannot be made to do


def test_nothing_of_a_request_is_ever_logged(door: Door, capfd: pytest.CaptureFixture[str]) -> None:
    body = b'{"email": "somebody@example.com"}'
    with caught_lines() as lines:
        door.post("/webhooks/acme?email=somebody@example.com", body, shopify(body, topic="somebody@example.com"))
        for _ in range(3):
            door.post("/webhooks/acme", body, {"X-Shopify-Hmac-Sha256": "somebody@example.com"})
        door.post("/somebody@example.com", body)
        door.raw(b"somebody@example.com\r\n\r\n")
        with socket.create_connection(door.place) as connection:
            connection.sendall(b"POST /webhooks/acme HTTP/1.1\r\nContent-Length: 9\r\n\r\nsome")
    assert [line["event"] for line in lines] == ["webhook with a wrong signature"]
    assert capfd.readouterr() == ("", "")


def test_a_slow_sender_is_cut_off_and_keeps_nobody_waiting_for_ever(
    open_door: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhooks, "CONNECTION_SECONDS", 0.3)
    door = open_door()
    slow = [socket.create_connection(door.place) for _ in range(webhooks.CONNECTIONS + 4)]
    for connection in slow:
        connection.sendall(b"POST /webhooks/acme HTTP/1.1\r\nContent-Length: 500\r\n\r\n")
    # All slots are taken; the next one has to wait for no longer than the deadline, twice.
    assert door.post("/webhooks/acme", b"{}", shopify(b"{}")) == 200
    for connection in slow:
        connection.close()


def test_a_sender_that_drips_is_cut_off_although_it_is_never_silent(
    open_door: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhooks, "CONNECTION_SECONDS", 0.3)
    door = open_door()
    with socket.create_connection(door.place, timeout=10) as connection:
        connection.sendall(b"POST /webhooks/acme HTTP/1.1\r\n")
        connection.settimeout(0.01)
        for _ in range(1_000):
            try:
                connection.sendall(b"X")
                assert connection.recv(100) == b""
                return  # closed, and nothing answered
            except TimeoutError:
                continue
            except OSError:
                return
        pytest.fail("it was never cut off")


def test_repetitions_are_known_and_only_the_latest_are_remembered() -> None:
    from syncd.service.hints import REMEMBERED

    hints = Hints(Event())
    hints.give("acme", ("event-0", "try-0"))
    assert hints.take() == {"acme"}
    hints.give("acme", ("event-0", "try-1"))
    hints.give("acme", ("event-1", "try-0"))
    assert hints.take() == set()
    hints.give("acme", ("event-2", "try-1"))
    assert hints.take() == set()  # every name that was heard is known, also that of a repetition
    hints.give("cafe", ("event-0",))
    assert hints.take() == {"cafe"}
    for n in range(3, 3 * REMEMBERED):
        hints.give("acme", (f"event-{n}",))
    hints.take()
    assert len(hints._known) == REMEMBERED
    hints.give("acme", ("event-0",))
    assert hints.take() == {"acme"}


def test_nothing_listens_unless_the_configuration_says_so(tmp_path: Path) -> None:
    (tmp_path / "syncd.toml").write_text(CONFIGURATION.replace('listen = "127.0.0.1:0"', ""))
    with receiving(load(tmp_path / "syncd.toml"), Hints(Event())) as receiver:
        assert receiver is None


def test_it_listens_on_ipv6_too(open_door: Open) -> None:
    if not socket.has_ipv6:
        pytest.skip("this machine has no IPv6")
    try:
        door = open_door(CONFIGURATION.replace("127.0.0.1:0", "[::1]:0"))
    except UserError:
        pytest.skip("this machine has no IPv6")
    assert door.post("/webhooks/acme", b"{}", shopify(b"{}")) == 200
