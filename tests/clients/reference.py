"""The whole of what the reference says, in its order, as both clients play it in one go."""

from __future__ import annotations

from typing import TYPE_CHECKING

import reference_members as members

if TYPE_CHECKING:
    from table import Step, Table

SECTIONS: dict[str, Table] = {
    "3.1": members.COLLECTIONS,
    "3.2": members.ACCOUNT,
    "3.3": members.LISTING,
    "3.3 PUT": members.PUT,
    "3.3 other writes": members.OTHER_WRITES,
}
# Each line under the name of its section.
ROWS = {f"{section}: {row}": steps for section, table in SECTIONS.items() for row, steps in table.items()}
STEPS: list[Step] = [step for steps in ROWS.values() for step in steps]
