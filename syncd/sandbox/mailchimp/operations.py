"""The operations of the API: one table for requests and for batches."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

import msgspec

from syncd.sandbox.audience.problems import Problem
from syncd.sandbox.mailchimp import activity, lists, members, webhooks
from syncd.sandbox.mailchimp.batches import BatchOperation, BatchWrite, document
from syncd.sandbox.mailchimp.documents import collection
from syncd.sandbox.mailchimp.routing import Call, Document, Router, select

if TYPE_CHECKING:
    from collections.abc import Mapping

    from syncd.sandbox.mailchimp.account import Account


def submit_batch(call: Call) -> Document:
    """The operations wait to be run."""
    return document(call.account.batches.submit(call.read(BatchWrite), call.account.switches))


def get_batch(call: Call) -> Document:
    """How far a batch is; where it is finished, with a new address of its results."""
    batches, switches = call.account.batches, call.account.switches
    return batches.read(batches.get(call.params["batch_id"], switches), switches, call.origin)


def list_batches(call: Call) -> Document:
    """The batches still known, newest first."""
    batches, switches = call.account.batches, call.account.switches
    found, total = batches.page(*call.window(), switches)
    rows = [batches.read(batch, switches, call.origin) for batch in found]
    return collection("batches", rows, total, "/batches")


def delete_batch(call: Call) -> None:
    """The batch and its results are gone."""
    call.account.batches.delete(call.params["batch_id"], call.account.switches)


LIST = "/lists/{list_id}"
MEMBER = f"{LIST}/members/{{subscriber_hash}}"
NOTE = f"{MEMBER}/notes/{{note_id}}"
SEGMENT = f"{LIST}/segments/{{segment_id}}"
FIELD = f"{LIST}/merge-fields/{{merge_id}}"
WEBHOOK = f"{LIST}/webhooks/{{webhook_id}}"

OPERATIONS = {
    "GET /": lists.root,
    "GET /ping": lists.ping,
    "GET /lists": lists.list_audiences,
    f"GET {LIST}": lists.get_audience,
    f"POST {LIST}": lists.subscribe,
    f"GET {LIST}/members": members.list_members,
    f"POST {LIST}/members": members.create_member,
    f"GET {MEMBER}": members.get_member,
    f"PUT {MEMBER}": members.put_member,
    f"PATCH {MEMBER}": members.patch_member,
    f"DELETE {MEMBER}": members.archive_member,
    f"POST {MEMBER}/actions/delete-permanent": members.forget_member,
    f"GET {MEMBER}/tags": members.list_member_tags,
    f"POST {MEMBER}/tags": members.write_member_tags,
    f"GET {MEMBER}/events": members.list_member_events,
    f"POST {MEMBER}/events": members.record_event,
    f"GET {MEMBER}/notes": activity.list_notes,
    f"POST {MEMBER}/notes": activity.create_note,
    f"GET {NOTE}": activity.get_note,
    f"PATCH {NOTE}": activity.change_note,
    f"DELETE {NOTE}": activity.delete_note,
    f"GET {MEMBER}/activity": activity.recent_activity,
    f"GET {MEMBER}/activity-feed": activity.activity_feed,
    f"GET {LIST}/tag-search": lists.search_tags,
    f"GET {LIST}/segments": lists.list_segments,
    f"POST {LIST}/segments": lists.create_segment,
    f"GET {SEGMENT}": lists.get_segment,
    f"PATCH {SEGMENT}": lists.change_segment,
    f"DELETE {SEGMENT}": lists.delete_segment,
    f"POST {SEGMENT}": lists.write_segment,
    f"GET {SEGMENT}/members": lists.list_segment_members,
    f"POST {SEGMENT}/members": lists.add_segment_member,
    f"DELETE {SEGMENT}/members/{{subscriber_hash}}": lists.remove_segment_member,
    f"GET {LIST}/merge-fields": lists.list_merge_fields,
    f"POST {LIST}/merge-fields": lists.create_merge_field,
    f"GET {FIELD}": lists.get_merge_field,
    f"PATCH {FIELD}": lists.change_merge_field,
    f"DELETE {FIELD}": lists.delete_merge_field,
    f"GET {LIST}/webhooks": webhooks.list_webhooks,
    f"POST {LIST}/webhooks": webhooks.create_webhook,
    f"GET {WEBHOOK}": webhooks.get_webhook,
    f"PATCH {WEBHOOK}": webhooks.change_webhook,
    f"DELETE {WEBHOOK}": webhooks.delete_webhook,
    "GET /batches": list_batches,
    "POST /batches": submit_batch,
    "GET /batches/{batch_id}": get_batch,
    "DELETE /batches/{batch_id}": delete_batch,
    "POST /customer-journeys/journeys/{journey_id}/steps/{step_id}/actions/trigger": members.trigger_journey,
}
_ROUTER = Router(OPERATIONS)


def execute(
    account: Account,
    method: str,
    path: str,
    query: Mapping[str, str],
    content: bytes | str,
    origin: str = "",
    visits: Mapping[str, int] | None = None,
) -> Document | None:
    """The answer's document, None for one without. `path` is still percent-encoded.

    Raises: Problem; among them Visit, where `visits` lacks an address that has to be looked at first.
    """
    operation, params = _ROUTER.find(method, path)
    answer = operation(Call(account, params, query, _decoded(content), origin, visits or {}))
    return select(answer, query) if answer else answer


def run_batches(account: Account) -> None:
    """Afterwards all submitted batches have run, unless they are stuck."""
    if not account.switches.batches_stuck:
        account.batches.run(lambda operation: _execute_in_batch(account, operation), account.switches)


def _execute_in_batch(account: Account, operation: BatchOperation) -> tuple[int, str]:
    path, _, written = operation.path.partition("?")
    query = dict(parse_qsl(written)) | {name: str(value) for name, value in operation.params.items()}
    try:
        answer = execute(account, operation.method, path, query, operation.body)
    except Problem as problem:
        # In batches `instance` is empty.
        document = problem.document("")
        if not account.switches.batch_problems_have_type:
            document.pop("type", None)
        return problem.status, msgspec.json.encode(document).decode()
    return (204, "") if answer is None else (200, msgspec.json.encode(answer).decode())


def _decoded(content: bytes | str) -> object:
    if not content:
        return None
    try:
        return msgspec.json.decode(content)
    except msgspec.DecodeError:
        raise Problem(400, "JSON Parse Error", "We encountered an unspecified JSON parsing error.") from None
