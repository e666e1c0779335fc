"""The documents say what is there: every key with its default, every command and option, working examples."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from pydantic.fields import FieldInfo

from syncd.cli import group
from syncd.settings import load
from syncd.settings.durations import seconds
from syncd.settings.lifecycle import MergeField, Moment, Segment
from syncd.settings.models import Audience, Brake, General, Shop
from syncd.settings.problems import Table

ROOT = Path(__file__).parents[2]
REFERENCE = (ROOT / "docs/reference.md").read_text()
DOCUMENTS = sorted([ROOT / "README.md", *ROOT.glob("docs/*.md")])
TABLES: dict[str, type[Table]] = {
    "[syncd]": General,
    "[shops.NAME]": Shop,
    "[audiences.NAME]": Audience,
    "[audiences.NAME.brake]": Brake,
    "[segments.NAME]": Segment,
    "[fields.NAME]": MergeField,
    "[moments.NAME]": Moment,
}


def documented(heading: str) -> dict[str, str]:
    """{key: default} as the table under this heading of the reference says."""
    table = REFERENCE.partition(f"`{heading}`")[2].partition("|---|---|---|\n")[2].partition("\n\n")[0]
    return {key: default.strip() for key, default in re.findall(r"^\| `(\w+)` \|([^|]*)\|", table, re.M)}


def is_the_default(words: str, field: FieldInfo) -> bool:
    if field.is_required():
        return words == "required"
    default = field.get_default(call_default_factory=True)
    if not words:
        return default is None or default == "" or isinstance(default, Table)
    value = tomllib.loads(f"x = {words.strip('`')}")["x"]
    match default, value:
        case tuple(), list():
            return default == tuple(value)
        case int(), str():
            return default == seconds(value)
    return bool(default == value)


@pytest.mark.parametrize("heading", TABLES)
def test_every_key_of_the_configuration_is_documented_and_no_other(heading: str) -> None:
    assert documented(heading).keys() == TABLES[heading].model_fields.keys()


@pytest.mark.parametrize("heading", TABLES)
def test_the_documented_defaults_are_the_real_ones(heading: str) -> None:
    fields, words = TABLES[heading].model_fields, documented(heading)
    assert [key for key, field in fields.items() if not is_the_default(words[key], field)] == []


def commands(at: click.Group, path: str = "syncd") -> Iterator[tuple[str, click.Command]]:
    context = click.Context(at)
    for name in at.list_commands(context):
        command = at.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, f"{path} {name}")
        else:
            yield f"{path} {name}", command


def long_options(command: click.Command) -> list[str]:
    return [name for option in command.params for name in option.opts if name.startswith("--")]


def test_every_command_and_option_is_documented_and_no_other() -> None:
    rows = dict(re.findall(r"^\| `(syncd [a-z ]*[a-z])(?: [A-Z]+)?` \|([^|]*)\|", REFERENCE, re.M))
    written = {path: set(re.findall(r"--[a-z-]+", options)) for path, options in rows.items()}
    # --config belongs to every command and is described once, above the table.
    real = {path: set(long_options(command)) - {"--config"} for path, command in commands(group)}
    assert written == real


def test_every_option_before_the_command_is_documented() -> None:
    before = REFERENCE.partition("Before the command:")[2].partition("\n\n")[0]
    assert all(name in before for option in group.params for name in option.opts)


def test_every_command_says_in_its_help_what_it_does() -> None:
    assert [path for path, command in commands(group) if not command.help] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_command_that_a_document_mentions_exists(document: Path) -> None:
    known = group.list_commands(click.Context(group))
    text = document.read_text()
    typed = "".join(re.findall(r"```\n(.*?)```", text, re.S))
    mentioned = re.findall(r"[`/]syncd ([a-z]+)", text) + re.findall(r"^syncd ([a-z]+)", typed, re.M)
    assert set(mentioned) <= {*known}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_leads_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", document.read_text()):
        file, _, anchor = target.partition("#")
        page = document.parent / file if file else document
        assert page.is_file()
        assert not anchor or anchor in map(_anchor, re.findall(r"^#+ (.*)$", page.read_text(), re.M))


def _anchor(heading: str) -> str:
    """The name under which a heading is linked to."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def test_the_example_in_the_readme_works(tmp_path: Path) -> None:
    configuration, rules, *_ = re.findall(r"```toml\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    (tmp_path / "syncd.toml").write_text(configuration)
    (tmp_path / "lifecycle.toml").write_text(rules)
    assert len(load(tmp_path / "syncd.toml").audiences["main"].playbook.segments) == 1


def test_every_rule_in_the_marketers_page_can_be_read() -> None:
    from syncd.rules import Playbook, SegmentSpec

    text = (ROOT / "docs/marketer.md").read_text()
    block = re.search(r"## Write a rule\n\n```\n(.*?)```", text, re.S)
    assert block
    rules = [*block[1].splitlines(), *re.findall(r'(?:when|stay_while|preview|fallback) (?:= )?"(.*?)"', text)]
    named = {name: SegmentSpec("orders(ever) >= 9") for name in re.findall(r"^\[segments\.(.*)\]$", text, re.M)}
    specs = named | {f"r{n}": SegmentSpec(rule) for n, rule in enumerate(rules)}
    assert len(Playbook.load(specs, currency="EUR").segments) == len(rules) + len(named) >= 12


def test_every_word_of_the_language_is_in_the_marketers_page_with_an_example() -> None:
    from syncd.rules import parse_rule
    from syncd.rules.names import NAMES
    from syncd.rules.tree import calls

    tables = (ROOT / "docs/marketer.md").read_text().partition("## Write a rule")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`.*`) \|.*\| `(.*)` \|$", tables, re.M)
    explained = [(set(re.findall(r"`(\w+)", words)), parse_rule(rule, ["loyal"])) for words, rule in rows]
    assert set().union(*(words for words, _ in explained)) == set(NAMES)
    assert [str(rule) for words, rule in explained if words.isdisjoint(call.name for call in calls(rule))] == []


def test_the_marketers_page_lists_the_shipped_segments_in_their_order() -> None:
    shipped = tomllib.loads((ROOT / "config/lifecycle.toml").read_text())["segments"]
    listed = (ROOT / "docs/marketer.md").read_text().partition("## The shipped segments")[2].partition("\n## ")[0]
    assert re.findall(r"^\| `([a-z0-9-]+)` \|", listed, re.M) == [*shipped]


def test_the_marketers_page_says_what_each_shipped_field_holds() -> None:
    shipped = tomllib.loads((ROOT / "config/lifecycle.toml").read_text())["fields"]
    table = (ROOT / "docs/marketer.md").read_text().partition("| merge tag |")[2].partition("\n\n")[0]
    assert {*re.findall(r"\*\\\|(\w+)\\\|\*", table)} == {*shipped}


def test_what_the_shipped_rules_leave_out_can_be_taken_in() -> None:
    from syncd.settings.lifecycle import read_playbook

    for file in (ROOT / "config/lifecycle.toml", ROOT / "config/es/lifecycle.toml"):
        text = file.read_text("utf-8")
        woken = tomllib.loads(re.sub(r"^# (?=\[fields|value = |describe = )", "", text, flags=re.M))
        assert woken["fields"].keys() - tomllib.loads(text)["fields"].keys() == {"PBUY90"}
        assert read_playbook(woken, "EUR", "syncd:").fields
