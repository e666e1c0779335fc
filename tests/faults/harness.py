"""A syncd whose every effect is counted and can be broken, and moments of its life to begin from again and again.

A `Scene` is a moment frozen: what the sandbox holds and what the history holds. `scene.opened()` brings a copy of
it to life as a `Stage`: servers on real HTTP, a database of its own, and a syncd in this process between them,
whose clock is the sandbox's and which never really waits.

    with scene.opened() as stage, breaking(Break(effect, "cut before")) as watch:
        stage.work()            # ends at the effect, as the process would
    with scene.opened() as stage: …

`watching()` only counts: `watch.seen` are the effects of a run in their order, each named by what it is and how
often that came before, so that it is found again in the next run although threads take turns otherwise. A fault
of another kind is one more `Manner` with its branch in `Watch`; a fault of the network is better told to the
sandbox (`stage.world.faults`). `stage.restart()` is a new process on the same database, `stage.frozen()` a new
scene. `story.py` has the scenes of an ordinary life, `oracle.py` says what must hold in each of them.
"""

from __future__ import annotations

import json
import pickle
import sqlite3
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Lock, Thread
from types import FrameType
from typing import Any, Literal, TypeVar
from urllib.parse import urlsplit

import requests
from sqlalchemy.exc import OperationalError

from syncd import pipeline
from syncd.clock import Clock
from syncd.effects import Kind, standing_between
from syncd.errors import SyncdError
from syncd.history import ledger, outbox
from syncd.sandbox.serve import start
from syncd.sandbox.toml import configuration
from syncd.sandbox.world import RequestLog, World
from syncd.settings import load
from syncd.steps.context import Context
from tests.faults.shelves import Shelf
from tests.integration.house import House

T = TypeVar("T")
MINUTE = 60

# The process ends before or after the effect; it happens, but nobody learns of it; it happens twice, as where a
# proxy repeats a request; it does not happen, and says so (a database that is full, a host that is away).
Manner = Literal["cut before", "cut after", "answer lost", "twice", "refused"]
MANNERS: dict[Kind, tuple[Manner, ...]] = {
    "request": ("cut before", "cut after", "answer lost", "twice"),
    "commit": ("cut before", "cut after", "answer lost", "refused"),
    "file": ("cut before", "cut after"),
}


class Cut(BaseException):
    """The process ends here."""


@dataclass(frozen=True, order=True)
class Effect:
    """The `nth` effect of this name in a run, counted from 1."""

    kind: Kind
    name: str
    nth: int

    def __str__(self) -> str:
        return f"{self.kind} {self.name} #{self.nth}"


@dataclass(frozen=True)
class Break:
    """What happens to one effect of a run: to a certain one, or to that which comes at this place, from 1."""

    at: Effect | int
    manner: Manner

    def __str__(self) -> str:
        return f"{self.at}, {self.manner}"


class Watch:
    """Stands between syncd and the outside: numbers its effects, and breaks one of them."""

    def __init__(self, services: dict[str, str], wanted: Break | None = None) -> None:
        self.seen: list[Effect] = []
        self.struck = False
        # How many requests were under way at once, at most, by service.
        self.most_at_once: Counter[str] = Counter()
        self._services = services
        self._wanted = wanted
        self._counts: Counter[tuple[Kind, str]] = Counter()
        self._under_way: Counter[str] = Counter()
        self._lock = Lock()
        self._dead = False

    def __call__(self, kind: Kind, name: str, act: Callable[[], T]) -> T:
        service, label = self._label(kind, name)
        with self._lock:
            if self._dead:
                # What other threads still wanted to do.
                raise Cut
            self._counts[kind, label] += 1
            effect = Effect(kind, label, self._counts[kind, label])
            self.seen.append(effect)
            manner = self._wanted.manner if self._wanted and self._wanted.at in (effect, len(self.seen)) else None
            self.struck |= manner is not None
            self._dead = manner == "cut before"
            self._under_way[service] += 1
            self.most_at_once |= self._under_way
        try:
            return self._done(kind, manner, act)
        finally:
            with self._lock:
                self._under_way[service] -= 1

    def _done(self, kind: Kind, manner: Manner | None, act: Callable[[], T]) -> T:
        match manner:
            case "cut before":
                raise Cut
            case "refused" if kind == "request":
                raise requests.ConnectionError("the connection was refused")
            case "refused":
                raise _disk_full()
            case "twice":
                first: Any = act()
                first.content  # noqa: B018  # the connection is free again
        result: Any = act()
        match manner:
            case "cut after":
                self._dead = True
                if kind == "request":
                    result.close()
                raise Cut
            case "answer lost" if kind == "request":
                result.close()
                raise requests.ConnectionError("the connection was reset")
            case "answer lost":
                raise _disk_full()
        return result  # type: ignore[no-any-return]

    def _label(self, kind: Kind, name: str) -> tuple[str, str]:
        """Where the effect goes, and what it is called in every run."""
        if kind == "commit":
            return kind, _committing(sys._getframe())
        if kind == "file":
            return kind, name
        method, _, url = name.partition(" ")
        parts = urlsplit(url)
        service = self._services.get(f"{parts.scheme}://{parts.netloc}", parts.netloc)
        return service, f"{method} {service} {'/'.join(map(_plain, parts.path.split('/')))}"


