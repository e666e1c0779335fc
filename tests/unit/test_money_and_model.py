"""Minor units and currencies; and the key under which an address is one person."""

from __future__ import annotations

import unicodedata
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation

import pytest
from babel.core import get_global
from hypothesis import given
from hypothesis import strategies as st

from syncd.model import email_key
from syncd.money import CURRENCIES, exponent, show, to_major, to_minor


@pytest.mark.parametrize(("currency", "decimals"), [("EUR", 2), ("JPY", 0), ("KWD", 3)])
def test_each_currency_has_its_own_decimals(currency: str, decimals: int) -> None:
    assert exponent(currency) == decimals


def test_every_currency_that_others_know_is_known() -> None:
    assert {*get_global("all_currencies")} == CURRENCIES


@pytest.mark.parametrize("currency", ["RSD", "ALL", "LBP", "HUF"])
def test_decimals_that_are_seldom_shown_are_counted_all_the_same(currency: str) -> None:
    assert to_minor("404.95", currency) == 404_95


def test_what_is_no_currency_is_refused() -> None:
    with pytest.raises(ValueError, match="'XYX' is not a currency code of ISO 4217"):
        exponent("XYX")


@pytest.mark.parametrize(
    ("amount", "currency", "minor"),
    [
        ("404.95", "EUR", 40495),
        ("43.0", "EUR", 4300),
        (0.1 + 0.2, "EUR", 30),
        (12.5, "JPY", 12),
        ("13.5", "JPY", 14),
        ("0.005", "EUR", 0),
        ("0.015", "EUR", 2),
        ("-3.10", "EUR", -310),
        ("1.2345", "KWD", 1234),
        (Decimal("1e3"), "EUR", 100000),
    ],
)
def test_amounts_become_whole_minor_units_halves_to_even(
    amount: str | float | Decimal, currency: str, minor: int
) -> None:
    assert to_minor(amount, currency) == minor


@given(st.from_regex(r"-?[0-9]{0,16}\.?[0-9]{0,4}", fullmatch=True), st.sampled_from(["EUR", "JPY", "KWD"]))
def test_an_amount_is_worth_what_decimal_arithmetic_says(amount: str, currency: str) -> None:
    try:
        value = Decimal(amount)
    except InvalidOperation:
        value = Decimal("NaN")
    if value.is_nan() or abs(value) >= 10**15:
        with pytest.raises(ValueError, match="is not an amount of money"):
            to_minor(amount, currency)
    else:
        exact = value.scaleb(exponent(currency))
        assert to_minor(amount, currency) == int(exact.to_integral_value(ROUND_HALF_EVEN))


@pytest.mark.parametrize("amount", ["", ".", "abc", "NaN", "Infinity", "1e400", "1e15", "1,50"])
def test_what_is_no_amount_is_refused(amount: str) -> None:
    with pytest.raises(ValueError, match="is not an amount of money"):
        to_minor(amount, "EUR")


@given(st.integers(-(10**15), 10**15), st.sampled_from(["EUR", "JPY", "KWD"]))
def test_minor_units_survive_the_way_to_major_ones_and_back(minor: int, currency: str) -> None:
    major = to_major(minor, currency)
    if abs(major) < 10**15:
        assert to_minor(str(major), currency) == minor


def test_amounts_are_shown_as_people_write_them() -> None:
    assert (show(3720, "EUR"), show(3720, "EUR", "es"), show(500, "JPY")) == ("€37.20", "37,20\xa0€", "¥500")


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("  Ana@Example.COM ", "ana@example.com"),
        ("a.n.a+news@gmail.com", "a.n.a+news@gmail.com"),
        ("ana\u200b@example.com\ufeff", "ana@example.com"),
        ("\xa0ana@example.com", "ana@example.com"),
        ("\u202aana@example.com\u202c", "ana@example.com"),
        ("ana@Bücher.de", "ana@xn--bcher-kva.de"),
        ("STRASSE@example.com", "strasse@example.com"),
        ("straße@example.com", "straße@example.com"),
        ("Jose\u0301@example.com", "josé@example.com"),
        ('"a@b"@example.com', '"a@b"@example.com'),
    ],
)
def test_an_address_is_normalised_and_not_guessed_at(address: str, key: str) -> None:
    assert email_key(address) == key


@pytest.mark.parametrize(
    "address",
    [None, "", " ", "ana", "@example.com", "ana@", "ana@localhost", "a na@example.com", "ana@exa mple.com",
     "ana\x7f@example.com", "ana\x9b31m@example.com",
     "ana\x00@example.com", "ana@" + "x" * 260 + ".com", "ana@\u2488com.de", "ana@xn--\u00fc.de"],
)  # fmt: skip
def test_what_is_no_address_has_no_key(address: str | None) -> None:
    assert email_key(address) is None


@given(st.text(max_size=12), st.sampled_from(["example.com", "BÜCHER.de", "x.y"]))
def test_a_key_is_its_own_key_and_in_the_form_that_is_compared(local: str, domain: str) -> None:
    key = email_key(f"{local}@{domain}")
    if key is not None:
        assert email_key(key) == key == unicodedata.normalize("NFC", key)
        assert key == key.strip() == key.lower()
