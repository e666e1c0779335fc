"""Every fault of the catalogue strikes as told, repeats itself by seed, and leaves the world in the promised state."""

from __future__ import annotations

import hashlib
import time
import zlib
from typing import Any

import msgspec
import pytest
import requests

from syncd.sandbox.bucket import LeakyBucket, SlidingWindow
from syncd.sandbox.faults import Fault, Faults
from syncd.sandbox.serve import Running
from syncd.sandbox.spoiling import mutated

V = "/admin/api/2026-07"
LIST = "/3.0/lists/a1b2c3d4e5"


class Client:
    """Plants faults and meets them."""

    def __init__(self, running: Running) -> None:
        self.running = running
        self.session = requests.Session()
        self.session.headers["X-Shopify-Access-Token"] = "sandbox"

    def plant(self, *faults: dict[str, Any]) -> Any:
        return requests.post(self.running.urls["control"] + "/faults", json=faults, timeout=10)

    def get(self, path: str = "shop.json", timeout: float = 5) -> requests.Response:
        return self.session.get(f"{self.running.urls['shopify']}{V}/{path}", timeout=timeout)

    def create_member(self) -> requests.Response:
        body = {"email_address": "new@example.com", "status": "subscribed"}
        url = f"{self.running.urls['mailchimp']}{LIST}/members"
        return requests.post(url, json=body, auth=("any", "sandbox-us1"), timeout=5)

    def members(self) -> set[str]:
        return {row["email"] for row in self.running.world.audiences["a1b2c3d4e5"].state()}


@pytest.fixture
def client(sandbox: Running) -> Client:
    return Client(sandbox)


def test_a_status_comes_with_its_body_and_headers_and_only_as_often_as_told(client: Client) -> None:
    client.plant({"kind": "status", "status": 503, "body": "later", "headers": {"Retry-After": "7"}, "count": 1})
    struck, after = client.get(), client.get()
    assert (struck.status_code, struck.text, struck.headers["Retry-After"]) == (503, "later", "7")
    assert after.status_code == 200


def test_the_first_requests_pass_where_after_says_so(client: Client) -> None:
    client.plant({"kind": "status", "status": 500, "after": 2, "count": 1})
    assert [client.get().status_code for _ in range(4)] == [200, 200, 500, 200]


def test_only_requests_that_match_are_struck(client: Client) -> None:
    client.plant({"kind": "status", "status": 500, "service": "shopify", "path": "*/orders.json", "method": "GET"})
    assert client.get("shop.json").status_code == 200
    assert client.get("orders.json").status_code == 500
    assert requests.get(client.running.urls["ecwid"] + "/orders.json", timeout=5).status_code == 404


def test_a_reset_breaks_the_connection_and_stands_in_the_log_as_unanswered(client: Client) -> None:
    client.plant({"kind": "reset", "count": 1})
    with pytest.raises(requests.ConnectionError):
        client.get()
    assert client.get().status_code == 200
    assert [request.status for request in client.running.world.log] == [0, 200]


def test_a_reset_before_the_effect_leaves_nothing_and_one_after_it_leaves_the_member(client: Client) -> None:
    client.plant({"kind": "reset", "service": "mailchimp", "count": 1})
    with pytest.raises(requests.ConnectionError):
        client.create_member()
    assert "new@example.com" not in client.members()
    client.plant({"kind": "reset", "service": "mailchimp", "phase": "after", "count": 1})
    with pytest.raises(requests.ConnectionError):
        client.create_member()
    assert "new@example.com" in client.members()


def test_a_status_after_the_effect_hides_that_it_happened(client: Client) -> None:
    client.plant({"kind": "status", "status": 502, "service": "mailchimp", "phase": "after"})
    assert client.create_member().status_code == 502
    assert "new@example.com" in client.members()


def test_a_truncated_body_ends_in_the_middle(client: Client) -> None:
    client.plant({"kind": "truncate", "at": 0.5})
    with pytest.raises((requests.exceptions.ChunkedEncodingError, requests.ConnectionError)):
        client.get()


