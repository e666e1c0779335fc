"""`syncd retention` as a person uses it: tables, JSON, CSV files, and a page in a real browser."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from syncd.cli.common import csv_cell
from syncd.sandbox.serve import Running
from syncd.views.retention.page import page
from syncd.views.words import Words
from tests.system.conftest import Syncd, command, configured
from tests.unit.retention_document import a_document

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
HEADLESS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--enable-logging=stderr"),
]


@pytest.fixture(scope="module")
def config(open_sandbox: Callable[..., Running], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The configuration of a syncd whose first import is through; here it is only asked."""
    file = configured(open_sandbox("synthetic", customers=80), tmp_path_factory.mktemp("retention"))
    command(file)("backfill", "--yes")
    return file


@pytest.fixture
def syncd(config: Path) -> Syncd:
    return command(config)


def test_in_a_terminal_it_tells_sentences_and_tables_that_fit(syncd: Syncd) -> None:
    said = syncd("retention").stdout
    assert said.startswith("Do customers come back?\n")
    assert re.search(r"Of the \d+ customers active at the beginning of Q3 2026, [\d.]+% were still active", said)
    assert all(title in said for title in ("Who stays", "each cohort", "How soon the second order comes", "Segment"))
    assert max(map(len, said.splitlines())) <= 100
    assert "@" not in said


def test_its_tables_fit_80_columns_in_the_longer_language(config: Path) -> None:
    said = in_terminal([sys.executable, "-m", "syncd", "retention", "--language", "es"], config)
    lines = said.splitlines()
    assert max(map(len, lines)) <= 80
    periods = next(line for line in lines if line.startswith("T3 2026"))
    assert periods.split()[-1] == "%"  # the last column is there
    heading = next(line for line in lines if "Clientes" in line)
    assert heading.split()[-1] == "12"


def in_terminal(arguments: list[str], config: Path) -> str:
    """What a command shows in a terminal of 80 columns, without colours."""
    screen, terminal = os.openpty()
    environment = {**os.environ, "SYNCD_CONFIG": str(config), "COLUMNS": "80", "TERM": "xterm-256color"}
    with subprocess.Popen(arguments, env=environment, stdout=terminal, stderr=subprocess.DEVNULL) as process:
        os.close(terminal)
        shown = b""
        # A terminal that nobody writes to any more answers with an error.
        with suppress(OSError):
            while part := os.read(screen, 4096):
                shown += part
    os.close(screen)
    assert process.returncode == 0
    return re.sub(r"\x1b\[[0-9;]*m", "", shown.decode()).replace("\r\n", "\n")


def test_it_speaks_spanish(syncd: Syncd) -> None:
    said = syncd("retention", "--language", "es", "--by", "month").stdout
    assert said.startswith("¿Vuelven los clientes?\n")
    assert "Quién se queda" in said
    assert "Retained" not in said


def test_its_json_has_the_documented_shape(syncd: Syncd) -> None:
    reference = (Path(__file__).parents[2] / "docs/reference.md").read_text()
    written = re.findall(
        r'"(\w+)"[,:}\]]', reference.partition("## Retention")[2].partition("```\n{")[2].partition("```")[0]
    )

    def keys(value: object) -> Iterator[str]:
        if isinstance(value, dict):
            for key, inner in value.items():
                yield key
                yield from keys(inner)
        elif isinstance(value, list):
            for inner in value:
                yield from keys(inner)

    document = json.loads(syncd("retention", "--json", "--since", "2026-01-15").stdout)
    assert {*keys(document)} == {*written}
    assert document["since"] == "2026-01-01"


def test_its_csv_files_can_be_read_and_hold_the_same(syncd: Syncd, tmp_path: Path) -> None:
    written = syncd("retention", "--csv", str(tmp_path / "new" / "files")).stdout.splitlines()
    tables = {Path(path).name: list(csv.DictReader(Path(path).read_text("utf-8").splitlines())) for path in written}
    document = json.loads(syncd("retention", "--json").stdout)
    assert set(tables) == {"periods.csv", "cohorts.csv", "second_order.csv", "segments.csv", "moves.csv"}
    assert [row["period"] for row in tables["periods.csv"]] == [each["period"] for each in document["periods"]]
    first = [int(row["customers"]) for row in tables["cohorts.csv"] if row["months_later"] == "0"]
    assert first == [each["customers"][0] for each in document["cohorts"]]
    assert "@" not in "".join(Path(path).read_text() for path in written)


@pytest.mark.parametrize("text", ["=1+1", "+1", "-odd", "@SUM(A1)", "\t=1", "\r=1"])
def test_no_spreadsheet_takes_a_cell_for_a_formula(text: str) -> None:
    assert csv_cell(text) == f"'{text}"
    assert csv_cell("loyal") == "loyal"
    assert csv_cell(-1.5) == -1.5


def test_its_page_is_one_file_without_addresses(syncd: Syncd, tmp_path: Path) -> None:
    file = tmp_path / "retention.html"
    assert syncd("retention", "--html", str(file), "--language", "es").stdout == f"{file}\n"
    text = file.read_text("utf-8")
    assert text.count("<svg") >= 10
    assert not re.search(r"https?:|url\(|@(?!media)", text)
    assert len(text) < 1_000_000


def test_its_outputs_exclude_each_other(syncd: Syncd, tmp_path: Path) -> None:
    assert "exclude each other" in syncd("retention", "--json", "--html", str(tmp_path / "x.html"), code=2).stderr
    assert not (tmp_path / "x.html").exists()


def test_what_cannot_be_done_is_said(syncd: Syncd, tmp_path: Path) -> None:
    assert "--since: 'soon' is no date" in syncd("retention", "--since", "soon", code=2).stderr
    (tmp_path / "file").write_text("")
    assert "cannot be written" in syncd("retention", "--csv", str(tmp_path / "file" / "below"), code=2).stderr


def test_help_loads_neither_numpy_nor_the_charting_library() -> None:
    probe = (
        "import sys; from click.testing import CliRunner; from syncd.cli import group;"
        "assert CliRunner().invoke(group, ['retention', '--help']).exit_code == 0;"
        "print([m for m in ('sqlalchemy', 'numpy', 'rich', 'babel', 'vl_convert') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


class Quiet(SimpleHTTPRequestHandler):
    """A web server that remembers what it was asked for."""

    asked: list[str]

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        self.asked.append(self.path)


@pytest.mark.skipif(BROWSER is None, reason="no browser is installed here")
def test_in_a_browser_the_page_looks_as_meant_and_asks_for_nothing(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(page(a_document(), Words("es", "retention")), "utf-8")
    asked: list[str] = []
    handler = partial(type("Handler", (Quiet,), {"asked": asked}), directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        done = subprocess.run(
            [
                *(str(BROWSER), *HEADLESS, f"--user-data-dir={tmp_path / 'profile'}", "--window-size=1000,1200"),
                *(f"--screenshot={tmp_path / 'page.png'}", f"http://127.0.0.1:{server.server_port}/page.html"),
            ],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        server.shutdown()
        thread.join()
    assert asked == ["/page.html"]
    assert "Content Security Policy" not in done.stderr
    # Drawn with its style and charts; a page that its own policy had stripped would be far smaller.
    assert (tmp_path / "page.png").stat().st_size > 50_000
