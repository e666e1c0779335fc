"""What Mailchimp's webhooks say and when they say it again: the post office's side of them. Pure.

Source: developer.mailchimp.com "About webhooks"; field names also as captured by people who built receivers.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from syncd.sandbox.audience.hooks import TOPICS
from syncd.sandbox.signing import in_hex

if TYPE_CHECKING:
    from collections.abc import Iterator

    from syncd.sandbox.audience.hooks import Webhooks
    from syncd.sandbox.webhooks import Letter

Json = dict[str, Any]

__all__ = ["DEMANDS", "ENDS_IN_VAIN", "RETRIES_SECONDS", "TIMEOUTS", "TOPICS"]

DEMANDS: tuple[str, ...] = ()
# "At increasing intervals" for about 75 minutes; how many there are is not said.
RETRIES_SECONDS = tuple(60 * minutes for minutes in (1, 2, 4, 8, 20, 40))
TIMEOUTS = (10.0, 10.0)
# An address that fails for long may be switched off; nobody says when.
ENDS_IN_VAIN = False
AGENT = "MailChimp.com"
VALIDATOR = "MailChimp.com WebHook Validator"


def is_success(status: int) -> bool:
    """Whether the receiver took it."""
    return 200 <= status < 300


def messages(hooks: Webhooks, kind: str, before: None, after: Json) -> Iterator[tuple[str, Json]]:
    """A happening is one message."""
    yield kind, after


def with_id(body: Json, hooks: Webhooks, topic: str, event_id: str, at: int) -> Json:
    """The whole body. It has no id: who gets it twice cannot tell by one."""
    fired_at = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S")
    return {"type": topic.partition("/")[0], "fired_at": fired_at, "data": {**body, "list_id": hooks.name}}


def encode(body: Json) -> bytes:
    """The body as a form, names nested in brackets: `data[merges][FNAME]=Ann`."""
    return urlencode(list(_pairs("", body))).encode()


def headers(hooks: Webhooks, letter: Letter, secret: str) -> dict[str, str]:
    """What stands above a body; the signature only where the account has it."""
    found = {"Content-Type": "application/x-www-form-urlencoded", "User-Agent": AGENT}
    if key := secret or hooks.signing_secret(letter.subscription):
        signed = f"{letter.due_at}.".encode() + letter.body
        found["X-Mailchimp-Signature"] = f"t={letter.due_at},v1={in_hex(key, signed)}"
    return found


def _pairs(name: str, value: Any) -> Iterator[tuple[str, str]]:
    if not isinstance(value, dict):
        yield name, str(value)
        return
    for key, below in value.items():
        yield from _pairs(f"{name}[{key}]" if name else key, below)
