"""Which records can be taken, and that what cannot be taken is kept so that it can be tried again."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.history.fields import canonical_fields
from syncd.history.sift import MAX_MINOR, plain, recovered, sift
from syncd.model import Consent, ConsentState, Customer, Item, Order, OrderStatus, Page, Refund

texts = st.text(st.characters(), max_size=8)
numbers = st.integers() | st.sampled_from([2**31, 2**40, MAX_MINOR, MAX_MINOR + 1, 2**53, 2**63])

orders = st.builds(
    Order,
    id=texts,
    placed_at=numbers,
    updated_at=numbers,
    currency=st.sampled_from(["EUR", "USD", "EURO"]),
    paid_minor=numbers,
    goods_minor=numbers,
    customer_id=st.none() | texts,
    refunds=st.lists(st.builds(Refund, texts, numbers, numbers, numbers), max_size=2).map(tuple),
    items=st.lists(st.builds(Item, texts, texts, numbers, numbers), max_size=2).map(tuple),
)
customers = st.builds(Customer, id=texts, created_at=numbers, updated_at=numbers, country=texts, city=texts)


def an_order(**given: object) -> Order:
    values: dict[str, object] = {
        "id": "1",
        "placed_at": 1,
        "updated_at": 1,
        "status": OrderStatus.PAID,
        "currency": "EUR",
        "paid_minor": 1,
        "goods_minor": 1,
    }
    return Order(**(values | given))  # type: ignore[arg-type]


def reasons(*shown: Order | Customer, currencies: set[str] | None = None) -> list[str]:
    page = Page(
        "any",
        "",
        orders=tuple(one for one in shown if isinstance(one, Order)),
        customers=tuple(one for one in shown if isinstance(one, Customer)),
    )
    return [one.reason for one in sift(page, currencies).rejected.values()]


@given(orders | customers)
def test_a_record_is_taken_or_kept_whole(record: Order | Customer) -> None:
    page = Page("any", "", orders=(record,)) if isinstance(record, Order) else Page("any", "", customers=(record,))
    sifted = sift(page, {"EUR"})
    taken = [order for order, _ in sifted.orders.values()] + list(sifted.customers.values())
    kept = [recovered(one.raw) for one in sifted.rejected.values()]
    assert taken + kept == [record]


@given(orders)
def test_what_is_taken_fits_every_database(order: Order) -> None:
    for taken, digest in sift(Page("any", "", orders=(order,)), None).orders.values():
        refunded = [number for refund in taken.refunds for number in (refund.amount_minor, refund.goods_minor)]
        prices = [item.price_minor for item in taken.items]
        assert all(abs(number) <= MAX_MINOR for number in (taken.paid_minor, taken.goods_minor, *refunded, *prices))
        assert all(abs(item.quantity) < 2**31 for item in taken.items)
        texts_ = [taken.id, *(text for item in taken.items for text in (item.product_id, item.title))]
        assert all("\0" not in text and text.encode() is not None for text in texts_)
        assert len(digest) == 16


@pytest.mark.parametrize("spelled", ["\\u0000", "\\\\u0000", 'x":1234567890123456', "\\"])
def test_a_text_that_only_looks_suspect_is_taken(spelled: str) -> None:
    assert reasons(an_order(items=(Item("p", spelled, 1, 1),))) == []


@pytest.mark.parametrize("held", ["\0", "\\\0", "\\\\\0", "a\0b"])
def test_a_text_that_holds_a_nul_is_not_taken(held: str) -> None:
    assert reasons(an_order(items=(Item("p", held, 1, 1),))) == ["a text holds a NUL character"]


def test_large_but_possible_numbers_are_taken() -> None:
    assert reasons(an_order(paid_minor=MAX_MINOR, placed_at=2**40, items=(Item("p", "", 2**31 - 1, -MAX_MINOR),))) == []


def test_a_hundred_thousand_of_the_largest_orders_add_up_within_64_bits() -> None:
    largest = an_order(paid_minor=MAX_MINOR)
    assert reasons(largest) == []
    assert reasons(an_order(paid_minor=MAX_MINOR + 1)) != []
    assert np.full(100_000, largest.paid_minor).sum() == 100_000 * MAX_MINOR


def test_a_reason_names_the_field_and_never_a_persons_data() -> None:
    bad = an_order(id="7" * 65, email="ana@example.com")
    assert reasons(bad) == ["the id has 65 characters, 1 to 64 are possible"]
    assert reasons(an_order(currency="USD"), currencies={"EUR"}) == [
        "its currency USD is not the audience's, and no rate for it is configured"
    ]


def test_equal_states_have_equal_digests_and_others_do_not() -> None:
    def digest(order: Order) -> bytes:
        return sift(Page("any", "", orders=(order,)), None).orders["1"][1]

    assert digest(an_order()) == digest(an_order())
    different = [an_order(), an_order(paid_minor=2), an_order(cancelled=True), an_order(email="a@example.com")]
    assert len({digest(order) for order in different}) == 4


def test_an_older_state_on_the_same_page_is_shown_and_not_stored() -> None:
    sifted = sift(Page("any", "", orders=(an_order(updated_at=2), an_order(updated_at=1))), None)
    assert [order.updated_at for order, _ in sifted.orders.values()] == [2]
    assert [order.updated_at for order in sifted.shown] == [2, 1]


def test_a_state_that_can_be_stored_makes_up_for_an_earlier_one_that_cannot() -> None:
    good, bad = an_order(updated_at=2), an_order(updated_at=1, currency="USD")
    assert reasons(bad, good, currencies={"EUR"}) == []
    assert len(reasons(good, bad, currencies={"EUR"})) == 1


def test_plain_text_is_left_as_it_is() -> None:
    assert plain("Ana ñ 😀") == "Ana ñ 😀"
    assert plain("a\0b\ud800") == "ab?"


def test_equal_fields_are_equal_text() -> None:
    assert canonical_fields({"B": "x", "A": 2}) == canonical_fields({"A": 2, "B": "x"}) == '{"A":2,"B":"x"}'
    assert canonical_fields({}) == ""


def test_a_text_ends_where_the_service_would_cut_it() -> None:
    cut = canonical_fields({"CITY": "ñ" * 127 + " ñ"})
    assert cut == canonical_fields({"CITY": "ñ" * 127}) != canonical_fields({"CITY": "ñ" * 126})
    assert canonical_fields({"CITY": "x" * 255}) != canonical_fields({"CITY": "x" * 254})


def test_a_customer_whose_country_is_no_code_is_not_taken() -> None:
    consent = Consent(ConsentState.UNKNOWN, 1)
    assert reasons(Customer("1", None, 1, 1, consent, country="Spain")) == ["the country is no code of two letters"]
    assert reasons(Customer("1", None, 1, 1, consent, language="x" * 17)) == ["the language is no code"]
