"""Time, chance and every effect have one way in and out, so that a test can stand in between; nobody goes around."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import syncd

ROOT = Path(syncd.__file__).parent
# What is called where: the name as it is written, and the only modules that may.
ONLY_IN = {
    "time.time": {"clock.py"},
    "datetime.now": {"clock.py"},
    "datetime.utcnow": set[str](),
    "datetime.today": set[str](),
    "date.today": set[str](),
    "engine.begin": set[str](),
    # Chance spreads waiting, and decides nothing.
    "random": {"http.py"},
    "wait_random": {"history/database.py"},
    "requests.Session": {"_wire.py"},
}
# Whatever the object in front of them is called.
METHODS_ONLY_IN = {
    "write_text": {"effects.py"},
    "write_bytes": set[str](),
    "commit": set[str](),
    "mkstemp": set[str](),
}
MODULES_ONLY_IN = {
    "random": {"http.py"},
    # The key under which erased people are remembered.
    "secrets": {"history/tombstones.py"},
    "uuid": set[str](),
    "requests": {"http.py", "_wire.py"},
    "urllib.request": set[str](),
    "http.client": {"_wire.py"},
}
# Files that are there to be locked or filled by SQLite, and the one that swallows what nobody reads.
OPENED = {"history/database.py", "history/writer.py", "cli/errors.py"}


def modules() -> list[str]:
    """Every module that works on real shops."""
    found = (path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*.py"))
    return sorted(name for name in found if not name.startswith("sandbox/"))


def spelled(node: ast.expr) -> str:
    """`a.b.c` as it is written; nothing stands for a call or an index."""
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=before, attr=name):
            return f"{spelled(before)}.{name}"
    return ""


def detours(name: str, tree: ast.AST) -> Iterator[str]:
    """Where the module goes around a seam."""
    for node in ast.walk(tree):
        match node:
            case ast.Attribute() | ast.Name():
                written = spelled(node)
                for known, allowed in ONLY_IN.items():
                    if (written == known or written.endswith(f".{known}")) and name not in allowed:
                        yield f"line {node.lineno}: {written}"
                if isinstance(node, ast.Attribute) and name not in METHODS_ONLY_IN.get(node.attr, {name}):
                    yield f"line {node.lineno}: .{node.attr}"
            case ast.Import(names=names):
                for each in names:
                    if name not in MODULES_ONLY_IN.get(each.name, {name}):
                        yield f"line {node.lineno}: import {each.name}"
            case ast.ImportFrom(module=str(module)) if name not in MODULES_ONLY_IN.get(module, {name}):
                yield f"line {node.lineno}: from {module}"
            case ast.Call(func=called) if spelled(called) in ("open", "os.open") and name not in OPENED:
                yield f"line {node.lineno}: {spelled(called)}"
            case ast.Call(func=ast.Attribute(attr="open"), args=[ast.Constant(value=str(mode)), *_]) if {*"wax+"} & {
                *mode
            }:
                yield f"line {node.lineno}: open for writing"


@pytest.mark.parametrize("name", modules())
def test_no_module_goes_around_a_seam(name: str) -> None:
    assert list(detours(name, ast.parse((ROOT / name).read_text("utf-8")))) == []


@pytest.mark.parametrize(
    "text",
    [
        "import time\nnow = time.time()",
        "from datetime import datetime\nnow = datetime.now()",
        "import datetime\nnow = datetime.datetime.now()",
        "from random import choice",
        "import uuid",
        "import requests\nrequests.get('x')",
        "path.write_text('x')",
        "Path('x').open('w')",
        "open('x')",
        "db.commit()",
        "history.engine.begin()",
    ],
)
def test_a_detour_is_seen(text: str) -> None:
    assert list(detours("steps/judge.py", ast.parse(text))) != []
