"""A Mailchimp counterpart with one audience, and our connection to it, whose every write is kept."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from syncd.destinations._mailchimp_gateway import connect
from syncd.destinations.mailchimp import Mailchimp
from syncd.sandbox.audience import Audience, Switches
from syncd.sandbox.faults import Fault
from syncd.sandbox.populate import build
from syncd.sandbox.serve import start

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

    from syncd.http import Http, Reply
    from syncd.model import Change, Outcome

LIST = "a1b2c3d4e5"
NOW = 1_790_000_000


class Attempts:
    """A budget without a limit, which counts the attempts of all calls."""

    def __init__(self) -> None:
        self.count = 0

    def acquire(self) -> None:
        self.count += 1

    def learn(self, reply: Reply) -> None:
        pass


class Wire:
    """Our HTTP client, with a copy of what it is asked to send."""

    def __init__(self, http: Http) -> None:
        self._http = http
        self.connection, self.is_local = http.connection, http.is_local
        self.sent: list[tuple[str, str, Any]] = []

    def request(self, method: str, path: str, *, json: Any = None, params: Mapping[str, Any], **options: Any) -> Reply:
        self.sent.append((method, path, json))
        return self._http.request(method, path, json=json, params=params, **options)

    def writes(self) -> list[tuple[str, str, Any]]:
        """Every write, those inside batches unwrapped."""
        found = []
        for method, path, body in self.sent:
            if path == "/3.0/batches":
                found += [(each["method"], each["path"], json.loads(each["body"])) for each in body["operations"]]
            elif method != "GET":
                found.append((method, path.removeprefix("/3.0"), body))
        return found


class Town:
    """One sandbox for all tests of a module; `fresh` gives each test an audience of its own."""

    audience: Audience
    attempts: Attempts
    pauses: list[float]
    wire: Wire
    destination: Mailchimp

    def __init__(self) -> None:
        self.world = build("synthetic", start=NOW, customers=1)
        self.running = start(self.world)

    def __enter__(self) -> Town:
        self.running.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.running.__exit__(kind, error, at)

    def fresh(self) -> None:
        """Afterwards audience, clock and connection are new."""
        self.world.clock.set(NOW)
        self.world.faults.clear()
        self.world.mailchimp = Switches()
        self.audience = Audience(LIST, "Sandbox", self.world.clock, switches=self.world.mailchimp)
        self.world.audiences = {LIST: self.audience}
        self.connect()

    def connect(self, **options: Any) -> None:
        """A new connection, as after a restart."""
        self.pauses, self.attempts = [], Attempts()
        url, sleep = self.running.urls["mailchimp"], self.pauses.append
        gateway = connect(lambda: "sandbox-us1", url, "audiences.main", sleep=sleep, budget=self.attempts)
        self.wire = Wire(gateway.http)
        gateway.http = self.wire  # type: ignore[assignment]
        self.destination = Mailchimp(gateway, LIST, now=self.world.clock.now, sleep=sleep, **options)

    def strike(self, kind: str, path: str, **more: object) -> None:
        """Afterwards calls to the service on this path fail so."""
        self.world.faults.add(Fault(kind=kind, service="mailchimp", path=path, **more))  # type: ignore[arg-type]

    def mark(self) -> None:
        """Afterwards `paths` and `attempts` count from here."""
        self.wire.sent.clear()
        self.attempts.count = 0

    def paths(self) -> list[str]:
        """The calls since the mark as `POST /segments`, below the list; retries count once."""
        below = f"/lists/{LIST}"
        return [f"{method} {path.removeprefix('/3.0').removeprefix(below)}" for method, path, _ in self.wire.sent]

    def people(self, count: int, status: str = "subscribed", **details: Any) -> list[str]:
        """Adds members; gives their addresses."""
        emails = [f"{status}{n}@shop.example" for n in range(count)]
        for email in emails:
            self.audience.add_member(email, status, changed_at=NOW - 1000, **details)
        return emails

    def push(self, *changes: Change, muted: bool = False) -> dict[str, Outcome]:
        """The outcomes by address; each change must have exactly one."""
        outcomes = list(self.destination.push(changes, muted=muted))
        found = {outcome.email: outcome for outcome in outcomes}
        assert len(outcomes) == len(found) == len(changes)
        return found

    def tags(self, email: str) -> Sequence[str]:
        """The tags of a member as the service has them."""
        return sorted(self.audience.tags.names(self.audience.get(email)))

    def values(self, email: str) -> Mapping[str, Any]:
        """The merge fields of a member that are set."""
        return self.audience.fields.set_of(self.audience.get(email).values)

    def entries(self) -> list[tuple[str, str, str]]:
        """Who entered a journey."""
        return [(entry["email"], entry["trigger"], entry["value"]) for entry in self.audience.journeys()]
