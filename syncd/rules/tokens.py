"""The words and signs of a rule, and a cursor over them. Knows how they are written, not what they mean."""

from __future__ import annotations

import re
from dataclasses import dataclass

from syncd.rules.faults import Extent, Fault

MAX_TOKENS = 500

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<date>[0-9]{4}-[0-9]{2}-[0-9]{2}(?![0-9]))
      | (?P<number>[0-9]+(?:\.[0-9]+)?)
      | (?P<text>"[^"\n]*")
      | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
      | (?P<sign>==|!=|<=|>=|<(?!>)|[>+*/(),-])
      | (?P<end>\Z)
      | (?P<stray><>|&&|\|\||"[^\n]*|.)
    )""",
    re.VERBOSE,
)

# How other languages write it, and what to write here.
_STRAY = {
    "=": "equality is written `==`",
    "<>": "inequality is written `!=`",
    "!": "negation is written `not`",
    "&": "write `and`",
    "&&": "write `and`",
    "|": "write `or`",
    "||": "write `or`",
    '"': "this text is not closed: a double quote is missing",
    "'": 'texts stand in double quotes, as in "ES"',
    "“": 'texts stand in straight double quotes, as in "ES"',
    "”": 'texts stand in straight double quotes, as in "ES"',
    "%": "a percentage is written as a plain number",
    "€": "amounts are plain numbers in the audience's currency, as in 250",
    "$": "amounts are plain numbers in the audience's currency, as in 250",
    "£": "amounts are plain numbers in the audience's currency, as in 250",
}


@dataclass(frozen=True, slots=True)
class Token:
    """One word or sign; `kind` is date, number, text, name, sign or end."""

    kind: str
    text: str
    start: int
    end: int

    @property
    def span(self) -> Extent:
        return self.start, self.end


class Cursor:
    """Reads the tokens of a rule from the left; `token` is the next one."""

    def __init__(self, rule: str) -> None:
        self._rule = rule
        self._tokens = tokenise(rule)
        self._at = 0

    @property
    def token(self) -> Token:
        return self._tokens[self._at]

    @property
    def after(self) -> Token:
        """The token behind the next one."""
        return self._tokens[min(self._at + 1, len(self._tokens) - 1)]

    def advance(self) -> Token:
        """Reads one token; the end is read again and again."""
        token = self.token
        self._at = min(self._at + 1, len(self._tokens) - 1)
        return token

    def take(self, text: str) -> bool:
        """Reads the next token if it is `text`."""
        if self.token.text != text:
            return False
        self.advance()
        return True

    def since(self, start: int) -> Extent:
        """From `start` to the end of what was read last."""
        return start, self._tokens[self._at - 1].end

    def read(self, pattern: re.Pattern[str]) -> Token | None:
        """Reads as many tokens as `pattern` covers, as one of kind name; None where it does not match here."""
        match = pattern.match(self._rule, self.token.start)
        if match is None:
            return None
        while self.token.start < match.end():
            self.advance()
        return Token("name", match[0], *match.span())


def tokenise(rule: str) -> list[Token]:
    """The words and signs of a rule, closed by one of kind `end`.

    Raises: Fault at the first sign that is no part of the language, and where a rule is too long.
    """
    tokens: list[Token] = []
    position = 0
    while not tokens or tokens[-1].kind != "end":
        match = _TOKEN.match(rule, position)
        assert match is not None  # the alternatives leave nothing out
        assert match.lastgroup is not None
        token = Token(match.lastgroup, match[match.lastgroup], *match.span(match.lastgroup))
        if token.kind == "stray":
            raise Fault(token.span, _complaint(token.text))
        if len(tokens) == MAX_TOKENS:
            raise Fault(token.span, f"the rule is too long: more than {MAX_TOKENS} words and signs")
        tokens.append(token)
        position = token.end
    return tokens


def _complaint(stray: str) -> str:
    """What to say about a sign that no rule has."""
    return _STRAY.get(stray) or _STRAY.get(stray[0]) or f"{stray!r} has no meaning in a rule"
