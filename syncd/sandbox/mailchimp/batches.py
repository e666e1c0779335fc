"""Batches: operations handed in together and run later, one batch at a time, results as an archive.

Knows how a batch lives and what its archive looks like; what an operation does is handed in.
"""

from __future__ import annotations

import io
import tarfile
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import md5
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from sortedcontainers import SortedDict

from syncd.sandbox.audience.instants import iso
from syncd.sandbox.audience.problems import Problem, invalid, not_found
from syncd.sandbox.dice import dice
from syncd.sandbox.mailchimp.documents import links

if TYPE_CHECKING:
    from syncd.sandbox.audience.members import Clock
    from syncd.sandbox.audience.switches import Switches

MAX_OPERATIONS = 1000
MAX_PENDING = 500
UNFINISHED = ("preprocessing", "started", "finalizing")


class BatchOperation(msgspec.Struct, frozen=True):
    """One call; `body` is JSON in a string, `path` has no `/3.0`."""

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
    path: str
    params: dict[str, Any] = {}
    body: str = ""
    operation_id: str | None = None


class BatchWrite(msgspec.Struct, frozen=True):
    """The body that submits a batch."""

    operations: tuple[BatchOperation, ...]


# Status and JSON of the answer to one operation.
Execute = Callable[[BatchOperation], tuple[int, str]]


@dataclass(eq=False)
class Batch:
    """`readings` counts how often it was shown; `rows` are the results once it ran, `refusals` those to come."""

    id: str
    number: int
    operations: tuple[BatchOperation, ...]
    submitted_at: int
    refusals: int
    completed_at: int | None = None
    readings: int = 0
    errored: int = 0
    rows: list[bytes] | None = None
    archive: bytes = field(default=b"", repr=False)


