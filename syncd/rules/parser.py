"""From the text of a rule to its tree: a Pratt parser that checks kinds as it goes.

It knows the grammar and asks the table of names; it judges nobody. A complaint points at the exact
words that are wrong, says what is expected there, and names the nearest known word.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection

from syncd.rules import check, literals
from syncd.rules.faults import Fault, nearest, pointing_at
from syncd.rules.kinds import Kind
from syncd.rules.names import NAMES, Name, Takes
from syncd.rules.tokens import Cursor, Token
from syncd.rules.tree import BINDING, COMPARISONS, MINUS, WORDS, Argument, Call, Literal, Node, Operation

MAX_DEPTH = 50

_SEGMENT = re.compile(r"[A-Za-z0-9_-]+")
_LITERALS: dict[str, Callable[[Cursor], Literal]] = {
    "number": literals.number,
    "date": literals.calendar_date,
    "text": literals.text,
}


def parse(expression: str, segments: Collection[str] = ()) -> Node:
    """The tree of any expression; `segments` are the names that in() knows.

    Raises: RuleError.
    """
    with pointing_at(expression):
        return _Parser(expression, segments).whole()


def parse_rule(rule: str, segments: Collection[str] = ()) -> Node:
    """The tree of a rule, which is true or false for each customer.

    Raises: RuleError.
    """
    tree = parse(rule, segments)
    with pointing_at(rule):
        check.condition(tree, "a rule is true or false")
    return tree


def parse_value(expression: str, segments: Collection[str] = ()) -> Node:
    """The tree of a field: a number, a date or a text for each customer.

    Raises: RuleError.
    """
    tree = parse(expression, segments)
    with pointing_at(expression):
        check.value(tree)
    return tree


class _Parser:
    """Each method leaves the cursor just behind what it has read."""

    def __init__(self, rule: str, segments: Collection[str]) -> None:
        self._cursor = Cursor(rule)
        self._segments = segments
        self._depth = 0

    def whole(self) -> Node:
        """The tree of the whole text."""
        if self._cursor.token.kind == "end":
            raise Fault(self._cursor.token.span, "the rule is empty")
        tree = self._expression(0)
        if self._cursor.token.kind != "end":
            raise Fault(
                self._cursor.token.span,
                _surplus(self._cursor.token, "`and`, `or` or an operator is missing before this"),
            )
        return tree

    def _expression(self, floor: int) -> Node:
        """An expression, as far as its operators bind tighter than `floor`."""
        start, depth = self._cursor.token.start, self._depth
        left = self._operand()
        while self._infix_binding() > floor:
            left = self._infix(left, start)
        self._depth = depth
        return left

    def _infix_binding(self) -> int:
        word = self._cursor.token.text
        return 0 if word == "not" else BINDING.get(word, 0)

    def _infix(self, left: Node, start: int) -> Node:
        """The operation whose left side is read, begun at `start`, and whose operator is next."""
        self._deepen()
        operator = self._cursor.advance()
        match operator.text:
            case "and" | "or":
                return self._logic(left, start, operator)
            case "between":
                return self._between(left, start, operator)
            case "within":
                return self._within(left, start)
        right = self._expression(BINDING[operator.text])
        if operator.text in COMPARISONS:
            self._end_of_comparison()
            check.comparison(left, operator.text, right, operator.span)
            return Operation(self._cursor.since(start), Kind.BOOLEAN, operator.text, (left, right))
        kind = check.arithmetic(left, operator.text, right)
        return Operation(self._cursor.since(start), kind, operator.text, (left, right))

    def _logic(self, left: Node, start: int, operator: Token) -> Node:
        operands = [left, self._expression(BINDING[operator.text])]
        while self._cursor.take(operator.text):
            operands.append(self._expression(BINDING[operator.text]))
        for operand in operands:
            check.condition(operand, f"`{operator.text}` joins what is true or false")
        return Operation(self._cursor.since(start), Kind.BOOLEAN, operator.text, tuple(operands))

    def _between(self, operand: Node, start: int, operator: Token) -> Node:
        low = self._expression(BINDING["between"])
        if not self._cursor.take("and"):
            raise Fault(self._cursor.token.span, "`between` needs two ends, as in `between 100 and 200`")
        high = self._expression(BINDING["between"])
        self._end_of_comparison()
        for end in (low, high):
            check.comparison(operand, "between", end, operator.span)
        return Operation(self._cursor.since(start), Kind.BOOLEAN, "between", (operand, low, high))

    def _within(self, left: Node, start: int) -> Node:
        token = self._cursor.token
        window = literals.window(self._cursor)
        if window is None:
            raise Fault(token.span, f"`within` needs {Takes.WINDOW.value}")
        self._end_of_comparison()
        check.dated(left)
        right = Literal(self._cursor.since(token.start), Kind.WINDOW, window, str(window))
        return Operation(self._cursor.since(start), Kind.BOOLEAN, "within", (left, right))

    def _end_of_comparison(self) -> None:
        if self._cursor.token.text in (*COMPARISONS, "between", "within"):
            problem = "comparisons do not chain: use `between … and …`, or join two of them with `and`"
            raise Fault(self._cursor.token.span, problem)

    def _operand(self) -> Node:
        self._deepen()
        token = self._cursor.token
        if token.kind in _LITERALS:
            return _LITERALS[token.kind](self._cursor)
        match token.text:
            case "not":
                return self._not()
            case "-":
                return self._negative()
            case "(":
                return self._parenthesis()
        if token.kind == "name" and token.text not in BINDING:
            return self._call()
        raise Fault(token.span, "a value or a condition is missing here")

    def _not(self) -> Node:
        start = self._cursor.advance().start
        # One `not` may follow another, so its own binding is welcome.
        operand = self._expression(BINDING["not"] - 1)
        check.condition(operand, "`not` inverts what is true or false")
        return Operation(self._cursor.since(start), Kind.BOOLEAN, "not", (operand,))

    def _negative(self) -> Node:
        start = self._cursor.advance().start
        operand = self._expression(BINDING[MINUS] - 1)
        return Operation(self._cursor.since(start), check.negative(operand), MINUS, (operand,))

    def _parenthesis(self) -> Node:
        opening = self._cursor.advance()
        inner = self._expression(0)
        self._close(opening)
        return inner

    def _call(self) -> Node:
        word = self._cursor.advance()
        name = NAMES.get(word.text)
        if name is None:
            raise Fault(word.span, _unknown(word))
        arguments = self._arguments(word, name.takes)
        kind = name.gives or self._kind(name, arguments)
        return Call(self._cursor.since(word.start), kind, word.text, arguments)

    def _kind(self, name: Name, arguments: tuple[Argument, ...]) -> Kind:
        """What is given by a name that gives what it takes."""
        nodes = [argument for argument in arguments if isinstance(argument, Node)]
        return check.measure(*nodes) if name.of_audience else check.alike(*nodes)

    def _arguments(self, word: Token, takes: tuple[Takes, ...]) -> tuple[Argument, ...]:
        opening = self._cursor.token
        if not takes:
            if opening.text == "(":
                raise Fault(opening.span, f"`{word.text}` stands without parentheses")
            return ()
        if not self._cursor.take("("):
            wanted = ", then ".join(one.value for one in takes)
            raise Fault(word.span, f"`{word.text}` needs parentheses with {wanted}")
        arguments = [self._argument(word, takes[0])]
        for one in takes[1:]:
            if not self._cursor.take(","):
                raise Fault(self._cursor.token.span, f"`{word.text}` needs a comma here, then {one.value}")
            arguments.append(self._argument(word, one))
        self._close(opening)
        return tuple(arguments)

    def _argument(self, word: Token, takes: Takes) -> Argument:
        if takes is Takes.MEASURE:
            return self._expression(0)
        token = self._cursor.token
        argument = self._segment() if takes is Takes.SEGMENT else literals.ARGUMENTS[takes](self._cursor)
        if argument is None:
            raise Fault(token.span, f"`{word.text}` needs {takes.value}")
        return argument

    def _segment(self) -> str | None:
        """The name of a segment, which may hold hyphens and begin with a digit."""
        word = self._cursor.read(_SEGMENT)
        if word and word.text not in self._segments:
            raise Fault(word.span, f"no segment is called '{word.text}'{nearest(word.text, self._segments)}")
        return word.text if word else None

    def _close(self, opening: Token) -> None:
        token = self._cursor.token
        if not self._cursor.take(")"):
            if token.kind == "end":
                raise Fault(opening.span, "this parenthesis is not closed")
            raise Fault(token.span, _surplus(token, "`)` or an operator is missing before this"))

    def _deepen(self) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise Fault(self._cursor.token.span, f"the rule is too complicated: more than {MAX_DEPTH} levels deep")


def _surplus(token: Token, otherwise: str) -> str:
    """What to say about a token that cannot continue an expression."""
    match token.text:
        case ",":
            return "a comma only separates arguments; a thousand is written 1000"
        case ")":
            return "this parenthesis was never opened"
    return otherwise + nearest(token.text, [word for word in WORDS if word != "not"])


def _unknown(word: Token) -> str:
    if word.text in literals.WINDOW_WORDS:
        return f"'{word.text}' belongs to a window, in parentheses, as in `spend(this year)`"
    guess = nearest(word.text, (*NAMES, *WORDS))
    return f"unknown name '{word.text}'{guess or '; a text stands in double quotes'}"
