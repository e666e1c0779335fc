"""Where everything passes that the outside can notice: a request, a commit, a written file.

Nothing happens here by itself. Whoever stands in between sees each effect before it happens, and decides what
becomes of it: so a run can be counted, and be broken at any of them. The time has a place of its own, `clock.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Literal, Protocol, TypeVar

T = TypeVar("T")
Kind = Literal["request", "commit", "file"]


class Between(Protocol):
    """What stands between us and the outside; by itself it would return `act()`."""

    def __call__(self, kind: Kind, name: str, act: Callable[[], T]) -> T: ...


_between: list[Between] = []


def effect(kind: Kind, name: str, act: Callable[[], T]) -> T:
    """`act` has happened, and this is what came of it; unless somebody stands in between."""
    for between in _between:
        act = partial(between, kind, name, act)
    return act()


def write_file(path: Path, text: str) -> None:
    """The file is there and says so."""
    effect("file", path.name, partial(path.write_text, text, "utf-8", newline=""))


@contextmanager
def standing_between(between: Between) -> Iterator[None]:
    """Within, every effect of this process is left to `between`."""
    _between.append(between)
    try:
        yield
    finally:
        _between.remove(between)
