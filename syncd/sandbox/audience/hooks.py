"""The webhooks of a list: who asked to be told of what, by whose doing, and what there is to tell.

Pure: sending is the post office's.

Source: developer.mailchimp.com "About webhooks"; the refusals are those that app developers report.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from hashlib import md5
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from syncd.sandbox.audience.members import subscriber_hash, unique_email_id
from syncd.sandbox.audience.problems import invalid, not_found, required
from syncd.sandbox.shop import Subscription

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from syncd.sandbox.audience.fields import MergeFields
    from syncd.sandbox.audience.members import Clock, Member
    from syncd.sandbox.audience.switches import Switches
    from syncd.sandbox.audience.writes import WebhookWrite

EVENTS = ("subscribe", "unsubscribe", "profile", "cleaned", "upemail", "campaign")
SOURCES = ("user", "admin", "api")
TOPICS = tuple(f"{event}/{source}" for event in EVENTS for source in SOURCES)
# What a new status says to the world: an event, and what that tells beside the member. `pending` says nothing.
_TURNS: dict[str, tuple[str, dict[str, str]]] = {
    "subscribed": ("subscribe", {}),
    "unsubscribed": ("unsubscribe", {"action": "unsub", "reason": "manual", "campaign_id": ""}),
    "archived": ("unsubscribe", {"action": "archive", "reason": "manual", "campaign_id": ""}),
    "deleted": ("unsubscribe", {"action": "delete", "reason": "manual", "campaign_id": ""}),
    "cleaned": ("cleaned", {"reason": "hard", "campaign_id": ""}),
}


@dataclass(eq=False)
class Webhook:
    """An address, and of what it wants to be told. `secret` signs what it is sent."""

    id: str
    url: str
    events: dict[str, bool]
    sources: dict[str, bool]
    secret: str
    number: int

    def wants(self, topic: str) -> bool:
        """Whether it is told of this `event/source`."""
        event, _, source = topic.partition("/")
        return self.events[event] and self.sources[source]


class Webhooks:
    """All webhooks of a list. For whoever sends, it is a sender as a shop is one, with topics `event/source`."""

    platform = "mailchimp"
    token = ""

    def __init__(self, list_id: str, fields: MergeFields, clock: Clock, switches: Switches) -> None:
        self.name = list_id
        self.subscriptions: dict[int, Subscription] = {}
        self.watchers: list[Callable[[str, Any, Any], None]] = []
        # Whose doing everything is at the moment.
        self._source = "api"
        self._fields = fields
        self._clock = clock
        self._switches = switches
        self._by_id: dict[str, Webhook] = {}
        self._made = 0

    def __iter__(self) -> Iterator[Webhook]:
        return iter(self._by_id.values())

    def __len__(self) -> int:
        return len(self._by_id)

    def get(self, webhook_id: str) -> Webhook:
        """The webhook with this id. Raises: Problem 404."""
        if webhook_id not in self._by_id:
            raise not_found()
        return self._by_id[webhook_id]

    def check(self, write: WebhookWrite, known: Webhook | None = None) -> str:
        """The address that has to be looked at before `write` can be done, "" for none. Raises: Problem."""
        if not write.url:
            if known is None:
                raise required("url")
            return ""
        parts = urlsplit(write.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise invalid(("url", "Invalid URL"))
        if any(_bare(each.url) == _bare(write.url) for each in self if each is not known):
            raise invalid(("url", "Sorry, you can't set up multiple WebHooks for one URL"))
        return "" if known and known.url == write.url else write.url

    def create(self, write: WebhookWrite) -> Webhook:
        """Afterwards the address is told of what it asked for: of nothing that it does not name."""
        self._made += 1
        webhook_id = md5(f"webhook:{self.name}:{self._made}".encode(), usedforsecurity=False).hexdigest()[:10]
        secret = md5(f"secret:{webhook_id}".encode(), usedforsecurity=False).hexdigest()
        nothing = dict.fromkeys(EVENTS, False), dict.fromkeys(SOURCES, False)
        self._by_id[webhook_id] = Webhook(webhook_id, "", *nothing, secret, self._made)
        return self.change(webhook_id, write)

    def change(self, webhook_id: str, write: WebhookWrite) -> Webhook:
        """Afterwards the webhook is as `write` says; what that does not name stays. Raises: Problem 404."""
        found = self.get(webhook_id)
        found.url = write.url or found.url
        found.events |= {name: wanted for name, wanted in write.events.items() if name in EVENTS}
        found.sources |= {name: wanted for name, wanted in write.sources.items() if name in SOURCES}
        self._subscribe()
        return found

    def delete(self, webhook_id: str) -> None:
        """Afterwards the address is told nothing more. Raises: Problem 404."""
        del self._by_id[self.get(webhook_id).id]
        self._subscribe()

    def signing_secret(self, subscription: int) -> str:
        """What signs the messages of this subscription; "" where the account signs nothing."""
        number = subscription // 100
        signed = (each.secret for each in self if each.number == number and self._switches.webhooks_are_signed)
        return next(signed, "")

    # What happens.

    @contextmanager
    def by(self, source: str) -> Iterator[None]:
        """Within, everything is the doing of a `user` or an `admin`; otherwise it is the API's."""
        self._source = source if source in SOURCES else "user"
        try:
            yield
        finally:
            self._source = "api"

    def turned(self, member: Member, status: str) -> None:
        """The member has this status now; `deleted`: it is gone for good."""
        if status in _TURNS:
            event, more = _TURNS[status]
            about = (lambda: {"email": member.email}) if event == "cleaned" else partial(self._about, member)
            self._tell(event, about, more)

    def changed(self, member: Member) -> None:
        """Fields of the member have other values. Tags are no part of a profile: nothing tells of them."""
        self._tell("profile", partial(self._about, member))

    def renamed(self, member: Member, email: str) -> None:
        """The member is about to have another address."""
        new = {"new_id": unique_email_id(subscriber_hash(email)), "new_email": email}
        self._tell("upemail", lambda: new | {"old_email": member.email})

    def _about(self, member: Member) -> dict[str, Any]:
        return {
            "id": unique_email_id(member.hash),
            "email": member.email,
            "email_type": "html",
            "web_id": member.web_id,
            "ip_opt": "",
            "ip_signup": "",
            "merges": {"EMAIL": member.email, **self._fields.shown(member.values)},
        }

    def _tell(self, event: str, about: Callable[[], dict[str, Any]], more: Mapping[str, str] | None = None) -> None:
        """Writes down what there is to tell only where somebody wants to know."""
        if self.subscriptions:
            for watcher in self.watchers:
                watcher(f"{event}/{self._source}", None, {**about(), **(more or {})})

    def _subscribe(self) -> None:
        now = self._clock.now()
        self.subscriptions.clear()
        for each in self:
            for n, topic in enumerate(TOPICS):
                if each.wants(topic):
                    number = each.number * 100 + n
                    self.subscriptions[number] = Subscription(number, topic, each.url, now)


def _bare(url: str) -> str:
    return url.partition("?")[0]
