"""What the reference says about batch subscribe, tags and segments (§3.4 and §3.5)."""

from __future__ import annotations

from typing import Any

from tests.clients.reference_members import LATER, NOT_FOUND, THEN, subscribed
from tests.clients.table import ABSENT, LIST, Refused, Step, Table, clock, entered, get, hash_of, lists, person, tag

UPDATE = "do you want to update? please provide update_existing:true in the request body"
NAMED_ANN = {"condition_type": "TextMerge", "field": "FNAME", "op": "is", "value": "Ann"}
TAGGED = {"condition_type": "StaticSegment", "field": "static_segment", "op": "static_is", "value": "{cond.tags.0.id}"}
SPENT = {"condition_type": "EcommSpent", "field": "ecomm_spent_all", "op": "greater", "value": 250}


def batch_subscribe(*members: dict[str, Any], gives: Any, query: dict[str, Any] | None = None, **more: Any) -> Step:
    """POST of many members to the list."""
    body = {"members": [{"status": "subscribed", **member} for member in members], **more}
    return lists("batch_list_members", body, gives=gives, **(query or {}))


BATCH_SUBSCRIBE: Table = {
    "200 even if all fail": [
        batch_subscribe(
            {"email_address": "bad"},
            {"email_address": "x@gmil.com"},
            gives={"new_members": [], "updated_members": [], "total_created": 0, "error_count": 2, "errors": [{}, {}]},
        )
    ],
    "who exists is an error without update_existing": [
        subscribed("batch1@shop.test"),
        batch_subscribe(
            {"email_address": "batch1@shop.test"},
            {"email_address": "batch2@shop.test"},
            gives={
                "total_created": 1,
                "new_members": [{"email_address": "batch2@shop.test"}],
                "errors": [
                    {
                        "email_address": "batch1@shop.test",
                        "error": f"batch1@shop.test is already a list member, {UPDATE}",
                        "error_code": "ERROR_CONTACT_EXISTS",
                    }
                ],
            },
        ),
    ],
    "status flips members that exist": [
        batch_subscribe(
            {"email_address": "batch1@shop.test", "status": "unsubscribed"},
            update_existing=True,
            gives={"total_updated": 1, "updated_members": [{"status": "unsubscribed"}]},
        )
    ],
    "tags are added to members that exist": [
        tag("batch2@shop.test", old="active"),
        batch_subscribe(
            {"email_address": "batch2@shop.test", "tags": ["new"]}, update_existing=True, gives={"total_updated": 1}
        ),
        get("batch2@shop.test", {"tags_count": 2}),
    ],
    "sync_tags replaces all tags": [
        batch_subscribe(
            {"email_address": "batch2@shop.test", "tags": ["only"]},
            update_existing=True,
            sync_tags=True,
            gives={"updated_members": [{"tags": [{"name": "only"}]}]},
        )
    ],
    "sync_tags works only with update_existing": [
        batch_subscribe(
            {"email_address": "batch2@shop.test", "tags": ["other"]}, sync_tags=True, gives={"error_count": 1}
        ),
        get("batch2@shop.test", {"tags": [{"name": "only"}]}),
    ],
    "the same address twice is an error": [
        batch_subscribe(
            {"email_address": "batch3@shop.test"},
            {"email_address": "BATCH3@shop.test"},
            gives={"total_created": 1, "errors": [{"error_code": "ERROR_GENERIC"}]},
        )
    ],
    "with skip_duplicate_check the first wins": [
        batch_subscribe(
            {"email_address": "batch4@shop.test", "language": "de"},
            {"email_address": "batch4@shop.test", "language": "fr"},
            query={"skip_duplicate_check": True},
            gives={"new_members": [{"language": "de"}], "error_count": 0},
        )
    ],
    "500 members are the limit": [
        batch_subscribe(
            *({"email_address": f"limit{n}@shop.test"} for n in range(501)), gives=Refused(400, "Invalid Resource")
        )
    ],
}

