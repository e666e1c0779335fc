"""The token for Shopify's API: a permanent one, or one of 24 hours by OAuth client credentials.

Source: shopify.dev, "Client credentials grant". A token is never logged, shown or written down.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Lock, local
from typing import Protocol

import msgspec
from msgspec import Struct

from syncd.errors import ConnectionBlocked, RecordError, SyncdError, TransientError
from syncd.http import Http, Reply

HEADER = "X-Shopify-Access-Token"
# A token is replaced this long before it ends, so that none ends on its way.
EARLY_SECONDS = 600


class Secret(Protocol):
    """Something that is kept elsewhere and read when it is used."""

    def get(self) -> str: ...


class Token(Protocol):
    """What Http needs to know of a token."""

    def headers(self) -> dict[str, str]:
        """The credentials of one call."""

    def judge(self, reply: Reply) -> SyncdError | None:
        """Learns from an answer to this thread's last call; the error that makes it try again with a new token."""


class PermanentToken:
    """The `shpat_…` token of an app that was made in the shop's admin before 2026."""

    def __init__(self, secret: Secret) -> None:
        self._secret = secret

    def headers(self) -> dict[str, str]:
        return {HEADER: self._secret.get()}

    def judge(self, reply: Reply) -> SyncdError | None:
        """Nothing is to be done about a permanent token that is refused."""
        return None


class _Grant(Struct):
    access_token: str
    expires_in: float = 86_399


class _Held(Struct):
    text: str
    ends_at: float
    accepted: bool = False


class ClientCredentials:
    """A token that is fetched when it is first needed, before it ends, and once when it is refused.

    One thread fetches while the others wait for it. A token that was never accepted is not replaced:
    then it is the app that is wrong, and asking on and on would only hide it.
    """

    def __init__(self, http: Http, client_id: str, secret: Secret, clock: Callable[[], float] = time.monotonic) -> None:
        self._http = http
        self._client_id = client_id
        self._secret = secret
        self._clock = clock
        self._lock = Lock()
        self._held: _Held | None = None
        self._used = local()

    def headers(self) -> dict[str, str]:
        """Raises: ConnectionBlocked where client id or secret are wrong; TransientError."""
        with self._lock:
            if self._held is None or self._clock() > self._held.ends_at:
                self._held = self._fetch()
            self._used.token = self._held
            return {HEADER: self._held.text}

    def judge(self, reply: Reply) -> SyncdError | None:
        used: _Held = self._used.token
        if reply.status != 401:
            used.accepted = used.accepted or reply.status < 300
            return None
        if not used.accepted:
            return None
        with self._lock:
            # Another thread may have replaced it already.
            if self._held is used:
                self._held = None
        return TransientError("the shop's token has ended", retry_after=0, status=401)

    def _fetch(self) -> _Held:
        asked = {
            "grant_type": "client_credentials",
            "client_id": self._client_id,
            "client_secret": self._secret.get(),
        }
        try:
            # Asking twice does no harm: each answer is a token of its own.
            reply = self._http.request("POST", "/admin/oauth/access_token", json=asked, repeatable=True)
            grant = msgspec.json.decode(reply.body, type=_Grant)
        except RecordError:
            raise ConnectionBlocked(
                f"{self._http.connection}: the shop does not accept client_id and client_secret",
                connection=self._http.connection,
                hint="Compare both with the app in the Dev Dashboard, and see that it is installed on this shop.",
            ) from None
        except (ValueError, RecursionError):
            raise TransientError(f"{self._http.connection}: the shop's answer holds no token") from None
        return _Held(grant.access_token, self._clock() + max(60.0, grant.expires_in - EARLY_SECONDS))
