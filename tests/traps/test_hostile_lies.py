"""Answers that are well-formed and absurd: lies about time, numbers, places and amounts, told by one upstream.

Each is either seen through, and its connection stops with a sentence, or does no harm. What was hidden behind
it comes once it is over, and no reading goes on for ever.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest

from syncd.errors import UnsafePlan
from syncd.history.database import open_history
from syncd.pipeline import Cycle
from syncd.sandbox.audience import Switches
from syncd.sandbox.faults import Fault
from syncd.sandbox.shopify.documents import customer_json
from tests.integration.mailchimp_world import Town
from tests.traps.hostile import Siege, complete, siege
from tests.traps.mailchimp_stage import Home, empty

MEMBERS = "/3.0/lists/a1b2c3d4e5/members"
# A cycle in peace takes about thirty calls.
MOST_CALLS = 400
# What never reaches the database need not be tried on both.
SQLITE = pytest.mark.parametrize("besieged", ["sqlite"], indirect=True, scope="module")


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def besieged(
    request: pytest.FixtureRequest, history_url: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Siege]:
    """One syncd for all lies on each database: each leaves it in order."""
    with Town() as town, open_history(history_url(request.param)) as history:
        town.world.throttle.enforce = False
        empty(town, Switches())
        home = Home(town.running, history, tmp_path_factory.mktemp("lies"))
        with siege(home, history_url(request.param)) as found:
            found.buys("first@shop.example")
            found.cycle()
            yield found


def told(house: Siege, *faults: dict[str, Any]) -> Cycle:
    """One cycle with news everywhere while these faults are in force; it ends after a moderate number of calls."""
    house.news()
    for fault in faults:
        house.world.faults.add(msgspec.convert(fault, Fault))
    before = house.requests()
    try:
        return house.sync()
    finally:
        struck = sum(times for _, times in house.world.faults.report())
        house.world.faults.clear()
        assert struck, "the faults met nobody"
        assert house.requests() - before < MOST_CALLS


@dataclass
class Lie:
    """What is told where; `seen_through` is a part of the sentence with which the connection stops."""

    service: str
    path: str
    fault: dict[str, Any]
    seen_through: str = ""

    def planted(self) -> dict[str, Any]:
        return {"service": self.service, "path": self.path, **self.fault}


def at(field: str, value: object) -> dict[str, Any]:
    return {"kind": "mutate", "field": field, "value": json.dumps(value)}


def dated(text: str) -> dict[str, Any]:
    return {"kind": "headers", "headers": {"Date": text}}


def linked(link: str) -> dict[str, Any]:
    return {"kind": "headers", "headers": {"Link": link}}


def throttled(retry_after: str) -> dict[str, Any]:
    return {"kind": "status", "status": 429, "headers": {"Retry-After": retry_after}}


APART = "are more than two days apart"
LIES = {
    "it is 2099 at Shopify": Lie("shopify", "*", dated("Sun, 22 Nov 2099 10:00:00 GMT"), APART),
    "it is 2099 at Ecwid": Lie("ecwid", "*", dated("Sun, 22 Nov 2099 10:00:00 GMT"), APART),
    "it is 1999 at Ecwid": Lie("ecwid", "*", dated("Sun, 22 Nov 1999 10:00:00 GMT"), APART),
    "no time at Ecwid": Lie("ecwid", "*", dated("x" * 9_000)),
    "a trillion orders": Lie("ecwid", "*/orders", at("total", 10**12), "promises more than there can be"),
    "fewer than no orders": Lie("ecwid", "*/orders", at("total", -1)),
    "no rows on a page": Lie("ecwid", "*/orders", at("count", 0), "keeps changing while it is read"),
    "a trillion members": Lie("mailchimp", MEMBERS, at("total_items", 10**12)),
    "fewer than no members": Lie("mailchimp", MEMBERS, at("total_items", -1)),
    "a trillion tags": Lie("mailchimp", "*/segments", at("total_items", 10**12), "more than there can be"),
    "a member changed in 9999": Lie("mailchimp", MEMBERS, at("members.0.last_changed", "9999-12-31T23:59:59-23:59")),
    "a member changed before time": Lie(
        "mailchimp", MEMBERS, at("members.0.last_changed", "0001-01-01T00:00:00+23:59")
    ),
    "a list that goes on nowhere": Lie(
        "shopify", "*/orders.json", linked('<{shopify}/admin/api/2026-07/orders.json?limit=250>; rel="next"'), "where"
    ),
    "a list that goes on at itself": Lie(
        "shopify",
        "*/orders.json",
        linked('<{shopify}/admin/api/2026-07/orders.json?page_info=eyJ9&limit=250>; rel="next"'),
        "",
    ),
    "a link of a megabyte": Lie("shopify", "*/orders.json", linked("<" + "x" * (1 << 20)), "got no whole answer"),
    "a wait of a billion seconds": Lie("mailchimp", MEMBERS, throttled("1000000000"), "429 Too Many Requests"),
    "a wait of less than nothing": Lie("mailchimp", MEMBERS, throttled("-5"), "429 Too Many Requests"),
    "a wait that is no number": Lie("mailchimp", MEMBERS, throttled("NaN"), "429 Too Many Requests"),
}
# Whatever a member is said to be, the others are read and written.
STRANGE: dict[str, object] = {
    "email_address": [
        "",
        "a\0b@shop.example",
        "a" * 10_000 + "@shop.example",
        "\u202ea@shop.example",
        '"\n"@x.example',
    ],
    "merge_fields.SPENT": [1e300, 10**40, True, [1], {"a": 1}, None, "x" * 10_000],
    "merge_fields.CITY": ["\0", "\u202e", "=cmd()"],
    "tags.0.name": ["\0", "x" * 100_000],
    "stats.avg_open_rate": [1e308, -1, None],
    "contact_id": ["", "x" * 100_000, "\0"],
    "timestamp_opt": ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"],
    "status": ["", "deceased", "x" * 100_000],
}
STRANGE_CELLS = [(field, value) for field, values in STRANGE.items() for value in values]  # type: ignore[attr-defined]


@SQLITE
@pytest.mark.parametrize("name", LIES)
def test_a_lie_is_seen_through_or_does_no_harm(besieged: Siege, name: str) -> None:
    lie = LIES[name]
    planted = json.loads(json.dumps(lie.planted()).replace("{shopify}", besieged.sandbox.urls["shopify"]))
    cycle = told(besieged, planted)
    said = complete(cycle.errors)
    if lie.seen_through:
        assert len(said) == 1
        assert lie.seen_through in said[0]
        assert cycle.errors[0].exit_code == 4
    else:
        assert said == [] or name == "a list that goes on at itself"
    # No single wait is longer than five minutes and a little, whatever a service asks for.
    assert besieged.waited_seconds < 6 * 302
    besieged.configure()
    besieged.recovers()


@pytest.mark.parametrize(("field", "value"), STRANGE_CELLS, ids=[f"{f} {str(v)[:12]!a}" for f, v in STRANGE_CELLS])
def test_a_strange_member_keeps_nobody_else_from_being_served(besieged: Siege, field: str, value: object) -> None:
    cycle = told(besieged, {"service": "mailchimp", "path": MEMBERS, **at(f"members.0.{field}", value)})
    assert complete(cycle.errors) == []
    besieged.recovers()


@SQLITE
@pytest.mark.parametrize(("field", "value"), [("last_changed", '"soon"'), ("status", "7"), ("email_address", "NaN")])
def test_a_member_that_cannot_be_read_waits_and_is_looked_for_daily(besieged: Siege, field: str, value: str) -> None:
    fault = {"kind": "mutate", "field": f"members.0.{field}", "value": value}
    cycle = told(besieged, {"service": "mailchimp", "path": MEMBERS, **fault})
    assert complete(cycle.errors) == []
    [waiting] = besieged.quarantine()
    assert (waiting.shop, waiting.resource) == ("audiences.main", "members")
    assert "@" not in waiting.reason
    besieged.later(86_400)
    besieged.recovers()


@SQLITE
@pytest.mark.parametrize("service", ["shopify", "ecwid"])
def test_a_shop_that_shows_nothing_at_all_for_an_hour_loses_nothing(besieged: Siege, service: str) -> None:
    nothing = {
        "shopify": [
            {"path": f"*/{name}.json", "kind": "body", "body": json.dumps({name: []})}
            for name in ("customers", "orders", "events", "checkouts")
        ],
        "ecwid": [
            {"path": f"*/{name}", "kind": "body", "body": '{"total": 0, "count": 0, "items": []}'}
            for name in ("customers", "orders", "carts", "orders/deleted", "customers/deleted")
        ],
    }[service]
    for _ in range(4):
        cycle = told(besieged, *({"service": service, **fault} for fault in nothing))
        # A shop that suddenly has no customer is what the brake is for.
        assert [type(error) for error in cycle.errors] in ([], [UnsafePlan])
    besieged.recovers()


@SQLITE
def test_a_page_full_of_the_same_customer_is_one_customer(besieged: Siege) -> None:
    shop = besieged.world.shops["acme"]
    same = customer_json(shop, shop.add_customer(email="same@shop.example"))
    cycle = told(
        besieged,
        {
            "service": "shopify",
            "path": "*/customers.json",
            "kind": "body",
            "body": json.dumps({"customers": [same] * 250}),
        },
    )
    assert cycle.errors == []
    assert cycle.pulled["acme"].customers_changed == 1
    besieged.recovers()
