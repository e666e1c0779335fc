"""The judge: listens to the sandbox's Mailchimp and holds every exchange against the published schema.

Judged are the query and the body of each request, each answer with its headers, and the same for the operations
inside a batch, whose answers are in its archive. What a fault makes of an answer is not judged; what the service
meant to answer is.
"""

from __future__ import annotations

import io
import json
import tarfile
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from syncd.sandbox.witness import Exchange
from tests.contract.mailchimp_schema import Operation, Published, check_query

VERSION = "/3.0"
JSON = "application/json; charset=utf-8"
PROBLEM = "application/problem+json; charset=utf-8"


class Asked(msgspec.Struct, frozen=True):
    """A request, whether it came by itself or inside a batch."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    body: bytes | None


class Judge:
    """`exchanges` counts what was judged by operation; `take` gives the faults found since it was last called.

    `off_schema`: requests of the test itself may break the schema; those of syncd never may.
    """

    def __init__(self, schema: Published) -> None:
        self._schema = schema
        self.exchanges: Counter[str] = Counter()
        self.off_schema = False
        self._faults: list[str] = []
        self._batches: dict[tuple[str, str], list[Any]] = {}

    def hear(self, exchange: Exchange) -> None:
        """Judges one exchange. Never raises."""
        if exchange.service != "mailchimp":
            return
        try:
            self._faults += self._judge(exchange)
        except Exception as error:
            self._faults.append(f"{exchange.method} {exchange.path}: the judge broke: {error!r}")

    def take(self) -> list[str]:
        """The faults so far, which are forgotten."""
        faults, self._faults = self._faults, []
        return faults

    def _judge(self, exchange: Exchange) -> Iterator[str]:
        if not exchange.path.startswith(VERSION):
            yield from self._judge_archive(exchange)
            return
        path = exchange.path.removeprefix(VERSION) or "/"
        query = tuple(parse_qsl(exchange.query, keep_blank_values=True))
        asked = Asked(exchange.method, path, query, exchange.body)
        by_syncd = exchange.headers.get("user-agent", "").startswith("syncd/")
        if by_syncd or not self.off_schema:
            yield from self._judge_request(asked, by_syncd=by_syncd)
        yield from self._judge_reply(asked, exchange.status, exchange.reply)
        yield from (f"{exchange.method} {path}: {fault}" for fault in _faults_of_headers(exchange))
        if path == "/batches" and exchange.method == "POST" and exchange.status == 200:
            batch_id = json.loads(exchange.reply)["id"]
            self._batches[exchange.headers["host"], batch_id] = json.loads(exchange.body or b"")["operations"]

    def _judge_request(self, asked: Asked, *, by_syncd: bool) -> Iterator[str]:
        operation = self._schema.find(asked.method, asked.path)
        if operation is None:
            yield f"{asked.method} {asked.path}: the schema has no such operation"
            return
        faults = [
            *check_query(asked.query, operation.query),
            *_faults_of_body(operation, asked.body, by_syncd=by_syncd),
        ]
        yield from (f"{operation.name}, request: {fault}" for fault in faults)
        if operation.name == "POST /batches" and not faults and asked.body:
            for each in json.loads(asked.body)["operations"]:
                yield from self._judge_request(_inside(each), by_syncd=by_syncd)

    def _judge_reply(self, asked: Asked, status: int, reply: bytes, *, in_batch: bool = False) -> Iterator[str]:
        operation = self._schema.find(asked.method, asked.path)
        name = operation.name if operation else f"{asked.method} {asked.path}"
        self.exchanges[operation.name if operation else "no operation"] += 1
        if status >= 400:
            operation = operation or self._schema.find("GET", "/ping")
            fault = _fault_of_problem(operation, status, reply, in_batch=in_batch) if operation else ""
        elif operation is None:
            fault = f"status {status} for what the schema does not have"
        else:
            fault = _fault_of_success(operation, asked, status, reply)
        if fault:
            yield f"{name}, reply {status}: {fault}"

    def _judge_archive(self, exchange: Exchange) -> Iterator[str]:
        batch_id = exchange.path.rpartition("/")[2].removesuffix("-response.tar.gz")
        operations = self._batches.get((exchange.headers["host"], batch_id))
        if exchange.status != 200 or operations is None:
            return
        named = {each["operation_id"]: each for each in operations if each.get("operation_id")}
        nameless = [each for each in operations if not each.get("operation_id")]
        for row in _rows(exchange.reply):
            found = named.get(row["operation_id"])
            # Which of the nameless a result belongs to, nobody can tell: one of them must explain it.
            candidates = [found] if found else nameless
            verdicts = [list(self._judge_row(each, row)) for each in candidates]
            if [] not in verdicts:
                yield from (f"inside a batch: {fault}" for fault in (verdicts or [["a result of no operation"]])[0])

    def _judge_row(self, operation: Any, row: Any) -> Iterator[str]:
        if set(row) != {"status_code", "operation_id", "response"} or not isinstance(row["response"], str):
            yield f"a result has the names {sorted(row)}"
            return
        yield from self._judge_reply(_inside(operation), row["status_code"], row["response"].encode(), in_batch=True)


def _inside(operation: Any) -> Asked:
    """An operation of a batch as a request; its path may come without the first slash."""
    path, _, written = operation["path"].partition("?")
    params = {name: str(value) for name, value in operation.get("params", {}).items()}
    body = operation.get("body") or ""
    query = (*parse_qsl(written, keep_blank_values=True), *params.items())
    return Asked(operation["method"], "/" + path.lstrip("/"), query, body.encode())


def _faults_of_body(operation: Operation, body: bytes | None, *, by_syncd: bool) -> Iterable[str]:
    if body is None:
        return
    # The official client writes `null` where there is no body.
    if not operation.takes_body:
        if body not in (b"", b"null"):
            yield "there is a body"
        return
    try:
        document = msgspec.json.decode(body)
    except msgspec.DecodeError:
        yield "the body is no JSON"
        return
    check = operation.check_body if by_syncd else operation.check_body_of_others
    if fault := check(document):
        yield fault


def _fault_of_success(operation: Operation, asked: Asked, status: int, reply: bytes) -> str:
    if status not in operation.statuses:
        return f"the schema has only {sorted(operation.statuses)}"
    if status == 204:
        return "there is a body" if reply else ""
    partly = any(name in ("fields", "exclude_fields") for name, _ in asked.query)
    check = operation.check_part if partly else operation.check_reply
    return check(msgspec.json.decode(reply))


def _fault_of_problem(operation: Operation, status: int, reply: bytes, *, in_batch: bool) -> str:
    # A refusal at the door may come without a word (documented for 429 and 403).
    if not reply and status in (403, 429):
        return ""
    problem = msgspec.json.decode(reply)
    if in_batch:
        # There the type may be missing (recorded).
        problem = {"type": "", **problem}
    fault = operation.check_problem(problem)
    return fault or ("" if problem["status"] == status else f"data.status is {problem['status']}")


def _faults_of_headers(exchange: Exchange) -> Iterable[str]:
    headers = exchange.reply_headers
    if exchange.status >= 400 and not exchange.reply:
        return
    if (kind := headers.get("content-type")) != (PROBLEM if exchange.status >= 400 else JSON):
        yield f"reply {exchange.status} has the content type {kind}"
    if "x-request-id" not in headers:
        yield "the reply has no X-Request-Id"
    elif exchange.status >= 400 and json.loads(exchange.reply).get("instance") != headers["x-request-id"]:
        yield "the problem's instance is not the request's id"
    if exchange.status == 405 and not headers.get("allow"):
        yield "the refusal names no allowed methods"


def _rows(archive: bytes) -> Iterator[Any]:
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r|gz") as files:
        for entry in files:
            if content := files.extractfile(entry):
                yield from json.loads(content.read() or b"[]")
