"""Writing changes to Mailchimp: what each person needs, in which order, in the fewest calls.

Three ways lead there. A call per member is quick and its answer is plain. A segment takes 500 people
per call, but cannot be muted and only takes the subscribed. A batch takes a thousand operations of any
kind, muted ones too, and needs minutes. Only this module chooses between them.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from msgspec.structs import replace

from syncd.destinations._mailchimp_costs import CALLS_AT_MOST, tags_of, worth_a_call
from syncd.destinations._mailchimp_gateway import RefusedError
from syncd.destinations._mailchimp_operations import DONE, UNKNOWN, Answer, Batches, Calls, Operation
from syncd.destinations._mailchimp_read import EPISODE
from syncd.destinations._mailchimp_segments import Segments
from syncd.errors import AmbiguousError
from syncd.model import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

    from syncd.destinations._mailchimp_costs import Tags
    from syncd.destinations._mailchimp_operations import Kind
    from syncd.model import Change

    Work = list[tuple["Person", Operation]]

# So many values that were not taken are remembered, so that they are not sent in every cycle.
UNTAKEN_AT_MOST = 10_000
NOT_TAKEN = "does not take the value of"


@dataclass(eq=False, slots=True)
class Person:
    """One change on its way. `left` counts the steps still to be done: profile, tags, each event, the contact."""

    change: Change
    left: int = 0
    notes: tuple[str, ...] = ()
    outcome: Outcome | None = None
    told: bool = False
    tags: Tags = field(init=False)

    def __post_init__(self) -> None:
        change = self.change
        self.tags = tags_of(change)
        self.left = bool(change.create or change.fields) + bool(change.add or change.remove) + len(change.events)
        self.left += bool(change.rename_to) + change.archive

    def settle(self, answer: Answer) -> None:
        """Takes note of the answer to a step; an unknown outcome outweighs a refusal."""
        self.left -= 1
        self.note("has no field", answer.ignored)
        if answer.unknown:
            self.outcome = Outcome(self.change.email, "unknown")
        elif answer.problem and not self.outcome:
            self.outcome = Outcome(self.change.email, "refused", answer.problem.reason, answer.problem.permanent)

    def note(self, fault: str, fields: Sequence[str]) -> None:
        """Takes note of fields that could not be written."""
        if fields:
            self.notes += (f"Mailchimp {fault} {', '.join(fields)}",)

    def report(self) -> Outcome | None:
        """The outcome, once, as soon as there is one."""
        if self.told or (self.left and not self.outcome):
            return None
        self.told = True
        # A field that is not taken is told and left out: it must not cost the person their tags for ever.
        return self.outcome or Outcome(self.change.email, "done", "; ".join(self.notes))


class Untaken:
    """Values that Mailchimp did not take, by person and field; the oldest are forgotten."""

    def __init__(self) -> None:
        self._values: dict[tuple[str, str], str | int | float] = {}

    def add(self, email: str, name: str, value: str | int | float) -> None:
        """Afterwards the value is remembered."""
        self._values[email.lower(), name] = value
        if len(self._values) > UNTAKEN_AT_MOST:
            del self._values[next(iter(self._values))]

    def person(self, change: Change) -> Person:
        """The change on its way, without the values that are known not to be taken."""
        known = [
            name for name, value in change.fields.items() if self._values.get((change.email.lower(), name)) == value
        ]
        fields = {name: value for name, value in change.fields.items() if name not in known}
        person = Person(replace(change, fields=fields) if known else change)
        person.note(NOT_TAKEN, known)
        return person


@dataclass(frozen=True)
class Push:
    """One push. `new_status` tells how a new member begins, and `check_list` raises where the list is gone.

    `restore` makes fields again that somebody deleted, and tells whether all of them exist now.
    """

    calls: Calls
    batches: Batches
    segments: Segments
    new_status: Callable[[], str]
    check_list: Callable[[], object]
    restore: Callable[[set[str]], bool]
    untaken: Untaken
    muted: bool

    def run(self, changes: Sequence[Change]) -> Iterator[Outcome]:
        """Writes the changes and yields an outcome for each as soon as it is known.

        Members come first, then what only a member can have. Fields come before tags and tags before
        events, so that an automation finds what its mail needs; muted, nothing waits for them. Who is
        archived has lost what is ours before.
        """
        if len({change.email.lower() for change in changes}) < len(changes):
            raise ValueError("a push takes one change for each person")
        people = [self.untaken.person(change) for change in changes]
        yield from _reports(people)
        if self.muted:
            yield from self._write(people, "create", "rename")
            yield from self._write(people, "fields", "tags", "event")
        else:
            yield from self._write(people, "create", "rename", "fields")
            yield from self._tag([person for person in people if person.tags and not person.outcome])
            yield from self._write(people, "event")
        yield from self._write(people, "archive")

    def _write(self, people: Sequence[Person], *kinds: Kind) -> Iterator[Outcome]:
        """Does these kinds of steps, by calls or by batches."""
        work = [
            [(person, operation) for operation in self._operations(person, kinds)]
            for person in people
            if not person.outcome
        ]
        way = self._way(sum(map(len, work)))
        for part in _parts(work, way.chunk):
            self._do(way, part)
            yield from _reports(person for person, _ in part)

    def _way(self, operations: int) -> Calls | Batches:
        return self.calls if operations <= CALLS_AT_MOST else self.batches

    def _do(self, way: Calls | Batches, work: Work) -> None:
        """Does the work; what a field kept from being written is tried once more."""
        answers = way.do([operation for _, operation in work])
        if any(answer.problem and answer.problem.status == 404 for answer in answers):
            # Nobody is in a list that was deleted; that must not be held against the members.
            self.check_list()
        ignored = {name for answer in answers for name in answer.ignored}
        restored = bool(ignored) and self.restore(ignored)
        again: Work = []
        for (person, operation), answer in zip(work, answers, strict=True):
            bad = _bad_fields(operation, answer)
            person.note(NOT_TAKEN, bad)
            for name in bad:
                self.untaken.add(operation.email, name, operation.body["merge_fields"][name])
            rest = _without(operation, bad) if bad else _only(operation, answer.ignored) if restored else None
            if rest:
                again.append((person, rest))
            else:
                person.settle(DONE if bad else answer)
        if again:
            answers = self._way(len(again)).do([operation for _, operation in again])
            for (person, _), answer in zip(again, answers, strict=True):
                person.settle(answer)

    def _operations(self, person: Person, kinds: Collection[Kind]) -> Iterator[Operation]:
        """The steps of these kinds that the person needs."""
        change, quiet = person.change, {"is_syncing": True} if self.muted else {}
        if change.create and "create" in kinds:
            body = {"email_address": change.email, "status_if_new": self.new_status(), "merge_fields": change.fields}
            yield Operation("create", change.email, body)
        if change.rename_to and "rename" in kinds:
            yield Operation("rename", change.email, {"email_address": change.rename_to})
        if change.fields and "fields" in kinds and not (change.create or change.rename_to):
            yield Operation("fields", change.email, {"merge_fields": change.fields})
        if person.tags and "tags" in kinds:
            yield _tagging(person, person.tags.values(), quiet)
        for event in change.events if "event" in kinds else ():
            properties = {EPISODE: event.episode, **event.details}
            yield Operation("event", change.email, {"name": event.name, "properties": properties} | quiet)
        if change.archive and "archive" in kinds:
            yield Operation("archive", change.email)

    def _tag(self, people: Sequence[Person]) -> Iterator[Outcome]:
        """Live tags: a call per member or segments, whichever takes fewer calls."""
        # A segment does not take those who have not confirmed yet.
        yield from self._write([person for person in people if person.change.create], "tags")
        members = {person: person.tags for person in people if not person.change.create}
        called, _ = worth_a_call(members, 0 if self.segments.are_known else 1)
        for person in called:
            self._do(self.calls, [(person, _tagging(person, person.tags.values(), {}))])
            yield from _reports([person])
        rest = [person for person in members if person not in called]
        self._move(rest)
        yield from _reports(rest)

    def _move(self, people: Sequence[Person]) -> None:
        """Tags people by segments, and those whom a segment does not take in their own operations."""
        by_email = {person.change.email.lower(): person for person in people}
        missed: dict[Person, list[tuple[str, bool]]] = defaultdict(list)
        for name, add, remove in _moves(by_email):
            for email in self._move_tag(name, add, remove, by_email):
                missed[by_email[email]].append((name, email in add))
        for person in people:
            if not person.outcome and person not in missed:
                person.settle(DONE)
        work = [(person, _tagging(person, tags, {})) for person, tags in missed.items() if not person.outcome]
        if work:
            self._do(self._way(len(work)), work)

    def _move_tag(self, name: str, add: list[str], remove: list[str], by_email: dict[str, Person]) -> set[str]:
        """Puts people in and out of one tag; gives the addresses that it did not take, settles what is doubtful."""
        waiting, missed, answer = {*add, *remove}, set[str](), UNKNOWN
        try:
            for asked, not_taken in self.segments.move(name, add, remove):
                if not_taken is not None:
                    waiting -= set(asked)
                    missed |= not_taken
        except AmbiguousError:
            pass
        except RefusedError as err:
            answer = Answer(err.problem)
        for email in waiting:
            by_email[email].settle(answer)
        return missed


def _reports(people: Iterable[Person]) -> Iterator[Outcome]:
    for person in people:
        outcome = person.report()
        if outcome:
            yield outcome


def _parts(work: Iterable[Work], size: int) -> Iterator[Work]:
    """The steps of all people in parts of at most `size`, each person's together."""
    part: Work = []
    for steps in work:
        if part and len(part) + len(steps) > size:
            yield part
            part = []
        part += steps
    if part:
        yield part


