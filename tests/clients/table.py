"""How a step of the reference is written down: what is called, and what the service answers. Knows no client."""

from __future__ import annotations

import re
from hashlib import md5
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

if TYPE_CHECKING:
    from collections.abc import Mapping

KEY = "sandbox-us1"
LIST = "a1b2c3d4e5"
# 21 September 2026, 14:13:20 UTC, where the clock of the sandbox stands.
NOW = 1_790_000_000


# In an expectation: the answer has no such name.
ABSENT = "(absent)"
REFERENCE = re.compile(r"\{(\w+(?:\.\w+)*)\}")


class Refused(Struct, frozen=True):
    """The client raises: a status, and the problem document, as far as it is named here."""

    status: int
    title: str = ""
    detail: str = ""
    errors: tuple[dict[str, str], ...] = ()
    typed: bool = True


class Bare(Struct, frozen=True):
    """The service refuses without a word, and only a client that looks at the status notices."""

    status: int


class Step(Struct, frozen=True):
    """One call, named as the Python client names it, and what it gives.

    `call` may also be `control PATH`: something happens outside the API, told to the sandbox's control
    API; `journeys`: which of them somebody entered; or `results`: a batch is watched to its end and its
    archive unpacked. A text `{batch.id}` in `args` stands for a value of the answer that was kept as
    `batch`, and `{sandbox.control}` for an address. `gives` is None for an answer without content, a part
    of the answer's document, or a refusal.
    """

    call: str
    args: tuple[Any, ...] = ()
    gives: Any = None
    options: dict[str, Any] = {}
    keep: str = ""
    key: str | None = KEY


# What the reference says, line by line, and the calls that show it. All lines are played in one go.
Table = dict[str, list[Step]]


def lists(method: str, *args: Any, gives: Any = None, keep: str = "", **options: Any) -> Step:
    """A call about the audience."""
    return Step(f"lists.{method}", (LIST, *args), gives, options, keep)


def put(email: str, body: Any, gives: Any, **options: Any) -> Step:
    """PUT of the member that has this address."""
    return lists("set_list_member", hash_of(email), body, gives=gives, **options)


def post(body: Any, gives: Any, **options: Any) -> Step:
    """POST of a member."""
    return lists("add_list_member", body, gives=gives, **options)


def get(email: str, gives: Any, keep: str = "") -> Step:
    """The member that has this address."""
    return lists("get_list_member", hash_of(email), gives=gives, keep=keep)


def tag(email: str, gives: Any = None, *, muted: bool = False, **tags: str) -> Step:
    """The tags of a member: `loyal="active"`."""
    body = {"tags": [{"name": name, "status": status} for name, status in tags.items()], "is_syncing": muted}
    return lists("update_list_member_tags", hash_of(email), body, gives=gives)


def hash_of(email: str) -> str:
    """The service's key of an address."""
    return md5(email.strip().lower().encode(), usedforsecurity=False).hexdigest()


def outside(path: str, body: Any) -> Step:
    """Something happens that is no call to the API."""
    return Step(f"control {path}", (body,))


def person(email: str, **change: Any) -> Step:
    """A person, or the marketer, does something in the service itself."""
    return outside(f"/audiences/{LIST}/members/{email}", change)


def entered(email: str, *journeys: str) -> Step:
    """Which journeys somebody has entered: `tag loyal`, `event lapsed`, `api 12/34`."""
    return Step("journeys", (email,), list(journeys))


def clock(seconds: int) -> Step:
    """Afterwards it is so many seconds after NOW."""
    return outside("/clock", {"now": NOW + seconds})


def difference(expected: Any, answer: Any, place: str = "") -> str:
    """What of the expected `answer` lacks, in words; "" for nothing. A list has to have as many elements."""
    if isinstance(expected, dict) and isinstance(answer, dict):
        told = [difference(value, answer.get(name, ABSENT), f"{place}.{name}") for name, value in expected.items()]
    elif isinstance(expected, list) and isinstance(answer, list) and len(expected) == len(answer):
        told = [difference(each, answer[n], f"{place}[{n}]") for n, each in enumerate(expected)]
    else:
        # JavaScript has one kind of number; a truth value is none.
        same = isinstance(expected, bool) is isinstance(answer, bool) and expected == answer
        told = [] if same else [f"{place} should be {expected!r}, not {str(answer)[:300]!r}"]
    return "; ".join(filter(None, told))


def filled(value: Any, kept: Mapping[str, Any]) -> Any:
    """`value` with each `{name.of.a.value}` replaced by that value of an answer that was kept."""
    if isinstance(value, list | tuple):
        return [filled(each, kept) for each in value]
    if isinstance(value, dict):
        return {name: filled(each, kept) for name, each in value.items()}
    if isinstance(value, Refused):
        return replace(value, detail=filled(value.detail, kept))
    if not isinstance(value, str):
        return value
    named = REFERENCE.fullmatch(value)
    return _value(named[1], kept) if named else REFERENCE.sub(lambda found: str(_value(found[1], kept)), value)


def _value(path: str, kept: Any) -> Any:
    for name in path.split("."):
        kept = kept[int(name)] if isinstance(kept, list) else kept[name]
    return kept
