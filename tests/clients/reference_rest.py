"""What the reference says about events, journeys, batches and errors (§3.7 to §3.12)."""

from __future__ import annotations

import json
from typing import Any

from tests.clients.reference_members import NOT_FOUND, THEN, compliance, subscribed, taken
from tests.clients.table import (
    ABSENT,
    LIST,
    Bare,
    Refused,
    Step,
    Table,
    entered,
    get,
    hash_of,
    lists,
    outside,
    person,
    post,
    put,
)


def event(email: str, gives: Any = None, **body: Any) -> Step:
    """Something that a member did."""
    return lists("create_list_member_event", hash_of(email), body, gives=gives)


EVENTS: Table = {
    "an event is recorded with its properties, and starts journeys": [
        subscribed("event@shop.test"),
        event("event@shop.test", name="lapsed", properties={"days": "90"}),
        entered("event@shop.test", "event lapsed"),
    ],
    "a muted event starts none": [
        event("event@shop.test", name="imported", is_syncing=True, occurred_at="2026-01-01T00:00:00+00:00"),
        entered("event@shop.test", "event lapsed"),
    ],
    "events are read back, the latest first": [
        lists(
            "get_list_member_events",
            hash_of("event@shop.test"),
            gives={
                "events": [
                    {"name": "imported", "occurred_at": "2026-01-01T00:00:00+00:00"},
                    {"name": "lapsed", "occurred_at": THEN, "properties": {"days": "90"}},
                ],
                "total_items": 2,
            },
        )
    ],
    "a name has 2 to 30 characters": [
        event("event@shop.test", Refused(400, "Invalid Resource"), name=name) for name in ("x", "x" * 31)
    ],
    "a property is a text": [
        event("event@shop.test", Refused(400, "Invalid Resource"), name="lapsed", properties={"days": 90})
    ],
    "nobody's event: 404": [event("nobody@shop.test", NOT_FOUND, name="lapsed")],
}


NOTED = hash_of("event@shop.test")

ACTIVITY: Table = {
    "a note is written, changed, listed and deleted": [
        lists("create_list_member_note", NOTED, {"note": "likes jazz"}, keep="note", gives={"note": "likes jazz"}),
        lists("update_list_member_note", NOTED, "{note.id}", {"note": "likes folk"}, gives={"note": "likes folk"}),
        lists("get_list_member_notes", NOTED, gives={"notes": [{"id": "{note.id}", "note": "likes folk"}]}),
        lists("delete_list_member_note", NOTED, "{note.id}"),
        lists("get_list_member_note", NOTED, "{note.id}", gives=NOT_FOUND),
    ],
    "the activity feed tells events and the opt-in, and those kinds only that are asked for": [
        lists(
            "get_list_member_activity_feed",
            NOTED,
            gives={
                "activity": [
                    {"activity_type": "event", "event_name": "lapsed"},
                    {"activity_type": "generic_signup", "created_at_timestamp": THEN},
                    {"activity_type": "event", "event_name": "imported"},
                ]
            },
        ),
        lists("get_list_member_activity_feed", NOTED, activity_filters=["open", "click"], gives={"activity": []}),
    ],
    "the older activity knows no events": [
        lists("get_list_member_activity", NOTED, gives={"activity": [], "total_items": 0}),
        person("event@shop.test", status="unsubscribed"),
        lists("get_list_member_activity", NOTED, gives={"activity": [{"action": "unsub", "timestamp": THEN}]}),
    ],
    "rates of opening and clicking stand in the member": [
        get("event@shop.test", {"stats": {"avg_open_rate": 0.0, "avg_click_rate": 0.0}, "member_rating": 2})
    ],
}


def trigger(email: str, gives: Any = None, journey: int = 12) -> Step:
    """An address is put into a journey."""
    return Step("customerJourneys.trigger", (journey, 34, {"email_address": email}), gives)


JOURNEYS: Table = {
    "a member enters at the step": [
        subscribed("journey@shop.test"),
        trigger("journey@shop.test"),
        entered("journey@shop.test", "api 12/34"),
    ],
    "a contact passes once": [trigger("journey@shop.test"), entered("journey@shop.test", "api 12/34")],
    "whoever is no member does not enter": [trigger("nobody@shop.test", NOT_FOUND)],
}


