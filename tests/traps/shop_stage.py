"""A syncd between one shop and an audience, both empty at first, where the traps of the shops are set."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select

from syncd.checks import findings
from syncd.history.schema import orders, quarantine
from syncd.sandbox.shop import Order
from syncd.settings import load
from syncd.steps.context import Context
from tests.integration.house import DAY
from tests.traps.mailchimp_stage import Home, Impatient

ANN, BOB, EVE, ZOE = (f"{name}@shop.example" for name in ("ann", "bob", "eve", "zoe"))
RULES = """
[audiences.main.lifecycle.segments.buyer]
when = "orders(ever) >= 1"
[audiences.main.lifecycle.fields.ORDERS]
value = "orders(ever)"
[audiences.main.lifecycle.fields.SPENT]
value = "spend(ever)"
[audiences.main.lifecycle.fields.LASTORDER]
value = "last_order"
[audiences.main.lifecycle.fields.CITY]
value = "city"
"""


@dataclass
class OneShop(Home):
    """A syncd between the one shop of `shops` and an audience."""

    rules: str = RULES

    @property
    def shop(self) -> Any:
        return self.world.shops[self.shops[0]]

    def order(self, email: str | None, minor: int = 20_00, **more: Any) -> Order:  # type: ignore[override]
        """An order of this moment, of the shop's customer with this address, or of a guest."""
        known = self.shop.customer_of(email) if email else None
        fields = {"email": email, "customer_id": known.id if known else None, "total_minor": minor, **more}
        made: Order = self.shop.add_order(**fields)
        return made

    def person(self, email: str, **more: Any) -> int:
        """A customer of the shop who is in the audience, too; their id."""
        self.joins(email)
        made: int = self.shop.add_customer(email=email, **more).id
        return made

    def spread(self, count: int, email: str = ANN, *, apart: int = 600) -> None:
        """So many orders of one person over 1.00, the last of them a day ago."""
        end = self.now - DAY
        for n in range(count):
            at = end - (count - n) * apart
            self.order(email, 1_00, placed_at=at, created_at=at, updated_at=at)

    def figures(self, email: str) -> tuple[float, float]:
        """Orders and spend of a member, as the e-mail service has them."""
        fields = self.fields(email)
        return fields.get("ORDERS", 0), fields.get("SPENT", 0)

    def known_orders(self) -> int:
        """How many orders of the shop are in the history."""
        query = select(func.count()).where(orders.c.shop == self.shop.name, ~orders.c.deleted)
        with self.history.read() as db:
            return int(db.execute(query).scalar() or 0)

    def quarantined(self) -> list[str]:
        """Why records were set aside."""
        with self.history.read() as db:
            return [row[0] for row in db.execute(select(quarantine.c.reason))]

    def calls(self, ending: str = "") -> list[Any]:
        """The calls to the shop so far whose path ends so."""
        self.call("GET", "/clock")
        return [each for each in self.world.log if each.service == self.shop.platform and each.path.endswith(ending)]

    def warnings(self) -> list[str]:
        """What `syncd check` says of the shop beyond that all is well."""
        found = [finding for finding in findings(self.context.settings) if finding.mark != "ok"]
        return [f"{each.text} → {each.hint}" for each in found if each.text.startswith(f"shop {self.shop.name}")]

    def configure(self, rules: str = "", **audience: object) -> None:
        """As the sandbox offers it, without the other shop."""
        super().configure(rules, **audience)
        self.rewrite(rf"(?s)\[shops\.(?!{self.shop.name}\]).*?\n(?=\[)", "")

    def rewrite(self, pattern: str, text: str) -> None:
        """Afterwards `text` stands for `pattern` in the configuration, and syncd has read it anew."""
        path = self.directory / "syncd.toml"
        path.write_text(re.sub(pattern, text, path.read_text("utf-8")), "utf-8")
        self.context = Context(load(path), self.history, self.context.clock, Impatient())


def at(text: str) -> int:
    """The instant in UTC seconds."""
    return int(datetime.fromisoformat(text).timestamp())
