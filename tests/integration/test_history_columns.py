"""What the history hands to the core: the audience's people and their counted orders, in local days and money."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from syncd.calendar import day_of, local_day
from syncd.history import packs
from syncd.history.columns import batches
from syncd.history.database import History
from syncd.history.members import store_members
from syncd.history.people import customer_of, emails_of
from syncd.history.schema import standings
from syncd.lifecycle.columns import NO_DAY, Batch
from syncd.model import Order, OrderStatus, Refund
from tests.integration.history_records import customer, member, order, take

DAY = 86_400
NOON = 20_000 * DAY + DAY // 2


def read(history: History, **given: Any) -> list[Batch]:
    values: dict[str, Any] = {
        "zone": "UTC",
        "currency": "EUR",
        "rates": {},
        "spend": "paid",
        "pending_counts": False,
    }
    shops = given.pop("shops", ["acme", "cafe"])
    packs.refresh(history)
    return list(batches(history, "main", shops, **(values | given)))


def by_email(history: History, **given: Any) -> dict[str, list[tuple[int, int]]]:
    """(day, minor units) of each counted order, by address."""
    found = {}
    for batch in read(history, **given):
        emails = emails_of(history, batch.customer.tolist())
        for at, id_ in enumerate(batch.customer.tolist()):
            mine = slice(batch.starts[at], batch.starts[at + 1])
            found[emails[id_]] = list(
                zip(batch.order_day[mine].tolist(), batch.order_minor[mine].tolist(), strict=True)
            )
    return found


def sale(id_: str, email: str = "ana@example.com", **given: Any) -> Order:
    return order(id_, email=email, **({"placed_at": NOON} | given))


def test_an_empty_history_has_no_batches(history: History) -> None:
    assert read(history) == []
    assert read(history, customers=[]) == []
    assert read(history, customers=[7]) == []


def test_orders_stand_by_customer_and_day(history: History) -> None:
    take(history, sale("1", placed_at=NOON + DAY), sale("2", "ben@example.com"), sale("3"), customer("c", "cleo@x.org"))
    assert by_email(history) == {
        "ana@example.com": [(20_000, 5_000), (20_001, 5_000)],
        "ben@example.com": [(20_000, 5_000)],
        "cleo@x.org": [],
    }


def test_a_batch_tells_what_is_known_of_each_person(history: History) -> None:
    take(history, customer(created_at=NOON, country="ES", city="Lugo", language="gl", wholesale=True), sale("1"))
    take(history, sale("2", "ben@example.com"))
    store_members(
        history,
        "main",
        [member(), member("cleo@x.org", "unsubscribed", opted_in_at=NOON + DAY)],
        None,
        bits={},
        field_names=[],
        now=1,
    )
    with history.begin() as db:
        ana = standings.c.customer_id == customer_of(history, "ana@example.com")
        db.execute(standings.update().where(ana).values(segments=5))
    (batch,) = read(history, needs=frozenset({"country", "city", "language", "was_in"}))
    assert batch.customer.tolist() == [
        customer_of(history, email) for email in ("ana@example.com", "ben@example.com", "cleo@x.org")
    ]
    assert batch.signup_day.tolist() == [20_000, NO_DAY, 20_001]
    assert batch.subscribed.tolist() == [True, False, False]
    assert batch.wholesale.tolist() == [True, False, False]
    assert batch.country.tolist() == ["ES", "", ""]
    assert batch.city.tolist() == ["Lugo", "", ""]
    assert batch.language.tolist() == ["gl", "", ""]
    assert batch.was_in.tolist() == [5, 0, 0]
    assert batch.starts.tolist() == [0, 1, 2, 2]
    assert batch.currency_exponent == 2
    assert {column.dtype for column in (batch.customer, batch.signup_day, batch.order_day, batch.order_minor)} == {
        np.dtype(np.int64)
    }


def test_the_audience_is_who_is_in_its_shops_or_a_member(history: History) -> None:
    take(history, sale("1"), customer("gone", "ben@example.com"), deleted_customers=("gone",))
    take(history, sale("1", "cleo@x.org"), shop="other")
    take(history, sale("2"), shop="other")
    assert by_email(history, shops=["acme"]) == {"ana@example.com": [(20_000, 5_000)]}
    store_members(history, "main", [member("cleo@x.org")], None, bits={}, field_names=[], now=1)
    store_members(history, "vip", [member("dora@x.org")], None, bits={}, field_names=[], now=1)
    assert by_email(history, shops=["acme"]) == {"ana@example.com": [(20_000, 5_000)], "cleo@x.org": []}


@pytest.mark.parametrize(
    "out",
    [
        {"cancelled": True},
        {"test": True},
        {"status": OrderStatus.VOIDED},
        {"status": OrderStatus.REFUNDED},
        {"status": OrderStatus.PENDING},
        {"paid_minor": 0},
        {"refunds": (Refund("r", 5_000, 4_000, NOON),)},
        {"currency": "USD"},
    ],
)
def test_what_does_not_count_is_not_there(history: History, out: dict[str, Any]) -> None:
    take(history, sale("1"), sale("2", **out))
    assert by_email(history) == {"ana@example.com": [(20_000, 5_000)]}


def test_a_deleted_order_is_not_there(history: History) -> None:
    take(history, sale("1"), sale("2"), deleted_orders=("2", "never seen"))
    assert by_email(history) == {"ana@example.com": [(20_000, 5_000)]}


def test_pending_orders_count_where_they_shall(history: History) -> None:
    take(history, sale("1", status=OrderStatus.PENDING))
    assert by_email(history, pending_counts=True) == {"ana@example.com": [(20_000, 5_000)]}


def test_spend_is_net_of_refunds_and_of_goods_alone_where_it_shall(history: History) -> None:
    take(history, sale("1", refunds=(Refund("r", 1_500, 1_000, NOON),)))
    assert by_email(history) == {"ana@example.com": [(20_000, 3_500)]}
    assert by_email(history, spend="goods") == {"ana@example.com": [(20_000, 3_000)]}


def test_each_foreign_order_is_converted_by_itself_halves_to_even(history: History) -> None:
    take(
        history,
        sale("1", currency="JPY", paid_minor=125),
        sale("2", currency="JPY", paid_minor=375, placed_at=NOON + 1),
        sale("3", currency="KWD", paid_minor=1_005, placed_at=NOON + 2),
        sale("4", currency="EUR", paid_minor=99, placed_at=NOON + 3),
    )
    rates = {"JPY": Decimal("0.006"), "KWD": Decimal("3")}
    assert [minor for _, minor in by_email(history, rates=rates)["ana@example.com"]] == [75, 225, 302, 99]
    assert [minor for _, minor in by_email(history, rates={"JPY": Decimal("0.00012")})["ana@example.com"]] == [2, 4, 99]


def test_days_are_those_of_the_audience(history: History) -> None:
    take(history, sale("1", placed_at=20_000 * DAY + 23 * 3_600))
    assert by_email(history, zone="Europe/Madrid") == {"ana@example.com": [(20_001, 5_000)]}
    assert by_email(history, zone="America/Lima") == {"ana@example.com": [(20_000, 5_000)]}


def test_days_ascend_even_where_clocks_were_put_back_past_midnight(history: History) -> None:
    # St. John's, 2006-10-29 00:01: the clocks went back to 23:01 of the 28th.
    change, zone = int(datetime(2006, 10, 29, 2, 31, tzinfo=UTC).timestamp()), "America/St_Johns"
    assert local_day(change - 30, zone) == local_day(change + 60, zone) + 1 == day_of(date(2006, 10, 29))
    take(history, sale("1", placed_at=change - 30, paid_minor=1), sale("2", placed_at=change + 60, paid_minor=2))
    take(history, sale("3", "ben@example.com", placed_at=1_000))
    (batch,) = read(history, zone=zone)
    assert np.diff(batch.order_day[:2]).tolist() == [1]
    assert batch.order_minor.tolist() == [2, 1, 5_000]


def test_later_orders_do_not_exist_as_of_an_earlier_day(history: History) -> None:
    take(history, sale("1"), sale("2", placed_at=NOON + 1))
    assert by_email(history, as_of_end=NOON + 1) == {"ana@example.com": [(20_000, 5_000)]}


def test_however_the_people_are_cut_the_facts_are_the_same(history: History) -> None:
    take(history, *(sale(str(at), f"{at % 7}@example.com", placed_at=NOON - at) for at in range(40)))
    take(history, *(sale(str(at), f"{at}@other.org") for at in range(5)), shop="other")
    whole = by_email(history)
    assert len(whole) == 7
    for size in (1, 2, 3, 7, 8):
        assert by_email(history, size=size) == whole
        assert all(len(batch) <= size for batch in read(history, size=size))
    everyone = [id_ for batch in read(history) for id_ in batch.customer.tolist()]
    assert by_email(history, customers=everyone[::-1], size=2) == whole
    assert by_email(history, customers=set(everyone[2:4])) == {
        email: facts for email, facts in whole.items() if customer_of(history, email) in everyone[2:4]
    }


def test_all_batches_see_one_state(history: History) -> None:
    take(history, *(sale(str(at), f"{at}@example.com") for at in range(4)))
    reading = batches(
        history,
        "main",
        ["acme"],
        zone="UTC",
        currency="EUR",
        rates={},
        spend="paid",
        pending_counts=False,
        size=2,
    )
    first = next(reading)
    take(history, *(sale(str(at), f"{at}@example.com", updated_at=9_000, cancelled=True) for at in range(4)))
    assert [len(batch.order_day) for batch in (first, *reading)] == [2, 2]
