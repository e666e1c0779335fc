"""What a run came to, and what must hold whatever happened in it: judged by what shops and audience really hold.

`Outcome` is all that two runs must have in common, however they got there. `Judge` knows the sandbox's ground
truth, and the rules a second time (`tests.oracle`); it uses nothing of syncd but the tables of its history. The
invariants are numbered I1 to I11; that a run ends at all is what its test waits for.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Select, Table, select

from syncd.history.database import History
from syncd.history.packs import differing
from syncd.history.schema import articles, customers, metadata, moves, orders, outbox, plans, segments, writes
from syncd.plan import bits_in
from syncd.sandbox.truth import TrueOrder, truth
from syncd.sandbox.witness import Exchange, listening
from tests.faults.harness import Stage, Watch
from tests.log_lines import caught_lines
from tests.oracle import everybody, months_ago

ZONE = ZoneInfo("Europe/Madrid")
OURS = "syncd:"
OUR_FIELDS = {"SPEND6M", "ORDERS", "LASTORDER", "FIRSTORD", "SPENDYEAR"}
# Whoever bears this tag of the marketer's lost our tag "repeat" by the same hand.
MEDDLED = "vip 2024"
# Ten belong to the whole account; http.py keeps eight.
MAILCHIMP_AT_ONCE = 8
# What depends on when and how often syncd came round, and not on what it then knew.
OWN_TIMES = {"committed_at", "observed_at", "first_seen_at", "since_at", "due_at", "next_due_at", "settled_at"}
OWN_TIMES |= {"pulled_at", "backfilled_at", "changed_at", "members_read_at", "clicked_at", "happened_at", "attempts"}
# When a new contact was made.
OWN_TIMES |= {"opted_in_at"}
# When a tag was seen to be taken off, and a record in quarantine again.
OWN_TIMES |= {"at", "seen_at"}
# The trail of a run, where it was to go on, and what is only the rows once more (`differing` compares it to them).
OF_THE_RUN = {
    "keys",
    "leases",
    "packs",
    "unpacked",
    "cursors",
    "plans",
    "writes",
    "outbox",
    "audiences",
    "moments_in_use",
    "alembic_version",
}

Journey = tuple[str, str, str]


@dataclass(frozen=True)
class Outcome:
    """What audience and history hold in the end, without numbers and times of our own."""

    members: dict[str, dict[str, Any]]
    events: dict[str, list[tuple[str, dict[str, str]]]]
    journeys: Counter[Journey]
    history: dict[str, Counter[str]] = field(repr=False)

    @classmethod
    def of(cls, stage: Stage) -> Outcome:
        """What it came to by now."""
        return cls(stage.state(), _events(stage), Counter(journeys(stage)), history_of(stage.history))

    def differences(self, right: Outcome, *, on_the_way: bool = True) -> Iterator[str]:
        """Where this outcome is not the right one; `on_the_way`: also in what people were told until then."""
        for email in sorted({*self.members, *right.members}):
            if (have := self.members.get(email)) != (wanted := right.members.get(email)):
                yield f"{email} is {have} in the audience, not {wanted}"
        if on_the_way:
            for email in sorted({*self.events, *right.events}):
                if (told := self.events.get(email)) != (due := right.events.get(email)):
                    yield f"{email} was told {told}, not {due}"
            for journey, times in sorted((self.journeys - right.journeys).items()):
                yield f"the journey {journey} was started {times} times too often"
            for journey, times in sorted((right.journeys - self.journeys).items()):
                yield f"the journey {journey} was started {times} times too few"
        for table in sorted(self.history.keys() - (set() if on_the_way else {"moves", "moments"})):
            have_rows, right_rows = self.history[table], right.history[table]
            yield from (f"{table} holds {row}" for row in sorted(have_rows - right_rows))
            yield from (f"{table} lacks {row}" for row in sorted(right_rows - have_rows))


def journeys(stage: Stage) -> list[Journey]:
    """Who entered a journey, by what, and by which value."""
    return [(entry["email"], entry["trigger"], entry["value"]) for entry in stage.members.journeys()]


def _events(stage: Stage) -> dict[str, list[tuple[str, dict[str, str]]]]:
    """What each member was told. An episode that stands for a customer's number stands for the address here."""
    found = {}
    for member in stage.members.members:
        told = [(e.name, {k: v for k, v in e.properties.items() if k != "episode"}) for e in member.events]
        if told:
            found[member.email] = sorted(told, key=repr)
    return found


