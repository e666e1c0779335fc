"""Merge fields: the budget, the types, and what each type takes as a value. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from msgspec import UNSET

from syncd.sandbox.audience.problems import Problem, invalid, not_found, required

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from syncd.sandbox.audience.switches import Switches
    from syncd.sandbox.audience.writes import FieldWrite

Value = str | int | float | dict[str, str]

TAG_LENGTH = 10
TEXT_BYTES = 255
# What a new audience has; all of it may be edited or deleted.
SHIPPED = (("FNAME", "First Name", "text"), ("LNAME", "Last Name", "text"), ("ADDRESS", "Address", "address"))
NO_SCHEMA = "Data did not match any of the schemas described in anyOf."
# Messages come in the audience's language; titles and details stay English.
GERMAN = {
    "Please enter a value": "Bitte gib einen Wert ein.",
    "Please enter a number": "Bitte gib eine Zahl ein.",
    "Please enter a valid date": "Bitte gib ein gültiges Datum ein.",
    "Please enter a month (01-12) and a day (01-31)": "Bitte gib einen Monat (01-12) und einen Tag (01-31) ein.",
    "Please enter a complete address": "Bitte gib eine vollständige Adresse ein.",
    "Please enter a valid URL": "Bitte gib eine gültige URL ein.",
}


@dataclass(slots=True, eq=False)
class MergeField:
    """One field of the audience; `tag` is its name in `merge_fields`."""

    merge_id: int
    tag: str
    name: str
    type: str
    required: bool = False
    default_value: str = ""
    public: bool = False
    display_order: int = 0
    help_text: str = ""
    choices: tuple[str, ...] = ()
    date_format: str = "MM/DD/YYYY"
    phone_format: str = "none"
    default_country: int = 164
    size: int = 25


class MergeFields:
    """The fields of an audience. The address itself (EMAIL) is no field here and costs nothing of the budget."""

    def __init__(self, switches: Switches) -> None:
        self._switches = switches
        self._by_id: dict[int, MergeField] = {}
        self._by_tag: dict[str, MergeField] = {}
        self._next_id = 1
        for tag, name, kind in (*SHIPPED, ("PHONE", "Phone Number", "phone")):
            self._insert(tag, name, kind)

    def __iter__(self) -> Iterator[MergeField]:
        return iter(self._by_id.values())

    def __len__(self) -> int:
        return len(self._by_id)

    def get(self, merge_id: str) -> MergeField:
        """The field with this id. Raises: Problem 404."""
        found = self._by_id.get(int(merge_id)) if merge_id.isdecimal() else None
        if found is None:
            raise not_found()
        return found

    def create(self, write: FieldWrite) -> MergeField:
        """Afterwards the field exists. Raises: Problem for a spent budget, a taken or unusable tag."""
        if write.name is UNSET or write.type is UNSET:
            raise required("name" if write.name is UNSET else "type")
        if len(self._by_id) >= self._switches.merge_field_limit:
            detail = f"This list already has the maximum of {self._switches.merge_field_limit} merge fields."
            raise Problem(400, "Merge Max Limit Exceeded", detail)
        tag = self._free_tag(write.tag or f"MMERGE{self._next_id}")
        created = self._insert(tag, write.name, write.type)
        self._apply(created, write)
        return created

    def change(self, merge_id: str, write: FieldWrite) -> MergeField:
        """Afterwards the field is as `write` says, but for its type. Raises: Problem."""
        found = self.get(merge_id)
        if write.tag and write.tag.upper() != found.tag:
            tag = self._free_tag(write.tag)
            del self._by_tag[found.tag]
            found.tag = tag
            self._by_tag[tag] = found
        self._apply(found, write)
        return found

    def delete(self, merge_id: str) -> None:
        """Afterwards the field is gone, and with it the values of all members. Raises: Problem 404."""
        found = self.get(merge_id)
        del self._by_id[found.merge_id], self._by_tag[found.tag]

    def check(self, given: Mapping[str, Any]) -> dict[int, Value]:
        """The values to store, by field id; "" clears. Unknown tags are left out without a word.

        Raises: Problem that names every unusable field.
        """
        unusable = [tag for tag, value in given.items() if isinstance(value, bool | list) or value is None]
        if unusable:
            raise invalid(*((f"merge_fields.{tag}", NO_SCHEMA) for tag in unusable))
        values: dict[int, Value] = {}
        errors = []
        for tag, value in given.items():
            if found := self._by_tag.get(tag):
                try:
                    values[found.merge_id] = "" if value == "" else self._read(found, value)
                except ValueError as error:
                    errors.append((tag, str(error)))
        self._refuse(errors)
        return values

    def check_required(self, values: Mapping[int, Value]) -> None:
        """Raises: Problem where a required field has no value."""
        missing = [each.tag for each in self if each.required and values.get(each.merge_id, "") == ""]
        self._refuse([(tag, "Please enter a value") for tag in missing])

    def shown(self, values: Mapping[int, Value]) -> dict[str, Value]:
        """A member's `merge_fields`: every field of the audience, "" where unset."""
        return {tag: values.get(each.merge_id, "") for tag, each in self._by_tag.items()}

    def set_of(self, values: Mapping[int, Value]) -> dict[str, Value]:
        """Only the fields that have a value."""
        return {tag: values[each.merge_id] for tag, each in self._by_tag.items() if each.merge_id in values}

    def tag_of(self, merge_id: int) -> str:
        """The tag of a field that exists."""
        return self._by_id[merge_id].tag

    def stored(self, values: Mapping[str, Value]) -> dict[int, Value]:
        """Values by tag as a member stores them, unchecked; a tag that does not exist becomes a fitting field."""
        return {self._of(tag, value).merge_id: value for tag, value in values.items() if value != ""}

    def _of(self, tag: str, value: Value) -> MergeField:
        kind = "text" if isinstance(value, str) else "address" if isinstance(value, dict) else "number"
        return self._by_tag.get(tag) or self._insert(tag, tag, kind)

    def _insert(self, tag: str, name: str, kind: str) -> MergeField:
        created = MergeField(self._next_id, tag, name, kind, display_order=self._next_id + 1)
        self._next_id += 1
        self._by_id[created.merge_id] = self._by_tag[tag] = created
        return created

    def _free_tag(self, tag: str) -> str:
        tag = tag.upper()
        if self._switches.cut_long_merge_tags:
            tag = tag[:TAG_LENGTH]
        if not re.fullmatch(rf"[A-Z0-9_]{{1,{TAG_LENGTH}}}", tag):
            raise invalid(("tag", f"Merge tags are at most {TAG_LENGTH} characters: A-Z, 0-9 and _"))
        if tag in self._by_tag or tag == "EMAIL":
            raise Problem(400, "Bad Request", f'A Merge Field with the tag "{tag}" already exists for this list.')
        return tag

    def _apply(self, found: MergeField, write: FieldWrite) -> None:
        for name in ("name", "required", "default_value", "public", "display_order", "help_text"):
            if (value := getattr(write, name)) is not UNSET:
                setattr(found, name, value)
        for name in write.options.__struct_fields__:
            if (value := getattr(write.options, name)) is not UNSET:
                setattr(found, name, value)

    def _read(self, found: MergeField, value: Any) -> Value:
        read = READERS.get(found.type, _text)(found, value)
        if isinstance(read, str) and len(read.encode()) > TEXT_BYTES:
            if not self._switches.cut_long_text:
                raise ValueError(f"Please enter a value of at most {TEXT_BYTES} characters")
            return read.encode()[:TEXT_BYTES].decode(errors="ignore")
        return read

    def _refuse(self, errors: list[tuple[str, str]]) -> None:
        if errors:
            german = self._switches.language == "de"
            told = [(tag, GERMAN.get(message, message) if german else message) for tag, message in errors]
            raise invalid(*told, detail="Your merge fields were invalid.")


