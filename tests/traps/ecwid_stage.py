"""Where Ecwid's traps are set."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import requests

from syncd.sandbox.faults import Fault
from syncd.sandbox.witness import Exchange, listening
from tests.traps.shop_stage import OneShop

API = "/api/v3/1003"


@dataclass
class Cafe(OneShop):
    """A syncd between one Ecwid store and an audience, both empty at first."""

    shops: tuple[str, ...] = ("cafe",)

    def fails(self, path: str, kind: str = "status", **more: Any) -> None:
        """Afterwards calls to the store on this path fail so."""
        self.world.faults.add(Fault(kind=kind, service="ecwid", path=f"*{path}", **more))  # type: ignore[arg-type]

    def stopped(self) -> str:
        """What stopped the store in the next cycle."""
        self.later(60)
        (error,) = self.sync().errors
        return str(error)

    def careless(self, path: str, **params: Any) -> Any:
        """What a client gets that asks without looking twice."""
        url = f"{self.sandbox.urls['ecwid']}{API}/{path}"
        return requests.get(url, params=params, headers={"Authorization": "Bearer sandbox"}, timeout=10).json()

    def with_token(self, token: str) -> None:
        """Afterwards syncd has this token."""
        self.rewrite(r'(?m)^token = ".*"$', f'token = "{token}"')


@contextmanager
def after_pages(act: Callable[[], object]) -> Iterator[None]:
    """Within, `act` happens after each page of orders that the store shows, before syncd has it."""

    def hear(exchange: Exchange) -> None:
        if exchange.service == "ecwid" and exchange.path.endswith("/orders") and "offset" in exchange.query:
            act()

    with listening(hear):
        yield


def page_of(*rows: dict[str, Any]) -> str:
    """A page that holds these rows."""
    return json.dumps({"total": len(rows), "count": len(rows), "offset": 0, "limit": 100, "items": rows})
