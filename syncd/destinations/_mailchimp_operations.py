"""One write for one member, and doing many of them: by a call each, or wrapped into Mailchimp's batches.

Both ways take the same operations and give the same answers, so that who writes need not care.
No operation carries `status`: an existing member's subscription is never ours to change. Archiving, which
is no status that can be written, is an operation of its own.
"""

from __future__ import annotations

import time
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from msgspec import Struct

from syncd.destinations._mailchimp_archive import Result, download
from syncd.destinations._mailchimp_gateway import Problem, RefusedError, subscriber_hash, typed
from syncd.destinations._mailchimp_read import Collection, pages
from syncd.errors import AmbiguousError, TransientError
from syncd.http import RECORD_STATUSES, OversizeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from syncd.destinations._mailchimp_gateway import Gateway

Kind = Literal["create", "rename", "fields", "tags", "event", "archive"]

BATCH_OPERATIONS = 1000
# Of the 500 that an account may have waiting; what a crash leaves unsettled grows with it.
BATCHES_AT_ONCE = 10
# One member may make the service stumble for ever; three in a row mean that it is the service.
FAILURES_IN_A_ROW = 3
FIRST_PAUSE_SECONDS = 0.25
LONGEST_PAUSE_SECONDS = 30.0
# Only one batch of an account runs at a time, so ours may stand behind those of others.
BATCH_SECONDS = 3600.0
DOWNLOADS = 5

# Fields that the marketer requires are not ours to fill in, and must not keep ours from being written.
_LENIENT = {"skip_merge_validation": True}
# For each kind: the official client's method, and what it calls, which a batch must spell out.
_CALLS: dict[Kind, tuple[str, str, str, dict[str, bool]]] = {
    "create": ("set_list_member", "PUT", "", _LENIENT),
    # Not PUT: where the member is gone meanwhile, it would make a new one.
    "rename": ("update_list_member", "PATCH", "", _LENIENT),
    "fields": ("update_list_member", "PATCH", "", _LENIENT),
    "tags": ("update_list_member_tags", "POST", "/tags", {}),
    "event": ("create_list_member_event", "POST", "/events", {}),
    "archive": ("delete_list_member", "DELETE", "", {}),
}
# Nobody is there to archive any more, or the member is at rest already.
_ARCHIVED = frozenset({404, 405})


class Operation(Struct, frozen=True):
    """One write for the member with this address; without a body where the kind says it all."""

    kind: Kind
    email: str
    body: dict[str, Any] = {}


class Answer(Struct, frozen=True):
    """What became of an operation: refused for `problem`, unknown, or done.

    `ignored` names fields that do not exist there: all else was written.
    """

    problem: Problem | None = None
    unknown: bool = False
    ignored: tuple[str, ...] = ()


DONE = Answer()
UNKNOWN = Answer(unknown=True)


class Calls:
    """Does operations one by one."""

    chunk = 1

    def __init__(self, gateway: Gateway, list_id: str) -> None:
        self._lists = gateway.lists
        self._list_id = list_id
        self._failures = 0

    def do(self, operations: Sequence[Operation]) -> list[Answer]:
        """The answer to each operation. Raises: TransientError when the service itself is in trouble."""
        return [self._do(operation) for operation in operations]

    def _do(self, operation: Operation) -> Answer:
        name, _, _, options = _CALLS[operation.kind]
        call = partial(getattr(self._lists, name), self._list_id, subscriber_hash(operation.email))
        try:
            document = call(operation.body, **options) if operation.body else call(**options)
        except RefusedError as err:
            answer = _refused(operation, err.problem)
        except TransientError as err:
            self._failures += 1
            about_one = isinstance(err, AmbiguousError) or (err.status or 0) >= 500
            if not about_one or self._failures == FAILURES_IN_A_ROW:
                raise
            return UNKNOWN
        else:
            answer = _done(operation, document)
        self._failures = 0
        return answer


