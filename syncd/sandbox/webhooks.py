"""The post office: what happens in the shops goes out as webhooks, as unreliably as it is told to.

It knows queues and sending; what a message says is the platform's `webhooks` module. Sending has a thread
of its own, so that a slow receiver slows nobody else; retries come due by the sandbox's clock, and always
with the body of the first try. Everything that is left to chance comes from the seed.
"""

from __future__ import annotations

from functools import partial
from threading import Condition, Thread
from typing import TYPE_CHECKING, Any, Protocol
from uuid import UUID

import requests
from msgspec import Struct

from syncd.sandbox.dice import dice
from syncd.sandbox.ecwid import webhooks as ecwid
from syncd.sandbox.mailchimp import posting as mailchimp
from syncd.sandbox.shopify import webhooks as shopify

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable
    from types import ModuleType

    from syncd.sandbox.shop import ShopState, Subscription
    from syncd.sandbox.world import Clock

PLATFORMS: dict[str, ModuleType] = {"shopify": shopify, "ecwid": ecwid, "mailchimp": mailchimp}
# How often the sandbox's clock is looked at while something waits for it.
LOOK_SECONDS = 0.05


class Sender(Protocol):
    """A shop or an audience: what happens there, and who wants to be told."""

    name: str
    platform: str
    token: str
    subscriptions: dict[int, Subscription]
    watchers: list[Callable[[str, Any, Any], None]]


class Sending(Struct, forbid_unknown_fields=True):
    """How the post behaves. `hold`: nothing goes out until this is off again.

    `drop`, `duplicate`: the likelihood that a message gets lost or goes out twice. `shuffle`: what waits goes
    out in any order. `delay_seconds`: how late it goes out, by the sandbox's clock. `secret`: what is signed
    with instead of the app's own secret.
    """

    hold: bool = False
    drop: float = 0.0
    duplicate: float = 0.0
    shuffle: bool = False
    delay_seconds: int = 0
    secret: str = ""


class Letter(Struct):
    """One message to one address.

    `state`: waiting, delivered, lost, or given up. `status`: that of the last answer, 0 for none.
    """

    n: int
    shop: str
    topic: str
    url: str
    subscription: int
    webhook_id: str
    event_id: str
    happened_at: int
    due_at: int
    body: bytes
    copies: int = 1
    attempts: int = 0
    status: int = 0
    state: str = "waiting"