def history_of(history: History) -> dict[str, Counter[str]]:
    """The rows of each table as text, told without the numbers that rows have of us."""
    with history.read() as db:
        emails = {row.id: row.email for row in db.execute(select(customers.c.id, customers.c.email))}
        titles = {row.id: f"{row.shop} {row.title}" for row in db.execute(select(articles))}
        names = {"customer_id": emails, "successor_id": emails, "article_id": titles}
        told = {
            table.name: Counter(_told(row, names) for row in db.execute(_lasting(table)).mappings())
            for table in metadata.sorted_tables
            if table.name not in {*OF_THE_RUN, moves.name}
        }
        return told | {moves.name: Counter(_steps(db, emails))}


def _steps(db: Connection, emails: Mapping[int, str]) -> Iterator[str]:
    """Each segment that somebody joined or left. Which of them were one move is a matter of when they were judged."""
    for row in db.execute(select(moves)):
        for step, bits in (("joined", row.joined_segments), ("left", row.left_segments)):
            yield from (f"{row.audience}: {emails[row.customer_id]} {step} {bit}" for bit in bits_in(bits))


def _lasting(table: Table) -> Select[Any]:
    return select(*(column for column in table.c if column.name not in OWN_TIMES))


def _told(row: Mapping[str, Any], names: Mapping[str, Mapping[int, str]]) -> str:
    told = {name: names[name].get(value, value) if name in names else value for name, value in row.items()}
    if isinstance(told.get("id"), int):
        del told["id"]
    if "erased_at" in told:
        # Under a key that each history draws for itself.
        told.pop("digest", None)
    if "episode" in told:
        # Made of the customer's number and the moment of joining.
        del told["episode"], told["key"]
    return repr(told)