def operation(method: str, path: str, body: Any = None, **more: Any) -> dict[str, Any]:
    """One operation of a batch; its body is JSON in a text."""
    written = {"body": json.dumps(body)} if body is not None else {}
    return {"method": method, "path": path, **written, **more}


TAGGED = {"tags": [{"name": "batch", "status": "active"}], "is_syncing": True}
NEW = {"email_address": "new@shop.test", "status": "subscribed"}
MEMBERS = f"/lists/{LIST}/members"
OPERATIONS = [
    operation("POST", f"{MEMBERS}/{hash_of('batched@shop.test')}/tags", TAGGED, operation_id="tagged"),
    operation("POST", f"{MEMBERS}/{hash_of('nobody@shop.test')}/tags", TAGGED, operation_id="stranger"),
    operation("POST", MEMBERS.lstrip("/"), NEW, operation_id="no slash"),
    operation("GET", MEMBERS, params={"count": 1, "fields": "members.status"}, operation_id="page"),
    {"method": "PUT", "path": f"{MEMBERS}/x", "body": "{", "operation_id": "broken"},
]

BATCHES: Table = {
    "a batch is handed in and waits": [
        subscribed("batched@shop.test"),
        Step(
            "batches.start",
            ({"operations": OPERATIONS},),
            {"status": "pending", "total_operations": 5, "finished_operations": 0, "response_body_url": ""},
            keep="batch",
        ),
    ],
    "its archive has a result for each operation, in no order": [
        Step(
            "results",
            ("{batch.id}",),
            {
                "batch": {
                    "status": "finished",
                    "finished_operations": 5,
                    "errored_operations": 2,
                    "completed_at": THEN,
                },
                "results": {
                    "tagged": {"status_code": 204, "response": ""},
                    "stranger": {"status_code": 404},
                    "no slash": {"status_code": 200},
                    "page": {"status_code": 200, "response": '{"members":[{"status":"subscribed"}]}'},
                    "broken": {"status_code": 400},
                },
            },
        )
    ],
    "what it did is done, and muted tags started nothing": [
        get("batched@shop.test", {"tags": [{"name": "batch"}]}),
        entered("batched@shop.test"),
    ],
    "batches are listed": [Step("batches.list", (), {"batches": [{"id": "{batch.id}"}], "total_items": 1})],
    "a body is a text, not an object": [
        Step(
            "batches.start",
            ({"operations": [{"method": "POST", "path": MEMBERS, "body": NEW}]},),
            Refused(400, "Invalid Resource"),
        )
    ],
    "a thousand operations are the limit": [
        Step(
            "batches.start",
            ({"operations": [{"method": "GET", "path": "/ping"}] * 1001},),
            Refused(400, "Invalid Resource"),
        )
    ],
    "a batch that was deleted is unknown": [
        Step("batches.delete_request", ("{batch.id}",)),
        Step("batches.status", ("{batch.id}",), NOT_FOUND),
    ],
}


NOT_WORKING = "We couldn't verify the URL is working. Please double check and try again. HTTP Code: 404"
ONE_URL = "Sorry, you can't set up multiple WebHooks for one URL"


def no_webhook(message: str) -> Refused:
    """A webhook that is not made."""
    return Refused(400, "Invalid Resource", errors=({"field": "url", "message": message},))


WEBHOOKS: Table = {
    "created after a look at the address, told of what it names and of nothing else": [
        lists(
            "create_list_webhook",
            {
                "url": "{sandbox.control}/?key=1",
                "events": {"unsubscribe": True},
                "sources": {"user": True, "admin": True},
            },
            keep="hook",
            gives={
                "url": "{sandbox.control}/?key=1",
                "events": {"subscribe": False, "unsubscribe": True, "upemail": False},
                "sources": {"user": True, "admin": True, "api": False},
                "signing_secret": ABSENT,
            },
        )
    ],
    "an address that does not answer is refused": [
        lists("create_list_webhook", {"url": "{sandbox.control}/nowhere"}, gives=no_webhook(NOT_WORKING))
    ],
    "an address that differs in its query only is refused": [
        lists("create_list_webhook", {"url": "{sandbox.control}/?key=2"}, gives=no_webhook(ONE_URL))
    ],
    "PATCH changes what it names": [
        lists(
            "update_list_webhook",
            "{hook.id}",
            {"events": {"cleaned": True}},
            gives={"events": {"unsubscribe": True, "cleaned": True}, "sources": {"api": False}},
        )
    ],
    "the list of webhooks comes whole": [
        lists("get_list_webhooks", gives={"webhooks": [{"id": "{hook.id}"}], "total_items": 1}),
    ],
    "deleted, and then unknown": [
        lists("delete_list_webhook", "{hook.id}"),
        lists("get_list_webhook", "{hook.id}", gives=NOT_FOUND),
    ],
}


