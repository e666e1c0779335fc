"""Sources: one module per shop platform, found by its name (`platform = "shopify"` is `sources/shopify.py`).

A source turns a shop's API into pages of our own records. It knows the platform and the one HTTP
client; it knows neither the history nor what anything is worth. A new platform is one new module
with a function `connect`.
"""

from __future__ import annotations

import pkgutil
import time
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Protocol

from syncd._hosts import Hosts
from syncd.errors import UserError
from syncd.model import Page, Record, ShopProfile
from syncd.sources._hints import WEBHOOK_PATH as WEBHOOK_PATH
from syncd.sources._hints import WEBHOOKS as WEBHOOKS
from syncd.sources._hints import webhook_secret as webhook_secret

if TYPE_CHECKING:
    from syncd.settings import Shop


class Source(Protocol):
    """A connection to one shop.

    Every method raises TransientError (try later), ConnectionBlocked (a person must act), and nothing
    else that is expected; an unreadable record is a `Rejected` in its page, never an exception.
    """

    def profile(self) -> ShopProfile:
        """What the shop says about itself now. One call; also the proof that the credentials work."""

    def customers_shown(self) -> int | None:
        """How many customers the shop shows now; None where it does not say exactly. At most one call."""

    def orders_shown(self, since: int | None = None) -> int | None:
        """How many orders the shop shows now, those that do not count included; where `since` (UTC seconds) is given,
        those that changed since then. None where it does not say exactly. Many calls for a large shop.
        """

    def pull(self, cursors: Mapping[str, str], since: int | None = None) -> Iterator[Page]:
        """Everything new since `cursors` ({resource: cursor of its last committed page}), oldest first.

        An absent cursor means from the beginning, or from `since` (UTC seconds) for orders.
        After a kill the same call continues and repeats at most one page per resource. Cursors are
        inclusive and overlap, so a record may come again; none is ever skipped. Customers come
        before orders; carts and products come last, if the shop shows any. The last page of a resource carries the
        cursor of the next poll.
        """

    def parse(self, resource: str, raw: bytes) -> Record:
        """The record that `raw` (a `Rejected.raw`) holds.

        Raises: RecordError, its message saying field and fault.
        """

    def obstacles(self) -> list[str]:
        """For `syncd check`: each thing for which nothing can be read, as "what is the matter → what to do"."""

    def warnings(self) -> list[str]:
        """For `syncd check`: each thing that works but loses data, in the same words."""


def platforms() -> list[str]:
    """The platforms that exist: the modules of this package."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_"))


def connect(
    name: str,
    shop: Shop,
    now: Callable[[], int],
    sleep: Callable[[float], None] = time.sleep,
    hosts: Hosts | None = None,
) -> Source:
    """The source of the shop called `name`. `now` gives UTC seconds, `sleep` waits (and may raise to
    end all waiting), `hosts` are those that other connections call, too; nothing is called yet.

    Raises: UserError for a platform that does not exist.
    """
    if shop.platform not in platforms():
        raise UserError(f"shops.{name}: platform {shop.platform!r} does not exist; known: {', '.join(platforms())}")
    source: Source = import_module(f"{__name__}.{shop.platform}").connect(name, shop, now, sleep, hosts or Hosts(now))
    return source
