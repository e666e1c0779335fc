"""Which shops have news: what webhooks leave behind, and all that they can do. Knows no HTTP and no pulling."""

from __future__ import annotations

from threading import Event, Lock

# A repetition only costs a look too many, so that the latest few are known, and none after a restart.
REMEMBERED = 4_096


class Hints:
    """Given by the receiver's threads, taken by the service's one loop; `wake` is set when there is one.

    However many there are, they are one set of shops.
    """

    def __init__(self, wake: Event) -> None:
        self._wake = wake
        self._lock = Lock()
        self._shops: set[str] = set()
        self._known: dict[tuple[str, str], None] = {}

    def give(self, shop: str, ids: tuple[str, ...] = ()) -> None:
        """Afterwards the shop is waiting to be looked at, unless the same was told before under one of `ids`."""
        names = [(shop, each) for each in ids]
        with self._lock:
            told = any(name in self._known for name in names)
            self._known.update(dict.fromkeys(names))
            while len(self._known) > REMEMBERED:
                del self._known[next(iter(self._known))]
            if told:
                return
            self._shops.add(shop)
        self._wake.set()

    def take(self) -> set[str]:
        """The shops that are waiting; afterwards none is."""
        with self._lock:
            shops, self._shops = self._shops, set()
        return shops
