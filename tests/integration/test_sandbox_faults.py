"""Every fault of the catalogue strikes as told, repeats itself by seed, and leaves the world in the promised state."""

from __future__ import annotations

import time
from typing import Any

import msgspec
import pytest
import requests

from syncd.sandbox.bucket import LeakyBucket, SlidingWindow
from syncd.sandbox.faults import Fault, Faults
from syncd.sandbox.serve import Running

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
    client.plant({"kind": "drip", "seconds": 0.001, "path": "*/checkouts.json"})
    began = time.monotonic()
    assert client.get("checkouts.json").json() == {"checkouts": []}
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


def test_faults_are_listed_with_their_strikes_and_cleared(client: Client) -> None:
    client.plant({"kind": "status", "status": 500})
    client.get()
    url = client.running.urls["control"] + "/faults"
    assert [(each["kind"], each["struck"]) for each in requests.get(url, timeout=5).json()] == [("status", 1)]
    assert requests.delete(url, timeout=5).json() == []
    assert client.get().status_code == 200


@pytest.mark.parametrize(
    "fault", [{"kind": "earthquake"}, {"kind": "reset", "p": 2}, {"kind": "reset", "often": 1}, {"path": "*"}]
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
