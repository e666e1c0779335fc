"""Carts in the history: the newest state of each, whose it is, and that an order ends it."""

from __future__ import annotations

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from syncd.history.carts import KEPT_SECONDS, OpenCart, open_carts
from syncd.history.database import History
from syncd.history.ingest import ingest
from syncd.history.members import store_members
from syncd.history.people import customer_of
from syncd.history.quarantine import quarantined
from syncd.history.schema import carts, customers, identities, metadata
from syncd.history.shops import cursors_of
from syncd.history.sift import recovered
from syncd.model import Cart, Customer, Order, Page
from tests.integration.history_records import NOW, customer, forget_news, member, news_of, order, rows, take

RECENT = NOW - 3_600


def cart(id_: str = "t1", **given_: object) -> Cart:
    values: dict[str, object] = {
        "begun_at": RECENT,
        "updated_at": RECENT,
        "currency": "EUR",
        "value_minor": 34_00,
        "email": "ana@example.com",
    }
    return Cart(id=id_, **(values | given_))  # type: ignore[arg-type]


def deliver(history: History, *shown: Cart, **given_: object) -> None:
    page = Page("carts", "next", carts=shown)
    ingest(history, "acme", page, **({"audiences": ["main"], "currencies": None, "now": NOW} | given_))  # type: ignore[arg-type]


def open_of(history: History, email: str = "ana@example.com") -> list[int]:
    """What the open carts of a person are worth."""
    id_ = customer_of(history, email)
    assert id_ is not None
    return [each.value_minor for each in open_carts(history, ["acme"], id_, NOW)]


def test_a_cart_is_kept_with_its_cursor_and_is_its_owners(history: History) -> None:
    deliver(history, cart())
    id_ = customer_of(history, "ana@example.com")
    assert id_ is not None
    assert open_carts(history, ["acme"], id_, NOW) == [OpenCart("acme", "t1", RECENT, RECENT, "EUR", 34_00)]
    assert open_carts(history, ["cafe"], id_, NOW) == []
    assert cursors_of(history, "acme") == {"carts": "next"}


def test_a_cart_makes_nobody_known_in_the_shop_and_nobody_is_judged_for_it(history: History) -> None:
    deliver(history, cart(customer_id="77"))
    assert rows(history, identities) == []
    assert news_of(history) == set()


def known_without_news(history: History, *emails: str) -> None:
    take(history, *(customer(f"id of {email}", email) for email in emails))
    forget_news(history)


def test_a_cart_is_news_for_somebody_who_is_known_and_once(history: History) -> None:
    known_without_news(history, "ana@example.com")
    deliver(history, cart())
    assert news_of(history) == {"ana@example.com"}
    forget_news(history)
    deliver(history, cart())
    assert news_of(history) == set()
    deliver(history, cart(updated_at=RECENT + 60, closed=True))
    assert news_of(history) == {"ana@example.com"}


def test_a_cart_is_news_for_a_member_whom_no_shop_knows(history: History) -> None:
    store_members(history, "main", [member()], None, bits={}, field_names=[], now=NOW)
    forget_news(history)
    deliver(history, cart())
    assert news_of(history) == {"ana@example.com"}


def test_a_cart_that_goes_to_somebody_else_is_news_for_both(history: History) -> None:
    known_without_news(history, "ana@example.com", "bea@example.com")
    deliver(history, cart())
    forget_news(history)
    deliver(history, cart(updated_at=RECENT + 60, email="bea@example.com"))
    assert news_of(history) == {"ana@example.com", "bea@example.com"}


def test_a_cart_that_somebody_else_bought_is_news_for_its_owner(history: History) -> None:
    known_without_news(history, "ana@example.com", "bea@example.com")
    deliver(history, cart())
    forget_news(history)
    take(history, bought := order("1", cart_id="t1", placed_at=NOW, email="bea@example.com"))
    assert news_of(history) == {"ana@example.com", "bea@example.com"}
    forget_news(history)
    take(history, bought)
    assert news_of(history) == set()


def test_a_cart_without_an_address_is_nobodys(history: History) -> None:
    deliver(history, cart(email=None), cart("t2", email="nobody at home"))
    assert rows(history, carts, "id", "customer_id") == [("t1", None), ("t2", None)]
    assert rows(history, customers) == []


def test_a_cart_goes_where_its_shop_id_goes(history: History) -> None:
    deliver(history, cart(customer_id="c1"))
    take(history, customer("c1", "bea@example.com"))
    assert (open_of(history), open_of(history, "bea@example.com")) == ([], [34_00])
    take(history, customer("c1", "cleo@example.com", updated_at=2_000))
    assert (open_of(history, "bea@example.com"), open_of(history, "cleo@example.com")) == ([], [34_00])


def test_the_shop_id_outweighs_the_address(history: History) -> None:
    take(history, customer("c1", "bea@example.com"))
    deliver(history, cart(customer_id="c1", email="typo@example.com"))
    assert open_of(history, "bea@example.com") == [34_00]
    assert customer_of(history, "typo@example.com") is None


def test_a_cart_that_is_closed_or_was_ordered_is_open_no_more(history: History) -> None:
    deliver(history, cart(), cart("t2", value_minor=5_00))
    deliver(history, cart(closed=True, updated_at=RECENT + 60))
    assert open_of(history) == [5_00]
    take(history, order("1", cart_id="t2", placed_at=NOW, email="ana@example.com"))
    assert open_of(history) == []


def test_a_cart_that_can_be_bought_again_is_open_again(history: History) -> None:
    deliver(history, cart(closed=True))
    deliver(history, cart(updated_at=RECENT + 60))
    assert open_of(history) == [34_00]