def test_a_drip_sends_the_whole_body_byte_by_byte(client: Client) -> None:
    client.plant({"kind": "drip", "seconds": 0.001, "path": "*/events/count.json"})
    began = time.monotonic()
    assert client.get("events/count.json").json() == {"count": 0}
    assert time.monotonic() - began > 0.01


def test_a_hang_answers_nothing(client: Client) -> None:
    client.plant({"kind": "hang", "seconds": 60})
    with pytest.raises(requests.ReadTimeout):
        client.get(timeout=0.1)


def test_a_hang_does_not_keep_the_sandbox_from_closing(client: Client) -> None:
    client.plant({"kind": "hang", "seconds": 60})
    with pytest.raises(requests.ReadTimeout):
        client.get(timeout=0.1)
    began = time.monotonic()
    client.running.stop()
    assert time.monotonic() - began < 2


def test_a_captive_portal_and_an_empty_answer_are_200(client: Client) -> None:
    client.plant({"kind": "html200", "count": 1}, {"kind": "empty", "count": 1})
    portal, empty = client.get(), client.get()
    assert (portal.status_code, portal.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert (empty.status_code, empty.content) == (200, b"")


def test_a_delay_only_delays(client: Client) -> None:
    client.plant({"kind": "delay", "seconds": 0.1})
    answer = client.get()
    assert answer.status_code == 200
    assert answer.elapsed.total_seconds() >= 0.1


def test_a_redirect_leads_elsewhere(client: Client) -> None:
    client.plant({"kind": "redirect", "to": "https://evil.example/", "count": 1})
    client.plant({"kind": "redirect", "to": "/here", "status": 307})
    answers = [client.session.get(f"{client.running.urls['shopify']}{V}/x", allow_redirects=False) for _ in range(2)]
    assert [(each.status_code, each.headers["Location"]) for each in answers] == [
        (302, "https://evil.example/"),
        (307, "/here"),
    ]


def test_a_body_takes_the_place_of_the_services_own_and_its_headers_stay(client: Client) -> None:
    client.plant({"kind": "body", "body": "[]", "count": 1}, {"kind": "body", "body_base64": "/w=="})
    text, data = client.get(), client.get()
    assert (text.status_code, text.content, text.headers["X-Shopify-API-Version"]) == (200, b"[]", "2026-07")
    assert data.content == b"\xff"


def test_a_body_in_the_place_of_an_answer_without_one_is_a_200(client: Client) -> None:
    client.plant({"kind": "body", "body": "[]"})
    member = hashlib.md5(min(client.members()).encode(), usedforsecurity=False).hexdigest()
    url = f"{client.running.urls['mailchimp']}{LIST}/members/{member}/tags"
    told = requests.post(url, json={"tags": []}, auth=("any", "sandbox-us1"), timeout=5)
    assert (told.status_code, told.content) == (200, b"[]")


def test_headers_take_the_place_of_the_services_own_and_the_body_stays(client: Client) -> None:
    own = client.get()
    client.plant({"kind": "headers", "headers": {"date": "Sun, 22 Nov 2099 10:00:00 GMT", "Link": "<x>; rel=next"}})
    struck = client.get()
    assert struck.content == own.content
    assert struck.headers["Date"] == "Sun, 22 Nov 2099 10:00:00 GMT"
    assert struck.headers["Link"] == "<x>; rel=next"
    assert struck.headers["X-Shopify-API-Version"] == "2026-07"


@pytest.mark.parametrize(
    ("field", "value", "becomes"),
    [
        ("orders.0.email", "null", '{"orders": [{"id": 9007199254740993, "email": null}, {}], "n": 1.5}'),
        ("orders.0.email", "NaN", '{"orders": [{"id": 9007199254740993, "email": NaN}, {}], "n": 1.5}'),
        ("orders.0.email", "", '{"orders": [{"id": 9007199254740993}, {}], "n": 1.5}'),
        ("orders.1", "[[", '{"orders": [{"id": 9007199254740993, "email": "a@b.c"}, [[], "n": 1.5}'),
        ("more", '"x"', '{"orders": [{"id": 9007199254740993, "email": "a@b.c"}, {}], "n": 1.5, "more": "x"}'),
        ("orders.7.email", "null", None),
        ("orders.x", "null", None),
        ("n.x", "null", None),
        ("none", "", None),
    ],
)
def test_a_mutation_changes_one_place_of_the_answer(field: str, value: str, becomes: str | None) -> None:
    body = b'{"orders": [{"id": 9007199254740993, "email": "a@b.c"}, {}], "n": 1.5}'
    assert mutated(body, field, value) == (body if becomes is None else becomes.encode())


def test_a_mutated_answer_is_whole_even_where_the_client_takes_it_compressed(client: Client) -> None:
    client.plant({"kind": "mutate", "field": "orders.0.id", "value": "7"})
    orders = client.get("orders.json?limit=250&status=any").json()["orders"]
    assert orders[0]["id"] == 7
    assert len(orders) > 10


@pytest.mark.parametrize("packed", [False, True])
def test_a_flood_is_as_long_as_it_says_and_a_bomb_a_thousandth_of_it(client: Client, packed: bool) -> None:
    client.plant({"kind": "gzip_bomb" if packed else "flood", "size": 8 << 20})
    answer = client.session.get(f"{client.running.urls['shopify']}{V}/shop.json", stream=True, timeout=5)
    sent = answer.raw.read(decode_content=False)
    assert (len(sent) < 16_000) == packed
    assert (zlib.decompressobj(31).decompress(sent) if packed else sent) == b" " * (8 << 20)


def test_faults_are_listed_with_their_strikes_and_cleared(client: Client) -> None:
    client.plant({"kind": "status", "status": 500})
    client.get()
    url = client.running.urls["control"] + "/faults"
    assert [(each["kind"], each["struck"]) for each in requests.get(url, timeout=5).json()] == [("status", 1)]
    assert requests.delete(url, timeout=5).json() == []
    assert client.get().status_code == 200


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "earthquake"},
        {"kind": "reset", "p": 2},
        {"kind": "reset", "often": 1},
        {"path": "*"},
        {"kind": "body", "body_base64": "?"},
    ],
)
def test_a_fault_that_does_not_exist_is_refused_and_none_of_its_list_is_planted(
    client: Client, fault: dict[str, Any]
) -> None:
    answer = client.plant({"kind": "reset"}, fault)
    assert answer.status_code == 400
    assert answer.json()["error"]
    assert client.get().status_code == 200


