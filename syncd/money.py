"""Minor units and currencies. Knows nothing of orders."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from functools import lru_cache

# All codes of ISO 4217, those of former currencies too: old orders may be in them.
_CODES = """
ADP AED AFA AFN ALK ALL AMD ANG AOA AOK AON AOR ARA ARL ARM ARP ARS ATS AUD AWG AZM AZN BAD BAM BAN BBD BDT
BEC BEF BEL BGL BGM BGN BGO BHD BIF BMD BND BOB BOL BOP BOV BRB BRC BRE BRL BRN BRR BRZ BSD BTN BUK BWP BYB
BYN BYR BZD CAD CDF CHE CHF CHW CLE CLF CLP CNH CNX CNY COP COU CRC CSD CSK CUC CUP CVE CYP CZK DDM DEM DJF
DKK DOP DZD ECS ECV EEK EGP ERN ESA ESB ESP ETB EUR FIM FJD FKP FRF GBP GEK GEL GHC GHS GIP GMD GNF GNS GQE
GRD GTQ GWE GWP GYD HKD HNL HRD HRK HTG HUF IDR IEP ILP ILR ILS INR IQD IRR ISJ ISK ITL JMD JOD JPY KES KGS
KHR KMF KPW KRH KRO KRW KWD KYD KZT LAK LBP LKR LRD LSL LTL LTT LUC LUF LUL LVL LVR LYD MAD MAF MCF MDC MDL
MGA MGF MKD MKN MLF MMK MNT MOP MRO MRU MTL MTP MUR MVP MVR MWK MXN MXP MXV MYR MZE MZM MZN NAD NGN NIC NIO
NLG NOK NPR NZD OMR PAB PEI PEN PES PGK PHP PKR PLN PLZ PTE PYG QAR RHD ROL RON RSD RUB RUR RWF SAR SBD SCR
SDD SDG SDP SEK SGD SHP SIT SKK SLE SLL SOS SRD SRG SSP STD STN SUR SVC SYP SZL THB TJR TJS TMM TMT TND TOP
TPE TRL TRY TTD TWD TZS UAH UAK UGS UGX USD USN USS UYI UYP UYU UYW UZS VEB VED VEF VES VND VNN VUV WST XAF
XAG XAU XBA XBB XBC XBD XCD XCG XDR XEU XFO XFU XOF XPD XPF XPT XRE XSU XTS XUA XXX YDD YER YUD YUM YUN YUR
ZAL ZAR ZMK ZMW ZRN ZRZ ZWD ZWG ZWL ZWR
"""
CURRENCIES = frozenset(_CODES.split())
# By how many decimals they have, where it is not two.
_OTHER_DECIMALS = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}
_EXPONENTS = dict.fromkeys(CURRENCIES, 2) | {
    code: decimals for decimals, codes in _OTHER_DECIMALS.items() for code in codes.split()
}


def exponent(currency: str) -> int:
    """How many decimals the currency has: 2 for EUR, 0 for JPY, 3 for KWD.

    Raises: ValueError for a code that is no ISO 4217 currency.
    """
    try:
        return _EXPONENTS[currency]
    except KeyError:
        raise ValueError(f"{currency!r} is not a currency code of ISO 4217") from None


# A shop has not that many prices, and each stands on many orders.
@lru_cache(maxsize=4_096, typed=True)
def to_minor(amount: str | int | float | Decimal, currency: str) -> int:
    """An amount in major units ("404.95", "43.0", 12.5) as integer minor units, halves to even.

    Floats pass through their shortest decimal form, so 0.1 + 0.2 of a JSON number never shows.
    Raises: ValueError for text that is no finite number.
    """
    # Nearly every amount is a few digits around one point, and needs no rounding.
    whole, _, cents = str(amount).partition(".")
    places = _EXPONENTS.get(currency, -1)
    if len(whole) < 16 and (whole + cents).isdecimal() and len(cents) <= places:
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