def _tagging(person: Person, tags: Iterable[tuple[str, bool]], quiet: dict[str, bool]) -> Operation:
    listed = [{"name": name, "status": "active" if add else "inactive"} for name, add in tags]
    return Operation("tags", person.change.email, {"tags": listed} | quiet)


def _moves(by_email: dict[str, Person]) -> Iterator[tuple[str, list[str], list[str]]]:
    """Each tag with the addresses to put in and to take out; first those that more people leave, so that hardly
    anybody is in two segments of which one takes over from the other.
    """
    names: dict[str, str] = {}
    moves: dict[str, tuple[list[str], list[str]]] = defaultdict(lambda: ([], []))
    for email, person in by_email.items():
        for key, (name, add) in person.tags.items():
            names.setdefault(key, name)
            moves[key][0 if add else 1].append(email)
    for key, (add_to, remove_from) in sorted(moves.items(), key=lambda move: len(move[1][0]) - len(move[1][1])):
        yield names[key], add_to, remove_from


def _bad_fields(operation: Operation, answer: Answer) -> tuple[str, ...]:
    """Which of the operation's own fields made it fail; their names are told in any language."""
    if answer.problem is None or answer.problem.status != 400 or operation.kind == "rename":
        return ()
    blamed = {name.upper() for name in answer.problem.fields}
    return tuple(name for name in operation.body.get("merge_fields", ()) if name.upper() in blamed)


def _without(operation: Operation, names: Iterable[str]) -> Operation | None:
    """The operation without these fields, of which one bad one fails a whole member; None where nothing is left."""
    fields = {name: value for name, value in operation.body["merge_fields"].items() if name not in set(names)}
    if operation.kind == "fields" and not fields:
        return None
    return Operation(operation.kind, operation.email, operation.body | {"merge_fields": fields})


def _only(operation: Operation, names: Iterable[str]) -> Operation | None:
    """These of the operation's fields alone, for the member who exists by now; None for none."""
    fields = {name: operation.body["merge_fields"][name] for name in names}
    return Operation("fields", operation.email, {"merge_fields": fields}) if fields else None
