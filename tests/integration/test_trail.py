"""The audit trail tells what was given to whom, also where the answer was lost and only a later look showed it."""

from __future__ import annotations

import json
from pathlib import Path

from sqlalchemy import select

from syncd.history.database import History
from syncd.history.schema import customers, segments, writes
from syncd.sandbox.faults import Fault
from syncd.sandbox.serve import Running
from tests.integration.house import House

NEWCOMER = "new.comer@example.com"


def trail(house: House, email: str) -> list[tuple[set[str], set[str], bool]]:
    """What the trail tells of one person: tags given, fields changed, and whether they were made a member."""
    columns = (writes.c.added, writes.c.fields_before, writes.c.fields_after, writes.c.created)
    with house.history.read() as db:
        names = {row.bit: row.name for row in db.execute(select(segments))}
        query = select(*columns).join(customers, customers.c.id == writes.c.customer_id).order_by(writes.c.id)
        rows = db.execute(query.where(customers.c.email == email)).all()
    told = []
    for added, *fields, created in rows:
        before, after = (json.loads(text or "{}") for text in fields)
        changed = {name for name in {*before, *after} if before.get(name) != after.get(name)}
        told.append(({name for bit, name in names.items() if added >> bit & 1}, changed, created))
    return told


def lose(house: House, path: str) -> None:
    """The next write on this path takes effect, and its answer is lost."""
    house.world.faults.add(Fault(kind="reset", service="mailchimp", path=path, method="POST", phase="after", count=1))


def test_what_was_given_although_the_answer_was_lost_is_told(
    sandbox: Running, history: History, tmp_path: Path
) -> None:
    house = House(sandbox, history, tmp_path)
    house.backfill()
    someone = house.subscriber(with_tag="first-time")
    before = trail(house, someone)
    house.order("acme", someone, "20.00")
    house.order("acme", NEWCOMER, "24.00", consent="subscribed")
    lose(house, "*/tags")
    house.sync()
    house.sync_in_order()
    house.sync_in_order()
    assert house.tags(someone) >= {"repeat", "bought-14d"}
    given, fields, created = trail(house, someone)[len(before)]
    assert given >= {"repeat", "bought-14d"}
    assert fields == {"ORDERS", "SPEND6M", "SPENDYEAR", "LASTORDER"}
    assert not created
    assert any(created for _, _, created in trail(house, NEWCOMER))


def test_who_was_made_a_member_unseen_is_told(house: House) -> None:
    house.order("acme", NEWCOMER, "24.00", consent="subscribed")
    lose(house, "*/tags")
    house.sync()
    house.sync_in_order()
    assert [(given, created) for given, _, created in trail(house, NEWCOMER)] == [({"first-time", "bought-14d"}, True)]


def test_who_entered_a_tag_unseen_takes_up_the_room_of_the_day_like_anybody(house: House) -> None:
    house.configure(max_entries_per_day=1)
    one, other = sorted(house.tagged()["lapsed"])[:2]
    house.order("acme", one, "10.00")
    lose(house, "*/tags")
    house.sync()
    house.order("acme", other, "10.00")
    house.sync_in_order()
    house.sync_in_order()
    assert len(house.tagged()["bought-14d"] & {one, other}) == 1
