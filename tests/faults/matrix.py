"""Faults × steps: what is struck, how, and what must come of it. The table itself is in docs/trust.md.

A `Case` is one fault at one step. `found_in(case, chapter)` lets it happen in a copy of the chapter, and says what is
wrong: during the fault, in the three cycles after it, and by the judge who knows what shops and audience really hold.
"""

from __future__ import annotations

import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeVar
from urllib.parse import urlsplit

import msgspec
import requests

from syncd.destinations._mailchimp_gateway import subscriber_hash
from syncd.effects import Kind, standing_between
from syncd.errors import ConnectionBlocked, SyncdError, TransientError
from syncd.sandbox.faults import Fault
from tests.faults.harness import Stage, Watch
from tests.faults.oracle import Judge, Outcome
from tests.faults.runs import CYCLES, Chapter, cycle
from tests.faults.story import NEWCOMER, buys, only_in
from tests.integration.house import DAY
from tests.traps.hostile import complete

T = TypeVar("T")
Call = partial[Any]
Lead = Callable[[Call], Call]
ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/trust.md"
HOUR = 3_600
# What a whole answer may take while a service hangs or drips; it is a minute or two otherwise.
HASTE_SECONDS = 0.25
# Some calls may be made again, and none so often that it would be a flood.
MOST_CALLS = 3

# Goes on, over in the same cycle, in this or the next, in the next, looked at before it is repeated, stops.
Mark = Literal["ok", "R", "R or N", "N", "U", "H"]


# The table.


def marked() -> set[tuple[str, int]]:
    """Every cell of the page's table in which something stands: (fault, step)."""
    rows = re.findall(r"(?m)^\| (F\d.*?): .*? \| (.*) \|$", PAGE.read_text("utf-8"))
    return {
        (fault, step)
        for fault, cells in rows
        for step, cell in enumerate(cells.split(" | "), start=1)
        if cell.strip() != "–"
    }


# The places.


@dataclass(frozen=True)
class Route:
    """The calls of a step: `path` is a glob; `{leaver}` and `{newcomer}` stand for these people."""

    service: str
    method: str
    path: str

    def of(self, stage: Stage) -> Route:
        """The route in this scene."""
        if "{leaver}" not in self.path and "{newcomer}" not in self.path:
            return self
        gone = [one.email for one in stage.members.members if one.status == "unsubscribed"]
        ours = [email for email in gone if any(tag.startswith("syncd:") for tag in stage.state()[email]["tags"])]
        names = {"newcomer": subscriber_hash(NEWCOMER), "leaver": subscriber_hash(ours[0])}
        return replace(self, path=self.path.format(**names))

    def leads(self, service: str, method: str, path: str) -> bool:
        """Whether a call goes there."""
        return (service, method) == (self.service, self.method) and fnmatchcase(path, self.path)


LIST = "/3.0/lists/*"
MEMBERS = Route("mailchimp", "GET", f"{LIST}/members*")
MEMBER = f"{LIST}/members/{'?' * 32}"
ROUTES: dict[int, tuple[Route, ...]] = {
    2: (Route("shopify", "GET", "*/orders.json"), Route("ecwid", "GET", "*/orders")),
    3: (Route("shopify", "GET", "*/customers.json"), Route("ecwid", "GET", "*/customers")),
    7: (Route("mailchimp", "GET", f"{LIST}/members"),),
    8: (Route("mailchimp", "PUT", MEMBER),),
    9: (Route("mailchimp", "PATCH", MEMBER),),
    10: (Route("mailchimp", "POST", f"{LIST}/members/{{newcomer}}/tags"),),
    11: (Route("mailchimp", "POST", f"{LIST}/members/{{leaver}}/tags"),),
    12: (Route("mailchimp", "POST", f"{LIST}/segments/*"),),
    13: (Route("mailchimp", "POST", "/3.0/batches"), Route("mailchimp", "GET", "/3.0/batches/*")),
    14: (Route("mailchimp", "GET", "/batch-results/*"),),
}