class Post:
    """The post office of one sandbox. `sending` may be changed at any time, and takes effect from then on."""

    def __init__(self, clock: Clock, seed: int) -> None:
        self.sending = Sending()
        self.letters: list[Letter] = []
        self._waiting: list[Letter] = []
        self._clock = clock
        self._seed = seed
        self._shops: dict[str, Sender] = {}
        self._events = 0
        self._changed = Condition()
        self._closed = False
        self._thread: Thread | None = None

    def attend(self, shops: Iterable[Sender]) -> None:
        """Afterwards what happens in `shops` goes out to those who subscribed."""
        for shop in shops:
            self._shops[shop.name] = shop
            shop.watchers.append(partial(self._happened, shop))

    def subscribe(self, shop: ShopState, url: str, topics: Collection[str] = ()) -> None:
        """Afterwards `url` is told of `topics`, or of everything: the configuration of an app.

        Raises: KeyError for a topic that the platform does not have.
        """
        platform = PLATFORMS[shop.platform]
        known = (*platform.TOPICS, *platform.DEMANDS)
        if not {*topics} <= {*known}:
            raise KeyError(*({*topics} - {*known}))
        for topic in topics or known:
            shop.subscribe(topic, url)

    def send(self, shop: ShopState, topic: str, body: dict[str, Any]) -> None:
        """Afterwards `body` is on its way to everybody who subscribed to `topic`."""
        self._enqueue(shop, [(topic, body)])

    def set(self, sending: Sending) -> None:
        """Afterwards the post behaves so."""
        with self._changed:
            self.sending = sending
            self._changed.notify()

    def close(self) -> None:
        """Nothing goes out any more. May be called twice."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread:
            self._thread.join()

    def _happened(self, shop: Sender, kind: str, before: Any, after: Any) -> None:
        if shop.subscriptions:
            self._enqueue(shop, PLATFORMS[shop.platform].messages(shop, kind, before, after))

    def _enqueue(self, shop: Sender, messages: Iterable[tuple[str, dict[str, Any]]]) -> None:
        """One letter for each message and subscription; all of one happening share its id."""
        event = self._uuid("event", self._events)
        self._events += 1
        with self._changed:
            for topic, body in messages:
                for each in shop.subscriptions.values():
                    if each.topic == topic:
                        self.letters.append(self._letter(shop, topic, body, each, event))
                        self._waiting.append(self.letters[-1])
            if self._thread is None and self._waiting and not self._closed:
                self._thread = Thread(target=self._work, name="webhooks", daemon=True)
                self._thread.start()
            self._changed.notify()

    def _letter(self, shop: Sender, topic: str, body: dict[str, Any], asked: Subscription, event: str) -> Letter:
        now, n = self._clock.now(), len(self.letters)
        # Each message of Ecwid is an event of its own.
        event = event if shop.platform == "shopify" else self._uuid("message", n)
        whole = PLATFORMS[shop.platform].with_id(body, shop, topic, event, now)
        chance = dice(self._seed, "webhook", n)
        lost, twice = chance.random() < self.sending.drop, chance.random() < self.sending.duplicate
        return Letter(
            n,
            shop.name,
            topic,
            asked.url,
            asked.id,
            self._uuid("webhook", n),
            event,
            now,
            now + self.sending.delay_seconds,
            PLATFORMS[shop.platform].encode(whole),
            copies=1 + twice,
            state="lost" if lost else "waiting",
        )

    def _uuid(self, kind: str, n: int) -> str:
        return str(UUID(int=dice(self._seed, kind, n).getrandbits(128), version=4))

    def _work(self) -> None:
        """Sends what is due, until the office closes."""
        while (letters := self._due()) is not None:
            for letter in letters:
                if not (self.sending.hold or self._closed):
                    self._deliver(letter)

    def _due(self) -> list[Letter] | None:
        """What goes out next, as soon as there is something; None at the end."""
        with self._changed:
            while not self._closed:
                now = self._clock.now()
                self._waiting = [each for each in self._waiting if each.state == "waiting"]
                due = [each for each in self._waiting if each.due_at <= now]
                if due and not self.sending.hold:
                    if self.sending.shuffle:
                        dice(self._seed, "shuffle", due[0].n, len(due)).shuffle(due)
                    return due
                self._changed.wait(LOOK_SECONDS if self._waiting and not self.sending.hold else None)
        return None

    def _deliver(self, letter: Letter) -> None:
        """One try, and what follows from its answer."""
        shop = self._shops[letter.shop]
        platform = PLATFORMS[shop.platform]
        if letter.subscription not in shop.subscriptions:
            letter.state = "given up"
            return
        for _ in range(letter.copies):
            letter.status = self._attempt(shop, letter)
        letter.attempts += 1
        letter.copies = 1
        if platform.is_success(letter.status):
            letter.state = "delivered"
        elif letter.attempts <= len(platform.RETRIES_SECONDS):
            letter.due_at = self._clock.now() + platform.RETRIES_SECONDS[letter.attempts - 1]
        else:
            letter.state = "given up"
            if platform.ENDS_IN_VAIN and letter.topic in platform.TOPICS:
                shop.subscriptions.pop(letter.subscription, None)

    def _attempt(self, shop: Sender, letter: Letter) -> int:
        """The status of the answer, 0 for none."""
        platform = PLATFORMS[shop.platform]
        headers = platform.headers(shop, letter, self.sending.secret or shop.token)
        try:
            reply = requests.post(
                letter.url, data=letter.body, headers=headers, timeout=platform.TIMEOUTS, allow_redirects=False
            )
        except requests.RequestException:
            return 0
        return reply.status_code
