"""`syncd check` through the real command line: for each thing that can be wrong, the exact lines and the exit code."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from syncd.cli import main
from syncd.sandbox.serve import Running
from tests.oracle import KNOWN_RULES
from tests.system.check_cases import CASES, TRY_AGAIN, changed
from tests.system.conftest import Syncd, configured


@pytest.fixture
def config(sandbox: Running, tmp_path: Path) -> Path:
    """The configuration that the sandbox offers, with rules whose fields these tests can count."""
    path = configured(sandbox, tmp_path)
    text = path.read_text()
    path.write_text(text[: text.index("[audiences.main.lifecycle")] + KNOWN_RULES)
    return path


@pytest.mark.parametrize("name", CASES)
def test_each_thing_that_is_wrong_is_told_with_what_to_do(
    name: str,
    sandbox: Running,
    config: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    case, control = CASES[name], sandbox.urls["control"]
    config.write_text(case.edit(config.read_text()))
    for shop, switches in case.switches.items():
        requests.post(f"{control}/shops/{shop}/switches", json=switches, timeout=10).raise_for_status()
    requests.post(f"{control}/faults", json=case.faults, timeout=10).raise_for_status()
    before = len(sandbox.world.log)
    monkeypatch.setattr(sys, "argv", ["syncd", "check", "--config", str(config)])
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr()
    first, *lines = said.out.splitlines()
    assert first == f"ok       {config}: the configuration can be read"
    assert lines == [*case.report(), *([] if case.code else ["Next: syncd backfill"])]
    assert ended.value.code == case.code
    assert said.err.splitlines() == ([f"syncd: not in order yet: {case.said}", TRY_AGAIN] if case.code else [])
    assert {request.method for request in sandbox.world.log.since(before)} <= {"GET", "POST"}
    assert not any(r.method != "GET" and "oauth" not in r.path for r in sandbox.world.log.since(before))
    assert not (config.parent / "syncd.db").exists()


def test_after_the_first_import_nothing_is_left_to_do_and_our_own_tags_are_no_strangers(
    syncd: Syncd, config: Path
) -> None:
    config.write_text(config.read_text().replace('tag_prefix = "syncd:"', 'tag_prefix = ""'))
    syncd("backfill", "--yes")
    said = syncd("check").stdout.splitlines()
    assert [line[:9] for line in said[:-1]] == ["ok       "] * 5
    assert said[-1] == "All is in order."


def test_another_shop_and_another_account_than_before_are_told(syncd: Syncd, sandbox: Running) -> None:
    syncd("backfill", "--yes")
    others = [
        changed("shopify", "*/shop.json", "shop.id", 77),
        changed("mailchimp", "/3.0/", "account_id", "somebody else's"),
    ]
    requests.post(f"{sandbox.urls['control']}/faults", json=others, timeout=10).raise_for_status()
    said = syncd("check", code=4).stdout
    assert (
        "blocked  shop acme: this is the shop shopify:77, what was imported before is shopify:690933842\n"
        "         → Point the name at the old shop again, or give the new shop a name of its own.\n"
    ) in said
    assert (
        "blocked  audience main: this is another account or list than the one written to before\n"
        "         → Put the old api_key and list_id back; or, if you moved, approve the plan that the next cycle holds."
    ) in said


def test_on_a_terminal_long_lines_are_folded_at_words(sandbox: Running, config: Path) -> None:
    scopes = {"scopes": ["read_orders", "read_customers", "read_products"]}
    requests.post(f"{sandbox.urls['control']}/shops/acme/switches", json=scopes, timeout=10).raise_for_status()
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "syncd", "check", "--config", str(config)],
        stdout=theirs,
        env={**os.environ, "COLUMNS": "80"},
    )
    assert process.wait(60) == 0
    os.close(theirs)
    shown = os.read(ours, 65_536).decode().replace("\r\n", "\n")
    os.close(ours)
    assert (
        "warning  shop acme: Shopify shows only the orders of the last 60 days, and hides\n"
        "         later refunds of older ones without a word: the key lacks the scope\n"
        "         read_all_orders\n"
        "         → Add it to the app in Shopify and install the app again; then run\n"
        "           `syncd backfill --since` with the date of your first order.\n"
    ) in shown
