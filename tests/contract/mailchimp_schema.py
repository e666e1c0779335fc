"""The published schema of Mailchimp's API as something to check with: operations by path, and what each may say.

Knows schemas; knows nothing of HTTP and of the sandbox. Formats are not checked, as real replies write "" for
a time that is not set. Objects are closed: a name that the schema does not list is a fault, or it would take
any misspelling.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from functools import cache, cached_property
from typing import Any

import fastjsonschema

from syncd.sandbox.mailchimp.operations import OPERATIONS
from tests.contract.derive_schema import COMPACT, PUBLISHED, Schema, derive, expanded, read

Check = Callable[[Any], str]

DRAFT = "http://json-schema.org/draft-04/schema#"

# Real problem documents of these titles come without `type` (recorded).
UNTYPED = ("Member Exists", "Member In Compliance State", "Forgotten Email Not Subscribed")
# What real problem documents have beside the published names (recorded).
ERRORS = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["field", "message"],
        "properties": {"field": {"type": "string"}, "message": {"type": "string"}},
    },
}

# Requests that the service takes although the schema forbids them (recorded, or told in its release notes).
# The tests may send them; syncd does not.
TAKEN_ALL_THE_SAME: Mapping[str, Callable[[Schema], Schema]] = {
    "PUT /lists/{list_id}/members/{subscriber_hash}": lambda body: _optional(body),
    "POST /lists/{list_id}": lambda body: _with_tags(body),
}


class Operation:
    """One operation. Every check gives the fault that it found, and "" where there is none."""

    def __init__(self, name: str, schema: Schema) -> None:
        self.name = name
        self.query: Mapping[str, Schema] = schema["query"]
        self.takes_body = "body" in schema
        self.statuses = {int(status) for status in schema["replies"] if status != "default"}
        self._schema = schema

    @cached_property
    def check_body(self) -> Check:
        """Checks the body of a request."""
        return compiled(self._schema["body"])

    @cached_property
    def check_body_of_others(self) -> Check:
        """As `check_body`, for those who may send what the service takes all the same."""
        change = TAKEN_ALL_THE_SAME.get(self.name)
        return compiled(change(self._schema["body"])) if change else self.check_body

    @cached_property
    def check_reply(self) -> Check:
        """Checks the body of a success."""
        return compiled(self._schema["replies"]["200"])

    @cached_property
    def check_part(self) -> Check:
        """As `check_reply`, for a reply of which the request asked only a part."""
        return compiled(_optional(self._schema["replies"]["200"]))

    @cached_property
    def check_problem(self) -> Check:
        """Checks the body of a refusal."""
        schema = self._schema["replies"]["default"]
        typed = compiled({**schema, "properties": {**schema["properties"], "errors": ERRORS}})

        def check(problem: Any) -> str:
            if isinstance(problem, dict) and problem.get("title") in UNTYPED:
                problem = {"type": "", **problem}
            return typed(problem)

        return check


class Published:
    """The operations, found by method and path."""

    def __init__(self, operations: Schema) -> None:
        self._by_length: dict[tuple[str, int], list[tuple[list[str], Operation]]] = {}
        for name, schema in operations.items():
            method, path = name.split(" ")
            words = path.split("/")
            self._by_length.setdefault((method, len(words)), []).append((words, Operation(name, schema)))
        for candidates in self._by_length.values():
            # Literal words first: `/lists/x/members/y` is no `/lists/x/{anything}/y`.
            candidates.sort(key=lambda each: [word.startswith("{") for word in each[0]])

    def find(self, method: str, path: str) -> Operation | None:
        """The operation that this request is about; `path` is still percent-encoded and without the version."""
        words = (path.rstrip("/") or "/").split("/")
        for pattern, operation in self._by_length.get((method, len(words)), ()):
            if all(one == other or one.startswith("{") for one, other in zip(pattern, words, strict=True)):
                return operation
        return None


@cache
def published() -> Published:
    """The schema of the operations that the sandbox serves: the published one where it is at hand."""
    compact = derive(read(PUBLISHED), OPERATIONS) if PUBLISHED.exists() else read(COMPACT)
    return Published(expanded(compact))


def check_query(query: Iterable[tuple[str, str]], known: Mapping[str, Schema]) -> Iterable[str]:
    """The faults of a query string, decoded; booleans in any case, as the official clients write them."""
    for name, text in query:
        schema = known.get(name)
        if schema is None:
            yield f"query.{name} is unknown"
        elif fault := _check_text(text, schema):
            yield f"query.{name} {fault}"


def _check_text(text: str, schema: Schema) -> str:
    kind = schema.get("type")
    if kind == "boolean" and text.lower() not in ("true", "false"):
        return "must be boolean"
    if kind == "integer" and not (text.isdecimal() and int(text) <= schema.get("maximum", int(text))):
        return f"must be an integer up to {schema.get('maximum', 'any')}"
    if "enum" in schema and text not in schema["enum"]:
        return f"must be one of {schema['enum']}"
    if kind == "array" and not all(text.split(",")):
        return "must be a list of names with commas between"
    return ""


def _with_tags(body: Schema) -> Schema:
    """Batch subscribe takes names of tags with each member since 2022."""
    tags = {"type": "array", "items": {"type": "string"}}
    members = body["properties"]["members"]
    item = {**members["items"], "properties": {**members["items"]["properties"], "tags": tags}}
    return {**body, "properties": {**body["properties"], "members": {**members, "items": item}}}


def compiled(schema: Schema) -> Check:
    """A check of this schema, its objects closed."""
    return _compiled(json.dumps(_closed(schema)))


@cache
def _compiled(schema: str) -> Check:
    # Compiling takes longer than most checks, and many operations share what they refuse with.
    draft = {"$schema": DRAFT, **json.loads(schema)}
    validate = fastjsonschema.compile(draft, use_formats=False, use_default=False)

    def check(document: Any) -> str:
        try:
            validate(document)
        except fastjsonschema.JsonSchemaValueException as fault:
            return str(fault.message)
        return ""

    return check


def _closed(schema: Schema) -> Schema:
    closed = _each_schema(schema, _closed)
    return {"additionalProperties": False, **closed} if "properties" in closed else closed


def _optional(schema: Schema) -> Schema:
    return {key: value for key, value in _each_schema(schema, _optional).items() if key != "required"}


def _each_schema(schema: Schema, change: Callable[[Schema], Schema]) -> Schema:
    """`schema` with `change` applied to the schemas right below it."""
    changed = dict(schema)
    if "properties" in schema:
        changed["properties"] = {name: change(each) for name, each in schema["properties"].items()}
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            changed[key] = change(schema[key])
    return changed
