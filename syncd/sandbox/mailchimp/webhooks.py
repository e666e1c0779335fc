"""Operations on the webhooks of a list. An address is looked at before it is told anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

from syncd.sandbox.audience.problems import SEE_ERRORS, Problem, invalid
from syncd.sandbox.audience.writes import WebhookWrite
from syncd.sandbox.mailchimp import documents
from syncd.sandbox.mailchimp.documents import collection

if TYPE_CHECKING:
    from syncd.sandbox.audience.hooks import Webhook
    from syncd.sandbox.mailchimp.routing import Call, Document

NOT_WORKING = "We couldn't verify the URL is working. Please double check and try again. HTTP Code: {}"


class Visit(Problem):
    """The operation cannot go on until somebody has looked whether `url` answers. Where nobody can, it is refused."""

    def __init__(self, url: str) -> None:
        super().__init__(400, "Invalid Resource", SEE_ERRORS, errors=[("url", NOT_WORKING.format(0))])
        self.url = url


def list_webhooks(call: Call) -> Document:
    """All webhooks of the list; there is no paging."""
    audience = call.audience
    rows = [documents.webhook(audience, each) for each in audience.hooks]
    path = f"/lists/{audience.list_id}/webhooks"
    return collection("webhooks", rows, len(rows), path, list_id=audience.list_id)


def create_webhook(call: Call) -> Document:
    """A new webhook; what signs its messages is shown here and never again."""
    audience, write = call.audience, call.read(WebhookWrite)
    _check(call, write)
    made = audience.hooks.create(write)
    secret = {"signing_secret": made.secret} if audience.switches.webhooks_are_signed else {}
    return documents.webhook(audience, made) | secret


def get_webhook(call: Call) -> Document:
    """One webhook."""
    return documents.webhook(call.audience, call.audience.hooks.get(call.params["webhook_id"]))


def change_webhook(call: Call) -> Document:
    """Another address, other events or other sources."""
    audience, write = call.audience, call.read(WebhookWrite)
    known = audience.hooks.get(call.params["webhook_id"])
    _check(call, write, known)
    return documents.webhook(audience, audience.hooks.change(known.id, write))


def delete_webhook(call: Call) -> None:
    """The address is told nothing more."""
    call.audience.hooks.delete(call.params["webhook_id"])


def _check(call: Call, write: WebhookWrite, known: Webhook | None = None) -> None:
    url = call.audience.hooks.check(write, known)
    if not url:
        return
    if url not in call.visits:
        raise Visit(url)
    if not 200 <= call.visits[url] < 300:
        raise invalid(("url", NOT_WORKING.format(call.visits[url])))
