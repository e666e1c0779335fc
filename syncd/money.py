"""Minor units and currencies. Knows nothing of orders."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from functools import cache


@cache
def exponent(currency: str) -> int:
    """How many decimals the currency has: 2 for EUR, 0 for JPY, 3 for KWD.

    Raises: ValueError for a code that is no ISO 4217 currency.
    """
    from babel.core import get_global
    from babel.numbers import get_currency_precision

    if currency not in get_global("all_currencies"):
        raise ValueError(f"{currency!r} is not a currency code of ISO 4217")
    return get_currency_precision(currency)


def to_minor(amount: str | int | float | Decimal, currency: str) -> int:
    """An amount in major units ("404.95", "43.0", 12.5) as integer minor units, halves to even.

    Floats pass through their shortest decimal form, so 0.1 + 0.2 of a JSON number never shows.
    Raises: ValueError for text that is no finite number.
    """
    # Nearly every amount is a few digits around one point, and needs no rounding.
    whole, _, cents = str(amount).partition(".")
    if len(whole) < 16 and (whole + cents).isdecimal() and len(cents) <= (places := exponent(currency)):
        return int(whole + cents.ljust(places, "0"))
    return _rounded(amount, currency)


def _rounded(amount: str | int | float | Decimal, currency: str) -> int:
    try:
        value = Decimal(str(amount))
        if not value.is_finite() or abs(value) >= Decimal(10) ** 15:
            raise ValueError(f"{amount!r} is not an amount of money")
        return int(value.scaleb(exponent(currency)).to_integral_value(ROUND_HALF_EVEN))
    except InvalidOperation as err:
        raise ValueError(f"{amount!r} is not an amount of money") from err


def to_major(minor: int, currency: str) -> Decimal:
    """Minor units as an exact amount in major units."""
    return Decimal(minor).scaleb(-exponent(currency))


def show(minor: int, currency: str, language: str = "en") -> str:
    """The amount as a person writes it: `€37.20`, in Spanish `37,20 €`."""
    from babel.numbers import format_currency

    return str(format_currency(to_major(minor, currency), currency, locale=language))
