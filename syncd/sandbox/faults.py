"""Which fault strikes which request. Pure: it draws from a seed; carrying the fault out is the frame's work."""

from __future__ import annotations

from base64 import b64decode
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Annotated, Literal

from msgspec import Meta, Struct

from syncd.sandbox.dice import dice

if TYPE_CHECKING:
    from random import Random

Kind = Literal[
    "status",
    "redirect",
    "reset",
    "hang",
    "delay",
    "drip",
    "truncate",
    "html200",
    "empty",
    "body",
    "mutate",
    "headers",
    "flood",
    "gzip_bomb",
]
# These spoil the service's own answer; all others stand in its place.
OF_AN_ANSWER = frozenset({"drip", "truncate", "body", "mutate", "headers"})


class Fault(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One rule of the fault catalogue.

    It strikes requests to `service` (`*`: all) whose path matches the glob `path` and whose method is
    `method`, with chance `p`, not the first `after` of them, and at most `count` times.

    `status` answers `status` with `body` and `headers`; `reset` breaks the connection; `hang` answers
    nothing for `seconds`; `delay` answers after `seconds`; `drip` sends a byte every `seconds`;
    `truncate` breaks off after the share `at` of the body; `html200` is a captive portal's page;
    `empty` is 200 without a body; `redirect` sends on to `to` (302, or `status` where that is one).

    The service's own answer comes with another body (`body`: the text, or `body_base64` for what is no
    text), with the JSON `value` at `field` (`mutate`: `orders.0.email`; without the field for ""), or
    with `headers` in the place of its own (`headers`). `flood` is `size` bytes that mean nothing, and
    `gzip_bomb` as many packed into a thousandth of them.

    With `phase` "after" the request takes effect and the answer is lost or replaced; with "before" it
    never reaches the service, but for the kinds that spoil its own answer.
    """

    kind: Kind
    service: str = "*"
    path: str = "*"
    method: str = "*"
    p: Annotated[float, Meta(ge=0, le=1)] = 1.0
    after: Annotated[int, Meta(ge=0)] = 0
    count: Annotated[int, Meta(ge=0)] | None = None
    phase: Literal["before", "after"] = "before"
    status: Annotated[int, Meta(ge=200, le=599)] = 500
    headers: dict[str, str] = {}
    body: str = ""
    seconds: Annotated[float, Meta(ge=0)] | None = None
    at: Annotated[float, Meta(ge=0, le=1)] = 0.5
    to: str = ""
    body_base64: str = ""
    field: str = ""
    value: str = ""
    size: Annotated[int, Meta(ge=0)] = 1 << 30

    def __post_init__(self) -> None:
        _ = self.content

    @property
    def content(self) -> bytes:
        """The body to answer with. Raises: ValueError where `body_base64` is none."""
        return b64decode(self.body_base64, validate=True) if self.body_base64 else self.body.encode()

    def matches(self, service: str, method: str, path: str) -> bool:
        """Whether the rule is about such a request."""
        return (
            fnmatchcase(service, self.service)
            and fnmatchcase(path, self.path)
            and self.method.upper() in ("*", method.upper())
        )


class _Rule(Struct):
    fault: Fault
    dice: Random
    seen: int = 0
    struck: int = 0

    def strikes(self) -> bool:
        self.seen += 1
        if self.seen <= self.fault.after or (self.fault.count is not None and self.struck >= self.fault.count):
            return False
        if self.dice.random() >= self.fault.p:
            return False
        self.struck += 1
        return True


class Faults:
    """The rules in force. The first one that strikes a request is the one that it suffers."""

    def __init__(self, seed: int = 1) -> None:
        self._seed = seed
        self._rules: list[_Rule] = []

    def add(self, fault: Fault) -> None:
        """Afterwards `fault` is in force, behind those before it."""
        self._rules.append(_Rule(fault, dice(self._seed, "fault", len(self._rules))))

    def clear(self) -> None:
        """Afterwards no fault is in force."""
        self._rules.clear()

    def pick(self, service: str, method: str, path: str) -> Fault | None:
        """The fault that this request suffers."""
        for rule in self._rules:
            if rule.fault.matches(service, method, path) and rule.strikes():
                return rule.fault
        return None

    def report(self) -> list[tuple[Fault, int]]:
        """Each rule with the number of times it struck."""
        return [(rule.fault, rule.struck) for rule in self._rules]
