"""One upstream misbehaves in one way on one resource: its connection stops with a sentence, and all else goes on.

The matrix is made from the tables below: service, resource, fault. What must come of a cell follows from the
class of its fault. After each the next cycle leads to the same state as a twin that nobody disturbed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import cycle as forever
from typing import Any

import pytest

from syncd.errors import ConnectionBlocked, TransientError
from syncd.history.database import open_history
from syncd.http import Http
from syncd.pipeline import Cycle
from syncd.sandbox.audience import Switches
from syncd.sandbox.faults import Fault
from tests.integration.mailchimp_world import Town
from tests.traps.hostile import SHOPS, Siege, Stranger, complete, siege
from tests.traps.mailchimp_stage import Home, empty

Planted = dict[str, Any]

# {service: {resource: (path, the cursors that must stay where they are)}}
DELETIONS = ("deleted_orders", "deleted_customers")
RESOURCES: dict[str, dict[str, tuple[str, tuple[str, ...]]]] = {
    "shopify": {
        "profile": ("*/shop.json", ("customers", "orders", *DELETIONS)),
        "customers": ("*/customers.json", ("customers", "orders", *DELETIONS)),
        "orders": ("*/orders.json", ("orders", *DELETIONS)),
        "deletions": ("*/events.json", DELETIONS),
        "count": ("*/customers/count.json", ()),
    },
    "ecwid": {
        "profile": ("*/profile", ("customers", "orders", *DELETIONS)),
        "latest-stats": ("*/latest-stats", ("customers", "orders", *DELETIONS)),
        "customers": ("*/customers", ("customers", "orders", *DELETIONS)),
        "orders": ("*/orders", ("orders", *DELETIONS)),
        "deleted orders": ("*/orders/deleted", DELETIONS),
        "deleted customers": ("*/customers/deleted", ("deleted_customers",)),
    },
    "mailchimp": {
        "account": ("/3.0/", ()),
        "list": ("/3.0/lists/a1b2c3d4e5", ()),
        "merge fields": ("*/merge-fields", ()),
        "segments": ("*/segments", ()),
        "members": ("/3.0/lists/a1b2c3d4e5/members", ("members",)),
        "member": ("/3.0/lists/a1b2c3d4e5/members/????????????????????????????????", ()),
        "tags": ("*/members/*/tags", ()),
    },
}
# Only a first look asks for these.
AT_FIRST = {"profile"}
# The brake's own question: without an answer it has one reason less, and nothing stops.
TOLERATED = {("shopify", "count")}
# Orders and customers are worth having without what was deleted: nothing stops, `syncd check` tells it, and the
# deletions come once the shop shows them.
WORTH_HAVING_WITHOUT = {("shopify", "deletions")}
# A write without a usable answer is read again in the next cycle, whether or not this one goes on.
WRITES = {("mailchimp", "member"), ("mailchimp", "tags")}

USELESS: dict[str, Planted] = {
    "truncated": {"kind": "truncate"},
    "a portal's page": {"kind": "html200"},
    "a list": {"kind": "body", "body": "[[]]"},
    "nested 5,000 deep": {"kind": "body", "body": '{"a":' + "[" * 5000 + "]" * 5000 + "}"},
}
MORE_USELESS: dict[str, Planted] = {
    "nothing": {"kind": "empty"},
    "null": {"kind": "body", "body": "null"},
    "an empty object": {"kind": "body", "body": "{}"},
    "a text": {"kind": "body", "body": '"moved"'},
    "an error in a 200": {"kind": "body", "body": '{"errors": "try again"}'},
    "not a number": {"kind": "body", "body": "NaN"},
    "more than a number": {"kind": "body", "body": "1e999"},
    "no text": {"kind": "body", "body_base64": "//79"},
    "not what it is packed as": {"kind": "body", "body": "{}", "headers": {"content-encoding": "gzip"}},
    "a reset": {"kind": "reset"},
    "a page about an error": {"kind": "status", "status": 503, "body": "<h1>Sorry</h1>"},
    "a flood": {"kind": "flood", "size": 40 << 20},
    "a bomb": {"kind": "gzip_bomb", "size": 40 << 20},
    "wrong length": {"kind": "headers", "headers": {"content-length": "99999"}},
}
MAIN = {"shopify": "orders", "ecwid": "orders", "mailchimp": "members"}

USELESS_CELLS = [
    *((service, resource, name) for service in RESOURCES for resource in RESOURCES[service] for name in USELESS),
    *((service, MAIN[service], name) for service in RESOURCES for name in MORE_USELESS),
]
EVERYWHERE = [(service, resource) for service in RESOURCES for resource in RESOURCES[service]]
# Every resource, with every status and every disguise in turn.
REDIRECTS = list(zip(EVERYWHERE, forever((301, 302, 303, 307, 308)), forever(Stranger.DISGUISES), strict=False))


@pytest.fixture(scope="module")
def besieged(history_url: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Siege]:
    """One syncd for the whole matrix: every cell leaves it in order."""
    with Town() as town, open_history(history_url("sqlite")) as history:
        town.world.throttle.enforce = False
        empty(town, Switches())
        home = Home(town.running, history, tmp_path_factory.mktemp("siege"))
        with siege(home, history_url("sqlite")) as found:
            yield found


@pytest.fixture
def stranger() -> Iterator[Stranger]:
    found = Stranger()
    yield found
    found.close()


def strike(house: Siege, service: str, resource: str, fault: Planted) -> tuple[Cycle, dict[str, str]]:
    """One cycle with news in both shops while the resource is faulty; nobody's cursor passed what was not read."""
    path, cursors = RESOURCES[service][resource]
    if resource in AT_FIRST:
        house.configure()
    bought, before = house.news(), house.cursors(service)
    cycle = house.struck(service, path, fault)
    assert house.hits, "the fault met nobody"
    after = house.cursors(service)
    assert {name: after[name] for name in cursors} == {name: before[name] for name in cursors}
    return cycle, bought