# The scenes.


def month(stage: Stage) -> None:
    """A month passes: many move by segments, a stranger and others buy, and somebody unsubscribes."""
    stage.later(31 * DAY)
    known = only_in(stage, "acme", "repeat")
    buys(stage, "acme", NEWCOMER, "24.00", consent="subscribed")
    buys(stage, "acme", known[0], "60.00")
    buys(stage, "cafe", only_in(stage, "cafe", "repeat")[0], "60.00")
    stage.members.act(known[1], {"status": "unsubscribed"})


def crowd(stage: Stage) -> None:
    """Everybody buys."""
    stage.later(HOUR)
    for email, member in stage.state().items():
        if member["status"] == "subscribed":
            buys(stage, "acme" if stage.world.shops["acme"].customer_of(email) else "cafe", email, "33.00")


def thanks(stage: Stage) -> None:
    """Everybody is to be told an event, which takes a batch."""
    stage.later(3 * HOUR)


# What is done to a call.


@dataclass(frozen=True)
class Detour:
    """So many calls lead to `place` instead."""

    place: Literal["a closed port", "a stranger with a certificate of his own"]
    count: int = 1_000


@dataclass(frozen=True)
class Form:
    """One shape of a fault, and what must come of it. `hasty`: nobody waits long for an answer."""

    name: str
    mark: Mark
    strikes: tuple[Fault | Detour, ...] = ()
    hasty: bool = False


@dataclass(frozen=True)
class Case:
    """A fault at a step."""

    fault: str
    step: int
    route: Route
    form: Form

    def __str__(self) -> str:
        return f"{self.fault}-{self.step}-{self.route.service}-{self.form.name}".replace(" ", "_")


def chapter_of(step: int) -> str:
    """In which of the scenes the step comes up."""
    return "thanks" if step in (13, 14) else "month"


PROBLEM = '{"type": "about:blank", "title": "%s", "status": %d, "detail": "%s", "instance": "1-2-3"}'
SORRY = "<!doctype html><h1>Sorry</h1>"
JSON = {"Content-Type": "application/problem+json"}
HTML = {"Content-Type": "text/html"}


def status(code: int, body: str = "", headers: dict[str, str] | None = None, **more: Any) -> Fault:
    return Fault(kind="status", status=code, body=body, headers=headers or {}, **more)


def problem(code: int, **more: Any) -> Fault:
    return status(code, PROBLEM % ("Trouble", code, "Something is wrong."), JSON, **more)


