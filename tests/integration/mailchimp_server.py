"""A sandbox whose audience the tests see from both sides: over HTTP and as it really is."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import md5
from typing import Any

import requests

from syncd.sandbox import populate, serve
from syncd.sandbox.audience import Audience, Switches
from syncd.sandbox.world import World

NOW = 1_790_000_000
KEY = "sandbox-us1"
LIST = "/lists/a1b2c3d4e5"


class Api:
    """The API as a client calls it; `audience` and `world` are the truth behind it."""

    audience: Audience

    def __init__(self, world: World, url: str, control: str) -> None:
        self.world = world
        self.url = url
        self.control = control
        self.session = requests.Session()
        self.session.auth = ("any", KEY)
        self.fresh()

    def fresh(self) -> None:
        """Afterwards the audience is empty, every switch and the clock are as in the beginning, and nothing fails."""
        self.world.clock.set(NOW)
        self.world.faults.clear()
        self.world.mailchimp = Switches()
        self.audience = Audience("a1b2c3d4e5", "Customers", self.world.clock, switches=self.world.mailchimp)
        self.world.audiences["a1b2c3d4e5"] = self.audience

    def call(self, method: str, path: str, body: Any = None, **query: Any) -> requests.Response:
        return self.session.request(method, f"{self.url}/3.0{path}", params=query, json=body, timeout=30)

    def get(self, path: str, **query: Any) -> Any:
        answer = self.call("GET", path, **query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def ok(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        answer = self.call(method, path, body, **query)
        assert answer.status_code in (200, 204), answer.text
        return answer.json() if answer.content else None

    def refused(self, method: str, path: str, body: Any = None, **query: Any) -> dict[str, Any]:
        """The problem document of a refused call."""
        answer = self.call(method, path, body, **query)
        assert answer.headers["Content-Type"] == "application/problem+json; charset=utf-8"
        problem: dict[str, Any] = answer.json()
        assert (problem["status"], problem["instance"]) == (answer.status_code, answer.headers["X-Request-Id"])
        return problem

    def run_batch(self, *operations: dict[str, Any]) -> list[dict[str, Any]]:
        """The results of a batch, in the order of its archive."""
        batch = self.ok("POST", "/batches", {"operations": operations})
        while batch["status"] != "finished":
            batch = self.get(f"/batches/{batch['id']}")
        return results(requests.get(batch["response_body_url"], timeout=30).content)


def results(archive: bytes) -> list[dict[str, Any]]:
    """All results in an archive, whatever files they are in."""
    found: list[dict[str, Any]] = []
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r|gz") as files:
        for entry in files:
            if content := files.extractfile(entry):
                found += json.loads(content.read() or b"[]")
    return found


@contextmanager
def running() -> Iterator[Api]:
    """A sandbox with one empty audience and a clock that stands still."""
    world = World(seed=1, start=NOW)
    world.clock.set(NOW)
    populate.populate(world, [])
    with serve.start(world) as sandbox:
        yield Api(world, sandbox.urls["mailchimp"], sandbox.urls["control"])


def hash_of(email: str) -> str:
    return md5(email.lower().encode(), usedforsecurity=False).hexdigest()


def at(email: str) -> str:
    """The path of a member."""
    return f"{LIST}/members/{hash_of(email)}"


def later(api: Api, seconds: int = 60) -> None:
    api.world.clock.set(api.world.clock.now() + seconds)


def entered(api: Api, trigger: str = "tag") -> list[str]:
    return [entry["value"] for entry in api.audience.journeys() if entry["trigger"] == trigger]
