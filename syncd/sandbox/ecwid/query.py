"""What an Ecwid search asks for. Pure. Source: docs.ecwid.com "Search orders", "Search customers"."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MAX_LIMIT = 100
_FLAGS = {"true": True, "false": False, "yes": True, "no": False, "on": True, "off": False, "1": True, "0": False}
# The fields that `responseFields` keeps; None keeps all of a value.
Fields = dict[str, "Fields | None"]


class BadParameter(Exception):
    """A parameter has a value that it cannot have; the message is the answer."""


def whole(params: Mapping[str, str], name: str, default: int, low: int = 0, high: int | None = None) -> int:
    """The parameter as a number; above `high` it is `high`. Raises: BadParameter."""
    text = params.get(name)
    if text is None or text == "":
        return default
    if not re.fullmatch(r"\d{1,12}", text, re.ASCII) or int(text) < low:
        raise BadParameter(f"Wrong value of parameter '{name}'")
    return int(text) if high is None else min(int(text), high)


def flag(params: Mapping[str, str], name: str, *, default: bool) -> bool:
    """The parameter as yes or no. Raises: BadParameter."""
    text = params.get(name, "").lower()
    if text and text not in _FLAGS:
        raise BadParameter(f"Wrong parameter '{name}' value: expected one of {', '.join(map(repr, _FLAGS))}")
    return _FLAGS[text] if text else default


def amount(params: Mapping[str, str], name: str, default: float) -> float:
    """The parameter as an amount of money. Raises: BadParameter."""
    text = params.get(name)
    if not text:
        return default
    if not re.fullmatch(r"\d{1,12}(\.\d{1,6})?", text, re.ASCII):
        raise BadParameter(f"Wrong value of parameter '{name}'")
    return float(text)


def numbers(params: Mapping[str, str], name: str) -> set[int]:
    """The parameter as numbers with commas between them. Raises: BadParameter."""
    text = params.get(name, "")
    if not re.fullmatch(r"(\d{1,12}(,\d{1,12})*)?", text, re.ASCII):
        raise BadParameter(f"Wrong value of parameter '{name}'")
    return {int(each) for each in text.split(",") if each}


def instant(params: Mapping[str, str], name: str) -> int | None:
    """The parameter as UTC seconds: a Unix time, or a date and time, in UTC where it names no offset.

    Raises: BadParameter.
    """
    text = params.get(name)
    if not text:
        return None
    if re.fullmatch(r"\d{1,12}", text, re.ASCII):
        return int(text)
    for form in ("%Y-%m-%d %H:%M:%S %z", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d"):
        try:
            when = datetime.strptime(text, form)  # noqa: DTZ007 (a missing zone is UTC, below)
        except ValueError:
            continue
        return int((when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp())
    raise BadParameter(f"Wrong value of parameter '{name}'")


def response_fields(text: str | None) -> Fields | None:
    """`total,items(id,items(name))` as a tree. Raises: BadParameter."""
    if not text:
        return None
    return _level(iter([*re.findall(r"[A-Za-z0-9_]+|[(),]", text), ""]))


def _level(words: Iterator[str]) -> Fields:
    fields: Fields = {}
    name = ""
    for word in words:
        if word == "(" and name:
            fields[name] = _level(words)
        elif word in (")", ""):
            return fields
        elif word != ",":
            name = word
            fields[name] = None
    raise BadParameter("Wrong value of parameter 'responseFields'")


def prune(value: Any, fields: Fields | None) -> Any:
    """`value` with nothing but `fields`."""
    if fields is None:
        return value
    if isinstance(value, list):
        return [prune(each, fields) for each in value]
    if isinstance(value, dict):
        return {name: prune(value[name], inner) for name, inner in fields.items() if name in value}
    return value
