"""Who listens to a sandbox hears whole exchanges, and changes nothing by listening."""

from __future__ import annotations

import json

import pytest
import requests

from syncd.sandbox.faults import Fault
from syncd.sandbox.serve import Running
from syncd.sandbox.witness import Exchange, listening

pytestmark = pytest.mark.off_schema("a ping with a query and a body, to see them heard")

AUTH = ("any", "sandbox-us1")


def ask(sandbox: Running, path: str = "/3.0/ping?a=b%20c", **options: object) -> requests.Response:
    return requests.request("GET", sandbox.urls["mailchimp"] + path, auth=AUTH, timeout=10, **options)  # type: ignore[arg-type]


def test_a_witness_hears_the_whole_exchange(sandbox: Running) -> None:
    heard: list[Exchange] = []
    with listening(heard.append):
        answer = ask(sandbox, data=b'{"a": 1}', headers={"User-Agent": "someone/1"})
    [exchange] = heard
    assert (exchange.service, exchange.method, exchange.path) == ("mailchimp", "GET", "/3.0/ping")
    assert (exchange.query, exchange.body) == ("a=b%20c", b'{"a": 1}')
    assert exchange.headers["user-agent"] == "someone/1"
    assert (exchange.status, exchange.reply) == (200, answer.content)
    assert exchange.reply_headers["x-request-id"] == answer.headers["X-Request-Id"]


def test_a_witness_hears_nothing_before_and_after(sandbox: Running) -> None:
    heard: list[Exchange] = []
    ask(sandbox)
    with listening(heard.append):
        pass
    ask(sandbox)
    assert heard == []


def test_the_path_is_heard_as_it_was_sent(sandbox: Running) -> None:
    heard: list[Exchange] = []
    with listening(heard.append):
        ask(sandbox, "/3.0/lists/a%2Fb%C3%BC")
    assert heard[0].path == "/3.0/lists/a%2Fb%C3%BC"


@pytest.mark.parametrize("kind", ["status", "truncate", "reset"])
def test_a_witness_hears_what_the_service_meant_where_a_fault_spoils_the_answer(sandbox: Running, kind: str) -> None:
    sandbox.world.faults.add(Fault(kind=kind, service="mailchimp", phase="after"))  # type: ignore[arg-type]
    heard: list[Exchange] = []
    with listening(heard.append):
        try:
            assert ask(sandbox).status_code == 500
        except requests.RequestException:
            assert kind != "status"
    [exchange] = heard
    assert (exchange.status, json.loads(exchange.reply)) == (200, {"health_status": "Everything's Chimpy!"})


def test_a_witness_hears_nothing_of_a_request_that_a_fault_keeps_from_the_service(sandbox: Running) -> None:
    sandbox.world.faults.add(Fault(kind="status", service="mailchimp"))
    heard: list[Exchange] = []
    with listening(heard.append):
        assert ask(sandbox).status_code == 500
    assert heard == []


def test_a_witness_hears_what_the_rate_limit_refuses_with_a_body_that_nobody_read(sandbox: Running) -> None:
    sandbox.world.throttle.enforce = True
    heard: list[Exchange] = []
    url = sandbox.urls["shopify"] + "/admin/api/2026-07/shop.json"
    with listening(heard.append):
        while requests.get(url, timeout=10).status_code != 429:
            assert len(heard) < 100
    assert (heard[-1].status, heard[-1].body) == (429, None)
