"""What the reference says about merge fields (§3.6)."""

from __future__ import annotations

from typing import Any

from tests.clients.reference_members import NOT_FOUND, subscribed
from tests.clients.table import ABSENT, Refused, Step, Table, get, lists, put

INVALID = "Your merge fields were invalid."
UNUSABLE = "Data did not match any of the schemas described in anyOf."


def field(tag: str, kind: str, **more: Any) -> Step:
    """A new merge field, which is kept under its tag."""
    body = {"name": tag, "tag": tag, "type": kind, **more}
    return lists("add_list_merge_field", body, keep=tag, gives={"tag": tag, "type": kind})


def value(given: Any, gives: Any = None) -> Step:
    """The merge fields of one member are written; `gives` are the values afterwards, or a refusal."""
    answer = gives if isinstance(gives, Refused) else {"merge_fields": given if gives is None else gives}
    return put("fields@shop.test", {"merge_fields": given}, answer)


def refused(tag: str, message: str) -> Refused:
    """A value that a field does not take."""
    return Refused(400, "Invalid Resource", INVALID, errors=({"field": tag, "message": message},))


def unusable(tag: str) -> Refused:
    """A value that no field takes."""
    return Refused(400, "Invalid Resource", errors=({"field": f"merge_fields.{tag}", "message": UNUSABLE},))


ROAD = {"addr1": "1 Road", "addr2": "", "city": "Ulm", "state": "BW", "zip": "89073", "country": "DE"}

MERGE_FIELDS: Table = {
    "a field has id, tag, name, type, options and more": [
        lists(
            "add_list_merge_field",
            {"name": "Size", "tag": "SIZE", "type": "dropdown", "options": {"choices": ["m", "w"]}, "help_text": "x"},
            keep="SIZE",
            gives={"tag": "SIZE", "required": False, "public": False, "options": {"choices": ["m", "w"]}},
        )
    ],
    "the address itself is no field": [
        lists(
            "get_list_merge_fields",
            fields=["merge_fields.tag"],
            gives={
                "merge_fields": [
                    {"tag": each} for each in ("FNAME", "LNAME", "ADDRESS", "PHONE", "BIRTHDAY", "LTV", "SIZE")
                ]
            },
        )
    ],
    "the type of a field never changes": [
        lists(
            "update_list_merge_field",
            "{SIZE.merge_id}",
            {"name": "Cut", "type": "text"},
            gives={"name": "Cut", "type": "dropdown", "tag": "SIZE"},
        )
    ],
    "a tag that is taken is refused": [
        lists(
            "add_list_merge_field",
            {"name": "Again", "tag": "size", "type": "text"},
            gives=Refused(400, "Bad Request", 'A Merge Field with the tag "SIZE" already exists for this list.'),
        )
    ],
    "a tag has at most ten characters, A-Z, 0-9 and _": [
        lists("add_list_merge_field", {"name": "x", "tag": tag, "type": "text"}, gives=Refused(400, "Invalid Resource"))
        for tag in ("ELEVENCHARS", "A-B")
    ],
    "a number comes back as a number, and is an empty text while unset": [
        subscribed("fields@shop.test"),
        get("fields@shop.test", {"merge_fields": {"LTV": ""}}),
        value({"LTV": 12.5}),
        value({"LTV": "7"}, {"LTV": 7}),
    ],
    "a date is YYYY-MM-DD, whatever its format": [
        field("SINCE", "date", options={"date_format": "MM/DD/YYYY"}),
        value({"SINCE": "1980-12-21"}),
        value({"SINCE": "12/22/1980"}, {"SINCE": "1980-12-22"}),
        value({"SINCE": "soon"}, refused("SINCE", "Please enter a valid date")),
    ],
    "a birthday is MM/DD, and 29 February is one": [
        field("DAY", "birthday"),
        value({"DAY": "02/29"}),
        value({"DAY": "13/01"}, refused("DAY", "Please enter a month (01-12) and a day (01-31)")),
    ],
    "an address is whole or refused": [
        value({"ADDRESS": ROAD}),
        value({"ADDRESS": {**ROAD, "city": ""}}, refused("ADDRESS", "Please enter a complete address")),
        value({"ADDRESS": ""}),
    ],
    "a dropdown takes its choices only": [
        value({"SIZE": "m"}),
        value({"SIZE": "z"}, refused("SIZE", "Value must be one of: m, w (not z)")),
    ],
    "an URL is one": [
        field("SITE", "url"),
        value({"SITE": "http://shop.test/"}),
        value({"SITE": "shop"}, refused("SITE", "Please enter a valid URL")),
    ],
    "a boolean, a null and an array are refused by name": [
        value({"FNAME": given}, unusable("FNAME")) for given in (True, None, ["a"])
    ],
    "more than 255 bytes of text are refused": [
        value({"FNAME": "é" * 127}),
        value({"FNAME": "é" * 128}, Refused(400, "Invalid Resource", INVALID)),
    ],
    "a required field that is missing is refused, unless validation is skipped": [
        field("MUST", "text", required=True),
        put(
            "must@shop.test",
            {"email_address": "must@shop.test", "status_if_new": "subscribed"},
            refused("MUST", "Please enter a value"),
        ),
        put(
            "must@shop.test",
            {"email_address": "must@shop.test", "status_if_new": "subscribed"},
            {"status": "subscribed"},
            skip_merge_validation=True,
        ),
        lists("delete_list_merge_field", "{MUST.merge_id}"),
    ],
    "a deleted field takes its values with it": [
        lists("delete_list_merge_field", "{SITE.merge_id}"),
        get("fields@shop.test", {"merge_fields": {"SITE": ABSENT}}),
        lists("get_list_merge_field", "{SITE.merge_id}", gives=NOT_FOUND),
    ],
    "the thirty-first field is refused": [
        *(field(f"F{number:02}", "text") for number in range(21)),
        lists(
            "add_list_merge_field",
            {"name": "x", "tag": "MORE", "type": "text"},
            gives=Refused(400, "Merge Max Limit Exceeded"),
        ),
    ],
}
