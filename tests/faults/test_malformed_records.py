"""Thousands of malformed records of every kind, on pages with good ones: nothing is stopped, lost or misread by them.

Each page goes the whole way, from the shop's server into the history. On every run a few of each kind;
`make chaos`: two thousand of each.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

import pytest
import requests
from sqlalchemy import delete, select

from syncd.history import ledger
from syncd.history.database import open_history
from syncd.history.quarantine import quarantined
from syncd.history.schema import (
    articles,
    carts,
    consents,
    cursors,
    customers,
    identities,
    members,
    order_items,
    orders,
    products,
    quarantine,
    refunds,
    standings,
)
from syncd.history.shops import cursors_of
from syncd.sandbox import happenings, left_carts
from syncd.sandbox.audience import Switches
from syncd.sandbox.faults import Fault
from syncd.sandbox.populate import LIST_ID
from syncd.sources import _ecwid_wire as ecwid
from syncd.sources import _shopify_wire as shopify
from syncd.sources._records import Reader
from syncd.sources._shopify_carts import CARTS
from syncd.sources._shopify_products import PRODUCTS
from syncd.steps.members import read_members
from syncd.steps.pull import pull
from syncd.steps.quarantine import retry
from tests.faults.mutations import mutated
from tests.integration.mailchimp_world import Town
from tests.log_lines import caught_lines
from tests.traps.mailchimp_stage import Home, empty

ANN = "ann@shop.example"
ON_A_PAGE = 20
A_FEW, MANY = 3, 100  # pages


@dataclass(frozen=True)
class Kind:
    """A kind of record: who shows it where, and what a page of it looks like. `reader`: of its pages, in a shop."""

    service: str
    path: str
    resource: str
    key: str
    named: str
    reader: Reader[Any, Any, Any] | None = None

    def page(self, records: list[bytes]) -> bytes:
        about = b'"total_items": %d, "total": %d, "count": %d' % ((len(records),) * 3)
        return b'{%s, "%s": [%s]}' % (about, self.key.encode(), b", ".join(records))


KINDS = {
    "Shopify order": Kind("shopify", "*/orders.json", "orders", "orders", "id", shopify.ORDERS),
    "Shopify customer": Kind("shopify", "*/customers.json", "customers", "customers", "id", shopify.CUSTOMERS),
    "Shopify checkout": Kind("shopify", "*/checkouts.json", "carts", "checkouts", "token", CARTS.reader),
    "Shopify product": Kind("shopify", "*/products.json", "products", "products", "id", PRODUCTS.reader),
    "Ecwid order": Kind("ecwid", "*/orders", "orders", "items", "id", ecwid.orders_in("EUR")),
    "Ecwid customer": Kind("ecwid", "*/customers", "customers", "items", "id", ecwid.CUSTOMERS),
    "Ecwid cart": Kind("ecwid", "*/carts", "carts", "items", "cartId", ecwid.carts_in("EUR")),
    "Ecwid product": Kind("ecwid", "*/products", "products", "items", "id", ecwid.products_in({})),
    "Mailchimp member": Kind("mailchimp", f"/3.0/lists/{LIST_ID}/members", "members", "members", "contact_id"),
}
SHOPS = {"shopify": "acme", "ecwid": "cafe"}


@dataclass
class Bench:
    """A syncd in front of servers whose pages a test writes."""

    home: Home
    documents: Mapping[str, dict[str, Any]]

    def of(self, kind: str, number: int, person: str) -> dict[str, Any]:
        """A good record: of this number, and of a person of its own."""
        pattern = self.documents[kind]
        owner = pattern.get("customer", {}).get("id") or pattern.get("customer_id") or pattern.get("customerId")
        others = {ANN: f"{person}{number}@shop.example", pattern[KINDS[kind].named]: 70_000_000 + number}
        if owner:
            others[owner] = 80_000_000 + number
        found: dict[str, Any] = _renamed(pattern, others)
        return found

    def read(self, kind: str, records: list[bytes]) -> None:
        """Everything is read anew, with these records on the page of their kind."""
        what, context = KINDS[kind], self.home.context
        body = base64.b64encode(what.page(records)).decode()
        self.home.world.faults.add(Fault(kind="body", service=what.service, path=what.path, body_base64=body))
        try:
            if what.service in SHOPS:
                with self.home.history.begin() as db:
                    db.execute(delete(cursors))
                pull(context, SHOPS[what.service])
            else:
                ledger.set_audience(self.home.history, "main", member_cursor=None)
                tags = ledger.tags_of(self.home.history, "main", context.settings.audiences["main"].playbook, "syncd:")
                read_members(context, "main", context.destination("main"), tags)
        finally:
            assert sum(struck for _, struck in self.home.world.faults.report())
            self.home.world.faults.clear()

    def cursor(self, kind: str) -> str:
        """How far this kind is read."""
        if kind == "Mailchimp member":
            return str(ledger.audience_row(self.home.history, "main")["member_cursor"])
        return cursors_of(self.home.history, SHOPS[KINDS[kind].service])[KINDS[kind].resource]

    def kept(self, number: int, person: str) -> list[str]:
        """All that the history has of the record of this number, in words in which the number does not show."""
        id_, owner, email = str(70_000_000 + number), str(80_000_000 + number), f"{person}{number}@shop.example"
        who = select(customers.c.id).where(customers.c.email == email).scalar_subquery()
        questions = [
            select(*_but(orders, "customer_id", "digest"), orders.c.customer_id == who).where(orders.c.id == id_),
            select(*_but(order_items, "article_id"), *(c for c in articles.c if c.name not in ("id", "digest")))
            .join(articles, articles.c.id == order_items.c.article_id)
            .where(order_items.c.order_id == id_),
            select(refunds).where(refunds.c.order_id == id_),
            select(*_but(identities, "customer_id"), identities.c.customer_id == who).where(
                identities.c.shop_customer_id.in_((owner, id_, email))
            ),
            select(*_but(carts, "customer_id"), carts.c.customer_id == who).where(carts.c.id == id_),
            select(products).where(products.c.id == id_),
            select(*_but(customers, "id")).where(customers.c.email == email),
            select(*_but(consents, "id", "customer_id", "observed_at")).where(consents.c.customer_id == who),
            select(*_but(members, "customer_id")).where(members.c.customer_id == who),
            select(standings.c.known_tags, standings.c.known_fields).where(standings.c.customer_id == who),
        ]
        with self.home.history.read() as db:
            found = [f"{n}: {tuple(row)}" for n, asked in enumerate(questions) for row in db.execute(asked)]
        return sorted(each.replace(email, "E-MAIL").replace(id_, "NUMBER").replace(owner, "OWNER") for each in found)


def _but(table: Any, *names: str) -> Any:
    return [column for column in table.c if column.name not in names]


def _renamed(value: Any, others: Mapping[Any, Any]) -> Any:
    if isinstance(value, dict):
        return {key: _renamed(each, others) for key, each in value.items()}
    if isinstance(value, list):
        return [_renamed(each, others) for each in value]
    if isinstance(value, bool) or value not in others:
        return value
    return type(value)(others[value])


@pytest.fixture(scope="module")
def bench(history_url: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """One for all kinds, with a good record of each as its own server shows it."""
    with Town() as town, open_history(history_url("sqlite")) as history:
        town.world.throttle.enforce = False
        empty(town, Switches())
        for name, consent in (("acme", "subscribed"), ("cafe", True)):
            shop = town.world.shops[name]
            order = happenings.place_order(
                shop, {"email": ANN, "amount": "121.00", "shipping": "4.00", "consent": consent}
            )
            shop.refund(order.id, 20_00)
            left_carts.keep_cart(shop, {"email": ANN, "amount": "30.00"})
        home = Home(town.running, history, tmp_path_factory.mktemp("malformed"))
        home.joins(ANN, tags=["syncd:buyer", "vip"], merge_fields={"SPENT": 3.5})
        yield Bench(home, {name: _document(home, kind) for name, kind in KINDS.items()})


def _document(home: Home, kind: Kind) -> dict[str, Any]:
    url = home.sandbox.urls[kind.service]
    path = kind.path.replace("*", {"shopify": "/admin/api/2026-07", "ecwid": "/api/v3/1003"}.get(kind.service, ""))
    headers = {"X-Shopify-Access-Token": "sandbox", "Authorization": "Bearer sandbox"}
    if kind.service == "mailchimp":
        headers = {"Authorization": "Basic c3luY2Q6c2FuZGJveC11czE="}
    asks = {"status": "any"} if kind.service == "shopify" else {}
    rows = requests.get(url + path, asks, headers=headers, timeout=10).json()[kind.key]
    own = [row for row in rows if ANN in (row.get("email"), row.get("email_address"))]
    found: dict[str, Any] = (own or rows)[0]
    return found


def waiting_after(bench: Bench, kind: str, pages: int, seed: int) -> list[str]:
    """Reads so many pages of malformed records among good ones, and asks everything that must hold after each. Returns
    why what is in quarantine by then waits there.
    """
    lots = Random(f"{kind} {seed}")
    person = f"{kind.lower().replace(' ', '.')}.{seed}."
    number = 1_000_000 * seed + 100_000 * list(KINDS).index(kind)
    bench.read(kind, [json.dumps(bench.of(kind, number, person)).encode()])
    pattern, begun_at = bench.kept(number, person), bench.cursor(kind)
    assert pattern
    for _ in range(pages):
        records: list[bytes] = []
        good = []
        for n in range(2 * ON_A_PAGE + 1):
            number += 1
            one = bench.of(kind, number, person)
            if n % 2:
                records.append(mutated(one, lots))
            else:
                records.append(json.dumps(one).encode())
                good.append(number)
        if reader := KINDS[kind].reader:
            batch = reader.read(KINDS[kind].page(records))
            assert len(batch.records) + len(batch.rejected) == len(records), "a record is neither read nor set aside"
        with caught_lines() as lines:
            bench.read(kind, records)
        assert "@" not in str(lines)
        for each in good:
            assert bench.kept(each, person) == pattern, (kind, each)
        assert bench.cursor(kind) >= begun_at
    return [one.reason for one in quarantined(bench.home.history)]


def is_fit_to_show(reason: str) -> bool:
    return bool(reason.strip()) and "@" not in reason and len(reason) < 300 and reason.isprintable()


@pytest.mark.parametrize("kind", KINDS)
def test_malformed_records_stop_nothing_and_touch_no_neighbour(bench: Bench, kind: str) -> None:
    assert all(map(is_fit_to_show, waiting_after(bench, kind, A_FEW, seed=1)))


def test_what_waits_in_quarantine_can_be_read_again_at_any_time_and_stays_where_it_is_no_better(bench: Bench) -> None:
    for kind in ("Shopify order", "Ecwid customer"):
        assert all(map(is_fit_to_show, waiting_after(bench, kind, 1, seed=2)))
    waiting = {one.id for one in quarantined(bench.home.history)}
    assert len(waiting) > ON_A_PAGE / 2
    read, left = retry(bench.home.context)
    assert read + left == len(waiting)
    assert {one.id for one in quarantined(bench.home.history)} <= waiting


@pytest.mark.chaos
@pytest.mark.parametrize("kind", KINDS)
def test_two_thousand_malformed_records_of_each_kind(bench: Bench, kind: str) -> None:
    with bench.home.history.begin() as db:
        db.execute(delete(quarantine))
    assert all(map(is_fit_to_show, waiting_after(bench, kind, MANY, seed=3)))
