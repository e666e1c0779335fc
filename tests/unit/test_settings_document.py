"""Where in a TOML file each key stands."""

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.errors import UserError
from syncd.settings.document import locate, parse, read

TEXT = '''\
# comment [not.a.table]
top = 1

[shops.acme]   # a comment
platform = "shopify"
token = { env = "X" }
dotted.key = 3
list = [
  "inner = 1",
  "[shops.fake]",
]
long = """
[shops.other]
platform = "wrong"
"""
after = 2

[audiences."with space".'quo.ted']
x = "a = b"
'''


def test_tables_and_keys_are_found_on_their_lines() -> None:
    lines = locate(TEXT)
    assert lines["top",] == 2
    assert lines["shops", "acme"] == 4
    assert lines["shops", "acme", "platform"] == 5
    assert lines["shops", "acme", "dotted"] == lines["shops", "acme", "dotted", "key"] == 7
    assert lines["audiences", "with space", "quo.ted", "x"] == 19


def test_nothing_inside_a_long_text_or_list_is_taken_for_a_key() -> None:
    lines = locate(TEXT)
    assert ("shops", "fake") not in lines
    assert ("shops", "other") not in lines
    assert lines["shops", "acme", "after"] == 16


def test_a_key_inside_an_inline_table_is_reported_where_the_table_begins() -> None:
    assert parse(TEXT, Path("dir/a.toml")).place("shops", "acme", "token", "env") == "a.toml:6: shops.acme.token.env"


def test_a_key_that_is_nowhere_is_reported_without_a_line() -> None:
    assert parse(TEXT, Path("a.toml")).place("gone") == "a.toml: gone"
    assert parse(TEXT, Path("a.toml")).place() == "a.toml"


def test_a_table_of_a_document_keeps_the_lines_of_the_file() -> None:
    table = parse(TEXT, Path("a.toml")).table("shops", "acme")
    assert table.data["platform"] == "shopify"
    assert table.place("platform") == "a.toml:5: shops.acme.platform"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a = 1\nb = shpat_12\n", "a.toml: line 2, column 5 is not TOML: Invalid value"),
        ("a = 1\na = 2", "a.toml: line 2, column 6 is not TOML: a key is given twice"),
        ('a = "b', "a.toml: line 1, column 7 is not TOML: Illegal character '\\n'"),
        ('a = """b', "a.toml is not TOML: Unterminated string (noticed at the end of the file)"),
        ("a = " + "[" * 5_000, "a.toml is not TOML: values are nested too deep"),
        ("a = " + "9" * 5_000, "a.toml is not TOML: a number has too many digits"),
    ],
)
def test_what_is_not_toml_is_said_in_one_sentence(text: str, sentence: str) -> None:
    with pytest.raises(UserError) as caught:
        parse(text, Path("dir/a.toml"))
    assert str(caught.value).startswith(sentence)


def test_a_file_that_cannot_be_read_names_the_command_that_writes_one(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="No such file") as caught:
        read(tmp_path / "syncd.toml")
    assert "syncd init" in caught.value.hint
    with pytest.raises(UserError, match="Is a directory"):
        read(tmp_path)


def test_a_byte_order_mark_is_ignored_and_other_encodings_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "syncd.toml"
    file.write_bytes(b"\xef\xbb\xbfa = 1\r\n")
    assert read(file).data == {"a": 1}
    file.write_bytes(b"a = '\xe9'")
    with pytest.raises(UserError, match="not UTF-8"):
        read(file)


NAMES = st.text("abc-_0", min_size=1, max_size=4)
VALUES = st.sampled_from(
    ["1", "'x'", '"[a]"', "[1,\n2]", '"""\nb = 1\n[c]\n"""', "'''a\n'''", "{ a = '}' }", "[[\n],\n[]]"]
)


@given(st.dictionaries(NAMES, st.dictionaries(NAMES, VALUES, max_size=4), max_size=4))
def test_every_key_is_found_on_the_line_on_which_it_was_written(tables: dict[str, dict[str, str]]) -> None:
    text, expected = "", {}
    for name, keys in tables.items():
        expected[name,] = text.count("\n") + 1
        text += f"[{name}]\n"
        for key, value in keys.items():
            expected[name, key] = text.count("\n") + 1
            text += f"{key} = {value} # [no] = 1\n"
    assert tomllib.loads(text).keys() == tables.keys()
    assert locate(text) == expected
