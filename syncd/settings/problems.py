"""Faults of a configuration as sentences. Knows how the validator names a fault; not what a key is for.

No sentence repeats a value, except where the value had to be one of a few known words.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from syncd.errors import UserError

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

    from syncd.settings.document import Document, Key

Problem = tuple["Key", str]


class Table(BaseModel):
    """A table of the configuration: nothing converted, no unknown keys, never altered once read."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, hide_input_in_errors=True)


def nearest(word: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?` where a known word is close to `word`, else nothing."""
    spelling = {each.lower(): each for each in known}
    close = get_close_matches(word.lower(), spelling, n=1)
    return f"; did you mean {spelling[close[0]]!r}?" if close else ""


def unknown(word: str, known: Iterable[str], what: str) -> str:
    """A sentence for a word that is not among the known ones; short lists are given whole."""
    words = sorted(known)
    hint = nearest(word, words) or (f"; known: {', '.join(words)}" if 0 < len(words) <= 8 else "")
    return f"{word!r} is not {what}{hint}"


def problems_of(error: ValidationError, model: type[Table]) -> Iterator[Problem]:
    """Each fault that the validator found, with its key (list positions left out)."""
    for fault in error.errors(include_url=False):
        key = tuple(part for part in fault["loc"] if isinstance(part, str) and part != "[key]")
        yield key, _SENTENCES.get(fault["type"], _other)(fault, model)


def in_order(document: Document, problems: Iterable[Problem]) -> list[str]:
    """The problems as sentences with their places, from the first line of the file to the last."""
    ordered = sorted(problems, key=lambda problem: document.line(*problem[0]))
    return [f"{document.place(*key)}: {sentence}" for key, sentence in ordered]


def user_error(document: Document, problems: Iterable[Problem]) -> UserError:
    """All problems of one document as one error."""
    return gathered(document.path.name, in_order(document, problems))


def gathered(name: str, problems: Iterable[str]) -> UserError:
    """One error for all problems; what is said twice is said once."""
    sentences = list(dict.fromkeys(problems))
    count = "a problem" if len(sentences) == 1 else f"{len(sentences)} problems"
    return UserError(f"{name} has {count}", problems=sentences, hint="Correct the file and run `syncd check`.")


_EXPECTED = {
    "int_type": "a whole number",
    "float_type": "a number",
    "string_type": "text",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "dict_type": "a table",
    "model_type": "a table",
}
# In this order: to Python true is a whole number, too.
_KINDS = {bool: "true or false", int: "a whole number", float: "a number", str: "text", list: "a list", dict: "a table"}


def kind(value: object) -> str:
    """What a TOML value is, in words."""
    return next((words for type_, words in _KINDS.items() if isinstance(value, type_)), "a date or time")


def _wrong_type(fault: ErrorDetails, _model: type[Table]) -> str:
    return f"expected {_EXPECTED[fault['type']]}, got {kind(fault['input'])}"


def _missing(_fault: ErrorDetails, _model: type[Table]) -> str:
    return "this key is missing"


def _unknown_key(fault: ErrorDetails, model: type[Table]) -> str:
    *table, key = fault["loc"]
    known = _keys_at(model, table)
    return f"there is no such key here{nearest(str(key), known) or '; known: ' + ', '.join(known)}"


def _keys_at(model: type[Table], place: Iterable[int | str]) -> list[str]:
    """The keys that the table at this place of a configuration may have."""
    level: Any = model
    for part in place:
        fields = getattr(level, "model_fields", None)
        # Between `shops` and the keys of a shop stands its name, which is anybody's choice.
        level = fields[str(part)].annotation if fields else get_args(level)[-1]
    return list(next(_models_in(level)).model_fields)


def _models_in(annotation: Any) -> Iterator[type[Table]]:
    if isinstance(annotation, type) and issubclass(annotation, Table):
        yield annotation
    for argument in get_args(annotation):
        yield from _models_in(argument)


def _not_a_choice(fault: ErrorDetails, _model: type[Table]) -> str:
    known = [word.strip(" '") for word in fault["ctx"]["expected"].replace(" or ", ",").split(",")]
    if not isinstance(fault["input"], str):
        return f"expected one of {', '.join(known)}, got {kind(fault['input'])}"
    return unknown(fault["input"], known, "a choice here")


def _too_small(fault: ErrorDetails, _model: type[Table]) -> str:
    return f"must be {fault['ctx']['ge']:g} or more"


def _too_great(fault: ErrorDetails, _model: type[Table]) -> str:
    return f"must be {fault['ctx']['le']:g} or less"


def _our_own(fault: ErrorDetails, _model: type[Table]) -> str:
    return str(fault["ctx"]["error"])


def _other(fault: ErrorDetails, _model: type[Table]) -> str:
    return fault["msg"]


_SENTENCES: dict[str, Callable[[ErrorDetails, type[Table]], str]] = {
    **dict.fromkeys(_EXPECTED, _wrong_type),
    "missing": _missing,
    "extra_forbidden": _unknown_key,
    "literal_error": _not_a_choice,
    "greater_than_equal": _too_small,
    "less_than_equal": _too_great,
    "value_error": _our_own,
}
