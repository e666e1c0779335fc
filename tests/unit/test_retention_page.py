"""The retention report in words, tables and one page: what it says, and that it needs nothing but itself."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import subprocess
import sys
from functools import cache
from html.parser import HTMLParser
from itertools import pairwise

import pytest

from syncd.views.retention import csv_tables
from syncd.views.retention.page import page
from syncd.views.retention.shown import (
    cohorts_table,
    flow_to_tell,
    headlines,
    ladder_tables,
    periods_table,
    second_table,
    segments_table,
    subtitle,
)
from syncd.views.words import LANGUAGES, Words
from tests.unit.retention_document import a_document, nobodys

EN, ES = Words("en", "retention"), Words("es", "retention")


@cache
def page_in(language: str) -> str:
    return page(a_document(), Words(language, "retention"))


@pytest.fixture(params=LANGUAGES)
def shown_page(request: pytest.FixtureRequest) -> str:
    return page_in(request.param)


class Reader(HTMLParser):
    """What a browser would see: tags with their attributes, and texts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    handle_startendtag = handle_starttag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


# --- Sentences and tables ---------------------------------------------------------------------------------------------


def test_the_headlines_tell_the_last_whole_period() -> None:
    told = headlines(a_document(), EN)
    assert told[0] == "Of the 80 customers active at the beginning of Q3 2026, 62.5% were still active at its end."
    assert "112.5%" in told[1]
    assert "the 40 who came back" in told[1]
    assert "30.0% of new customers order again within 90 days." in told
    assert "Half of those who come back within 120 days do so within 25 days" in " ".join(told)
    assert told[-1] == "In the month after their first order, 20.0% of customers buy again."


def test_a_year_is_called_a_year() -> None:
    second = a_document()["second_order"] | {"half_of_returning": {"days": 49, "of_days": 365}}
    assert "who come back within a year do so within 49 days" in " ".join(
        headlines(a_document(second_order=second), EN)
    )


def test_where_nobody_has_ordered_the_report_says_so() -> None:
    assert headlines(nobodys(), ES) == ["Todavía no ha comprado nadie."]
    assert "Todavía no ha comprado nadie." in page(nobodys(), ES)


def test_without_a_whole_period_the_report_says_why_there_is_no_rate() -> None:
    told = headlines(a_document(periods=a_document()["periods"][:1]), EN)
    assert told[0].startswith("There is no whole period")


def test_wholesale_is_mentioned_only_where_there_is_any() -> None:
    assert "3 wholesale customers are left out" in subtitle(a_document(), EN)
    assert "wholesale" not in subtitle(a_document(wholesale_left_out=0), EN)


def test_the_table_of_periods() -> None:
    table = periods_table(a_document(), EN)
    assert table.rows[0] == ["Q1 2026", "0", "0", "90", "0", "90", "–", "–"]
    assert table.rows[2] == ["Q3 2026", "80", "50", "10", "40", "100", "112.5%", "62.5%"]
    assert table.rows[3][-2:] == ["…", "…"]
    assert all(len(row) == len(table.columns) for row in table.rows)


def test_the_table_of_cohorts_marks_what_will_still_rise() -> None:
    table = cohorts_table(a_document(), EN, ages=12, pattern="0.0")
    assert table.rows == [["Sept 2026", "40", "20.0", "10.0…"], ["Nov 2026", "10", "", ""], ["all", "50", "20.0", ""]]
    assert [[*row] for row in table.heat] == [[0, 0, 1.0, 0.5], [0, 0, 0, 0], [0, 0, 0, 0]]
    assert "Nov 2026 is not over: figures marked … will still rise." in table.notes


def test_the_table_of_cohorts_ends_where_there_is_no_room() -> None:
    table = cohorts_table(a_document(), ES, ages=1, pattern="0")
    assert [*table.columns] == ["Primer pedido", "Clientes", "1"]
    assert table.rows[0] == ["sept 2026", "40", "20"]


def test_what_is_not_known_yet_is_not_told_as_nothing() -> None:
    assert [row[1] for row in second_table(a_document(), EN).rows] == [
        "17.5%",
        "25.0%",
        "30.0%",
        "not known yet",
        "not known yet",
    ]


def test_the_tables_of_moves() -> None:
    flow = flow_to_tell(a_document())
    assert flow is not None
    assert segments_table(flow, EN).rows[0] == ["loyal", "10", "+4", "−1", "13"]
    (ladder,) = ladder_tables(flow, EN)
    assert ladder.rows[0] == ["bought-14d", "1", "2", "3"]
    assert ladder.rows[2] == ["none of them", "4", "·", "·"]