class Judge:
    """Watches over one run, from before its first step; `violations` says what was broken in it."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.lines: list[dict[str, Any]] = []
        # Addresses of people whom a shop erased: theirs is nobody's any more, whoever may still order under it.
        self.erased: set[str] = set()
        # Tags of ours of which this judge knows nothing.
        self.others: set[str] = set()
        self._written: list[tuple[str, str, Any]] = []
        self._journeys_before = Counter(journeys(stage))
        self._trail_before = self._trail()
        self.look()
        self._stack = ExitStack()

    def __enter__(self) -> Judge:
        self._stack.enter_context(listening(self._hear))
        self.lines = self._stack.enter_context(caught_lines())
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _hear(self, exchange: Exchange) -> None:
        if exchange.service != "mailchimp" or exchange.method == "GET":
            return
        body = json.loads(exchange.body) if exchange.body else {}
        if exchange.path.endswith("/batches"):
            operations = body["operations"]
            self._written += [(o["method"], o["path"], json.loads(o.get("body") or "{}")) for o in operations]
        else:
            self._written.append((exchange.method, exchange.path, body))

    def violations(self, watch: Watch | None = None, *, vip: bool = True) -> list[str]:
        """What was broken, once the run has come to rest; `vip`: the mean spend is that of now."""
        found = [*self.trespasses(), *self.arrears(vip=vip), *self._repeated(), *self._unexplained()]
        if watch and watch.most_at_once["mailchimp"] > MAILCHIMP_AT_ONCE:
            found.append(f"I8: {watch.most_at_once['mailchimp']} requests to Mailchimp at once")
        return found

    def trespasses(self) -> list[str]:
        """What was done since the last `look` that never may be, however a run goes on."""
        return [*self._foreigners(), *self._statuses(), *self._private()]

    def arrears(self, *, vip: bool = True) -> list[str]:
        """What is not yet as it should be when nothing more is to come."""
        return [*self.orders(), *self._tags(vip), *self._fields(), *self._left_over()]

    def look(self) -> None:
        """What others have done in the audience is as it should be."""
        self._foreign_before = self._foreign()
        self._status_before = {each.contact_id: each.status for each in self.stage.members.members}

    # I1, I2 and I3: what is known and shown is what the shops hold.

    def orders(self) -> Iterator[str]:
        """What the history has of orders and the shops have not, and the other way round."""
        columns = (orders.c.shop, orders.c.placed_at, orders.c.currency, orders.c.paid_minor, orders.c.refunded_minor)
        with self.stage.history.read() as db:
            have = Counter(map(tuple, db.execute(select(*columns).where(~orders.c.deleted))))
        right = Counter(
            (shop.name, one.placed_at, one.currency, one.total_minor, one.refunded_minor)
            for shop in self.stage.world.shops.values()
            for one in shop.orders
            # What Ecwid calls incomplete is a cart.
            if not (shop.platform == "ecwid" and one.status == "expired")
        )
        foreign = {key for key in right if key[2] != "EUR"}
        yield from (f"I1: an order that no shop has: {each}" for each in have - right)
        yield from (f"I1: an order is missing: {each}" for each in right - have if each not in foreign)
        yield from (f"I1: what customer {each} bought is packed wrongly" for each in differing(self.stage.history))

    def bought(self) -> dict[str, list[TrueOrder]]:
        """The counted orders of everybody who can be told by an address now."""
        return {
            email: counted
            for email, every in truth(self.stage.world).items()
            if email and (counted := [o for o in every if o.counted and o.net_minor > 0 and o.currency == "EUR"])
        }

    def _tags(self, vip: bool) -> Iterator[str]:
        purchases = {
            email: [(_day(one.placed_at), one.net_minor) for one in every] for email, every in self.bought().items()
        }
        state = self.stage.state()
        reached = {email for email, member in state.items() if member["status"] == "subscribed"}
        right, strangers = everybody(purchases, reached, self.stage.today()), self.strangers()
        for email, member in state.items():
            have = {tag.removeprefix(OURS) for tag in member["tags"] if tag.startswith(OURS)}
            if email in reached and email not in strangers:
                wanted = {name for name, bearers in right.items() if email in bearers}
                # What the marketer took off stays off.
                wanted -= {"repeat"} if MEDDLED in member["tags"] else set()
            elif member["status"] == "unsubscribed":
                # Whom the marketer put away, or whose mail bounced, is left as they are.
                wanted = set()
            else:
                continue
            for name in sorted((have ^ wanted) - self.others - (set() if vip else {"vip"})):
                yield f"I3: {email} {'bears' if name in have else 'lacks'} {name}"

    def _fields(self) -> Iterator[str]:
        today, bought, strangers = self.stage.today(), self.bought(), self.strangers()
        for email, member in self.stage.state().items():
            if member["status"] != "subscribed" or email in strangers:
                continue
            days = [(_day(one.placed_at), one.net_minor) for one in bought.get(email, ())]
            right: dict[str, Any] = {
                "ORDERS": len(days),
                "SPEND6M": sum(minor for day, minor in days if day > months_ago(today, 6)) / 100,
                "SPENDYEAR": sum(minor for day, minor in days if day.year == today.year) / 100,
                "LASTORDER": max(day for day, _ in days).isoformat() if days else None,
                "FIRSTORD": min(day for day, _ in days).isoformat() if days else None,
            }
            shown = member["merge_fields"]
            for name, value in right.items():
                if shown.get(name) != value:
                    yield f"I2: {name} of {email} is {shown.get(name)!r}, not {value!r}"

    def strangers(self) -> Collection[str]:
        """Contacts who were erased, or are known by another address now, so that what is ours went from the old one."""
        with self.stage.history.read() as db:
            gone = "SELECT c.email FROM standings s JOIN customers c ON c.id = s.customer_id WHERE s.leaving = 'strip'"
            return self.erased | {row[0] for row in db.exec_driver_sql(gone)}

    # I4 and I5: what is not ours stays as it was.

    def _foreign(self) -> dict[str, tuple[list[str], dict[str, Any]]]:
        """Of each contact: the tags and fields that are not ours."""
        members, state = self.stage.members.members, self.stage.state()
        return {
            one.contact_id: (
                [tag for tag in state[one.email]["tags"] if not tag.startswith(OURS)],
                {name: v for name, v in state[one.email]["merge_fields"].items() if name not in OUR_FIELDS},
            )
            for one in members
        }

    def _foreigners(self) -> Iterator[str]:
        now = self._foreign()
        for contact, before in self._foreign_before.items():
            if now.get(contact) != before:
                yield f"I4: what others wrote on a contact was {before} and is {now.get(contact)}"

    def _statuses(self) -> Iterator[str]:
        consenting = {
            (one.email or "").lower()
            for shop in self.stage.world.shops.values()
            for one in shop.customers
            if one.consent == "subscribed"
        }
        for one in self.stage.members.members:
            before = self._status_before.get(one.contact_id)
            if before is None and (one.status != "subscribed" or one.email not in consenting):
                yield f"I5: {one.email} became a contact, {one.status}, without consent"
            elif before not in (None, one.status) and one.status != "archived":
                yield f"I5: {one.email} was {before} and is {one.status}"
        yield from (f"I5: {m} {path} writes a status" for m, path, body in self._written if "status" in body)

    # I6 and I9 to I11: nothing twice, nothing told to strangers, nothing left over, nothing unexplained.

    def started(self) -> Counter[Journey]:
        """The journeys that began in this run."""
        return Counter(journeys(self.stage)) - self._journeys_before

    def given(self, value: str) -> set[str]:
        """Who entered a journey by this tag or event in this run."""
        return {email for email, _, by in self.started() if by == value}

    def _repeated(self) -> Iterator[str]:
        for (email, trigger, value), times in self.started().items():
            if times > 1:
                yield f"I6: {email} entered the journey of {trigger} {value} {times} times"

    def _private(self) -> Iterator[str]:
        secrets = ("@", "sandbox-us1", "%40")
        yield from (
            f"I9: the log says {line}" for line in map(repr, self.lines) if any(each in line for each in secrets)
        )

    def _left_over(self) -> Iterator[str]:
        with self.stage.history.read() as db:
            waiting = db.execute(select(outbox.c.state, outbox.c.customer_id)).all()
            open_plans = db.execute(select(plans.c.id).where(plans.c.state.in_(["held", "approved"]))).all()
        yield from (f"I10: the outbox still holds {tuple(row)}" for row in waiting)
        yield from (f"I10: plan {row[0]} is still open" for row in open_plans)

    def _trail(self) -> Counter[tuple[int, str]]:
        """What the audit trail says was given: (customer, tag)."""
        with self.stage.history.read() as db:
            tags = {row.bit: row.tag for row in db.execute(select(segments))}
            rows = db.execute(select(writes.c.customer_id, writes.c.added)).all()
        return Counter((who, tag) for who, added in rows for bit, tag in tags.items() if added >> bit & 1)

    def _unexplained(self) -> Iterator[str]:
        with self.stage.history.read() as db:
            emails = {row.id: row.email for row in db.execute(select(customers.c.id, customers.c.email))}
        told = Counter({(emails[who], tag): n for (who, tag), n in (self._trail() - self._trail_before).items()})
        given = Counter({(email, value): n for (email, by, value), n in self.started().items() if by == "tag"})
        for (email, tag), times in (given - told).items():
            yield f"I11: the trail does not tell that {email} was given {tag} ({times} times)"


def _day(instant: int) -> date:
    return datetime.fromtimestamp(instant, UTC).astimezone(ZONE).date()
