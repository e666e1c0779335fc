"""One call to the API, without HTTP: how a path finds its operation, and what the operation is given."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import unquote

import msgspec

from syncd.sandbox.audience.problems import invalid, not_allowed, not_found, required

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from syncd.sandbox.audience import Audience
    from syncd.sandbox.mailchimp.account import Account

Document = dict[str, Any]
Body = TypeVar("Body")

DEFAULT_COUNT = 10
MAX_COUNT = 1000


class Call(msgspec.Struct, frozen=True):
    """What an operation is given: the account, the words of the path, the query and the decoded body."""

    account: Account
    params: Mapping[str, str]
    query: Mapping[str, str]
    body: Any = None
    # The server's own address, for links that lead back to it.
    origin: str = ""
    # The addresses that were looked at for this call, with the status of their answer, 0 for none.
    visits: Mapping[str, int] = {}

    @property
    def audience(self) -> Audience:
        """The audience that the path names. Raises: Problem 404."""
        return self.account.audience(self.params["list_id"])

    def read(self, kind: type[Body]) -> Body:
        """The body as a value of `kind`. Raises: Problem that names the first wrong field."""
        try:
            return msgspec.convert(self.body or {}, kind)
        except msgspec.ValidationError as error:
            raise _wrong(str(error)) from None

    def flag(self, name: str) -> bool:
        """Whether the query says yes to `name`; the official client writes `True`."""
        return self.query.get(name, "").lower() in ("true", "1")

    def window(self) -> tuple[int, int]:
        """Offset and count of the page asked for; a count above 1000 is cut. Raises: Problem."""
        numbers = {"offset": 0, "count": DEFAULT_COUNT}
        for name in numbers:
            if (text := self.query.get(name)) is not None:
                if not text.isdecimal():
                    raise invalid((name, "This value should be a whole number of 0 or more."))
                numbers[name] = int(text)
        return numbers["offset"], min(numbers["count"], MAX_COUNT)

    def cut(self, rows: Sequence[Any]) -> Sequence[Any]:
        """The rows of the page asked for."""
        offset, count = self.window()
        return rows[offset : offset + count]


Operation = Callable[[Call], Document | None]


class Router:
    """Operations by method and path: a tree of path words, `{name}` standing for any."""

    def __init__(self, operations: Mapping[str, Operation]) -> None:
        self._root: dict[str, Any] = {}
        for key, operation in operations.items():
            method, path = key.split(" ")
            node = self._root
            for word in _words(path):
                node = node.setdefault("{}" if word.startswith("{") else word, {})
            node.setdefault("", {})[method] = (operation, re.findall(r"{(\w+)}", path))

    def find(self, method: str, path: str) -> tuple[Operation, dict[str, str]]:
        """The operation and the words of the path, decoded. Raises: Problem 404 or 405."""
        node: dict[str, Any] | None = self._root
        values = []
        for word in _words(path):
            if node is None:
                break
            if (next_node := node.get(word)) is None:
                next_node = node.get("{}")
                values.append(unquote(word))
            node = next_node
        methods: dict[str, Any] = (node or {}).get("", {})
        if not methods:
            raise not_found()
        if method not in methods:
            raise not_allowed(", ".join(sorted(methods)))
        operation, names = methods[method]
        return operation, dict(zip(names, values, strict=True))


def select(document: Document, query: Mapping[str, str]) -> Document:
    """The document with only `fields`, and without `exclude_fields`: dot paths from its root."""
    if fields := query.get("fields"):
        document = _keep(document, _tree(fields))
    if excluded := query.get("exclude_fields"):
        document = _drop(document, _tree(excluded))
    return document


def _words(path: str) -> list[str]:
    return [word for word in path.split("/") if word]


def _wrong(message: str) -> Exception:
    """msgspec's message as the service's. It is `Object missing required field `x`` or `… - at `$.x[0]``."""
    if missing := re.match(r"Object missing required field `(\w+)`", message):
        return required(missing[1])
    text, _, path = message.partition(" - at `$.")
    return invalid((path.rstrip("`"), text))


def _tree(paths: str) -> dict[str, Any]:
    root: dict[str, Any] = {}
    for path in paths.split(","):
        node = root
        *parents, last = path.strip().split(".")
        for word in parents:
            node = node.setdefault(word, {})
        node[last] = {}
    return root


def _keep(value: Any, tree: dict[str, Any]) -> Any:
    if not tree:
        return value
    if isinstance(value, list):
        return [_keep(each, tree) for each in value]
    if isinstance(value, dict):
        return {name: _keep(value[name], below) for name, below in tree.items() if name in value}
    return value


def _drop(value: Any, tree: dict[str, Any]) -> Any:
    if isinstance(value, list):
        return [_drop(each, tree) for each in value]
    if isinstance(value, dict):
        whole = {name for name, below in tree.items() if not below}
        return {
            name: _drop(each, tree[name]) if name in tree else each for name, each in value.items() if name not in whole
        }
    return value
