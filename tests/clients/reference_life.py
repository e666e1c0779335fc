"""One member's whole life, from the sign-up to the erasure, as an integrator would lead it."""

from __future__ import annotations

from typing import Any

from tests.clients.reference_members import LATER, NOT_FOUND, THEN, compliance, taken
from tests.clients.table import ABSENT, LIST, Step, Table, clock, entered, get, hash_of, lists, person, post, put, tag

ANN, ANNE = "ann@life.test", "anne@life.test"


def tags(*names: str) -> dict[str, Any]:
    """A member with these tags, in the order in which the sandbox shows them: the newest first."""
    return {"tags": [{"name": name} for name in names], "tags_count": len(names)}


BATCH = {
    "operations": [
        {
            "method": "POST",
            "path": f"/lists/{LIST}/members/{hash_of(ANNE)}/tags",
            "operation_id": "tag",
            "body": '{"tags": [{"name": "life backfill", "status": "active"}], "is_syncing": true}',
        },
        {
            "method": "PATCH",
            "path": f"/lists/{LIST}/members/{hash_of(ANNE)}",
            "operation_id": "field",
            "body": '{"merge_fields": {"LTV": 99.5}}',
        },
    ]
}

LIFE: Table = {
    "she is created": [
        post({"email_address": ANN, "status": "subscribed", "merge_fields": {"FNAME": "Ann"}}, {"full_name": "Ann"}),
    ],
    "and upserted: her status is not touched": [
        put(ANN, {"email_address": ANN, "status_if_new": "pending"}, {"status": "subscribed", "full_name": "Ann"}),
    ],
    "she is tagged, and a journey starts": [
        tag(ANN, **{"life loyal": "active"}),
        get(ANN, tags("life loyal")),
        entered(ANN, "tag life loyal"),
    ],
    "she is in a segment, which is a tag": [
        lists("create_segment", {"name": "life vip", "static_segment": [ANN]}, keep="vip", gives={"member_count": 1}),
        get(ANN, tags("life vip", "life loyal")),
        Step("lists.batch_segment_members", ({"members_to_remove": [ANN]}, LIST, "{vip.id}"), {"total_removed": 1}),
        get(ANN, tags("life loyal")),
    ],
    "her fields are written, cleared and kept": [
        put(ANN, {"merge_fields": {"LTV": 12.5}}, {"merge_fields": {"LTV": 12.5, "FNAME": "Ann"}}),
        put(ANN, {"merge_fields": {"FNAME": ""}}, {"merge_fields": {"LTV": 12.5, "FNAME": ""}, "full_name": ""}),
    ],
    "she gets another address and stays the same contact": [
        get(ANN, {"timestamp_opt": THEN}, keep="ann"),
        put(ANN, {"email_address": ANNE}, {"contact_id": "{ann.contact_id}", **tags("life loyal")}),
        get(ANN, NOT_FOUND),
        post({"email_address": ANNE, "status": "subscribed"}, taken(ANNE)),
    ],
    "she is unsubscribed by the shop, and subscribed again": [
        put(ANNE, {"status": "unsubscribed"}, {"unsubscribe_reason": "N/A (Unsubscribed by admin)"}),
        put(ANNE, {"status": "subscribed"}, {"status": "subscribed", "unsubscribe_reason": ABSENT}),
    ],
    "she is archived, and comes back with everything": [
        lists("delete_list_member", hash_of(ANNE)),
        get(ANNE, {"status": "archived"}),
        clock(60),
        post(
            {"email_address": ANNE, "status": "subscribed"},
            {"status": "subscribed", "timestamp_opt": LATER, "merge_fields": {"LTV": 12.5}, **tags("life loyal")},
        ),
        clock(0),
    ],
    "a batch tags her without a journey; a field that changes may start one all the same": [
        Step("batches.start", (BATCH,), {"status": "pending", "total_operations": 2}, keep="life"),
        Step(
            "results",
            ("{life.id}",),
            {
                "batch": {"status": "finished", "errored_operations": 0},
                "results": {"tag": {"status_code": 204}, "field": {"status_code": 200}},
            },
        ),
        get(ANNE, {"merge_fields": {"LTV": 99.5}, **tags("life backfill", "life loyal")}),
        entered(ANNE, "field LTV=99.5"),
    ],
    "an event and the trigger start a journey each": [
        lists("create_list_member_event", hash_of(ANNE), {"name": "lapsed", "properties": {"days": "90"}}),
        Step("customerJourneys.trigger", (56, 78, {"email_address": ANNE})),
        entered(ANNE, "field LTV=99.5", "event lapsed", "api 56/78"),
    ],
    "she leaves in person, and nobody brings her back": [
        person(ANNE, status="unsubscribed"),
        get(ANNE, {"status": "unsubscribed", "unsubscribe_reason": "No reason given"}),
        put(ANNE, {"status": "subscribed"}, compliance(ANNE)),
    ],
    "she is erased for good": [
        lists("delete_list_member_permanent", hash_of(ANNE)),
        get(ANNE, NOT_FOUND),
    ],
}
