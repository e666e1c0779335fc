"""What the reference says about lists and members (§3.1 to §3.4), each line with the calls that show it."""

from __future__ import annotations

from typing import Any

from tests.clients.table import ABSENT, Refused, Step, Table, clock, get, hash_of, lists, person, post, put

THEN = "2026-09-21T14:13:20+00:00"
LATER = "2026-09-21T14:14:20+00:00"
NOT_FOUND = Refused(404, "Resource Not Found")
NOT_A_NUMBER = Refused(
    400,
    "Invalid Resource",
    "Your merge fields were invalid.",
    errors=({"field": "LTV", "message": "Please enter a number"},),
)


def compliance(email: str) -> Refused:
    """Only the person can come back."""
    detail = (
        f"{email} is in a compliance state due to unsubscribe, bounce, or compliance review and cannot be subscribed."
    )
    return Refused(400, "Member In Compliance State", detail, typed=False)


def taken(email: str) -> Refused:
    """Somebody has the address."""
    detail = f"{email} is already a list member. Use PUT to insert or update list members."
    return Refused(400, "Member Exists", detail, typed=False)


def subscribed(email: str, **more: Any) -> Step:
    """Somebody is there, subscribed in person."""
    return person(email, status="subscribed", **more)


COLLECTIONS: Table = {
    "count is 10 where none is named, and total_items tells the truth": [
        *(subscribed(f"page{n:02}@shop.test") for n in range(12)),
        lists("get_list_members_info", gives={"members": [{}] * 10, "total_items": 12}),
    ],
    "an offset past the end gives an empty list and the same total": [
        lists("get_list_members_info", offset=500, gives={"members": [], "total_items": 12})
    ],
    "count may be a thousand": [lists("get_list_members_info", count=1000, gives={"members": [{}] * 12})],
    "_links are there unless excluded": [
        lists("get_list_members_info", count=1, gives={"_links": [{}], "members": [{"_links": [{}]}]}),
        lists(
            "get_list_members_info",
            count=1,
            exclude_fields=["_links", "members._links"],
            gives={"_links": ABSENT, "members": [{"_links": ABSENT, "status": "subscribed"}]},
        ),
    ],
    "fields are paths from the root": [
        lists(
            "get_list_members_info",
            count=1,
            fields=["members.status", "total_items"],
            gives={"members": [{"status": "subscribed", "email_address": ABSENT}], "total_items": 12, "_links": ABSENT},
        )
    ],
    "the bare name of a member's field does nothing": [
        lists("get_list_members_info", fields=["email_address", "total_items"], gives={"members": ABSENT})
    ],
    "merge fields, segments and a member's tags come by ten, too": [
        subscribed("many@shop.test", tags=[f"tag {n:02}" for n in range(60)]),
        lists("list_segments", gives={"segments": [{}] * 10, "total_items": 60}),
        lists("get_list_member_tags", hash_of("many@shop.test"), gives={"tags": [{}] * 10, "total_items": 60}),
    ],
}

ACCOUNT: Table = {
    "ping": [Step("ping.get", gives={"health_status": "Everything's Chimpy!"})],
    "the root tells role, plan and time zone": [
        Step(
            "root.get_root",
            gives={"role": "owner", "pricing_plan_type": "monthly", "account_timezone": "Europe/Madrid"},
        )
    ],
    "a list tells its opt-in and its counts": [
        lists("get_list", gives={"double_optin": False, "marketing_permissions": False, "stats": {"member_count": 13}})
    ],
    "counts are five minutes old": [
        subscribed("fresh@shop.test"),
        clock(299),
        lists("get_list", gives={"stats": {"member_count": 13}}),
        clock(300),
        lists("get_list", gives={"stats": {"member_count": 14}}),
        clock(0),
    ],
    "the total of all contacts is told to whom asks": [
        lists("get_list", gives={"stats": {"total_contacts": ABSENT}}),
        lists("get_list", include_total_contacts=True, gives={"stats": {"total_contacts": 14}}),
    ],
}

