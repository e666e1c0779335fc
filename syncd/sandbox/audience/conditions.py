"""Saved segments: which members their conditions hold for. Pure.

Served are the conditions on tags, merge fields, the address, the opt-in, the last change, the language and the
VIP mark. One on anything that the sandbox does not keep (campaigns, purchases, places) is refused when it is
written, so that no segment is silently empty.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from msgspec import Struct, convert

from syncd.sandbox.audience.members import STATUSES
from syncd.sandbox.audience.problems import invalid

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from syncd.sandbox.audience.fields import MergeFields
    from syncd.sandbox.audience.members import Clock, Member
    from syncd.sandbox.audience.register import Register
    from syncd.sandbox.audience.segments import Segment, Segments
    from syncd.sandbox.audience.switches import Switches

Test = Callable[["Member"], bool]
FIELDS = ("TextMerge", "SelectMerge", "DateMerge", "BirthdayMerge", "AddressMerge")
DATES = {"timestamp_opt": "opted_in_at", "info_changed": "changed_at"}


class Condition(Struct, frozen=True):
    """One line of a saved segment, in the API's names."""

    condition_type: str
    field: str = ""
    op: str = ""
    value: str | int | float = ""
    extra: str = ""


class Options(Struct, frozen=True):
    """All lines of a saved segment; without any it holds for nobody."""

    match: Literal["any", "all"] = "all"
    conditions: tuple[Condition, ...] = ()


class Saved:
    """The members of an audience's saved segments, worked out from all members whenever somebody looks."""

    def __init__(
        self, members: Register, segments: Segments, fields: MergeFields, clock: Clock, switches: Switches
    ) -> None:
        self._members = members
        self._segments = segments
        self._fields = fields
        self._clock = clock
        self._switches = switches
        # When, for which options, and how many.
        self._counts: dict[int, tuple[int, Mapping[str, Any] | None, int]] = {}

    def test(self, options: Mapping[str, Any]) -> Test:
        """Whether a member is in a segment with these options. Raises: Problem for what is not served."""
        try:
            wanted = convert(options, Options)
            tests = [self._test(n, each) for n, each in enumerate(wanted.conditions)]
        except ValueError as error:
            # A value of the wrong type, or one that is no number where only a number will do.
            raise invalid(("options", str(error))) from None
        if not tests:
            return lambda member: False
        every = {"any": any, "all": all}[wanted.match]
        return lambda member: every(test(member) for test in tests)

    def page(self, segment: Segment, statuses: Collection[str], offset: int, count: int) -> tuple[list[Member], int]:
        """One page of the members with these statuses, and how many there are."""
        test = self.test(segment.options)
        found = [member for member in self._members if member.status in statuses and test(member)]
        found.sort(key=lambda member: STATUSES.index(member.status))
        return found[offset : offset + count], len(found)

    def count(self, segment: Segment) -> int:
        """How many subscribed members there are, as old as the service's cache lets it be."""
        now = self._clock.now()
        at, options, known = self._counts.get(segment.id, (now, None, 0))
        if options is not segment.options or not 0 <= now - at < self._switches.stats_lag_seconds:
            known = self.page(segment, ("subscribed",), 0, 0)[1]
            self._counts[segment.id] = (now, segment.options, known)
        return known

    def _test(self, n: int, asked: Condition) -> Test:
        kind, wanted, negated = asked.condition_type, asked.value, asked.op.removeprefix("static_") in NEGATIVE
        if kind == "StaticSegment":
            segment_id = int(wanted or 0)
            return lambda member: (segment_id in self._segments.borne(member)) is not negated
        if kind == "VIP":
            return lambda member: member.vip is not negated
        if kind == "Language":
            return lambda member: (member.language == wanted) is not negated
        if kind == "Date" and asked.field in DATES and (compare := self._dates(asked)):
            name = DATES[asked.field]
            return lambda member: compare(getattr(member, name))
        if asked.op in OPERATORS and (kind in FIELDS or kind == "EmailAddress"):
            operator, told = OPERATORS[asked.op], _comparable(wanted)
            merge_id = None if kind == "EmailAddress" else self._merge_id(n, asked.field)
            return lambda member: operator(_comparable(_value(member, merge_id)), told)
        raise _unserved(n, f"{kind}, {asked.field}, {asked.op}")

    def _merge_id(self, n: int, name: str) -> int:
        """The field that is named by its tag or as `merge3`."""
        for each in self._fields:
            if name in (each.tag, f"merge{each.merge_id}"):
                return each.merge_id
        raise _unserved(n, f"a field {name}")

    def _dates(self, asked: Condition) -> Callable[[int | None], bool] | None:
        """What `asked` says of an instant. A date stands in `value`, or in `extra` where `value` says so."""
        if asked.op in ("blank", "blank_not"):
            return lambda at: (at is None) is (asked.op == "blank")
        if asked.op in ("within", "notwithin"):
            days = timedelta(days=int(asked.value))
            return lambda at: (
                at is not None and (self._clock.now() - at <= days.total_seconds()) is (asked.op == "within")
            )
        operator, day = OPERATORS.get(asked.op), asked.extra if asked.value == "date" else str(asked.value)
        if operator is None:
            return None
        return lambda at: at is not None and operator(datetime.fromtimestamp(at, UTC).date().isoformat(), day)


NEGATIVE = ("not", "notmember")
OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "is": lambda has, told: has == told,
    "not": lambda has, told: has != told,
    "contains": lambda has, told: str(told) in str(has),
    "notcontain": lambda has, told: str(told) not in str(has),
    "starts": lambda has, told: str(has).startswith(str(told)),
    "ends": lambda has, told: str(has).endswith(str(told)),
    "greater": lambda has, told: type(has) is type(told) and has != "" and has > told,
    "less": lambda has, told: type(has) is type(told) and has != "" and has < told,
    "blank": lambda has, told: has == "",
    "blank_not": lambda has, told: has != "",
}


def _value(member: Member, merge_id: int | None) -> Any:
    return member.email if merge_id is None else member.values.get(merge_id, "")


def _comparable(value: Any) -> float | str:
    """A number where it is one, so that 9 is less than 10; otherwise text without upper case."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return str(value).lower()


def _unserved(n: int, what: str) -> Exception:
    return invalid((f"options.conditions.item:{n}", f"The sandbox keeps nothing to judge by: {what}"))
