"""Which fault strikes which request. Pure: it draws from a seed; carrying the fault out is the frame's work."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Annotated, Literal

from msgspec import Meta, Struct

from syncd.sandbox.dice import dice

if TYPE_CHECKING:
    from random import Random

Kind = Literal["status", "reset", "hang", "drip", "truncate", "html200", "delay", "empty"]


class Fault(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One rule of the fault catalogue.

    It strikes requests to `service` (`*`: all) whose path matches the glob `path` and whose method is
    `method`, with chance `p`, not the first `after` of them, and at most `count` times.

    `status` answers `status` with `body` and `headers`; `reset` breaks the connection; `hang` answers
    nothing for `seconds`; `delay` answers after `seconds`; `drip` sends a byte every `seconds`;
    `truncate` breaks off after the share `at` of the body; `html200` is a captive portal's page;
    `empty` is 200 without a body. With `phase` "after" the request takes effect and the answer is
    lost or replaced; with "before" it never reaches the service.
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
