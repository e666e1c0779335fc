"""The one HTTP client: deadlines, byte caps, retries, budgets, redirects, and which errors a status means.

It knows HTTP and the error tree. It does not know what a shop or an e-mail service says; a connector
tells it through `classify` where a status means something else there. Nothing that it raises holds
a credential, a query string or an address, which is why its errors do not chain the library's own:
those spell out the whole URL.
"""

from __future__ import annotations

import re
import ssl
import time
import zlib
from contextlib import nullcontext
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cached_property
from http import HTTPStatus
from random import random
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import unquote, urlsplit

import msgspec
import requests
from isal import isal_zlib
from msgspec import Struct
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt
from urllib3.exceptions import HTTPError, MaxRetryError, NewConnectionError, ReadTimeoutError

from syncd import __version__
from syncd._hosts import Host, Hosts
from syncd._origin import Origin
from syncd._wire import new_session
from syncd.errors import AmbiguousError, ConnectionBlocked, RecordError, SyncdError, TransientError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager

    from urllib3 import BaseHTTPResponse

MIB = 1 << 20
CONNECT_SECONDS = 10.0
LONGEST_WAIT_SECONDS = 300.0
LONGEST_BACKOFF_SECONDS = 60.0

# A person must act; everything not listed here or below is worth another try. Source: RFC 9110, and
# Shopify's own 402 (frozen) and 423 (locked).
_BLOCKING: dict[int, tuple[str, str]] = {
    401: ("does not accept the credentials", "Put a valid key into the configuration; `syncd check` tries it."),
    402: ("says that the account is not paid for", "Settle the bill there; syncd goes on by itself."),
    403: ("does not allow this to our key", "Give the key the rights that `syncd check` lists."),
    423: ("says that the account is locked", "Ask the service why; syncd goes on once it is unlocked."),
    426: ("asks for a newer TLS", "Update OpenSSL on this machine."),
}
# About this one record or request; repeating it unchanged gives the same answer.
RECORD_STATUSES = frozenset({400, 404, 405, 406, 409, 410, 411, 412, 413, 414, 415, 422})
_PATIENCE = "syncd tries again in the next cycle. If it stays, check the network and the service's status page."
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
# The service turned the request away at the door, so a write certainly had no effect.
_TURNED_AWAY = frozenset({403, 429})


