"""Amounts as Shopify writes them: text, and sets of shop money and presentment money."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from syncd.sandbox.texts import decimal_text

if TYPE_CHECKING:
    from syncd.sandbox.shop import Order

Json = dict[str, Any]

# What the buyer's currency is worth in the shop's, in hundredths; only its being different matters.
_PRESENTMENT_PERCENT = {"GBP": 86, "USD": 109, "CHF": 95}


class Purse:
    """The amounts of one order, written; equal amounts share their set."""

    def __init__(self, order: Order) -> None:
        self.currency = order.currency
        self.presentment = order.presentment or order.currency
        self._percent = _PRESENTMENT_PERCENT.get(order.presentment, 100)
        self._sets: dict[int, Json] = {}

    def text(self, minor: int) -> str:
        """Shop money: "12.30"."""
        return decimal_text(minor, self.currency)

    def set(self, minor: int) -> Json:
        """The same in shop money and in presentment money."""
        made = self._sets.get(minor)
        if made is None:
            shown = minor * self._percent // 100
            made = self._sets[minor] = {
                "shop_money": {"amount": self.text(minor), "currency_code": self.currency},
                "presentment_money": {
                    "amount": decimal_text(shown, self.presentment),
                    "currency_code": self.presentment,
                },
            }
        return made