class Batches:
    """Does operations in Mailchimp's own queue, in no certain order.

    Several batches of a thousand wait there at once: it works them off one after the other without a
    pause for us to ask.
    """

    chunk = BATCHES_AT_ONCE * BATCH_OPERATIONS

    def __init__(self, gateway: Gateway, list_id: str, sleep: Callable[[float], None] = time.sleep) -> None:
        self._gateway = gateway
        self._list_id = list_id
        self._sleep = sleep

    def do(self, operations: Sequence[Operation]) -> list[Answer]:
        """The answer to each operation; unknown for those that the results leave out.

        Raises: TransientError where a batch does not end in an hour or its results cannot be had.
        """
        names = [self._name(n, operation) for n, operation in enumerate(operations)]
        wrapped = [self._wrap(name, operation) for name, operation in zip(names, operations, strict=True)]
        batches = [
            typed(self._gateway.batches.start({"operations": wrapped[at : at + BATCH_OPERATIONS]}), Batch)
            for at in range(0, len(wrapped), BATCH_OPERATIONS)
        ]
        results = {name: result for batch in batches for name, result in self._results(batch.id).items()}
        return [_answer(operation, results.get(name)) for name, operation in zip(names, operations, strict=True)]

    def settle(self) -> None:
        """Afterwards no batch of the account is under way: whose it is does not show, and they take turns anyway.

        Raises: TransientError where one does not end in an hour.
        """
        fields = ["batches.id", "batches.status", "total_items"]
        known = [
            batch for page in pages(self._gateway.batches.list, BatchPage, fields=fields) for batch in page.batches
        ]
        for batch in reversed(known):
            if batch.status != "finished":
                self._finished(batch.id)

    def _name(self, n: int, operation: Operation) -> str:
        return f"{subscriber_hash(operation.email)}-{operation.kind}-{n}"

    def _wrap(self, name: str, operation: Operation) -> dict[str, Any]:
        _, method, ending, options = _CALLS[operation.kind]
        wrapped = {
            "operation_id": name,
            "method": method,
            "path": f"/lists/{self._list_id}/members/{subscriber_hash(operation.email)}{ending}",
            "params": options,
        }
        return wrapped | {"body": msgspec.json.encode(operation.body).decode()} if operation.body else wrapped

    def _results(self, batch_id: str) -> dict[str, Result]:
        for pause in islice(_pauses(), DOWNLOADS):
            # The address of the results is good for minutes: it is asked for anew each time.
            batch = self._finished(batch_id)
            if batch is None:
                return {}
            try:
                return download(self._gateway.http, batch.response_body_url)
            except OversizeError:
                # It would be as large once more.
                raise
            except TransientError as err:
                failure = err
                # Results may be announced a little before they can be had.
                self._sleep(pause)
        raise failure

    def _finished(self, batch_id: str) -> Batch | None:
        """The batch when it is done; None where Mailchimp has forgotten it."""
        waited = 0.0
        for pause in _pauses():
            try:
                batch = typed(self._gateway.batches.status(batch_id), Batch)
            except RefusedError:
                return None
            if batch.status == "finished":
                return batch
            if waited > BATCH_SECONDS:
                break
            self._sleep(pause)
            waited += pause
        raise TransientError("Mailchimp has not finished a batch within an hour", hint="syncd reads the members again.")


class Batch(Struct, frozen=True):
    """A batch as Mailchimp shows it."""

    id: str
    status: str
    response_body_url: str = ""


class BatchPage(Collection, frozen=True):
    """One page of the account's batches, newest first."""

    batches: tuple[Batch, ...]


def _pauses() -> Iterator[float]:
    pause = FIRST_PAUSE_SECONDS
    while True:
        yield pause
        pause = min(2 * pause, LONGEST_PAUSE_SECONDS)


def _done(operation: Operation, document: Any) -> Answer:
    """Done, as far as the answer shows it: a field that does not exist is ignored without a word."""
    shown = document.get("merge_fields") if isinstance(document, dict) else None
    if not isinstance(shown, dict):
        return DONE
    return Answer(ignored=tuple(name for name in operation.body.get("merge_fields", {}) if name not in shown))


def _answer(operation: Operation, result: Result | None) -> Answer:
    if result is None:
        return UNKNOWN
    if 200 <= result.status_code < 300:
        return _done(operation, result.document())
    if result.status_code in RECORD_STATUSES:
        return _refused(operation, Problem.read(result.status_code, result.document()))
    return UNKNOWN


def _refused(operation: Operation, problem: Problem) -> Answer:
    if operation.kind == "archive" and problem.status in _ARCHIVED:
        return DONE
    return Answer(problem)
