"""What a judgement stores is what each person would get if they were looked at alone; and it stores nothing else."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event, insert, update

from syncd.history import ledger, outbox
from syncd.history.database import History
from syncd.history.fields import AS_KNOWN
from syncd.history.members import store_members
from syncd.history.people import mark_news
from syncd.history.schema import customers, metadata, moves, news, standings
from syncd.history.shops import set_shop_state, shop_row
from syncd.history.stays import stays
from syncd.model import MemberStatus
from syncd.plan import Tags
from syncd.plan.want import control_bits
from syncd.settings import load
from syncd.steps.context import Context
from syncd.steps.judge import Judged, judge
from tests.integration.history_records import NOW, customer, member, order, rows, take

SEGMENTS = ("regular", "spanish", "measured")
CONFIGURATION = """
[syncd]
stale_after = "999 days"
[shops.acme]
platform = "shopify"
domain = "acme.myshopify.com"
token = { file = "token" }
[audiences.main]
esp = "mailchimp"
list_id = "a1"
api_key = { file = "token" }
shops = ["acme"]
currency = "EUR"
timezone = "UTC"
create = "CREATE"
[audiences.main.lifecycle.segments]
regular = { when = "orders(ever) >= 2" }
spanish = { when = 'country == "ES"' }
measured = { when = "orders(ever) >= 1", control = 50 }
[audiences.main.lifecycle.fields]
ORDERS = { value = "orders(ever)" }
SPEND = { value = "spend(ever)" }
FIRST = { value = "first_order" }
CITY = { value = "city" }
"""


class Still:
    """A clock that stands still."""

    def now(self) -> int:
        return NOW

    def wait_until(self, instant: int, stop: Any) -> None:
        raise AssertionError("nobody waits here")


@dataclass(frozen=True)
class Somebody:
    """A person as the history may have them before they are judged; `stood` is None where nobody judged them yet."""

    status: MemberStatus | None
    consents: bool
    city: str
    country: str
    amounts: tuple[int, ...]
    refused: bool = False
    known_tags: int = 0
    known_fields: str = ""
    stood: tuple[int, int, str, int | None] | None = None
    has_news: bool = False


TEXTS = ("", '{"CITY":"Vigo"}', '{"CITY":"Vigo","ORDERS":1}')
BITS = st.integers(0, 2 ** len(SEGMENTS) - 1)
PEOPLE = st.lists(
    st.builds(
        Somebody,
        status=st.sampled_from([None, *MemberStatus]),
        consents=st.booleans(),
        city=st.sampled_from(["", "Vigo", "Ávila", "ñ" * 140, 'Łódź "1"\n']),
        country=st.sampled_from(["", "ES", "PT"]),
        amounts=st.lists(st.sampled_from([1, 999, 5_000, 12_345]), max_size=3).map(tuple),
        refused=st.booleans(),
        known_tags=BITS,
        known_fields=st.sampled_from(TEXTS),
        stood=st.none() | st.tuples(BITS, BITS, st.sampled_from(TEXTS), st.none() | st.just(NOW + 99)),
        has_news=st.booleans(),
    ),
    min_size=1,
    max_size=12,
)


def email_of(number: int) -> str:
    return f"p{number}@example.com"


def context_of(history: History, directory: Path, create: str = "consented") -> Context:
    (directory / "token").touch(0o600)
    path = directory / "syncd.toml"
    path.write_text(CONFIGURATION.replace("CREATE", create))
    shop_row(history, "acme", platform="shopify")
    set_shop_state(history, "acme", pulled_at=NOW)
    return Context(load(path), history, Still())


def tags_of(context: Context) -> Tags:
    return ledger.tags_of(context.history, "main", context.settings.audiences["main"].playbook, "")


def settle(history: History, people: list[Somebody]) -> dict[int, Somebody]:
    """The history holds exactly these people, and nobody was judged by the rules of now; returns them by id."""
    with history.begin() as db:
        for table in reversed(metadata.sorted_tables):
            if table.name not in ("shops", "segments"):
                db.execute(table.delete())
    records: list[Any] = []
    for number, one in enumerate(people):
        who, consent = email_of(number), "granted" if one.consents else "unknown"
        records.append(customer(who, who, consent=consent, city=one.city, country=one.country))
        records += [
            order(f"{who} {at}", email=who, customer_id=who, placed_at=at * 86_400, paid_minor=paid, goods_minor=paid)
            for at, paid in enumerate(one.amounts, start=1)
        ]
    take(history, *records)
    listed = [member(email_of(number), one.status) for number, one in enumerate(people) if one.status]
    store_members(history, "main", listed, None, bits={}, field_names=[], now=NOW - 9)
    ids = {email: id_ for id_, email in rows(history, customers, "id", "email")}
    found = {ids[email_of(number)]: one for number, one in enumerate(people)}
    with history.begin() as db:
        db.execute(news.delete())
        mark_news(db, [id_ for id_, one in found.items() if one.has_news], ["main"])
        db.execute(standings.delete())
        for id_, one in found.items():
            _settle(db, id_, one)
    return found


def _settle(db: Any, id_: int, one: Somebody) -> None:
    known: dict[str, Any] = {"known_tags": one.known_tags, "known_fields": one.known_fields}
    known |= {"audience": "main", "customer_id": id_, "refused": "no such mailbox" if one.refused else ""}
    if one.stood is None:
        db.execute(insert(standings), known)
        return
    segments, wanted_tags, wanted_fields, due_at = one.stood
    stood = {"segments": segments, "wanted_tags": wanted_tags, "next_due_at": due_at, "wanted_fields": wanted_fields}
    db.execute(insert(standings), known | stood | {"wanted_fields_hash": AS_KNOWN if wanted_fields else 0})
    if segments:
        joined = {"audience": "main", "customer_id": id_, "joined_segments": segments, "left_segments": 0}
        db.execute(insert(moves), joined | {"moved_at": NOW - 5})


def alone(number: int, one: Somebody, bits: dict[str, int], *, creates: bool) -> tuple[int, int, str]:
    """The segments, tags and fields that the configuration above means for one person."""
    count, inside = len(one.amounts), 0
    for name, holds in zip(SEGMENTS, (count >= 2, one.country == "ES", count >= 1), strict=True):
        inside |= holds << bits[name]
    before = (one.known_tags, one.known_fields)
    if one.refused or one.status not in (None, MemberStatus.SUBSCRIBED, MemberStatus.UNSUBSCRIBED):
        return inside, *before
    if one.status is None and not (creates and one.consents):
        return inside, *before
    if one.status is MemberStatus.UNSUBSCRIBED:
        return inside, 0, one.known_fields
    fields: dict[str, Any] = {"ORDERS": count, "SPEND": plain(sum(one.amounts) / 100)}
    if count:
        fields["FIRST"] = datetime.fromtimestamp(86_400, UTC).date().isoformat()
    if one.city:
        fields["CITY"] = one.city.encode()[:255].decode(errors="ignore")
    withheld = control_bits(email_of(number), {bits["measured"]: ("measured", 50.0)})
    return inside, inside & ~withheld, json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def plain(amount: float) -> float:
    return int(amount) if amount == int(amount) else amount


@pytest.mark.parametrize("create", ["consented", "never"])
@settings(
    max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], database=None
)
@given(people=PEOPLE)
def test_everybody_stands_where_they_would_if_they_were_judged_alone(
    people: list[Somebody], create: str, history: History, tmp_path: Path
) -> None:
    context = context_of(history, tmp_path, create)
    found = settle(history, people)
    tags = tags_of(context)
    judged = judge(context, "main", tags)
    stored = {row[0]: row[1:] for row in rows(history, standings, *STORED)}
    joined = left = 0
    for number, (id_, one) in enumerate(found.items()):
        segments, wanted_tags, wanted_fields = alone(number, one, tags.bits, creates=create == "consented")
        assert stored[id_] == (segments, wanted_tags, wanted_fields, None, one.known_tags, one.known_fields)
        was_in = one.stood[0] if one.stood else 0
        expected = Counter({(bit, NOW - 5, None if segments >> bit & 1 else NOW): 1 for bit in bits_of(was_in)})
        expected.update((bit, NOW, None) for bit in bits_of(segments & ~was_in))
        assert Counter(stays_of(history, id_)) == expected
        joined, left = joined + (segments & ~was_in).bit_count(), left + (was_in & ~segments).bit_count()
    assert judged == Judged(len(people), joined, left)
    assert rows(history, news) == []


STORED = ("customer_id", "segments", "wanted_tags", "wanted_fields", "next_due_at", "known_tags", "known_fields")


def bits_of(bit_set: int) -> list[int]:
    return [bit for bit in range(bit_set.bit_length()) if bit_set >> bit & 1]


def stays_of(history: History, id_: int) -> list[tuple[int, int, int | None]]:
    with history.read() as db:
        return [tuple(stay[1:]) for stay in stays(db, "main", [id_])]


@contextmanager
def statements(history: History) -> Iterator[list[tuple[str, int]]]:
    """The statements carried out within, each with how many rows it was given."""
    found: list[tuple[str, int]] = []

    def note(_: Any, __: Any, statement: str, given_: Any, ___: Any, many: bool) -> None:
        found.append((statement, len(given_) if many else 1))

    event.listen(history.engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        event.remove(history.engine, "before_cursor_execute", note)


def crowd(size: int) -> list[Somebody]:
    cities, states = ("", "Vigo", "Ávila"), (None, MemberStatus.SUBSCRIBED, MemberStatus.UNSUBSCRIBED)
    return [
        Somebody(states[at % 3], at % 2 == 0, cities[at % 3], "ES" if at % 5 else "PT", (5_000,) * (at % 4))
        for at in range(size)
    ]


def touches(statement: str) -> bool:
    """Whether it writes where people stand."""
    verb, *rest = statement.split(maxsplit=3)
    return verb in ("INSERT", "UPDATE", "DELETE") and bool({*rest} & {"standings", "moves", "news", "moments"})


def test_a_judgement_that_moves_nobody_writes_nothing_of_anybody(history: History, tmp_path: Path) -> None:
    context = context_of(history, tmp_path)
    settle(history, crowd(30))
    assert judge(context, "main", tags_of(context)).people == 30
    ledger.set_audience(history, "main", rules_digest="of other rules")
    with statements(history) as found:
        assert judge(context, "main", tags_of(context)) == Judged(30, 0, 0)
    assert [statement for statement, _ in found if touches(statement)] == []


def test_who_is_due_at_another_time_alone_is_due_then(history: History, tmp_path: Path) -> None:
    context = context_of(history, tmp_path)
    settle(history, crowd(6))
    judge(context, "main", tags_of(context))
    stored = rows(history, standings)
    with history.begin() as db:
        db.execute(update(standings).values(next_due_at=NOW + 99))
    ledger.set_audience(history, "main", rules_digest="of other rules")
    judge(context, "main", tags_of(context))
    assert rows(history, standings) == stored


def changing(history: History, context: Context, ids: list[int]) -> list[int]:
    """Each of these has ordered once more. Returns how many rows each statement of judging them was given."""
    emails = dict(rows(history, customers, "id", "email"))
    more = (order(f"{id_} of {len(ids)}", email=emails[id_], customer_id=emails[id_]) for id_ in ids)
    take(history, *more)
    with statements(history) as found:
        assert judge(context, "main", tags_of(context)).people == len(ids)
    return [rows_ for _, rows_ in found]


def test_what_a_cycle_costs_follows_those_who_changed_and_not_the_audience(history: History, tmp_path: Path) -> None:
    spent = []
    for size in (12, 120):
        context = context_of(history, tmp_path)
        # The same twelve, with others between them or without.
        everybody = sorted(settle(history, [one for one in crowd(12) for _ in range(size // 12)]))
        judge(context, "main", tags_of(context))
        spent.append([changing(history, context, everybody[:: size // 12][:count]) for count in (1, 12)])
    alone_, among_many = spent
    assert alone_ == among_many
    one, twelve = alone_
    assert len(twelve) <= len(one) + 2


def test_who_was_refused_and_is_not_any_more_shall_have_their_fields_again(history: History, tmp_path: Path) -> None:
    context = context_of(history, tmp_path)
    (id_,) = settle(history, [Somebody(MemberStatus.SUBSCRIBED, False, "Vigo", "ES", ())])

    def wanted() -> Any:
        judge(context, "main", tags_of(context))
        return rows(history, standings, "wanted_tags", "wanted_fields")

    before = wanted()
    sent = outbox.Waiting(
        1, id_, email_of(0), 2, 0, {"CITY": "Vigo"}, create=False, archive=False, rename_to="", told=()
    )
    outbox.refuse(history, "main", [(sent, "no such mailbox", True)])
    assert wanted() == [(0, "")]
    # Under another contact the service may take them.
    store_members(history, "main", [member(email_of(0), contact_id="another")], None, bits={}, field_names=[], now=NOW)
    assert wanted() == before != [(0, "")]
