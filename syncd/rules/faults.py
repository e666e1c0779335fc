"""What a marketer reads when a rule cannot be understood. Knows the rule's text, nothing of its grammar."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches

from syncd.errors import UserError

Extent = tuple[int, int]


class Fault(Exception):
    """Something is wrong with the text between `extent`; `pointing_at` the rule makes it a RuleError."""

    def __init__(self, extent: Extent, problem: str) -> None:
        super().__init__(problem)
        self.extent = extent
        self.problem = problem


class RuleError(UserError):
    """A rule that is wrong; the message shows its line with a caret under the exact `span` (start, end)."""

    def __init__(self, rule: str, fault: Fault) -> None:
        super().__init__(f"{fault.problem}\n{_pointed_at(rule, fault.extent)}")
        self.problem = fault.problem
        self.span = fault.extent


@contextmanager
def pointing_at(rule: str) -> Iterator[None]:
    """Afterwards every Fault within has become a RuleError that shows its place in `rule`."""
    try:
        yield
    except Fault as fault:
        raise RuleError(rule, fault) from fault


def nearest(word: str, known: Iterable[str]) -> str:
    """`; did you mean 'spend'?` where a known word is close to `word`, else nothing."""
    for match in get_close_matches(word.lower(), list(known), n=1):
        return f"; did you mean '{match}'?"
    return ""


def _pointed_at(rule: str, extent: Extent) -> str:
    start, end = extent
    begin = rule.rfind("\n", 0, start) + 1
    line = rule[begin:].partition("\n")[0]
    # A tab stays a tab, so that the caret stands right however wide the reader's tabs are.
    indent = "".join("\t" if sign == "\t" else " " for sign in rule[begin:start])
    width = max(1, min(end, begin + len(line)) - start)
    return f"  {line}\n  {indent}{'^' * width}"
