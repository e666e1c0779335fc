"""Derives the compact schema from the published one: only the operations that the sandbox serves, only structure.

Of each schema it keeps types, names, what is required, enumerations, items and limits, and writes down once
what occurs more than once. Knows the published file and the sandbox's table of operations; judges nothing.

Run it when the sandbox serves a new operation: `python -m tests.contract.derive_schema`
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from syncd.sandbox.mailchimp.operations import OPERATIONS

Schema = dict[str, Any]

PUBLISHED = Path(__file__).parents[2].parent / "shared" / "spec" / "mailchimp-marketing-3.0.90.swagger2.json"
COMPACT = Path(__file__).parent / "mailchimp-3.0.90.json"

NOTICE = (
    "Derived from the Mailchimp Marketing API specification 3.0.90 by The Rocket Science Group LLC (Mailchimp), "
    "and changed: reduced to the structure of the operations that syncd's sandbox serves. "
    "Its licence is in LICENSE.mailchimp beside this file."
)
KEPT = (
    "type",
    "enum",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "pattern",
    "collectionFormat",
)
# A schema that is shorter than this is written where it stands, however often it occurs.
SHORT = 60


def derive(published: Schema, operations: Iterable[str]) -> Schema:
    """The compact schema of these operations, each named as `GET /lists/{list_id}`."""
    found = {}
    for name in sorted(operations):
        method, path = name.split(" ")
        found[name] = _operation(published["paths"][path][method.lower()])
    return {"notice": NOTICE, **_shared(found)}


def _operation(operation: Schema) -> Schema:
    parameters = operation.get("parameters", [])
    kept: Schema = {
        "query": {each["name"]: _structure(each) for each in parameters if each["in"] == "query"},
        "replies": {
            status: _structure(reply["schema"]) if "schema" in reply else None
            for status, reply in operation["responses"].items()
        },
    }
    for each in parameters:
        if each["in"] == "body":
            kept["body"] = _structure(each["schema"])
    return kept


def _structure(schema: Schema) -> Schema:
    """`schema` without prose, examples, formats and defaults."""
    kept = {key: schema[key] for key in KEPT if key in schema}
    # On a parameter the word is a flag, and false says nothing.
    if schema.get("required"):
        kept["required"] = schema["required"]
    if "properties" in schema:
        kept["properties"] = {name: _structure(each) for name, each in schema["properties"].items()}
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            kept[key] = _structure(schema[key])
        elif key in schema:
            kept[key] = schema[key]
    return kept


def _shared(operations: Schema) -> Schema:
    """`operations` with `{"$ref": …}` for each schema that occurs more than once, and these by name."""
    times: Counter[str] = Counter()

    def look(node: object) -> None:
        text = json.dumps(node, sort_keys=True)
        times[text] += 1
        # What is inside a schema that was met before is shared with it.
        if times[text] == 1:
            for each in _parts(node):
                look(each)

    names: dict[str, str] = {}
    definitions: Schema = {}

    def write(node: Any) -> Any:
        text = json.dumps(node, sort_keys=True)
        if not isinstance(node, dict) or "type" not in node or times[text] == 1 or len(text) < SHORT:
            return _each(node, write)
        if text not in names:
            names[text] = f"s{len(names) + 1}"
            definitions[names[text]] = _each(node, write)
        return {"$ref": names[text]}

    look(operations)
    return {"operations": write(operations), "definitions": definitions}


def _parts(node: object) -> Iterable[object]:
    return node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()


def _each(node: Any, change: Any) -> Any:
    if isinstance(node, dict):
        return {key: change(each) for key, each in node.items()}
    return [change(each) for each in node] if isinstance(node, list) else node


def expanded(compact: Schema) -> Schema:
    """The operations of a compact schema, with every reference followed."""
    definitions = compact["definitions"]

    def follow(node: Any) -> Any:
        return follow(definitions[node["$ref"]]) if isinstance(node, dict) and "$ref" in node else _each(node, follow)

    operations: Schema = follow(compact["operations"])
    return operations


def read(path: Path) -> Schema:
    """The schema in a file."""
    schema: Schema = json.loads(path.read_bytes())
    return schema


def text_of(compact: Schema) -> str:
    """The compact schema as its file holds it."""
    return json.dumps(compact, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    COMPACT.write_text(text_of(derive(read(PUBLISHED), OPERATIONS)), "utf-8")