LISTING: Table = {
    "since_last_changed leaves its own second out": [
        clock(60),
        subscribed("second@shop.test"),
        lists("get_list_members_info", since_last_changed=LATER, gives={"members": []}),
        lists(
            "get_list_members_info",
            since_last_changed=THEN,
            gives={"members": [{"email_address": "second@shop.test", "last_changed": LATER}]},
        ),
    ],
    "unsubscribed_since needs the status": [
        person("second@shop.test", status="unsubscribed"),
        lists(
            "get_list_members_info",
            status="unsubscribed",
            unsubscribed_since=THEN,
            gives={"members": [{"email_address": "second@shop.test"}]},
        ),
        lists("get_list_members_info", unsubscribed_since=THEN, gives=Refused(400, "Invalid Resource")),
    ],
    "since_last_campaign needs a status": [
        lists("get_list_members_info", since_last_campaign=True, gives=Refused(400, "Invalid Resource"))
    ],
    "sorted by opt-in, the latest first": [
        subscribed("third@shop.test"),
        lists(
            "get_list_members_info",
            sort_field="timestamp_opt",
            sort_dir="DESC",
            count=1,
            gives={"members": [{"email_address": "third@shop.test", "timestamp_opt": LATER}]},
        ),
        clock(0),
    ],
    "vip_only, and one person by unique_email_id": [
        put("vip@shop.test", {"email_address": "vip@shop.test", "status_if_new": "subscribed", "vip": True}, {}),
        lists("get_list_members_info", vip_only=True, gives={"members": [{"email_address": "vip@shop.test"}]}),
        lists(
            "get_list_members_info",
            unique_email_id="00000000",
            gives={"members": [], "total_items": 0},
        ),
    ],
    "a listing shows 50 tags of a member and counts all": [
        clock(90),
        put("many@shop.test", {"vip": True}, {"tags": [{}] * 50, "tags_count": 60}),
        lists(
            "get_list_members_info",
            since_last_changed=LATER,
            gives={"members": [{"email_address": "many@shop.test", "tags": [{}] * 50, "tags_count": 60}]},
        ),
        clock(0),
    ],
    "archived members are left out unless their status is named": [
        subscribed("gone@shop.test"),
        lists("delete_list_member", hash_of("gone@shop.test")),
        lists("get_list_members_info", status="archived", gives={"members": [{"email_address": "gone@shop.test"}]}),
        lists("get_list_members_info", fields=["total_items"], gives={"total_items": 17}),
    ],
}

PUT: Table = {
    "a new address with email_address and status_if_new is created": [
        put(
            "put01@shop.test",
            {"email_address": "put01@shop.test", "status_if_new": "pending"},
            {"status": "pending", "email_address": "put01@shop.test"},
        )
    ],
    "a new address with status alone is created": [
        put(
            "put02@shop.test",
            {"email_address": "put02@shop.test", "status": "subscribed"},
            {"status": "subscribed", "timestamp_opt": THEN},
        )
    ],
    "the record's hash is that of the body's address, whatever the path says": [
        put(
            "path@shop.test",
            {"email_address": "Put03@shop.test", "status_if_new": "subscribed"},
            {"id": hash_of("put03@shop.test"), "email_address": "Put03@shop.test"},
        ),
        get("path@shop.test", NOT_FOUND),
    ],
    "an existing member without status keeps it, though unsubscribed, and its fields are merged": [
        subscribed("put04@shop.test", merge_fields={"LNAME": "Bell"}),
        person("put04@shop.test", status="unsubscribed"),
        put(
            "put04@shop.test",
            {"email_address": "put04@shop.test", "status_if_new": "subscribed", "merge_fields": {"FNAME": "Ann"}},
            {"status": "unsubscribed", "full_name": "Ann Bell"},
        ),
    ],
    "unsubscribed by an admin and subscribed by the API: back, without reason, with the old opt-in": [
        subscribed("put05@shop.test"),
        person("put05@shop.test", status="unsubscribed", by="admin"),
        clock(60),
        put(
            "put05@shop.test",
            {"status": "subscribed"},
            {"status": "subscribed", "unsubscribe_reason": ABSENT, "timestamp_opt": THEN, "last_changed": LATER},
        ),
        clock(0),
    ],
    "status unsubscribed alone is enough, and an admin was it": [
        subscribed("put06@shop.test"),
        put(
            "put06@shop.test",
            {"status": "unsubscribed"},
            {"status": "unsubscribed", "unsubscribe_reason": "N/A (Unsubscribed by admin)"},
        ),
    ],
    "unsubscribed by the contact: not subscribed by the API": [
        subscribed("put07@shop.test"),
        person("put07@shop.test", status="unsubscribed"),
        put("put07@shop.test", {"status": "subscribed"}, compliance("put07@shop.test")),
    ],
    "cleaned: not subscribed by the API": [
        subscribed("put08@shop.test"),
        person("put08@shop.test", status="cleaned"),
        put("put08@shop.test", {"status": "subscribed"}, compliance("put08@shop.test")),
    ],
    "another address that is free: moved, with contact_id, web_id, tags, fields and times": [
        subscribed("put09@shop.test", tags=["loyal"], merge_fields={"FNAME": "Ann"}),
        get("put09@shop.test", {"status": "subscribed"}, keep="before"),
        clock(60),
        put(
            "put09@shop.test",
            {"email_address": "put09b@shop.test"},
            {
                "id": hash_of("put09b@shop.test"),
                "contact_id": "{before.contact_id}",
                "web_id": "{before.web_id}",
                "timestamp_opt": THEN,
                "full_name": "Ann",
                "tags": [{"name": "loyal"}],
            },
        ),
        clock(0),
        get("put09@shop.test", NOT_FOUND),
        lists("get_list_member", "{before.contact_id}", gives={"email_address": "put09b@shop.test"}),
    ],
    "another address that is taken: Member Exists": [
        subscribed("put10@shop.test"),
        subscribed("put10b@shop.test"),
        put("put10@shop.test", {"email_address": "put10b@shop.test"}, taken("put10b@shop.test")),
    ],
    "no effective change: last_changed does not move": [
        subscribed("put11@shop.test", merge_fields={"FNAME": "Ann"}),
        clock(60),
        put(
            "put11@shop.test",
            {"email_address": "PUT11@shop.test", "status": "subscribed", "merge_fields": {"FNAME": "Ann"}},
            {"last_changed": THEN},
        ),
        clock(0),
    ],
    "an unknown merge tag is ignored without a word": [
        subscribed("put12@shop.test"),
        put("put12@shop.test", {"merge_fields": {"NOSUCH": "x"}}, {"merge_fields": {"NOSUCH": ABSENT}}),
    ],
    "an empty text clears a field, and one that is not named stays": [
        subscribed("put13@shop.test", merge_fields={"FNAME": "Ann", "LNAME": "Bell"}),
        put("put13@shop.test", {"merge_fields": {"LNAME": ""}}, {"merge_fields": {"FNAME": "Ann", "LNAME": ""}}),
    ],
    "a number field with AAAAA: refused, and nothing is written": [
        lists("add_list_merge_field", {"name": "Spent", "tag": "LTV", "type": "number"}, gives={"tag": "LTV"}),
        subscribed("put14@shop.test"),
        put("put14@shop.test", {"merge_fields": {"LTV": "AAAAA", "FNAME": "Ann"}}, NOT_A_NUMBER),
        get("put14@shop.test", {"merge_fields": {"LTV": "", "FNAME": ""}, "last_changed": THEN}),
    ],
    "an archived member with status_if_new alone stays archived": [
        subscribed("put15@shop.test"),
        lists("delete_list_member", hash_of("put15@shop.test")),
        put(
            "put15@shop.test",
            {"email_address": "put15@shop.test", "status_if_new": "subscribed"},
            {"status": "archived"},
        ),
    ],
    "tags in the body of an existing member are ignored": [
        subscribed("put16@shop.test", tags=["old"]),
        put("put16@shop.test", {"tags": ["new"]}, {"tags": [{"name": "old"}]}),
    ],
}

