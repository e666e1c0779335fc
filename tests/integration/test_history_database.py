from __future__ import annotations

from sqlalchemy import select, func
from syncd.history.database import History
from syncd.history.schema import customers

def test_a_committed_transaction_is_seen_by_readers(history: History) -> None:
    with history.begin() as db:
        db.execute(customers.insert().values(email="a@x.com"))
    with history.read() as db:
        assert db.execute(select(func.count()).select_from(customers)).scalar() == 1