def test_an_order_that_was_read_before_its_cart_closes_it_all_the_same(history: History) -> None:
    take(history, order("1", cart_id="t1", placed_at=NOW, email="ana@example.com"))
    deliver(history, cart(updated_at=NOW + 60))
    assert open_of(history) == []


def test_of_old_orders_no_cart_is_kept(history: History) -> None:
    take(history, order("1", cart_id="t1", placed_at=NOW - KEPT_SECONDS))
    assert rows(history, carts) == []


def test_a_cart_that_no_shop_shows_any_more_is_not_open(history: History) -> None:
    deliver(history, cart(updated_at=NOW - KEPT_SECONDS))
    assert open_of(history) == []


def test_whom_the_shop_deleted_has_no_open_cart(history: History) -> None:
    take(history, customer("c1"), customer("c2"))
    deliver(history, cart(customer_id="c1"), cart("t2", customer_id="c2", value_minor=5_00))
    take(history, deleted_customers=("c1",))
    assert open_of(history) == [5_00]


def test_a_cart_that_comes_back_without_its_deleted_customer_is_not_open(history: History) -> None:
    take(history, customer("c1"))
    deliver(history, cart(customer_id="c1"))
    take(history, deleted_customers=("c1",))
    deliver(history, cart(customer_id=None))
    assert open_of(history) == []
    take(history, customer("c2"))
    assert open_of(history) == [34_00]


def test_an_erased_person_has_no_open_cart(history: History) -> None:
    deliver(history, cart())
    with history.begin() as db:
        db.execute(customers.update().values(erased_at=NOW))
    assert open_of(history) == []


def test_a_cart_in_a_foreign_currency_is_set_aside_and_can_be_tried_again(history: History) -> None:
    foreign = cart(currency="USD")
    deliver(history, foreign, cart("t2"), currencies={"EUR"})
    (kept,) = quarantined(history)
    assert (kept.resource, kept.record_id) == ("carts", "t1")
    assert "USD" in kept.reason
    assert recovered(kept.raw) == foreign
    deliver(history, foreign, currencies={"EUR", "USD"})
    assert quarantined(history) == []
    assert len(open_of(history)) == 2


@pytest.mark.parametrize(
    "poison",
    [
        cart("t" * 65),
        cart(""),
        cart("t\0"),
        cart("t\ud800"),
        cart(value_minor=2**63),
        cart(updated_at=2**62),
        cart(begun_at=-(2**62)),
        cart(customer_id="c" * 65),
        cart(currency="EURO"),
    ],
)
def test_a_cart_that_no_database_could_hold_costs_itself_only(history: History, poison: Cart) -> None:
    deliver(history, poison, cart("good"))
    assert rows(history, carts, "id") == [("good",)]
    assert [recovered(kept.raw) for kept in quarantined(history)] == [poison]


def shown() -> st.SearchStrategy[list[Cart | Order | Customer]]:
    """States of a few carts, and orders and people that concern them; no two states are equally new."""
    carts_ = st.builds(
        Cart,
        id=st.sampled_from(["t1", "t2", "t3"]),
        begun_at=st.just(RECENT),
        updated_at=st.integers(RECENT, RECENT + 6),
        currency=st.just("EUR"),
        value_minor=st.integers(1, 9),
        customer_id=st.sampled_from([None, "c1", "c2"]),
        email=st.sampled_from([None, "ana@example.com", "Bea@example.com"]),
        closed=st.booleans(),
    )
    orders_ = st.builds(
        order,
        st.sampled_from("12"),
        cart_id=st.sampled_from([None, "t1", "t2"]),
        updated_at=st.integers(RECENT, RECENT + 6),
        placed_at=st.just(RECENT),
        customer_id=st.sampled_from([None, "c1"]),
        email=st.just("ana@example.com"),
    )
    people = st.builds(
        customer,
        st.sampled_from(["c1", "c2"]),
        st.sampled_from([None, "ana@example.com", "cleo@example.com"]),
        updated_at=st.integers(1, 4),
    )
    return st.lists(carts_ | orders_ | people, max_size=12, unique_by=lambda one: (type(one), one.id, one.updated_at))


@given(shown(), st.randoms(use_true_random=False))
@settings(
    max_examples=25,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_pages_in_any_order_end_in_the_newest_state_of_each_cart(
    history: History, seen: list[Cart | Order | Customer], chance: random.Random
) -> None:
    expected = held_after(history, [seen])
    again = seen + chance.choices(seen, k=3) if seen else []
    chance.shuffle(again)
    cut = chance.randint(0, len(again))
    assert held_after(history, [again[:cut], again[cut:]]) == expected


def held_after(history: History, pages: list[list[Cart | Order | Customer]]) -> list[tuple[object, ...]]:
    """The carts by their owners' addresses, once an empty history has taken these pages."""
    with history.begin() as db:
        for table in reversed(metadata.sorted_tables):
            db.execute(table.delete())
    for records in pages:
        page = Page(
            "everything",
            "",
            orders=tuple(one for one in records if isinstance(one, Order)),
            customers=tuple(one for one in records if isinstance(one, Customer)),
            carts=tuple(one for one in records if isinstance(one, Cart)),
        )
        ingest(history, "acme", page, audiences=["main"], currencies=None, now=NOW)
    emails = {None: None} | {row[0]: row[1] for row in rows(history, customers, "id", "email")}
    others = [column.name for column in carts.c if column.name != "customer_id"]
    return sorted(((emails[row[0]], *row[1:]) for row in rows(history, carts, "customer_id", *others)), key=repr)