class Reply(Struct, frozen=True, dict=True):
    """A whole answer to a call of `method`. `headers` are case-insensitive; `body` is decompressed."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    method: str = "GET"

    def json(self) -> Any:
        """The body as JSON, decoded once.

        Raises: TransientError where it is no JSON, cut off, nested too deep, or holds numbers that JSON has not.
        """
        return self._document

    @cached_property
    def _document(self) -> Any:
        kind = self.headers.get("content-type", "json")
        if "json" not in kind.lower():
            raise TransientError("the answer is not JSON: something between us and the service may have answered")
        try:
            return msgspec.json.decode(self.body)
        except (ValueError, RecursionError) as err:
            raise TransientError("the answer is not valid JSON; it may have been cut off") from err


class Budget(Protocol):
    """A rate limit: `acquire` waits until a call may be made, `learn` reads what the answer says about it."""

    def acquire(self) -> None: ...

    def learn(self, reply: Reply) -> None: ...


class UnsentError(TransientError):
    """The request never left: nothing can have happened."""


class OversizeError(TransientError):
    """The answer is larger than allowed; asking for the same again would not help."""


class SlowError(TransientError):
    """The answer was not whole within the deadline; a smaller question may be answered in time."""


# After these the same call would come to the same, or might happen twice.
_FINAL = (AmbiguousError, OversizeError)


class Http:
    """Calls to one origin (`https://host[:port]`) over a few kept connections.

    `connection` is what the connection is called in messages (`shops.acme`); `headers` gives the
    credentials anew for each call; `classify` may turn an answer into an error of the connector's own
    and returns None to leave it to the table. Units: `deadline` is seconds for one whole answer,
    however slowly it drips; `max_bytes` counts the decompressed body. `repeat_slow`: what took too long is
    asked once more as it was; without, that is the caller's business. `hosts` know what came of the calls of all
    connections, and when to leave a host alone; without them it is never left alone. Whoever shares `turn` unpacks
    one answer at a time.
    Raises: UserError for an origin that is neither https nor this machine.
    """

    def __init__(
        self,
        origin: str,
        *,
        connection: str,
        headers: Callable[[], Mapping[str, str]],
        budget: Budget | None = None,
        classify: Callable[[Reply], SyncdError | None] | None = None,
        deadline: float = 60.0,
        max_bytes: int = 32 * MIB,
        attempts: int = 6,
        repeat_slow: bool = True,
        sleep: Callable[[float], None] = time.sleep,
        hosts: Hosts | None = None,
        turn: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        self.connection = connection
        self._origin = Origin.of(origin, connection)
        self._host = hosts.named(str(self._origin).partition("://")[2]) if hosts else Host()
        self._headers = headers
        self._budget = budget
        self._classify = classify
        self._deadline = deadline
        self._max_bytes = max_bytes
        self._turn = turn
        self._attempts = attempts
        self._not_repeated = _FINAL if repeat_slow else (*_FINAL, SlowError)
        self._retrying = Retrying(
            stop=stop_after_attempt(attempts),
            retry=retry_if_exception(self._worth_another_try),
            wait=self._wait_seconds,
            sleep=sleep,
            reraise=True,
        )
        self._session = new_session()

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
        repeatable: bool | None = None,
        deadline: float | None = None,
        max_bytes: int | None = None,
    ) -> Reply:
        """The answer, with a status that is no error.

        `path` is quoted already and relative to the origin. A failed call is made again when it is
        `repeatable` (a GET unless told otherwise) or certainly had no effect. A host in trouble is asked once,
        and not at all while the connection leaves it alone.
        Raises: TransientError when trying again did not help; AmbiguousError for a write whose outcome
        is unknown; ConnectionBlocked; RecordError for this request alone; whatever `classify` returns.
        """
        if repeatable is None:
            repeatable = method == "GET"
        exchange = _Exchange(
            method,
            self._origin.url(path),
            dict(params or {}),
            b"" if json is None else msgspec.json.encode(json),
            deadline or self._deadline,
            max_bytes or self._max_bytes,
        )
        return self._retrying.copy()(self._attempt, exchange, repeatable)

    def path_of(self, url: str) -> str:
        """Path and query of an absolute URL of this origin, such as a `next` link.

        Raises: ConnectionBlocked where it leads anywhere else: our credentials must not follow it.
        """
        return self._origin.path_of(url)

    @property
    def is_local(self) -> bool:
        """Whether the origin is this machine: a sandbox."""
        return self._origin.is_local

    def close(self) -> None:
        """Afterwards no connection is open."""
        self._session.close()

    def _attempt(self, exchange: _Exchange, repeatable: bool) -> Reply:
        try:
            return self._watched(exchange)
        except TransientError as err:
            if repeatable or isinstance(err, UnsentError | AmbiguousError) or err.status in _TURNED_AWAY:
                raise
            raise AmbiguousError(f"{err}; whether it took effect is unknown", status=err.status, hint=err.hint) from err

    def _watched(self, exchange: _Exchange) -> Reply:
        """The answer, unless the host is left alone; what came of the call is known to all who call the host."""
        if rest := self._host.refusal(self.connection):
            raise UnsentError(f"{self.connection}: {rest}", hint=_PATIENCE)
        try:
            reply = self._checked(exchange)
        except SyncdError as err:
            if _is_no_answer(err):
                self._host.failed(self.connection)
            else:
                self._host.answered()
            raise
        self._host.answered()
        return reply

    def _checked(self, exchange: _Exchange) -> Reply:
        if self._budget:
            self._budget.acquire()
        reply = self._send(exchange)
        if self._budget:
            self._budget.learn(reply)
        error = (self._classify and self._classify(reply)) or self._by_status(exchange, reply)
        if error is None:
            return reply
        if isinstance(error, TransientError) and error.retry_after is None:
            error.retry_after = retry_after_seconds(reply.headers)
        raise error

    def _send(self, exchange: _Exchange) -> Reply:
        headers = {"User-Agent": f"syncd/{__version__}", "Accept": "application/json", **self._headers()}
        if exchange.body:
            headers["Content-Type"] = "application/json"
        try:
            with self._session.request(
                exchange.method,
                exchange.url,
                params=exchange.params,
                data=exchange.body or None,
                headers=headers,
                timeout=(min(CONNECT_SECONDS, exchange.deadline), exchange.deadline),
                allow_redirects=False,
                stream=True,
            ) as response:
                packed = _body(response.raw, exchange.max_bytes + 1)
            with self._turn():
                body = _unpacked(packed, response.headers.get("content-encoding", ""), exchange.max_bytes + 1)
        except (requests.RequestException, HTTPError, OSError, zlib.error) as err:
            raise self._failed(exchange, err) from None
        except UnicodeEncodeError:
            raise self._blocked("the credentials hold a character that cannot be sent", _BLOCKING[401][1]) from None
        if len(body) > exchange.max_bytes:
            raise OversizeError(
                f"{self.connection}: the answer to {exchange} is larger than {exchange.max_bytes:,} bytes"
            )
        return Reply(response.status_code, response.headers, body, exchange.method)

    def _failed(self, exchange: _Exchange, err: Exception) -> SyncdError:
        if isinstance(err, requests.exceptions.InvalidHeader):
            return self._blocked("the credentials hold a character that cannot be sent", _BLOCKING[401][1])
        if _not_trusted(err):
            return self._blocked(
                "the certificate does not prove that this is the service",
                "Check the address and this machine's clock and certificates (ca-certificates). Nothing was sent.",
            )
        kind = UnsentError if _never_sent(err) else SlowError if _was_slow(err) else TransientError
        why = "damaged" if isinstance(err, zlib.error) else type(err).__name__
        return kind(
            f"{self.connection}: {exchange} got no whole answer ({why})",
            hint=_PATIENCE,
        )

    def _by_status(self, exchange: _Exchange, reply: Reply) -> SyncdError | None:
        status = reply.status
        if 200 <= status < 300:
            return None
        if status in _REDIRECTS:
            return self._blocked(
                f"{exchange} is redirected to {_host(reply.headers.get('location', ''))}, and syncd does not follow",
                "Check the address of this connection in the configuration: it may have moved. Nothing was sent there.",
            )
        if status in _BLOCKING:
            says, hint = _BLOCKING[status]
            return self._blocked(f"the service {says} ({_answer(exchange, reply)})", hint)
        said = f"{self.connection}: the service answered {_answer(exchange, reply)}"
        if status in RECORD_STATUSES:
            return RecordError(said, code=str(status))
        return TransientError(said, status=status, hint="syncd tries again in the next cycle.")

    def _worth_another_try(self, err: BaseException) -> bool:
        is_passing = isinstance(err, TransientError) and not isinstance(err, self._not_repeated)
        return is_passing and not self._host.rest_of(self.connection)

    def _wait_seconds(self, state: RetryCallState) -> float:
        """As long as one call alone would wait, and until nobody else asks this host again."""
        if state.attempt_number >= self._attempts:
            # Asked for after the last attempt, too, which nothing follows.
            return 0.0
        now = time.monotonic()
        return self._host.turn(now + _asked_seconds(state), now) - now

    def _blocked(self, fault: str, hint: str) -> ConnectionBlocked:
        return ConnectionBlocked(f"{self.connection}: {fault}", connection=self.connection, hint=hint)


class _Exchange(Struct, frozen=True):
    """One request, ready to be sent any number of times; shows itself without query and addresses."""

    method: str
    url: str
    params: dict[str, Any]
    body: bytes
    deadline: float
    max_bytes: int

    def __str__(self) -> str:
        segments = urlsplit(self.url).path.split("/")
        return f"{self.method} {'/'.join('…' if _may_name_a_person(s) else s for s in segments)}"


def _body(raw: BaseHTTPResponse, most: int) -> bytes:
    """The body as it was sent, at most so many bytes of it. Raises: HTTPError where it was cut off."""
    # In one read, which is faster than the library's own small ones; what is missing shows in the next.
    body = raw.read(most, decode_content=False)
    while len(body) < most and (more := raw.read(most - len(body), decode_content=False)):
        body += more
    return body


def _unpacked(body: bytes, packing: str, most: int) -> bytes:
    """What was packed into `body`, at most so many bytes of it.

    urllib3 would do it too, but goes on through any number of gzip streams in one body, and takes the
    square of that number: minutes for a body of empty ones. ISA-L takes a third of zlib's time.
    Raises: zlib.error where it is not one whole gzip stream, the only packing that we ask for.
    """
    if not body or packing.strip().lower() in ("", "identity"):
        return body
    unpacker = isal_zlib.decompressobj(wbits=isal_zlib.MAX_WBITS | 16)
    try:
        text = unpacker.decompress(body, most)
    except isal_zlib.error:  # type: ignore[misc]  # the library's stub takes the class for one of its errors
        raise zlib.error("damaged") from None
    if len(text) < most and (unpacker.unused_data or not unpacker.eof):
        raise zlib.error("not one whole stream")
    return text


def retry_after_seconds(headers: Mapping[str, str]) -> float | None:
    """How long the service asks us to wait, at most five minutes; None where it says nothing usable.

    A date is measured against the service's own `Date`, and says nothing without it: the clock here may be wrong.
    """
    text = headers.get("retry-after", "").strip()
    try:
        seconds = float(text)
    except ValueError:
        until, said_at = http_date(text), http_date(headers.get("date", ""))
        if until is None or said_at is None:
            return None
        seconds = (until - said_at).total_seconds()
    # `not >=` also refuses NaN.
    return None if not seconds >= 0 else min(seconds, LONGEST_WAIT_SECONDS)


def http_date(text: str) -> datetime | None:
    """The instant that a header names; None where it names none."""
    try:
        when = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    return when if when.tzinfo else when.replace(tzinfo=UTC)


def _is_no_answer(err: SyncdError) -> bool:
    """Whether the host is in trouble, as far as one call can tell: neither a refusal nor a throttle says so."""
    if not isinstance(err, TransientError) or isinstance(err, OversizeError):
        return False
    return err.status is None or err.status >= 500


def _asked_seconds(state: RetryCallState) -> float:
    """Never before the time that the service named; otherwise doubling, and spread so that we do not come in step."""
    err = state.outcome.exception() if state.outcome else None
    asked = err.retry_after if isinstance(err, TransientError) else None
    if asked is not None:
        return asked + random()  # noqa: S311  # spreading, not secrecy
    return min(LONGEST_BACKOFF_SECONDS, 2.0 ** (state.attempt_number - 1)) * (0.5 + random() / 2)  # noqa: S311


def _never_sent(err: Exception) -> bool:
    if isinstance(err, requests.exceptions.ConnectTimeout):
        return True
    cause = err.args[0] if err.args else None
    return isinstance(cause, MaxRetryError) and isinstance(cause.reason, NewConnectionError)


def _not_trusted(err: Exception) -> bool:
    """Whether the certificate is expired, self-signed or another host's: it stays so until a person acts."""
    cause = err.args[0] if isinstance(err, requests.exceptions.SSLError) and err.args else None
    reason = cause.reason if isinstance(cause, MaxRetryError) else None
    return bool(reason and reason.args and isinstance(reason.args[0], ssl.SSLCertVerificationError))


def _was_slow(err: Exception) -> bool:
    return isinstance(err, requests.exceptions.ReadTimeout | ReadTimeoutError | TimeoutError)


def _may_name_a_person(segment: str) -> bool:
    return "@" in unquote(segment) or re.fullmatch(r"[0-9a-f]{32,}", segment) is not None


def _host(location: str) -> str:
    """The host that a `Location` names, where it is one that can be shown."""
    try:
        host = urlsplit(location).hostname or ""
    except ValueError:
        host = ""
    return host if re.fullmatch(r"[a-z0-9.-]{1,253}", host) else "another place"


def _answer(exchange: _Exchange, reply: Reply) -> str:
    """`503 Service Unavailable to GET /orders, request 4f2a…`: what the service's support asks for."""
    try:
        phrase = f" {HTTPStatus(reply.status).phrase}"
    except ValueError:
        phrase = ""
    request_id = re.sub(r"[^\w-]", "", reply.headers.get("x-request-id", ""))[:64]
    return f"{reply.status}{phrase} to {exchange}" + (f", request {request_id}" if request_id else "")