def _strikes(seed: int, p: float) -> list[bool]:
    faults = Faults(seed)
    faults.add(msgspec.convert({"kind": "reset", "p": p}, Fault))
    return [faults.pick("shopify", "GET", "/") is not None for _ in range(1_000)]


def test_chance_repeats_itself_by_seed_and_keeps_its_share() -> None:
    assert _strikes(1, 0.2) == _strikes(1, 0.2) != _strikes(2, 0.2)
    assert 150 < sum(_strikes(1, 0.2)) < 250
    assert sum(_strikes(1, 0.0)) == 0
    assert sum(_strikes(1, 1.0)) == 1_000


def test_the_first_rule_that_strikes_is_the_one() -> None:
    faults = Faults(1)
    faults.add(Fault(kind="reset", path="*/orders*", count=1))
    faults.add(Fault(kind="empty"))
    picked = [faults.pick("shopify", "GET", path) for path in ("/shop", "/orders", "/orders")]
    assert [fault.kind for fault in picked if fault] == ["empty", "reset", "empty"]


def test_a_leaky_bucket_fills_and_leaks() -> None:
    now = [0.0]
    bucket = LeakyBucket(lambda: now[0])
    assert [bucket.fill(2, 1.0) for _ in range(3)] == [True, True, False]
    now[0] = 1.0
    assert bucket.level(1.0) == 1
    assert [bucket.fill(2, 1.0) for _ in range(2)] == [True, False]


def test_a_sliding_window_opens_when_its_oldest_request_is_a_minute_old() -> None:
    now = [0.0]
    window = SlidingWindow(lambda: now[0], 2, 60.0)
    assert [window.enter(), window.enter()] == [0.0, 0.0]
    now[0] = 15.0
    assert window.enter() == 45.0
    now[0] = 60.0
    assert window.enter() == 0.0
