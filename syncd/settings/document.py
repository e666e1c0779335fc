"""A TOML file and where in it each key stands. Knows nothing of what the keys mean.

The standard parser gives values without positions. `locate` finds the lines of table headers and of
keys that begin a line, which is how people write configuration; whatever it does not find (keys inside
an inline table) is reported at the nearest line above that it did find.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from syncd.errors import UserError

Key = tuple[str, ...]

_PART = r"""(?:[A-Za-z0-9_-]+|"(?:[^"\\]|\\.)*"|'[^']*')"""
_DOTTED = rf"{_PART}(?:\s*\.\s*{_PART})*"
_HEADER = re.compile(rf"^\s*\[\[?\s*({_DOTTED})\s*\]\]?\s*(?:#.*)?$")
_ENTRY = re.compile(rf"^\s*({_DOTTED})\s*=\s*(.*)$")
# A value that may go on over several lines, and what a line has on which one may end.
_OPENING = re.compile(r"""\[|\{|\"{3}|'{3}""")
_CLOSING = re.compile(r"""\]|\}|\"{3}|'{3}""")
_PLAINER = {"Cannot overwrite a value": "a key is given twice"}
_SYNTAX = re.compile(r"^(?P<fault>.*) \(at (?:line (?P<line>\d+), column (?P<column>\d+)|end of document)\)$")


@dataclass(frozen=True)
class Document:
    """The content of a TOML file, or of one table in it (then `within` says which)."""

    path: Path
    data: Mapping[str, Any]
    lines: Mapping[Key, int]
    within: Key = ()

    def line(self, *key: str) -> int:
        """The line of `key`, or else of the nearest table around it; 0 where none is known."""
        full = self.within + key
        return next((self.lines[full[:n]] for n in range(len(full), 0, -1) if full[:n] in self.lines), 0)

    def place(self, *key: str) -> str:
        """Where `key` stands, as editors and compilers write it: `syncd.toml:12: shops.acme.token`."""
        line = self.line(*key)
        where = f"{self.path.name}:{line}" if line else self.path.name
        return ": ".join(filter(None, (where, ".".join(self.within + key))))

    def table(self, *key: str) -> Document:
        """The table at `key` as a document of its own, its places being those of this file."""
        data = self.data
        for part in key:
            data = data[part]
        return Document(self.path, data, self.lines, self.within + key)


def read(path: Path) -> Document:
    """The TOML file at `path`.

    Raises: UserError, in one sentence, where it cannot be read or is not TOML.
    """
    try:
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError as err:
        raise UserError(f"{path} is not UTF-8 text", hint="Save the file as UTF-8.") from err
    except (OSError, ValueError) as err:  # ValueError: what is no file's name at all
        reason = getattr(err, "strerror", None) or str(err)
        raise UserError(f"{path} cannot be read: {reason}", hint="`syncd init` writes a new one.") from err
    return parse(text, path)


def parse(text: str, path: Path) -> Document:
    """`text` as if it had been read from `path`.

    Raises: UserError with line and column where it is not TOML.
    """
    try:
        # With a line break at the end the parser names the line of every fault on the last one, too.
        return Document(path, tomllib.loads(f"{text}\n"), locate(text))
    # Nested hundreds deep, the parser runs out of stack instead of giving up; and a number may be too long for Python.
    except (ValueError, RecursionError) as err:
        raise UserError(_syntax_error(err, path.name), hint="The rest of the file was not checked.") from None


def _syntax_error(err: Exception, name: str) -> str:
    found = _SYNTAX.match(str(err))
    too_much = "values are nested too deep" if isinstance(err, RecursionError) else "a number has too many digits"
    fault = found["fault"] if found else too_much
    fault = _PLAINER.get(fault, fault)
    if found and found["line"]:
        return f"{name}: line {found['line']}, column {found['column']} is not TOML: {fault}"
    return f"{name} is not TOML: {fault} (noticed at the end of the file)"


def locate(text: str) -> dict[Key, int]:
    """The line, counted from 1, on which each table and each key begins."""
    lines: dict[Key, int] = {}
    table: Key = ()
    for number, line in _outside_values(text):
        if header := _HEADER.match(line):
            key = table = _parts(header[1])
        elif entry := _ENTRY.match(line):
            key = table + _parts(entry[1])
        else:
            continue
        for length in range(1, len(key) + 1):
            lines.setdefault(key[:length], number)
    return lines


def _parts(dotted: str) -> Key:
    return tuple(part.strip("\"'") for part in re.findall(_PART, dotted))


def _outside_values(text: str) -> Iterator[tuple[int, str]]:
    """The lines that do not continue a value begun above: inside a long string or list nothing is a key."""
    pending = ""
    for number, line in enumerate(text.split("\n"), 1):
        if pending:
            pending += f"\n{line}"
        else:
            yield number, line
            entry = _ENTRY.match(line)
            pending = entry[2] if entry and _OPENING.match(entry[2]) else ""
        if pending and _CLOSING.search(line) and _complete(pending):
            pending = ""


def _complete(value: str) -> bool:
    """Whether `value` is a whole TOML value: the parser that will read it anyway is the judge."""
    try:
        tomllib.loads(f"x = {value}")
    except (ValueError, RecursionError):
        return False
    return True