class Batches:
    """All batches of an account, in the order of submission."""

    def __init__(self, clock: Clock, seed: int) -> None:
        self._clock = clock
        self._seed = seed
        self._batches: dict[str, Batch] = {}
        self._by_number: SortedDict[int, Batch] = SortedDict()
        self._waiting: deque[Batch] = deque()
        self._submitted = 0

    def submit(self, write: BatchWrite, switches: Switches) -> Batch:
        """Afterwards the batch waits for `run`. Raises: Problem for too many operations or batches."""
        if not 1 <= len(write.operations) <= MAX_OPERATIONS:
            raise invalid(("operations", f"A batch takes 1 to {MAX_OPERATIONS} operations."))
        if len(self._waiting) >= MAX_PENDING:
            raise Problem(429, switches.too_many_title, f"You have more than {MAX_PENDING} pending batches.")
        self._submitted += 1
        batch_id = md5(f"batch:{self._seed}:{self._submitted}".encode(), usedforsecurity=False).hexdigest()[:10]
        batch = Batch(batch_id, self._submitted, write.operations, self._clock.now(), switches.result_refusals)
        self._batches[batch_id] = self._by_number[batch.number] = batch
        self._waiting.append(batch)
        return batch

    def waiting(self) -> bool:
        """Whether there is a batch to run."""
        return bool(self._waiting)

    def run(self, execute: Execute, switches: Switches) -> None:
        """Afterwards every operation submitted so far had its effect; within a batch no order is promised."""
        while self._waiting:
            batch = self._waiting.popleft()
            operations = list(batch.operations)
            if switches.batches_are_shuffled:
                dice(self._seed, "order", batch.id).shuffle(operations)
            batch.rows = [self._row(batch, operation, execute) for operation in operations]

    def _row(self, batch: Batch, operation: BatchOperation, execute: Execute) -> bytes:
        status, response = execute(operation)
        batch.errored += status >= 400
        return msgspec.json.encode(
            {"status_code": status, "operation_id": operation.operation_id, "response": response}
        )

    def get(self, batch_id: str, switches: Switches) -> Batch:
        """The batch. Raises: Problem 404 for an unknown and for an old one."""
        batch = self._batches.get(batch_id)
        if batch is None or self._is_old(batch, switches):
            raise not_found()
        return batch

    def page(self, offset: int, count: int, switches: Switches) -> tuple[list[Batch], int]:
        """One page of the batches that are still known, newest first, and how many there are."""
        while self._by_number and self._is_old(self._by_number.peekitem(0)[1], switches):
            del self._batches[self._by_number.popitem(0)[1].id]
        known = self._by_number.values()
        stop = max(0, len(known) - offset)
        return known[max(0, stop - count) : stop][::-1], len(known)

    def _is_old(self, batch: Batch, switches: Switches) -> bool:
        return self._clock.now() - batch.submitted_at >= switches.batch_kept_seconds

    def delete(self, batch_id: str, switches: Switches) -> None:
        """Afterwards the batch and its results are gone. What it did stays done, what it did not do is not done."""
        batch = self._batches.pop(self.get(batch_id, switches).id)
        del self._by_number[batch.number]
        if batch in self._waiting:
            self._waiting.remove(batch)

    def read(self, batch: Batch, switches: Switches, origin: str) -> dict[str, Any]:
        """The batch as it is shown now; each reading brings it nearer to its end."""
        status = self._advance(batch, switches)
        finished = status == "finished"
        url = self._url(batch, switches, origin) if finished else ""
        total = len(batch.operations)
        return {**document(batch, status), "finished_operations": total if finished else 0} | {
            "errored_operations": batch.errored if finished else 0,
            "response_body_url": url,
        }

    def _advance(self, batch: Batch, switches: Switches) -> str:
        if batch.rows is None:
            return "pending"
        if batch.readings < switches.batch_polls:
            status = UNFINISHED[len(UNFINISHED) * batch.readings // switches.batch_polls]
            batch.readings += 1
            return status
        if batch.completed_at is None:
            batch.completed_at = self._clock.now()
        return "finished"

    def _url(self, batch: Batch, switches: Switches, origin: str) -> str:
        expires = self._clock.now() + switches.result_url_seconds
        signature = self._signature(batch.id, str(expires))
        return f"{origin}/batch-results/{batch.id}-response.tar.gz?Expires={expires}&Signature={signature}"

    def _signature(self, batch_id: str, expires: str) -> str:
        return md5(f"{self._seed}:{batch_id}:{expires}".encode(), usedforsecurity=False).hexdigest()

    def download(self, batch_id: str, expires: str, signature: str) -> tuple[int, bytes]:
        """Status and content of the results: the archive, or an XML refusal as the file store writes it."""
        batch = self._batches.get(batch_id)
        if batch is None or batch.rows is None or signature != self._signature(batch_id, expires):
            return 403, _refusal("AccessDenied", "Access Denied")
        if self._clock.now() > int(expires):
            return 403, _refusal("AccessDenied", "Request has expired")
        if batch.refusals > 0:
            batch.refusals -= 1
            return 400, _refusal("InvalidRequest", "The archive is not ready")
        batch.archive = batch.archive or _archive(batch, self._seed)
        return 200, batch.archive


def document(batch: Batch, status: str = "pending") -> dict[str, Any]:
    """A batch as its submission shows it."""
    return {
        "id": batch.id,
        "status": status,
        "total_operations": len(batch.operations),
        "finished_operations": 0,
        "errored_operations": 0,
        "submitted_at": iso(batch.submitted_at),
        "completed_at": iso(batch.completed_at),
        "response_body_url": "",
        "_links": links(f"/batches/{batch.id}"),
    }


def _archive(batch: Batch, seed: int) -> bytes:
    """A directory, two files of results in no order, and an empty file, as real archives have been seen."""
    rows = list(batch.rows or [])
    dice(seed, "batch", batch.id).shuffle(rows)
    half = (len(rows) + 1) // 2
    files = {"0.json": rows[:half], "1.json": rows[half:]}
    target = io.BytesIO()
    # The level is low and the time fixed: speed, and the same bytes for the same seed.
    with tarfile.open(fileobj=target, mode="w:gz", compresslevel=1) as archive:
        root = tarfile.TarInfo(f"{batch.id}/")
        root.type, root.mode = tarfile.DIRTYPE, 0o755
        archive.addfile(root)
        for name, part in files.items():
            _add(archive, f"{batch.id}/{name}", b"[" + b",".join(part) + b"]")
        _add(archive, f"{batch.id}/2.json", b"")
    return target.getvalue()


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    archive.addfile(entry, io.BytesIO(content))


def _refusal(code: str, message: str) -> bytes:
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>'
    return text.encode()
