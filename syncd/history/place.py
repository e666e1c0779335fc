"""Where a history lies: what tells it from every copy of it, on another machine or beside it."""

from __future__ import annotations

from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import delete, text, update

from syncd.history.database import is_sqlite
from syncd.history.schema import audiences, moments, moments_in_use

if TYPE_CHECKING:
    from syncd.history.database import History

# A container has none; there the file alone has to tell.
_MACHINE = Path("/etc/machine-id")


def place_of(history: History) -> str:
    """The same for as long as nobody moves the database, and another one for its copy.

    SQLite: the machine and the file itself, whatever it is called. PostgreSQL: the server's own identifier and the
    database's, from whatever machine it is asked. A digest, for a machine's identifier is nobody else's business.
    """
    own = _file(history) if is_sqlite(history.engine) else _database(history)
    return blake2b(own.encode(), digest_size=8).hexdigest()


def _file(history: History) -> str:
    machine = _MACHINE.read_text().strip() if _MACHINE.is_file() else ""
    return f"{machine} {Path(str(history.engine.url.database)).stat().st_ino}"


def _database(history: History) -> str:
    query = text(
        "SELECT system_identifier, pg_database.oid FROM pg_control_system(), pg_database"
        " WHERE datname = current_database()"
    )
    with history.read() as db:
        server, own = db.execute(query).one()
    return f"{server} {own}"


def move_in(history: History, audience: str) -> None:
    """The audience is written to from here. The history may be older than what was written from elsewhere since: so
    all members are read anew, what waits to be told is looked for at the service, and what happened before the next
    judgement is not told at all.
    """
    here = place_of(history)
    waiting = (moments.c.audience == audience, moments.c.state == "waiting")
    with history.begin() as db:
        anew = {"place": here, "member_cursor": None, "rules_digest": ""}
        db.execute(update(audiences).where(audiences.c.name == audience).values(anew))
        db.execute(delete(moments_in_use).where(moments_in_use.c.audience == audience))
        db.execute(update(moments).where(*waiting).values(state="sending", settled_at=0))
