"""Ecwid's batches: up to 500 requests at once, carried out in the background, asked about by their ticket.

Source: docs.ecwid.com "Batch requests", and the official Java client, which calls `httpCode` of the
documentation `httpStatusCode`: the sandbox says both.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from uuid import UUID

import msgspec
from msgspec import Struct, UnsetType

from syncd.sandbox.dice import dice
from syncd.sandbox.ecwid.answers import answer, plain_error
from syncd.sandbox.ecwid.query import BadParameter, flag

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp, Message

    from syncd.sandbox.shop import ShopState

Json = dict[str, Any]

MOST_REQUESTS = 500


class SubRequest(Struct):
    """One request of a batch; its path begins behind the store's number. `body` is passed on as it is."""

    path: str
    method: str
    id: str = ""
    body: Any | UnsetType = msgspec.UNSET


class _Batch(Struct):
    requests: list[SubRequest]
    stop_on_failure: bool
    store: str
    token: str
    # How often it is asked about until it is carried out.
    polls_left: int
    responses: list[Json] | None = None


class Batches:
    """The batches of one store. `app` answers their requests, each as if it had come by itself."""

    def __init__(self, shop: ShopState, app: ASGIApp) -> None:
        self._shop = shop
        self._app = app
        self._by_ticket: dict[str, _Batch] = {}
        self._ticket_of: dict[str, str] = {}

    async def create(self, request: Request) -> Response:
        """The ticket of a new batch; of the known one where the deduplicationKey was used before."""
        kind = request.headers.get("content-type", "").partition(";")[0].strip()
        if kind not in ("application/json", "text/json"):
            return plain_error(415)
        requests = _requests(await request.body())
        stop = flag(request.query_params, "stopOnFirstFailure", default=True)
        flag(request.query_params, "allowParallelMode", default=False)
        key = request.query_params.get("deduplicationKey") or f"#{len(self._by_ticket)}"
        if key not in self._ticket_of:
            ticket = str(UUID(int=dice(1, "batch", self._shop.name, key).getrandbits(128), version=4))
            self._ticket_of[key] = ticket
            self._by_ticket[ticket] = _Batch(
                requests=requests,
                stop_on_failure=stop,
                store=request.path_params["store"],
                token=request.headers.get("authorization", f"Bearer {request.query_params.get('token', '')}"),
                polls_left=self._shop.switches.batch_polls,
            )
            # Whether each of them counts against the limit is not documented.
            self._shop.calls_elsewhere += len(requests) if self._shop.switches.batch_counts_each else 0
        return answer({"ticket": self._ticket_of[key]})

    async def show(self, request: Request) -> Response:
        """How far a batch is, and what came of its requests."""
        batch = self._by_ticket.get(request.query_params.get("ticket", ""))
        if batch is None:
            raise BadParameter("Wrong value of parameter 'ticket'")
        escaped = flag(request.query_params, "escapedJson", default=False)
        if batch.polls_left > 0:
            batch.polls_left -= 1
            return answer(_report("QUEUED", batch, []))
        if batch.responses is None:
            batch.responses = await self._carry_out(batch)
        return answer(_report("COMPLETED", batch, [_shown(each, escaped) for each in batch.responses]))

    async def _carry_out(self, batch: _Batch) -> list[Json]:
        responses: list[Json] = []
        failed = False
        for each in batch.requests:
            if failed and batch.stop_on_failure:
                responses.append({"id": each.id, "status": "NOT_EXECUTED"})
                continue
            status, body = await self._call(batch, each)
            failed = failed or status >= 400
            responses.append(
                {
                    "id": each.id,
                    "status": "FAILED" if status >= 400 else "COMPLETED",
                    "httpBody": body,
                    "httpStatusLine": HTTPStatus(status).phrase,
                    "httpStatusCode": status,
                    "httpCode": status,
                }
            )
        return responses

    async def _call(self, batch: _Batch, each: SubRequest) -> tuple[int, bytes]:
        """Status and body of one request."""
        parts = urlsplit(each.path)
        path = f"/api/v3/{batch.store}/{parts.path.lstrip('/')}"
        scope = {
            "type": "http",
            "http_version": "1.1",
            "scheme": "http",
            "method": each.method.upper(),
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": parts.query.encode(),
            "headers": [(b"authorization", batch.token.encode("latin-1")), (b"content-type", b"application/json")],
        }
        sent: list[Message] = []
        body = b"" if each.body is msgspec.UNSET else msgspec.json.encode(each.body)

        async def receive() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Message) -> None:
            sent.append(message)

        await self._app(scope, receive, send)
        return sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:])


def _requests(body: bytes) -> list[SubRequest]:
    try:
        requests = msgspec.json.decode(body, type=list[SubRequest])
    except msgspec.MsgspecError as err:
        raise BadParameter(f"Can't create batch. Batch request body is invalid. {err}") from err
    if not 1 <= len(requests) <= MOST_REQUESTS:
        raise BadParameter(f"Can't create batch. 1 to {MOST_REQUESTS} requests are possible")
    for each in requests:
        if each.method.upper() not in ("GET", "POST", "PUT", "DELETE") or each.path.lstrip("/").startswith("batch"):
            raise BadParameter("Can't create batch. Batch request body is invalid")
    return requests


def _report(status: str, batch: _Batch, responses: list[Json]) -> Json:
    done = sum(each["status"] != "NOT_EXECUTED" for each in responses)
    body: Json = {"status": status, "totalRequests": len(batch.requests), "completedRequests": done}
    return body | ({"responses": responses} if status == "COMPLETED" else {})


def _shown(response: Json, escaped: bool) -> Json:
    """With the body as JSON within JSON, or as text."""
    if "httpBody" not in response:
        return response
    others = {name: value for name, value in response.items() if name != "httpBody"}
    if escaped:
        return others | {"escapedHttpBody": response["httpBody"].decode()}
    return others | {"httpBody": msgspec.Raw(response["httpBody"])}