def test_the_movement_told_is_that_of_the_most_days() -> None:
    flow = a_document()["flows"][0]
    week = flow | {"period": "2026-Q4", "from": "2026-10-01", "to": "2026-10-07"}
    assert flow_to_tell(a_document(flows=[flow, week])) == flow
    assert flow_to_tell(a_document(flows=[flow | {"from": "2026-09-29"}, week])) == week
    assert flow_to_tell(a_document(flows=[])) is None


def test_the_csv_tables_are_as_wide_as_their_headings() -> None:
    for name, rows in csv_tables(a_document()).items():
        assert len({len(row) for row in rows}) == 1, name
        assert len(rows) > 1
    cohorts = csv_tables(a_document())["cohorts.csv"]
    assert cohorts[2] == ["2026-09", 1, 8, 0.2, 200.0, "EUR"]
    assert ["2026-Q3", "bought-14d", None, 3] in csv_tables(a_document())["moves.csv"]


# --- The page ---------------------------------------------------------------------------------------------------------


def test_the_page_names_no_other_place(shown_page: str) -> None:
    assert not re.search(r"https?:|//[a-z]|@import|url\(", shown_page)
    names = {name for _, given in Reader(shown_page).tags for name in given}
    assert not names & {"src", "srcset", "action", "data", "href", "xlink:href", "style"}
    assert not [name for name in names if name.startswith("on")]


def test_the_page_holds_no_script_and_its_policy_forbids_everything_but_its_own_style(shown_page: str) -> None:
    tags = Reader(shown_page).tags
    assert not {"script", "link", "iframe", "object", "embed", "img", "form"} & {tag for tag, _ in tags}
    policy = next(given["content"] for _, given in tags if given.get("http-equiv") == "Content-Security-Policy")
    assert policy
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy


def test_the_policy_lets_exactly_the_pages_style_pass(shown_page: str) -> None:
    style = shown_page.partition("<style>")[2].partition("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"'sha256-{digest}'" in shown_page


def test_every_chart_has_a_name_and_a_table(shown_page: str) -> None:
    tags = Reader(shown_page).tags
    charts = [given for tag, given in tags if tag == "svg"]
    tables = [tag for tag, _ in tags if tag == "table"]
    # Six charts, each for wide and narrow screens; both of the first two belong to one table.
    assert (len(charts), len(tables)) == (12, 5)
    assert all(given["role"] == "img" and given["aria-label"] for given in charts)


def test_marks_tell_their_figures_when_pointed_at() -> None:
    said = page_in("en")
    assert "<title>Sept 2026, month +1: 8 of 40 bought (20.0%), €200.00</title>" in said
    assert "<title>Q3 2026: CRR 112.5%</title>" in said
    assert "<title>2 of 6 from bought-14d to bought-1m (33.3%)</title>" in said


def test_the_page_is_in_its_language() -> None:
    said = page_in("es")
    assert '<html lang="es">' in said
    assert "¿Vuelven los clientes?" in said
    assert "62,5\u00a0%" in said
    assert "Retained" not in said


def test_headings_go_down_a_step_at_a_time(shown_page: str) -> None:
    levels = [int(tag[1]) for tag, _ in Reader(shown_page).tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert all(later <= earlier + 1 for earlier, later in pairwise(levels))


def test_names_are_text_not_markup() -> None:
    evil = "\"'></style></title></svg><script>alert(1)</script>"
    document = json.dumps(a_document(audience=evil)).replace('"loyal"', json.dumps(f"loyal{evil}"))
    said = page(json.loads(document), EN)
    assert "script" not in {tag for tag, _ in Reader(said).tags}
    assert said.count("<style>") == said.count("</style>") == 1
    assert "&lt;script&gt;alert(1)" in said


def test_the_page_is_small(shown_page: str) -> None:
    assert len(shown_page.encode()) < 1_000_000


def test_ids_in_the_page_are_unique(shown_page: str) -> None:
    ids = [given["id"] for _, given in Reader(shown_page).tags if "id" in given]
    assert len(ids) == len(set(ids))


def test_without_the_charting_library_the_reader_is_told_what_to_install() -> None:
    probe = (
        "import sys; sys.modules['vl_convert'] = None\n"
        "from syncd.views.words import Words; from syncd.views.retention.page import page\n"
        "from syncd.errors import UserError\n"
        "from tests.unit.retention_document import a_document\n"
        "try: page(a_document(), Words('en', 'retention'))\n"
        "except UserError as err: print(err.hint)"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert "syncd[charts]" in done.stdout
