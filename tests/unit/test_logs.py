"""Log lines: JSON for machines, words for eyes, and never a reason to stop."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator

import pytest

from syncd import logs
from tests.log_lines import caught_lines


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    with caught_lines():
        yield


def test_a_line_is_one_json_object_with_its_values(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up()
    logs.warning("pulled", shop="acme", reasons=["ñandú"], of=None)
    out, err = capsys.readouterr()
    line = json.loads(err)
    assert (out, err.count("\n"), "ñandú" in err) == ("", 1, True)
    assert line.pop("timestamp").endswith("Z")
    assert line == {"shop": "acme", "reasons": ["ñandú"], "of": None, "event": "pulled", "level": "warning"}


def test_what_is_below_the_level_is_not_told(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up("warning")
    logs.info("pulled")
    logs.error("shop stopped")
    assert json.loads(capsys.readouterr().err)["event"] == "shop stopped"


def test_a_terminal_gets_words_and_obeys_none_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stderr", terminal)
    logs.set_up()
    logs.info("pulled", shop="acme\x1b[2J\n")
    assert terminal.getvalue().split()[1:] == ["info", "pulled", r"shop='acme\x1b[2J\n'"]


class Full(io.StringIO):
    """A file on a full disk."""

    refused = ""

    def write(self, text: str) -> int:
        self.refused += text
        raise OSError(28, "No space left on device")


def test_a_log_that_takes_no_more_stops_no_work(monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Full()
    monkeypatch.setattr(sys, "stderr", disk)
    logs.set_up()
    logs.info("pulled")
    assert "pulled" in disk.refused