def _plain(segment: str) -> str:
    """A part of a path without what is another one in each run."""
    return "…" if len(segment) >= 8 and any(each.isdigit() for each in segment) else segment


def _committing(frame: FrameType | None) -> str:
    """The function that opened the transaction: `outbox.confirm`."""
    while frame is not None:
        module = frame.f_globals.get("__name__", "")
        if module.startswith("syncd.") and module not in ("syncd.effects", "syncd.history.database"):
            return f"{module.rpartition('.')[2]}.{frame.f_code.co_name}"
        frame = frame.f_back
    return "schema"


def _disk_full() -> OperationalError:
    cause = sqlite3.OperationalError("database or disk is full")
    cause.sqlite_errorcode = sqlite3.SQLITE_FULL
    return OperationalError("COMMIT", {}, cause)


class Impatient(Event):
    """Lets nobody wait."""

    def wait(self, timeout: float | None = None) -> bool:
        return self.is_set()


@dataclass
class Stage(House):
    """A scene at work."""

    shelf: Shelf[Any] | None = None

    def configure(self, rules: str = "", **audience: object) -> None:
        """The configuration of the scene; `restart` in other words."""
        path = self.directory / "syncd.toml"
        text = configuration(self.world, self.sandbox.urls)
        keys = "".join(f"{key} = {json.dumps(value)}\n" for key, value in self.audience.items())
        text = text.replace("[audiences.main]\n", f"[audiences.main]\n{keys}", 1)
        path.write_text(text[: text.index("[audiences.main.lifecycle")] + self.rules, "utf-8")
        # The sandbox's clock, without a call for each look at it.
        clock: Clock = self.world.clock  # type: ignore[assignment]
        self.context = Context(load(path), self.history, clock, Impatient())

    def restart(self) -> None:
        """A new process goes on with the same history."""
        self.history.close()
        self.configure()

    @contextmanager
    def watched(self, wanted: Break | None = None) -> Iterator[Watch]:
        """Within, the effects are counted, and the wanted one is broken; a cut ends what is within."""
        services = {url: name for name, url in self.sandbox.urls.items()}
        watch = Watch(services, wanted)
        try:
            with standing_between(watch):
                yield watch
        except Cut:
            assert watch.struck

    def work(self) -> list[SyncdError]:
        """What the service does at a poll, or the first import where there was none; the errors that it would show."""
        try:
            if not pipeline.complete_audiences(self.context) or not self.is_imported():
                self.backfill()
                return []
            return self.sync().errors
        except SyncdError as err:
            return [err]

    def held(self) -> str:
        """The plan that waits for approval, if one does."""
        found = outbox.held_plan(self.history, "main")
        return str(found["id"]) if found else ""

    def approve(self, plan_id: str) -> None:
        """A person looked at the plan and says that it is right."""
        pipeline.approve(self.context, plan_id)

    def is_imported(self) -> bool:
        """Whether the first import, its push included, is through."""
        return ledger.audience_row(self.history, "main")["backfilled_at"] is not None

    def frozen(self) -> Scene:
        """This moment; the stage goes on."""
        assert self.shelf
        post = self.sandbox.post
        world: World = deepcopy(self.world, {id(post): post})
        world.log = RequestLog(world.clock)
        for sender in (*world.shops.values(), *(audience.hooks for audience in world.audiences.values())):
            # Those of the next stage's own post office take their place.
            sender.watchers.clear()
        return Scene(world, self.rules, self.shelf, self.shelf.put(self.history))


@dataclass(frozen=True)
class Scene:
    """A moment: a world that nobody serves, and a history that nobody has open."""

    world: World
    rules: str
    shelf: Shelf[Any]
    kept: Any = field(repr=False)

    @cached_property
    def _pickled(self) -> bytes:
        # To read this takes a fifth of the time of another deep copy.
        return pickle.dumps(self.world)

    @contextmanager
    def opened(self) -> Iterator[Stage]:
        """The moment brought to life, as often as one likes."""
        with self.shelf.taken(self.kept) as history, TemporaryDirectory(prefix="syncd-faults-") as directory:
            sandbox = start(pickle.loads(self._pickled)).__enter__()  # noqa: S301  # our own
            try:
                yield Stage(sandbox, history, Path(directory), rules=self.rules, shelf=self.shelf)
            finally:
                # It takes a tenth of a second, in which the next one can begin.
                _closing.append(Thread(target=sandbox.stop))
                _closing[-1].start()


_closing: list[Thread] = []


def close() -> None:
    """Afterwards no sandbox of any scene runs."""
    while _closing:
        _closing.pop().join()