THROTTLES = (
    problem(429, count=1),
    status(429, headers={"Retry-After": "2"}, count=1),
    status(429, headers={"Retry-After": "Sat, 01 Jan 2000 00:00:00 GMT"}, count=1),
    status(429, headers={"Retry-After": "soon"}, count=1),
)
ANYWHERE = {
    "F1": (Form("refused", "R", (Detour("a closed port", 2),)),),
    "F3": (Form("slow", "ok", (Fault(kind="delay", seconds=0.02),)),),
    "F7": (Form("every wait", "R", THROTTLES),),
    "F8 bare 403": (Form("page", "R", (status(403, SORRY, HTML, count=2),)),),
    "F8 401": (Form("revoked", "H", (problem(401),)),),
    "F10": (
        Form("301", "H", (Fault(kind="redirect", status=301, to="https://elsewhere.example/"),)),
        Form("302 to http", "H", (Fault(kind="redirect", to="http://127.0.0.1:9/"),)),
        Form("307 to itself", "H", (Fault(kind="redirect", status=307, to=""),)),
    ),
    "F11": (Form("a stranger", "H", (Detour("a stranger with a certificate of his own"),)),),
}
READS: dict[str, tuple[Form, ...]] = ANYWHERE | {
    # A shop's rate limit keeps to real time: whatever is longer is for `make chaos`.
    "F7": (
        Form("a short wait", "R", (status(429, headers={"Retry-After": "0.1"}, count=2),)),
        Form("every wait", "R", THROTTLES),
    ),
    "F2 before": (Form("reset", "R", (Fault(kind="reset", count=2),)),),
    "F2 after": (Form("reset", "R", (Fault(kind="reset", phase="after", count=2),)),),
    "F4": (
        Form("hangs", "R", (Fault(kind="hang", count=1),), hasty=True),
        Form("drips", "R", (Fault(kind="drip", seconds=0.01, count=1),), hasty=True),
    ),
    "F5": (Form("half", "R", (Fault(kind="truncate", count=1), Fault(kind="truncate", at=0.98, count=1))),),
    "F6": (
        Form(
            "a moment",
            "R",
            (
                problem(500, count=1),
                status(502, SORRY, HTML, count=1),
                status(503, count=1),
                status(504, phase="after", count=1),
            ),
        ),
        Form("all the time", "N", (status(503, SORRY, HTML),)),
    ),
    "F9": (
        Form("a moment", "R or N", (Fault(kind="html200", count=1), Fault(kind="empty", count=1))),
        Form("an object", "N", (Fault(kind="body", body="{}"),)),
        Form("a list", "N", (Fault(kind="body", body="[]"),)),
        Form("null", "N", (Fault(kind="body", body="null"),)),
    ),
}
WRITES: dict[str, tuple[Form, ...]] = ANYWHERE | {
    "F2 before": (Form("reset", "U", (Fault(kind="reset", count=1),)),),
    "F2 after": (Form("reset", "U", (Fault(kind="reset", phase="after", count=1),)),),
    "F4": (
        Form("hangs after", "U", (Fault(kind="hang", phase="after", count=1),), hasty=True),
        Form("hangs before", "U", (Fault(kind="hang", count=1),), hasty=True),
        Form("drips", "U", (Fault(kind="drip", seconds=0.05, count=1),), hasty=True),
    ),
    "F5": (Form("half", "U", (Fault(kind="truncate", count=1),)),),
    "F6": (
        Form("502 after", "U", (status(502, SORRY, HTML, phase="after", count=1),)),
        Form("500 before", "U", (problem(500, count=1),)),
        Form("503 after", "U", (status(503, phase="after", count=1),)),
        Form("504 before", "U", (status(504, SORRY, HTML, count=1),)),
    ),
    "F9": (
        Form("portal after", "U", (Fault(kind="html200", phase="after", count=1),)),
        Form("portal before", "U", (Fault(kind="html200", count=1),)),
        Form("nothing before", "U", (Fault(kind="empty", count=1),)),
        Form("a list", "U", (Fault(kind="body", body="[]", count=1),)),
        Form("null", "U", (Fault(kind="body", body="null", count=1),)),
    ),
}


def cases() -> list[Case]:
    """Every case that follows from the forms, of the cells that are marked; the worst form of a fault first."""
    wanted = marked()
    return [
        Case(fault, step, route, form)
        for step, routes in ROUTES.items()
        for route in routes
        for fault, forms in (READS if route.method == "GET" else WRITES).items()
        if (fault, step) in wanted
        # Results are kept elsewhere: what is refused there says nothing about our key.
        for form in (replace(each, mark="N") if step == 14 and fault in ("F8 401", "F10") else each for each in forms)
    ]


# The run.


class Road(Watch):
    """The way to the services; each call on `route` is first given to `lead`, which may make another call of it."""

    def __init__(self, stage: Stage, route: Route, lead: Lead) -> None:
        super().__init__({url: name for name, url in stage.sandbox.urls.items()})
        self._route, self._lead = route, lead

    def __call__(self, kind: Kind, name: str, act: Callable[[], T]) -> T:
        if kind == "request" and isinstance(act, partial):
            request = act.args[0]
            parts = urlsplit(request.url)
            service = self._services.get(f"{parts.scheme}://{parts.netloc}", "")
            if self._route.leads(service, request.method, parts.path):
                act = self._lead(act)
        return super().__call__(kind, name, act)