def goes_on_without(house: Siege, service: str, cycle: Cycle, bought: dict[str, str]) -> None:
    """Everything but this service had its ordinary cycle."""
    others = [shop for each, shop in SHOPS.items() if each != service]
    assert set(others) <= set(cycle.pulled)
    said = house.said()
    for shop in others:
        assert said[shop] == ("ok", "")
    if service == "mailchimp":
        assert set(bought.values()) <= {row[0] for row in house.held()["orders"]}
        return
    assert said["main"] == ("ok", "")
    (other,) = set(SHOPS) - {service}
    assert house.tags(bought[other]) == {"buyer"}
    assert house.fields(bought[other])["SPENT"] == 20.5


def stopped(house: Siege, service: str, cycle: Cycle, kind: type[Exception], state: str) -> str:
    """What the one error says; `syncd status` says it, too."""
    (error,) = cycle.errors
    assert type(error) is kind or (kind is TransientError and isinstance(error, TransientError))
    assert error.exit_code == 4
    (sentence,) = complete(cycle.errors)
    connection = SHOPS.get(service, "main")
    named, fault = sentence.split(": ", 1)
    assert named in (f"shops.{connection}", f"audiences.{connection}")
    assert house.said()[connection] == (state, fault)
    return sentence


@pytest.mark.parametrize(("service", "resource", "name"), USELESS_CELLS)
def test_an_answer_of_no_use_is_tried_again_in_the_next_cycle(
    besieged: Siege, service: str, resource: str, name: str
) -> None:
    fault = {**USELESS, **MORE_USELESS}[name]
    cycle, bought = strike(besieged, service, resource, fault)
    if (service, resource) in TOLERATED:
        assert cycle.errors == []
    elif (service, resource) not in WRITES:
        stopped(besieged, service, cycle, TransientError, "failing")
    goes_on_without(besieged, service, cycle, bought)
    besieged.recovers()


@pytest.mark.parametrize(
    ("service", "resource", "status", "disguise"),
    [(*where, status, disguise) for where, status, disguise in REDIRECTS],
)
def test_no_redirect_is_followed(
    besieged: Siege, stranger: Stranger, service: str, resource: str, status: int, disguise: str
) -> None:
    fault = {"kind": "redirect", "status": status, "to": stranger.places()[disguise]}
    cycle, bought = strike(besieged, service, resource, fault)
    if (service, resource) in TOLERATED | WORTH_HAVING_WITHOUT:
        assert cycle.errors == []
    else:
        sentence = stopped(besieged, service, cycle, ConnectionBlocked, "blocked")
        assert "redirected to" in sentence or "sends us on to" in sentence
        assert cycle.errors[0].hint
    goes_on_without(besieged, service, cycle, bought)
    assert stranger.heard == []
    besieged.recovers()


@pytest.mark.parametrize(
    ("resource", "disguise"),
    [(("customers", "orders", "deletions")[n % 3], way) for n, way in enumerate(Stranger.DISGUISES)],
)
def test_no_next_link_to_another_place_is_followed(
    besieged: Siege, stranger: Stranger, resource: str, disguise: str
) -> None:
    link = f'<{stranger.places()[disguise]}?page_info=x>; rel="next"'
    cycle, bought = strike(besieged, "shopify", resource, {"kind": "headers", "headers": {"link": link}})
    if ("shopify", resource) in WORTH_HAVING_WITHOUT:
        assert cycle.errors == []
    else:
        assert "another place" in stopped(besieged, "shopify", cycle, ConnectionBlocked, "blocked")
    goes_on_without(besieged, "shopify", cycle, bought)
    assert stranger.heard == []
    besieged.recovers()


DRIPPING = {
    "shopify": ("/admin/api/2026-07/orders.json?status=any", {"X-Shopify-Access-Token": "sandbox"}),
    "ecwid": ("/api/v3/1003/orders", {"Authorization": "Bearer sandbox"}),
    "mailchimp": ("/3.0/", {"Authorization": "Basic c3luY2Q6c2FuZGJveC11czE="}),
}


@pytest.mark.parametrize("service", DRIPPING)
def test_an_answer_whose_every_byte_comes_in_time_still_ends_at_the_deadline(besieged: Siege, service: str) -> None:
    path, headers = DRIPPING[service]
    http = Http(besieged.sandbox.urls[service], connection="shops.acme", headers=lambda: headers, attempts=1)
    assert len(http.request("GET", path).body) > 300
    # A fifth of the deadline between two bytes: all of them would take as many minutes as syncd waits for seconds.
    drip = Fault(kind="drip", service=service, seconds=0.1)
    besieged.world.faults.add(drip)
    try:
        with pytest.raises(TransientError, match="got no whole answer"):
            http.request("GET", path, deadline=0.5)
    finally:
        besieged.world.faults.clear()
        http.close()
