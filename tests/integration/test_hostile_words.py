"""What shops and people wrote is shown and never obeyed: no terminal is coloured, renamed or misled by it."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterator

import click
import pytest
from sqlalchemy import update

from syncd.cli import group
from syncd.cli.common import harmless
from syncd.cli.errors import exit_code_of, explain
from syncd.errors import SyncdError, UserError
from syncd.history.database import open_history
from syncd.history.schema import standings
from syncd.model import Rejected
from syncd.sandbox.audience import Switches
from tests.integration.history_records import take
from tests.integration.mailchimp_world import Town
from tests.traps.mailchimp_stage import RULES, Home, empty

# Red, a window's title, red in one byte, back over it, right to left, nothing at all, another line.
HOSTILE = "\x1b[31m \x1b]0;mine\x07 \x9b31m \x7f\x08\r \u202eexe.\u2066 \u200b\u2028 \nsyncd: all is well"
LONG = "x" * 10_000
# The marks of direction are no part of an address; the tag of a letter is, and cannot be seen.
EMAIL, KEY = "ann\u202e\u200f\U000e0041@shop.example", "ann\U000e0041@shop.example"
LAMPS = """
[audiences.main.lifecycle.segments.lamp]
when = '''
bought(product "Lamp \x9b31m", ever) or
last_product == "\u202eLamp"'''
"""
COMMANDS = (
    ("segments",),
    ("members", "buyer"),
    ("explain", EMAIL),
    ("explain", EMAIL, "--language", "es"),
    ("explain", f"nobody{HOSTILE}@shop.example"),
    ("export", f"nobody{HOSTILE}@shop.example"),
    ("erase", EMAIL),
    ("status",),
    ("plan",),
    ("verify",),
    ("undo",),
    ("quarantine", "list"),
    ("quarantine", "show", "1"),
    ("preview", f'last_product == "{HOSTILE.split(chr(10))[0]}" or orders(ever) > 1'),
    ("preview", HOSTILE),
    ("suggest",),
    ("forecast",),
    ("retention",),
)
DOCUMENTS = (
    ("segments", "--json"),
    ("members", "buyer", "--json"),
    ("explain", EMAIL, "--json"),
    ("export", EMAIL),
    ("quarantine", "list", "--json"),
    ("verify", "--json"),
)
MISTAKES = (
    ("segments", "--as-of", "0001-01-01"),
    ("forecast", "--as-of", "9999-12-31"),
    ("retention", "--since", "0001-01-01"),
    ("backfill", "--since", "2206-11-22"),
    ("quarantine", "show", "9" * 30),
    ("export", "\udcff"),
    ("approve", "\udcff"),
    ("preview", "(" * 10_000),
    ("preview", f"orders({'9' * 30} days) > 1"),
    ("init", "--directory", "/proc/syncd"),
)
OURS = [f"\x1b[{number}m" for number in (0, 1, 2, 32, 36)]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    directory = tmp_path_factory.mktemp("hostile")
    with Town() as town, open_history(f"sqlite:///{directory}/syncd.db", create=True) as history:
        town.world.throttle.enforce = False
        empty(town, Switches())
        home = Home(town.running, history, directory, rules=RULES + LAMPS)
        titles = (LONG, f"Lamp {HOSTILE}")
        for shop in home.shops:
            items = [{"title": title, "name": title, "price": "20.00"} for title in titles]
            home.buys(EMAIL, shop=shop, items=items, customer={"city": HOSTILE})
        home.joins(KEY, tags=[HOSTILE])
        home.backfill()
        take(history, rejected=(Rejected("7", f"email: {HOSTILE}", json.dumps({"email": HOSTILE}).encode()),))
        with history.begin() as db:
            db.execute(update(standings).values(known_tags=0))
        yield home


def said(home: Home, *arguments: str) -> None:
    """The command has run as in a terminal."""
    config = str(home.directory / "syncd.toml")
    try:
        group.main(["--config", config, *arguments], standalone_mode=False, color=True)
    except SyncdError as err:
        explain(err)
    except click.exceptions.Exit:
        pass


def obeyed(text: str) -> set[str]:
    """The signs in a text that a terminal obeys or hides."""
    return {sign for sign in text if unicodedata.category(sign) in ("Cc", "Cf", "Cs", "Zl", "Zp")}


@pytest.mark.parametrize("arguments", COMMANDS, ids=lambda arguments: ascii(" ".join(arguments))[1:40])
def test_no_command_lets_a_terminal_obey_what_others_wrote(
    home: Home, arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    said(home, *arguments)
    text = "".join(capsys.readouterr())
    assert text
    for ours in OURS:
        text = text.replace(ours, "")
    assert obeyed(text) <= {"\n"}
    if arguments[:2] in (("explain", EMAIL), ("erase", EMAIL), ("members", "buyer")):
        assert "ann\\U000e0041@shop.example" in text


@pytest.mark.parametrize("arguments", DOCUMENTS, ids=" ".join)
def test_a_document_is_as_harmless_and_still_says_what_was_written(
    home: Home, arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    said(home, *arguments)
    text = capsys.readouterr().out
    assert obeyed(text) <= {"\n"}
    assert KEY in json.dumps(json.loads(text), ensure_ascii=False) or not {*arguments} & {
        "members",
        "explain",
        "export",
    }


@pytest.mark.parametrize("arguments", MISTAKES, ids=lambda arguments: ascii(" ".join(arguments))[1:40])
def test_whatever_is_asked_for_is_done_or_told_to_be_a_mistake(
    home: Home, arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises((click.UsageError, UserError)) as caught:
        group.main(["--config", str(home.directory / "syncd.toml"), *arguments], standalone_mode=False)
    assert exit_code_of(caught.value) == 2
    assert capsys.readouterr().out == ""


def test_what_can_be_seen_stays_as_it_is() -> None:
    for text in ("Café à la crème", "1.234,56\N{NO-BREAK SPACE}€", "日本語 ✓ 🪔", r"C:\x1b", ""):
        assert harmless(text) == text
    assert harmless("a\nb\tc\x1b\ud800") == r"a\nb\tc\x1b\ud800"
