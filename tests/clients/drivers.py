"""The two official Mailchimp clients, unchanged, playing the same steps. Knows no expectation.

Both are pointed at the sandbox by the attribute that holds the base of every address: `host` of the
Python client, `basePath` of the Node client.
"""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
from typing import TYPE_CHECKING, Any

import mailchimp_marketing
import msgspec
import requests
from mailchimp_marketing.api_client import ApiClientError

from tests.clients.table import filled

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from tests.clients.table import Step

SECONDS = 30

# {"body": …}, {"refused": status, "body": …}, or {"swallowed": status}.
Outcome = dict[str, Any]


def play_python(steps: Sequence[Step], urls: Mapping[str, str]) -> list[Outcome]:
    """What the Python client made of each step."""
    life = _PythonLife(urls)
    return [life.play(step) for step in steps]


def play_node(steps: Sequence[Step], urls: Mapping[str, str], modules: Path) -> list[Outcome]:
    """What the Node client made of each step; `modules` is the folder with its packages and the script."""
    task = {"urls": urls, "steps": steps}
    done = subprocess.run(
        ["node", "play.js"],
        cwd=modules,
        input=msgspec.json.encode(task),
        capture_output=True,
        timeout=4 * SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    return [json.loads(line) for line in done.stdout.splitlines()]


class _PythonLife:
    def __init__(self, urls: Mapping[str, str]) -> None:
        self._api = f"{urls['mailchimp']}/3.0"
        self._control = urls["control"]
        self._kept: dict[str, Any] = {"sandbox": urls}

    def play(self, step: Step) -> Outcome:
        kind, _, path = step.call.partition(" ")
        if kind == "control":
            answer = requests.post(self._control + path, json=step.args[0], timeout=SECONDS)
            assert answer.ok, answer.text
            return {"body": None}
        if kind == "journeys":
            return {"body": self._journeys(*step.args)}
        outcome = self._results(step) if kind == "results" else self._called(step)
        if step.keep:
            self._kept[step.keep] = outcome["body"]
        return outcome

    def _called(self, step: Step) -> Outcome:
        family, _, method = step.call.partition(".")
        call = getattr(getattr(self._client(step.key), family), method)
        try:
            answer = call(*filled(step.args, self._kept), **step.options)
        except ApiClientError as error:
            return {"refused": error.status_code, "body": _document(error.text)}
        if isinstance(answer, requests.Response):
            return {"body": None} if answer.status_code == 204 else {"swallowed": answer.status_code}
        return {"body": answer}

    def _journeys(self, email: str) -> list[str]:
        entries = requests.get(f"{self._control}/journeys", timeout=SECONDS).json()
        return [f"{each['trigger']} {each['value']}" for each in entries if each["email"] == email]

    def _client(self, key: str | None) -> Any:
        client = mailchimp_marketing.Client({"api_key": key or "", "server": "us1", "timeout": SECONDS})
        client.api_client.host = self._api
        return client

    def _results(self, step: Step) -> Outcome:
        batches, [batch_id] = self._client(step.key).batches, filled(step.args, self._kept)
        batch: dict[str, Any] = {}
        for _ in range(50):
            if batch.get("status") == "finished":
                break
            batch = batches.status(batch_id)
        archive = requests.get(batch["response_body_url"], timeout=SECONDS).content
        found: list[Any] = []
        with tarfile.open(fileobj=io.BytesIO(archive), mode="r|gz") as files:
            for entry in files:
                if content := files.extractfile(entry):
                    found += json.loads(content.read() or b"[]")
        return {"body": {"batch": batch, "results": {each["operation_id"]: each for each in found}}}


def _document(text: Any) -> Any:
    """The problem document: under its own content type the client hands it over as text."""
    try:
        return json.loads(text) if isinstance(text, str) else text
    except json.JSONDecodeError:
        return {}
