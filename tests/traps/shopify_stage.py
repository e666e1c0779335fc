"""Where Shopify's traps are set."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.traps.shop_stage import OneShop


@dataclass
class Acme(OneShop):
    """A syncd between one Shopify shop and an audience, both empty at first."""

    shops: tuple[str, ...] = ("acme",)

    def between_pages(self, act: Callable[[], object]) -> None:
        """Afterwards `act` happens after each page of orders that is read."""
        self.context.progress = lambda task, advance, expected: act() and None if task == "acme: orders" else None

    def by_client_credentials(self) -> None:
        """Afterwards tokens are granted for client id and secret."""
        self.rewrite(r'(?m)^token = "(.*)"$', r'client_id = "app"\nclient_secret = "\1"')
