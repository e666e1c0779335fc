"""A syncd of one's own against a sandbox: the configuration that the sandbox offers, in process."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import requests

from syncd import pipeline
from syncd.clock import Clock
from syncd.history.database import History
from syncd.pipeline import Cycle
from syncd.sandbox.populate import LIST_ID
from syncd.sandbox.serve import Running
from syncd.sandbox.truth import truth
from syncd.settings import load
from syncd.steps.context import Context
from tests.oracle import KNOWN_RULES, everybody

DAY = 86_400


@dataclass
class House:
    """A sandbox, a history, and a syncd between them."""

    sandbox: Running
    history: History
    directory: Path
    audience: Mapping[str, object] = field(default_factory=dict)
    rules: str = ""

    def __post_init__(self) -> None:
        self.world = self.sandbox.world
        self.members = self.world.audiences[LIST_ID]
        self.configure(self.rules, **self.audience)

    def configure(self, rules: str = "", **audience: object) -> None:
        """The configuration that the sandbox offers, with these keys in the audience, and these rules."""
        text = requests.get(f"{self.sandbox.urls['control']}/syncd.toml", timeout=10).text
        keys = "".join(f"{key} = {_toml(value)}\n" for key, value in audience.items())
        for key in audience:
            text = re.sub(rf"(?m)^{key} = .*\n", "", text)
        text = text.replace("[audiences.main]\n", f"[audiences.main]\n{keys}", 1)
        text = text[: text.index("[audiences.main.lifecycle")] + (rules or KNOWN_RULES)
        path = self.directory / "syncd.toml"
        path.write_text(text, "utf-8")
        # The sandbox's clock, without a call for each look at it.
        clock: Clock = self.world.clock  # type: ignore[assignment]
        self.context = Context(load(path), self.history, clock)

    def backfill(self) -> Cycle:
        """The first import, approved."""
        cycle = pipeline.pull_all(self.context, list(self.context.settings.shops))
        held = pipeline.first_plan(self.context, "main", cycle)
        if held:
            pipeline.approve(self.context, held["id"])
        pipeline.first_push(self.context, "main", cycle)
        return cycle

    def sync(self) -> Cycle:
        return pipeline.sync(self.context)

    def sync_in_order(self) -> Cycle:
        """One cycle in which nothing went wrong."""
        cycle = self.sync()
        assert cycle.errors == []
        return cycle

    def later(self, seconds: int) -> None:
        self.world.clock.set(self.world.clock.now() + seconds)

    def call(self, method: str, path: str, body: object = None) -> Any:
        reply = requests.request(method, f"{self.sandbox.urls['control']}{path}", json=body, timeout=10)
        reply.raise_for_status()
        return reply.json() if reply.content else None

    def order(self, shop: str, email: str, amount: str, **more: object) -> Any:
        return self.call("POST", f"/shops/{shop}/orders", {"email": email, "amount": amount, **more})

    def today(self) -> date:
        return datetime.fromtimestamp(self.world.clock.now(), UTC).astimezone(ZoneInfo("Europe/Madrid")).date()

    def state(self) -> dict[str, dict[str, Any]]:
        """Every member as the service has them, by address."""
        return {member["email"]: member for member in self.members.state()}

    def tags(self, email: str) -> set[str]:
        """Our tags of one member, without the prefix."""
        return {tag.removeprefix("syncd:") for tag in self.state()[email]["tags"] if tag.startswith("syncd:")}

    def tagged(self) -> dict[str, set[str]]:
        """The subscribers who bear each of our tags."""
        found: dict[str, set[str]] = {}
        for email, member in self.state().items():
            for tag in member["tags"]:
                if tag.startswith("syncd:"):
                    found.setdefault(tag.removeprefix("syncd:"), set()).add(email)
        return found

    def expected(self, nobodies: Collection[str] = ()) -> dict[str, set[str]]:
        """The subscribers who shall bear each tag, worked out from what the shops really hold.

        `nobodies`: addresses that count as nobody's, with what was bought under them.
        """
        counted = {
            email: [
                (
                    datetime.fromtimestamp(order.placed_at, UTC).astimezone(ZoneInfo("Europe/Madrid")).date(),
                    order.net_minor,
                )
                for order in orders
                if order.counted and order.net_minor > 0 and order.currency == "EUR"
            ]
            for email, orders in truth(self.world).items()
            if email not in ("", *nobodies)
        }
        subscribers = {email for email, member in self.state().items() if member["status"] == "subscribed"}
        subscribers -= set(nobodies)
        found = everybody({email: bought for email, bought in counted.items() if bought}, subscribers, self.today())
        return {segment: kept for segment, people in found.items() if (kept := people & subscribers)}

    def writes(self, since: int = 0) -> list[str]:
        """What was written to the e-mail service, from a request of the log on."""
        return [
            f"{request.method} {request.path}"
            for request in self.world.log.since(since)
            if request.service == "mailchimp" and request.method != "GET"
        ]

    def requests(self) -> int:
        return len(self.world.log)

    def journeys(self) -> list[tuple[str, str]]:
        """(address, tag) of every journey that a tag started."""
        return [(entry["email"], entry["value"]) for entry in self.members.journeys() if entry["trigger"] == "tag"]

    def subscriber(self, *, with_tag: str = "repeat") -> str:
        """The first subscriber who bears a tag of ours."""
        state = self.state()
        return min(e for e, m in state.items() if m["status"] == "subscribed" and f"syncd:{with_tag}" in m["tags"])


def _toml(value: object) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml(each)}" for key, each in value.items()) + " }"
    return json.dumps(value)
