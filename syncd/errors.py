"""The error tree. Each error carries a hint: what the reader should do next.

SyncdError
 ├─ UserError          bad configuration or command; all problems at once; exit 2
 ├─ TransientError     429, 408, 5xx, timeouts, resets, a throttling 403; retried in one place (http.py)
 │   └─ AmbiguousError a write whose outcome is unknown: re-read before it is repeated
 ├─ RecordError        this order or member cannot be processed; quarantined, the rest goes on
 ├─ ConnectionBlocked  401, JSON 403, revoked, suspended: that connection stops; exit 4
 └─ UnsafePlan         the brake: nothing was written; exit 3
Anything else is our own bug and propagates (exit 1).
"""

from __future__ import annotations

from collections.abc import Iterable


class SyncdError(Exception):
    """An expected failure; `exit_code` is what a one-shot command returns for it."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class UserError(SyncdError):
    """The configuration or the command is wrong; `problems` names every fault found, one sentence each."""

    exit_code = 2

    def __init__(self, message: str, *, problems: Iterable[str] = (), hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.problems = tuple(problems)


class TransientError(SyncdError):
    """Worth trying again, not before `retry_after` seconds where the remote side named a time."""

    exit_code = 4

    def __init__(
        self, message: str, *, retry_after: float | None = None, status: int | None = None, hint: str = ""
    ) -> None:
        super().__init__(message, hint=hint)
        self.retry_after = retry_after
        self.status = status


class AmbiguousError(TransientError):
    """A write was sent and its outcome is unknown: it may or may not have happened."""


class RecordError(SyncdError):
    """One record is unusable; `subject` names it by its remote id, never by a person's data."""

    def __init__(self, message: str, *, subject: str = "", code: str = "", hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.subject = subject
        self.code = code


class ConnectionBlocked(SyncdError):
    """The connection `connection` (a shop or an audience) stops until a person acts."""

    exit_code = 4

    def __init__(self, message: str, *, connection: str = "", hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.connection = connection


class UnsafePlan(SyncdError):
    """The plan looks like an accident and is held under `plan_id`; nothing was written."""

    exit_code = 3

    def __init__(self, message: str, *, plan_id: str = "", reasons: Iterable[str] = (), hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.plan_id = plan_id
        self.reasons = tuple(reasons)
