"""The Mailchimp Marketing API v3 on HTTP: keys, request ids, problem documents and the archive of a batch.

Knows HTTP; what the calls mean is in `operations`. Source: the published reference and recorded answers.
"""

from __future__ import annotations

import asyncio
from itertools import count
from typing import TYPE_CHECKING
from uuid import NAMESPACE_URL, uuid5

import msgspec
import requests
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.responses import Response
from starlette.routing import Route

from syncd.sandbox.audience.problems import Problem
from syncd.sandbox.mailchimp.account import Account
from syncd.sandbox.mailchimp.operations import execute, run_batches
from syncd.sandbox.mailchimp.posting import TIMEOUTS, VALIDATOR
from syncd.sandbox.mailchimp.webhooks import Visit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from starlette.requests import Request
    from starlette.types import Scope

    from syncd.sandbox.world import World

BASE = "/3.0"
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]
MAX_CONNECTIONS = 10
JSON = "application/json; charset=utf-8"
PROBLEM = "application/problem+json; charset=utf-8"
SCHEMA = '<https://us1.api.mailchimp.com/schema/3.0/Swagger.json>; rel="describedBy"'


def app(world: World) -> Starlette:
    """The API under /3.0, and beside it the archives of finished batches, which need no key."""
    server = _Server(world)
    routes = [
        Route(BASE, server.answer, methods=METHODS),
        Route(BASE + "/{path:path}", server.answer, methods=METHODS),
        Route("/batch-results/{batch_id}-response.tar.gz", server.download),
    ]
    return Starlette(routes=routes)


def limiter(world: World) -> ConnectionLimit:
    """The limit of ten simultaneous connections."""
    return ConnectionLimit(world)


class _Server:
    def __init__(self, world: World) -> None:
        self._account = Account(world)
        self._ids = _request_ids(world, "answered")

    async def answer(self, request: Request) -> Response:
        """One call. A batch that it submits runs when the answer is out."""
        content = await request.body()
        request_id = next(self._ids)
        try:
            response = await self._answered(request, content, request_id)
        except Problem as problem:
            response = problem_response(problem, request_id)
        if self._account.batches.waiting():
            response.background = BackgroundTask(self._run_batches)
        return response

    async def _answered(self, request: Request, content: bytes, request_id: str) -> Response:
        try:
            return self._execute(request, content, request_id)
        except Visit as wanted:
            # Elsewhere: an address that is slow to answer holds up nobody else.
            status = await asyncio.to_thread(_look_at, wanted.url)
            return self._execute(request, content, request_id, {wanted.url: status})

    def _execute(
        self, request: Request, content: bytes, request_id: str, visits: Mapping[str, int] | None = None
    ) -> Response:
        self._account.check_key(request.headers.get("authorization", ""))
        path = request.scope["raw_path"].decode("latin-1").partition("?")[0].removeprefix(BASE)
        origin = str(request.base_url).rstrip("/")
        answer = execute(self._account, request.method, path, request.query_params, content, origin, visits)
        headers = {"X-Request-Id": request_id, "Link": SCHEMA, "Content-Type": JSON}
        if answer is None:
            return Response(None, 204, headers)
        return Response(msgspec.json.encode(answer), 200, headers)

    async def _run_batches(self) -> None:
        run_batches(self._account)

    async def download(self, request: Request) -> Response:
        """The archive of a batch, as long as its address is valid."""
        query = request.query_params
        status, content = self._account.batches.download(
            request.path_params["batch_id"], query.get("Expires", "0"), query.get("Signature", "")
        )
        return Response(content, status, media_type="application/gzip" if status == 200 else "application/xml")


class ConnectionLimit:
    """At most ten requests at a time over all clients of the account; one that the client gave up still counts."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._ids = _request_ids(world, "refused")
        self._open = 0

    def enter(self, scope: Scope) -> Response | None:
        """The refusal of the eleventh, or None; then the request holds its place until `leave`."""
        if scope["path"].startswith(BASE) and self._open >= MAX_CONNECTIONS:
            return self._refusal()
        self._open += 1
        return None

    def leave(self) -> None:
        """Afterwards one place is free."""
        self._open -= 1

    def headers(self, scope: Scope) -> dict[str, str]:
        """None: the service says nothing about its limit."""
        return {}

    def _refusal(self) -> Response:
        switches = self._world.mailchimp
        detail = f"You have exceeded the limit of {MAX_CONNECTIONS} simultaneous connections."
        refusal = problem_response(Problem(429, switches.too_many_title, detail), next(self._ids))
        if switches.bare_429:
            refusal = Response(None, 429)
        if switches.retry_after:
            refusal.headers["Retry-After"] = switches.retry_after
        return refusal


def problem_response(problem: Problem, request_id: str) -> Response:
    """The problem document; its `instance` is the id of the request."""
    headers = {"X-Request-Id": request_id, "Content-Type": PROBLEM}
    if problem.allow:
        headers["Allow"] = problem.allow
    return Response(msgspec.json.encode(problem.document(request_id)), problem.status, headers)


def _request_ids(world: World, kind: str) -> Iterator[str]:
    """Ids that look like the service's, and that the same seed repeats."""
    return (str(uuid5(NAMESPACE_URL, f"sandbox:{world.seed}:{kind}:{n}")) for n in count(1))


def _look_at(url: str) -> int:
    """The status with which an address answers, 0 for no answer."""
    try:
        return requests.get(url, headers={"User-Agent": VALIDATOR}, timeout=TIMEOUTS).status_code
    except requests.RequestException:
        return 0
