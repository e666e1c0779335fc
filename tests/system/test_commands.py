"""The commands as a person uses them: what they print, how they end, and what they say when something is wrong."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from syncd.sandbox.populate import LIST_ID
from syncd.sandbox.serve import Running
from tests.system.conftest import Syncd


def test_help_loads_neither_the_database_layer_nor_the_http_client_nor_numpy() -> None:
    probe = (
        "import sys; from click.testing import CliRunner; from syncd.cli import group;"
        "assert CliRunner().invoke(group, ['--help']).exit_code == 0;"
        "print([m for m in ('sqlalchemy', 'requests', 'numpy', 'pydantic', 'rich') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_an_unknown_command_names_the_nearest_one(syncd: Syncd) -> None:
    assert "did you mean 'segments'?" in syncd("segmets", code=2).stderr


def test_init_writes_files_that_load_and_does_not_overwrite_them(syncd: Syncd, tmp_path: Path) -> None:
    target = tmp_path / "new"
    syncd("init", "--directory", str(target))
    assert sorted(path.name for path in target.iterdir()) == ["lifecycle.toml", "syncd.toml"]
    assert "exists already" in syncd("init", "--directory", str(target), code=2).stderr
    from syncd.settings import load

    assert "loyal" in {segment.name for segment in load(target / "syncd.toml").audiences["main"].playbook.segments}


def test_init_writes_spanish_names_and_comments_where_they_are_asked_for(syncd: Syncd, tmp_path: Path) -> None:
    said = syncd("init", "--directory", str(tmp_path / "nuevo"), "--language", "es").stdout
    assert said.splitlines()[-1].startswith("Ahora: ")
    assert "[segments.leal]" in (tmp_path / "nuevo" / "lifecycle.toml").read_text("utf-8")
    assert "# La configuración" in (tmp_path / "nuevo" / "syncd.toml").read_text("utf-8")


def test_every_problem_of_the_configuration_is_told_at_once(syncd: Syncd, config: Path) -> None:
    text = config.read_text()
    text = text.replace("platform = ", "platfrom = ", 1).replace('currency = "EUR"', 'currency = "EURO"')
    config.write_text(text.replace("spend(ever) > mean", "spnd(ever) > mean"))
    told = syncd("plan", code=2).stderr
    assert "platform" in told
    assert "EURO" in told
    assert "did you mean 'spend'" in told


def test_check_says_what_is_there_and_what_to_do_next(syncd: Syncd) -> None:
    said = syncd("check").stdout
    assert "shop acme" in said
    assert "audience main" in said
    assert re.search(r"(\d+) merge fields, \1 of them new", said)
    assert said.endswith("Next: syncd backfill\n")


def test_a_wrong_key_ends_with_4_and_says_what_to_do(syncd: Syncd, config: Path) -> None:
    config.write_text(config.read_text().replace('token = "sandbox"', 'token = "wrong"'))
    done = syncd("backfill", "--yes", code=4)
    assert "→" in done.stderr
    assert "wrong" not in done.stderr.replace("wrong key", "").replace("is wrong", "")
    assert "blocked" in syncd("status").stdout


def test_a_first_import_without_anybody_to_ask_is_held_and_can_be_approved(syncd: Syncd, sandbox: Running) -> None:
    held = syncd("backfill", code=3)
    plan = json.loads(syncd("plan", "--json").stdout)
    assert plan["held"]
    assert plan["id"] in held.stderr
    assert "first push" in plan["reasons"][0]
    assert not any(m["tags"] for m in sandbox.world.audiences[LIST_ID].state() if "syncd" in str(m["tags"]))
    # Calling it again goes on, and is held again.
    syncd("backfill", code=3)
    syncd("approve", plan["id"])
    assert not any(json.loads(syncd("plan", "--json").stdout)["counts"].values())
    assert "no plan" in syncd("approve", "0123456789", code=2).stderr


def test_the_documents_have_the_shapes_that_others_read(syncd: Syncd) -> None:
    syncd("backfill", "--yes")
    segments = json.loads(syncd("segments", "--json").stdout)
    assert {"as_of", "audience", "segments"} <= set(segments)
    assert {"name", "tag", "when", "customers", "members", "joined", "left", "next_due"} <= set(segments["segments"][0])
    members = json.loads(syncd("members", "repeat", "--json").stdout)
    assert members["customers"] == sorted(members["customers"])
    assert set(members["members"]) <= set(members["customers"])
    email = members["members"][0]
    explained = json.loads(syncd("explain", email.upper(), "--json").stdout)
    assert explained["email"] == email
    assert {"audience", "as_of", "metrics", "segments"} <= set(explained)
    assert {"name", "in", "since", "when", "values", "next_change"} <= set(explained["segments"][0])
    assert {"expression", "value", "holds"} <= set(explained["segments"][0]["values"][0])
    (repeat,) = [s for s in explained["segments"] if s["name"] == "repeat"]
    assert repeat["in"]
    assert repeat["since"].startswith("2026-11-22T")
    plan = json.loads(syncd("plan", "--json").stdout)
    assert set(plan["counts"]) >= {"tag_add", "tag_remove", "field_set", "member_create", "event"}
    status = json.loads(syncd("status", "--json").stdout)
    shop = {"name", "state", "watermark", "lag_seconds", "orders", "customers", "quarantined"}
    assert shop <= set(status["shops"][0])
    assert {"name", "state", "outbox", "held_plan", "last_push"} <= set(status["audiences"][0])
    rows = list(csv.DictReader(io.StringIO(syncd("members", "repeat", "--csv").stdout)))
    assert [row["email"] for row in rows if row["tagged"] == "yes"] == members["members"]


def test_as_of_judges_a_day_in_the_past_without_writing_anything(syncd: Syncd, sandbox: Running) -> None:
    syncd("backfill", "--yes")
    before = len(sandbox.world.log)
    then = json.loads(syncd("segments", "--as-of", "2026-01-15", "--json").stdout)
    now = json.loads(syncd("segments", "--json").stdout)
    assert then["as_of"] == "2026-01-15"

    def buyers(shown: dict[str, object]) -> int:
        sizes = {s["name"]: s["customers"] for s in shown["segments"]}  # type: ignore[index, union-attr, attr-defined]
        return int(sizes["first-time"] + sizes["repeat"])

    assert 0 < buyers(then) < buyers(now)
    assert not [r for r in sandbox.world.log.since(before) if r.method != "GET"]
    assert "is no date" in syncd("segments", "--as-of", "yesterday", code=2).stderr


def test_preview_shows_size_parts_revenue_and_overlap(syncd: Syncd) -> None:
    syncd("backfill", "--yes")
    shown = json.loads(syncd("preview", "orders(ever) >= 2 or in(lapsed)", "--json").stdout)
    members = json.loads(syncd("members", "repeat", "--json").stdout)
    assert shown["parts"][0]["customers"] == len(members["customers"])
    overlap = {entry["name"]: entry for entry in shown["overlap"]}
    assert overlap["repeat"]["share"] == 1.0
    assert 0 < shown["revenue_share"] <= 1
    assert shown["history"][-1]["date"] == shown["as_of"]
    assert sum(month["entries"] for month in shown["history"]) == shown["entries"] >= shown["entries_subscribed"]
    lines = syncd("preview", "spend(6 months) >= 100 and subscribed").stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert len([line for line in lines if re.match(r" \d\d? \w+ 20\d\d ", line)]) == 13
    assert any("██" in line for line in lines)
    assert lines[-1] == "Not replayed, because only known as of now: subscribed."
    spanish = syncd("preview", "spend(6 months) >= 100 and subscribed", "--language", "es").stdout.splitlines()
    assert max(map(len, spanish)) <= 80
    assert any("los últimos 12 meses" in line for line in spanish)
    told = syncd("preview", "order(ever) >= 2", code=2).stderr
    assert "^" in told
    assert "did you mean 'orders'" in told


def test_an_unknown_segment_or_person_is_said_plainly(syncd: Syncd) -> None:
    syncd("backfill", "--yes")
    assert "no segment 'loyl'" in syncd("members", "loyl", code=2).stderr
    assert "is not known" in syncd("explain", "nobody@example.com", code=2).stderr


def test_a_command_before_the_first_import_says_what_comes_first(syncd: Syncd) -> None:
    for command in (["plan"], ["status"], ["sync"], ["segments"]):
        assert "backfill" in syncd(*command, code=2).stderr


@pytest.mark.parametrize("after_requests", [3, 9, 20, 40])
def test_a_backfill_killed_anywhere_is_resumed_and_ends_in_the_same_state(
    syncd: Syncd, sandbox: Running, config: Path, after_requests: int
) -> None:
    environment = {**os.environ, "SYNCD_CONFIG": str(config)}
    sandbox.world.throttle.latency = 0.02
    process = subprocess.Popen(
        [sys.executable, "-m", "syncd", "backfill", "--yes"],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    services = ("shopify", "ecwid", "mailchimp")
    while process.poll() is None and sum(r.service in services for r in sandbox.world.log) < after_requests:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    sandbox.world.throttle.latency = 0.0
    syncd("backfill", "--yes")
    assert not any(json.loads(syncd("plan", "--json").stdout)["counts"].values())
    audience = sandbox.world.audiences[LIST_ID]
    shown = {s["name"]: s["members"] for s in json.loads(syncd("segments", "--json").stdout)["segments"]}
    tagged = {name: sum(f"syncd:{name}" in member["tags"] for member in audience.state()) for name in shown}
    assert shown == tagged
    assert sum(tagged.values()) > 100
    assert [entry for entry in audience.journeys() if entry["trigger"] == "tag"] == []


def test_a_person_is_exported_and_erased_only_where_that_is_confirmed(syncd: Syncd, sandbox: Running) -> None:
    syncd("backfill", "--yes")
    email = json.loads(syncd("members", "repeat", "--json").stdout)["members"][0]
    assert json.loads(syncd("export", email).stdout)["email"] == email
    shown = syncd("erase", email, code=2)
    assert re.search(r"customers +1 *$", shown.stdout, re.M)
    assert "nothing was erased" in shown.stderr
    assert json.loads(syncd("export", email).stdout)["orders"]
    assert "archived" in syncd("erase", email, "--confirm").stdout
    assert "nothing is stored" in syncd("export", email, code=2).stderr
    assert "nothing is known of" in syncd("erase", "nobody@example.com", "--confirm", code=2).stderr


def test_a_run_is_listed_and_taken_back_only_where_somebody_agrees(syncd: Syncd, sandbox: Running) -> None:
    syncd("backfill", code=3)
    assert "Nothing was written yet" in syncd("undo").stdout
    plan = json.loads(syncd("plan", "--json").stdout)["id"]
    syncd("approve", plan)
    assert plan in syncd("undo").stdout
    before = sandbox.world.audiences[LIST_ID].state()
    shown = syncd("undo", plan, code=3)
    assert "What cannot be unsent" in shown.stdout
    assert "The rules still want it for" in shown.stdout
    assert sandbox.world.audiences[LIST_ID].state() == before
    syncd("undo", plan, "--yes")
    with_tags = [
        m for m in sandbox.world.audiences[LIST_ID].state() if any(tag.startswith("syncd:") for tag in m["tags"])
    ]
    # Those who were created by the first round got their tags in a run of their own.
    assert len(with_tags) < len(before) / 10
    assert "taken back by" in syncd("undo").stdout
    assert "would write again" in syncd("sync", code=3).stderr


def test_drift_is_told_with_exit_code_3_and_mended_when_asked(syncd: Syncd, sandbox: Running) -> None:
    syncd("backfill", "--yes")
    syncd("sync")
    assert "All is as believed" in syncd("verify").stdout
    audience = sandbox.world.audiences[LIST_ID]
    someone = next(m for m in audience.members if m.status == "subscribed")
    changed_at = someone.changed_at
    audience.act(someone.email, {"merge_fields": {"ORDERS": 99}})
    audience.members.change(someone, changed_at=changed_at)
    told = json.loads(syncd("verify", "--json", code=3).stdout)
    assert told["clean"] is False
    (finding,) = told["findings"]
    assert (finding["kind"], finding["subject"], finding["count"]) == ("field differs", "ORDERS", 1)
    assert "All is as believed" in syncd("verify", "--repair").stdout
    assert json.loads(syncd("verify", "--json").stdout) == {"clean": True, "findings": [], "notes": []}