TAGS: Table = {
    "tags are made, and answered without a word": [
        subscribed("tags1@shop.test"),
        tag("tags1@shop.test", loyal="active", never="inactive"),
        get("tags1@shop.test", {"tags": [{"name": "loyal"}]}),
    ],
    "no tags at all are fine": [tag("tags1@shop.test")],
    "removing what the member lacks is fine": [tag("tags1@shop.test", lacking="inactive")],
    "an unknown member: 404": [tag("nobody@shop.test", NOT_FOUND, loyal="active")],
    "unsubscribed and archived members take tags": [
        subscribed("tags2@shop.test"),
        person("tags2@shop.test", status="unsubscribed"),
        tag("tags2@shop.test", loyal="active"),
        lists("delete_list_member", hash_of("tags2@shop.test")),
        tag("tags2@shop.test", vip="active"),
        get("tags2@shop.test", {"status": "archived", "tags_count": 2}),
    ],
    "a real change moves last_changed, and so does a tag sent again": [
        clock(60),
        tag("tags1@shop.test", loyal="active"),
        get("tags1@shop.test", {"last_changed": LATER}),
        clock(0),
    ],
    "each tag has an integer and the day it was given": [
        lists(
            "get_list_member_tags",
            hash_of("tags1@shop.test"),
            gives={"tags": [{"name": "loyal", "date_added": THEN}], "total_items": 1},
        )
    ],
    "VIP and vip are one tag, in its first spelling": [
        tag("tags1@shop.test", VIP="active"),
        lists("tag_search", name="VIP", gives={"tags": [{"name": "vip"}], "total_items": 1}),
    ],
    "tag-search is by prefix, and gives all without a name": [
        lists("tag_search", name="TAG 0", gives={"tags": [{}] * 10}),
        lists("tag_search", name="ag 0", gives={"tags": [], "total_items": 0}),
        lists("list_segments", type="static", keep="static", gives={}),
        lists("tag_search", gives={"total_items": "{static.total_items}"}),
    ],
    "a muted tag starts no journey, a live one does, and the same again does not": [
        subscribed("tags3@shop.test"),
        tag("tags3@shop.test", muted=True, backfill="active"),
        tag("tags3@shop.test", live="active"),
        tag("tags3@shop.test", live="active"),
        entered("tags3@shop.test", "tag live"),
    ],
    "a contact passes a journey once, though the tag is taken and given again": [
        tag("tags3@shop.test", live="inactive"),
        tag("tags3@shop.test", live="active"),
        entered("tags3@shop.test", "tag live"),
    ],
    "tags of a pending member show after the opt-in": [
        person("tags4@shop.test", status="pending"),
        tag("tags4@shop.test", welcome="active"),
        get("tags4@shop.test", {"tags": [], "tags_count": 0}),
        person("tags4@shop.test", status="subscribed"),
        get("tags4@shop.test", {"tags": [{"name": "welcome"}]}),
        entered("tags4@shop.test", "tag welcome"),
    ],
}


def segment(method: str, name: str, *args: Any, gives: Any = None, **options: Any) -> Step:
    """A call about a segment that was kept under `name`."""
    return lists(method, f"{{{name}.id}}", *args, gives=gives, **options)


def segment_batch(name: str, gives: Any, **members: list[str]) -> Step:
    """POST of addresses to a static segment; the clients take the body first here."""
    return Step("lists.batch_segment_members", (members, LIST, f"{{{name}.id}}"), gives)


NO_STATIC_SEGMENT = "A Static Segment with an id of {saved.id} does not exist for this list."
TOO_MANY = (
    "Maximum allowed member items exceeded, please provide at most 500 items "
    "in members_to_add field or members_to_remove field"
)
SEGMENT_MEMBER = {
    "email_address": "seg1@shop.test",
    "tags": ABSENT,
    "contact_id": ABSENT,
    "web_id": ABSENT,
    "source": ABSENT,
}

