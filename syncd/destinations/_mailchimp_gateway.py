"""The official Mailchimp client, made safe: every call goes through our one HTTP client.

As published, the client returns an empty 429 or a cut-off 200 as if it were success, opens a connection
for each call, and rewrites the word "server" anywhere in a URL. This module replaces the one method
that does so and keeps the rest. It knows what Mailchimp's refusals mean; it does not know what is written.
"""

from __future__ import annotations

import re
from base64 import b64encode
from functools import partial
from hashlib import md5
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

import msgspec
from mailchimp_marketing.api.batches_api import BatchesApi  # type: ignore[import-untyped]
from mailchimp_marketing.api.lists_api import ListsApi  # type: ignore[import-untyped]
from mailchimp_marketing.api.root_api import RootApi  # type: ignore[import-untyped]
from mailchimp_marketing.api_client import ApiClient  # type: ignore[import-untyped]
from msgspec import Struct

from syncd._cut import split
from syncd.errors import ConnectionBlocked, RecordError, SyncdError, TransientError, UserError
from syncd.http import RECORD_STATUSES, Http, Reply

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

T = TypeVar("T")

VERSION = "/3.0"
# The service gives a call 120 seconds, and one that we give up earlier still holds its connection there.
DEADLINE_SECONDS = 130.0
# At high volume the network in front of Mailchimp answers 403 without JSON; it takes minutes to calm down.
EDGE_PAUSE_SECONDS = 60.0
_KEY = re.compile(r"[!-,.-~]+-([a-z]{2,4}[0-9]{1,4})")
_LIST = "/lists/{list_id}"
_MEMBER = f"{_LIST}/members/{{subscriber_hash}}"
# Where "not found" can only mean the list itself.
_OF_THE_LIST = frozenset({_LIST, f"{_LIST}/members", f"{_LIST}/merge-fields", f"{_LIST}/segments"})


class Problem(Struct, frozen=True):
    """A problem document, read leniently: real ones leave out `type`, and batches leave out more.

    `fields` are the names in `errors[].field`; their messages are in the audience's language and not kept.
    `instance` is the id of the request, for which Mailchimp's support asks.
    """

    status: int
    title: str = ""
    detail: str = ""
    fields: tuple[str, ...] = ()
    instance: str = ""

    @classmethod
    def read(cls, status: int, document: object, request_id: str = "") -> Problem:
        """The problem that `document`, whatever it is, describes."""
        if not isinstance(document, dict):
            return cls(status, instance=_word(request_id))
        errors = document.get("errors")
        named = [error for error in errors if isinstance(error, dict)] if isinstance(errors, list) else []
        names = [_text(error.get("field")) for error in named]
        return cls(
            status,
            _text(document.get("title")),
            _text(document.get("detail")),
            tuple(name.removeprefix("merge_fields.") for name in names if name),
            _word(_text(document.get("instance")) or request_id),
        )

    @property
    def request(self) -> str:
        """`, request 4f2a…`: what to tell Mailchimp's support; empty where it is not known."""
        return f", request {self.instance}" if self.instance else ""

    @property
    def reason(self) -> str:
        """Why, in a few words without any address."""
        for sign, reason, _ in _REASONS:
            if sign in self._words:
                return reason
        if self.status == 404:
            return "not in the audience"
        named = f" ({', '.join(self.fields)})" if self.fields else ""
        return re.sub(r"\S+@\S+", "…", f"{self.title or f'status {self.status}'}{named}")[:200]

    @property
    def permanent(self) -> bool:
        """Whether the service will never take it, as far as it says."""
        return next((permanent for sign, _, permanent in _REASONS if sign in self._words), self.status == 404)

    @property
    def _words(self) -> str:
        return f"{self.title} {self.detail}".lower()


# Titles and details are English whatever the audience's language is. Most telling first.
_REASONS = (
    ("compliance state", "unsubscribed, bounced or under review: only the person can come back", True),
    ("forgotten email", "deleted for good: only the person can come back", True),
    ("permanently deleted", "deleted for good: only the person can come back", True),
    ("member exists", "the new address is in the audience already", False),
    ("lot of lists", "signed up to many lists lately: Mailchimp wants a pause", False),
    ("looks fake or invalid", "the address looks fake or invalid to Mailchimp", True),
    ("valid email address", "the address looks fake or invalid to Mailchimp", True),
)


