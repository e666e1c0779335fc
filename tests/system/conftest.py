"""The command line and the service as subprocesses, against a small sandbox."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

from syncd.sandbox.serve import Running

Syncd = Callable[..., subprocess.CompletedProcess[str]]

_UNIT = (Path(__file__).parents[2] / "config/syncd.service").read_text("utf-8")
# What Python runs in the hardened unit, before the command's name.
AS_INSTALLED = tuple(shlex.split(re.findall("^ExecStart=(.*)$", _UNIT, re.MULTILINE)[0])[1:-1])


def configured(sandbox: Running, directory: Path) -> Path:
    """The configuration that the sandbox offers, as a file."""
    path = directory / "syncd.toml"
    path.write_bytes(requests.get(f"{sandbox.urls['control']}/syncd.toml", timeout=10).content)
    return path


def command(config: Path) -> Syncd:
    """Runs a command and expects its exit code."""

    def run(*arguments: str, code: int = 0, stdin: str = "") -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "syncd", *arguments],
            env={**os.environ, "SYNCD_CONFIG": str(config)},
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done

    return run


@pytest.fixture
def config(sandbox: Running, tmp_path: Path) -> Path:
    return configured(sandbox, tmp_path)


@pytest.fixture
def syncd(config: Path) -> Syncd:
    return command(config)


class Service:
    """A running service and the messages that its manager gets."""

    def __init__(self, process: subprocess.Popen[bytes], manager: socket.socket, log: Path) -> None:
        self.process = process
        self._manager = manager
        self.log = log

    def message(self, text: str, seconds: float = 60.0) -> str:
        """The next message with `text` in it."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                message = self._manager.recv(4096).decode()
            except TimeoutError:
                continue
            if text in message:
                return message
        raise AssertionError(f"no message with {text!r}; log:\n{self.log.read_text()}")

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(10)

    def reload(self) -> None:
        """Afterwards it has read its configuration again, and gone through a cycle with it."""
        self.process.send_signal(signal.SIGHUP)
        self.message("RELOADING=1")
        self.message("STATUS=cycle of")

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def events(self) -> list[str]:
        return [line["event"] for line in self.lines()]


@contextmanager
def starting(config: Path, directory: Path, program: Sequence[str] = AS_INSTALLED) -> Iterator[Callable[[], Service]]:
    """Starts services; at the end none of them is left. `program`: what Python runs."""
    started: list[Service] = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(directory / "n"))
        manager.settimeout(0.2)

        def start() -> Service:
            log = directory / f"service{len(started) or ''}.log"
            with log.open("w") as lines:
                environment = {**os.environ, "SYNCD_CONFIG": str(config), "NOTIFY_SOCKET": str(directory / "n")}
                process = subprocess.Popen([sys.executable, *program, "run"], env=environment, stderr=lines)
            started.append(Service(process, manager, log))
            return started[-1]

        try:
            yield start
        finally:
            for service in started:
                service.process.kill()
                service.process.wait()


@pytest.fixture
def run(config: Path, tmp_path: Path) -> Iterator[Callable[[], Service]]:
    with starting(config, tmp_path) as start:
        yield start