SEGMENTS: Table = {
    "a static segment is a tag: made of addresses, the unknown ignored, and read back in the member": [
        subscribed("seg1@shop.test"),
        lists(
            "create_segment",
            {"name": "Regulars", "static_segment": ["SEG1@shop.test", "nobody@shop.test"]},
            keep="regulars",
            gives={"name": "Regulars", "type": "static", "member_count": 1, "options": ABSENT},
        ),
        get("seg1@shop.test", {"tags": [{"id": "{regulars.id}", "name": "Regulars"}]}),
    ],
    "a name that is taken is refused": [
        lists("create_segment", {"name": "REGULARS", "static_segment": []}, gives=Refused(400, "Bad Request"))
    ],
    "member_count counts the subscribed only": [
        subscribed("seg2@shop.test", tags=["Regulars"]),
        segment("get_segment", "regulars", gives={"member_count": 2}),
        person("seg2@shop.test", status="unsubscribed"),
        segment("get_segment", "regulars", gives={"member_count": 1}),
    ],
    "its members lack tags, contact_id, web_id and source": [
        segment("get_segment_members_list", "regulars", gives={"members": [SEGMENT_MEMBER], "total_items": 1})
    ],
    "who is not subscribed shows only where asked for": [
        segment("get_segment_members_list", "regulars", include_unsubscribed=True, gives={"total_items": 2})
    ],
    "a batch adds and removes, and reports whom it refused": [
        subscribed("seg3@shop.test"),
        segment_batch(
            "regulars",
            {
                "members_added": [{"email_address": "seg3@shop.test"}],
                "members_removed": [{"email_address": "seg1@shop.test"}],
                "errors": [{"email_addresses": ["nobody@shop.test"]}, {"email_addresses": ["seg2@shop.test"]}],
                "total_added": 1,
                "total_removed": 1,
                "error_count": 2,
            },
            members_to_add=["nobody@shop.test", "seg2@shop.test", "Seg3@shop.test"],
            members_to_remove=["seg1@shop.test"],
        ),
    ],
    "a batch takes addresses, not hashes": [
        segment_batch("regulars", {"total_added": 0, "error_count": 1}, members_to_add=[hash_of("seg1@shop.test")])
    ],
    "a batch takes 500 of each": [
        segment_batch("regulars", Refused(400, "Bad Request", TOO_MANY), members_to_remove=["seg1@shop.test"] * 501)
    ],
    "a batch may start journeys: it cannot be muted": [entered("seg3@shop.test", "tag Regulars")],
    "one address joins and leaves": [
        segment("create_segment_member", "regulars", {"email_address": "seg1@shop.test"}, gives=SEGMENT_MEMBER),
        segment("remove_segment_member", "regulars", hash_of("seg1@shop.test")),
        get("seg1@shop.test", {"tags": []}),
    ],
    "another name renames the tag": [
        segment("update_segment", "regulars", {"name": "Often"}, gives={"name": "Often", "member_count": 1}),
        get("seg3@shop.test", {"tags": [{"id": "{regulars.id}", "name": "Often"}]}),
    ],
    "an empty static_segment empties it": [
        segment("update_segment", "regulars", {"name": "Often", "static_segment": []}, gives={"member_count": 0}),
        get("seg3@shop.test", {"tags": []}),
    ],
    "deleted, and then it is no tag and no segment": [
        segment("delete_segment", "regulars"),
        segment("get_segment", "regulars", gives=NOT_FOUND),
        lists("tag_search", name="Often", gives={"total_items": 0}),
    ],
    "made again, it has another id": [
        lists("create_segment", {"name": "Often", "static_segment": []}, keep="often", gives={"member_count": 0}),
        segment("get_segment", "often", gives={"name": "Often"}),
        segment("get_segment", "regulars", gives=NOT_FOUND),
    ],
    "a saved segment has conditions and takes no batch": [
        lists(
            "create_segment",
            {"name": "Often", "options": {"match": "all", "conditions": [NAMED_ANN]}},
            keep="saved",
            gives={"type": "saved", "options": {"match": "all", "conditions": [NAMED_ANN]}},
        ),
        segment_batch("saved", Refused(400, "Bad Request", NO_STATIC_SEGMENT), members_to_add=["seg1@shop.test"]),
    ],
    "a saved segment holds whom its conditions hold for": [
        subscribed("cond1@shop.test", merge_fields={"FNAME": "Ann"}, tags=["cond"]),
        subscribed("cond2@shop.test", merge_fields={"FNAME": "ann"}, tags=["cond"]),
        subscribed("cond3@shop.test", merge_fields={"FNAME": "Bob"}, tags=["cond"]),
        person("cond2@shop.test", status="unsubscribed"),
        lists("tag_search", name="cond", keep="cond", gives={"total_items": 1}),
        lists(
            "create_segment",
            {"name": "Anns", "options": {"match": "all", "conditions": [NAMED_ANN, TAGGED]}},
            keep="anns",
            gives={"type": "saved", "member_count": 1},
        ),
        segment("get_segment_members_list", "anns", gives={"members": [{"email_address": "cond1@shop.test"}]}),
        segment("get_segment_members_list", "anns", include_unsubscribed=True, gives={"total_items": 2}),
        segment("delete_segment", "anns"),
    ],
    "a condition on what the sandbox does not keep is refused, not silently empty": [
        lists(
            "create_segment",
            {"name": "Rich", "options": {"match": "all", "conditions": [SPENT]}},
            gives=Refused(400, "Invalid Resource"),
        )
    ],
    "segments are listed by type": [
        lists("list_segments", type="saved", gives={"segments": [{"id": "{saved.id}"}], "total_items": 1})
    ],
}
