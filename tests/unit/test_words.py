"""The words of every view: the same in each language, all of them used, and figures as the language writes them."""

from __future__ import annotations

import re
import string
from pathlib import Path

import pytest

from syncd.views.words import LANGUAGES, Words, texts

ROOT = Path(__file__).parents[2] / "syncd"
EN, ES = (Words(language, "retention") for language in LANGUAGES)
# Keys that the code takes from a document, whole or behind these words.
BY_NAME = {"month", "quarter", "beginning", "retained", "new", "reactivated", "ending"}
BEHIND = ("standing-", "why-", "lacks-", "moment-", "dropped-", "criterion-", "missing-", "tag-off-")


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_every_language_has_the_same_texts_with_the_same_figures_in_them() -> None:
    first, *others = (
        {view: {key: placeholders(text) for key, text in table.items()} for view, table in texts(language).items()}
        for language in LANGUAGES
    )
    assert others == [first]


@pytest.mark.parametrize("view", texts("en"))
def test_no_text_is_left_over(view: str) -> None:
    used = "".join(path.read_text() for part in ("views", "cli") for path in (ROOT / part).rglob("*.py")).replace(
        "'", '"'
    )
    keys = {re.sub("-(one|many)$", "", key) for key in texts("en")[view] if not key.startswith(BEHIND)}
    assert [key for key in keys - BY_NAME if f'"{key}"' not in used] == []


@pytest.mark.parametrize(
    ("words", "written"),
    [
        (EN, ["1,234", "12.3%", "–", "€1,234.50", "22 November 2026", "Jul 2026", "Q3 2026"]),
        (ES, ["1.234", "12,3\u00a0%", "–", "1.234,50\u00a0€", "22 de noviembre de 2026", "jul 2026", "T3 2026"]),
    ],
)
def test_figures_are_written_as_the_language_writes_them(words: Words, written: list[str]) -> None:
    assert [
        words.number(1234),
        words.share(0.1234),
        words.share(None),
        words.money(1234.5, "EUR"),
        words.day("2026-11-22"),
        words.period("2026-07"),
        words.period("2026-Q3"),
    ] == written
