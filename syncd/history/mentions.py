"""Whom a record names that could not be read: the addresses in it, and the shop's ids of customers. Pure."""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

from syncd.model import email_key

# What looks like an address, in a text that is no JSON.
_ADDRESS = re.compile(r"[^\s\"'<>(),;:\\]+@[^\s\"'<>(),;:\\]+")
_ID_KEYS = frozenset({"customer_id", "customerId"})


class Mentions(NamedTuple):
    """E-mail keys, and ids as the shop's customers have them."""

    keys: frozenset[str]
    ids: frozenset[str]


def mentions(raw: bytes) -> Mentions:
    """Whom the record names, as far as it shows."""
    text = raw.decode("utf-8", "replace")
    try:
        # A name may stand twice in an object, and each of its values may be somebody.
        document = json.loads(text[text.index("{") :], object_pairs_hook=tuple)
    except (ValueError, RecursionError):
        return Mentions(_keys(_ADDRESS.findall(text)), frozenset())
    texts: list[str] = []
    ids: set[str] = set()
    waiting: list[tuple[str, Any]] = [("", document)]
    while waiting:
        name, value = waiting.pop()
        if isinstance(value, tuple):
            waiting += value
            if name == "customer":
                ids |= {_bare(id_) for key, id_ in value if key == "id" and id_ is not None}
        elif isinstance(value, list):
            waiting += ((name, each) for each in value)
        elif name in _ID_KEYS and value is not None:
            ids.add(_bare(value))
        elif isinstance(value, str) and "@" in value:
            texts += _ADDRESS.findall(value)
    return Mentions(_keys(texts), frozenset(ids))


def _keys(texts: list[str]) -> frozenset[str]:
    return frozenset(filter(None, map(email_key, texts)))


def _bare(id_: object) -> str:
    """Shopify's `gid://shopify/Customer/7` is 7."""
    return str(id_).rpartition("/")[2]