class RefusedError(RecordError):
    """Mailchimp understood and will not do it; `problem` says why."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(f"Mailchimp refused: {problem.reason}{problem.request}", code=str(problem.status))
        self.problem = problem


def classify(connection: str, reply: Reply) -> SyncdError | None:
    """What Mailchimp means by an answer, where it differs from HTTP's own meaning.

    Source: Mailchimp Marketing API 3.0, "Errors" and "Throttling".
    """
    if 200 <= reply.status < 300:
        return _undecodable(reply)
    try:
        document = reply.json()
    except TransientError:
        document = None
    if reply.status == 403 and not isinstance(document, dict):
        message = f"{connection}: Mailchimp turns us away for calling too often"
        return TransientError(message, status=403, retry_after=EDGE_PAUSE_SECONDS)
    if reply.status == 400 and reply.method == "GET":
        # Seen now and then while many pages are read; the same page comes at the next try.
        return TransientError(f"{connection}: Mailchimp did not give a page", status=400)
    problem = Problem.read(reply.status, document, reply.headers.get("x-request-id", ""))
    if reply.status == 503 and "compliance" in problem.title.lower():
        return ConnectionBlocked(
            f"{connection}: Mailchimp has suspended the account",
            connection=connection,
            hint="Sign in to Mailchimp and follow what it asks for.",
        )
    return RefusedError(problem) if reply.status in RECORD_STATUSES else None


def _undecodable(reply: Reply) -> SyncdError | None:
    try:
        if reply.status != 204:
            _document(reply)
    except TransientError as err:
        return err
    return None


class Damaged(Struct, frozen=True):
    """A member on a page, as it was written, which is no JSON."""

    raw: bytes


def _document(reply: Reply) -> Any:
    """The answer; where it is a page of members of which some are no JSON, those are `Damaged`.

    Raises: TransientError where it is nothing that can be read.
    """
    try:
        return reply.json()
    except TransientError:
        try:
            around, rows = split(reply.body, "members")
            return {**msgspec.json.decode(around), "members": list(map(_member, rows))}
        except (ValueError, TypeError, RecursionError):
            pass
        raise


def _member(raw: bytes) -> object:
    try:
        return msgspec.json.decode(raw)
    except (ValueError, RecursionError):
        return Damaged(raw)


class Gateway(ApiClient):  # type: ignore[misc]
    """The official client over `Http`: `lists`, `batches` and `root` are its own endpoint classes.

    Each call gives the decoded answer, {} for an empty one. Raises: RefusedError for what concerns one
    member, ConnectionBlocked where the list does not exist, otherwise as `Http.request`.
    """

    def __init__(self, http: Http) -> None:
        super().__init__({})
        self.http = http
        self.lists = ListsApi(self)
        self.batches = BatchesApi(self)
        self.root = RootApi(self)

    def call_api(
        self,
        resource_path: str,
        method: str,
        path_params: Mapping[str, object] | None = None,
        query_params: Sequence[tuple[str, object]] = (),
        header_params: object = None,
        body: Any = None,
        collection_formats: object = None,
        **ignored: object,
    ) -> Any:
        """One call; the arguments are those that the generated endpoint classes give."""
        path = resource_path.format_map({name: _quoted(value) for name, value in (path_params or {}).items()})
        try:
            reply = self.http.request(
                method,
                VERSION + path,
                params={name: _query_text(value) for name, value in query_params},
                json=body,
                repeatable=_is_repeatable(method, resource_path, body),
            )
        except RefusedError as err:
            if err.problem.status == 404 and resource_path in _OF_THE_LIST:
                raise self._list_missing(err.problem) from err
            if err.problem.status != 404 and resource_path.startswith("/batches"):
                # About no member, so there is nobody to hold it against.
                raise TransientError(f"{self.http.connection}: {err}", status=err.problem.status) from err
            raise
        return _document(reply) if reply.body else {}

    def _list_missing(self, problem: Problem) -> ConnectionBlocked:
        return ConnectionBlocked(
            f"{self.http.connection}: Mailchimp has no audience with this list_id{problem.request}",
            connection=self.http.connection,
            hint="The id is in Mailchimp under Audience, Settings, Audience name and defaults.",
        )


def connect(api_key: Callable[[], str], base_url: str | None, connection: str, **options: Any) -> Gateway:
    """A gateway to the account that the key opens; nothing is called yet.

    The key is read anew for each call, and its data centre once, here.
    Raises: UserError for a key without a data centre.
    """

    def headers() -> dict[str, str]:
        return {"Authorization": "Basic " + b64encode(f"syncd:{api_key()}".encode()).decode()}

    centre = _KEY.fullmatch(api_key())
    if centre is None:
        raise UserError(
            f"{connection}: the API key has not the form of a Mailchimp key (…-us6)",
            hint="Copy the whole key, with the part after the hyphen, from Mailchimp: Account, Extras, API keys.",
        )
    return Gateway(
        Http(
            base_url or f"https://{centre[1]}.api.mailchimp.com",
            connection=connection,
            headers=headers,
            classify=partial(classify, connection),
            deadline=DEADLINE_SECONDS,
            **options,
        )
    )


def typed(answer: object, kind: type[T]) -> T:
    """The answer as a `kind`. Raises: TransientError where something else came."""
    try:
        return msgspec.convert(answer, kind)
    except msgspec.ValidationError as err:
        raise TransientError("Mailchimp's answer lacks what it should hold") from err


def subscriber_hash(email: str) -> str:
    """Mailchimp's name for a member: MD5 of the address in lower case."""
    return md5(email.strip().lower().encode(), usedforsecurity=False).hexdigest()


def _is_repeatable(method: str, path: str, body: Any) -> bool:
    """Whether doing it twice is the same as doing it once, automations included.

    Setting fields to what they are changes nothing, and `status_if_new` does not touch a member that
    exists by then; who is archived or deleted stays so; muted tags start nothing. A member with another address is
    not found under the old one again. All other writes may announce something twice.
    """
    if path == f"{_MEMBER}/actions/delete-permanent":
        return True
    if path == _MEMBER:
        return not (method == "PATCH" and "email_address" in (body or {}))
    return method == "GET" or (path == f"{_MEMBER}/tags" and bool(body) and body.get("is_syncing") is True)


def _quoted(value: object) -> str:
    # Also the slash: an id is one segment of the path, whatever it holds.
    return quote(str(value), safe="")


def _query_text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _word(text: str) -> str:
    return re.sub(r"[^\w-]", "", text)[:64]