def planted(status: int, title: str = "", detail: str = "", *, html: bool = False) -> Step:
    """The next call is answered so, whatever it is."""
    problem = {"type": "about:blank", "title": title, "status": status, "detail": detail, "instance": "1"}
    answers = {
        True: ("text/html", "<html><body>Access Denied</body></html>"),
        False: ("application/problem+json; charset=utf-8", json.dumps(problem)),
    }
    kind, body = answers[html] if title or html else ("", "")
    headers = {"Content-Type": kind} if kind else {}
    fault = {"kind": "status", "service": "mailchimp", "status": status, "headers": headers, "body": body, "count": 1}
    return outside("/faults", [fault])


def seen(status: int, title: str, detail: str) -> list[Step]:
    """A call that is refused in these words."""
    return [planted(status, title, detail), Step("ping.get", gives=Refused(status, title, detail))]


OVERLISTED = "has signed up to a lot of lists very recently; we're not allowing more signups for now."

ERRORS: Table = {
    "400 Invalid Resource: please provide a valid email address": [
        post(
            {"email_address": "a,b@shop.test", "status": "subscribed"},
            Refused(400, "Invalid Resource", "Please provide a valid email address."),
        )
    ],
    "400 Invalid Resource: looks fake or invalid": [
        post(
            {"email_address": "a@gmil.com", "status": "subscribed"},
            Refused(400, "Invalid Resource", "a@gmil.com looks fake or invalid, please enter a real email address."),
        )
    ],
    "400 Invalid Resource: signed up to a lot of lists": seen(400, "Invalid Resource", f"a@shop.test {OVERLISTED}"),
    "400 Member Exists has no type": [
        subscribed("error@shop.test"),
        post({"email_address": "error@shop.test", "status": "subscribed"}, taken("error@shop.test")),
    ],
    "400 Member In Compliance State has no type": [
        person("error@shop.test", status="unsubscribed"),
        put("error@shop.test", {"status": "subscribed"}, compliance("error@shop.test")),
    ],
    "401 API Key Missing": [Step("ping.get", gives=Refused(401, "API Key Missing"), key=None)],
    "401 API Key Invalid": [Step("ping.get", gives=Refused(401, "API Key Invalid"), key="other-us1")],
    "403 with JSON: Forbidden": seen(403, "Forbidden", "You do not have permission to do that."),
    "403 with JSON: User Disabled": seen(403, "User Disabled", "This account has been deactivated."),
    "403 with JSON: Wrong Datacenter": seen(403, "Wrong Datacenter", "The API key is for another datacenter."),
    "403 without JSON is the network in front": [planted(403, html=True), Step("ping.get", gives=Bare(403))],
    "404 Resource Not Found": [lists("get_segment", "1", gives=NOT_FOUND)],
    "405 Method Not Allowed": [lists("delete_list", gives=Refused(405, "Method Not Allowed"))],
    "414": seen(414, "Request-URI Too Long", "The address is too long."),
    "422": seen(422, "RequestedFieldsInvalid", "One or more of the requested fields are invalid."),
    "426": seen(426, "Upgrade Required", "Use TLS 1.2."),
    "429 in words": seen(429, "Too Many Requests", "You have exceeded the limit of 10 simultaneous connections."),
    "429 without a body": [planted(429), Step("ping.get", gives=Bare(429))],
    "500": seen(
        500, "InternalServerError", "A deep, internal error has occurred during the processing of your request."
    ),
    "502 without a body": [planted(502), Step("ping.get", gives=Bare(502))],
    "503 ComplianceRelated": seen(503, "ComplianceRelated", "This method has been disabled."),
    "503 without JSON": [planted(503, html=True), Step("ping.get", gives=Bare(503))],
    "504 without a body": [planted(504), Step("ping.get", gives=Bare(504))],
}
