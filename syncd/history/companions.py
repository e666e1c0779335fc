"""Which product goes with which, as it was worked out last. Knows neither how, nor when it is in force."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sqlalchemy import delete, select

from syncd.history.database import put
from syncd.history.schema import companions
from syncd.lifecycle.companions import Companion

if TYPE_CHECKING:
    from syncd.history.database import History

_COLUMNS = [companions.c[name] for name in Companion._fields]


def frozen(history: History, audience: str) -> list[Companion]:
    """The companions of the audience's products, by the product's title."""
    query = select(*_COLUMNS).where(companions.c.audience == audience).order_by(companions.c.place)
    with history.read() as db:
        return [Companion(*row) for row in db.execute(query)]


def freeze(history: History, audience: str, found: Sequence[Companion]) -> None:
    """These companions are kept, and those found earlier forgotten."""
    with history.begin() as db:
        db.execute(delete(companions).where(companions.c.audience == audience))
        put(
            db,
            companions,
            ("audience", "place", *Companion._fields),
            [(audience, at, *one) for at, one in enumerate(found)],
        )
