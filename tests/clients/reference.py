"""The whole of what the reference says, in its order, as both clients play it in one go."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.clients import reference_fields as fields
from tests.clients import reference_life as life
from tests.clients import reference_members as members
from tests.clients import reference_rest as rest
from tests.clients import reference_tags as tags

if TYPE_CHECKING:
    from tests.clients.table import Step, Table

SECTIONS: dict[str, Table] = {
    "3.1": members.COLLECTIONS,
    "3.2": members.ACCOUNT,
    "3.3": members.LISTING,
    "3.3 PUT": members.PUT,
    "3.3 other writes": members.OTHER_WRITES,
    "3.4": tags.BATCH_SUBSCRIBE,
    "3.5 tags": tags.TAGS,
    "3.5 segments": tags.SEGMENTS,
    "3.6": fields.MERGE_FIELDS,
    "3.7": rest.EVENTS,
    "3.7 activity": rest.ACTIVITY,
    "3.9": rest.JOURNEYS,
    "3.10": rest.BATCHES,
    "3.11": rest.WEBHOOKS,
    "3.12": rest.ERRORS,
    "life": life.LIFE,
}
# Each line under the name of its section.
ROWS = {f"{section}: {row}": steps for section, table in SECTIONS.items() for row, steps in table.items()}
STEPS: list[Step] = [step for steps in ROWS.values() for step in steps]
