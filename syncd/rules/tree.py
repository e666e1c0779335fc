"""The tree of a rule: one meaning, read alike by evaluation, figures and explanation.

A node knows where it stands in the text (`span`) and what it measures (`kind`); `str(node)` is its
canonical text, which parses to the same tree. Two nodes are equal if they mean the same, wherever they stand.
It knows nothing of customers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from syncd.calendar import Window
from syncd.rules.faults import Extent
from syncd.rules.kinds import Kind

# The operator of `-x`: not to be mistaken for that of `x - y`.
MINUS = "unary minus"
COMPARISONS = ("==", "!=", "<", "<=", ">", ">=")
# What asks something of values; `and`, `or` and `not` join the answers.
QUESTIONS = (*COMPARISONS, "between", "within")

# The words that are operators.
WORDS = ("and", "or", "not", "between", "within")

# How tightly each operator holds its operands; what is no operation holds tightest.
BINDING = {
    "or": 1,
    "and": 2,
    "not": 3,
    **dict.fromkeys((*COMPARISONS, "between", "within"), 4),
    **dict.fromkeys(("+", "-"), 5),
    **dict.fromkeys(("*", "/"), 6),
    MINUS: 7,
}
TIGHTEST = 8


@dataclass(frozen=True, slots=True)
class Literal:
    """A number, a date (as its day), a text, a length of time or a window, and how it is written."""

    span: Extent = field(compare=False)
    kind: Kind = field(compare=False)  # follows from the rest
    value: float | str | Window
    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Thing:
    """What was bought: `category "tea"`."""

    sort: str
    text: str

    def __str__(self) -> str:
        return f'{self.sort} "{self.text}"'


@dataclass(frozen=True, slots=True)
class Call:
    """A name of the language, with what stands in its parentheses."""

    span: Extent = field(compare=False)
    kind: Kind = field(compare=False)  # follows from the rest
    name: str
    arguments: tuple[Argument, ...] = ()

    def __str__(self) -> str:
        return f"{self.name}({', '.join(map(str, self.arguments))})" if self.arguments else self.name


@dataclass(frozen=True, slots=True)
class Operation:
    """An operator and its operands: two or more for `and` and `or`, three for `between`."""

    span: Extent = field(compare=False)
    kind: Kind = field(compare=False)  # follows from the rest
    operator: str
    operands: tuple[Node, ...]

    def __str__(self) -> str:
        holds = BINDING[self.operator]
        first, *rest = self.operands
        # Arithmetic reads from the left, 9 - 3 - 2; a comparison does not chain, and nested `and` was in parentheses.
        left = _held(first, holds if self.operator in ("+", "-", "*", "/", "not", MINUS) else holds + 1)
        right = [_held(operand, holds + 1) for operand in rest]
        match self.operator:
            case "unary minus":
                return f"-{left}"
            case "not":
                return f"not {left}"
            case "between":
                return f"{left} between {right[0]} and {right[1]}"
        return f" {self.operator} ".join((left, *right))


Node = Literal | Call | Operation
Argument = Node | Window | Thing | str | float


def children(node: Node) -> tuple[Node, ...]:
    """The nodes directly below."""
    match node:
        case Operation():
            return node.operands
        case Call():
            return tuple(argument for argument in node.arguments if isinstance(argument, Node))
    return ()


def walk(node: Node) -> Iterator[Node]:
    """The node and everything below it, in the order of the text."""
    yield node
    for child in children(node):
        yield from walk(child)


def calls(node: Node) -> Iterator[Call]:
    """Every name that the rule uses, in the order of the text."""
    return (part for part in walk(node) if isinstance(part, Call))


def conditions(node: Node, wanted: bool = True) -> Iterator[tuple[Node, bool]]:
    """The comparisons and yes-or-no values that `and`, `or` and `not` join; and whether the rule wants them to hold."""
    if isinstance(node, Operation) and node.operator in ("and", "or", "not"):
        for operand in node.operands:
            yield from conditions(operand, wanted != (node.operator == "not"))
    else:
        yield node, wanted


def parts(node: Node) -> tuple[Node, ...]:
    """The operands of the outermost `and` or `or`; the rule itself where there is none."""
    return node.operands if isinstance(node, Operation) and node.operator in ("and", "or") else (node,)


def _held(node: Node, holds: int) -> str:
    """The text of an operand, in parentheses where it holds together less tightly than its place demands."""
    binding = BINDING[node.operator] if isinstance(node, Operation) else TIGHTEST
    return str(node) if binding >= holds else f"({node})"
