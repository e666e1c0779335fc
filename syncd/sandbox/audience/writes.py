"""What a client may ask of an audience: the bodies of the API as typed values. Pure."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import UNSET, Struct, UnsetType

WritableStatus = Literal["subscribed", "unsubscribed", "cleaned", "pending", "transactional"]


class MemberWrite(Struct, frozen=True, kw_only=True):
    """The body of PUT, PATCH and POST for one member; what is unset stays as it is."""

    email_address: str | UnsetType = UNSET
    status: WritableStatus | UnsetType = UNSET
    status_if_new: WritableStatus | UnsetType = UNSET
    merge_fields: dict[str, Any] = {}
    tags: tuple[str, ...] = ()
    language: str | UnsetType = UNSET
    vip: bool | UnsetType = UNSET
    timestamp_signup: str | UnsetType = UNSET
    timestamp_opt: str | UnsetType = UNSET


class TagWrite(Struct, frozen=True):
    """One tag of one member, to be made active or inactive."""

    name: str
    status: Literal["active", "inactive"]


class TagsWrite(Struct, frozen=True):
    """The tags of one member; `is_syncing`: no automation that waits for them starts."""

    tags: tuple[TagWrite, ...]
    is_syncing: bool = False


class EventWrite(Struct, frozen=True):
    """Something that a member did."""

    name: str
    properties: dict[str, str] = {}
    is_syncing: bool = False
    occurred_at: str | UnsetType = UNSET


class SubscribeWrite(Struct, frozen=True):
    """A batch of members to subscribe. There is no `status_if_new` here: `status` is written on existing members."""

    members: tuple[MemberWrite, ...]
    update_existing: bool = False
    sync_tags: bool = False


class SegmentWrite(Struct, frozen=True):
    """A segment: `static_segment` makes it a tag, `options` a saved one."""

    name: str | UnsetType = UNSET
    static_segment: tuple[str, ...] | UnsetType = UNSET
    options: dict[str, Any] | UnsetType = UNSET


class SegmentBatch(Struct, frozen=True):
    """Addresses (not hashes) to put into a static segment and to take out of it."""

    members_to_add: tuple[str, ...] = ()
    members_to_remove: tuple[str, ...] = ()


class WebhookWrite(Struct, frozen=True):
    """An address to be told of these events by these doings."""

    url: str | UnsetType = UNSET
    events: dict[str, bool] = {}
    sources: dict[str, bool] = {}


class NoteWrite(Struct, frozen=True):
    """Something to remember about a member."""

    note: str | UnsetType = UNSET


class FieldOptions(Struct, frozen=True):
    """What depends on the type of a merge field."""

    choices: tuple[str, ...] | UnsetType = UNSET
    date_format: str | UnsetType = UNSET
    phone_format: str | UnsetType = UNSET
    default_country: int | UnsetType = UNSET
    size: int | UnsetType = UNSET


FieldType = Literal[
    "text", "number", "address", "phone", "date", "url", "imageurl", "radio", "dropdown", "birthday", "zip"
]


class FieldWrite(Struct, frozen=True):
    """A merge field to create or change; the type of an existing one never changes."""

    name: str | UnsetType = UNSET
    type: FieldType | UnsetType = UNSET
    tag: str | UnsetType = UNSET
    required: bool | UnsetType = UNSET
    default_value: str | UnsetType = UNSET
    public: bool | UnsetType = UNSET
    display_order: int | UnsetType = UNSET
    help_text: str | UnsetType = UNSET
    options: FieldOptions = FieldOptions()
