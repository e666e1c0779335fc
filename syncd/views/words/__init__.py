"""The words of what people read, in each language, and how that language writes numbers, amounts, shares and dates.

The texts stand in a file a language, a table a view; which of them is shown, and with which figures, others decide.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Any, Final

from babel.dates import format_date, format_skeleton
from babel.lists import format_list
from babel.numbers import format_currency, format_decimal, format_percent

LANGUAGES: Final = ("en", "es")
# English as the shops of Europe read it: the day before the month.
_LOCALE: Final = {"en": "en_GB", "es": "es"}
# How a share is written: Spanish puts a space before the sign.
_PERCENT: Final = {"en": "%", "es": "\u00a0%"}
_QUARTER: Final = {"en": "Q", "es": "T"}


@cache
def texts(language: str) -> dict[str, dict[str, str]]:
    """Every text of a language, by its view and its key."""
    return tomllib.loads((files("syncd.views.words") / f"{language}.toml").read_text("utf-8"))


@dataclass(frozen=True, slots=True)
class Words:
    """One view in one language."""

    language: str
    view: str

    def __call__(self, key: str, **given: object) -> str:
        """The text of this key, with these figures in it: that of the view, or the one that the views share."""
        known = texts(self.language)
        return (known[self.view] if key in known[self.view] else known["shared"])[key].format(**given)

    def sentence(self, key: str, **given: object) -> str:
        """The same, beginning with a capital, whatever it begins with: Spanish writes months small."""
        text = self(key, **given)
        return text[:1].upper() + text[1:]

    def number(self, value: int) -> str:
        """`12,345`"""
        return str(format_decimal(value, locale=_LOCALE[self.language]))

    def exact(self, value: float | Decimal) -> str:
        """`1,234.50`: a decimal with all the decimals that it has."""
        decimals = -int(value.as_tuple().exponent) if isinstance(value, Decimal) else 0
        pattern = f"#,##0.{'0' * decimals}" if decimals > 0 else "#,##0.#"
        return str(format_decimal(value, pattern, locale=_LOCALE[self.language]))

    def lack(self, what: str, needed: int, have: int) -> str:
        """Why `usual()` is not known: see `rules.Lack`."""
        key = f"lacks-{what.replace(' ', '-')}"
        return self(key, needed=self.number(needed), have=self.number(have))

    def share(self, value: float | None, pattern: str = "0.0") -> str:
        """A share in per cent, `12.3%`; a dash where there is none."""
        sign = _PERCENT[self.language]
        return "–" if value is None else str(format_percent(value, pattern + sign, locale=_LOCALE[self.language]))

    def points(self, difference: float) -> str:
        """The difference of two shares in percentage points, without its sign."""
        return str(format_decimal(abs(difference) * 100, "0.0", locale=_LOCALE[self.language]))

    def money(self, amount: float, currency: str) -> str:
        """`€1,234.50`"""
        return str(format_currency(amount, currency, locale=_LOCALE[self.language]))

    def count(self, key: str, n: float, **given: object) -> str:
        """So many of something: `1 order`, `3 orders`, from the texts `KEY-one` and `KEY-many`."""
        return self(f"{key}-one" if n == 1 else f"{key}-many", n=self.decimal(n), **given)

    def any_of(self, parts: Sequence[str]) -> str:
        """`a, b or c`"""
        text = str(format_list(list(parts), style="or", locale=_LOCALE[self.language]))
        # Before the sound of an o the Spanish say u: u 8 pedidos, u 11.
        return re.sub(r" o (?=8|11\b)", " u ", text) if self.language == "es" else text

    def day(self, iso: str) -> str:
        """`22 November 2026`"""
        return str(format_date(date.fromisoformat(iso), "long", locale=_LOCALE[self.language]))

    def short_day(self, iso: str, as_of: str = "") -> str:
        """`22 Nov 2026`; without the year where it is that of `as_of`."""
        pattern = "d MMM" if iso[:4] == as_of[:4] else "d MMM y"
        return str(format_date(date.fromisoformat(iso), pattern, locale=_LOCALE[self.language]))

    def weekday(self, iso: str) -> str:
        """`Sun 22 Nov 2026`"""
        return str(format_date(date.fromisoformat(iso), "EEE d MMM y", locale=_LOCALE[self.language]))

    def decimal(self, value: float) -> str:
        """`1,234.5`, with two decimals at most."""
        return str(format_decimal(value, "#,##0.##", locale=_LOCALE[self.language]))

    def moment(self, iso: str, as_of: str) -> str:
        """A day to come, `14 December`, with the year where it is another one, and the time where there is one."""
        when = datetime.fromisoformat(iso)
        this_year = str(format_skeleton("MMMMd", when, locale=_LOCALE[self.language]))
        day = this_year if iso[:4] == as_of[:4] else self.day(iso[:10])
        return f"{day}, {when:%H:%M}" if "T" in iso else day

    def period(self, name: str) -> str:
        """`2026-07` as `Jul 2026`, `2026-Q3` as `Q3 2026`."""
        year, part = name.split("-")
        if part.startswith("Q"):
            return f"{_QUARTER[self.language]}{part[1:]} {year}"
        return str(format_skeleton("yMMM", date(int(year), int(part), 1), locale=_LOCALE[self.language]))

    def segment(self, name: str | None) -> str:
        """A segment's name; or what stands for none of a ladder's."""
        return self("none") if name is None else name

    def formats(self) -> dict[str, Any]:
        """The same for the charts' axes, as d3 wants it."""
        point, group = ("," if self.language == "es" else "."), ("." if self.language == "es" else ",")
        return {
            "decimal": point,
            "thousands": group,
            "grouping": [3],
            "currency": ["", ""],
            "percent": _PERCENT[self.language],
        }
