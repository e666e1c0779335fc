"""The Shopify counterpart in its moods: limits, troubles, revoked access and answers that lag behind."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
import requests

from syncd.sandbox.serve import Running
from syncd.sandbox.shop import Switches
from syncd.sandbox.shopify import CallLimit
from syncd.sandbox.shopify.version import serve_version
from tests.integration.shopify_client import Client, V

START = 1_795_341_600


@pytest.fixture(scope="module")
def acme(open_sandbox: Callable[..., Running]) -> Client:
    return Client(open_sandbox())


@pytest.fixture
def fresh(sandbox: Running) -> Client:
    return Client(sandbox)


def test_the_bucket_holds_forty_and_then_answers_429_with_a_float(fresh: Client, sandbox: Running) -> None:
    sandbox.world.throttle.enforce = True
    answers = [fresh.get("shop.json") for _ in range(45)]
    assert [answer.status_code for answer in answers[:40]] == [200] * 40
    refused = answers[-1]
    assert refused.status_code == 429
    assert refused.headers["Retry-After"] == "2.0"
    assert refused.headers["X-Shopify-Shop-Api-Call-Limit"] == "40/40"
    assert refused.json()["errors"].startswith("Exceeded 2 calls per second for api client.")


def test_a_larger_plan_has_a_larger_bucket(fresh: Client) -> None:
    fresh.shop.switches = Switches(plan="plus")
    limit = CallLimit(fresh.shop)
    scope = {"path": f"{V}/shop.json"}
    assert all(limit.enter(scope) is None for _ in range(400))
    assert limit.enter(scope) is not None


def test_calls_of_the_apps_other_workers_fill_the_same_bucket(fresh: Client, sandbox: Running) -> None:
    sandbox.world.throttle.enforce = True
    requests.post(f"{sandbox.urls['control']}/shops/acme/calls", json={"count": 500}, timeout=10).raise_for_status()
    assert fresh.get("shop.json").status_code == 429
    fresh.shop.switches.other_calls = 2.0
    assert fresh.get("shop.json").headers["X-Shopify-Shop-Api-Call-Limit"] == "40/40"


def test_a_429_may_come_without_a_word_on_when_to_come_back(fresh: Client, sandbox: Running) -> None:
    sandbox.world.throttle.enforce = True
    fresh.shop.switches.retry_after = False
    fresh.shop.calls_elsewhere = 40
    refused = fresh.get("shop.json")
    assert refused.status_code == 429
    assert "Retry-After" not in refused.headers


@pytest.mark.parametrize(
    ("standing", "status", "says"),
    [
        ("frozen", 402, "Unavailable Shop"),
        ("forbidden", 403, "Unavailable Shop"),
        ("closed", 404, "Not Found"),
        ("locked", 423, "This store is unavailable"),
        ("rejected", 430, "Security Rejection"),
    ],
)
def test_a_shop_in_trouble_refuses_everything_even_without_a_token(
    fresh: Client, standing: Any, status: int, says: str
) -> None:
    fresh.shop.switches.standing = standing
    for answer in (fresh.get("orders.json"), requests.post(f"{fresh.base}/admin/oauth/access_token", timeout=10)):
        assert (answer.status_code, answer.json()) == (status, {"errors": says})


def test_a_renamed_shop_sends_every_call_on_and_a_careless_client_makes_a_get_of_its_post(
    fresh: Client, sandbox: Running
) -> None:
    new = fresh.base.replace("127.0.0.1", "localhost")
    fresh.shop.switches.renamed_to = new.removeprefix("http://")
    shown = requests.get(f"{fresh.base}{V}/orders.json?limit=1", timeout=10, allow_redirects=False)
    assert (shown.status_code, shown.headers["Location"]) == (301, f"{new}{V}/orders.json?limit=1")
    fresh.session.post(f"{fresh.base}/admin/oauth/access_token", data={"grant_type": "x"}, timeout=10)
    calls = [(each.method, each.status) for each in sandbox.world.log if each.path.endswith("/access_token")]
    assert calls == [("POST", 301), ("GET", 404)]
    fresh.shop.switches.renamed_to = "acme-new.myshopify.com"
    answer = requests.get(f"{fresh.base}{V}/shop.json", timeout=10, allow_redirects=False)
    assert answer.headers["Location"] == f"https://acme-new.myshopify.com{V}/shop.json"


def test_revoked_tokens_are_good_no_more_and_an_app_that_was_removed_gets_none(fresh: Client, sandbox: Running) -> None:
    body = {"grant_type": "client_credentials", "client_id": "app", "client_secret": "sandbox"}

    def grant() -> requests.Response:
        return requests.post(f"{fresh.base}/admin/oauth/access_token", data=body, timeout=10)

    fresh.session.headers["X-Shopify-Access-Token"] = grant().json()["access_token"]
    assert fresh.get("shop.json").status_code == 200
    requests.delete(f"{sandbox.urls['control']}/shops/acme/tokens", timeout=10).raise_for_status()
    assert fresh.get("shop.json").status_code == 401
    fresh.session.headers["X-Shopify-Access-Token"] = "sandbox"
    assert fresh.get("shop.json").status_code == 200
    fresh.shop.switches.installed = False
    assert (fresh.get("shop.json").status_code, grant().status_code) == (401, 400)


def test_every_answer_has_a_request_id_of_its_own_and_errors_tell_the_version_too(fresh: Client) -> None:
    answers = [fresh.get("shop.json"), fresh.get("nothing.json"), fresh.get("orders.json", limit="x")]
    answers.append(requests.get(f"{fresh.base}{V}/shop.json", timeout=10))
    assert [answer.status_code for answer in answers] == [200, 404, 400, 401]
    assert len({answer.headers["X-Request-Id"] for answer in answers}) == 4
    assert {answer.headers["X-Shopify-API-Version"] for answer in answers} == {"2026-07"}


def test_a_version_comes_at_five_in_the_afternoon() -> None:
    first = int(datetime.fromisoformat("2027-01-01T17:00:00Z").timestamp())
    assert (serve_version("2027-01", first - 1), serve_version("2027-01", first)) == (None, "2027-01")
    assert (serve_version("2025-10", first - 1), serve_version("2025-10", first)) == ("2025-10", "2026-01")


def test_a_refund_may_show_later_than_the_order_that_it_belongs_to(fresh: Client) -> None:
    fresh.shop.switches.child_lag_seconds = 30
    order = next(each for each in fresh.shop.orders if each.status == "paid" and not each.refunds)
    fresh.shop.refund(order.id, 100)
    before = fresh.get(f"orders/{order.id}.json").json()["order"]
    fresh.world.clock.set(START + 30)
    after = fresh.get(f"orders/{order.id}.json").json()["order"]
    assert (before["refunds"], len(after["refunds"])) == ([], 1)
    assert before["updated_at"] == after["updated_at"]


def test_without_access_to_protected_data_nothing_tells_who_a_customer_is(fresh: Client) -> None:
    fresh.shop.switches.protected_data = False
    for name in ("customers", "orders"):
        rows = fresh.get(f"{name}.json", status="any", limit=250).json()[name]
        for person in [*rows, *(row["customer"] for row in rows if row.get("customer"))]:
            assert not [person[key] for key in ("email", "first_name", "last_name", "phone") if person.get(key)]
        assert "@" not in json.dumps(rows)


def test_what_was_deleted_is_forgotten_after_a_year(fresh: Client) -> None:
    fresh.shop.delete_order(next(iter(fresh.shop.orders)).id)
    assert fresh.get("events/count.json", filter="Order").json() == {"count": 1}
    fresh.world.clock.set(START + 366 * 86_400)
    assert fresh.get("events.json", filter="Order").json() == {"events": []}


def test_a_shop_may_change_the_money_it_counts_in_and_old_orders_stay(fresh: Client, sandbox: Running) -> None:
    old = next(each for each in fresh.shop.orders if each.currency == "EUR")
    answer = requests.post(f"{sandbox.urls['control']}/shops/acme/profile", json={"currency": "JPY"}, timeout=10)
    assert answer.json()["currency"] == "JPY"
    new = fresh.shop.add_order(customer_id=None, email="new@example.com", total_minor=1_200)
    assert fresh.get("shop.json").json()["shop"]["currency"] == "JPY"
    assert fresh.get(f"orders/{old.id}.json").json()["order"]["currency"] == "EUR"
    shown = fresh.get(f"orders/{new.id}.json").json()["order"]
    assert (shown["currency"], shown["total_price"]) == ("JPY", "1200")


def test_orders_are_found_by_name_by_how_far_they_are_and_by_their_customer(fresh: Client) -> None:
    order = next(each for each in fresh.shop.orders if each.closed_at and each.customer_id)
    (found,) = fresh.get("orders.json", status="any", name=f"#{order.number}").json()["orders"]
    assert found["id"] == order.id
    shipped, _ = fresh.walk("orders", status="any", fulfillment_status="shipped")
    assert {row["fulfillment_status"] for row in shipped} == {"fulfilled"}
    theirs, _ = fresh.walk("orders", status="any", financial_status="unpaid")
    assert {row["financial_status"] for row in theirs} == {"authorized", "partially_paid"}
    rows = fresh.get(f"customers/{order.customer_id}/orders.json", status="any").json()["orders"]
    assert {row["id"] for row in rows} == set(fresh.shop.orders_of[order.customer_id])


def test_a_list_is_not_sorted_by_what_its_records_do_not_have(acme: Client) -> None:
    assert acme.get("customers.json", order="processed_at asc").status_code == 400
    assert acme.get("customers.json", processed_at_min="2026-01-01").status_code == 200


def test_page_info_holds_the_filters_and_where_the_walk_stands(acme: Client) -> None:
    text = acme.get("orders.json", status="any", order="updated_at asc", limit=3).links["next"]["url"]
    text = text.partition("page_info=")[2]
    place = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    last = sorted(acme.shop.orders, key=lambda each: (each.updated_at, each.id))[2]
    assert (place["status"], place["direction"], place["last_id"]) == ("any", "next", last.id)
    assert datetime.strptime(place["last_value"] + "Z", "%Y-%m-%d %H:%M:%S%z").timestamp() == last.updated_at
