"""A syncd under attack: one upstream misbehaves at a time, and a stranger's server listens for what reaches it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import msgspec
from sqlalchemy import select

from syncd import views
from syncd.errors import SyncdError
from syncd.history import ledger
from syncd.history.articles import FIELDS as WORDS
from syncd.history.database import History, open_history
from syncd.history.quarantine import Quarantined, quarantined
from syncd.history.schema import articles, customers, identities, order_items, orders, refunds
from syncd.history.shops import cursors_of
from syncd.pipeline import Cycle
from syncd.sandbox.faults import Fault
from syncd.sandbox.truth import truth
from syncd.steps.context import Context
from syncd.steps.pull import pull
from tests.traps.mailchimp_stage import Home, Impatient

SHOPS = {"shopify": "acme", "ecwid": "cafe"}
SECRETS = ("sandbox", "c3luY2Q6")  # the token, the key, and the beginning of the key in Basic's base64


@dataclass
class Siege(Home):
    """A syncd whose first import is through, and a twin's history of the same shops that nobody disturbs."""

    twin: History = field(default=None)  # type: ignore[assignment]
    people: int = 0

    def configure(self, rules: str = "", **audience: object) -> None:
        super().configure(rules, **audience)
        # Asked directly, not by a call: it is asked a dozen times in a cycle.
        self.context.clock = self.world.clock  # type: ignore[assignment]

    def news(self) -> dict[str, str]:
        """Somebody new buys in each shop; {service: who}."""
        self.later(900)
        self.people += 1
        if self.people % 10 == 0:
            # New connections, which have their minute's calls before them: nobody waits here for the next minute.
            self.configure()
        bought = {service: f"{service}.{self.people}@shop.example" for service in SHOPS}
        for service, email in bought.items():
            self.buys(email, "20.50", shop=SHOPS[service])
        return bought

    def struck(self, service: str, path: str, fault: dict[str, Any]) -> Cycle:
        """One cycle during which this path of this service is faulty."""
        self.world.faults.add(msgspec.convert({"service": service, "path": path, **fault}, Fault))
        try:
            return self.sync()
        finally:
            self.hits = sum(struck for _, struck in self.world.faults.report())
            self.world.faults.clear()

    def recovers(self) -> None:
        """The next cycle after the fault leaves everything as if it had never been."""
        # The service leaves a connection alone for an hour when a person has to mend it.
        self.later(3_700)
        self.sync_in_order()
        assert self.held() == self.undisturbed()
        self.agrees()
        assert quarantined(self.history) == quarantined(self.twin)

    def agrees(self) -> None:
        """Every member bears the tags and the fields that follow from what the shops really hold, got once each."""
        found = {
            email: (self.tags(email), *(self.fields(email).get(name) for name in ("ORDERS", "SPENT")))
            for email, member in self.state().items()
            if member["status"] == "subscribed"
        }
        assert found == self.right()
        entries = self.entries("tag")
        assert len(entries) == len(set(entries))

    def right(self) -> dict[str, tuple[set[str], int, float]]:
        """What `RULES` mean for everybody who agreed to mail, by what the shops hold."""
        bought = truth(self.world)
        found = {}
        for email, member in self.state().items():
            if member["status"] == "subscribed":
                amounts = [order.net_minor for order in bought.get(email, ()) if order.counted and order.net_minor > 0]
                tags = {name for name, least in (("buyer", 1), ("regular", 2)) if len(amounts) >= least}
                found[email] = (tags, len(amounts), sum(amounts) / 100)
        return found

    def held(self, history: History | None = None) -> dict[str, set[Any]]:
        """Everything that a history knows of the shops, without its own numbers."""
        person = select(customers.c.email).where(customers.c.id == orders.c.customer_id).scalar_subquery()
        known = select(customers.c.email).where(customers.c.id == identities.c.customer_id).scalar_subquery()
        questions = {
            "orders": select(person, *(column for column in orders.c if column.name != "customer_id")),
            "people": select(known, *(column for column in identities.c if column.name != "customer_id")),
            "items": select(
                *(order_items.c[name] for name in ("shop", "order_id", "line", "quantity", "price_minor")),
                *(articles.c[name] for name in WORDS),
            ).join(articles, articles.c.id == order_items.c.article_id),
            "refunds": select(refunds),
        }
        with (history or self.history).read() as db:
            return {name: {tuple(row) for row in db.execute(question)} for name, question in questions.items()}

    def undisturbed(self) -> dict[str, set[Any]]:
        """What the twin's history holds after reading both shops in peace."""
        if not hasattr(self, "peaceful"):
            self.peaceful = Context(self.context.settings, self.twin, self.context.clock, Impatient())
        for shop in SHOPS.values():
            pull(self.peaceful, shop)
        return self.held(self.twin)

    def cursors(self, service: str) -> dict[str, str]:
        """How far the service's records are read."""
        if service == "mailchimp":
            return {"members": str(ledger.audience_row(self.history, "main")["member_cursor"])}
        return cursors_of(self.history, SHOPS[service])

    def quarantine(self) -> list[Quarantined]:
        return quarantined(self.history)

    def said(self) -> dict[str, tuple[str, str]]:
        """{connection: (state, sentence)} of `syncd status`."""
        shown = views.status(self.context)
        return {each["name"]: (each["state"], each["error"]) for each in [*shown["shops"], *shown["audiences"]]}


@contextmanager
def siege(home: Home, twin_url: str) -> Iterator[Siege]:
    """The syncd of `home` after its first import, with a twin."""
    with open_history(twin_url) as twin:
        found = Siege(home.sandbox, home.history, home.directory, twin=twin)
        found.backfill()
        found.undisturbed()
        yield found


class Stranger:
    """Somebody else's server: it greets everyone with an empty object, and keeps what they say."""

    DISGUISES = ("other port", "other host", "other scheme", "no scheme", "user", "user and password")

    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        with suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                with suppress(OSError), closing(sock):
                    sock.settimeout(1)
                    self.heard.append(sock.recv(65536))
                    sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")

    def places(self) -> dict[str, str]:
        """Addresses that lead here, however they are disguised."""
        here = f"127.0.0.1:{self.port}"
        places = (
            f"http://{here}/admin/x",
            f"http://localhost:{self.port}/x",
            f"https://{here}/x",
            f"//{here}/x",
            f"http://acme.myshopify.com@{here}/x",
            f"http://127.0.0.1:80@{here}/x",
        )
        return dict(zip(self.DISGUISES, places, strict=True))

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()


def complete(errors: list[SyncdError]) -> list[str]:
    """The errors as sentences. Each says what is wrong, none shows a secret, a query or a trace."""
    said = [str(error) for error in errors]
    for sentence in said:
        assert len(sentence) < 300
        assert sentence.isprintable()
        assert not any(sign in sentence for sign in ("Traceback", "?", "@", *SECRETS))
    return said