def _text(_: MergeField, value: Any) -> Value:
    if isinstance(value, dict):
        raise ValueError("Please enter a value")
    return str(value)


def _number(_: MergeField, value: Any) -> Value:
    if isinstance(value, int | float):
        return value
    if isinstance(value, str) and re.fullmatch(r"-?\d+(\.\d+)?", value.strip()):
        return float(value) if "." in value else int(value)
    raise ValueError("Please enter a number")


def _date(found: MergeField, value: Any) -> Value:
    text = str(value)
    if parts := re.fullmatch(r"(\d\d)/(\d\d)/(\d{4})", text):
        month, day = (1, 2) if found.date_format.startswith("MM") else (2, 1)
        text = f"{parts[3]}-{parts[month]}-{parts[day]}"
    if not _is_date(text[:10]):
        raise ValueError("Please enter a valid date")
    return text[:10]


def _birthday(_: MergeField, value: Any) -> Value:
    text = str(value)
    # 2000 is a leap year: 02/29 is a birthday.
    if not (re.fullmatch(r"\d\d/\d\d", text) and _is_date(f"2000-{text.replace('/', '-')}")):
        raise ValueError("Please enter a month (01-12) and a day (01-31)")
    return text


def _is_date(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return bool(re.fullmatch(r"\d{4}-\d\d-\d\d", text))


def _address(_: MergeField, value: Any) -> Value:
    parts = ("addr1", "city", "state", "zip")
    if not isinstance(value, dict) or not all(isinstance(value.get(part), str) and value[part] for part in parts):
        raise ValueError("Please enter a complete address")
    return {name: str(value.get(name, "")) for name in ("addr1", "addr2", "city", "state", "zip", "country")}


def _choice(found: MergeField, value: Any) -> Value:
    if value not in found.choices:
        raise ValueError(f"Value must be one of: {', '.join(found.choices)} (not {value})")
    return str(value)


def _url(_: MergeField, value: Any) -> Value:
    if not re.match(r"https?://[^\s/]+", str(value)):
        raise ValueError("Please enter a valid URL")
    return str(value)


READERS: dict[str, Callable[[MergeField, Any], Value]] = {
    "number": _number,
    "date": _date,
    "birthday": _birthday,
    "address": _address,
    "dropdown": _choice,
    "radio": _choice,
    "url": _url,
    "imageurl": _url,
}