def elsewhere(call: Call, place: str) -> Call:
    """The call as it would be of another origin."""
    away = call.args[0].copy()
    away.url = urlsplit(away.url)._replace(scheme=urlsplit(place).scheme, netloc=urlsplit(place).netloc).geturl()
    return partial(call.func, away, **call.keywords)


class Leader:
    """Leads calls as a form says, and counts those that it leads astray."""

    def __init__(self, form: Form, places: dict[str, str]) -> None:
        self._hasty = form.hasty
        detours = [each for each in form.strikes if isinstance(each, Detour)]
        self._places = [places[each.place] for each in detours for _ in range(each.count)]
        self.led = 0

    def __call__(self, call: Call) -> Call:
        if self._hasty:
            return partial(call.func, *call.args, **{**call.keywords, "timeout": (1.0, HASTE_SECONDS)})
        if not self._places:
            return call
        self.led += 1
        return elsewhere(call, self._places.pop())


def once(act: Callable[[requests.PreparedRequest], object]) -> Lead:
    """`act` happens right before the first call."""
    acts = [act]

    def lead(call: Call) -> Call:
        if acts:
            acts.pop()(call.args[0])
        return call

    return lead


@contextmanager
def places() -> Iterator[dict[str, str]]:
    """Where detours lead: a port at which nobody listens, and a server whose certificate nobody trusts."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(ROOT / "tests/unit/self_signed.pem")

    def greet(listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with closing(connection), suppress(OSError):
                    context.wrap_socket(connection, server_side=True).close()

    with socket.socket() as silent, socket.create_server(("127.0.0.1", 0)) as listener:
        silent.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=greet, args=[listener])
        thread.start()
        yield {
            "a closed port": f"http://127.0.0.1:{silent.getsockname()[1]}",
            "a stranger with a certificate of his own": f"https://127.0.0.1:{listener.getsockname()[1]}",
        }
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def found_in(case: Case, chapter: Chapter, places: dict[str, str]) -> list[str]:
    """What is wrong during the fault, and in the three cycles after it; nothing, as it should be."""
    with chapter.scene.opened() as stage, Judge(stage) as judge:
        route = case.route.of(stage)
        for strike in case.form.strikes:
            if isinstance(strike, Fault):
                there = {"service": route.service, "method": route.method, "path": route.path}
                stage.world.faults.add(msgspec.structs.replace(strike, **there))
        leader = Leader(case.form, places)
        road = Road(stage, route, leader)
        with standing_between(road):
            errors = stage.work()
        struck = leader.led + sum(times for _, times in stage.world.faults.report())
        stage.world.faults.clear()
        if not struck:
            return ["the fault met nobody"]
        found = [*_wrong_meanwhile(case, stage, errors, struck, chapter), *_blindly_repeated(route, stage)]
        # Where one shop failed, what is known of the other was told: with all that is known it may be another thing.
        whole = not any(str(error).startswith("shops.") for error in errors)
        if case.form.mark in ("ok", "R"):
            # In the audience all is well by now; the history knows it after one more look there.
            found += replace(Outcome.of(stage), history={}).differences(chapter.outcome)
        found += left_over(stage, chapter.outcome, whole=whole)
        return found + judge.violations(road, vip=chapter.new_day)


def left_over(stage: Stage, right: Outcome | None = None, *, whole: bool = True) -> list[str]:
    """What is not as it would have been when nothing more is written, or three cycles are over.

    Without `right`, in which nobody may be disturbed: what goes wrong still.
    """
    left: list[str] = []
    for _ in range(CYCLES + 1):
        before = stage.requests()
        left = cycle(stage) or ([*Outcome.of(stage).differences(right, on_the_way=whole)] if right else [])
        if not left and not stage.writes(before):
            return []
    return left or ["I7: one more cycle writes something"]


def _wrong_meanwhile(
    case: Case, stage: Stage, errors: list[SyncdError], struck: int, chapter: Chapter
) -> Iterator[str]:
    """What is wrong in the cycle that the fault met, by what its mark says."""
    said = complete(errors)
    connection = {"shopify": "shops.acme", "ecwid": "shops.cafe"}.get(case.route.service, "audiences.main")
    stray = [sentence for sentence in said if not sentence.startswith(f"{connection}: ")]
    if stray:
        yield f"others are said to be at fault: {stray}"
    match case.form.mark:
        case "ok" | "R":
            if said:
                yield f"it should have been over in the same cycle: {said}"
        case "N" if not said:
            yield "it should have been told"
        case "R or N" | "N" | "U":
            if [error for error in errors if not isinstance(error, TransientError)]:
                yield f"it should be tried again in the next cycle: {said}"
        case "H":
            if not (len(errors) == 1 and isinstance(errors[0], ConnectionBlocked) and errors[0].hint):
                yield f"the connection should stop, with a sentence and what to do: {said}"
            if struck > MOST_CALLS:
                yield f"a dead connection was called {struck} times"
    spent, needed = stage.requests(), sum(effect.kind == "request" for effect in chapter.effects)
    if case.form.mark == "ok" and spent > 1.2 * needed:
        yield f"{spent} requests where {needed} would do"


def _blindly_repeated(route: Route, stage: Stage) -> Iterator[str]:
    """Posts that were made twice without a look at the members in between."""
    if route.method != "POST":
        return
    posted: set[str] = set()
    for each in stage.world.log:
        if route.leads(each.service, each.method, each.path) and each.status not in (403, 429):
            if each.path in posted:
                yield f"{each.path} was posted again without a look"
            posted.add(each.path)
        elif each.method == "GET" and each.path.startswith("/3.0/lists/") and "/members" in each.path:
            posted.clear()


def found_in_pair(pair: tuple[Case, Case], chapter: Chapter) -> list[str]:
    """What is wrong three cycles after two faults of the sandbox's own met in one cycle; nothing, as it should be."""
    with chapter.scene.opened() as stage, Judge(stage) as judge:
        for case in pair:
            route = case.route.of(stage)
            there = {"service": route.service, "method": route.method, "path": route.path}
            for strike in case.form.strikes:
                stage.world.faults.add(msgspec.structs.replace(strike, **there))  # type: ignore[type-var]
        with stage.watched() as watch:
            errors = stage.work()
        stage.world.faults.clear()
        complete(errors)
        whole = not any(str(error).startswith("shops.") for error in errors)
        return left_over(stage, chapter.outcome, whole=whole) + judge.violations(watch, vip=chapter.new_day)


# What others do meanwhile.


Act = dict[str, Any]
ACTS: dict[str, Act] = {
    "unsubscribes": {"status": "unsubscribed"},
    "bounces": {"status": "cleaned"},
    "is archived": {"status": "archived", "by": "admin"},
    "is deleted": {"status": "deleted", "by": "admin"},
    "moves": {"email": "elsewhere@example.com"},
}
SIGN_UPS: dict[str, tuple[Act, ...]] = {
    "signs up": ({"status": "subscribed"},),
    "signs up and leaves": ({"status": "subscribed"}, {"status": "unsubscribed"}),
}


def person_of(stage: Stage, request: requests.PreparedRequest) -> str:
    """Somebody whom the call is about."""
    body = msgspec.json.decode(request.body or b"{}")
    path = urlsplit(request.url or "").path
    if operations := body.get("operations"):
        path = operations[0]["path"]
    by_hash = {subscriber_hash(email): email for email in stage.state()}
    named = body.get("members_to_add") or body.get("members_to_remove") or [body.get("email_address")]
    return next((by_hash[part] for part in path.split("/") if part in by_hash), named[0])