NOT_REMOVED = Refused(
    405,
    "Method Not Allowed",
    "This list member cannot be removed. Can not archive a contact that is bounced, pending or archived",
)
FORGOTTEN = Refused(
    400,
    "Forgotten Email Not Subscribed",
    "forgotten@shop.test was permanently deleted and cannot be re-imported. "
    "The contact must re-subscribe to get back on the list.",
)

OTHER_WRITES: Table = {
    "PATCH changes a member that exists, and is 404 where none does": [
        subscribed("patch@shop.test"),
        lists(
            "update_list_member",
            hash_of("patch@shop.test"),
            {"merge_fields": {"FNAME": "Ann"}},
            gives={"full_name": "Ann", "status": "subscribed"},
        ),
        lists("update_list_member", hash_of("nobody@shop.test"), {"merge_fields": {}}, gives=NOT_FOUND),
    ],
    "PATCH knows no transactional": [
        lists(
            "update_list_member",
            hash_of("patch@shop.test"),
            {"status": "transactional"},
            gives=Refused(400, "Invalid Resource"),
        )
    ],
    "POST needs a status": [post({"email_address": "post@shop.test"}, Refused(400, "Invalid Resource"))],
    "POST takes tags for a new member": [
        post(
            {"email_address": "post@shop.test", "status": "subscribed", "tags": ["a"]},
            {"status": "subscribed", "tags": [{"name": "a"}]},
        )
    ],
    "POST of a member that exists: Member Exists": [
        post({"email_address": "post@shop.test", "status": "subscribed"}, taken("post@shop.test"))
    ],
    "POST of an archived member brings it back, with tags, fields and a new opt-in": [
        lists("delete_list_member", hash_of("post@shop.test")),
        clock(60),
        post(
            {"email_address": "post@shop.test", "status": "subscribed"},
            {"status": "subscribed", "tags": [{"name": "a"}], "timestamp_opt": LATER},
        ),
        clock(0),
    ],
    "DELETE archives: the member can still be read": [
        subscribed("delete@shop.test"),
        lists("delete_list_member", hash_of("delete@shop.test")),
        get("delete@shop.test", {"status": "archived"}),
    ],
    "DELETE again: 405": [lists("delete_list_member", hash_of("delete@shop.test"), gives=NOT_REMOVED)],
    "DELETE of somebody unknown: 404": [lists("delete_list_member", hash_of("nobody@shop.test"), gives=NOT_FOUND)],
    "deleted permanently: gone, and cannot be imported again": [
        subscribed("forgotten@shop.test"),
        lists("delete_list_member_permanent", hash_of("forgotten@shop.test")),
        get("forgotten@shop.test", NOT_FOUND),
        put("x", {"email_address": "forgotten@shop.test", "status_if_new": "subscribed"}, FORGOTTEN),
    ],
    "a contact comes back by a confirmation mail, where the API may not subscribe": [
        subscribed("back@shop.test"),
        person("back@shop.test", status="unsubscribed"),
        lists("update_list_member", hash_of("back@shop.test"), {"status": "pending"}, gives={"status": "pending"}),
        person("back@shop.test", status="subscribed"),
        get("back@shop.test", {"status": "subscribed"}),
    ],
}
